"""Which slots there must be, and what the log says of each: invariant 2."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.judging.facts import SLOTS, Fact, Facts, repeated, seconds
from chaos.judging.names import delivery_of
from chaos.judging.run import Json, Run, clock_noise
from chaos.judging.verdict import Broken, Judged

INVARIANT = 2

ON_TIME = 10.0
"""A slot that is no later than this, or than half of its interval, is not missed."""

_OF_OUTAGES = {
    "skip": {"skipped"},
    "latest": {"superseded", "catchup_window"},
    "all": {"limit", "catchup_window"},
}
"""Why a slot may be missed, by policy: no run has anybody pause, retire or ask for anything."""
_TRIGGERS = {
    "skip": {"schedule"},
    "latest": {"schedule", "catchup"},
    "all": {"schedule", "catchup"},
}
_UNCERTAIN = {"guide": "hold", "promo": "drop"}
"""What is done with an uncertain delivery where its plan does not say."""
_LEAST_EXPIRY = 300.0
_ROUNDING = 0.002
_TAKES_EFFECT = 1.0
"""A definition may name a moment so long after the log's time of it."""


@dataclass(frozen=True)
class Slot:
    """One instant of a campaign in one channel."""

    campaign: str
    channel: str
    at: int

    @property
    def delivery(self) -> str:
        """The name of its delivery."""
        return delivery_of(self.campaign, self.channel, self.at)

    @property
    def name(self) -> str:
        """How a person finds it."""
        return f"{self.campaign} {self.channel} {self.at} {self.delivery}"


def expected(run: Run, facts: Facts) -> list[Slot]:
    """Return every slot of the horizon, by the plan and the calendar alone."""
    return [
        Slot(campaign["id"], channel["id"], at)
        for campaign in run.about["schedule"]
        for at in _instants(run, campaign, facts)
        for channel in campaign["channels"]
    ]


def _instants(run: Run, campaign: Json, facts: Facts) -> range:
    """Return when the campaign has slots; none where the log does not have it."""
    if campaign["since"] is None:
        return range(0)
    horizon = run.about["horizon"]
    every, phase = int(campaign["every_seconds"]), int(campaign["phase_seconds"])
    after = max(_effective(campaign, facts), horizon[0])
    until = min(horizon[1], campaign.get("end") or horizon[1])
    first = int((after - phase) // every + 1) * every + phase
    return range(first, int(until // 1) + 1, every)


def _effective(campaign: Json, facts: Facts) -> float:
    """Return after when the campaign's slots count; its own word counts no more than a moment."""
    since = float(campaign["since"])
    said = _definitions(campaign, facts)
    effective = _takes_effect(said[0]) if said else None
    if effective is None or effective > since + _TAKES_EFFECT:
        return since
    return max(since, effective)


def _takes_effect(definition: Fact) -> float | None:
    at = definition.data.get("effective_at")
    return seconds(at) if at else None


def _definitions(plan: Json, facts: Facts) -> list[Fact]:
    return [f for f in facts.of("campaign.defined") if f.data["campaign"] == plan["id"]]


def judge(run: Run, facts: Facts) -> Judged:
    """Compare the slots that there must be with what the log says."""
    slots = expected(run, facts)
    said: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts.of(*SLOTS):
        said[fact.data["delivery"]].append(fact)
    plans = {plan["id"]: (plan, _instants(run, plan, facts)) for plan in run.about["schedule"]}
    broken = [
        *_undecided(slots, said),
        *_twice(said),
        *(case for words in said.values() for fact in words for case in _one(run, plans, fact)),
        *(
            Broken(INVARIANT, "a fact about a campaign stands twice", tuple(f.name for f in group))
            for group in repeated(f for f in facts.all if f.kind.startswith("campaign."))
        ),
        *(
            Broken(INVARIANT, sentence, (fact.name,))
            for plan, instants in plans.values()
            for fact, sentence in (*_defined(plan, facts), *_rotation(plan, instants, facts))
        ),
    ]
    return Judged(INVARIANT, len(slots), "slots in channels", tuple(broken))


def _undecided(slots: Sequence[Slot], said: Mapping[str, list[Fact]]) -> Iterator[Broken]:
    lacking = tuple(slot.name for slot in slots if slot.delivery not in said)
    if lacking:
        yield Broken(INVARIANT, f"{len(lacking)} slots are neither due nor missed", lacking)


def _twice(said: Mapping[str, list[Fact]]) -> Iterator[Broken]:
    for delivery, words in said.items():
        if len(words) > 1:
            names = tuple(fact.name for fact in words)
            yield Broken(INVARIANT, f"the slot of {delivery} is said {len(words)} times", names)


def _one(run: Run, plans: Mapping[str, tuple[Json, range]], fact: Fact) -> Iterator[Broken]:
    """Judge one event about a slot by itself."""
    said = fact.data
    at = _at(fact)
    plan, instants = plans.get(said["campaign"], ({}, range(0)))
    if at not in instants or said["channel"] not in {one["id"] for one in plan["channels"]}:
        yield Broken(INVARIANT, "an event is about a slot that nobody planned", (fact.name,))
        return
    name = delivery_of(said["campaign"], said["channel"], int(at))
    if said["delivery"] != name or fact.subject.rsplit(".", 1)[-1] != name:
        yield Broken(INVARIANT, f"a slot goes by another name than {name}", (fact.name,))
        return
    wrongs = _of_missed if fact.kind == "slot.missed" else _of_due
    for sentence in wrongs(run, plan, fact, at):
        yield Broken(INVARIANT, sentence, (fact.name,))


def _of_due(run: Run, plan: Json, fact: Fact, at: float) -> Iterator[str]:
    said = fact.data
    due = seconds(said.get("due_at") or said["scheduled_for"])
    longest = plan["jitter_seconds"] + plan["channel_offset_seconds"] * (len(plan["channels"]) - 1)
    if not at <= due <= at + longest:
        yield "a slot is fired at a time that its plan does not have"
    early = due - fact.stored_at
    if early > _ROUNDING + clock_noise(run, "scheduler", fact.stored_at):
        yield f"a slot is due {early:.3f} s before its time"
    if fact.kind != f"{plan['kind']}.due":
        yield f"a slot of a {plan['kind']} is said as {fact.kind}"
    if said["trigger"] not in _TRIGGERS[plan["catchup"]["policy"]]:
        yield f"a slot is fired by {said['trigger']!r}, which its plan does not know"
    if seconds(said["expires_at"]) != due + max(_window(plan), _LEAST_EXPIRY):
        yield f"it expires at {said['expires_at']}, which its plan does not say"
    if said["on_uncertain"] != (plan["on_uncertain"] or _UNCERTAIN[plan["kind"]]):
        yield f"an uncertain delivery is to be treated by {said['on_uncertain']!r}"


def _of_missed(run: Run, plan: Json, fact: Fact, at: float) -> Iterator[str]:
    reason = fact.data["reason"]
    late = fact.stored_at - at + clock_noise(run, "scheduler", fact.stored_at)
    if late <= min(ON_TIME, plan["every_seconds"] / 2):
        yield f"a slot is called missed when {late:.3f} s late"
    elif reason not in _OF_OUTAGES[plan["catchup"]["policy"]]:
        yield f"a slot is missed as {reason!r}, which its plan does not know"
    elif late <= _longest_wait(plan, reason):
        yield f"a slot is missed as {reason!r} when {late:.3f} s late"


def _window(plan: Json) -> float:
    """Return how late a slot may be and still be fired."""
    window = plan["catchup"]["window_seconds"]
    return float(plan["every_seconds"] / 2 if window is None else window)


def _longest_wait(plan: Json, reason: str) -> float:
    """Return the lateness up to which a slot is not given up for that reason."""
    every = float(plan["every_seconds"])
    beyond = {"catchup_window": _window(plan), "limit": every * plan["catchup"]["max"]}
    # Superseded: the next slot has come. A limit is reached by as many slots after this one.
    return float(beyond.get(reason, every - _ROUNDING if reason == "superseded" else 0.0))


def _defined(plan: Json, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield where the log has another plan than the file that the schedulers were given."""
    definitions = _definitions(plan, facts) if plan["since"] is not None else []
    for fact in definitions[1:]:
        yield fact, f"{plan['id']} is defined anew, and nobody changed its plan"
    for fact in definitions[:1]:
        effective, written = _takes_effect(fact), fact.data["definition"]
        if effective is not None and effective > plan["since"] + _TAKES_EFFECT:
            yield fact, f"{plan['id']} takes effect long after it was defined"
        said = {
            "kind": (written["kind"], plan["kind"]),
            "channels": (written.get("channels"), [one["id"] for one in plan["channels"]]),
            "end": (seconds(written["end"]) if written.get("end") else None, plan["end"]),
            "variants": (
                {one["id"]: len(one.get("ctas", ())) for one in written["variants"]},
                plan["ctas"],
            ),
        }
        for name, (stands, planned) in said.items():
            if stands != planned:
                yield fact, f"the log has {name} {stands!r} of {plan['id']}, planned {planned!r}"


def _rotation(plan: Json, instants: range, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Slots are counted one by one, and each shows what follows from its number."""
    definitions = _definitions(plan, facts)
    if not definitions:
        return
    first, written = definitions[0].data.get("first_ordinal", 0), definitions[0].data["definition"]
    contents = {one["id"]: one for one in written["variants"]}
    said = [f for f in facts.of(*SLOTS) if f.data["campaign"] == plan["id"]]
    for fact in said:
        if _at(fact) not in instants:
            continue
        number = first + instants.index(int(_at(fact)))
        variant = plan["variants"][number % len(plan["variants"])]
        if fact.data["ordinal"] != number:
            yield fact, f"slot {number} of {plan['id']} is counted as {fact.data['ordinal']}"
        elif fact.kind != "slot.missed" and fact.data["variant"]["id"] != variant:
            yield fact, f"slot {number} of {plan['id']} shows another variant than {variant}"
        elif fact.kind != "slot.missed" and fact.data["variant"] != contents.get(variant):
            yield (
                fact,
                f"slot {number} of {plan['id']} shows {variant} otherwise than it is defined",
            )


def _at(fact: Fact) -> float:
    return seconds(fact.data["scheduled_for"])
