"""When a message whose answer was lost was looked for, and sent again: a part of invariant 3."""

from collections.abc import Iterator

from chaos.judging.facts import Fact, Facts, seconds
from chaos.judging.run import Run, clock_noise

_ROUNDING = 0.002


def looked_too_soon(run: Run, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield each word that only a look gives, and that came before the quarantine was over.

    Until then Telegram may still take what it was sent: who does not find it would send it again.
    """
    claims = {(f.delivery, f.data["attempt"]): f for f in facts.of("message.claimed")}
    for fact in facts.of("message.sent", "message.failed", "message.uncertain"):
        claim = claims.get((fact.delivery, fact.data["attempt"]))
        if claim is None or not _was_looked_for(fact, claim):
            continue
        if early := _left(run, seconds(claim.data["claimed_at"]), fact.stored_at):
            yield fact, f"it was looked for {early:.1f} s before the quarantine was over"


def resent_too_soon(run: Run, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield each attempt that came before whoever made the last one could not speak any more."""
    doubts = {(f.delivery, f.data["attempt"]): f for f in facts.of("message.uncertain")}
    for claim in facts.of("message.claimed"):
        doubt = doubts.get((claim.delivery, claim.data["attempt"] - 1))
        if doubt and (early := _left(run, seconds(doubt.said_at), claim.stored_at)):
            yield claim, f"it is sent again {early:.1f} s before the quarantine was over"


def _was_looked_for(fact: Fact, claim: Fact) -> bool:
    """Tell whether somebody looked; who never posted knows that, and says so as of its claim."""
    if fact.kind == "message.sent":
        return bool(fact.data.get("reconciled"))
    if fact.kind == "message.failed":
        never_posted = fact.data["failed_at"] == claim.data["claimed_at"]
        return fact.data["failure"] == "lost" and not never_posted
    return True


def _left(run: Run, since: float, at: float) -> float:
    """Return how much of a quarantine is left, 0 where that may be due to clocks that differ."""
    left = since + float(run.about["settings"]["quarantine"]) - at
    doubt = max(clock_noise(run, "sender", moment) for moment in (since, at))
    return left if left > _ROUNDING + doubt else 0.0
