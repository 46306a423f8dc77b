"""Writes GROWTH.md and its pictures from what the growths found; measures nothing."""

from collections.abc import Sequence
from pathlib import Path

from bench.drawing import number
from bench.growth import brokers, channels, curves, subjects, taps
from bench.growth.curves import Growth
from bench.growth.limits import Limit, Measured, first, limits

_HEAD = """# How costs grow

Made by `make growth SIZE={size}`; not by hand. {machine}. {date}, commit {commit}{busy}.
{versions}

"Grows" is told by the last two sizes: flat, linear, or a power of the size.
"""

_LIMITS = """## What gives way first

At 100,000 channels, a post each every four hours, and 10,000 taps a second
([the arithmetic](../../../deploy/scaling.md)), on this machine:

| | has | wants | unit | fits | then |
|---|---:|---:|---|---:|---|
{rows}

{first}
"""


def write(
    folder: Path, found: Sequence[Growth], *, size: str, machine: str, date: str, commit: str,
    versions: str, busy: str,
) -> None:  # fmt: skip
    """Write the page, and a picture for each growth, into `folder`."""
    told = [
        _HEAD.format(
            size=size, machine=machine, date=date, commit=commit, versions=versions, busy=busy
        )
    ]
    if measured := measures(found):
        told.append(_limits(limits(measured)))
    for growth in found:
        picture = f"growth-{growth.name}.svg"
        (folder / picture).write_text(curves.picture(growth))
        told.append(
            f"## {growth.title}\n\n{growth.note}\n\n{curves.table(growth)}\n\n"
            f"![{growth.title}]({picture})\n"
        )
    (folder / "GROWTH.md").write_text("\n".join(told))


def measures(found: Sequence[Growth]) -> Measured | None:
    """Return what the limits are reckoned from; None where a growth of them is missing."""
    by_name = {growth.name: growth for growth in found}
    if not {"brokers", "channels", "subjects", "taps"} <= set(by_name):
        return None
    emitted = by_name["channels"].figure(channels.EMITTED).points[-1]
    subject = by_name["subjects"].figure(subjects.SUBJECTS).slope()
    both = by_name["subjects"].figure(subjects.IDS).slope()
    return Measured(
        acknowledged=by_name["brokers"].figure(brokers.RATE).last(),
        folded=by_name["taps"].figure(taps.FOLDED).last(),
        emitted=emitted[0] / emitted[1],
        subject=subject,
        id=both - subject,
    )


def _limits(found: Sequence[Limit]) -> str:
    rows = "\n".join(
        f"| {one.name} | {number(one.has)} | {number(one.wants)} | {one.unit}"
        f" | {one.headroom:.2g} x | {one.then} |"
        for one in found
    )
    return _LIMITS.format(rows=rows, first=first(found))
