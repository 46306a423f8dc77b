"""Inbound edge: due events become messages."""

import asyncio
import random
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from faststream.exceptions import NackMessage
from faststream.nats import JStream, NatsRouter, PullSub
from faststream.nats.message import NatsMessage
from prometheus_client import Counter, Histogram

from chassis import tracing
from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import LogSilentError, Reader, handling
from chassis.logs import logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import (
    Due,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageUncertain,
    MessageUnreadable,
    PromoDue,
)
from contracts.ids import DeliveryId
from contracts.streams import EVENTS, SENDER_GUIDE, SENDER_PROMO
from contracts.subjects import FAILED, due_of
from sender.clock_watch import Hindrance
from sender.domain.afterlife import fate
from sender.domain.channels import Known
from sender.domain.content import Content
from sender.domain.deliveries import (
    Claim,
    Done,
    Look,
    Record,
    Wait,
    decide,
    looked,
    lost,
    may_still_post,
    names,
    pause_before_retry,
    without_bot,
    without_claimant,
)
from sender.domain.looking import Finding, Found
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown
from sender.heartbeat import kept_alive
from sender.lane import INBOX, WORKERS, Lane, Line, as_it_came, taken
from sender.ledger import Ledger
from sender.limiter import Later
from sender.witness import LookLaterError

_FETCHED = 8
"""Few at once: what was fetched and not begun is lost with its process until the log notices."""
_AUDIENCE_SECONDS = 0.5
_AFTER_FAILURE = 10.0
_AFTER_UNREADABLE = 60.0
_AFTER_LOSS = 1.0
_AFTER_DOUBT = 5.0
"""The log is asked for its time as often."""
_CHANGING = 5.0
_RESOLVED_WITHIN = timedelta(days=2)
"""How far back a person's word about an uncertain delivery may still ask for a send."""
# `chassis.topology` alone creates the stream; FastStream would also change it.
_STREAM = JStream(EVENTS.name, declare=False)

SENDS = Counter(
    "fingerpost_sender_sends_total", "Attempts to post, by how they ended.", ["kind", "outcome"]
)
for kind in ("guide", "promo"):
    for rare in ("uncertain", "unknown"):
        SENDS.labels(
            kind, rare
        )  # there from the start: of a series that begins at 1 no rise is seen
UNREADABLE = Counter(
    "fingerpost_sender_unreadable_total", "Due events that this version could not read, each time."
)
LATENCY = Histogram(
    "fingerpost_sender_latency_seconds",
    "Time from a slot's planned instant until Telegram took the message.",
    ["kind"],
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200),
)

log = logger(__name__)


@dataclass(frozen=True)
class Desk:
    """What handling a due event needs, while this process is active; `lanes` by the bots' names.

    `in_flight` and `finishing` outlast it: what was begun is finished after another took over.
    `strangers` is the line of those whose bot is in none of the lanes. `hindrance` says why nothing
    may be judged by `clock` now, where that is so.
    """

    ledger: Ledger
    lanes: Mapping[str, Lane]
    clock: Clock
    quarantine: timedelta
    instance: str
    in_flight: set[DeliveryId] = field(default_factory=set)
    finishing: set[asyncio.Task[None]] = field(default_factory=set)
    strangers: Line = field(default_factory=Line)
    hindrance: Hindrance = lambda: None

    def lane_of(self, bot_id: int) -> Lane | None:
        """Return the lane of a bot by its id."""
        return next((lane for lane in self.lanes.values() if lane.bot_id == bot_id), None)

    def is_disabled(self, due: Due) -> bool:
        """Whether nothing is to be posted in the channel of `due` now."""
        lane = self.lanes.get(due.bot)
        return lane is not None and lane.channels.disabled(due.channel) is not None

    def close(self) -> None:
        """Let nothing start any more."""
        for lane in self.lanes.values():
            lane.limiter.close()


@dataclass(frozen=True)
class Unreadable:
    """A due event that this version cannot read, and why."""

    problem: str


@dataclass(frozen=True)
class Readable:
    """What is due, and the event that says so."""

    envelope: Envelope
    due: Due


def read_due(message: NatsMessage) -> Readable | Unreadable:
    """Read one due event."""
    try:
        envelope = Envelope.parse(message.body)
    except UnreadableEventError as error:
        return Unreadable(str(error))
    if isinstance(envelope.data, GuideDue | PromoDue):
        return Readable(envelope, envelope.data)
    return Unreadable(f"type: {envelope.type!r} is nothing that is due")


def router(desk: Desk) -> NatsRouter:
    """Return what takes due events in for `desk`; each time the sender is active a new one.

    The one before may still wait for its last sends, and could not be started again meanwhile.
    """

    async def send_due_guide(message: NatsMessage) -> None:
        await _handle(message, desk)

    async def send_due_promo(message: NatsMessage) -> None:
        await _handle(message, desk)

    due = NatsRouter()
    for consumer, handler in ((SENDER_GUIDE, send_due_guide), (SENDER_PROMO, send_due_promo)):
        subscribe = due.subscriber(
            consumer.subjects[0],
            stream=_STREAM,
            durable=consumer.durable,
            pull_sub=PullSub(batch_size=_FETCHED),
            max_workers=WORKERS * len(desk.lanes),
            inbox_prefix=INBOX,
            parser=taken,
            decoder=as_it_came,
        )
        subscribe(handler)
    return due


async def _handle(message: NatsMessage, desk: Desk) -> None:
    found = read_due(message)
    if isinstance(found, Unreadable):
        await _set_aside(found, message, desk)
        # Said by a newer version, perhaps: kept for a sender that can read it.
        raise NackMessage(delay=_AFTER_UNREADABLE)
    due = found.due
    with handling(found.envelope, message.headers), _alone(due.delivery, desk), _placed(due, desk):
        try:
            with kept_alive(message):
                await deliver(due, desk, first=_is_first(message))
        except NackMessage:
            raise
        except LogSilentError as error:
            log.warning("the log does not answer; will try again", problem=repr(error))
            raise NackMessage(delay=_AFTER_FAILURE) from error
        except Exception as error:
            # Asked for again at once it would fail again at once.
            log.exception("handling a due event failed; will try again")
            raise NackMessage(delay=_AFTER_FAILURE) from error


async def _set_aside(found: Unreadable, message: NatsMessage, desk: Desk) -> None:
    """Say once in the log that a due event cannot be read, and go on."""
    UNREADABLE.inc()
    subject = message.raw_message.subject
    delivery = DeliveryId(subject.rsplit(".", 1)[-1])
    log.warning(
        "unreadable due event", subject=subject, correlation_id=delivery, problem=found.problem
    )
    event = MessageUnreadable(
        delivery=delivery,
        sequence=message.raw_message.metadata.sequence.stream,
        description=found.problem,
        found_at=desk.clock(),
    )
    await desk.ledger.record(event)


@contextmanager
def _alone(delivery: DeliveryId, desk: Desk) -> Iterator[None]:
    """Send a copy away while this process still handles the delivery, however long that takes."""
    if delivery in desk.in_flight:
        raise NackMessage(delay=_AFTER_FAILURE)
    desk.in_flight.add(delivery)
    try:
        yield
    finally:
        desk.in_flight.remove(delivery)


@contextmanager
def _placed(due: Due, desk: Desk) -> Iterator[None]:
    """Send `due` away where its lane holds all of its workers; the others are for other lanes."""
    lane = desk.lanes.get(due.bot)
    if lane and (later := lane.room.enter(due.kind)):
        raise NackMessage(delay=later.seconds)
    try:
        yield
    finally:
        if lane:
            lane.room.leave(due.kind)


def _is_first(message: NatsMessage) -> bool:
    return message.raw_message.metadata.num_delivered == 1


async def deliver(due: Due, desk: Desk, *, first: bool = False) -> None:
    """Do all that can be done about `due` now; raises NackMessage to be asked again later.

    `first`: nobody was given it before. Then the claim itself says whether it is new, and its
    ledger need not be read.
    """
    _require_time(desk)
    if desk.clock() < due.expires_at:
        # Thousands may wait for a bot: they are not to cost a look into the ledger each time.
        _require_bot(due, desk)
        if first and await _attempt(due, 1, desk):
            return
    while True:
        state = await desk.ledger.state_of(due.delivery)
        disabled = desk.is_disabled(due)
        _require_time(desk)
        match decide(state, due, desk.clock(), desk.quarantine, disabled=disabled):
            case Done():
                return
            case Wait(until):
                raise _back_at(until, desk)
            case Record(event):
                await desk.ledger.record(event)
                log.warning(
                    "not posted", reason=event.reason, campaign=due.campaign, channel=due.channel
                )
                return
            case Look(claim):
                await _look(due, claim, desk)
            case Claim(attempt):
                if await _attempt(due, attempt, desk):
                    return


def _back_at(until: datetime, desk: Desk) -> NackMessage:
    return NackMessage(delay=max((until - desk.clock()).total_seconds(), 0.01))


def _changing(word: Wait, desk: Desk) -> NackMessage:
    """Ask again soon: whoever has the bot may take over any moment."""
    left = (word.until - desk.clock()).total_seconds()
    return NackMessage(delay=desk.strangers.join(max(min(left, _CHANGING), 0.01)).seconds)


async def _attempt(due: Due, attempt: int, desk: Desk) -> bool:
    """Claim the attempt and send; True where that posted it, so that nothing is left to do."""
    lane = desk.lanes.get(due.bot)
    if lane is None:
        await _turn_down(due, attempt, desk)
        return False
    _require(lane, due, desk)
    # Before the claim: what fails from here on, and is not an answer, leaves a doubt behind.
    content = lane.telegram.prepared(due.channel, lane.buttons.content(due.variant, due.delivery))
    chat = lane.channels.known(due.channel)
    if desk.is_disabled(due):
        return False
    async with lane.telegram.fetched_once(content):
        return await _post(due, attempt, content, chat, lane, desk)


async def _post(
    due: Due, attempt: int, content: Content, chat: Known, lane: Lane, desk: Desk
) -> bool:
    with tracing.span("wait for a turn"):
        turn = await lane.limiter.turn(chat.place, due.kind, due.delivery, content.messages)
    if isinstance(turn, Later):
        raise NackMessage(delay=turn.seconds)
    _require(lane, due, desk)
    if not lane.limiter.open:
        raise NackMessage(delay=_AFTER_LOSS)
    _require_time(desk)
    if desk.clock() >= due.expires_at or desk.is_disabled(due):
        return False  # a flood may have held up its turn for long
    claim = MessageClaimed(
        **names(due),
        attempt=attempt,
        claimant=f"{desk.instance}-{secrets.token_hex(8)}",
        claimed_at=desk.clock(),
        bot_id=lane.bot_id,
        mark=content.mark,
        last_known_message_id=lane.telegram.last_known_message_id(due.channel),
        messages=content.messages,
    )
    if not await desk.ledger.claim(claim):
        return False
    if not may_still_post(claim, desk.clock(), desk.quarantine):
        late = "the log acknowledged the claim too late for a send; nothing was posted"
        # As of the claim: since then the log's leader may be one whose clock is wrong.
        await desk.ledger.record(lost(due, attempt, claim.claimed_at, late))
        return False
    counting = asyncio.create_task(lane.telegram.audience(due.channel))
    with tracing.span("post to Telegram", kind="client"):
        outcome = await turn.send(lambda: lane.telegram.post(due.channel, content, paid=turn.paid))
    if isinstance(outcome, Refused) and outcome.failure == "unauthorized":
        lane.token.refuse()
    await _record(due, attempt, outcome, counting, desk)
    if isinstance(outcome, Refused):
        await _learn(due, chat, outcome, lane)
    return isinstance(outcome, Posted)


async def _learn(due: Due, chat: Known, refused: Refused, lane: Lane) -> None:
    """Say what a refusal tells of the chat itself, whatever is due there next."""
    if refused.failure == "target":
        await lane.channels.disable(chat, due.delivery, refused.description)
    elif refused.moved_to is not None:
        await lane.channels.migrate(chat, due.delivery, refused.moved_to, refused.description)


def _require_bot(due: Due, desk: Desk) -> None:
    """Let the log wait while the bot of `due` cannot send, or is not there yet."""
    if lane := desk.lanes.get(due.bot):
        _require(lane, due, desk)
    elif isinstance(word := without_bot(due, 1, desk.clock()), Wait):
        log.warning("no bot of that name yet", bot=due.bot, campaign=due.campaign)
        raise _changing(word, desk)


def _require_time(desk: Desk) -> None:
    """Let the log wait while the time cannot be believed: what is skipped stays skipped."""
    if desk.hindrance():
        raise NackMessage(delay=_AFTER_DOUBT)


def _require(lane: Lane, due: Due, desk: Desk) -> None:
    """Let the log wait, and no worker, while Telegram refuses the bot's token."""
    if lane.token.accepted:
        return
    left = (due.expires_at - desk.clock()).total_seconds()
    soonest = min(lane.token.pause, left) if left > 0 else lane.token.pause
    raise NackMessage(delay=lane.refused.join(soonest).seconds)


async def _turn_down(due: Due, attempt: int, desk: Desk) -> None:
    """Say that there is no bot of that name, once no sender that has it is about to take over."""
    word = without_bot(due, attempt, desk.clock())
    if isinstance(word, Wait):
        raise _changing(word, desk)
    await desk.ledger.record(word)
    _tell(due, word)


async def _record(
    due: Due, attempt: int, outcome: Outcome, counting: asyncio.Task[int | None], desk: Desk
) -> None:
    place = {**names(due), "attempt": attempt}
    event: MessageSent | MessageFailed
    match outcome:
        case Posted():
            event = MessageSent(
                **place,
                chat_id=outcome.chat_id,
                message_id=outcome.message_id,
                sent_at=outcome.at,
                latency_ms=round((desk.clock() - due.planned_at).total_seconds() * 1000),
                audience=await _in_time(counting),
                follow_up_id=outcome.follow_up_id,
                **fate(due, outcome.at),
            )
        case Refused():
            now = desk.clock()
            pause = pause_before_retry(outcome, attempt, random.random())
            event = MessageFailed(
                **place,
                failure=outcome.failure,
                description=outcome.description,
                failed_at=now,
                retry_at=None if pause is None else now + pause,
            )
        case Unknown():
            # Nothing is known, so nothing is said; once the quarantine is over it is looked up.
            counting.cancel()
            SENDS.labels(due.kind, "unknown").inc()
            log.warning(
                "no answer that can be believed; will look whether it was posted",
                channel=due.channel,
                attempt=attempt,
                description=outcome.description,
            )
            return
    counting.cancel()
    await desk.ledger.record(event)
    _tell(due, event)


async def _look(due: Due, claim: MessageClaimed, desk: Desk) -> None:
    """Find out whether the message of `claim` stands in the channel, and say so."""
    finding = await _find(due, claim, desk)
    event = looked(due, claim, finding, desk.clock())
    await desk.ledger.record(event)
    _tell(due, event)


async def _find(due: Due, claim: MessageClaimed, desk: Desk) -> Finding:
    """Look with the bot that claimed: another may not see the channel."""
    lane = desk.lane_of(claim.bot_id)
    if lane is None:
        word = without_claimant(claim, desk.clock(), desk.quarantine)
        if isinstance(word, Wait):
            raise _changing(word, desk)
        return word
    _require(lane, due, desk)
    try:
        return await _look_with(lane, due, claim, desk)
    except LookLaterError as later:
        log.info("cannot look now; will look later", channel=due.channel, problem=str(later))
        raise NackMessage(delay=lane.looks.join(later.seconds).seconds) from later


async def _look_with(lane: Lane, due: Due, claim: MessageClaimed, desk: Desk) -> Finding:
    moved = lane.channels.moved(due.channel)
    finding = await lane.witness.look(
        claim,
        lane.telegram.place(due.channel),
        lambda: desk.ledger.trail_of(claim, moved=moved),
        protected=due.variant.protect,
    )
    if not isinstance(finding, Found):
        return finding
    expired = desk.clock() >= due.expires_at
    content = lane.buttons.content(due.variant, due.delivery)
    below = await lane.follow_ups.settle(due, claim, content, finding, expired=expired)
    return replace(finding, follow_up_id=below)


async def take_up_resolved(reader: Reader, desk: Desk) -> None:
    """Send what a person gave back for sending, after it was held; runs for ever.

    The due event of a held delivery is done with: kept, many of them would fill the lane. So the
    log is followed for the person's word instead, also for what was said while no sender ran.
    Cancelled it starts nothing more; what is being sent is among those that `desk` is finishing.
    """
    while True:
        try:
            async with asyncio.TaskGroup() as group:
                async for entry in reader.follow(FAILED, since=desk.clock() - _RESOLVED_WITHIN):
                    event = entry.envelope.data
                    if isinstance(event, MessageFailed) and event.actor and event.retry_at:
                        group.create_task(_take_up(event.delivery, reader, desk))
        except Exception:
            log.exception("what was given back is not followed; will try again")
        await asyncio.sleep(_AFTER_FAILURE)


async def _take_up(delivery: DeliveryId, reader: Reader, desk: Desk) -> None:
    while True:
        heed_cancellation()
        try:
            entry = await reader.last(due_of(delivery))
            if entry is None or not isinstance(entry.envelope.data, GuideDue | PromoDue):
                return
            due = entry.envelope.data
            with handling(entry.envelope, entry.headers):
                await _finished(due, desk)
                return
        except NackMessage as later:
            delay = later.extra_options["delay"]
        except LogSilentError as error:
            log.warning("the log does not answer; will try again", problem=repr(error))
            delay = _AFTER_FAILURE
        except Exception:
            log.exception(
                "a delivery that was given back was not sent; will try again",
                correlation_id=delivery,
            )
            delay = _AFTER_FAILURE
        await asyncio.sleep(delay)


async def _finished(due: Due, desk: Desk) -> None:
    """Deliver, to the end even where whoever waits for it is cancelled."""

    async def alone() -> None:
        with _alone(due.delivery, desk):
            await deliver(due, desk)

    task = asyncio.create_task(alone())
    desk.finishing.add(task)
    task.add_done_callback(lambda done: _end(done, desk))
    await asyncio.shield(task)


def _end(done: asyncio.Task[None], desk: Desk) -> None:
    desk.finishing.discard(done)
    if not done.cancelled() and (error := done.exception()):
        log.debug("to be taken up again", problem=repr(error))


def _tell(due: Due, event: MessageSent | MessageFailed | MessageUncertain) -> None:
    outcome = event.failure if isinstance(event, MessageFailed) else event.fact().split(".")[1]
    SENDS.labels(due.kind, outcome).inc()
    place: dict[str, object] = {
        "campaign": due.campaign,
        "channel": due.channel,
        "attempt": event.attempt,
    }
    if isinstance(event, MessageSent):
        LATENCY.labels(due.kind).observe(event.latency_ms / 1000)
        if due.variant.album and due.variant.ctas:
            place["follow_up_id"] = event.follow_up_id
        log.info("sent", **place, message_id=event.message_id, latency_ms=event.latency_ms)
    else:
        log.warning(outcome, **place, description=event.description)


async def _in_time(counting: asyncio.Task[int | None]) -> int | None:
    """Return the member count if it is there by now; a send never waits for it."""
    if not counting.done():
        await asyncio.wait({counting}, timeout=_AUDIENCE_SECONDS)
    if not counting.done():
        return None
    if error := counting.exception():
        log.warning("the audience was not counted", problem=repr(error))
        return None
    return counting.result()
