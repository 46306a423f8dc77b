"""The rows that the log amounts to, told from the whole story of each: what the tables must hold.

Columns are named as analysts know them; a row is a mapping of them to values as JSON has them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from chaos.judging.facts import DUES, SLOTS, Fact, instant
from chaos.judging.names import part_of_a_subject

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Rows = dict[Key, Row]

KEYS: Mapping[str, tuple[str, ...]] = {
    "campaigns": ("campaign",),
    "variants": ("campaign", "variant"),
    "deliveries": ("delivery",),
    "clicks": ("event_id",),
    "starts": ("event_id",),
    "conversions": ("event_id",),
    "forgotten": ("event_id",),
}

_COPIED = {
    "cta.clicked": (
        "clicks",
        "delivery cta user_id via verdict rule message_id clicked_at",
    ),
    "bot.started": ("starts", "delivery cta user_id bot_id started_at"),
    "conversion.recorded": (
        "conversions",
        (
            "source source_id kind amount currency user_id delivery cta click_id campaign channel"
            " refund_of paid_until occurred_at"
        ),
    ),
    "user.forgotten": ("forgotten", "request_id forgotten_at counts replaces"),
}
_ACTS = {"click": "cta.clicked", "start": "bot.started", "conversion": "conversion.recorded"}
"""What an act that counts on, though nobody is named by it any more, takes the place of."""
_ATTEMPTS = ("message.claimed", "message.failed", "message.uncertain", "message.sent")
_REMOVES_MOST = ("delete", "edit", "unpin")


def fold(facts: Sequence[Fact]) -> dict[str, Rows]:
    """Return the rows of every table in `KEYS`."""
    tables: dict[str, Rows] = {name: {} for name in KEYS}
    for fact in facts:
        if fact.kind == "user.forgotten":
            _forget(tables, fact)
        if fact.kind in _COPIED:
            _copy(tables, fact.kind, fact.id, fact.sequence, fact.data)
    zones = Zones(facts)
    for campaign, story in _grouped(facts, _campaign_of).items():
        tables["campaigns"][campaign,] = _campaign(campaign, story)
        tables["variants"] |= _variants(campaign, story)
    for delivery, story in _grouped(facts, _delivery_of).items():
        tables["deliveries"][delivery,] = _delivery(delivery, story, zones)
    return tables


def _copy(tables: Mapping[str, Rows], kind: str, name: str, place: int, said: Row) -> None:
    table, columns = _COPIED[kind]
    row = {"event_id": name, "sequence": place}
    row |= {column: said.get(column) for column in columns.split()}
    tables[table].setdefault((name,), row)


def _forget(tables: Mapping[str, Rows], fact: Fact) -> None:
    """Put the acts of nobody in the place of what a person did."""
    for kind in _ACTS.values():
        rows = tables[_COPIED[kind][0]]
        for key in [key for key, row in rows.items() if row["sequence"] in fact.data["replaces"]]:
            del rows[key]
    for act in fact.data["acts"]:
        for what, kind in _ACTS.items():
            if said := act.get(what):
                _copy(tables, kind, _named(kind, said), act["sequence"], said)


def _named(kind: str, said: Row) -> str:
    """Return the id that the event of an act would have."""
    if kind == "bot.started":
        return f"{kind}.{said['bot_id']}.{said['update_id']}"
    way = said["via"] if kind == "cta.clicked" else said["source"]
    return f"{kind}.{way}.{part_of_a_subject(said['source_id'])}"


class Zones:
    """In which zone each campaign was at each place of the log."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._known: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for fact in facts:
            if fact.kind == "campaign.defined":
                zone = fact.data["definition"].get("zone", "UTC")
                self._known[fact.data["campaign"]].append((fact.sequence, zone))

    def day(self, fact: Fact) -> str:
        """Return the date of the instant that `fact` plans."""
        known = [z for at, z in self._known[fact.data["campaign"]] if at < fact.sequence]
        zone = ZoneInfo(known[-1] if known else "UTC")
        return instant(fact.data["scheduled_for"]).astimezone(zone).date().isoformat()


def _grouped(facts: Iterable[Fact], name_of: Callable[[Fact], str | None]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if (name := name_of(fact)) is not None:
            found[name].append(fact)
    return found


def _campaign_of(fact: Fact) -> str | None:
    kinds = {"campaign.defined", "campaign.paused", "campaign.resumed", "campaign.retired"}
    return fact.data["campaign"] if fact.kind in kinds else None


def _delivery_of(fact: Fact) -> str | None:
    ledger = fact.kind.startswith("message.") and fact.kind != "message.unreadable"
    return fact.delivery if ledger or fact.kind in SLOTS else None


def _campaign(name: str, story: Sequence[Fact]) -> Row:
    newest = _last(story, "campaign.defined")
    decided = _last(story, "campaign.paused", "campaign.resumed", "campaign.retired")
    plan = newest.data["definition"] if newest else {}
    state = "active"
    if decided and decided.kind == "campaign.paused":
        state = "paused"
    elif decided and decided.kind == "campaign.retired" and story[-1] is decided:
        state = "retired"
    return {
        "campaign": name,
        "kind": plan.get("kind"),
        "title": plan.get("title"),
        "zone": plan.get("zone", "UTC") if newest else None,
        "revision": newest.data["revision"] if newest else None,
        "state": state,
        "defined_at": newest.said_at if newest else None,
        "paused_until": decided.data.get("until") if decided and state == "paused" else None,
        "note": decided.data.get("note", "") if decided else None,
        "actor": decided.data.get("actor", "") if decided else None,
    }


def _variants(campaign: str, story: Iterable[Fact]) -> Rows:
    return {
        (campaign, variant["id"]): {
            "campaign": campaign,
            "variant": variant["id"],
            "text": variant["text"],
            "ctas": variant.get("ctas", []),
            "revision": fact.data["revision"],
        }
        for fact in story
        if fact.kind == "campaign.defined"
        for variant in fact.data["definition"]["variants"]
    }


def _delivery(name: str, story: Sequence[Fact], zones: Zones) -> Row:
    plan, due = _first(story, *SLOTS), _first(story, *DUES)
    sent = _first(story, "message.sent")
    planned = plan.data if plan else {}
    post = sent.data if sent else {}
    variants = [fact.data["variant"] for fact in story if "variant" in fact.data]
    chosen = variants[0] if variants else None
    return {
        "delivery": name,
        "campaign": story[0].data["campaign"],
        "kind": _kind(story[0]),
        "variant": chosen["id"] if isinstance(chosen, dict) else chosen,
        "channel": story[0].data["channel"],
        "revision": planned.get("revision"),
        "scheduled_for": planned.get("scheduled_for"),
        "day": zones.day(plan) if plan else None,
        "ordinal": planned.get("ordinal"),
        "trigger": due.data["trigger"] if due else None,
        "expires_at": due.data["expires_at"] if due else None,
        **_state(story),
        "attempts": max((f.data["attempt"] for f in story if f.kind in _ATTEMPTS), default=0),
        **{name: post.get(name) for name in ("sent_at", "chat_id", "message_id", "latency_ms")},
        **{name: post.get(name) for name in ("audience", "follow_up_id", "withdraw_at")},
        "reconciled": post.get("reconciled", False) if sent else None,
        "bot": due.data.get("bot", "main") if due else None,
        **_withdrawal(story),
    }


def _kind(fact: Fact) -> str:
    kind: str = fact.data.get("kind") or fact.kind.partition(".")[0]
    return kind


def _state(story: Sequence[Fact]) -> Row:
    """Return what became of a delivery, and why."""
    state, fact = _became(story)
    says = fact.data if fact else {}
    reasons = {"failed": "failure", "due": "failure", "uncertain": "policy"}
    described = fact is not None and fact.kind in {"message.failed", "message.uncertain"}
    return {
        "state": state,
        "reason": says.get(reasons.get(state, "reason")),
        "description": says.get("description") if described else None,
        "retry_at": says.get("retry_at"),
    }


def _became(story: Sequence[Fact]) -> tuple[str, Fact | None]:
    """Return the state, and the fact that says more about it."""
    if _first(story, "message.sent"):
        return "sent", None
    for kind, state in (("message.skipped", "skipped"), ("slot.missed", "missed")):
        if end := _first(story, kind):
            return state, end
    attempts = [fact for fact in story if fact.kind in _ATTEMPTS]
    newest = max((fact.data["attempt"] for fact in attempts), default=0)
    last = [fact for fact in attempts if fact.data["attempt"] == newest]
    if failed := _first(last, "message.failed"):
        return ("due" if failed.data.get("retry_at") else "failed"), failed
    if uncertain := _first(last, "message.uncertain"):
        return "uncertain", uncertain
    return ("claimed" if last else "due"), None


def _withdrawal(story: Sequence[Fact]) -> Row:
    """Return how the message was withdrawn; of several ways the one that removed most."""
    said = [fact.data for fact in story if fact.kind == "message.withdrawn"]
    taken = [one for one in said if one["outcome"] != "refused"] or said
    most: Row = min(taken, key=lambda one: _REMOVES_MOST.index(one["action"]), default={})
    return {
        "withdrawal": most.get("action"),
        "withdrawal_reason": most.get("reason"),
        "withdrawal_outcome": most.get("outcome"),
        "withdrawn_at": most.get("withdrawn_at"),
    }


def _first(story: Iterable[Fact], *kinds: str) -> Fact | None:
    return next((fact for fact in story if fact.kind in kinds), None)


def _last(story: Sequence[Fact], *kinds: str) -> Fact | None:
    return _first(reversed(story), *kinds)
