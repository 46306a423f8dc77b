"""What each event follows from: invariant 4."""

from collections.abc import Mapping

from chaos.judging.facts import DUES, MESSAGES, SLOTS, Fact, Facts, misnamed
from chaos.judging.verdict import Broken, Judged

CAUSED = 4

Said = set[tuple[str, str, int]]
"""What was said so far: delivery, kind, attempt."""

_ROOTS = {
    "conversion.recorded", "user.forgotten", "forget.requested", "bot.stopped", "invite.created",
    "channel.disabled", "channel.enabled", "channel.migrated", "message.unreadable",
}  # fmt: skip
"""What may follow from nothing in the log but itself, besides what is said of campaigns."""
_FOLLOW_A_DUE = {*MESSAGES, "cta.clicked", "bot.started"} - {"message.unreadable"}
_FOLLOW_A_CLAIM = {"message.sent", "message.uncertain", "message.failed"}
_ENDS = ("message.failed", "message.uncertain")


def judge_causes(facts: Facts) -> Judged:
    """Every fact follows from one before it, and what is sent was due and claimed."""
    known: dict[str, Fact] = {}
    said: Said = set()
    broken = list(misnamed(CAUSED, facts.all))
    for fact in facts.all:
        if wrong := _wrong(fact, known) or _lacking(fact, said) or _astray(fact):
            broken.append(Broken(CAUSED, wrong, (fact.name,)))
        known.setdefault(fact.id, fact)
        if fact.delivery:
            kind = "due" if fact.kind in DUES else fact.kind
            said.add((fact.delivery, kind, fact.data.get("attempt", 0)))
    return Judged(CAUSED, len(facts.all), "events", tuple(broken))


def _wrong(fact: Fact, known: Mapping[str, Fact]) -> str | None:
    """Return what is wrong with the cause that `fact` names."""
    if fact.cause == fact.id:
        return None if _may_be_a_root(fact) else "it follows from nothing but itself"
    cause = known.get(fact.cause)
    if cause is None:
        return f"it follows {fact.cause}, which the log does not have before it"
    if fact.kind in SLOTS:
        plans = (
            cause.kind.startswith("campaign.") and cause.data["campaign"] == fact.data["campaign"]
        )
        return None if plans else f"it follows {fact.cause}, which is no plan of its campaign"
    if fact.delivery and cause.delivery != fact.delivery:
        return f"it follows {fact.cause}, which is not of its delivery"
    return None


def _may_be_a_root(fact: Fact) -> bool:
    if fact.kind.startswith("campaign."):
        return True
    return fact.kind in _ROOTS and (fact.delivery is None or fact.kind == "message.unreadable")


def _astray(fact: Fact) -> str | None:
    if fact.delivery and fact.story != fact.delivery:
        return f"it is told as part of {fact.story}, and not of its delivery"
    return None


def _lacking(fact: Fact, said: Said) -> str | None:
    """Return what the log must have had before `fact`, and had not."""
    delivery, attempt = fact.delivery or "", fact.data.get("attempt", 0)
    if fact.kind in _FOLLOW_A_DUE and (delivery, "due", 0) not in said:
        return "nothing of its delivery was due before it"
    claimed = (delivery, "message.claimed", attempt) in said
    # Where the sender has no bot of that name, there is nobody to claim.
    if fact.kind in _FOLLOW_A_CLAIM and not claimed and fact.data.get("failure") != "no_bot":
        return f"nobody had claimed attempt {attempt} before it"
    ended = any((delivery, kind, attempt - 1) in said for kind in _ENDS)
    if fact.kind == "message.claimed" and attempt > 1 and not ended:
        return f"nothing is said of attempt {attempt - 1} before this one"
    return None
