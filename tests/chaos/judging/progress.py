"""How the projection went on, and whether all went on after healing: invariants 6 and 8."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from chaos.judging.facts import Facts
from chaos.judging.run import Json, Run
from chaos.judging.verdict import Broken, Judged

FORWARD, HEALED = 6, 8

_ROUNDING = 0.01
_CONSUMERS = ("sender-guide", "sender-promo", "analytics-v")
"""Who must have read all: by the beginnings of their names."""


def judge_checkpoint(run: Run, facts: Facts) -> Judged:
    """The checkpoint only grows, and stands at what the log has."""
    samples = [sample for sample in run.of("checkpoint") if sample["value"] is not None]
    broken = [*_backwards(samples), *_ahead(run, samples), *_at_the_end(run, facts)]
    if run.truncation is not None:
        broken += _unnoticed(run.truncation)
    return Judged(FORWARD, len(samples), "samples", tuple(broken))


def _backwards(samples: list[Json]) -> Iterator[Broken]:
    highest: dict[object, Json] = {}
    for sample in samples:
        before = highest.setdefault(sample["version"], sample)
        if sample["value"] < before["value"]:
            sentence = f"the checkpoint went back from {before['value']} to {sample['value']}"
            yield Broken(FORWARD, sentence, (f"at {before['at']}", f"at {sample['at']}"))
        highest[sample["version"]] = max(before, sample, key=lambda one: one["value"])


def _ahead(run: Run, samples: list[Json]) -> Iterator[Broken]:
    """Compare with the log's own times: a server that was frozen may not know its newest events."""
    # A leader may be a little ahead of the one after it: the log's order decides.
    times = list(accumulate((message.stored_at for message in run.log), max))
    for sample in samples:
        stood = bisect_right(times, sample["at"] + _ROUNDING)
        last = run.log[stood - 1].sequence if stood else 0
        if sample["value"] > last:
            sentence = f"the checkpoint is {sample['value']} where the log ends at {last}"
            yield Broken(FORWARD, sentence, (f"at {sample['at']}",))


def _at_the_end(run: Run, facts: Facts) -> Iterator[Broken]:
    last = run.log[-1].sequence if run.log else 0
    if run.checkpoint > last:
        sentence = f"the tables are of {run.checkpoint}, and the log ends at {last}"
        yield Broken(FORWARD, sentence)
        return
    identity = (run.tables.get("checkpoint") or [{}])[0].get("identity")
    stands = next((fact.id for fact in facts.all if fact.sequence == run.checkpoint), None)
    if stands is not None and identity is not None and stands != identity:
        sentence = f"the checkpoint names {identity}, and {stands} stands there"
        yield Broken(FORWARD, sentence, (f"#{run.checkpoint}",))


def _unnoticed(truncation: Json) -> Iterator[Broken]:
    """Tell in which way a log that lost its tail was not noticed."""
    said = {
        "analytics was ready all the same": truncation["status_after"] == 200,
        "readiness does not say why": not truncation["said"],
        "nothing is logged at critical": not truncation["logged"],
        "the checkpoint moved": truncation["checkpoint_after"] != truncation["checkpoint_before"],
        "the tables changed": truncation["rows_after"] != truncation["rows_before"],
    }
    for what, is_so in said.items():
        if is_so:
            yield Broken(FORWARD, f"a log lost its tail, and {what}", ("truncate.json",))


def judge_healing(run: Run) -> Judged:
    """All that waits is worked off in time once everything is whole, and by nobody's hand."""
    lag: dict[str, Json] = {}
    for sample in run.of("lag"):
        lag[sample["consumer"]] = sample
    broken = [*_undrained(run), *_waiting(lag), *_unfolded(run)]
    broken += [
        Broken(HEALED, f"nobody looked at the lag of {name}", ())
        for name in _CONSUMERS
        if not any(consumer.startswith(name) for consumer in lag)
    ]
    return Judged(HEALED, len(list(run.of("lag"))), "samples of the lag", tuple(broken))


def _undrained(run: Run) -> Iterator[Broken]:
    healed, drained = run.about["healed"], run.about["drained"]
    limit = run.about["drain_limit"]
    if drained is None:
        yield Broken(HEALED, f"the lag was not zero {limit:g} s after everything was whole")
    elif drained - healed > limit:
        yield Broken(HEALED, f"it took {drained - healed:.1f} s until the lag was zero")


def _waiting(lag: dict[str, Json]) -> Iterator[Broken]:
    for name, sample in lag.items():
        left = sample["pending"] + sample["unacknowledged"]
        if left:
            yield Broken(HEALED, f"{left} events still wait for {name}", (f"at {sample['at']}",))


def _unfolded(run: Run) -> Iterator[Broken]:
    last = run.log[-1].sequence if run.log else 0
    if run.checkpoint < last:
        yield Broken(HEALED, f"the tables are of {run.checkpoint}, and the log ends at {last}")


def longest_wait(run: Run) -> float:
    """Return the longest time from when the log had something until the tables had it."""
    samples = [s for s in run.of("checkpoint") if s["value"] is not None]
    open_since: dict[int, float] = {}
    longest = 0.0
    for sample in samples:
        for last in [last for last in open_since if sample["value"] >= last]:
            longest = max(longest, sample["at"] - open_since.pop(last))
        ends = sample.get("log_last") or 0
        if ends > sample["value"]:
            open_since.setdefault(ends, sample["at"])
    return longest


def kinds_of_faults(run: Run) -> dict[str, int]:
    """Count the faults that were done, by kind."""
    counts: dict[str, int] = defaultdict(int)
    for fault in run.of("fault"):
        counts[fault["kind"]] += 1
    return dict(counts)
