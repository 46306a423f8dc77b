"""Telegram's flood limits as an exact, pure account of what was sent when.

Bot API FAQ: about 30 messages a second over all, one a second in a chat with short bursts
tolerated, 20 a minute in a group; practice reports the last for channels too.
"""

import math
from collections import deque
from dataclasses import dataclass, field

_NOISE = 0.001  # seconds; what is left after rounding is no reason to refuse


@dataclass
class Limits:
    """Messages allowed; None switches a limit off."""

    per_second: int | None = 30
    chat_burst: int | None = 4
    chat_per_second: float = 1.0
    group_per_minute: int | None = 20


@dataclass
class Window:
    """At most `size` messages in any `seconds` seconds."""

    sent: deque[float] = field(default_factory=deque)

    def wait(self, now: float, size: int, seconds: float, count: int) -> float:
        """Seconds until `count` more fit; 0 when they do."""
        while self.sent and self.sent[0] <= now - seconds:
            self.sent.popleft()
        excess = len(self.sent) + min(count, size) - size
        return 0.0 if excess <= 0 else self.sent[excess - 1] + seconds - now


@dataclass
class Bucket:
    """A burst of `size`, refilled at `rate` a second."""

    level: float = 0.0
    at: float = 0.0

    def wait(self, now: float, size: int, rate: float, count: int) -> float:
        self.level = max(0.0, self.level - (now - self.at) * rate)
        self.at = now
        return max(0.0, (self.level + min(count, size) - size) / rate)


class Floods:
    """One account for each token, chat and group; asking is recording when the answer is yes."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self._tokens: dict[int, Window] = {}
        self._chats: dict[tuple[int, str], Bucket] = {}
        self._groups: dict[tuple[int, str], Window] = {}

    def retry_after(
        self, bot_id: int, chat: str, now: float, *, group: bool, count: int = 1
    ) -> int | None:
        """Whole seconds to wait, or None: the messages fit and are now accounted for."""
        token = self._tokens.setdefault(bot_id, Window())
        bucket = self._chats.setdefault((bot_id, chat), Bucket())
        window = self._groups.setdefault((bot_id, chat), Window())
        wait = self._longest_wait(token, bucket, window, now, group=group, count=count)
        if wait > _NOISE:
            return max(1, math.ceil(wait))
        token.sent.extend([now] * count)
        bucket.level += count
        if group:
            window.sent.extend([now] * count)
        return None

    def _longest_wait(
        self, token: Window, bucket: Bucket, window: Window, now: float, *, group: bool, count: int
    ) -> float:
        limits, wait = self.limits, 0.0
        if limits.per_second is not None:
            wait = token.wait(now, limits.per_second, 1.0, count)
        if limits.chat_burst is not None:
            wait = max(wait, bucket.wait(now, limits.chat_burst, limits.chat_per_second, count))
        if group and limits.group_per_minute is not None:
            wait = max(wait, window.wait(now, limits.group_per_minute, 60.0, count))
        return wait
