"""What the checker says of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PROMISES = {
    1: "Every click, start and conversion that was answered OK is in the log exactly once.",
    2: "Every slot in the horizon has, per channel, exactly one Due or one SlotMissed; none early;"
    " none twice.",
    3: "A delivery is posted at most once; and exactly once unless the log says why not.",
    4: "Every MessageSent has a claim and a Due before it (causation is closed).",
    5: "The tables equal a plain fold of the log at the checkpoint, row by row.",
    6: "The checkpoint never goes back, never passes the log; a lost tail halts loudly.",
    7: "One undecodable event never stops the rest: it is quarantined.",
    8: "After the fault heals, lag returns to zero by itself.",
    9: "Nothing forged, stale or malformed from outside changes the log.",
}
"""The invariants of the design, in its words."""

_SHOWN = 5


@dataclass(frozen=True)
class Broken:
    """One case in which an invariant does not hold, and where to see that."""

    invariant: int
    sentence: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" and {len(self.evidence) - _SHOWN} more" if len(self.evidence) > _SHOWN else ""
        where = ", ".join(self.evidence[:_SHOWN])
        return f"invariant {self.invariant}: {self.sentence}" + (
            f" [{where}{more}]" if where else ""
        )


@dataclass(frozen=True)
class Judged:
    """What was found about one invariant, and how many `cases` it was judged by."""

    invariant: int
    cases: int
    unit: str
    broken: tuple[Broken, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """`refused` are the reasons for which the run proves nothing, whatever else holds."""

    judged: tuple[Judged, ...] = ()
    refused: tuple[str, ...] = ()
    figures: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Every case in which an invariant does not hold."""
        return tuple(case for judged in self.judged for case in judged.broken)

    @property
    def passed(self) -> bool:
        """Whether the run proves that all invariants held in it."""
        return not (self.broken or self.refused)

    def table(self) -> str:
        """Return all of it for people."""
        width = max((len(name) for name in self.figures), default=0)
        lines = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        lines.append("")
        for one in self.judged:
            word = "BROKEN" if one.broken else "holds" if one.cases else "UNTESTED"
            lines.append(
                f"{one.invariant}  {word:<8}  {one.cases:>6} {one.unit:<24}"
                f"  {PROMISES[one.invariant]}"
            )
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"nothing was proved: {reason}" for reason in self.refused]
        shown: dict[int, int] = {}
        for case in self.broken:
            shown[case.invariant] = shown.get(case.invariant, 0) + 1
            if shown[case.invariant] <= _SHOWN:
                lines.append(f"BROKEN {case}")
        lines += [
            f"BROKEN invariant {number}: {count - _SHOWN} more cases"
            for number, count in shown.items()
            if count > _SHOWN
        ]
        return "\n".join(lines)
