"""The log as clicks uses it: what was due is found in it, what people do is recorded in it.

Whoever asks before the log is there, or while it does not answer in time, gets a
LogUnavailableError: the person, or Telegram, is to ask again.
"""

from chassis.log import Entry, LogUnavailableError, Publisher
from chassis.logs import logger
from clicks.catalogue import Catalogue, Posted
from contracts.envelope import Envelope
from contracts.events import ConversionRecorded, Event
from contracts.ids import Channel, DeliveryId

log = logger(__name__)

PATIENCE = 2.0
"""Seconds that the log has to acknowledge, and to find a due event: people wait meanwhile."""


class Journal:
    """Finds and records nothing until the log is there (`open`)."""

    def __init__(self) -> None:
        self._log: tuple[Publisher, Catalogue] | None = None

    def open(self, publisher: Publisher, catalogue: Catalogue) -> None:
        """Record in this log from now on."""
        self._log = publisher, catalogue

    async def due(self, delivery: DeliveryId) -> Envelope | None:
        """Return the due event of a delivery, None where the log has none."""
        posted = await self.posted(delivery)
        return posted.due if posted else None

    async def posted(self, delivery: DeliveryId) -> Posted | None:
        """Return the due event of a delivery, and the bot that posted it."""
        _, catalogue = self._open_log()
        return await catalogue.posted(delivery)

    async def record(self, event: Event, due: Envelope | None = None) -> None:
        """Return once the log has `event`; it is caused by `due`, and belongs to its story."""
        publisher, _ = self._open_log()
        if isinstance(event, ConversionRecorded):
            # Money counts once as long as the log is kept, not only in the duplicate window.
            if await publisher.publish_once(
                event, over=event.once_over, cause=due, patience=PATIENCE
            ):
                _tell(event, due)
        else:
            await publisher.publish(event, cause=due, patience=PATIENCE)

    async def record_once(
        self, conversion: ConversionRecorded, due: Envelope | None = None
    ) -> ConversionRecorded | None:
        """Return None once the log has `conversion`, or what it had of it before."""
        publisher, catalogue = self._open_log()
        over = conversion.once_over
        if await publisher.publish_once(conversion, over=over, cause=due, patience=PATIENCE):
            _tell(conversion, due)
            return None
        return await catalogue.conversion(over) or conversion

    async def conversion(self, subject: str) -> ConversionRecorded | None:
        """Return the conversion on `subject`, None where the log has none."""
        _, catalogue = self._open_log()
        return await catalogue.conversion(subject)

    async def last_word(self, channel: Channel, bot_id: int) -> Entry | None:
        """Return the newest fact about a bot in a channel."""
        _, catalogue = self._open_log()
        return await catalogue.last_word(channel, bot_id)

    async def record_after(self, event: Event, last: Entry, *, over: str) -> None:
        """Return once the log has `event`, or a newer fact than `last` on the subjects `over`."""
        publisher, _ = self._open_log()
        after, cause = last.sequence, last.envelope
        await publisher.publish_once(event, over=over, after=after, cause=cause, patience=PATIENCE)

    def _open_log(self) -> tuple[Publisher, Catalogue]:
        if self._log is None:
            raise LogUnavailableError("the log is not there yet")
        return self._log


def _tell(conversion: ConversionRecorded, due: Envelope | None) -> None:
    """Log what earned money or a member, as there is less of it than of taps."""
    story = due.correlationid if due else conversion.correlation or conversion.id
    log.info("conversion recorded", correlation_id=story, kind=conversion.kind, id=conversion.id)
