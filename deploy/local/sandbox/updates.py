"""The updates waiting for each bot: what is published, kept, confirmed and forgotten.

Retention and queues as in tdlib/telegram-bot-api Client.cpp: 24 hours for messages and members,
150 seconds for callbacks and payments; one queue for each chat or acting user.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.records import Bot, Json
from sandbox.store import Shelf
from sandbox.world import World

_NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}
_SHORT_LIVED = {"callback_query": 150, "pre_checkout_query": 150, "shipping_query": 150}
_DAY = 24 * 3600
_REMEMBERED = 1000
_FIRST_UPDATE_ID = 100_000_000


@dataclass
class Update:
    """One update of one bot; `queue` names the line it waits in."""

    bot_id: int
    id: int
    queue: str
    body: Json
    expires_at: float

    @property
    def key(self) -> str:
        return f"{self.bot_id}/{self.id}"


class Updates:
    """The pending updates of every bot, in order; listeners learn of each new one."""

    def __init__(self, world: World):
        self._world = world
        self._shelf: Shelf[Update] = Shelf(world.store, "update", Update, lambda u: u.key)
        self._pending: dict[int, dict[int, Update]] = defaultdict(dict)
        self._queues: dict[int, dict[str, dict[int, Update]]] = defaultdict(dict)
        for update in sorted(self._shelf, key=lambda u: u.id):
            self._hold(update)
        self._published: dict[int, OrderedDict[int, Update]] = defaultdict(OrderedDict)
        self.delivered: dict[int, deque[Json]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self.expired: Counter[int] = Counter()
        self.listeners: list[Callable[[int], None]] = []
        self.lost: dict[int, set[str]] = {}

    def publish(self, bot: Bot, kind: str, content: Json, queue: str) -> int | None:
        """Queue an update unless the bot's allowed_updates leave it out; returns its id.

        Of kinds in `lost` none is queued, as if the bot had been away for longer than a day.
        """
        if not _wanted(bot, kind) or kind in self.lost.get(bot.id, ()):
            return None
        lifetime = _SHORT_LIVED.get(kind, _DAY)
        update_id = self._next_id(bot)
        body = {"update_id": update_id, kind: content}
        self._add(Update(bot.id, update_id, queue, body, self._world.now() + lifetime))
        return update_id

    def inject(self, bot: Bot, body: Json) -> int:
        """Queue a raw update as it is, without asking what it means."""
        update_id = body.get("update_id")
        number = update_id if isinstance(update_id, int) else self._next_id(bot)
        whole = {"update_id": number, **body}
        self._add(Update(bot.id, number, f"injected/{number}", whole, self._world.now() + _DAY))
        return number

    def repeat(self, bot: Bot, update_id: int) -> bool:
        """Queue an earlier update again, with its id; False when it is no longer remembered."""
        update = self._published[bot.id].get(update_id)
        if update:
            self._add(update)
        return update is not None

    def pending(self, bot_id: int) -> list[Update]:
        """What is waiting, oldest first; the expired are dropped on the way."""
        now = self._world.now()
        for update in [u for u in self._pending[bot_id].values() if u.expires_at <= now]:
            self._expire(update)
        return list(self._pending[bot_id].values())

    def first_in(self, bot_id: int, queue: str) -> Update | None:
        """The update whose turn it is in a queue."""
        now = self._world.now()
        for update in list(self._queues[bot_id].get(queue, {}).values()):
            if update.expires_at > now:
                return update
            self._expire(update)
        return None

    def queues(self, bot_id: int) -> Iterator[str]:
        """The queues in which something waits, the longest waiting first."""
        return iter(self._queues[bot_id])

    def confirm(self, update: Update) -> None:
        """The bot has it: forget it."""
        entry = {"update_id": update.id, "at": self._world.now(), "update": update.body}
        self.delivered[update.bot_id].append(entry)
        self._remove(update)

    def drop_all(self, bot_id: int) -> None:
        for update in self.pending(bot_id):
            self._remove(update)

    def _next_id(self, bot: Bot) -> int:
        return self._world.counters.next(f"update/{bot.id}", start=_FIRST_UPDATE_ID)

    def _add(self, update: Update) -> None:
        self._hold(update)
        self._shelf.save(update)
        recent = self._published[update.bot_id]
        recent[update.id] = update
        while len(recent) > _REMEMBERED:
            recent.popitem(last=False)
        self.wake(update.bot_id)

    def wake(self, bot_id: int) -> None:
        """Tell the listeners to look at a bot's updates."""
        for listener in self.listeners:
            listener(bot_id)

    def _hold(self, update: Update) -> None:
        self._pending[update.bot_id][update.id] = update
        self._queues[update.bot_id].setdefault(update.queue, {})[update.id] = update

    def _expire(self, update: Update) -> None:
        self.expired[update.bot_id] += 1
        self._remove(update)

    def _remove(self, update: Update) -> None:
        self._pending[update.bot_id].pop(update.id, None)
        queue = self._queues[update.bot_id].get(update.queue, {})
        queue.pop(update.id, None)
        if not queue:
            self._queues[update.bot_id].pop(update.queue, None)
        self._shelf.drop(update)


def _wanted(bot: Bot, kind: str) -> bool:
    if bot.allowed_updates:
        return kind in bot.allowed_updates
    return kind not in _NOT_BY_DEFAULT


def allowed_updates(given: Any, kept: list[str]) -> list[str]:
    """The new filter: an absent one keeps the old, an empty one means the default."""
    return [str(kind) for kind in given] if isinstance(given, list) else kept
