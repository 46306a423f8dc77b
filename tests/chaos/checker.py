"""Judges a recorded run by the nine invariants: a pure function from a run folder to a verdict.

It shares no code with what it judges, and imports only the standard library.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from chaos.judging import progress
from chaos.judging.aside import judge_quarantine
from chaos.judging.causes import judge_causes
from chaos.judging.facts import ACTS, DUES, Fact, Facts
from chaos.judging.forgetting import judge_tables
from chaos.judging.people import judge_recorded, judge_untouched
from chaos.judging.posts import (
    Post,
    judge_posts,
    outcome_of,
    posts_of,
    resends,
)
from chaos.judging.run import Run, UnreadableRunError, read
from chaos.judging.slots import judge as judge_slots
from chaos.judging.trial import done_faults, notes, refusals
from chaos.judging.verdict import Broken, Judged, Verdict

__all__ = ["Broken", "Verdict", "judge", "judge_run"]


def judge(folder: Path) -> Verdict:
    """Judge the run in `folder`."""
    try:
        return judge_run(read(folder))
    except UnreadableRunError as error:
        return Verdict(refused=(f"the run cannot be read: {error}",))


def judge_run(run: Run) -> Verdict:
    """Judge a run that was read."""
    facts = Facts(run.log)
    judged = (
        judge_recorded(run, facts),
        judge_slots(run, facts),
        judge_posts(run, facts),
        judge_causes(facts),
        judge_tables(run, facts),
        progress.judge_checkpoint(run, facts),
        judge_quarantine(run, facts),
        progress.judge_healing(run),
        judge_untouched(run, facts),
    )
    return Verdict(
        judged,
        refused=tuple(refusals(run, judged)),
        figures=_figures(run, facts, judged),
        notes=tuple(notes(run)),
    )


def _figures(run: Run, facts: Facts, judged: Sequence[Judged]) -> Mapping[str, object]:
    posts = posts_of(run)
    routes = {route: [r for r in run.requests if r.route == route] for route in _ROUTES}
    faults = done_faults(run)
    drained, healed = run.about["drained"], run.about["healed"]
    rows = next(one.cases for one in judged if one.invariant == 5)
    return {
        "seed": run.about["seed"],
        "faults": faults.total(),
        **{f"  {kind}": n for kind, n in sorted(faults.items())},
        "events in the log": len(run.log),
        "deliveries due": len(facts.of(*DUES)),
        "slots missed": len(facts.of("slot.missed")),
        "posts": len(posts),
        "duplicates": _duplicates(posts, facts),
        "losses": _losses(posts, facts),
        "skipped or failed, as the log says": _given_up(facts),
        "uncertain": len(facts.of("message.uncertain")),
        "found by looking": sum(bool(f.data.get("reconciled")) for f in facts.of("message.sent")),
        **{
            f"{what} answered / asked": f"{sum(r.answered for r in found)} / {len(found)}"
            for (what, found) in ((_ROUTES[route], found) for route, found in routes.items())
        },
        **{f"{_WORDS[kind]} in the log": len(facts.of(kind)) for kind in ACTS},
        "rows compared": rows,
        "longest time until the tables had it (s)": round(progress.longest_wait(run), 1),
        "time to heal (s)": round(drained - healed, 1) if drained is not None else "not in time",
    }


_ROUTES = {
    "tap": "taps",
    "follow": "links",
    "start": "starts",
    "pay": "payments",
    "convert": "conversions by other systems",
}
_WORDS = {"cta.clicked": "clicks", "bot.started": "starts", "conversion.recorded": "conversions"}


def _given_up(facts: Facts) -> int:
    due = {fact.delivery for fact in facts.of(*DUES)}
    stories = facts.by_delivery.items()
    return sum(name in due and outcome_of(story) == "not sent" for name, story in stories)


def _duplicates(posts: Sequence[Post], facts: Facts) -> int:
    """Count the posts that are one too many, where the log does not allow another."""
    counts: dict[str, int] = {}
    for post in posts:
        if post.delivery:
            counts[post.delivery] = counts.get(post.delivery, 0) + 1
    stories = facts.by_delivery
    allowed = {name: 1 + resends(stories.get(name, [])) for name in counts}
    return sum(max(0, number - allowed[name]) for name, number in counts.items())


def _losses(posts: Sequence[Post], facts: Facts) -> int:
    """Count the deliveries that are not posted, and of which the log does not say why."""
    posted = {post.delivery for post in posts}

    def lost(delivery: str, story: Sequence[Fact]) -> bool:
        return delivery not in posted and outcome_of(story) in {"sent", "unanswered"}

    return sum(lost(delivery, story) for delivery, story in facts.by_delivery.items())


def main(arguments: Sequence[str]) -> int:
    """Judge the run folder that is named, and print what was found."""
    verdict = judge(Path(arguments[0]))
    sys.stdout.write(f"{verdict.table()}\n")
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
