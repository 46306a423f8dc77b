"""Inbound edge: what was sent is withdrawn when its time is over, or when another takes its place.

The log keeps each message until then and asks again. Nothing here is remembered but what replaces
what, which is a fold of the log; every call may be repeated, so nothing need be claimed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from faststream.exceptions import NackMessage
from faststream.nats import JStream, NatsRouter, PullSub
from faststream.nats.message import NatsMessage
from prometheus_client import Counter

from chassis.clock import Clock
from chassis.log import LogSilentError, Reader, handling
from chassis.logs import correlated, logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import (
    Due,
    GuideDue,
    MessageClaimed,
    MessageSent,
    MessageWithdrawn,
    PromoDue,
)
from contracts.expiry import ExpireAction
from contracts.ids import DeliveryId
from contracts.streams import EVENTS, SENDER_SENT
from contracts.subjects import MESSAGES, due_of
from sender.clock_watch import Hindrance
from sender.domain.afterlife import (
    REACH,
    Again,
    Plan,
    Reason,
    Settled,
    Shelf,
    Step,
    Undeletable,
    Verdict,
    given_up,
    instead_of_deleting,
    is_over,
    judge,
    nap,
    patiently,
    pause,
    plan,
    together,
    withdrawn,
)
from sender.domain.outcomes import Refused
from sender.heartbeat import kept_alive
from sender.lane import INBOX, Lane, Line, Room, as_it_came, taken
from sender.ledger import Ledger
from sender.limiter import Later, Turn
from sender.withdrawing import act

KIND = "withdrawal"
"""What withdrawals are called among the lanes of a limiter."""
SHARE = 0.05
"""The part of the rate that they get while posts wait too."""

_WORKERS = 8
"""How many withdrawals one lane makes at once."""
_COMING_BACK = 30.0
"""How many of those that found none of them come back in a second."""
_FETCHED = 64
_AFTER_FAILURE = 10.0
_AFTER_UNREADABLE = 60.0
_AFTER_DOUBT = 5.0
_NOT_FOLDED_YET = 1.0
_OTHER_CLOCK = timedelta(hours=1)
"""More than the clock of the log's server may be ahead of ours."""
_STREAM = JStream(EVENTS.name, declare=False)

WITHDRAWALS = Counter(
    "fingerpost_sender_withdrawals_total",
    "Messages that were to be withdrawn, by what was tried and how it ended.",
    ["action", "outcome"],
)

log = logger(__name__)


class _CrowdedError(NackMessage):
    """There is no room now, and none for others of the same chat."""


class Afterlife:
    """What becomes of sent messages, while this process is the active one."""

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        lane_of: Callable[[int], Lane | None],
        clock: Clock,
        *,
        hindrance: Hindrance = lambda: None,
    ) -> None:
        """Withdraw by the lane of the bot that posted; `lane_of` returns it by the bot's id.

        `hindrance` says why nothing may be judged by `clock` now, where that is so.
        """
        self._ledger = ledger
        self._reader = reader
        self._lane_of = lane_of
        self._clock = clock
        self._hindrance = hindrance
        self._in_hand: set[DeliveryId] = set()
        self._rooms: dict[int, Room] = {}
        # The log gives out first what comes again: all at once they would keep out what is new.
        self._line = Line()
        self._shelf = Shelf()
        self._folded = 0
        self._asked = asyncio.Event()

    async def keep_shelf(self) -> None:
        """Know what replaces what, from when it is first asked for; runs for ever.

        A sender whose campaigns replace nothing never reads the log for it.
        """
        await self._asked.wait()
        while True:
            self._shelf, self._folded = Shelf(), 0
            since = self._clock() - REACH - _OTHER_CLOCK
            try:
                async for entry in self._reader.follow(MESSAGES, since=since):
                    self._shelf.take(entry.envelope.data)
                    self._folded = entry.sequence
            except Exception:
                log.exception("what replaces what is not followed; will try again")
            await asyncio.sleep(_AFTER_FAILURE)

    async def see_to(self, envelope: Envelope, sequence: int) -> None:
        """Do all that can be done about a sent message now, `sequence` its place in the log.

        Raises NackMessage to be asked again later.
        """
        sent = envelope.data
        if not isinstance(sent, MessageSent):
            return
        with self._alone(sent.delivery):
            # Each by itself: a message that cannot be replaced keeps this one from nothing.
            delays = [
                await _delay_of(self._replace_others(sent, sequence)),
                await _delay_of(self._come_to_its_end(envelope, sent)),
            ]
        if again := [delay for delay in delays if delay is not None]:
            raise NackMessage(delay=min(again))

    def _now(self) -> datetime:
        """Return the time to judge by; raises NackMessage while none can be believed."""
        if self._hindrance():
            raise NackMessage(delay=_AFTER_DOUBT)
        return self._clock()

    @contextmanager
    def _alone(self, delivery: DeliveryId) -> Iterator[None]:
        if delivery in self._in_hand:
            raise NackMessage(delay=_AFTER_FAILURE)
        self._in_hand.add(delivery)
        try:
            yield
        finally:
            self._in_hand.remove(delivery)

    async def _replace_others(self, sent: MessageSent, sequence: int) -> None:
        if not sent.delete_previous or self._now() - sent.sent_at > REACH:
            return
        self._asked.set()
        if self._folded < sequence:
            raise NackMessage(delay=self._line.join(_NOT_FOLDED_YET).seconds)
        delays: list[float] = []
        for one in self._shelf.replaced(sent.campaign, sent.channel, self._now()):
            try:
                await self._replace(one.delivery, sent)
            except _CrowdedError:
                raise
            except NackMessage as later:
                delays.append(_seconds(later))
        if delays:
            raise NackMessage(delay=min(delays))

    async def _replace(self, delivery: DeliveryId, by: MessageSent) -> None:
        entry = await self._reader.last(f"{MessageSent.fact()}.{delivery}")
        if entry is not None and isinstance(entry.envelope.data, MessageSent):
            with handling(entry.envelope, entry.headers):
                await self._withdraw(entry.envelope.data, "delete", "replaced", since=by.sent_at)

    async def _come_to_its_end(self, envelope: Envelope, sent: MessageSent) -> None:
        rest = nap(sent, self._now())
        if rest is None:
            return
        if rest:
            raise NackMessage(delay=max(rest.total_seconds(), 0.01))
        await self._expire(envelope, sent)

    async def _expire(self, envelope: Envelope, sent: MessageSent) -> None:
        due = await self._due_of(sent)
        if due is None or due.expire is None:
            log.error("what was planned for a message is not in the log; it stays", **_place(sent))
            return
        if is_over(due.expire.action, await self._withdrawn(sent)):
            return
        with handling(envelope):
            await self._withdraw(
                sent, due.expire.action, "expired", since=sent.withdraw_at or sent.sent_at
            )

    async def _withdrawn(self, sent: MessageSent) -> list[MessageWithdrawn]:
        """Return what the log says about withdrawals of `sent`."""
        facts = f"{MessageWithdrawn.fact()}.{sent.delivery}"
        if not await self._reader.newest(f"{facts}.*"):
            return []
        found = [await self._reader.last(f"{facts}.{each}") for each in ("delete", "edit", "unpin")]
        said = [entry.envelope.data for entry in found if entry]
        return [event for event in said if isinstance(event, MessageWithdrawn)]

    async def _withdraw(
        self, sent: MessageSent, action: ExpireAction, reason: Reason, *, since: datetime
    ) -> None:
        due = await self._due_of(sent)
        lane = await self._lane(sent)
        if due is None:
            tried = Plan(action, (), "its due event is not in the log")
            settled = together(tried, ())
        elif lane is None:
            if not given_up(since, self._now()):
                soonest = pause(since, self._clock()).total_seconds()
                raise NackMessage(delay=max(soonest, self._line.join().seconds))
            tried = Plan(action, (), "the sender has not got the bot that posted it")
            settled = together(tried, ())
        else:
            tried = plan(action, sent, due, self._now())
            tried, settled = await self._carry_out(tried, sent, due, lane, since)
        event = withdrawn(sent, tried.action, reason, settled, self._clock())
        await self._ledger.record(event)
        self._shelf.take(event)
        _tell(event)

    async def _carry_out(
        self, tried: Plan, sent: MessageSent, due: Due, lane: Lane, since: datetime
    ) -> tuple[Plan, Settled]:
        """Do every step, and return what was done in the end, and how that ended."""
        settled: list[Settled] = []
        # One turn for all of it: begun anew at each step, it might never come to the last one.
        async with self._turn(tried, sent, lane) as turn:
            while len(settled) < len(tried.steps):
                match await self._do(tried.steps[len(settled)], sent, lane, turn, since):
                    case Settled() as said:
                        settled.append(said)
                    case Again(after, problem):
                        place = _place(sent)
                        log.info("not withdrawn yet; will try again", **place, problem=problem)
                        raise NackMessage(delay=max(after.total_seconds(), 0.01))
                    case Undeletable(why):
                        tried = instead_of_deleting(sent, due, why)
        return tried, together(tried, settled)

    @asynccontextmanager
    async def _turn(self, tried: Plan, sent: MessageSent, lane: Lane) -> AsyncIterator[Turn]:
        """Hold one of the lane's workers, and wait for the turn; raises NackMessage for later."""
        if not lane.token.accepted:
            raise NackMessage(delay=self._line.join(lane.token.pause).seconds)
        room = self._rooms.setdefault(lane.bot_id, Room(_COMING_BACK, _WORKERS))
        if full := room.enter(KIND):
            raise _CrowdedError(delay=full.seconds)
        try:
            chat, key = lane.channels.known(sent.channel).place, f"{sent.delivery}.{KIND}"
            turn = await lane.limiter.turn(chat, KIND, key, max(1, len(tried.steps)))
            if isinstance(turn, Later):
                raise _CrowdedError(delay=turn.seconds)
            yield turn
        finally:
            room.leave(KIND)

    async def _do(
        self, step: Step, sent: MessageSent, lane: Lane, turn: Turn, since: datetime
    ) -> Verdict:
        now = self._now()
        outcome = await turn.send(lambda: act(lane.telegram, sent.chat_id, step, now))
        if isinstance(outcome, Refused) and outcome.failure == "unauthorized":
            lane.token.refuse()
        verdict = judge(step, outcome)
        return patiently(verdict, since, now) if isinstance(verdict, Again) else verdict

    async def _lane(self, sent: MessageSent) -> Lane | None:
        entry = await self._reader.last(sent.cause)
        claim = entry.envelope.data if entry else None
        return self._lane_of(claim.bot_id) if isinstance(claim, MessageClaimed) else None

    async def _due_of(self, sent: MessageSent) -> Due | None:
        entry = await self._reader.last(due_of(sent.delivery))
        data = entry.envelope.data if entry else None
        return data if isinstance(data, GuideDue | PromoDue) else None


def read_sent(message: NatsMessage) -> Envelope | None:
    """Read one sent message; None where this version cannot."""
    try:
        return Envelope.parse(message.body)
    except UnreadableEventError as error:
        subject = message.raw_message.subject
        log.warning("unreadable sent message", subject=subject, problem=str(error))
        return None


async def _see_to(message: NatsMessage, afterlife: Afterlife) -> None:
    envelope = read_sent(message)
    if envelope is None or not isinstance(envelope.data, MessageSent):
        # Said by a newer version, perhaps: kept for a sender that can read it.
        raise NackMessage(delay=_AFTER_UNREADABLE)
    if not (envelope.data.withdraw_at or envelope.data.delete_previous):
        return
    try:
        with correlated(envelope.correlationid), kept_alive(message):
            await afterlife.see_to(envelope, message.raw_message.metadata.sequence.stream)
    except NackMessage:
        raise
    except UnreadableEventError as error:
        log.warning(
            "what a message needs cannot be read",
            sent=envelope.id,
            correlation_id=envelope.correlationid,
            problem=str(error),
        )
        raise NackMessage(delay=_AFTER_UNREADABLE) from error
    except LogSilentError as error:
        log.warning(
            "the log does not answer; will try again", sent=envelope.id, problem=repr(error)
        )
        raise NackMessage(delay=_AFTER_FAILURE) from error
    except Exception as error:
        log.exception(
            "withdrawing a message failed; will try again",
            sent=envelope.id,
            correlation_id=envelope.correlationid,
        )
        raise NackMessage(delay=_AFTER_FAILURE) from error


def take_in(router: NatsRouter, afterlife: Afterlife, lanes: int) -> None:
    """Let `router` take in what was sent, too, for so many lanes."""

    async def see_to_sent(message: NatsMessage) -> None:
        await _see_to(message, afterlife)

    subscribe = router.subscriber(
        SENDER_SENT.subjects[0],
        stream=_STREAM,
        durable=SENDER_SENT.durable,
        pull_sub=PullSub(batch_size=_FETCHED),
        max_workers=_WORKERS * lanes,
        inbox_prefix=INBOX,
        parser=taken,
        decoder=as_it_came,
    )
    subscribe(see_to_sent)


async def _delay_of(work: Awaitable[None]) -> float | None:
    """Return after how many seconds `work` is to be done again; None: it is done."""
    try:
        await work
    except NackMessage as later:
        return _seconds(later)
    return None


def _seconds(later: NackMessage) -> float:
    return float(later.extra_options["delay"])


def _place(sent: MessageSent | MessageWithdrawn) -> dict[str, object]:
    return {"campaign": sent.campaign, "channel": sent.channel, "message_id": sent.message_id}


def _tell(event: MessageWithdrawn) -> None:
    WITHDRAWALS.labels(event.action, event.outcome).inc()
    tell = log.warning if event.outcome == "refused" else log.info
    tell(
        "withdrawn" if event.outcome == "done" else f"not withdrawn: {event.outcome}",
        **_place(event),
        action=event.action,
        reason=event.reason,
        description=event.description,
    )
