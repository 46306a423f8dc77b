"""Whether a run put anything to the test at all, and what of it should be known."""

from collections import Counter
from collections.abc import Iterator, Sequence

from chaos.judging.forgetting import is_of
from chaos.judging.run import STRANGERS, Json, Request, Run
from chaos.judging.verdict import Judged

ENDS = {"restart", "thaw", "heal"}
"""Kinds that end a fault."""

_KINDS_OF = {
    "net": ("cut", "delay", "half_open", "unanswered"),
    "sandbox": ("misbehave",),
    "stall": ("delay",),
}
"""What stands in the history for a word of `FAULTS`, where it is another word."""
_ALL = {"kill", "freeze", "net", "sandbox", "clock", "redeliver", "garbage", "truncate"}
_TRUNCATE, _FORGET = "truncate", "forget"

_AT_ONCE = 10.0
"""A busy machine may write down so late what it did."""
_FEW, _LEAST_PART = 20, 5
"""Of more requests than these, one in so many is to be answered well."""


def refusals(run: Run, judged: Sequence[Judged]) -> Iterator[str]:
    """Yield why the run proves nothing: what was never put to the test does not hold by that."""
    for one in judged:
        if not one.cases:
            yield f"invariant {one.invariant} was judged by no {one.unit}"
        elif one.invariant == 6 and one.cases == 1:
            yield "invariant 6 was judged by one sample"
    if not run.posts:
        yield "nothing was posted"
    yield from _not_done(run)
    yield from _unanswered(run.requests)
    yield from _incomplete(run)


def _not_done(run: Run) -> Iterator[str]:
    """Yield what was wanted and not done; of all kinds the dice decide which are drawn."""
    wanted = [kind for kind in run.about["faults"] if kind != "none"]
    done, drawn = set(done_faults(run)), {fault["kind"] for fault in run.about.get("plan") or ()}
    if wanted and not done:
        yield "no fault was done"
    if _TRUNCATE in wanted and not run.truncation:
        yield "the tail of no log was cut off"
    if _FORGET in wanted and not _lost_somebody(run):
        yield "nobody was forgotten of whom the log had anything"
    for kind in wanted:
        kinds = set(_KINDS_OF.get(kind, (kind,)))
        if kind != _TRUNCATE and not kinds & done and (kinds & drawn or not set(wanted) >= _ALL):
            yield f"no fault of the kind {kind} was done"


def _lost_somebody(run: Run) -> bool:
    left = run.forgotten
    return left is not None and any(is_of(message, left.people) for message in run.log)


def _not_drawn(run: Run) -> list[str]:
    wanted, plan = run.about["faults"], run.about.get("plan") or ()
    known = {fault["kind"] for fault in plan} | set(done_faults(run))
    return [kind for kind in wanted if not known & set(_KINDS_OF.get(kind, (kind,)))]


def done_faults(run: Run) -> Counter[str]:
    """Count the faults by kind; what opens each run, or ends a fault, is none."""
    return Counter(fault["kind"] for fault in run.of("fault") if _is_one(fault))


def _is_one(fault: Json) -> bool:
    opening = fault["kind"] == "garbage" and fault.get("number") is None
    return fault["kind"] not in ENDS and not opening


def _unanswered(requests: Sequence[Request]) -> Iterator[str]:
    asked = Counter(r.route for r in requests if r.expects == "recorded")
    well = Counter(r.route for r in requests if r.expects == "recorded" and r.answered)
    for route, number in asked.items():
        if not well[route] or (number > _FEW and well[route] * _LEAST_PART < number):
            yield f"of {number} requests to {route}, {well[route]} were answered OK"


def _incomplete(run: Run) -> Iterator[str]:
    """Yield what the folder lacks that judging needs."""
    if [message.sequence for message in run.log] != list(range(1, len(run.log) + 1)):
        yield "the log was not written down whole"
    if not run.about.get("cta_keys"):
        yield "run.json has no cta_keys: the signatures of tokens cannot be looked at"
    for jump in run.about.get("clock_jumps") or ():
        if not any(_is_of(fault, jump) for fault in run.of("fault")):
            yield f"nobody set the clock of {jump['target']} wrong: it excuses nothing"
    if any(r.route in STRANGERS and not r.marker for r in run.requests):
        yield "a stranger has no marker: what it left cannot be known"
    for plan in run.about["schedule"]:
        if plan["since"] is None:
            yield f"campaign {plan['id']} never came into the log"


def _is_of(fault: Json, jump: Json) -> bool:
    """Tell whether the history has the clock that `run.json` calls wrong."""
    same = all(fault.get(name) == jump[name] for name in ("target", "seconds"))
    return fault["kind"] == "clock" and same and abs(fault["at"] - jump["from"]) <= _AT_ONCE


def notes(run: Run) -> Iterator[str]:
    """Yield what breaks no promise, and should be known."""
    for one in run.of("died"):
        yield f"{one['target']} ended by itself, with {one['status']}"
    for one in run.of("fault"):
        if one["kind"] == "restart" and not one.get("ready", True):
            yield f"{one['target']} was not ready in time when it was started again"
    for one in run.of("not_forgotten"):
        yield f"nobody was forgotten in {one['seconds']} s"
    for what, word in (("unread", "the log was read anew"), ("unseen", "a sample was not taken")):
        for one in run.of(what):
            yield f"{word}: {one['why']}"
    if not_drawn := _not_drawn(run):
        yield f"not drawn: {', '.join(not_drawn)}"
