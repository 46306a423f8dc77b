"""The plan that the services follow in a run: fast, and of every sort that the checker knows."""

from collections.abc import Sequence
from typing import Any

from sandbox.client import Json

CHANNELS = tuple(-1_009_000_000_001 - number for number in range(4))
MEMBERS = 100
AUDIT_CHAT = -1_009_000_000_099
_TARGET = "https://example.org/chaos"


def _guide(variant: str) -> Json:
    return {
        "id": variant,
        "text": f"Guide {variant}: learn before you earn.",
        "ctas": [
            {"kind": "link", "label": "Read", "target": f"{_TARGET}/{variant}"},
            {"kind": "callback", "label": "I have read it", "answer": "Well done."},
        ],
    }


def _promo(variant: str) -> Json:
    offer = {"title": "Premium", "description": "All of it, for 30 days.", "stars": 25}
    return {
        "id": variant,
        "text": f"Promo {variant}: all of it, for 30 days.",
        "ctas": [
            {"kind": "bot", "label": "Upgrade", "greeting": "Pay with Stars.", "offer": offer},
            {"kind": "callback", "label": "Tell me more", "answer": "It is good."},
            {"kind": "link", "label": "Compare", "target": f"{_TARGET}/{variant}"},
        ],
    }


def _campaign(name: str, kind: str, every: int, channels: Sequence[int], **fields: Any) -> Json:
    make = _guide if kind == "guide" else _promo
    return {
        "id": name,
        "kind": kind,
        "title": name,
        "every": every,
        "phase": 0,
        "channels": list(channels),
        "variants": [make(f"{name}-{letter}") for letter in "abc"],
        **fields,
    }


CAMPAIGNS: tuple[Json, ...] = (
    _campaign(
        "guides-all",
        "guide",
        5,
        CHANNELS,
        catch_up={"policy": "all", "window": 60, "max": 100},
    ),
    _campaign("guides-late", "guide", 10, CHANNELS[:3], jitter=2, channel_offset=1),
    _campaign(
        "promos-all",
        "promo",
        6,
        CHANNELS[1:],
        phase=1,
        catch_up={"policy": "all", "window": 30, "max": 5},
        on_uncertain="resend",
    ),
    _campaign("promos-skip", "promo", 15, CHANNELS[2:], phase=4, catch_up={"policy": "skip"}),
)


def file_of(end: str) -> Json:
    """Return the campaign file; no slot comes after `end`."""
    return {"version": 1, "campaigns": [_written(plan, end) for plan in CAMPAIGNS]}


def _written(plan: Json, end: str) -> Json:
    written = {name: plan[name] for name in ("id", "kind", "title", "channels", "variants")}
    written["schedule"] = {"every": f"{plan['every']}s", "phase": f"{plan['phase']}s"}
    written["end"] = end
    for delay in ("jitter", "channel_offset"):
        if delay in plan:
            written[delay] = f"{plan[delay]}s"
    if "catch_up" in plan:
        catch_up = dict(plan["catch_up"])
        if "window" in catch_up:
            catch_up["window"] = f"{catch_up['window']}s"
        written["catch_up"] = catch_up
    if "on_uncertain" in plan:
        written["on_uncertain"] = plan["on_uncertain"]
    return written


def described(plan: Json, end: float, since: float | None) -> Json:
    """Return a campaign as `run.json` describes it."""
    catch_up = plan.get("catch_up", {})
    return {
        "id": plan["id"],
        "kind": plan["kind"],
        "every_seconds": plan["every"],
        "phase_seconds": plan["phase"],
        "jitter_seconds": plan.get("jitter", 0),
        "channel_offset_seconds": plan.get("channel_offset", 0),
        "channels": [
            {"id": str(chat), "chat_id": chat, "members": MEMBERS} for chat in plan["channels"]
        ],
        "since": since,
        "catchup": {
            "policy": catch_up.get("policy", "latest"),
            "window_seconds": catch_up.get("window"),
            "max": catch_up.get("max", 10),
        },
        "on_uncertain": plan.get("on_uncertain"),
        "ctas": {variant["id"]: len(variant["ctas"]) for variant in plan["variants"]},
        "rotation": "round_robin",
        "variants": [variant["id"] for variant in plan["variants"]],
        "end": end,
    }
