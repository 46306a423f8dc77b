"""A small run of `make chaos`, written by hand: what the checker is tried on.

Two campaigns, eight slots: six posts, one slot missed, one delivery given up. Sequences are given
when it is written, so that a test may add, remove and move events; where a table has one, it is the
id of the event until then.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.judging.folding import KEYS as TABLES
from chaos.judging.folding import Rows
from chaos.judging.views import credits_of, journey_of, views_of
from contracts.ids import DeliveryId, delivery_id
from contracts.token import CtaRef, TokenSigner

Json = dict[str, Any]

T0 = 1_800_000_000
A, B = "-1001", "-1002"
BOT = 7000001
KEYS = {"k1": "a secret of this run"}
_SIGNER = TokenSigner({name: secret.encode() for name, secret in KEYS.items()})
_DAY = "2027-01-15"


def iso(at: float) -> str:
    """Return a time (seconds after the first slot) as events have it."""
    return datetime.fromtimestamp(T0 + at, UTC).isoformat().replace("+00:00", "Z")


def named(campaign: str, channel: str, at: int) -> DeliveryId:
    """Return the delivery of a slot."""
    return delivery_id(campaign, channel, datetime.fromtimestamp(T0 + at, UTC))


def token(delivery: str, cta: int = 0) -> str:
    """Return the token of a button."""
    return _SIGNER.sign(CtaRef(DeliveryId(delivery), cta))


GUIDE_A, GUIDE_B = named("guides", A, 0), named("guides", B, 0)
RETRIED, MISSED = named("guides", A, 60), named("guides", B, 60)
FOUND, SKIPPED = named("guides", A, 120), named("guides", B, 120)
PROMO, UNSURE = named("promos", A, 30), named("promos", A, 90)

PLACES = {
    GUIDE_A: ("guides", A, 0),
    GUIDE_B: ("guides", B, 0),
    RETRIED: ("guides", A, 60),
    MISSED: ("guides", B, 60),
    FOUND: ("guides", A, 120),
    SKIPPED: ("guides", B, 120),
    PROMO: ("promos", A, 30),
    UNSURE: ("promos", A, 90),
}
ORDINALS = {0: 0, 60: 1, 120: 2, 30: 0, 90: 1}
KINDS = {"guides": "guide", "promos": "promo"}


def event(
    kind: str, key: str, at: float, data: Json, *, name: str = "", cause: str = "", story: str = ""
) -> Json:
    """Return a line of the log."""
    subject = f"{kind}.{key}"
    name = name or subject
    document = {
        "specversion": "1.0",
        "id": name,
        "source": "/hand",
        "type": f"fingerpost.{kind}.v1",
        "time": iso(at),
        "subject": subject,
        "dataschema": f"urn:fingerpost:schema:fingerpost.{kind}.v1",
        "correlationid": story or data.get("delivery") or name,
        "causationid": cause or name,
        "data": data,
    }
    return {
        "subject": subject,
        "headers": {"Nats-Msg-Id": name},
        "time": T0 + at,
        "data": document,
    }


def _variant(delivery: str) -> str:
    campaign, _, at = PLACES[DeliveryId(delivery)]
    return f"v{ORDINALS[at] % 2}" if campaign == "guides" else "p0"


def content(variant: str) -> Json:
    """Return a variant as it is defined."""
    return {"id": variant, "text": "Read on", "ctas": [{"kind": "callback", "label": "Read"}]}


def _slot(delivery: str) -> Json:
    campaign, channel, at = PLACES[DeliveryId(delivery)]
    place = {"delivery": delivery, "campaign": campaign, "revision": 1, "channel": channel}
    return {**place, "scheduled_for": iso(at), "ordinal": ORDINALS[at]}


def due(delivery: str, *, late: float = 0.01) -> Json:
    """Return the due event of a delivery."""
    campaign, _, at = PLACES[DeliveryId(delivery)]
    said = {
        **_slot(delivery),
        "variant": content(_variant(delivery)),
        "expires_at": iso(at + 300),
        "trigger": "schedule",
        "on_uncertain": "hold",
    }
    cause = f"campaign.defined.{campaign}.1"
    return event(f"{KINDS[campaign]}.due", delivery, at + late, said, cause=cause)


def due_id(delivery: str) -> str:
    """Return the id of the due event of a delivery."""
    return f"{KINDS[PLACES[DeliveryId(delivery)][0]]}.due.{delivery}"


def told(fact: str, delivery: str, late: float, *, attempt: int = 1, **data: Any) -> Json:
    """Return a fact about the message of a delivery."""
    campaign, channel, at = PLACES[DeliveryId(delivery)]
    of_attempt = fact in {"claimed", "failed", "uncertain"}
    said = {
        "delivery": delivery,
        "campaign": campaign,
        "channel": channel,
        "variant": _variant(delivery),
        "kind": KINDS[campaign],
        **({} if fact == "skipped" else {"attempt": attempt}),
        **data,
    }
    key = f"{delivery}.{attempt}" if of_attempt else delivery
    return event(f"message.{fact}", key, at + late, said, cause=due_id(delivery), story=delivery)


def claimed(delivery: str, late: float = 0.1, attempt: int = 1) -> Json:
    """Return the claim of an attempt."""
    at = PLACES[DeliveryId(delivery)][2]
    mark = f"https://t.me/chaos_bot#{token(delivery, 99)}"
    said = {"claimant": "sender-0", "claimed_at": iso(at + late), "bot_id": BOT, "mark": mark}
    return told("claimed", delivery, late, attempt=attempt, **said)


def sent(delivery: str, message_id: int, late: float = 0.5, **data: Any) -> Json:
    """Return the fact that a delivery stands in its channel."""
    _, channel, at = PLACES[DeliveryId(delivery)]
    said = {
        "chat_id": int(channel),
        "message_id": message_id,
        "sent_at": iso(at + late),
        "latency_ms": round(late * 1000),
        "audience": 100,
        "reconciled": False,
        **data,
    }
    return told("sent", delivery, late, **said)


def post(delivery: str, message_id: int, *, late: float = 0.4) -> Json:
    """Return a message as the sandbox shows it."""
    _, channel, at = PLACES[DeliveryId(delivery)]
    return {
        "chat_id": int(channel),
        "message_id": message_id,
        "at": T0 + at + late,
        "text": "Read on",
        "bot_id": BOT,
        "deleted": False,
        "edited_at": None,
        "tokens": [token(delivery, 0), token(delivery, 99)],
    }


def row(delivery: str, state: str = "sent", **columns: Any) -> Json:
    """Return the row of a delivery; `columns` are those that differ."""
    campaign, channel, at = PLACES[DeliveryId(delivery)]
    nothing = "reason description retry_at sent_at chat_id message_id latency_ms audience"
    nothing += " reconciled follow_up_id withdraw_at withdrawal withdrawal_reason"
    nothing += " withdrawal_outcome withdrawn_at"
    return {
        "delivery": delivery,
        "campaign": campaign,
        "kind": KINDS[campaign],
        "variant": _variant(delivery),
        "channel": channel,
        "revision": 1,
        "scheduled_for": iso(at),
        "day": _DAY,
        "ordinal": ORDINALS[at],
        "trigger": "schedule",
        "expires_at": iso(at + 300).replace("Z", "+00:00"),
        "state": state,
        "attempts": 1,
        "bot": "main",
        **dict.fromkeys(nothing.split()),
        **columns,
    }


def row_of_sent(delivery: str, message_id: int, late: float = 0.5, **columns: Any) -> Json:
    """Return the row of a delivery that was posted."""
    _, channel, at = PLACES[DeliveryId(delivery)]
    known = {
        "sent_at": iso(at + late),
        "chat_id": int(channel),
        "message_id": message_id,
        "latency_ms": round(late * 1000),
        "audience": 100,
        "reconciled": False,
    }
    return row(delivery, **{**known, **columns})


def figures(place: tuple[str, str, str], **numbers: Any) -> Json:
    """Return a row of figures; `numbers` are those that are not zero."""
    campaign, variant, channel = place
    names = "sent clicks repeated_clicks unknown_clicks robot_clicks unique_clickers starts"
    names += " conversions converters converted_clickers"
    keys = {"campaign": campaign, "variant": variant, "channel": channel, "day": _DAY}
    none = dict.fromkeys(names.split(), 0)
    rates = "click_through_rate conversion_rate conversion_rate_low conversion_rate_high"
    unknown = dict.fromkeys(["audience", *rates.split()])
    if numbers.get("audience"):
        unknown["click_through_rate"] = numbers.get("unique_clickers", 0) / numbers["audience"]
    return {**keys, **none, **unknown, "revenue": {}, **numbers}


def tap(query: str, user: int, text: str) -> Json:
    """Return an update with a tap."""
    asked = {"id": query, "from": {"id": user}, "data": text, "message": {"message_id": 12}}
    return {"update_id": 1, "callback_query": asked}


def started(update: int, user: int, text: str) -> Json:
    """Return an update with a start."""
    message = {"from": {"id": user}, "text": f"/start {text}", "chat": {"type": "private"}}
    return {"update_id": update, "message": message}


def paid(charge: str, user: int, stars: int, text: str) -> Json:
    """Return an update with a payment."""
    payment = {
        "telegram_payment_charge_id": charge,
        "total_amount": stars,
        "currency": "XTR",
        "invoice_payload": text,
    }
    return {"update_id": 9, "message": {"from": {"id": user}, "successful_payment": payment}}


_NOWHERE: Json = {"sequence": 0, "identity": None}
"""A checkpoint before the first event."""


@dataclass
class Left:
    """What is left of a run after somebody was forgotten; a sequence is a name until it is written.

    `views` are those that a person counted.
    """

    people: list[int]
    log: list[Json]
    tables: dict[str, list[Json]]
    rebuilt: dict[str, list[Json]]
    views: dict[str, list[Json]]

    def write(self, folder: Path, places: Mapping[str, int]) -> None:
        """Write the folder `forgotten`; what is new comes after all that has a place."""
        known = dict(places)
        numbered = []
        for line in self.log:
            name = line["headers"]["Nats-Msg-Id"]
            numbered.append({"seq": known.setdefault(name, len(known) + 1), **line})
        last = numbered[-1]
        standing = {"sequence": last["seq"], "identity": last["headers"]["Nats-Msg-Id"]}
        folder.mkdir()
        _write(folder / "people.json", [{"people": self.people}])
        _write(folder / "log.jsonl", _placed(numbered, known))
        for name, tables in (("tables", self.tables), ("rebuilt", self.rebuilt)):
            found = _placed(tables, known)
            found |= {"checkpoint": [standing], "stretches": _packed(found)}
            (folder / name / "views").mkdir(parents=True)
            for view, rows in {**shown(found), **self.views}.items():
                _write(folder / f"{name}/views/{view}.jsonl", rows)
            for table, rows in found.items():
                _write(folder / f"{name}/{table}.jsonl", rows)


def _placed(value: Any, places: Mapping[str, int]) -> Any:
    """Return a copy in which `sequence` and `replaces` have places for names."""
    if isinstance(value, list):
        return [_placed(part, places) for part in value]
    if not isinstance(value, dict):
        return value
    copy = {name: _placed(part, places) for name, part in value.items()}
    if "sequence" in copy:
        copy["sequence"] = places.get(copy["sequence"], copy["sequence"])
    if "replaces" in copy:
        copy["replaces"] = [places[name] for name in copy["replaces"]]
    return copy


@dataclass
class Recorded:
    """A run that can be changed and written; as it comes, all holds in it."""

    about: Json = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)
    log: list[Json] = field(default_factory=list)
    posts: list[Json] = field(default_factory=list)
    tables: dict[str, list[Json]] = field(default_factory=dict)
    views: dict[str, list[Json]] = field(default_factory=dict)
    truncation: Json | None = None
    left: Left | None = None
    behind: int = 0
    """How many events of the log the tables do not have yet."""

    def write(self, folder: Path) -> Path:
        """Write the run folder, and give the events their sequences."""
        places: dict[str, int] = {}
        numbered = []
        for sequence, line in enumerate(self.log, start=1):
            numbered.append({"seq": sequence, **line})
            places.setdefault(line["headers"]["Nats-Msg-Id"], sequence)
        last = numbered[len(numbered) - 1 - self.behind] if numbered else None
        tables = deepcopy(self.tables)
        for rows in tables.values():
            for one in rows:
                if isinstance(one.get("sequence"), str):
                    one["sequence"] = places.get(one["sequence"], 0)
        standing = dict(_NOWHERE)
        if last:
            standing = {"sequence": last["seq"], "identity": last["headers"]["Nats-Msg-Id"]}
        tables.setdefault("checkpoint", [standing])
        tables.setdefault("stretches", _packed(tables))
        views = {**shown(tables), **self.views}
        (folder / "tables/views").mkdir(parents=True)
        _write(folder / "run.json", [self.about])
        _write(folder / "history.jsonl", self.history)
        _write(folder / "log.jsonl", numbered)
        _write(folder / "posts.jsonl", self.posts)
        for name, rows in tables.items():
            _write(folder / f"tables/{name}.jsonl", rows)
        for name, rows in views.items():
            _write(folder / f"tables/views/{name}.jsonl", rows)
        if self.truncation:
            _write(folder / "truncate.json", [self.truncation])
        if self.left:
            self.left.write(folder / "forgotten", places)
        return folder

    def status(self) -> Json:
        """Return the row that tells of the projection."""
        last = len(self.log)
        name = self.log[-1]["headers"]["Nats-Msg-Id"]
        aside = len(self.tables["quarantine"])
        return {"checkpoint": last, "last_event": name, "quarantined": aside}

    def said(self, name: str) -> Json:
        """Return the line of the log with this id."""
        return next(line for line in self.log if line["headers"]["Nats-Msg-Id"] == name)

    def data(self, name: str) -> Json:
        """Return what the event with this id says."""
        data: Json = self.said(name)["data"]["data"]
        return data

    def row(self, table: str, key: str) -> Json:
        """Return the row of a table whose first column is `key`."""
        return next(one for one in self.tables[table] if next(iter(one.values())) == key)

    def asked(self, number: int) -> Json:
        """Return the request with this number."""
        return self._record("request", number)

    def answer(self, number: int) -> Json:
        """Return the answer to the request with this number."""
        return self._record("answer", number)

    def _record(self, what: str, number: int) -> Json:
        return next(r for r in self.history if r["what"] == what and r.get("id") == number)

    def ask(
        self, number: int, at: float, route: str, payload: Any, status: int | None, **answer: Any
    ) -> None:
        """Note a request and its answer."""
        strangers = {"forged", "stale", "malformed"}
        request = {
            "at": T0 + at,
            "what": "request",
            "id": number,
            "route": route,
            "payload": payload,
            "to": "clicks-0",
            "expects": "nothing" if route in {*strangers, "update"} else "recorded",
            **({"marker": f"stranger-{number}"} if route in strangers else {}),
        }
        told = {"at": T0 + at + 0.02, "what": "answer", "id": number, "status": status, **answer}
        self.history += [request, told]


def _packed(tables: dict[str, list[Json]]) -> list[Json]:
    acts = [row for name in _COPIED for row in tables[name] if row["delivery"]]
    return [{"stretch": 0, "kinds": "\\x" + "00" * len(acts)}] if acts else []


def shown(tables: dict[str, list[Json]]) -> dict[str, list[Json]]:
    """Return the views that follow from tables, by the checker's own reckoning.

    Whether PostgreSQL reckons the same is seen in each run, and `test_views.py` has them by hand.
    """
    tables = {"stretches": _packed(tables), "checkpoint": [_NOWHERE], **tables}
    rows: dict[str, Rows] = {
        name: {tuple(row[key] for key in keys): row for row in tables[name]}
        for name, keys in TABLES.items()
    }
    aside, standing = tables["quarantine"], tables["checkpoint"][0]
    return {
        **{name: tables[name] for name in (*TABLES, "stretches")},
        **{name: list(map(dict, lines.values())) for name, lines in views_of(rows).items()},
        "attribution": [
            {"conversion": name, **row, "model": model}
            for (name, model, _), row in credits_of(rows).items()
        ],
        "user_journey": list(map(dict, journey_of(rows))),
        "projection_status": [
            {
                "checkpoint": standing["sequence"],
                "last_event": standing["identity"],
                "quarantined": len(aside),
            }
        ],
    }


def _write(path: Path, lines: list[Json]) -> None:
    path.write_text(
        "".join(f"{json.dumps(line, default=float)}\n" for line in lines), encoding="utf-8"
    )


def small_run() -> Recorded:
    """Return a run in which all holds."""
    run = Recorded(about=_about())
    run.log = _log()
    run.posts = [
        post(GUIDE_A, 11),
        post(GUIDE_B, 11),
        post(PROMO, 12),
        post(RETRIED, 13, late=3.4),
        post(UNSURE, 14),
        post(FOUND, 15),
    ]
    _remember(run)
    _tell(run)
    return run


FORGOTTEN = 501
_ALIAS = -9
_THEIRS = (
    "cta.clicked.callback.query-1",
    "cta.clicked.callback.query-2",
    f"bot.started.{BOT}.55",
    "conversion.recorded.stars.charge-1",
)


def forget(run: Recorded) -> Left:
    """Have the one known person of the small run forgotten, and return what is left."""
    tables = deepcopy(run.tables)
    acts = []
    for name, table, what in zip(
        _THEIRS,
        ("clicks", "clicks", "starts", "conversions"),
        ("click", "click", "start", "conversion"),
        strict=True,
    ):
        new: Json = {"user_id": _ALIAS}
        row = next(one for one in tables[table] if one["event_id"] == name)
        if what == "click":
            new["source_id"] = f"forgotten-{name[-1]}"
            row["event_id"] = f"cta.clicked.callback.forgotten-{name[-1]}"
        row["user_id"] = _ALIAS
        acts.append({"sequence": name, what: run.data(name) | new})
    told = {"request_id": "at-9", "forgotten_at": iso(200), "counts": [], "replaces": [*_THEIRS]}
    said = event("user.forgotten", "at-9", 200, {**told, "acts": acts})
    name = said["headers"]["Nats-Msg-Id"]
    tables["forgotten"].append({"event_id": name, "sequence": name, **told})
    paid = deepcopy(run.said(_THEIRS[-1]))
    paid["subject"] = paid["data"]["subject"] = "conversion.recorded.anon.stars.charge-1"
    paid["headers"] = {"Nats-Msg-Id": f"forgotten.{_THEIRS[-1]}"}
    paid["data"]["data"]["user_id"] = None
    stays = [line for line in run.log if line["headers"]["Nats-Msg-Id"] not in _THEIRS]
    log = [*deepcopy(stays), said, paid]
    run.left = Left([FORGOTTEN], log, tables, deepcopy(tables), dict(run.views))
    return run.left


def _about() -> Json:
    catchup = {"policy": "latest", "window_seconds": 30, "max": 10}

    def plan(name: str, phase: int, channels: tuple[str, ...], variants: list[str]) -> Json:
        return {
            "id": name,
            "kind": KINDS[name],
            "every_seconds": 60,
            "phase_seconds": phase,
            "jitter_seconds": 0,
            "channel_offset_seconds": 0,
            "channels": [
                {"id": channel, "chat_id": int(channel), "members": 100} for channel in channels
            ],
            "since": T0 - 20,
            "catchup": dict(catchup),
            "on_uncertain": "hold",
            "ctas": dict.fromkeys(variants, 1),
            "rotation": "round_robin",
            "variants": variants,
            "end": T0 + 140,
        }

    return {
        "seed": 7,
        "minutes": 2.5,
        "faults": ["kill"],
        "start": T0 - 10,
        "end": T0 + 150,
        "healed": T0 + 151,
        "drained": T0 + 160,
        "drain_limit": 180.0,
        "horizon": [T0 - 20, T0 + 140],
        "schedule": [
            plan("guides", 0, (A, B), ["v0", "v1"]),
            plan("promos", 30, (A,), ["p0"]),
        ],
        "clock_jumps": [],
        "settings": {"send_timeout": 10, "quarantine": 15},
        "bot": {"id": BOT, "username": "chaos_bot"},
        "cta_keys": KEYS,
    }


def _defined(name: str, at: float) -> Json:
    variants = ["v0", "v1"] if name == "guides" else ["p0"]
    definition = {
        "id": name,
        "kind": KINDS[name],
        "title": name.title(),
        "zone": "UTC",
        "channels": [A, B] if name == "guides" else [A],
        "end": iso(140),
        "variants": [content(variant) for variant in variants],
    }
    said = {"campaign": name, "revision": 1, "definition": definition, "effective_at": iso(at - 1)}
    return event("campaign.defined", name, at, said, name=f"campaign.defined.{name}.1", story=name)


GARBAGE: Json = {
    "subject": "campaign.paused.chaos-garbage-1",
    "headers": {"Nats-Msg-Id": "garbage-1", "Chaos": "garbage"},
    "time": T0 + 70,
    "data": {"half": "an event"},
}


def set_aside(garbage: Json = GARBAGE) -> Json:
    """Return the row of what cannot be decoded."""
    return {
        "sequence": garbage["headers"]["Nats-Msg-Id"],
        "subject": garbage["subject"],
        "reason": "no event",
        "data": "\\x" + json.dumps(garbage["data"]).encode().hex(),
        "headers": dict(garbage["headers"]),
        "dropped_at": None,
    }


def _log() -> list[Json]:
    refused: Json = {"description": "Too many", "failure": "rate_limited", "failed_at": iso(60.3)}
    lookless: Json = {"description": "nothing to look by", "policy": "hold"}
    reason = {**_slot(MISSED), "kind": "guide", "reason": "superseded"}
    return [
        _defined("guides", -20),
        _defined("promos", -19.9),
        *(due(GUIDE_A), due(GUIDE_B), claimed(GUIDE_A), claimed(GUIDE_B)),
        *(sent(GUIDE_A, 11), sent(GUIDE_B, 11)),
        *(due(PROMO), claimed(PROMO), sent(PROMO, 12)),
        *_acts(),
        *(due(RETRIED), claimed(RETRIED)),
        told("failed", RETRIED, 0.3, **refused, retry_at=iso(63)),
        *(claimed(RETRIED, 3.1, attempt=2), sent(RETRIED, 13, 3.5, attempt=2)),
        deepcopy(GARBAGE),
        *(due(UNSURE), claimed(UNSURE), told("uncertain", UNSURE, 20, **lookless)),
        event("slot.missed", MISSED, 120.0, reason, cause="campaign.defined.guides.1"),
        *(
            due(FOUND),
            due(SKIPPED),
            claimed(FOUND),
            sent(FOUND, 15, 17, reconciled=True, sent_at=iso(120.4)),
        ),
        _member("disabled", 137.5),
        told("skipped", SKIPPED, 18, reason="channel_disabled", skipped_at=iso(138)),
        _member("enabled", 139),
    ]


def _member(fact: str, at: float) -> Json:
    """Return an event that no table shows."""
    said = {"channel": B, "bot_id": BOT, "happened_at": iso(at), "description": "as Telegram says"}
    name = f"channel.{fact}.{B}.{BOT}.{at:g}"
    return event(f"channel.{fact}", f"{B}.{BOT}", at, said, name=name, story=B)


def _clicked(name: str, at: float, delivery: str, user: int | None, via: str) -> Json:
    said = {
        "source_id": name,
        "delivery": delivery,
        "cta": 0,
        "user_id": user,
        "via": via,
        "message_id": 12 if user else None,
        "verdict": "human",
        "rule": 1,
        "clicked_at": iso(at),
    }
    key = str(user or "anon")
    name = f"cta.clicked.{via}.{name}"
    return event("cta.clicked", key, at, said, name=name, cause=due_id(delivery))


def _acts() -> list[Json]:
    start: Json = {"bot_id": BOT, "update_id": 55, "delivery": PROMO, "cta": 0, "user_id": 501}
    stars: Json = {"source": "stars", "source_id": "charge-1", "kind": "payment", "currency": "XTR"}
    stars |= {"amount": "50", "user_id": 501, "delivery": PROMO, "cta": 0}
    order: Json = {"source": "shop", "source_id": "order-1", "kind": "payment", "amount": "9.90"}
    order |= {"currency": "EUR", "click_id": "click-1", "user_id": None, "delivery": None}
    back: Json = {"source": "shop", "source_id": "back-1", "kind": "refund", "amount": "-4.90"}
    back |= {"currency": "EUR", "refund_of": "order-1", "user_id": None, "delivery": None}
    conversion = "conversion.recorded"
    return [
        _clicked("query-1", 35, PROMO, 501, "callback"),
        _clicked("query-2", 36, PROMO, 501, "callback"),
        event(
            "bot.started",
            "501",
            37,
            {**start, "started_at": iso(37)},
            name=f"bot.started.{BOT}.55",
            cause=due_id(PROMO),
        ),
        event(
            conversion,
            "501.stars.charge-1",
            38,
            {**stars, "occurred_at": iso(38)},
            name=f"{conversion}.stars.charge-1",
            cause=due_id(PROMO),
        ),
        _clicked("click-1", 40, GUIDE_A, None, "link"),
        _clicked("click-2", 41, GUIDE_A, None, "link"),
        event(
            conversion,
            "anon.shop.order-1",
            45,
            {**order, "occurred_at": iso(45)},
            name=f"{conversion}.shop.order-1",
        ),
        event(
            conversion,
            "anon.shop.back-1",
            46,
            {**back, "occurred_at": iso(46)},
            name=f"{conversion}.shop.back-1",
        ),
    ]


def _remember(run: Recorded) -> None:
    """Write down what was asked, and what was done to the world."""
    link = {"path": f"/r/{token(GUIDE_A)}", "agent": "Firefox"}
    run.history.append(
        {"at": T0 - 15, "what": "checkpoint", "version": 1, "value": 2, "log_last": 2}
    )
    run.ask(1, 35, "tap", tap("query-1", 501, token(PROMO)), 200)
    run.ask(2, 35.9, "tap", tap("query-2", 501, token(PROMO)), None)
    run.ask(3, 36.2, "tap", tap("query-2", 501, token(PROMO)), 200)
    run.ask(4, 36.5, "tap", tap("query-lost", 502, token(PROMO)), None)
    run.ask(5, 37, "start", started(55, 501, token(PROMO)), 200)
    run.ask(6, 37.1, "start", started(56, 502, token(PROMO)), 503)
    run.ask(7, 38, "pay", paid("charge-1", 501, 50, token(PROMO)), 200)
    run.ask(8, 38.1, "pay", paid("charge-2", 502, 50, token(PROMO)), None)
    run.ask(9, 40, "follow", link, 302, click_id="click-1")
    run.ask(10, 41, "follow", link, 302)
    run.ask(11, 42, "follow", link, None)
    shop = {"source": "shop", "currency": "EUR", "click_id": "click-1"}
    order = {**shop, "id": "order-1", "kind": "payment", "amount": "9.9"}
    back = {**shop, "id": "back-1", "kind": "refund", "amount": -4.9, "refund_of": "order-1"}
    del back["click_id"]
    run.ask(12, 45, "convert", order, 200, body='{"results": [{"status": "recorded"}]}')
    run.ask(13, 46, "convert", back, 200, body='{"results": [{"status": "recorded"}]}')
    run.ask(14, 47, "convert", {**order, "id": "order-2"}, 503, body="")
    run.ask(15, 48, "forged", tap("stranger-15", 666, token(PROMO)[:-1] + "A"), 200)
    run.ask(16, 49, "stale", {"path": "/v1/webhooks/stripe", "body": "stranger-16"}, 400)
    run.ask(17, 50, "malformed", {"path": "/telegram/webhook", "body": "{stranger-17"}, 200)
    for number, at in ((18, 130), (19, 139)):
        member = {"my_chat_member": {"chat": {"id": int(B)}}, "update_id": number}
        run.ask(number, at, "update", member, 200)
    sender = {"what": "fault", "target": "sender-0", "seconds": None}
    run.history += [
        {"at": T0 + 52, "number": 0, "kind": "kill", **sender},
        {"at": T0 + 53, "number": 0, "kind": "restart", "ready": True, **sender},
        {**sender, "at": T0 + 60, "number": 1, "kind": "misbehave", "target": "sandbox"},
        {"at": T0 + 65, "what": "checkpoint", "version": 1, "value": 20, "log_last": 24},
        {"at": T0 + 90, "what": "checkpoint", "version": 1, "value": 24, "log_last": 24},
        {"at": T0 + 140, "what": "checkpoint", "version": 1, "value": 30, "log_last": None},
        {"at": T0 + 151, "what": "healed"},
    ]
    for consumer in ("sender-guide", "sender-promo", "analytics-v1"):
        lag = {"what": "lag", "consumer": consumer}
        run.history.append({"at": T0 + 152, **lag, "pending": 2, "unacknowledged": 1})
        run.history.append({"at": T0 + 160, **lag, "pending": 0, "unacknowledged": 0})


def _tell(run: Recorded) -> None:
    """Write down what analysts see."""
    defined = {"revision": 1, "zone": "UTC", "state": "active"}
    defined |= dict.fromkeys(("paused_until", "note", "actor"))
    run.tables = {
        "campaigns": [
            {"campaign": n, "kind": KINDS[n], "title": n.title(), "defined_at": iso(at), **defined}
            for n, at in (("guides", -20), ("promos", -19.9))
        ],
        "variants": [
            {"variant": v, "campaign": c, "revision": 1, **_columns(content(v))}
            for c, v in (("guides", "v0"), ("guides", "v1"), ("promos", "p0"))
        ],
        "deliveries": [
            row_of_sent(GUIDE_A, 11),
            row_of_sent(GUIDE_B, 11),
            row_of_sent(PROMO, 12),
            row_of_sent(RETRIED, 13, 3.5, attempts=2),
            row_of_sent(FOUND, 15, 17, reconciled=True, sent_at=iso(120.4)),
            row(UNSURE, "uncertain", reason="hold", description="nothing to look by"),
            row(SKIPPED, "skipped", reason="channel_disabled", attempts=0),
            row(
                MISSED,
                "missed",
                reason="superseded",
                attempts=0,
                **dict.fromkeys(("variant", "trigger", "expires_at", "bot")),
            ),
        ],
        "quarantine": [set_aside()],
        "forgotten": [],
    }
    for table, kinds in _COPIED.items():
        run.tables[table] = [
            _copied(line, kinds) for line in run.log if line["subject"].startswith(kinds[0])
        ]
    guide = ("guides", "v0", A)
    run.views = {
        "promo_conversion": [
            figures(
                ("promos", "p0", A),
                sent=1,
                audience=100,
                clicks=2,
                repeated_clicks=1,
                unique_clickers=1,
                starts=1,
                conversions=1,
                converters=1,
                converted_clickers=1,
                revenue={"XTR": 50},
                conversion_rate=1,
                conversion_rate_low=0.2065493143772375,
                conversion_rate_high=1,
            )
        ],
        "guide_engagement": [
            figures(
                guide,
                sent=2,
                audience=200,
                clicks=2,
                unknown_clicks=2,
                conversions=1,
                revenue={"EUR": 5.0},
            ),
            figures(("guides", "v0", B), sent=1, audience=100),
            figures(("guides", "v1", A), sent=1, audience=100),
        ],
    }


def _columns(variant: Json) -> Json:
    return {name: variant[name] for name in ("text", "ctas")}


_COPIED: Mapping[str, tuple[str, str]] = {
    "clicks": ("cta.clicked", "delivery cta user_id via verdict rule message_id clicked_at"),
    "starts": ("bot.started", "delivery cta user_id bot_id started_at"),
    "conversions": (
        "conversion.recorded",
        (
            "source source_id kind amount currency user_id delivery cta click_id refund_of"
            " occurred_at campaign channel paid_until"
        ),
    ),
}


def _copied(line: Json, kinds: tuple[str, str]) -> Json:
    said = line["data"]["data"]
    columns = {name: said.get(name) for name in kinds[1].split()}
    if "amount" in columns:
        columns["amount"] = float(columns["amount"])
    name = line["headers"]["Nats-Msg-Id"]
    return {"event_id": name, "sequence": name, **columns}
