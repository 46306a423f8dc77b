"""Uncertain deliveries: which there are, and a person's word about one of them, as an event."""

from datetime import datetime

from chassis.clock import Clock
from chassis.console import RefusedError
from chassis.log import Reader
from chassis.service import Connection
from contracts.events import (
    Due,
    Event,
    GuideDue,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    PromoDue,
)
from contracts.ids import DeliveryId
from contracts.subjects import SENT, UNCERTAIN, due_of, messages_of
from sender.console.answers import Resolution, Resolved, Uncertain, Uncertainties
from sender.domain.afterlife import fate
from sender.domain.deliveries import Delivery, fold, lost, names

_PATIENCE = 5.0


async def listing(reader: Reader, now: datetime) -> Uncertainties:
    """Return every delivery that is uncertain now, the oldest first."""
    doubted = await reader.replay((UNCERTAIN,))
    deliveries = dict.fromkeys(
        entry.envelope.data.delivery
        for entry in doubted
        if isinstance(entry.envelope.data, MessageUncertain)
    )
    found = [await _described(reader, delivery, now) for delivery in deliveries]
    return Uncertainties(tuple(sorted(filter(None, found), key=lambda one: one.since)))


async def _described(reader: Reader, delivery: DeliveryId, now: datetime) -> Uncertain | None:
    state, _ = await _ledger(reader, delivery)
    doubt, since = _doubt(state), state.outcome_at
    if doubt is None or since is None:
        return None
    due = await _due(reader, delivery)
    return Uncertain(
        delivery=delivery,
        campaign=doubt.campaign,
        channel=doubt.channel,
        variant=doubt.variant,
        kind=doubt.kind,
        attempt=doubt.attempt,
        policy=doubt.policy,
        since=since,
        age_seconds=round((now - since).total_seconds()),
        why=doubt.description,
        expires_at=due.expires_at if due else None,
    )


async def resolve(
    log: Connection,
    delivery: DeliveryId,
    resolution: Resolution,
    *,
    message_id: int | None,
    clock: Clock,
    actor: str,
) -> Resolved:
    """Say what became of an uncertain delivery, or that it is to be posted again."""
    due = await _due(log.reader, delivery)
    if due is None:
        raise RefusedError(f"{delivery} was never due", "see `uncertain list` for those that are")
    state, said = await _ledger(log.reader, delivery)
    doubt = _doubt(state)
    if doubt is None or state.claim is None:
        return _as_it_stands(delivery, said, resolution, message_id)
    now = clock()
    event: Event
    match resolution:
        case "posted":
            event = MessageSent(
                **names(due),
                attempt=doubt.attempt,
                chat_id=await _chat_id(log.reader, due),
                message_id=message_id or 0,
                # When exactly nobody knows; after the claim, and soon.
                sent_at=state.claim.claimed_at,
                latency_ms=_milliseconds(state.claim.claimed_at, due),
                reconciled=True,
                actor=actor,
                **fate(due, state.claim.claimed_at),
            )
        case "drop":
            event = MessageSkipped(**names(due), reason="dropped", skipped_at=now, actor=actor)
        case "post_again":
            event = _again(due, doubt, now, actor)
    new = await log.publisher.publish_once(event, patience=_PATIENCE) > 0
    return Resolved(delivery, resolution, message_id, new)


def _again(due: Due, doubt: MessageUncertain, now: datetime, actor: str) -> MessageFailed:
    if now >= due.expires_at:
        raise RefusedError(
            f"it expired at {due.expires_at:%Y-%m-%d %H:%M} UTC",
            f"use --drop, and `python -m scheduler trigger {due.campaign}` for a new post",
        )
    again = lost(due, doubt.attempt, now, f"to be posted again, says {actor}")
    return again.model_copy(update={"actor": actor})


def _as_it_stands(
    delivery: DeliveryId, said: list[Event], resolution: Resolution, message_id: int | None
) -> Resolved:
    """Return what was said before, where it is the same; raises RefusedError where it is not."""
    same = {
        "posted": any(isinstance(e, MessageSent) and e.message_id == message_id for e in said),
        "drop": any(isinstance(e, MessageSkipped) and e.reason == "dropped" for e in said),
        "post_again": any(isinstance(e, MessageFailed) and e.actor is not None for e in said),
    }
    if same[resolution]:
        return Resolved(delivery, resolution, message_id, new=False)
    stands = said[-1].fact() if said else "that it is due"
    raise RefusedError(
        f"{delivery} is not uncertain: the last word about it is {stands}",
        "see `uncertain list` for those that are",
    )


async def _chat_id(reader: Reader, due: Due) -> int:
    if not due.channel.startswith("@"):
        return int(due.channel)
    for entry in reversed(await reader.replay((SENT,))):
        data = entry.envelope.data
        if isinstance(data, MessageSent) and data.channel == due.channel:
            return data.chat_id
    raise RefusedError(
        f"the chat id of {due.channel} is not known: nothing was posted there before",
        "use --drop; the message stays where it is",
    )


async def _ledger(reader: Reader, delivery: DeliveryId) -> tuple[Delivery, list[Event]]:
    said = [entry.envelope for entry in await reader.replay(messages_of(delivery))]
    return fold((one.data, one.time) for one in said), [one.data for one in said]


def _doubt(state: Delivery) -> MessageUncertain | None:
    if state.finished or not isinstance(state.outcome, MessageUncertain):
        return None
    return state.outcome


def _milliseconds(at: datetime, due: Due) -> int:
    return round((at - due.planned_at).total_seconds() * 1000)


async def _due(reader: Reader, delivery: DeliveryId) -> Due | None:
    entry = await reader.last(due_of(delivery))
    data = entry.envelope.data if entry else None
    return data if isinstance(data, GuideDue | PromoDue) else None
