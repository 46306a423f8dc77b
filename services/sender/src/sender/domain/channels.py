"""What the log says of one bot's chats: where it may not post, and which chats moved. Pure.

A chat has more than one name: its id, its @username, and the ids that it had before it moved. A
fact about any id in a chain of moves is about the chat; a username is another name only where a
fact says so, as it may be given to another chat.
"""

from dataclasses import dataclass

from contracts.events import ChannelDisabled, ChannelEnabled, ChannelMigrated, Event
from contracts.ids import Channel


@dataclass(frozen=True)
class Known:
    """A chat as it is addressed now, and the newest fact about it that was known then."""

    place: Channel
    sequence: int


@dataclass(frozen=True)
class Standing:
    """The last word about a chat, and its place in the log."""

    fact: ChannelDisabled | ChannelEnabled
    sequence: int


@dataclass(frozen=True)
class Move:
    """A chat is another one since this place in the log."""

    to: Channel
    sequence: int


class Chats:
    """The fold. Facts may be heard in any order and more than once; the log's order counts."""

    def __init__(self) -> None:
        self._standing: dict[Channel, Standing] = {}
        self._moves: dict[Channel, Move] = {}
        self._newest: dict[Channel, int] = {}
        self._told: dict[Channel, Standing] = {}

    def hear(self, event: Event, sequence: int) -> bool:
        """Take in one fact, and tell whether it is news."""
        match event:
            case ChannelMigrated():
                news = self._move(event.channel, Move(str(event.chat_id), sequence))
            case ChannelDisabled():
                news = self._stand(event.channel, Standing(event, sequence))
            case ChannelEnabled():
                news = self._stand(event.channel, Standing(event, sequence))
                if event.username:
                    self._tell(event.username, Standing(event, sequence))
            case _:
                return False
        self._newest[event.channel] = max(sequence, self._newest.get(event.channel, 0))
        return news

    def _move(self, channel: Channel, move: Move) -> bool:
        before = self._moves.get(channel)
        if before is not None and before.sequence >= move.sequence:
            return False
        self._moves[channel] = move
        return True

    def _stand(self, name: Channel, standing: Standing) -> bool:
        before = self._standing.get(name)
        if before is not None and before.sequence >= standing.sequence:
            return False
        self._standing[name] = standing
        return True

    def _tell(self, username: Channel, standing: Standing) -> None:
        before = self._told.get(username)
        if before is None or before.sequence < standing.sequence:
            self._told[username] = standing

    def known(self, channel: Channel) -> Known:
        """Return how the chat is addressed now, and up to where the log was heard about it."""
        place = self.place(channel)
        return Known(place, self._newest.get(place, 0))

    def place(self, channel: Channel) -> Channel:
        """Return the name by which the chat is addressed now, however often it moved."""
        return self._way(channel)[-1]

    def moved(self, channel: Channel) -> Move | None:
        """Return where the chat is now and since when, None where it never moved."""
        way = self._way(channel)
        return self._moves[way[-2]] if len(way) > 1 else None

    def standing(self, channel: Channel) -> Standing | None:
        """Return the last word about the chat, by whichever of its names it was said."""
        place = self.place(channel)
        names = {channel, place, *(name for name in self._moves if self.place(name) == place)}
        said = [self._standing[name] for name in names if name in self._standing]
        last = max(said, key=lambda standing: standing.sequence, default=None)
        told = self._told.get(channel)
        # What Telegram tells beside another name ends no word of a person about this one.
        if last and told and told.sequence > last.sequence and last.fact.actor is None:
            return told
        return last

    def disabled(self, channel: Channel) -> ChannelDisabled | None:
        """Return why nothing is posted in the chat, None where it may be."""
        standing = self.standing(channel)
        fact = standing.fact if standing else None
        return fact if isinstance(fact, ChannelDisabled) else None

    @property
    def names(self) -> list[Channel]:
        """Every name that a fact was about, each chat once: as it is addressed now."""
        return sorted({self.place(name) for name in (*self._standing, *self._moves)})

    @property
    def count(self) -> int:
        """How many chats are disabled."""
        return sum(self.disabled(name) is not None for name in self.names)

    def _way(self, channel: Channel) -> list[Channel]:
        way = [channel]
        # A chain has no loop in Telegram; a log with one must not stop a sender.
        while (move := self._moves.get(way[-1])) and move.to not in way:
            way.append(move.to)
        return way
