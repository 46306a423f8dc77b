"""How one delivery's row changes with each fact about it, in whatever order the facts come.

Within one attempt a more definite fact wins: claimed < uncertain < failed (or due again, where
the attempt will be repeated). A later attempt wins over an earlier one. `missed` and `skipped` end
a delivery, and `sent` wins over everything: what stood in the channel stood there. That it was
withdrawn later is told beside the state; of several withdrawals the one that removed most.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from analytics.domain.rows import DeliveryRow, DeliveryState
from contracts.events import (
    Due,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageWithdrawn,
    SlotMissed,
)

DeliveryFact = (
    Due
    | SlotMissed
    | MessageClaimed
    | MessageSent
    | MessageFailed
    | MessageSkipped
    | MessageUncertain
    | MessageWithdrawn
)

_FINAL: dict[DeliveryState, int] = {"missed": 1, "skipped": 2, "sent": 3}
_REMOVES = {None: 0, "unpin": 1, "edit": 2, "delete": 3}
_WITHIN_ATTEMPT: dict[DeliveryState, int] = {"claimed": 1, "uncertain": 2, "due": 3, "failed": 4}


def evolve_delivery(row: DeliveryRow, fact: DeliveryFact, zone: str | None) -> DeliveryRow:
    """Return `row` after `fact`; `zone` is the campaign's, by which the day is told."""
    match fact:
        case SlotMissed():
            return _settle(_planned(row, fact, zone), "missed", reason=fact.reason)
        case MessageClaimed():
            return _settle(_named(row, fact), "claimed", attempt=fact.attempt)
        case MessageFailed():
            return _failed(_named(row, fact), fact)
        case MessageUncertain():
            return _settle(
                _named(row, fact),
                "uncertain",
                attempt=fact.attempt,
                reason=fact.policy,
                description=fact.description,
            )
        case MessageSkipped():
            return _settle(_named(row, fact), "skipped", reason=fact.reason)
        case MessageWithdrawn():
            return _withdrawn(_named(row, fact), fact)
        case MessageSent():
            return _settle(_stands(_named(row, fact), fact), "sent", attempt=fact.attempt)
        case _:
            return _due(_planned(row, fact, zone), fact)


def _settle(
    row: DeliveryRow,
    state: DeliveryState,
    *,
    attempt: int = 0,
    reason: str | None = None,
    description: str | None = None,
    retry_at: datetime | None = None,
) -> DeliveryRow:
    attempts = max(row.attempts, attempt)
    if _weight(state, attempt) <= _weight(row.state, row.attempts):
        return row._replace(attempts=attempts)
    return row._replace(
        state=state, attempts=attempts, reason=reason, description=description, retry_at=retry_at
    )


def _weight(state: DeliveryState, attempt: int) -> tuple[int, int, int]:
    if state in _FINAL:
        return _FINAL[state], 0, 0
    return 0, attempt, _WITHIN_ATTEMPT[state]


def _failed(row: DeliveryRow, fact: MessageFailed) -> DeliveryRow:
    return _settle(
        row,
        "due" if fact.retry_at else "failed",
        attempt=fact.attempt,
        reason=fact.failure,
        description=fact.description,
        retry_at=fact.retry_at,
    )


def _named(
    row: DeliveryRow,
    fact: MessageClaimed
    | MessageSent
    | MessageFailed
    | MessageUncertain
    | MessageSkipped
    | MessageWithdrawn,
) -> DeliveryRow:
    return row._replace(
        campaign=row.campaign or fact.campaign,
        kind=row.kind or fact.kind,
        variant=row.variant or fact.variant,
        channel=row.channel or fact.channel,
    )


def _planned(row: DeliveryRow, fact: Due | SlotMissed, zone: str | None) -> DeliveryRow:
    if row.scheduled_for is not None:
        return row
    return row._replace(
        campaign=row.campaign or fact.campaign,
        kind=row.kind or fact.kind,
        channel=row.channel or fact.channel,
        revision=fact.revision,
        scheduled_for=fact.scheduled_for,
        day=local_day(fact.scheduled_for, zone),
        ordinal=fact.ordinal,
    )


def _due(row: DeliveryRow, fact: Due) -> DeliveryRow:
    if row.expires_at is not None:
        return row
    return row._replace(
        variant=row.variant or fact.variant.id,
        trigger=fact.trigger,
        expires_at=fact.expires_at,
        bot=fact.bot,
    )


def _stands(row: DeliveryRow, fact: MessageSent) -> DeliveryRow:
    if row.sent_at is not None:
        return row
    return row._replace(
        sent_at=fact.sent_at,
        chat_id=fact.chat_id,
        message_id=fact.message_id,
        latency_ms=fact.latency_ms,
        audience=fact.audience,
        reconciled=fact.reconciled,
        follow_up_id=fact.follow_up_id,
        withdraw_at=fact.withdraw_at,
    )


def _withdrawn(row: DeliveryRow, fact: MessageWithdrawn) -> DeliveryRow:
    if _removed(fact.outcome, fact.action) <= _removed(row.withdrawal_outcome, row.withdrawal):
        return row
    return row._replace(
        withdrawal=fact.action,
        withdrawal_reason=fact.reason,
        withdrawal_outcome=fact.outcome,
        withdrawn_at=fact.withdrawn_at,
    )


def _removed(outcome: str | None, action: str | None) -> tuple[bool, int]:
    """Tell how much of the message is gone; a refusal took nothing away."""
    return outcome in {"done", "absent"}, _REMOVES[action]


def local_day(moment: datetime, zone: str | None) -> date:
    """Return the date of `moment` in an IANA `zone`, in UTC where there is none."""
    return moment.astimezone(ZoneInfo(zone) if zone else UTC).date()
