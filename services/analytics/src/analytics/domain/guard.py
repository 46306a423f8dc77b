"""Is this the log that the tables were folded from? A log that lost events must not go unnoticed.

Without this, new events would take the sequences of lost ones, and be passed over as already seen.
"""

from dataclasses import dataclass
from datetime import datetime


class HaltError(RuntimeError):
    """Going on would spoil the tables: a person must decide. `remedy` says between what."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


@dataclass(frozen=True)
class Checkpoint:
    """The last message folded, and the stream that it stood in; sequence 0: none yet.

    `behind` is how many messages waited when it was handed over.
    """

    sequence: int = 0
    identity: str | None = None
    stream_created: datetime | None = None
    behind: int = 0


@dataclass(frozen=True)
class Stream:
    """The log as it is now; `at_checkpoint` None: nothing stands at the checkpoint any more."""

    created: datetime
    last_sequence: int
    at_checkpoint: str | None = None


def regression(checkpoint: Checkpoint, stream: Stream) -> str | None:
    """Return in which way the log does not continue what was folded, None where it does.

    A message that is missing at the checkpoint was deleted on purpose (a person was forgotten):
    a lost tail shows in the last sequence, or in another event in its place.
    """
    if checkpoint.sequence == 0:
        return None
    if stream.created != checkpoint.stream_created:
        return (
            f"the log was created anew at {stream.created}; the tables were folded from the one"
            f" created at {checkpoint.stream_created}"
        )
    if stream.last_sequence < checkpoint.sequence:
        return (
            f"the log ends at sequence {stream.last_sequence}, but the tables hold events up to"
            f" {checkpoint.sequence}: its tail was lost"
        )
    if stream.at_checkpoint not in (None, checkpoint.identity):
        return (
            f"sequence {checkpoint.sequence} holds {stream.at_checkpoint}, but the tables were"
            f" folded from {checkpoint.identity}: the log lost its tail and was written on"
        )
    return None
