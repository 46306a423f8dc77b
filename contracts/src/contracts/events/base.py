"""What every event has: a type, a subject, an id that a retry repeats, and what it follows."""

import re
from abc import abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

_TYPE = re.compile(r"fingerpost\.([a-z]+\.[a-z]+)\.v[0-9]+")


class Event(BaseModel):
    """A fact. Frozen; readers ignore fields that they do not know, so that fields can be added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]

    @classmethod
    def fact(cls) -> str:
        """Return `<aggregate>.<fact>`, the first two tokens of the subject."""
        match = _TYPE.fullmatch(cls.type)
        if not match:
            raise TypeError(f"{cls.__name__}.type {cls.type!r} is not fingerpost.<a>.<fact>.vN")
        return match[1]

    @property
    @abstractmethod
    def key(self) -> str:
        """The rest of the subject: identifies the fact among those of its type."""

    @property
    def subject(self) -> str:
        """The NATS subject under which the log keeps the event."""
        return f"{self.fact()}.{self.key}"

    @property
    def id(self) -> str:
        """The CloudEvents id and Nats-Msg-Id: the same for every attempt to say this fact."""
        return self.subject

    @property
    def correlation(self) -> str | None:
        """What the story is grouped by where nothing is being handled; None: by the id itself."""
        return getattr(self, "delivery", None)

    @property
    def cause(self) -> str | None:
        """Id of the event that this one follows where nothing is being handled."""
        return None
