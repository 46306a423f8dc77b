"""After a restore: what may have been posted since the backup is claimed, and nothing else."""

from datetime import UTC, datetime

from chassis.topology import Moved, move_out, note_moved
from contracts.events import GuideDue, MessageClaimed, PromoDue
from contracts.examples import example
from contracts.streams import EVENTS
from contracts.subjects import MESSAGES
from contracts.token import TokenSigner
from harness.logs import Log
from sender.console import restored

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_what_was_archived_is_over_and_is_not_claimed(log: Log) -> None:
    archived, since = example(GuideDue), example(PromoDue)
    await log.say(archived)
    last = (await log.js.stream_info(EVENTS.name)).state.last_seq
    await note_moved(log.js, EVENTS, Moved("archive", last))
    await move_out(log.js, EVENTS, [MESSAGES], through=last)
    await log.say(since)

    signer = TokenSigner({"k1": b"a key of sixteen bytes"})
    bots = {archived.bot: 1, since.bot: 1}
    said = await restored.declare(log.connection, bots, signer, clock=lambda: NOW, actor="ann")

    assert said.deliveries == (since.delivery,)
    assert [one.delivery for one in await log.events(MessageClaimed)] == [since.delivery]
