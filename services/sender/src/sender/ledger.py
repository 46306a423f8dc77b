"""The ledger of deliveries: it stands in the log, and nowhere else."""

from datetime import timedelta

from chassis.log import Publisher, Reader
from contracts.events import Event, MessageClaimed, MessageSent
from contracts.ids import DeliveryId
from contracts.subjects import SENT, messages_of
from sender.domain.channels import Move
from sender.domain.deliveries import Delivery, fold, initial
from sender.domain.looking import Trail, stands_by, trail

_LONG_BEFORE = timedelta(days=8)
"""How far back a last message of a channel is looked for: a weekly campaign has one by then."""
_JUST_BEFORE = timedelta(minutes=5)
"""More than the clock of the log's server may be ahead of ours."""


class Ledger:
    """Reads and writes what happened to each delivery."""

    def __init__(self, publisher: Publisher, reader: Reader) -> None:
        self._publisher = publisher
        self._reader = reader

    async def state_of(self, delivery: DeliveryId) -> Delivery:
        """Return the fold of what the log says; raises LogSilentError."""
        subjects = [one for one in messages_of(delivery) if await self._reader.last(one)]
        if not subjects:
            return initial
        envelopes = [entry.envelope for entry in await self._reader.replay(subjects)]
        return fold((envelope.data, envelope.time) for envelope in envelopes)

    async def claim(self, claim: MessageClaimed) -> bool:
        """Claim an attempt; True for exactly one claimant, whatever answer is lost."""
        if await self._publisher.publish_once(claim):
            return True
        # The log may have taken our own claim, and its answer was lost.
        standing = await self._reader.last(claim.subject)
        return standing is not None and standing.envelope.data == claim

    async def record(self, event: Event) -> None:
        """Say how it ended, once; returns when the log has it, however long that takes."""
        await self._publisher.publish_once(event)

    async def trail_of(self, claim: MessageClaimed, *, moved: Move | None) -> Trail:
        """Return the message ids between which the message of `claim` may stand."""
        standing = await self._reader.last(claim.subject)
        known = claim.last_known_message_id is not None and moved is None
        since = claim.claimed_at - (_JUST_BEFORE if known else _LONG_BEFORE)
        sent = []
        # One after the other: of all channels' messages of a week only this one's are kept.
        async for entry in self._reader.follow(SENT, since=since, stop_at_end=True):
            event = entry.envelope.data
            if isinstance(event, MessageSent) and stands_by(event, claim, moved):
                sent.append((entry.sequence, event))
        if standing is None:
            return trail(claim, 0, sent, moved=moved)
        age = await self._reader.time() - standing.stored_at
        return trail(claim, standing.sequence, sent, moved=moved, age=age)
