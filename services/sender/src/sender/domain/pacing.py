"""When a message may go: Telegram's limits as an exact account of what it may have seen. Pure.

Over all, per chat, and per channel or group in a minute. A message counts from the moment it may
go until so long after its answer, as nobody knows when in between Telegram counted it: so no
window holds more than its limit, however long a call takes. Times are seconds of one clock.
"""

from bisect import insort
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

_SECOND = 1.0
_MINUTE = 60.0
_LONGEST_UNSEEN = 2.0
"""After so long Telegram has counted a message, even where it does not answer yet."""
_ASIDE, _ASIDE_UNSEEN = "aside", 0.5
"""A call that posts nothing is short: nobody says when it was answered."""
_TIMER = 0.01
"""What a timer is late over all may be caught up; that is no burst."""
LONGEST_WAIT = 60.0
"""Who would wait longer asks again after this time, without a place."""
_FORGOTTEN_PLACE = 15.0
_FLOOD_WINDOW = 10.0
_FLOODED_CHATS = 3
_JITTER = 1.0
_CHAT_LEAST, _CHAT_GROWTH = 1 / 16, 0.1
_WHOLE_LEAST, _WHOLE_GROWTH = 1 / 10, 0.005
_TIDY_EVERY = 1_000
_NOISE = 1e-6

Scope = Literal["chat", "whole"]


@dataclass(frozen=True)
class Limits:
    """Messages allowed: a second over all, a second in a chat, a minute in a channel or group.

    `paid_per_second` on top over all, for Stars; 0 for none. `shares` are the lanes' weights while
    more than one waits, and every kind of message has one. What is `unhurried` is never paid for,
    and has one place in a chat at a time, so that many of them hold up no other kind there.
    """

    shares: Mapping[str, float]
    per_second: float = 30
    chat_per_second: float = 1
    channel_per_minute: int = 20
    paid_per_second: float = 0
    unhurried: Collection[str] = ()


@dataclass(frozen=True)
class Grant:
    """This may go now: `count` messages in one; `paid` as it is above the free limit."""

    key: str
    chat: str
    kind: str
    count: int
    paid: bool
    at: float


@dataclass(frozen=True)
class _Asker:
    chat: str
    count: int
    unhurried: bool


@dataclass
class _Window:
    """What Telegram may still count of the last `seconds`: begun, and answered (in order)."""

    seconds: float
    begun: dict[str, tuple[float, int]] = field(default_factory=dict)
    answered: list[float] = field(default_factory=list)

    def wait(self, size: int, now: float, count: int = 1) -> float:
        """Return how long until there is room for `count` more, or for all that ever fit."""
        excess = self.held(now) + min(count, size) - size
        if excess <= 0:
            return 0.0
        if excess <= len(self.answered):
            return self.answered[excess - 1] + self.seconds - now
        oldest, _ = next(iter(self.begun.values()))
        return oldest + _LONGEST_UNSEEN + self.seconds - now

    def held(self, now: float) -> int:
        """Return how many it holds now."""
        self._age(now)
        return len(self.answered) + sum(count for _, count in self.begun.values())

    def answer(self, key: str, now: float) -> None:
        if key in self.begun:
            begun, count = self.begun.pop(key)
            for _ in range(count):
                insort(self.answered, min(now, begun + _LONGEST_UNSEEN))

    def _age(self, now: float) -> None:
        late = [key for key, (begun, _) in self.begun.items() if begun + _LONGEST_UNSEEN <= now]
        for key in late:
            self.answer(key, now)
        old = 0
        while old < len(self.answered) and self.answered[old] + self.seconds <= now:
            old += 1
        del self.answered[:old]


@dataclass
class _Chat:
    """One chat: when it is free again, who has a place there, and how far it was slowed down.

    Of the unhurried one has a place, the others form a line; `next_unhurried` spreads them.
    """

    minute: _Window | None
    free_at: float = 0.0
    share: float = 1.0
    paused_until: float = 0.0
    places: dict[str, float] = field(default_factory=dict)
    unhurried: str | None = None
    line: float = 0.0
    next_unhurried: float = 0.0


@dataclass
class _Whole:
    """One budget over all chats: evenly spaced, and never more than its rate in a second."""

    rate: float
    share: float = 1.0
    paused_until: float = 0.0
    next_at: float = 0.0
    second: _Window = field(default_factory=lambda: _Window(_SECOND))

    def wait(self, now: float, count: int) -> float:
        size = max(1, int(self.rate * self.share))
        return max(self.paused_until - now, self.next_at - now, self.second.wait(size, now, count))

    def take(self, key: str, now: float, count: int) -> None:
        self.next_at = max(self.next_at, now - _TIMER) + count / (self.rate * self.share)
        self.second.begun[key] = now, count


class Pacing:
    """The account of one bot token, and the queue of what may go soon."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = _Whole(limits.per_second)
        self._paid = _Whole(limits.paid_per_second)
        self._chats: dict[str, _Chat] = {}
        self._queues: dict[str, dict[str, _Asker]] = {kind: {} for kind in limits.shares}
        self._served: dict[str, float] = dict.fromkeys(limits.shares, 0.0)
        self._progress = 0.0
        self._floods: deque[tuple[float, str]] = deque()
        self._grants = 0
        self.purse = 0

    @property
    def share(self) -> float:
        """Return which part of the rate over all is in use, after floods."""
        return self._free.share

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of messages that have a lane."""
        return tuple(self._queues)

    @property
    def slowed_chats(self) -> int:
        """Return how many chats are slower than allowed, after floods."""
        return sum(chat.share < 1 for chat in self._chats.values())

    def waiting(self, kind: str) -> int:
        """Return how many of `kind` stand in the queue."""
        return len(self._queues[kind])

    def remember(self, chat: str, at: float, now: float, *, count: int = 1) -> None:
        """Count `count` messages that another sender may have sent to `chat` at `at`."""
        seen = min(now, at + _LONGEST_UNSEEN)
        account = self._chat(chat)
        account.free_at = max(account.free_at, seen + count * self._spacing(account))
        for _ in range(count):
            insort(self._free.second.answered, seen)
            if account.minute:
                insort(account.minute.answered, seen)

    def ask(
        self, key: str, chat: str, kind: str, now: float, patience: float, *, count: int = 1
    ) -> float:
        """Join the queue with `count` messages and return 0, or say when to come back, in seconds.

        Who is sent away has a place in its chat, so that many do not come back at once.
        """
        account = self._chat(chat)
        self._forget_places(account, now)
        unhurried = kind in self._limits.unhurried
        if unhurried and (wait := self._behind(key, account, now)):
            return wait
        place = self._place(key, account, now, count)
        if unhurried:
            place = max(place, account.next_unhurried)
        wait = place - now
        if wait <= LONGEST_WAIT:
            account.places[key] = place
        if wait > patience:
            return min(wait, LONGEST_WAIT)
        self._queues[kind][key] = _Asker(chat, count, unhurried)
        return 0.0

    def aside(self, now: float, *, pressing: bool = False) -> float:
        """Count one call that posts nothing and return 0, or say when to ask again, in seconds.

        It takes its part of the rate over all, and lets every post go first; where it is `pressing`
        it does not any more.
        """
        ready = any(self._first(kind, now) for kind in self._queues)
        wait = self._free.wait(now, 1)
        if wait > _NOISE or (ready and not pressing):
            return max(wait, 1 / self._limits.per_second)
        self._free.take(_ASIDE, now, 1)
        self._free.second.answer(_ASIDE, now + _ASIDE_UNSEEN)
        return 0.0

    def leave(self, key: str) -> None:
        """Forget who no longer waits."""
        for queue in self._queues.values():
            if asker := queue.pop(key, None):
                self._chats[asker.chat].places.pop(key, None)

    def held_up(self, now: float, patience: float) -> list[tuple[str, float]]:
        """Return who stands in the queue and has longer than `patience` to wait for its chat."""
        queued = [asked for queue in self._queues.values() for asked in queue.items()]
        waits = [(key, self._chat_wait(asker, now)) for key, asker in queued]
        return [(key, wait) for key, wait in waits if wait > patience]

    def choose(self, now: float) -> Grant | float | None:
        """Let one go; or say in how many seconds to look again, None for when somebody asks."""
        ready = {kind: key for kind in self._queues if (key := self._first(kind, now))}
        if not ready:
            waits = [self._chat_wait(asker, now) for asker in self._queued()]
            return max(min(waits), _NOISE) if waits else None
        found: float | None = None
        for kind in sorted(ready, key=lambda each: max(self._served[each], self._progress)):
            asker = self._queues[kind][ready[kind]]
            whole = self._budget(asker, now)
            if isinstance(whole, _Whole):
                # What is paid for goes past those that never are; nothing else goes past them.
                if found is None or whole is self._paid:
                    return self._serve(ready[kind], kind, whole, now)
                break
            found = whole
            if not asker.unhurried:
                break
        return found

    def _serve(self, key: str, kind: str, whole: _Whole, now: float) -> Grant:
        count = self._queues[kind][key].count
        self._progress = max(self._served[kind], self._progress)
        self._served[kind] = self._progress + count / self._limits.shares[kind]
        return self._take(key, kind, whole, now)

    def answered(self, grant: Grant, now: float, *, good: bool) -> None:
        """Telegram answered; a `good` answer gives back a little of what a flood took."""
        account = self._chat(grant.chat)
        seen = min(now, grant.at + _LONGEST_UNSEEN)
        account.free_at = max(account.free_at, seen + grant.count * self._spacing(account))
        whole = self._paid if grant.paid else self._free
        whole.second.answer(grant.key, now)
        if account.minute:
            account.minute.answer(grant.key, now)
        if good:
            account.share = min(1.0, account.share + _CHAT_GROWTH)
            for budget in (self._free, self._paid):
                budget.share = min(1.0, budget.share + _WHOLE_GROWTH)

    def flooded(self, chat: str, retry_after: float, now: float, dice: float) -> Scope:
        """Telegram said 429: slow the chat down, and all of them once three were hit in 10 s."""
        until = now + retry_after + dice * _JITTER
        account = self._chat(chat)
        if now >= account.paused_until:
            account.share = max(_CHAT_LEAST, account.share / 2)
        account.paused_until = max(account.paused_until, until)
        account.free_at = max(account.free_at, until)
        self._floods.append((now, chat))
        while self._floods[0][0] <= now - _FLOOD_WINDOW:
            self._floods.popleft()
        if len({hit for _, hit in self._floods}) < _FLOODED_CHATS:
            return "chat"
        self._floods.clear()
        for whole in (self._free, self._paid):
            if now >= whole.paused_until:
                whole.share = max(_WHOLE_LEAST, whole.share / 2)
            whole.paused_until = max(whole.paused_until, until)
        return "whole"

    def _take(self, key: str, kind: str, whole: _Whole, now: float) -> Grant:
        asker = self._queues[kind].pop(key)
        account = self._chats[asker.chat]
        account.places.pop(key, None)
        account.free_at = now + asker.count * self._spacing(account)
        paid = whole is self._paid
        whole.take(key, now, asker.count)
        if paid:
            self.purse -= asker.count
        if account.minute:
            account.minute.begun[key] = now, asker.count
        if account.minute and asker.unhurried:
            account.next_unhurried = now + asker.count * _MINUTE / self._in_minute(account)
        self._tidy(now)
        return Grant(key, asker.chat, kind, asker.count, paid, now)

    def _budget(self, asker: _Asker, now: float) -> _Whole | float:
        free = self._free.wait(now, asker.count)
        if free <= _NOISE:
            return self._free
        may_pay = self._limits.paid_per_second and not asker.unhurried
        if not may_pay or self.purse < asker.count:
            return free
        paid = self._paid.wait(now, asker.count)
        return self._paid if paid <= _NOISE else min(free, paid)

    def _first(self, kind: str, now: float) -> str | None:
        queue = self._queues[kind].items()
        return next((key for key, asker in queue if self._chat_wait(asker, now) <= _NOISE), None)

    def _queued(self) -> Iterator[_Asker]:
        for queue in self._queues.values():
            yield from queue.values()

    def _chat(self, chat: str) -> _Chat:
        if chat not in self._chats:
            # A private chat has a positive id; Telegram names channels and groups otherwise.
            private = chat.isdecimal()
            self._chats[chat] = _Chat(None if private else _Window(_MINUTE))
        return self._chats[chat]

    def _chat_wait(self, asker: _Asker, now: float) -> float:
        account = self._chats[asker.chat]
        rest = account.next_unhurried - now if asker.unhurried else 0.0
        return max(account.free_at - now, self._minute_wait(account, now, asker.count), rest)

    def _minute_wait(self, account: _Chat, now: float, count: int) -> float:
        if account.minute is None:
            return 0.0
        return account.minute.wait(self._in_minute(account), now, count)

    def _forget_places(self, account: _Chat, now: float) -> None:
        """Free the places of those who did not come back."""
        for other, at in list(account.places.items()):
            if at < now - _FORGOTTEN_PLACE and not any(other in q for q in self._queues.values()):
                del account.places[other]

    def _behind(self, key: str, account: _Chat, now: float) -> float:
        """Return how long `key` is to stay away while another unhurried one has the place; or 0."""
        holder = account.unhurried
        if holder is None or holder == key or holder not in account.places:
            account.unhurried = key
            return 0.0
        step = _MINUTE / self._in_minute(account) if account.minute else self._spacing(account)
        latest = max(account.line, account.places[holder], now) + step
        account.line = min(latest, now + LONGEST_WAIT)
        return account.line - now

    def _place(self, key: str, account: _Chat, now: float, count: int) -> float:
        """Return when `key` may be sent to its chat, behind those who asked before."""
        free = max(now, account.free_at, now + self._minute_wait(account, now, count))
        own = account.places.pop(key, None)
        if own is not None and own >= free - _NOISE:
            return own
        if own is not None and own <= now and free <= now:
            return now
        behind = max(account.places.values(), default=free - self._step(account, now))
        return max(free, behind + self._step(account, now))

    def _step(self, account: _Chat, now: float) -> float:
        """Return how far apart places are: evenly over the minute once it would be full."""
        spacing = self._spacing(account)
        if account.minute is None:
            return spacing
        size = self._in_minute(account)
        room = account.minute.held(now) + len(account.places) < size
        return spacing if room else max(spacing, _MINUTE / size)

    def _spacing(self, account: _Chat) -> float:
        return _SECOND / (self._limits.chat_per_second * account.share)

    def _in_minute(self, account: _Chat) -> int:
        return max(1, int(self._limits.channel_per_minute * account.share))

    def _tidy(self, now: float) -> None:
        """Forget chats of which nothing is left to know."""
        self._grants += 1
        if self._grants % _TIDY_EVERY:
            return
        for chat, account in list(self._chats.items()):
            busy = account.places or (account.minute and account.minute.held(now))
            if not busy and account.share == 1 and account.free_at <= now:
                del self._chats[chat]
