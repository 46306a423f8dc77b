"""Inbound edge: due events become messages."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

import nats.errors
from faststream import Context
from faststream.exceptions import NackMessage
from faststream.nats import JStream, NatsMessage, NatsRouter, PullSub
from prometheus_client import Counter, Histogram

from chassis.clock import Clock
from chassis.log import Reader, handling
from chassis.logs import logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import (
    Due,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageUncertain,
    PromoDue,
)
from contracts.ids import DeliveryId
from contracts.streams import EVENTS, SENDER_GUIDE, SENDER_PROMO
from contracts.subjects import FAILED, due_of
from sender.domain.content import ButtonMaker
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
)
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown
from sender.ledger import Ledger
from sender.limiter import Later, Limiter
from sender.telegram import Telegram
from sender.witness import LookLaterError, Witness

_WORKERS = 32
_FETCHED = 8
"""Few at once: what was fetched and not begun is lost with its process until the log notices."""
_HEARTBEAT_SECONDS = 3
_AUDIENCE_SECONDS = 0.5
_AFTER_FAILURE = 10.0
_AFTER_UNREADABLE = 60.0
_RESOLVED_WITHIN = timedelta(days=2)
"""How far back a person's word about an uncertain delivery may still ask for a send."""
# `chassis.topology` alone creates the stream; FastStream would also change it.
_STREAM = JStream(EVENTS.name, declare=False)

SENDS = Counter(
    "fingerpost_sender_sends_total", "Attempts to post, by how they ended.", ["kind", "outcome"]
)
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
    """What handling a due event needs."""

    ledger: Ledger
    telegram: Telegram
    limiter: Limiter
    witness: Witness
    buttons: ButtonMaker
    clock: Clock
    quarantine: timedelta
    bot_id: int
    instance: str
    in_flight: set[DeliveryId] = field(default_factory=set)


Collaborators = Annotated[Desk, Context("desk")]

router = NatsRouter()


async def read_due(message: NatsMessage) -> Envelope | None:
    """Read one due event; one that cannot be read is told, and the lane goes on."""
    try:
        return Envelope.parse(message.body)
    except UnreadableEventError as error:
        UNREADABLE.inc()
        log.warning("unreadable due event", subject=message.raw_message.subject, problem=str(error))
        return None


@router.subscriber(
    SENDER_GUIDE.subjects[0],
    stream=_STREAM,
    durable=SENDER_GUIDE.durable,
    pull_sub=PullSub(batch_size=_FETCHED),
    max_workers=_WORKERS,
    decoder=read_due,
)
async def send_due_guide(
    envelope: Envelope | None, message: NatsMessage, desk: Collaborators
) -> None:
    """Post a guide."""
    await _handle(envelope, message, desk)


@router.subscriber(
    SENDER_PROMO.subjects[0],
    stream=_STREAM,
    durable=SENDER_PROMO.durable,
    pull_sub=PullSub(batch_size=_FETCHED),
    max_workers=_WORKERS,
    decoder=read_due,
)
async def send_due_promo(
    envelope: Envelope | None, message: NatsMessage, desk: Collaborators
) -> None:
    """Post a promo."""
    await _handle(envelope, message, desk)


async def _handle(envelope: Envelope | None, message: NatsMessage, desk: Desk) -> None:
    if envelope is None or not isinstance(envelope.data, GuideDue | PromoDue):
        # Said by a newer version, perhaps: kept for a sender that can read it.
        raise NackMessage(delay=_AFTER_UNREADABLE)
    with handling(envelope), _alone(envelope.data.delivery, desk):
        try:
            async with _kept_alive(message):
                await deliver(envelope.data, desk, first=_is_first(message))
        except NackMessage:
            raise
        except Exception as error:
            # Asked for again at once it would fail again at once.
            log.exception("handling a due event failed; will try again")
            raise NackMessage(delay=_AFTER_FAILURE) from error


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


def _is_first(message: NatsMessage) -> bool:
    return message.raw_message.metadata.num_delivered == 1


async def deliver(due: Due, desk: Desk, *, first: bool = False) -> None:
    """Do all that can be done about `due` now; raises NackMessage to be asked again later.

    `first`: nobody was given it before. Then the claim itself says whether it is new, and its
    ledger need not be read.
    """
    if first and desk.clock() < due.expires_at and await _attempt(due, 1, desk):
        return
    while True:
        state = await desk.ledger.state_of(due.delivery)
        match decide(state, due, desk.clock(), desk.quarantine):
            case Done():
                return
            case Wait(until):
                delay = (until - desk.clock()).total_seconds()
                raise NackMessage(delay=max(delay, 0.01))
            case Record(event):
                await desk.ledger.record(event)
                log.warning("not posted", fact=event.fact(), campaign=due.campaign)
            case Look(claim):
                await _look(due, claim, desk)
            case Claim(attempt):
                if await _attempt(due, attempt, desk):
                    return


async def _attempt(due: Due, attempt: int, desk: Desk) -> bool:
    """Claim the attempt and send; True where that posted it, so that nothing is left to do."""
    # Before the claim: what fails from here on, and is not an answer, leaves a doubt behind.
    content = desk.buttons.content(due.variant, due.delivery)
    turn = await desk.limiter.turn(due.channel, due.kind, due.delivery, content.messages)
    if isinstance(turn, Later):
        raise NackMessage(delay=turn.seconds)
    if desk.clock() >= due.expires_at:
        return False  # a flood may have held up its turn for long
    claim = MessageClaimed(
        **names(due),
        attempt=attempt,
        claimant=f"{desk.instance}-{secrets.token_hex(8)}",
        claimed_at=desk.clock(),
        bot_id=desk.bot_id,
        mark=content.mark,
        last_known_message_id=desk.telegram.last_known_message_id(due.channel),
    )
    if not await desk.ledger.claim(claim):
        return False
    if not may_still_post(claim, desk.clock(), desk.quarantine):
        late = "the log acknowledged the claim too late for a send; nothing was posted"
        await desk.ledger.record(lost(due, attempt, desk.clock(), late))
        return False
    counting = asyncio.create_task(desk.telegram.audience(due.channel))
    outcome = await turn.send(lambda: desk.telegram.post(due.channel, content, paid=turn.paid))
    await _record(due, attempt, outcome, counting, desk)
    return isinstance(outcome, Posted)


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
    moved_to = desk.telegram.moved_to(due.channel)
    try:
        finding = await desk.witness.look(
            claim,
            desk.telegram.place(due.channel),
            lambda: desk.ledger.trail_of(claim, moved_to=moved_to),
            protected=due.variant.protect,
        )
    except LookLaterError as later:
        log.info("cannot look now; will look later", channel=due.channel, problem=str(later))
        raise NackMessage(delay=later.seconds * (1 + random.random() / 2)) from later
    event = looked(due, claim, finding, desk.clock())
    await desk.ledger.record(event)
    _tell(due, event)


async def take_up_resolved(reader: Reader, desk: Desk) -> None:
    """Send what a person gave back for sending, after it was held; runs for ever.

    The due event of a held delivery is done with: kept, many of them would fill the lane. So the
    log is followed for the person's word instead, also for what was said while no sender ran.
    """
    while True:
        try:
            async with asyncio.TaskGroup() as group:
                async for entry in reader.follow((FAILED,), since=desk.clock() - _RESOLVED_WITHIN):
                    event = entry.envelope.data
                    if isinstance(event, MessageFailed) and event.actor and event.retry_at:
                        group.create_task(_take_up(event.delivery, reader, desk))
        except Exception:
            log.exception("what was given back is not followed; will try again")
        await asyncio.sleep(_AFTER_FAILURE)


async def _take_up(delivery: DeliveryId, reader: Reader, desk: Desk) -> None:
    while True:
        try:
            entry = await reader.last(due_of(delivery))
            if entry is None or not isinstance(entry.envelope.data, GuideDue | PromoDue):
                return
            with handling(entry.envelope), _alone(delivery, desk):
                await deliver(entry.envelope.data, desk)
                return
        except NackMessage as later:
            delay = later.extra_options["delay"]
        except Exception:
            log.exception("a delivery that was given back was not sent; will try again")
            delay = _AFTER_FAILURE
        await asyncio.sleep(delay)


def _tell(due: Due, event: MessageSent | MessageFailed | MessageUncertain) -> None:
    outcome = event.failure if isinstance(event, MessageFailed) else event.fact().split(".")[1]
    SENDS.labels(due.kind, outcome).inc()
    place = {"campaign": due.campaign, "channel": due.channel, "attempt": event.attempt}
    if isinstance(event, MessageSent):
        LATENCY.labels(due.kind).observe(event.latency_ms / 1000)
        log.info("sent", **place, message_id=event.message_id, latency_ms=event.latency_ms)
    else:
        log.warning(outcome, **place, description=event.description)


async def _in_time(counting: asyncio.Task[int | None]) -> int | None:
    """Return the member count if it is there by now; a send never waits for it."""
    done, _ = await asyncio.wait({counting}, timeout=_AUDIENCE_SECONDS)
    if not done:
        return None
    if error := counting.exception():
        log.warning("the audience was not counted", problem=repr(error))
        return None
    return counting.result()


@asynccontextmanager
async def _kept_alive(message: NatsMessage) -> AsyncIterator[None]:
    """Tell the log that the event is being worked on, so that nobody else is given it."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await message.in_progress()
            except (nats.errors.Error, OSError) as error:
                log.warning("a heartbeat was lost", problem=repr(error))

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
