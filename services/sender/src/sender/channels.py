"""What one bot may do in its channels: it stands in the log, is followed there, and said there."""

import asyncio

from prometheus_client import Counter, Gauge

from chassis.clock import Clock
from chassis.log import Entry, Publisher, Reader
from chassis.logs import logger
from contracts.events import ChannelDisabled, ChannelMigrated
from contracts.ids import Channel, DeliveryId
from contracts.subjects import CHANNELS, channel_of
from sender.domain.channels import Chats, Known, Move

_PAUSE = 10.0

_DISABLED = Gauge(
    "fingerpost_sender_channels_disabled",
    "Channels where nothing is posted until they are enabled again.",
    ["bot"],
)
_CHANGES = Counter(
    "fingerpost_sender_channel_changes_total",
    "Facts about channels that came into the log while this process was active.",
    ["bot", "fact"],
)

log = logger(__name__)


class Channels:
    """The channels of one bot; `chats` is kept up to date for all who ask it."""

    def __init__(
        self,
        publisher: Publisher,
        reader: Reader,
        chats: Chats,
        clock: Clock,
        *,
        bot: str,
        bot_id: int,
    ) -> None:
        self._publisher = publisher
        self._reader = reader
        self._chats = chats
        self._clock = clock
        self._bot = bot
        self._bot_id = bot_id
        self._position = 0

    async def recall(self) -> None:
        """Read all that the log says until now: to be done before the first send."""
        for entry in await self._reader.replay((CHANNELS,), after=self._position):
            self._position = entry.sequence
            self._hear(entry)
        _DISABLED.labels(self._bot).set(self._chats.count)

    async def follow(self) -> None:
        """Hear what is said from then on, for ever."""
        while True:
            try:
                async for entry in self._reader.follow(CHANNELS, after=self._position):
                    self._position = entry.sequence
                    self._heard(entry)
            except Exception:
                log.exception("the channels are not followed; will try again")
            await asyncio.sleep(_PAUSE)

    def disabled(self, channel: Channel) -> ChannelDisabled | None:
        """Return why nothing is posted in `channel`, None where it may be."""
        return self._chats.disabled(channel)

    def moved(self, channel: Channel) -> Move | None:
        """Return where the chat is now and since when, None where it never moved."""
        return self._chats.moved(channel)

    def known(self, channel: Channel) -> Known:
        """Return what is known before a send: what it teaches is said only where nothing newer is.

        So a channel that is enabled while a send is being refused stays enabled.
        """
        return self._chats.known(channel)

    async def disable(self, known: Known, delivery: DeliveryId, description: str) -> None:
        """Say that the bot cannot post there; once, however many sends were refused."""
        event = ChannelDisabled(
            channel=known.place,
            bot_id=self._bot_id,
            description=description,
            delivery=delivery,
            happened_at=self._clock(),
        )
        over = channel_of(known.place, self._bot_id)
        await self._publisher.publish_once(event, over=over, after=known.sequence)
        await self._look_at(over)

    async def migrate(
        self, known: Known, delivery: DeliveryId, chat_id: int, description: str
    ) -> None:
        """Say that the chat is `chat_id` now; the next send goes there."""
        event = ChannelMigrated(
            channel=known.place,
            bot_id=self._bot_id,
            chat_id=chat_id,
            description=description,
            delivery=delivery,
            happened_at=self._clock(),
        )
        await self._publisher.publish_once(event)
        await self._look_at(event.subject)

    async def _look_at(self, subject: str) -> None:
        # Whatever stands there now, ours or somebody's, the next send is to know.
        if standing := await self._reader.last(subject):
            self._heard(standing)

    def _heard(self, entry: Entry) -> None:
        if not self._hear(entry):
            return
        fact = entry.envelope.data.fact()
        _CHANGES.labels(self._bot, fact.split(".")[1]).inc()
        _DISABLED.labels(self._bot).set(self._chats.count)
        event = entry.envelope.data.model_dump(include={"channel", "description", "actor"})
        log.warning(fact, bot=self._bot, **event)

    def _hear(self, entry: Entry) -> bool:
        event = entry.envelope.data
        mine = getattr(event, "bot_id", None) == self._bot_id
        return mine and self._chats.hear(event, entry.sequence)
