"""The wire format: CloudEvents 1.0 structured JSON, one document per message of the log."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import to_json

from contracts.events import BY_TYPE, Event
from contracts.ids import Instant

CONTENT_TYPE = "application/cloudevents+json"


class UnreadableEventError(ValueError):
    """The bytes are no event of ours; the message says which part is wrong."""


class Envelope(BaseModel):
    """The attributes of one event, and the event. `subject` is its subject in the log."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    type: str
    time: Instant
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    correlationid: str
    causationid: str
    data: Event

    @model_validator(mode="before")
    @classmethod
    def _read_data(cls, document: Any) -> Any:
        if not isinstance(document, dict) or isinstance(document.get("data"), Event):
            return document
        model = BY_TYPE.get(str(document.get("type")))
        if model is None:
            raise ValueError(f"type {document.get('type')!r} is unknown")
        return {**document, "data": model.model_validate(document.get("data"))}

    @classmethod
    def of(cls, event: Event, *, source: str, now: datetime, cause: "Envelope | None") -> Self:
        """Wrap `event`, said by `source` at `now` while `cause` was being handled."""
        return cls(
            id=event.id,
            source=source,
            type=event.type,
            time=now,
            subject=event.subject,
            dataschema=schema_uri(event.type),
            correlationid=cause.correlationid if cause else event.correlation or event.id,
            causationid=cause.id if cause else event.cause or event.id,
            data=event,
        )

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read one message of the log, or raise UnreadableEventError."""
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise UnreadableEventError(f"{where}: {first['msg']}") from error

    def document(self) -> bytes:
        """Return the bytes that stand in the log."""
        # By the fields' values: `model_dump_json` with an exclusion takes twice as long.
        attributes = to_json({name: value for name, value in self if name != "data"})
        return b'%b,"data":%b}' % (attributes[:-1], self.data.model_dump_json().encode())


def schema_uri(event_type: str) -> str:
    """Return the name of the event's JSON Schema: its file below `contracts/schemas/`."""
    return f"urn:fingerpost:schema:{event_type}"
