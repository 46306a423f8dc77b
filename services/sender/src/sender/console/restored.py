"""After the log was restored: what may have been posted since the backup is claimed, by nobody.

So the sender finds each such delivery as one whose sender was lost: it looks for the message, and
where it cannot tell, the campaign's policy decides. Nothing is posted twice for want of the claim.
"""

from collections import defaultdict
from collections.abc import Mapping

from chassis.clock import Clock
from chassis.log import Reader
from chassis.service import Connection
from chassis.topology import moved_out
from contracts.events import Due, GuideDue, MessageClaimed, PromoDue
from contracts.ids import DeliveryId
from contracts.streams import EVENTS
from contracts.subjects import DUES, MESSAGES
from contracts.token import TokenSigner
from sender.console.answers import Declared
from sender.domain.deliveries import Delivery, evolve, initial, names, unsaid_attempt
from sender.domain.looking import mark_of

_PATIENCE = 5.0
_BOT_UNKNOWN = "restored"
"""A mark names the bot, too; what it is known by is its token."""


async def declare(
    log: Connection, bots: Mapping[str, int], signer: TokenSigner, *, clock: Clock, actor: str
) -> Declared:
    """Claim every attempt that may have been made and of which the log says nothing.

    `bots` are ids by name. It may be repeated, and a sender may run: each attempt is claimed once.
    """
    declared, strangers = [], []
    for due, attempt in await _unsaid(log.reader, after=await _sealed(log)):
        if due.bot not in bots:
            strangers.append(due.delivery)
            continue
        claim = MessageClaimed(
            **names(due),
            attempt=attempt,
            claimant=f"after a restore, {actor}",
            claimed_at=clock(),
            bot_id=bots[due.bot],
            mark=mark_of(signer, _BOT_UNKNOWN, due.delivery),
        )
        if await log.publisher.publish_once(claim, patience=_PATIENCE):
            declared.append(due.delivery)
    return Declared(tuple(declared), tuple(strangers))


async def _sealed(log: Connection) -> int:
    """Return up to where all was done with, and its ledger moved out of the log."""
    moved = await moved_out(log.js, EVENTS)
    return moved.through if moved else 0


async def _unsaid(reader: Reader, *, after: int) -> list[tuple[Due, int]]:
    ledgers = await _ledgers(reader)
    found = []
    for subject in DUES:
        async for entry in reader.follow(subject, after=after, stop_at_end=True):
            due = entry.envelope.data
            if isinstance(due, GuideDue | PromoDue):
                attempt = unsaid_attempt(ledgers.get(due.delivery, initial))
                if attempt is not None:
                    found.append((due, attempt))
    return found


async def _ledgers(reader: Reader) -> Mapping[DeliveryId, Delivery]:
    ledgers: defaultdict[DeliveryId, Delivery] = defaultdict(lambda: initial)
    async for entry in reader.follow(MESSAGES, stop_at_end=True):
        said = entry.envelope
        delivery = getattr(said.data, "delivery", None)
        if delivery is not None:
            ledgers[delivery] = evolve(ledgers[delivery], said.data, said.time)
    return ledgers
