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
_DECIDED = {"paused": "campaign.paused", "retired": "campaign.retired"}
_ROUNDING = 0.002


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
        for at in _instants(campaign, run.about["horizon"], _effective(campaign, facts))
        for channel in campaign["channels"]
    ]


def _effective(campaign: Json, facts: Facts) -> float | None:
    """Return after when the campaign's slots count; None: the log does not have it."""
    if campaign["since"] is None:
        return None
    said = [f for f in facts.of("campaign.defined") if f.data["campaign"] == campaign["id"]]
    effective = [seconds(f.data["effective_at"]) for f in said if f.data.get("effective_at")]
    return max(float(campaign["since"]), *effective[:1], 0.0)


def _instants(campaign: Json, horizon: Sequence[float], since: float | None) -> range:
    if since is None:
        return range(0)
    every, phase = int(campaign["every_seconds"]), int(campaign["phase_seconds"])
    after, until = max(since, horizon[0]), min(horizon[1], campaign.get("end") or horizon[1])
    first = int((after - phase) // every + 1) * every + phase
    return range(first, int(until // 1) + 1, every)


def judge(run: Run, facts: Facts) -> Judged:
    """Compare the slots that there must be with what the log says."""
    slots = expected(run, facts)
    said: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts.of(*SLOTS):
        said[fact.data["delivery"]].append(fact)
    plans = {campaign["id"]: campaign for campaign in run.about["schedule"]}
    broken = [
        *_undecided(slots, said),
        *_twice(said),
        *(case for words in said.values() for fact in words for case in _one(run, plans, fact)),
        *_invented_reasons(facts, plans),
        *(
            Broken(INVARIANT, "a fact about a campaign stands twice", tuple(f.name for f in group))
            for group in repeated(f for f in facts.all if f.kind.startswith("campaign."))
        ),
        *(case for plan in plans.values() for case in _rotation(plan, facts)),
    ]
    return Judged(INVARIANT, len(slots), "slots in channels", tuple(broken))


def _undecided(slots: Sequence[Slot], said: Mapping[str, list[Fact]]) -> Iterator[Broken]:
    lacking = tuple(slot.name for slot in slots if slot.delivery not in said)
    if lacking:
        yield Broken(INVARIANT, f"{len(lacking)} slots are neither due nor missed", lacking)


def _twice(said: Mapping[str, list[Fact]]) -> Iterator[Broken]:
    for delivery, words in said.items():
        asked_for = [f for f in words if f.data.get("trigger") == "backfill"]
        missed = [f for f in words if f.kind == "slot.missed"]
        if len(words) > 1 and not (len(words) == 2 and asked_for and missed):
            names = tuple(fact.name for fact in words)
            yield Broken(INVARIANT, f"the slot of {delivery} is said {len(words)} times", names)


def _one(run: Run, plans: Mapping[str, Json], fact: Fact) -> Iterator[Broken]:
    """Judge one event about a slot by itself."""
    said = fact.data
    if said.get("trigger") in {"manual", "backfill"}:
        return
    at = seconds(said["scheduled_for"])
    plan = plans.get(said["campaign"])
    if plan is None or not _planned(plan, said["channel"], at):
        yield Broken(INVARIANT, "an event is about a slot that nobody planned", (fact.name,))
        return
    name = delivery_of(said["campaign"], said["channel"], int(at))
    if said["delivery"] != name or fact.subject.rsplit(".", 1)[-1] != name:
        yield Broken(INVARIANT, f"a slot goes by another name than {name}", (fact.name,))
    elif fact.kind == "slot.missed":
        yield from _too_soon(run, plan, fact, at)
    else:
        yield from _early(run, plan, fact, at)


def _planned(plan: Json, channel: str, at: float) -> bool:
    on_the_grid = (at - plan["phase_seconds"]) % plan["every_seconds"] == 0
    return on_the_grid and channel in {one["id"] for one in plan["channels"]}


def _early(run: Run, plan: Json, fact: Fact, at: float) -> Iterator[Broken]:
    due = seconds(fact.data.get("due_at") or fact.data["scheduled_for"])
    longest = plan["jitter_seconds"] + plan["channel_offset_seconds"] * (len(plan["channels"]) - 1)
    if not at <= due <= at + longest:
        yield Broken(
            INVARIANT, "a slot is fired at a time that its plan does not have", (fact.name,)
        )
    early = due - fact.stored_at
    if early > _ROUNDING + clock_noise(run, "scheduler", fact.stored_at):
        yield Broken(INVARIANT, f"a slot is due {early:.3f} s before its time", (fact.name,))


def _too_soon(run: Run, plan: Json, fact: Fact, at: float) -> Iterator[Broken]:
    late = fact.stored_at - at + clock_noise(run, "scheduler", fact.stored_at)
    if fact.data["reason"] not in _DECIDED and late <= min(ON_TIME, plan["every_seconds"] / 2):
        yield Broken(INVARIANT, f"a slot is called missed when {late:.3f} s late", (fact.name,))


def _invented_reasons(facts: Facts, plans: Mapping[str, Json]) -> Iterator[Broken]:
    for fact in facts.of("slot.missed"):
        reason, plan = fact.data["reason"], plans.get(fact.data["campaign"])
        if plan is None or reason in _OF_OUTAGES[plan["catchup"]["policy"]]:
            continue
        decisions = facts.of(_DECIDED[reason]) if reason in _DECIDED else ()
        if not any(said.data["campaign"] == plan["id"] for said in decisions):
            sentence = f"a slot is missed as {reason!r}, which its plan does not know"
            yield Broken(INVARIANT, sentence, (fact.name,))


def _rotation(plan: Json, facts: Facts) -> Iterator[Broken]:
    """Slots are counted one by one, and each shows the variant that follows from its number."""
    if plan["rotation"] != "round_robin" or len(_revisions(plan, facts)) != 1:
        return
    said = [f for f in facts.of(*SLOTS) if f.data["campaign"] == plan["id"]]
    said = [f for f in said if f.data.get("trigger") not in {"manual", "backfill"}]
    if not said:
        return
    first = min(said, key=lambda fact: seconds(fact.data["scheduled_for"]))
    for fact in said:
        since_first = _at(fact) - _at(first)
        number = first.data["ordinal"] + round(since_first / plan["every_seconds"])
        if fact.data["ordinal"] != number:
            sentence = f"slot {number} of {plan['id']} is counted as {fact.data['ordinal']}"
            yield Broken(INVARIANT, sentence, (fact.name, first.name))
        elif fact.kind != "slot.missed":
            variant = plan["variants"][number % len(plan["variants"])]
            if fact.data["variant"]["id"] != variant:
                sentence = f"slot {number} of {plan['id']} shows another variant than {variant}"
                yield Broken(INVARIANT, sentence, (fact.name,))


def _revisions(plan: Json, facts: Facts) -> set[str]:
    return {f.id for f in facts.of("campaign.defined") if f.data["campaign"] == plan["id"]}


def _at(fact: Fact) -> float:
    return seconds(fact.data["scheduled_for"])
