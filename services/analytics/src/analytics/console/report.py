"""What commands answer, as text for people."""

from collections.abc import Iterable, Iterator
from typing import Any

from analytics.builder import Progress
from analytics.console.answers import (
    Answer,
    Archived,
    Clicks,
    Dropped,
    Forgotten,
    GivenUp,
    Quarantined,
    Rebuilt,
    Report,
    Retries,
    Status,
    Verification,
    VersionStatus,
)
from analytics.console.table import lines
from analytics.domain.differences import Difference

_MINUTE = 60


def text(answer: Answer) -> str:
    """Return `answer` in lines."""
    return "\n".join(_lines(answer))


def progress(now: Progress) -> str:
    """Return one line on how far a build is."""
    if not now.target:
        return f"version {now.version}: {now.phase}"
    share = now.checkpoint / now.target
    left = "" if now.seconds_left is None else f", about {_span(now.seconds_left)} left"
    return (
        f"version {now.version}: {now.phase}, {now.checkpoint:,} of {now.target:,} ({share:.0%}),"
        f" {now.rate:,.0f} events/s{left}"
    )


def _lines(answer: Answer) -> Iterator[str]:
    match answer:
        case Status():
            yield f"the log ends at {answer.last_sequence:,}"
            yield from map(_version, answer.versions)
        case Rebuilt():
            yield from _rebuilt(answer)
        case Verification():
            yield from _verified(answer)
        case Dropped() | GivenUp():
            yield _gone(answer)
        case Quarantined():
            yield from _held(answer)
        case Retries():
            yield from _retried(answer)
        case Report() | Clicks():
            yield from lines(answer)
        case Forgotten():
            yield from _forgotten(answer)
        case Archived():
            yield from _archived(answer)


def _gone(answer: Dropped | GivenUp) -> str:
    if isinstance(answer, Dropped):
        return f"version {answer.version} is gone"
    count = len(answer.sequences)
    return f"{count} given up" if count else "they were given up before"


def _forgotten(answer: Forgotten) -> Iterator[str]:
    if not answer.people:
        yield "nobody is to be forgotten"
    else:
        yield (
            f"{answer.people} forgotten: {answer.erased} events erased; {answer.acts} acts count"
            " on, for nobody"
        )


def _archived(answer: Archived) -> Iterator[str]:
    for fact, count in sorted(answer.by_fact.items()):
        yield f"{fact:<20} {count:>12,}"
    what = "would be moved" if answer.dry_run else "moved"
    if answer.events:
        yield (
            f"{answer.events:,} events {what} out of the log, up to sequence {answer.through:,}:"
            f" {answer.bytes / 1e6:,.1f} MB, and about {answer.memory / 1e6:,.1f} MB of the"
            " broker's memory"
        )
    else:
        yield f"nothing {what}"
    if answer.held_by:
        yield f"more is held in the log by {answer.held_by}"
    if not answer.dry_run:
        before, after = answer.stream_bytes
        yield (
            f"the log takes {after / 1e6:,.1f} MB, before {before / 1e6:,.1f} MB; the archive in"
            f" {answer.folder} has {answer.archived:,} events in {answer.files} files"
        )


def _verified(answer: Verification) -> Iterator[str]:
    for table in answer.tables:
        yield f"{table.table:<12} {table.rows:>12,} rows  {_verdict(table.differences)}"
        yield from _differences(table.differences, "table", "log")
    verdict = "the tables are the log's" if answer.clean else "the tables are NOT the log's"
    yield f"version {answer.version} at {answer.checkpoint:,}: {verdict}"


def _held(answer: Quarantined) -> Iterator[str]:
    for held in answer.messages:
        given_up = f" (given up {held.dropped_at:%Y-%m-%d})" if held.dropped_at else ""
        yield f"{held.sequence:>12}  {held.subject}, {held.size} bytes{given_up}"
        yield f"              {held.reason}"
    if not answer.messages:
        yield "nothing is in quarantine"


def _retried(answer: Retries) -> Iterator[str]:
    for message in answer.messages:
        remedy = f"; {message.remedy}" if message.remedy else ""
        what = "folded" if message.folded else f"not folded: {message.reason}{remedy}"
        yield f"{message.sequence:>12}  {what}"
    if not answer.messages:
        yield "nothing waits in quarantine"


def _version(one: VersionStatus) -> str:
    parts = [f"version {one.version}: {one.state}, fold {one.fold} at {one.checkpoint:,}"]
    if one.state in {"live", "building", "built"}:
        parts.append(f"{one.behind:,} behind")
    if one.rate:
        parts.append(f"{one.rate:,.0f} events/s")
        if one.behind and one.seconds_left is not None:
            parts.append(f"about {_span(one.seconds_left)} left")
    elif one.behind and not one.worked_on and one.state != "replaced":
        parts.append("nobody folds it")
    if one.quarantined:
        parts.append(f"{one.quarantined} in quarantine")
    return ", ".join(parts)


def _rebuilt(answer: Rebuilt) -> Iterator[str]:
    built = answer.built
    if built.comparison is None:
        yield f"version {built.replaced}, which analysts read, was folded from another log"
    for table in built.comparison or ():
        yield f"{table.table:<12} {table.rows:>12,} rows  {_verdict(table.differences)}"
        yield from _differences(table.differences, "new", "live")
    name = f"version {built.version} at {built.checkpoint:,}"
    if built.shown:
        yield f"{name}: analysts read it now"
        if built.replaced is not None:
            yield f"version {built.replaced} is kept; python -m analytics drop {built.replaced}"
    elif answer.equal:
        yield f"{name}: complete; rebuild without --no-swap gives it to analysts"
    else:
        yield (
            f"{name}: complete, and not as the live one; rebuild --accept-differences gives it to"
            f" analysts, drop {built.version} removes it"
        )


def _verdict(differences: Iterable[Difference]) -> str:
    count = len(tuple(differences))
    return f"DIFFER: {count}, or more" if count else "equal"


def _differences(found: Iterable[Difference], here: str, there: str) -> Iterator[str]:
    for one in found:
        key = " ".join(map(str, one.key))
        if one.here is None or one.there is None:
            lacking, columns = (here, one.there) if one.here is None else (there, one.here)
            yield f"  {key}: missing in the {lacking}: {_columns(columns)}"
        else:
            yield f"  {key}: {here} {_columns(one.here)}, {there} {_columns(one.there)}"


def _columns(columns: dict[str, Any] | None) -> str:
    return " ".join(f"{name}={value}" for name, value in (columns or {}).items())


def _span(seconds: float) -> str:
    return f"{seconds / _MINUTE:.0f} min" if seconds >= 2 * _MINUTE else f"{seconds:.0f} s"
