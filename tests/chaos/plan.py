"""What the adversary does, and when. Pure: one seed gives one plan."""

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chaos.campaigns import CHANNELS

Details = dict[str, Any]

SERVICES = ("scheduler", "sender", "clicks", "analytics")
REPLICAS = tuple(f"{service}-{number}" for service in SERVICES for number in range(2))
NATS = ("nats-0", "nats-1", "nats-2")
LEADER = "nats-leader"
"""Whichever server of the cluster leads the log at that moment."""
ALL_NATS = "nats"
LINKS = {
    "scheduler": ("nats",),
    "sender": ("nats", "telegram"),
    "clicks": ("nats", "telegram", "front"),
    "analytics": ("nats", "postgres"),
}
"""What a replica is connected to; `front` leads from the load balancer to clicks."""

UPGRADE_ORDER = ("analytics", "clicks", "sender", "scheduler")
"""Who reads an event is upgraded before who says it."""

CONSUMERS = ("sender-guide", "sender-promo", "sender-sent", "analytics-v1")

_GAP_SECONDS, _GAP_OF_KILLS = 2.0, 1.3
"""Between two faults, on average; kills alone come faster, as they end at once."""
_ROUND, _CALM = 30.0, 8.0
"""The last seconds of each round are calm, so that the next one meets a system at work."""
_QUIET_BEGINNING = 1.0
_LONGEST_FREEZE = 12.0
"""Shorter than the quarantine of the senders (15 s): who is away for longer breaks their terms."""
_LONGEST_DELAY = 1.5
_LEAST_LEFT = 0.5
_STALL_BEGINS, _SLOW = 12.0, 0.85
"""A write is 10 requests, once the statements are known: 17 s then. What waits behind one waits
longer than the log does for a word (30 s), and none takes what the projector allows (20 s)."""
_CHANCE_OF_NO_ANSWER = 0.4


@dataclass(frozen=True)
class Fault:
    """What is done `at` so many seconds, to whom, and after how long it is undone."""

    at: float
    kind: str
    target: str
    seconds: float = 0.0
    details: Details = field(default_factory=dict)

    def document(self) -> Details:
        """Return it as it stands in `run.json`."""
        known = asdict(self)
        return {**{n: v for n, v in known.items() if n != "details"}, **self.details}


def draw(seed: int, seconds: float, kinds: Collection[str]) -> list[Fault]:
    """Return the faults of a run of so many seconds, by time; all of them end within it."""
    wanted = [kind for kind in KINDS if kind in kinds]
    asked_for = [*_rolling(seconds, kinds), *_stalling(seconds, kinds)]
    if not wanted:
        return asked_for
    dice = random.Random(f"faults of {seed}")
    weights = [KINDS[kind][0] for kind in wanted]
    return asked_for + [
        _within(KINDS[dice.choices(wanted, weights)[0]][1](dice, at), seconds)
        for at in _moments(dice, seconds, _GAP_OF_KILLS if wanted == ["kill"] else _GAP_SECONDS)
    ]


def _rolling(seconds: float, kinds: Collection[str]) -> list[Fault]:
    return [Fault(_QUIET_BEGINNING, ROLL, "all", seconds)] if ROLL in kinds else []


def _stalling(seconds: float, kinds: Collection[str]) -> list[Fault]:
    if STALL not in kinds or seconds < _STALL_BEGINS:
        return []
    fault = Fault(_STALL_BEGINS, "delay", "", seconds, {"link": "postgres", "by": _SLOW})
    return [
        replace(_within(fault, seconds), target=name)
        for name in REPLICAS
        if name.startswith("analytics")
    ]


def _moments(dice: random.Random, seconds: float, gap: float) -> Iterator[float]:
    at = _QUIET_BEGINNING + dice.expovariate(1 / gap)
    while at < seconds - _LEAST_LEFT:
        if at % _ROUND < _ROUND - _CALM:
            yield round(at, 3)
        at += dice.expovariate(1 / gap)


def _within(fault: Fault, seconds: float) -> Fault:
    length = min(fault.seconds, seconds - fault.at)
    return Fault(fault.at, fault.kind, fault.target, round(length, 3), fault.details)


def _kill(dice: random.Random, at: float) -> Fault:
    targets = {
        **dict.fromkeys(REPLICAS, 1.2),
        # A sender takes seconds of processor time to start, an election seconds of waiting: more of
        # these, and nothing is under way that a kill could interrupt.
        **dict.fromkeys(("sender-0", "sender-1"), 0.4),
        **dict.fromkeys(NATS, 0.3),
        LEADER: 0.8,
        ALL_NATS: 0.2,
        "postgres": 0.8,
        "sandbox": 0.3,
    }
    target = dice.choices(list(targets), list(targets.values()))[0]
    return Fault(at, "kill", target, dice.uniform(0.1, 2.0))


def _freeze(dice: random.Random, at: float) -> Fault:
    target = dice.choice((*REPLICAS, *NATS, LEADER, "postgres"))
    return Fault(at, "freeze", target, dice.uniform(0.5, _LONGEST_FREEZE))


def _net(dice: random.Random, at: float) -> Fault:
    target = dice.choice(REPLICAS)
    link = dice.choice(LINKS[target.partition("-")[0]])
    if link == "front" and dice.random() < _CHANCE_OF_NO_ANSWER:
        return Fault(at, "unanswered", "front", 0.0, {"count": dice.randint(1, 5)})
    kind = dice.choice(("cut", "delay", "half_open"))
    details: Details = {"link": link}
    if kind == "delay":
        details["by"] = round(dice.uniform(0.05, _LONGEST_DELAY), 3)
    length = dice.uniform(0.0, 6.0) if kind == "cut" else dice.uniform(1.0, 8.0)
    return Fault(at, kind, target, length, details)


def _tear(dice: random.Random, at: float) -> Fault:
    # Slow first, so that a transaction is under way whenever the link breaks.
    details = {"link": "postgres", "by": round(dice.uniform(0.1, 0.5), 3)}
    return Fault(at, "tear", "analytics", dice.uniform(2.0, 5.0), details)


_MISBEHAVIOUR: tuple[Details, ...] = (
    {"fault": "accept_then_drop"},
    {"fault": "drop_before"},
    {"fault": "late", "seconds": 4.0},
    {"fault": "late", "seconds": 12.0},
    {"fault": "html_502", "effect": False},
    {"fault": "html_502", "effect": True},
    {"fault": "server_error", "effect": False},
    {"fault": "server_error", "effect": True},
    {"fault": "restart"},
    {"fault": "too_many", "retry_after": 2},
    {"fault": "too_many_without_parameters"},
    {"fault": "bad_result"},
    {"fault": "no_file", "method": "sendMessage"},
    {"fault": "kicked", "method": "forwardMessage"},
)
"""The last two: what is refused for good, and a message that nobody can look for."""


def _misbehave(dice: random.Random, at: float) -> Fault:
    methods = ("sendMessage", "sendMessage", "sendMessage", "answerCallbackQuery", "forwardMessage")
    chosen = dice.choice(_MISBEHAVIOUR)
    details = {"method": dice.choice((*methods, "*")), "times": dice.randint(1, 3), **chosen}
    if details["method"] == "sendMessage":
        # By the chat: clicks sends messages to people by the same method.
        details["chat_id"] = dice.choice(CHANNELS)
    lasts = details.pop("seconds", None)
    if lasts is not None:
        details["answered_after"] = lasts
    return Fault(at, "misbehave", "sandbox", 0.0, details)


def _clock(dice: random.Random, at: float) -> Fault:
    # More than a minute is beyond what a scheduler believes; it then waits for a minute.
    by = dice.choice((dice.uniform(2, 10), dice.uniform(10, 50), dice.uniform(70, 600)))
    by *= dice.choice((-1, 1))
    target = dice.choices(REPLICAS, [3 if r.startswith("scheduler") else 1 for r in REPLICAS])[0]
    return Fault(at, "clock", target, dice.uniform(2, 15), {"by": round(by, 3)})


def _redeliver(dice: random.Random, at: float) -> Fault:
    how = dice.choice(("steal", "reset", "update", "twice"))
    if how in {"steal", "reset"}:
        return Fault(
            at, "redeliver", dice.choice(CONSUMERS), 0.0, {"how": how, "count": dice.randint(1, 20)}
        )
    return Fault(at, "redeliver", "clicks", 0.0, {"how": how, "count": dice.randint(1, 5)})


def _garbage(dice: random.Random, at: float) -> Fault:
    subject = dice.choice(("cta.clicked", "campaign.paused", "bot.started", "slot.missed"))
    return Fault(at, "garbage", "log", 0.0, {"subject": subject, "shape": dice.randrange(4)})


Draw = Callable[[random.Random, float], Fault]

KINDS: dict[str, tuple[float, Draw]] = {
    "kill": (5, _kill),
    "freeze": (2, _freeze),
    "net": (3, _net),
    "sandbox": (2, _misbehave),
    "clock": (1, _clock),
    "redeliver": (2, _redeliver),
    "garbage": (0.5, _garbage),
    "tear": (1, _tear),
}
"""What may be asked for by name, how often it comes among the others, and how it is drawn."""

TRUNCATE = "truncate"
"""A scenario of its own, after the run."""

LATER = "later"
"""As well: what was said long ago is said again, once the duplicate window is over."""

FORGET = "forget"
"""As well: people ask to be forgotten, and are."""

ROLL = "roll"
"""An upgrade: each replica is asked to end (SIGTERM), and started again, one after the other. No
fault, so only who asks for it gets it."""

STALL = "stall"
"""The link of whoever folds is so slow that the log hands over again what waits behind a write. It
takes most of a minute, so only who asks for it gets it."""

ALL = (*KINDS, LATER, FORGET, TRUNCATE)
KNOWN = (*ALL, ROLL, STALL)
