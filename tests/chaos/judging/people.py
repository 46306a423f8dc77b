"""What people and strangers asked, against what the log has of it: invariants 1 and 9."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chaos.judging.facts import ACTS, Fact, Facts, repeated, seconds
from chaos.judging.names import part_of_a_subject, token
from chaos.judging.reasons import uncaused
from chaos.judging.run import CLOCK_NOISE, STRANGERS, Request, Run, clock_error, clock_noise
from chaos.judging.verdict import Broken, Judged

RECORDED, UNTOUCHED = 1, 9

_REFUSED, _FAILED = 400, 500
"""From where on a status says that the request is wrong, and that the service is."""
_TOLD = ["click_id", "user_id", "campaign", "channel", "refund_of", "paid_until"]
"""What another system may tell of a conversion, besides its kind and amount."""
_WORD = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

Keys = Mapping[str, str]
Place = tuple[str, int]
"""A delivery and a CTA of it."""


@dataclass(frozen=True)
class Act:
    """What a request says that somebody did; `id` is how the log has to call it.

    The log has to say `said` of it, where that is known.
    """

    id: str
    said: Mapping[str, object]


def act_of(request: Request, bot_id: int, keys: Keys) -> Act | None:
    """Return the one fact that a request tells; None: it names none, or its token is not ours."""
    reader = _READERS.get(request.route)
    return reader(request, bot_id, keys) if reader else None


def _tap(request: Request, _: int, keys: Keys) -> Act | None:
    query = request.payload["callback_query"]
    name = f"cta.clicked.callback.{part_of_a_subject(query['id'])}"
    said = {"via": "callback", "verdict": "human", "source_id": query["id"]}
    who, where = query["from"]["id"], query["message"]["message_id"]
    return _with_token(name, query.get("data", ""), keys, user_id=who, message_id=where, **said)


def _start(request: Request, bot_id: int, keys: Keys) -> Act | None:
    message = request.payload["message"]
    text = message["text"].partition(" ")[2].strip()
    name = f"bot.started.{bot_id}.{request.payload['update_id']}"
    said = {"bot_id": bot_id, "update_id": request.payload["update_id"]}
    return _with_token(name, text, keys, user_id=message["from"]["id"], **said)


def _pay(request: Request, _: int, keys: Keys) -> Act | None:
    message = request.payload["message"]
    paid = message["successful_payment"]
    name = part_of_a_subject(paid["telegram_payment_charge_id"])
    amount = {"amount": Decimal(paid["total_amount"]), "currency": paid["currency"]}
    who = message["from"]["id"]
    said = {**amount, "source": "stars", "kind": "payment", "click_id": None, "refund_of": None}
    text = paid["invoice_payload"]
    return _with_token(f"conversion.recorded.stars.{name}", text, keys, user_id=who, **said)


def _follow(request: Request, _: int, keys: Keys) -> Act | None:
    if request.click_id is None:
        return None
    name = f"cta.clicked.link.{part_of_a_subject(request.click_id)}"
    said = {"via": "link", "verdict": "human", "source_id": request.click_id, "message_id": None}
    return _with_token(name, _followed(request), keys, user_id=None, **said)


def _convert(request: Request, _: int, __: Keys) -> Act | None:
    said = request.payload
    name = f"conversion.recorded.{said.get('source', 'api')}.{part_of_a_subject(said['id'])}"
    amount = {"amount": Decimal(str(said["amount"]))} if said.get("amount") is not None else {}
    token_free = {} if said.get("token") else {"delivery": None, "cta": None}
    told = {field: said.get(field) for field in (*_TOLD, "currency")}
    return Act(name, {"kind": said["kind"], **told, **token_free, **amount})


def _followed(request: Request) -> str:
    return str(request.payload["path"]).rsplit("/", 1)[-1]


def _with_token(name: str, text: str, keys: Keys, **said: object) -> Act | None:
    found = token(text, keys)
    if found is None or found.genuine is False:
        return None
    return Act(name, {"delivery": found.delivery, "cta": found.cta, **said})


_READERS: dict[str, Callable[[Request, int, Keys], Act | None]] = {
    "tap": _tap,
    "start": _start,
    "pay": _pay,
    "follow": _follow,
    "convert": _convert,
}


class Asked:
    """All requests of people, as the facts that they tell."""

    def __init__(self, run: Run) -> None:
        keys, bot = run.about.get("cta_keys") or {}, run.about["bot"]["id"]
        self.acts: dict[str, Act] = {}
        self.answered: dict[str, Request] = {}
        self.first: dict[str, float] = {}
        """When it was asked for the first time."""
        self.nameless: list[tuple[Place, Request]] = []
        """Followed links whose click nobody was told the name of."""
        for request in run.requests:
            if request.expects != "recorded":
                continue
            act = act_of(request, bot, keys)
            if act:
                self.acts[act.id] = act
                self.first.setdefault(act.id, request.at)
                if request.answered:
                    self.answered.setdefault(act.id, request)
            elif place := _followed_link(request, keys):
                self.nameless.append((place, request))

    def followed(self, *, answered: bool) -> Counter[Place]:
        """Count by link how often it was followed, by those without a name; or how often OK.

        Who was refused followed nothing.
        """
        return Counter(
            place
            for place, r in self.nameless
            if r.answered or (not answered and (r.status is None or r.status >= _FAILED))
        )


def _followed_link(request: Request, keys: Keys) -> Place | None:
    found = token(_followed(request), keys) if request.route == "follow" else None
    return (found.delivery, found.cta) if found and found.genuine is not False else None


def judge_recorded(run: Run, facts: Facts) -> Judged:
    """What was answered OK is in the log, once, and as it was asked."""
    asked = Asked(run)
    acts = facts.of(*ACTS)
    found = {fact.id: fact for fact in acts}
    broken = [
        *_lost(asked, found),
        *_changed(asked, found),
        *_misdated(run, asked, found),
        *_refused(run),
        *_uncounted_links(asked, acts),
        *(
            Broken(RECORDED, f"one act stands {len(group)} times", tuple(f.name for f in group))
            for group in repeated(acts)
        ),
    ]
    answered = len(asked.answered) + asked.followed(answered=True).total()
    return Judged(RECORDED, answered, "acts answered OK", tuple(broken))


def _lost(asked: Asked, found: Mapping[str, Fact]) -> Iterator[Broken]:
    for name, request in asked.answered.items():
        if name not in found:
            sentence = f"a {request.route} was answered {request.status}, and is not in the log"
            yield Broken(RECORDED, sentence, (f"request {request.id}", name))


def _changed(asked: Asked, found: Mapping[str, Fact]) -> Iterator[Broken]:
    for name, act in asked.acts.items():
        fact = found.get(name)
        if fact is None:
            continue
        for field, value in act.said.items():
            stands: Any = fact.data.get(field)
            stands = Decimal(str(stands)) if isinstance(value, Decimal) and stands else stands
            if stands != value:
                sentence = f"the log has {field} {stands!r} where {value!r} was asked"
                yield Broken(RECORDED, sentence, (fact.name,))


def _misdated(run: Run, asked: Asked, found: Mapping[str, Fact]) -> Iterator[Broken]:
    """An act was done after it was asked for and before the log had it, by the clock of clicks."""
    for name, first in asked.first.items():
        fact = found.get(name)
        if fact is None:
            continue
        times = (fact.data.get(f"{what}_at") for what in ("clicked", "started", "occurred"))
        at = seconds(next(filter(None, times)))
        doubt = CLOCK_NOISE + clock_error(run, "clicks", first, fact.stored_at)
        if not first - doubt <= at <= fact.stored_at + doubt:
            sentence = f"it is dated {at - first:.1f} s after it was asked for"
            yield Broken(RECORDED, sentence, (fact.name,))


def _refused(run: Run) -> Iterator[Broken]:
    """Nobody who means well is refused; a clock that was wrong may take a signature for old."""
    for request in run.requests:
        status = request.status or 0
        if request.route in STRANGERS or not _REFUSED <= status < _FAILED:
            continue
        if request.route != "convert" or not clock_noise(run, "clicks", request.at):
            sentence = f"a {request.route} that nobody forged was refused: {status}"
            yield Broken(RECORDED, sentence, (f"request {request.id}", request.body))


def _uncounted_links(asked: Asked, acts: Sequence[Fact]) -> Iterator[Broken]:
    """Compare followed links by number, where the answers do not name their clicks."""
    stand = _nameless_links(asked, acts)
    for place, number in asked.followed(answered=True).items():
        if len(stand[place]) < number:
            sentence = (
                f"link {place[1]} of {place[0]} was followed {number} times and answered,"
                f" and the log has {len(stand[place])} of them"
            )
            yield Broken(RECORDED, sentence, tuple(fact.name for fact in stand[place]))


def _nameless_links(asked: Asked, acts: Sequence[Fact]) -> dict[Place, list[Fact]]:
    stand: dict[Place, list[Fact]] = defaultdict(list)
    for fact in acts:
        if fact.data.get("via") == "link" and fact.id not in asked.acts:
            stand[fact.data["delivery"], fact.data["cta"]].append(fact)
    return stand


def judge_untouched(run: Run, facts: Facts) -> Judged:
    """Whatever a stranger sent is nowhere, and every act in the log was somebody's."""
    strangers = [request for request in run.requests if request.route in STRANGERS]
    broken = (*_traces(run, strangers), *_unasked(run, facts), *_uncaused(run, facts))
    return Judged(UNTOUCHED, len(strangers), "requests of strangers", broken)


def _traces(run: Run, strangers: Sequence[Request]) -> Iterator[Broken]:
    places: dict[str, list[str]] = defaultdict(list)
    for message in run.log:
        text = json.dumps([message.subject, dict(message.headers), message.document])
        for word in set(_WORD.findall(text)):
            places[word].append(f"#{message.sequence}")
    for request in strangers:
        if request.marker in places:
            sentence = f"request {request.id}, which is {request.route}, left a trace"
            yield Broken(UNTOUCHED, sentence, tuple(places[request.marker]))


def _unasked(run: Run, facts: Facts) -> Iterator[Broken]:
    asked, acts = Asked(run), facts.of(*ACTS)
    followed = asked.followed(answered=False)
    for place, links in _nameless_links(asked, acts).items():
        if len(links) > followed[place]:
            sentence = f"link {place[1]} of {place[0]} counts more often than it was followed"
            yield Broken(UNTOUCHED, sentence, tuple(fact.name for fact in links))
    for fact in acts:
        if fact.id not in asked.acts and fact.data.get("via") != "link":
            yield Broken(UNTOUCHED, "nobody asked for it", (fact.name,))


def _uncaused(run: Run, facts: Facts) -> Iterator[Broken]:
    for fact in uncaused(run, facts):
        yield Broken(UNTOUCHED, f"nobody caused that {fact.kind} is said", (fact.name,))
