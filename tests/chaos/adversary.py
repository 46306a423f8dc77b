"""Does what the plan says, and undoes it in time. What cannot be done is noted and left out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import nats.errors

from chaos.history import History, now
from chaos.jumping import set_offset
from chaos.members import Member
from chaos.observer import AWAY, STREAM, Observer
from chaos.plan import ALL_NATS, LEADER, NATS, REPLICAS, UPGRADE_ORDER, Fault
from chaos.world import World
from contracts.envelope import Envelope
from contracts.events import CtaClicked
from contracts.examples import example
from sandbox.client import SandboxError
from stack.scene import BOT_ID

_STEAL_SECONDS = 1.0
_UNREADABLE = (b"", b"{", b'{"specversion": "1.0"}', b"\xff\xfe garbage")
_UNFIT = len(_UNREADABLE)
"""The shape of what everybody can read, and no table can hold: an id with a NUL."""
_FAILURES = (*AWAY, httpx.HTTPError, SandboxError, nats.errors.Error, OSError, ValueError)


OPENING = "cta.clicked.chaos-garbage-1"
"""The subject, and the id, of the first message that nobody can read."""


class ImpossibleError(Exception):
    """A fault cannot be done now; the text says why."""


@dataclass
class Adversary:
    """Carries out one plan. `jumps` are the clock faults that were done, as `run.json` has them."""

    world: World
    observer: Observer
    history: History
    jumps: list[dict[str, object]] = field(default_factory=list)
    done: int = 0
    _jumped: set[str] = field(default_factory=set)
    _garbage: int = 0
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from the look at who is up until it is noted who is down: two faults at one moment
    would else take two servers of the cluster."""

    async def follow(self, plan: Sequence[Fault]) -> None:
        """Do each fault at its time, and return when the last one is undone."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as doing:
            for number, fault in enumerate(plan):
                await asyncio.sleep(max(0.0, begun + fault.at - loop.time()))
                doing.create_task(self._do(number, fault))

    async def _do(self, number: int, fault: Fault) -> None:
        acts: dict[str, Callable[[int, Fault], Awaitable[None]]] = {
            "kill": self._kill,
            "roll": self._roll,
            "freeze": self._freeze,
            "cut": self._net,
            "delay": self._net,
            "half_open": self._net,
            "tear": self._tear,
            "unanswered": self._lose_answers,
            "misbehave": self._misbehave,
            "clock": self._clock,
            "redeliver": self._redeliver,
            "garbage": self._say_garbage,
        }
        try:
            await acts[fault.kind](number, fault)
        except ImpossibleError as error:
            self._leave_out(number, fault, str(error))
        except _FAILURES as error:
            self._leave_out(number, fault, repr(error))

    def _leave_out(self, number: int, fault: Fault, why: str) -> None:
        self.history.add("skipped", number=number, kind=fault.kind, target=fault.target, why=why)

    def _note(self, number: int | None, kind: str, target: str, **details: object) -> None:
        self.history.add("fault", number=number, kind=kind, target=target, **details)
        self.done += kind not in {"thaw", "restart", "heal"}

    async def _kill(self, number: int, fault: Fault) -> None:
        async with self._choosing:
            leader = await self._leader_for(fault)
            members = await self._victims(fault.target, leader)
            for member in members:
                member.wanted = False
        await asyncio.gather(*(member.kill() for member in members))
        target = fault.target if fault.target == ALL_NATS else members[0].name
        self._note(number, "kill", target, seconds=fault.seconds, leader=members[0].name == leader)
        await asyncio.sleep(fault.seconds)
        await asyncio.gather(*(self._restart(number, member) for member in members))

    async def _restart(self, number: int | None, member: Member) -> None:
        ready = await member.restart()
        self._note(number, "restart", member.name, ready=ready)

    async def _roll(self, number: int, fault: Fault) -> None:
        """Upgrade all replicas again and again; raises where one does not end well when asked."""
        ends = now() + fault.seconds
        order = [f"{service}-{n}" for service in UPGRADE_ORDER for n in range(2)]
        while now() < ends:
            for name in order:
                member = self._free(name)
                member.wanted = False
                begun = now()
                await member.process.stop()
                status, took = member.process.exit_status, now() - begun
                if status != 0:
                    raise RuntimeError(f"{name}, asked to end, ended with {status}")
                self._note(number, "roll", name, seconds=round(took, 3))
                await self._restart(number, member)
                await self.world.wait_ready(name)

    async def _freeze(self, number: int, fault: Fault) -> None:
        async with self._choosing:
            leader = await self._leader_for(fault)
            (member,) = await self._victims(fault.target, leader)
            member.freeze()
        leads = member.name == leader
        self._note(number, "freeze", member.name, seconds=fault.seconds, leader=leads)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            member.thaw()
            self._note(number, "thaw", member.name)

    async def _leader_for(self, fault: Fault) -> str | None:
        return await self.observer.leader() if fault.target in {*NATS, LEADER} else None

    async def _victims(self, target: str, leader: str | None) -> list[Member]:
        """Return whom a fault takes, where it may; never a second server of the cluster alone."""
        if target == ALL_NATS:
            return [self._free(name) for name in NATS]
        if target == LEADER:
            if leader is None:
                raise ImpossibleError("the log has no leader at this moment")
            target = leader
        if target in NATS:
            others = [self.world.server(name) for name in NATS if name != target]
            up = [s.member.alone and await s.healthy() for s in others]
            if not all(up):
                raise ImpossibleError("another server of the cluster is away or not up to date")
        if target.startswith("sender") and not await self._other_sends(target):
            raise ImpossibleError("the other sender is still starting: nothing is under way")
        return [self._free(target)]

    async def _other_sends(self, sender: str) -> bool:
        """Whether the other sender is ready: one takes seconds of processor time to start."""
        other = next(n for n in REPLICAS if n.startswith("sender") and n != sender)
        return await self.world.problem(other) is None

    def _free(self, name: str) -> Member:
        member = self.world.members[name]
        if not member.alone:
            raise ImpossibleError("it is down or frozen already")
        return member

    async def _net(self, number: int, fault: Fault) -> None:
        link = fault.details["link"]
        names = NATS if link == "nats" else (link,)
        proxies = [self.world.links[fault.target, name] for name in names]
        if any(not proxy.whole for proxy in proxies):
            raise ImpossibleError("the link is broken already")
        for proxy in proxies:
            if fault.kind == "delay":
                proxy.delay(fault.details["by"])
            elif fault.kind == "cut":
                proxy.cut()
            else:
                proxy.half_open()
        self._note(number, fault.kind, fault.target, seconds=fault.seconds, **fault.details)
        await asyncio.sleep(fault.seconds)
        for proxy in proxies:
            proxy.heal()
        self._note(number, "heal", fault.target, link=link)

    async def _tear(self, number: int, fault: Fault) -> None:
        """Slow down the link of whoever folds, and break it in the middle of what it writes."""
        link = fault.details["link"]
        names = [name for name in REPLICAS if name.startswith(fault.target)]
        proxies = [self.world.links[name, link] for name in names]
        if any(not proxy.whole for proxy in proxies):
            raise ImpossibleError("the link is broken already")
        for proxy in proxies:
            proxy.delay(fault.details["by"])
        self._note(number, "tear", fault.target, seconds=fault.seconds, **fault.details)
        await asyncio.sleep(fault.seconds)
        for proxy in proxies:
            proxy.cut()
            proxy.heal()
        self._note(number, "heal", fault.target, link=link)

    async def _lose_answers(self, number: int, fault: Fault) -> None:
        self.world.front.untold += fault.details["count"]
        self._note(number, fault.kind, fault.target, **fault.details)

    async def _misbehave(self, number: int, fault: Fault) -> None:
        named = {"effect", "retry_after", "times", "chat_id"}
        fields = {n: v for n, v in fault.details.items() if n in named}
        if "answered_after" in fault.details:
            fields["seconds"] = fault.details["answered_after"]
        await self.world.people.plan_fault(
            fault.details["fault"], fault.details["method"], **fields
        )
        self._note(number, "misbehave", fault.target, **fault.details)

    async def _clock(self, number: int, fault: Fault) -> None:
        if fault.target in self._jumped:
            raise ImpossibleError("its clock is wrong already")
        self._jumped.add(fault.target)
        path, by = self.world.state / f"{fault.target}.clock", fault.details["by"]
        begun = now()
        set_offset(path, by)
        self._note(number, "clock", fault.target, seconds=by)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            set_offset(path, 0.0)
            self._note(number, "clock", fault.target, seconds=0)
            self._jumped.discard(fault.target)
            self.jumps.append({"target": fault.target, "from": begun, "to": now(), "seconds": by})

    async def _redeliver(self, number: int, fault: Fault) -> None:
        how, count = fault.details["how"], fault.details["count"]
        if how == "steal":
            count = await self._steal(fault.target, count)
        elif how == "reset":
            await self._set_back(fault.target, 10 * count)
        elif how == "update":
            count = await self._repeat(count)
        else:
            self.world.front.twice += count
        self._note(number, "redeliver", fault.target, how=how, count=count)

    async def _set_back(self, consumer: str, by: int) -> None:
        """Let a consumer begin again earlier; never later than what it has not acknowledged.

        What stands before the place that it is set to, it is not handed over any more.
        """
        info = await self.observer.js.consumer_info(STREAM, consumer)
        done = info.ack_floor.stream_seq if info.ack_floor else 0
        place = max(1, min(self.observer.log_last - by, done + 1))
        await self.observer.js.reset_consumer(STREAM, consumer, seq=place)

    async def _steal(self, consumer: str, count: int) -> int:
        """Take messages of a consumer and never acknowledge them: they come again, later."""
        reader = await self.observer.js.pull_subscribe_bind(consumer=consumer, stream=STREAM)
        try:
            with contextlib.suppress(TimeoutError):
                return len(await reader.fetch(count, timeout=_STEAL_SECONDS))
            return 0
        finally:
            await reader.unsubscribe()

    async def _repeat(self, count: int) -> int:
        """Have Telegram send again what it delivered already."""
        delivered = (await self.world.people.updates(BOT_ID))["delivered"][-count:]
        for entry in delivered:
            await self.world.people.repeat(BOT_ID, entry["update_id"])
        return len(delivered)

    async def open_with_garbage(self) -> None:
        """Put into the log what cannot be read, and what cannot be folded: no run is without."""
        for shape in (1, _UNFIT):
            with contextlib.suppress(*_FAILURES):
                garbage = {"subject": "cta.clicked", "shape": shape}
                await self._say_garbage(None, Fault(0.0, "garbage", "log", 0.0, garbage))

    async def _say_garbage(self, number: int | None, fault: Fault) -> None:
        self._garbage += 1
        subject = f"{fault.details['subject']}.chaos-garbage-{self._garbage}"
        shape = fault.details["shape"]
        content = unfit(subject) if shape == _UNFIT else _UNREADABLE[shape]
        said = await self.observer.patient.publish(
            subject, content, headers={"Chaos": "garbage", "Nats-Msg-Id": subject}
        )
        self._note(number, "garbage", fault.target, subject=subject, sequence=said.seq)

    async def heal(self) -> None:
        """Undo whatever is not undone yet: all processes run, all links are whole."""
        self.world.front.untold = self.world.front.twice = 0
        for proxy in self.world.links.values():
            proxy.heal()
        for member in self.world.members.values():
            while member.frozen:
                member.thaw()
            if not member.process.running:
                await self._restart(None, member)
        with contextlib.suppress(*_FAILURES):
            await self.world.people.clear_faults()


def unfit(subject: str) -> bytes:
    """Return a tap that everybody can read, and no table can hold."""
    tap = Envelope.of(example(CtaClicked), source="/chaos", now=datetime.now(UTC), cause=None)
    return tap.model_copy(update={"id": f"{subject} \0", "subject": subject}).document()
