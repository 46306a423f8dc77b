"""How the projection went on, and whether all went on after healing: invariants 6 and 8."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from chaos.judging.facts import Facts
from chaos.judging.run import Json, Run
from chaos.judging.verdict import Broken, Judged

FORWARD, HEALED = 6, 8

_ROUNDING = 0.01
_READY = 200
_CONSUMERS = ("sender-guide", "sender-promo", "analytics-v")
"""Who must have read all: by the beginnings of their names."""


def judge_checkpoint(run: Run, facts: Facts) -> Judged:
    """The checkpoint only grows, and stands at what the log has."""
    samples = [sample for sample in run.of("checkpoint") if sample["value"] is not None]
    versions = {sample["version"] for sample in samples}
    broken = [*_backwards(samples), *_ahead(run, samples), *_at_the_end(run, facts)]
    if len(versions) > 1:
        broken.append(Broken(FORWARD, f"the tables were built anew: versions {sorted(versions)}"))
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
    if stands is not None and stands != identity:
        sentence = f"the checkpoint names {identity}, and {stands} stands there"
        yield Broken(FORWARD, sentence, (f"#{run.checkpoint}",))


def _unnoticed(truncation: Json) -> Iterator[Broken]:
    """Tell in which way a log that lost its tail was not noticed."""
    cut_to, before = truncation["last_after_truncation"], truncation["checkpoint_before"]
    said = {
        "nothing was cut off that the tables had": not cut_to < before,
        "analytics was not ready before": truncation["ready_before"] != _READY,
        "analytics did not answer any more": truncation["status_after"] is None,
        "analytics was ready all the same": truncation["status_after"] == _READY,
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
    samples = [sample for sample in run.of("lag") if sample["at"] >= run.about["healed"]]
    lag = {sample["consumer"]: sample for sample in samples}
    broken = [*_undrained(run), *_waiting(lag), *_unfolded(run)]
    broken += [
        Broken(HEALED, f"nobody looked at the lag of {name}", ())
        for name in _CONSUMERS
        if not any(consumer.startswith(name) for consumer in lag)
    ]
    return Judged(HEALED, len(samples), "samples of the lag", tuple(broken))


def _undrained(run: Run) -> Iterator[Broken]:
    healed, drained = run.about["healed"], run.about["drained"]
    limit = run.about["drain_limit"]
    if drained is None:
        yield Broken(HEALED, f"the lag was not zero {limit:g} s after everything was whole")
    elif drained - healed > limit:
        yield Broken(HEALED, f"it took {drained - healed:.1f} s until the lag was zero")
    for record in run.of("not_drained") if drained is not None else ():
        yield Broken(HEALED, f"it is called drained, and {record['left']} were left")


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
