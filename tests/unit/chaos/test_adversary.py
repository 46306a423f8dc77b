"""Whom the adversary may take, and what it notes where it may not."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from nats.js.api import ConsumerConfig, ConsumerInfo, SequenceInfo

from chaos import adversary
from chaos.adversary import Adversary
from chaos.history import History
from chaos.people import People, Strangers
from chaos.plan import ALL_NATS, LEADER, NATS, REPLICAS, Fault
from clicks.domain.stripe_events import Sale, read
from contracts.envelope import Envelope

MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Readers:
    tokens: list[str]


@dataclass
class Member:
    name: str
    alone: bool = True
    wanted: bool = True
    killed: int = 0
    frozen: int = 0

    async def kill(self) -> None:
        self.killed += 1

    async def restart(self) -> bool:
        return True

    def freeze(self) -> None:
        self.frozen += 1

    def thaw(self) -> None:
        self.frozen -= 1


@dataclass
class Server:
    member: Member
    up_to_date: bool = True

    async def healthy(self) -> bool:
        return self.up_to_date


@dataclass
class Link:
    whole: bool = True
    done: list[str] = field(default_factory=list)

    def delay(self, _: float) -> None:
        self.done.append("delay")

    def cut(self) -> None:
        self.done.append("cut")

    def heal(self) -> None:
        self.done.append("heal")


@dataclass
class World:
    members: dict[str, Member] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    starting: set[str] = field(default_factory=set)
    links: dict[tuple[str, str], Link] = field(default_factory=dict)

    def server(self, name: str) -> Server:
        return self.servers[name]

    async def problem(self, replica: str) -> str | None:
        return "still starting" if replica in self.starting else None


@dataclass
class Stream:
    """A log whose consumers acknowledged all up to `done`."""

    done: int
    places: list[int] = field(default_factory=list)

    async def consumer_info(self, _: str, name: str) -> ConsumerInfo:
        floor = SequenceInfo(consumer_seq=0, stream_seq=self.done)
        return ConsumerInfo(name, "EVENTS", ConsumerConfig(), MADE, ack_floor=floor)

    async def reset_consumer(self, _: str, __: str, *, seq: int) -> None:
        self.places.append(seq)


@dataclass
class Observer:
    leads: str | None = "nats-1"
    log_last: int = 0
    js: Any = None

    async def leader(self) -> str | None:
        return self.leads


@dataclass
class Scene:
    """An adversary in a world of straw."""

    world: World
    observer: Observer
    path: Path

    async def do(self, kind: str, target: str, **details: Any) -> list[dict[str, Any]]:
        """Do one fault, and return what was noted."""
        history = History(self.path)
        adversary = Adversary(cast("Any", self.world), cast("Any", self.observer), history)
        await adversary.follow([Fault(0.0, kind, target, details=details)])
        history.close()
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [{n: v for n, v in line.items() if n != "at"} for line in lines]

    def killed(self) -> set[str]:
        return {member.name for member in self.world.members.values() if member.killed}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    members = {name: Member(name) for name in (*REPLICAS, *NATS, "postgres", "sandbox")}
    servers = {name: Server(members[name]) for name in NATS}
    return Scene(World(members, servers), Observer(), tmp_path / "history.jsonl")


async def test_a_kill_and_the_restart_are_noted(scene: Scene) -> None:
    killed, restarted = await scene.do("kill", "postgres")

    assert (killed["what"], killed["kind"], killed["target"]) == ("fault", "kill", "postgres")
    assert (restarted["kind"], restarted["target"], restarted["ready"]) == (
        "restart",
        "postgres",
        True,
    )


async def test_a_freeze_ends_with_a_thaw(scene: Scene) -> None:
    noted = await scene.do("freeze", "analytics-0")

    assert [line["kind"] for line in noted] == ["freeze", "thaw"]
    assert scene.world.members["analytics-0"].frozen == 0


async def test_the_leader_is_whoever_leads_now(scene: Scene) -> None:
    noted = await scene.do("kill", LEADER)

    assert scene.killed() == {"nats-1"}
    assert noted[0]["leader"] is True


async def test_without_a_leader_there_is_none_to_take(scene: Scene) -> None:
    scene.observer.leads = None

    (skipped,) = await scene.do("kill", LEADER)

    assert (skipped["what"], skipped["why"]) == ("skipped", "the log has no leader at this moment")


@pytest.mark.parametrize("kind", ["kill", "freeze"])
async def test_no_second_server_of_the_cluster_is_taken(scene: Scene, kind: str) -> None:
    scene.world.members["nats-2"].alone = False

    (skipped,) = await scene.do(kind, "nats-0")

    assert skipped["what"] == "skipped"
    assert not scene.killed()


async def test_a_server_that_is_not_up_to_date_counts_as_away(scene: Scene) -> None:
    scene.world.servers["nats-2"].up_to_date = False

    (skipped,) = await scene.do("kill", "nats-0")

    assert skipped["what"] == "skipped"
    assert not scene.killed()


async def test_the_whole_cluster_is_taken_at_once_only_when_the_plan_says_so(scene: Scene) -> None:
    noted = await scene.do("kill", ALL_NATS)

    assert scene.killed() == set(NATS)
    assert noted[0]["target"] == "nats"
    assert {line["target"] for line in noted[1:]} == set(NATS)


async def test_who_is_down_already_is_left_out(scene: Scene) -> None:
    scene.world.members["clicks-0"].alone = False

    (skipped,) = await scene.do("kill", "clicks-0")

    assert skipped["why"] == "it is down or frozen already"


async def test_a_sender_is_taken_only_while_the_other_is_ready(scene: Scene) -> None:
    scene.world.starting = {"sender-1"}

    (skipped,) = await scene.do("kill", "sender-0")

    assert skipped["what"] == "skipped"
    assert not scene.killed()


async def test_both_projectors_lose_a_slow_link_while_they_write(scene: Scene) -> None:
    first, second = Link(), Link()
    scene.world.links = {("analytics-0", "postgres"): first, ("analytics-1", "postgres"): second}

    torn, healed = await scene.do("tear", "analytics", link="postgres", by=0.2)

    assert first.done == second.done == ["delay", "cut", "heal"]
    assert (torn["kind"], healed["kind"]) == ("tear", "heal")


async def test_a_link_that_is_broken_is_not_torn(scene: Scene) -> None:
    links = {("analytics-0", "postgres"): Link(), ("analytics-1", "postgres"): Link(whole=False)}
    scene.world.links = links

    (skipped,) = await scene.do("tear", "analytics", link="postgres", by=0.2)

    assert (skipped["what"], skipped["why"]) == ("skipped", "the link is broken already")


@pytest.mark.parametrize(("last", "done", "place"), [(500, 490, 300), (500, 120, 121), (50, 9, 1)])
async def test_a_consumer_is_set_back_and_never_past_what_it_has_in_hand(
    scene: Scene, last: int, done: int, place: int
) -> None:
    scene.observer.log_last, scene.observer.js = last, (stream := Stream(done))

    await scene.do("redeliver", "sender-guide", how="reset", count=20)

    assert stream.places == [place]


async def test_what_cannot_be_folded_is_an_event_all_the_same() -> None:
    envelope = Envelope.parse(adversary.unfit("cta.clicked.chaos"))

    assert (envelope.subject, "\0" in envelope.id) == ("cta.clicked.chaos", True)


async def test_nothing_but_its_age_is_wrong_with_what_a_stranger_says_as_stripe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[bytes] = []

    async def note(_self: Strangers, _http: object, _route: str, _path: str, *rest: Any) -> None:
        said.append(rest[0])

    monkeypatch.setattr(Strangers, "_post", note)
    people = cast("People", Readers(tokens=["k1-delivery-0-signature"]))

    await Strangers("http://front", "secret", people, 1)._stale_by_stripe(cast("Any", None))

    assert isinstance(read(json.loads(said[0]), test_events=False), Sale)
