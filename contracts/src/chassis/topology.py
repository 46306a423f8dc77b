"""Creates and changes the stream, its consumers and the buckets; nothing else does.

A missing part is created, a harmless difference is applied, and a difference that could lose
events is refused with a message that says what to do. Who may change nothing asks with
`provision=False`, and is told what lacks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from chassis.leader import leaders_info
from chassis.logs import logger
from contracts.streams import Bucket, Consumer, Stream

_WITHOUT_END = -1
_MOVED = "fingerpost-moved"
_NOTES = 5

log = logger(__name__)


class DestructiveChangeError(RuntimeError):
    """What stands in NATS differs in a way that could lose events; the text names the remedy."""


class NotKeptError(RuntimeError):
    """A stream's settings are written over, again and again."""


class NotProvisionedError(RuntimeError):
    """A part lacks, or is not as this version needs it, and is somebody else's to make."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part} {problem}: run `python -m chassis.provision` of this version")


@dataclass(frozen=True)
class Moved:
    """What was moved out of a stream: all of some subjects up to `through`, into `archive`."""

    archive: str
    through: int


async def moved_out(js: JetStreamContext, stream: Stream) -> Moved | None:
    """Return what was moved out of the stream, None for nothing; the stream itself says it."""
    said = ((await leaders_info(js, stream.name)).config.metadata or {}).get(_MOVED)
    if not said:
        return None
    archive, _, through = said.partition(" ")
    return Moved(archive, int(through))


async def move_out(
    js: JetStreamContext, stream: Stream, subjects: Sequence[str], *, through: int
) -> None:
    """Remove what stands on `subjects` up to `through`; the stream has to say it before."""
    for subject in subjects:
        await js.purge_stream(stream.name, seq=through + 1, subject=subject)


async def note_moved(js: JetStreamContext, stream: Stream, moved: Moved) -> None:
    """Let the stream say that events are moved out of it, before any is.

    Who changes the stream's settings at the same moment may write over it, and nothing in NATS
    keeps the two apart: so it is read again, and said again. Raises NotKeptError where it never
    stands.
    """
    said = f"{moved.archive} {moved.through}"
    for _ in range(_NOTES):
        config = (await leaders_info(js, stream.name)).config
        if (config.metadata or {}).get(_MOVED) == said:
            return
        await js.update_stream(config.evolve(metadata={**(config.metadata or {}), _MOVED: said}))
    raise NotKeptError(f"stream {stream.name} does not keep its note: somebody else changes it")


def copies(info: StreamInfo) -> int:
    """Return how many servers have all of a stream: its leader, and who is up to date with it."""
    others = (info.cluster.replicas if info.cluster else None) or ()
    return 1 + sum(bool(other.current and not other.offline) for other in others)


async def ensure_stream(
    js: JetStreamContext, stream: Stream, *, replicas: int, provision: bool = True
) -> None:
    """Create the stream, or bring it to what `contracts.streams` says."""
    wanted = _stream_config(stream, replicas)
    try:
        existing = (await leaders_info(js, stream.name)).config
    except NotFoundError:
        _refuse_change(f"stream {stream.name}", "is missing", provision=provision)
        await js.add_stream(wanted)
        log.info("stream created", stream=stream.name, replicas=replicas)
        return
    _refuse_loss(existing, wanted)
    changes = _stream_changes(existing, wanted)
    if changes:
        _refuse_change(f"stream {stream.name}", _differing(changes), provision=provision)
        await js.update_stream(existing.evolve(**changes))
        log.info("stream changed", stream=stream.name, changed=sorted(changes))


async def ensure_consumer(
    js: JetStreamContext, stream: Stream, consumer: Consumer, *, provision: bool = True
) -> None:
    """Create the durable consumer, or bring it to what `contracts.streams` says."""
    wanted = _consumer_config(consumer)
    try:
        existing = (await js.consumer_info(stream.name, consumer.durable)).config
    except NotFoundError:
        _refuse_change(f"consumer {consumer.durable}", "is missing", provision=provision)
        await js.add_consumer(stream.name, await _beginning(js, stream, wanted))
        log.info("consumer created", consumer=consumer.durable)
        return
    _refuse_another_kind(existing, wanted)
    changed = [
        name
        for name in (
            "filter_subject",
            "filter_subjects",
            "ack_wait",
            "max_ack_pending",
            "max_deliver",
        )
        if (getattr(existing, name) or None) != (getattr(wanted, name) or None)
    ]
    if changed:
        _refuse_change(f"consumer {consumer.durable}", _differing(changed), provision=provision)
        # Where it began cannot change: one that was made behind what was moved out stays there.
        began = {n: getattr(existing, n) for n in ("deliver_policy", "opt_start_seq")}
        await js.add_consumer(stream.name, wanted.evolve(**began))
        log.info("consumer changed", consumer=consumer.durable, changed=changed)


async def ensure_bucket(
    js: JetStreamContext, bucket: Bucket, *, replicas: int, provision: bool = True
) -> None:
    """Create the bucket, or give it the lifetime that `contracts.streams` says.

    On files: a bucket that a restart of NATS emptied would let a second holder in beside the first.
    Its leader alone answers: another server, which may lag, would lack what was kept just before.
    """
    seconds = bucket.lifetime.total_seconds()
    try:
        existing = (await leaders_info(js, f"KV_{bucket.name}")).config
    except NotFoundError:
        _refuse_change(f"bucket {bucket.name}", "is missing", provision=provision)
        await js.create_key_value(
            KeyValueConfig(
                bucket.name,
                ttl=seconds,
                storage=StorageType.FILE,
                replicas=replicas,
                direct=False,
            )
        )
        log.info("bucket created", bucket=bucket.name)
        return
    wanted = max(existing.num_replicas or 1, replicas)
    stands = (existing.max_age, existing.num_replicas or 1, bool(existing.allow_direct))
    if stands != (seconds, wanted, False):
        _refuse_change(
            f"bucket {bucket.name}",
            "has another lifetime or replicas, or allows direct gets",
            provision=provision,
        )
        changed = existing.evolve(
            max_age=seconds,
            duplicate_window=min(seconds, 120),
            num_replicas=wanted,
            allow_direct=False,
        )
        await js.update_stream(changed)
        log.info("bucket changed", bucket=bucket.name)


def _refuse_change(part: str, problem: str, *, provision: bool) -> None:
    if not provision:
        raise NotProvisionedError(part, problem)


def _differing(fields: Iterable[str]) -> str:
    return f"differs in {', '.join(sorted(fields))}"


def _stream_config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        num_replicas=replicas,
        duplicate_window=stream.duplicate_window.total_seconds(),
        allow_direct=True,
    )


def _consumer_config(consumer: Consumer) -> ConsumerConfig:
    single = len(consumer.subjects) == 1
    return ConsumerConfig(
        durable_name=consumer.durable,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.ALL if consumer.ack == "all" else AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait.total_seconds(),
        max_ack_pending=consumer.max_ack_pending,
        max_deliver=_WITHOUT_END,
        filter_subject=consumer.subjects[0] if single else None,
        filter_subjects=None if single else list(consumer.subjects) or None,
    )


async def _beginning(
    js: JetStreamContext, stream: Stream, wanted: ConsumerConfig
) -> ConsumerConfig:
    """Let a consumer that is made anew pass over what was done with when it was moved.

    The ledger by which a sender would know that is not in the stream any more. Who acknowledges all
    at once keeps its own place, and is asked for what was moved.
    """
    moved = await moved_out(js, stream)
    if moved is None or wanted.ack_policy == AckPolicy.ALL:
        return wanted
    return wanted.evolve(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=moved.through + 1
    )


def _refuse_another_kind(existing: ConsumerConfig, wanted: ConsumerConfig) -> None:
    for name in ("ack_policy", "deliver_policy"):
        stands, asked = getattr(existing, name), getattr(wanted, name)
        behind = existing.opt_start_seq and stands == DeliverPolicy.BY_START_SEQUENCE
        if stands != asked and not behind:
            raise DestructiveChangeError(
                f"consumer {wanted.durable_name} has {name} {str(stands)!r}, not {asked.value!r};"
                " that cannot be changed in place: give the consumer a new name"
            )


def _refuse_loss(existing: StreamConfig, wanted: StreamConfig) -> None:
    name = wanted.name
    if existing.storage != wanted.storage or existing.retention != wanted.retention:
        raise DestructiveChangeError(
            f"stream {name} keeps events by {existing.retention} on {existing.storage}, which"
            " loses them; move its events to a stream with limits retention on file storage"
        )
    for limit in ("max_msgs", "max_bytes", "max_age", "max_msgs_per_subject", "max_msg_size"):
        value = getattr(existing, limit)
        if value is not None and value > 0:
            raise DestructiveChangeError(
                f"stream {name} has {limit}={value}: the log would forget events, and with them"
                f" that they were said; remove the limit (nats stream edit {name})"
            )
    if (existing.num_replicas or 1) > (wanted.num_replicas or 1):
        raise DestructiveChangeError(
            f"stream {name} has {existing.num_replicas} replicas, this process asks for"
            f" {wanted.num_replicas}: set FINGERPOST_LOG_REPLICAS={existing.num_replicas}"
        )
    lost = sorted(set(existing.subjects or ()) - set(wanted.subjects or ()))
    if lost:
        raise DestructiveChangeError(
            f"stream {name} takes subjects that this version does not know: {', '.join(lost)};"
            " a newer version may be running: upgrade this service, or name another NATS server"
        )


def _stream_changes(existing: StreamConfig, wanted: StreamConfig) -> dict[str, object]:
    changes: dict[str, object] = {}
    if set(existing.subjects or ()) != set(wanted.subjects or ()):
        changes["subjects"] = wanted.subjects
    window = timedelta(seconds=wanted.duplicate_window or 0)
    if timedelta(seconds=existing.duplicate_window or 0) != window:
        changes["duplicate_window"] = wanted.duplicate_window
    if existing.num_replicas != wanted.num_replicas:
        changes["num_replicas"] = wanted.num_replicas
    if not existing.allow_direct:
        changes["allow_direct"] = True
    return changes
