"""What is left of people who asked to be forgotten: every total, and nothing that names them.

A part of invariant 5: the tables are the fold of a log in which others stand for their events, and
so they are when they are built anew.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from chaos.judging.facts import Facts
from chaos.judging.run import Forgotten, Message, Run
from chaos.judging.tables import FOLDED, bag, judge_rows
from chaos.judging.verdict import Broken, Judged
from chaos.judging.views import FIGURES

_CONVERSION = "conversion.recorded."
_SAID_OF_THEM = ("user.forgotten.", f"{_CONVERSION}anon.")


def judge_tables(run: Run, facts: Facts) -> Judged:
    """Compare the tables with the log: as the run left them, and after people were forgotten."""
    judged = [judge_rows(run, facts)]
    broken = []
    if left := run.forgotten:
        log = Facts(left.log)
        for shown in left.shown:
            after = replace(run, log=left.log, tables=shown.tables, views=shown.views)
            judged.append(judge_rows(after, log))
        broken = [*_named(left), *_erased(run, left), *_unguarded(run, left), *_totals(run, left)]
    cases = sum(one.cases for one in judged)
    found = (case for one in judged for case in one.broken)
    return Judged(FOLDED, cases, "rows", (*found, *broken))


def is_of(message: Message, people: Sequence[int]) -> bool:
    """Tell whether an event is of one of these people: its subject names them in one place."""
    return message.subject.split(".")[2:3] in [[str(person)] for person in people]


def _named(left: Forgotten) -> Iterator[Broken]:
    ids = "|".join(map(str, left.people))
    # Not in a fraction of a second, nor in a longer number.
    person = re.compile(rf"(?<![0-9.])(?:{ids})(?![0-9])")
    for message in left.log:
        text = json.dumps([message.subject, dict(message.headers), message.document])
        if person.search(text) or person.search(message.raw.decode(errors="replace")):
            yield Broken(FOLDED, "it names somebody who is forgotten", (f"#{message.sequence}",))
    for shown in left.shown:
        for name, rows in (*shown.tables.items(), *shown.views.items()):
            if person.search(json.dumps(rows, default=str)):
                yield Broken(FOLDED, f"{name} names somebody who is forgotten")


def _erased(run: Run, left: Forgotten) -> Iterator[Broken]:
    """Nothing is erased but what is theirs, and nothing is said but what stands for it."""
    before = {message.sequence: message for message in run.log}
    after = {message.sequence: message for message in left.log}
    for sequence in sorted(before.keys() | after.keys()):
        was, stands = before.get(sequence), after.get(sequence)
        if was and stands is None and not is_of(was, left.people):
            yield Broken(FOLDED, "an event of somebody else is erased", (f"#{sequence}",))
        elif was and stands and was != stands:
            yield Broken(FOLDED, "an event was changed", (f"#{sequence} {was.subject}",))
        elif stands and was is None and not stands.subject.startswith(_SAID_OF_THEM):
            yield Broken(FOLDED, "it was said when people were forgotten", (stands.subject,))


def _unguarded(run: Run, left: Forgotten) -> Iterator[Broken]:
    """What was paid stands under its name, by nobody: else it would count when it comes again."""
    stand = {message.subject for message in left.log}
    for message in run.log:
        if message.subject.startswith(_CONVERSION) and is_of(message, left.people):
            person, name = message.subject.removeprefix(_CONVERSION).split(".", 1)
            if person not in name and f"{_CONVERSION}anon.{name}" not in stand:
                yield Broken(FOLDED, "a payment of somebody forgotten would count again", (name,))


def _totals(run: Run, left: Forgotten) -> Iterator[Broken]:
    for shown in left.shown:
        for name in FIGURES:
            if bag(shown.views.get(name, ())) != bag(run.views.get(name, ())):
                yield Broken(FOLDED, f"the figures of {name} changed when people were forgotten")
