"""What the world made unreadable, against what was set aside: invariant 7."""

import json
from collections.abc import Iterator, Mapping

from chaos.judging.facts import Facts
from chaos.judging.run import Json, Message, Run
from chaos.judging.verdict import Broken, Judged

SET_ASIDE = 7


def judge_quarantine(run: Run, facts: Facts) -> Judged:
    """Set aside is what the world made unreadable, as it came, and nothing else."""
    garbage = {message.sequence: message for message in run.log if message.is_garbage}
    rows = run.tables.get("quarantine", ())
    aside = {int(row["sequence"]): row for row in rows}
    broken = [
        *_of_services(facts, garbage),
        *(
            Broken(SET_ASIDE, sentence, (f"#{sequence}",))
            for sequence, message in garbage.items()
            for sentence in _wrongs(run, message, aside.get(sequence))
        ),
        *_gone(run, garbage),
        *_readable(aside, garbage),
        *([Broken(SET_ASIDE, "one message is set aside twice")] if len(aside) < len(rows) else []),
    ]
    return Judged(SET_ASIDE, len(garbage), "undecodable messages", tuple(broken))


def _of_services(facts: Facts, garbage: Mapping[int, Message]) -> Iterator[Broken]:
    for message, why in facts.unreadable:
        if message.sequence not in garbage:
            sentence = f"it {why}, and the world did not put it in"
            yield Broken(SET_ASIDE, sentence, (f"#{message.sequence}",))


def _wrongs(run: Run, message: Message, row: Json | None) -> Iterator[str]:
    """Yield in what way `message` was not set aside as it came."""
    if message.sequence > run.checkpoint:
        yield "the fold stopped before it"
    elif row is None:
        yield "it is not in quarantine"
    else:
        if row["subject"] != message.subject:
            yield f"quarantine calls it {row['subject']}"
        if not _same_bytes(row["data"], message):
            yield "quarantine has other bytes of it"
        if row["headers"] != dict(message.headers):
            yield "quarantine has other headers of it"
        if row["dropped_at"] is not None:
            yield "it was given up, and nobody said so"


def _same_bytes(text: str, message: Message) -> bool:
    """Compare what PostgreSQL shows of some bytes; a document is known by what it says alone."""
    kept = bytes.fromhex(text.removeprefix("\\x"))
    if message.document is None:
        return kept == message.raw
    try:
        return bool(json.loads(kept) == message.document)
    except ValueError:
        return False


def _gone(run: Run, garbage: Mapping[int, Message]) -> Iterator[Broken]:
    for fault in run.of("fault"):
        if fault["kind"] == "garbage" and fault.get("sequence") not in garbage:
            gone = f"#{fault.get('sequence')}"
            yield Broken(SET_ASIDE, "the log took it, and does not have it", (gone,))


def _readable(aside: Mapping[int, Json], garbage: Mapping[int, Message]) -> Iterator[Broken]:
    for sequence in aside.keys() - garbage.keys():
        why = str(aside[sequence].get("reason"))
        sentence = f"it is in quarantine ({why}), and the world did not make it unreadable"
        yield Broken(SET_ASIDE, sentence, (f"#{sequence}",))
