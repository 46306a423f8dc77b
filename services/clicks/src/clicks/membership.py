"""Enables the channels in which the bot may post again, as soon as Telegram says so."""

from chassis.clock import Clock
from clicks.domain.decisions import Decision
from clicks.domain.membership import Admitted, enable
from clicks.journal import Journal
from contracts.events import ChannelEnabled
from contracts.subjects import channel_of


class Membership:
    """Follows what the bot may do in its channels."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def admitted(self, admitted: Admitted) -> Decision:
        """Enable a channel that was disabled, by each of its names; of others say nothing.

        Raises LogUnavailableError.
        """
        enabled = [await self._enable(admitted, name) for name in admitted.names]
        return Decision(event=next(filter(None, enabled), None))

    async def _enable(self, admitted: Admitted, name: str) -> ChannelEnabled | None:
        last = await self._journal.last_word(name, admitted.bot_id)
        word = last.envelope.data if last else None
        event = enable(admitted, name, word, self._clock())
        if last and event:
            over = channel_of(name, admitted.bot_id)
            await self._journal.record_after(event, last, over=over)
        return event
