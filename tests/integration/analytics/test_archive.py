"""What is old leaves the log for the archive; nothing is lost, and no table changes by it."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from nats.js.api import ConsumerConfig
from nats.js.errors import Error as JetStreamError

from analytics.archive import Archive, Record
from analytics.archiving import Progress
from analytics.console import commands, report
from analytics.console.answers import Archived, Rebuilt
from analytics.console.archive import archive
from analytics.console.forget import forget
from analytics.domain.sealing import SEALED
from analytics.projector import Projector
from chaos.cluster import Server, make_cluster
from chassis import backup
from chassis.clock import utc_now
from chassis.console import RefusedError, UnavailableError
from chassis.log import Publisher, Reader
from chassis.topology import ensure_bucket, ensure_consumer, ensure_stream
from contracts.events import (
    BotStarted,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    PromoDue,
)
from contracts.examples import CHANNEL, PROMO_DELIVERY, SLOT, example
from contracts.ids import delivery_id
from contracts.streams import BUCKETS, EVENTS, SENDER_PROMO, SENDER_SENT
from contracts.subjects import slot_of
from harness.histories import every_event, plan
from harness.logs import Log
from harness.servers import connected
from harness.waiting import until

from .conftest import CaughtUp, Database, Following, running

PERSON = 77_000_123_456
OTHER = 77_000_999_999
STAYS = {"campaign", "channel", "invite", "guide", "promo", "slot", "conversion", "forget", "user"}


def past_the_horizon() -> datetime:
    return utc_now() + timedelta(days=60)


async def move(
    database: Database,
    log: Log,
    folder: Path | None,
    *,
    dry_run: bool = False,
    clock: Callable[[], datetime] = past_the_horizon,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Archived:
    """Archive all that was said until now, as it will be done two months from now."""
    return await archive(
        database.dsn,
        log.connection,
        folder,
        before=utc_now() + timedelta(days=1),
        dry_run=dry_run,
        clock=clock,
        tell=tell,
    )


async def clean(database: Database, log: Log, folder: Path | None) -> bool:
    found = await commands.verify(
        database.dsn, log.connection, None, lambda _, __: None, archive=folder
    )
    return found.clean


async def rebuild(database: Database, log: Log, folder: Path | None) -> Rebuilt:
    return await commands.rebuild(
        database.dsn,
        log.connection,
        swap=True,
        accept_differences=False,
        tell=lambda _: None,
        archive=folder,
    )


async def standing(log: Log) -> Counter[str]:
    """Return how many events the log has of each aggregate."""
    found = (await log.js.stream_info("EVENTS", subjects_filter=">")).state.subjects or {}
    counted: Counter[str] = Counter()
    for subject, count in found.items():
        counted[subject.split(".")[0]] += count
    return counted


def kept(folder: Path) -> list[Record]:
    opened = Archive.open(folder)
    assert opened is not None
    opened.check()
    return [record for records in opened.after(0) for record in records]


def story(number: int) -> list[Any]:
    """Return deliveries with all that becomes of them, and people's taps on each."""
    events: list[Any] = [example(CampaignDefined, campaign="promos", definition=plan("promos"))]
    for n in range(number):
        slot = SLOT + timedelta(hours=4 * n)
        delivery = delivery_id("promos", CHANNEL, slot)
        events += [
            example(PromoDue, delivery=delivery, scheduled_for=slot),
            example(MessageClaimed, delivery=delivery),
            example(MessageSent, delivery=delivery),
            example(CtaClicked, source_id=f"a{n}", delivery=delivery, user_id=PERSON),
            example(CtaClicked, source_id=f"b{n}", delivery=delivery, user_id=OTHER),
            example(BotStarted, update_id=10 + n, delivery=delivery, user_id=PERSON),
            example(ConversionRecorded, source_id=f"c{n}", delivery=delivery, user_id=PERSON),
        ]
    return events


async def test_what_was_moved_is_read_from_the_archive_and_no_row_changes(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("analytics.archiving.MOST_RECORDS", 7)
    monkeypatch.setattr("analytics.feed.MOST", 4)
    monkeypatch.setattr("analytics.history.MOST", 4)
    folder = tmp_path / "archive"
    await log.say(*every_event(), *story(10))
    await log.js.publish(f"cta.clicked.{PERSON}", b"no event")  # quarantined, and moved as well
    async with following():
        last = await caught_up()
        before = await database.tables()
        wanted = await move(database, log, folder, dry_run=True)
        assert not folder.exists()
        assert sum((await standing(log)).values()) == last

        moved = await move(database, log, folder)

        assert wanted.by_fact == moved.by_fact
        assert (wanted.events, wanted.memory) == (moved.events, moved.memory)
        assert moved.by_fact["message.sent"] >= 10
        assert moved.memory >= 240 * 20
        assert moved.stream_bytes[1] < moved.stream_bytes[0]
        left = await standing(log)
        assert set(left) <= STAYS
        assert sum(left.values()) + moved.archived == last
        assert moved.files > 5
        assert [r.sequence for r in kept(folder)] == sorted({r.sequence for r in kept(folder)})
        assert "moved out of the log" in report.text(moved)

        assert await clean(database, log, folder)
        rebuilt = await rebuild(database, log, folder)
        assert rebuilt.equal
        assert await database.tables() == before

        await log.say(*story(12)[-14:])  # the log goes on, and more is moved
        await caught_up()
        await until_dropped(database, log, 1)
        assert (await move(database, log, folder)).events == 2 * 5
        assert (await move(database, log, folder)).events == 0
        assert await clean(database, log, folder)


async def test_tables_that_are_met_first_are_made_of_the_archive_and_the_log(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    await log.say(*every_event(), *story(5))
    async with following():
        await caught_up()
        before = await database.tables()
    await move(database, log, folder)
    await log.say(example(CtaClicked, source_id="last"))
    await log.js.delete_consumer("EVENTS", "analytics-v1")
    await database.fetch("DROP SCHEMA fingerpost_v1 CASCADE")

    lost = Projector(database.dsn)
    async with running(lost, log.connection):
        problem = await until(lambda: halted(lost), lambda said: "archive" in said)
        assert "set FINGERPOST_ARCHIVE to its folder" in problem
        assert await database.checkpoint() <= 0

    async with running(Projector(database.dsn, folder), log.connection):
        await caught_up()
        after = await database.tables()

    assert {name: before[name] - after[name] for name in before if name != "stretches"} == {
        name: set() for name in before if name != "stretches"
    }
    assert len(after["clicks"]) == len(before["clicks"]) + 1
    assert await clean(database, log, folder)


async def halted(projector: Projector) -> str:
    try:
        await projector.check()
    except RuntimeError as error:
        return str(error)
    return ""


DRIVER = """
import asyncio, os, sys
from datetime import timedelta
from pathlib import Path
import nats
from analytics import archive as files, archiving
from analytics.console.archive import archive
from chassis.clock import utc_now
from chassis.log import Publisher, Reader
from chassis.service import Connection

dsn, url, folder, when = sys.argv[1:]
archiving.MOST_RECORDS = 7
place, _, number = when.partition(":")
left = int(number)

def die(here):
    global left
    if here == place:
        if not left:
            os.kill(os.getpid(), 9)
        left -= 1

def dying(name, act):
    def instead(*given):
        die("before " + name)
        done = act(*given)
        die("after " + name)
        return done
    return instead

async def dying_later(*given, act=archiving.move_out, **named):
    await act(*given, **named)
    die("after purge")

async def noting(*given, act=archiving.note_moved):
    await act(*given)
    die("after note")

files._sync = dying("sync", files._sync)
files.os.fsync = dying("fsync", files.os.fsync)
archiving.move_out = dying_later
archiving.note_moved = noting

async def main():
    client = await nats.connect(url)
    js = client.jetstream()
    log = Connection(js, Publisher(js, source="test"), Reader(js))
    await archive(dsn, log, Path(folder), before=utc_now() + timedelta(days=1), dry_run=False,
        clock=lambda: utc_now() + timedelta(days=60), tell=lambda now: die(now.phase))
    await client.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "when",
    [
        "before fsync:0",
        "before fsync:4",  # a file, its folder, the manifest, its folder; then half a file
        "after sync:2",  # a file is there that the manifest does not name
        "reading:1",
        "comparing:1",
        "after note:0",
        "waiting:0",
        "after purge:2",
        "removing:0",
    ],
)
async def test_killed_at_any_point_nothing_is_lost_and_repeating_finishes(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    nats_url: str, when: str,
) -> None:  # fmt: skip
    folder = tmp_path / "archive"
    await log.say(*story(8))
    async with following():
        last = await caught_up()
        before = await database.tables()

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DRIVER, database.dsn, nats_url, str(folder), when, env=os.environ
    )
    assert await process.wait() == -signal.SIGKILL

    assert await clean(database, log, folder)
    await until(lambda: free(database), lambda free: free)
    moved = await move(database, log, folder)
    records = kept(folder)
    assert len(records) == len({record.sequence for record in records}) == moved.archived
    assert set(await standing(log)) <= STAYS
    assert sum((await standing(log)).values()) + len(records) == last
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", *(file.name for file in Archive.open(folder).manifest.files)
    }  # fmt: skip
    assert await clean(database, log, folder)
    assert (await rebuild(database, log, folder)).equal
    assert await database.tables() == before


async def until_dropped(database: Database, log: Log, version: int) -> None:
    """Drop a version as soon as its projector has turned to the new one."""

    async def drop() -> bool:
        try:
            await commands.drop(database.dsn, log.connection, version)
        except RefusedError:  # somebody still folds it
            return False
        return True

    await until(drop, lambda dropped: dropped)


async def free(database: Database) -> bool:
    """Whether Postgres has noticed that the one who was killed is gone."""
    return not await database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%console'"
        " AND datname = current_database()"
    )


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def lose_file(folder: Path) -> None:
    next(folder.glob("*.parquet")).unlink()


def cut_file(folder: Path) -> None:
    file = next(folder.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])


def change_file(folder: Path) -> None:
    file = next(folder.glob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def another(folder: Path) -> None:
    manifest = folder / "manifest.json"
    opened = Archive.open(folder)
    assert opened is not None
    manifest.write_text(manifest.read_text().replace(opened.manifest.name, "0" * 16))


def old_copy(folder: Path) -> None:
    manifest = folder / "manifest.json"
    opened = Archive.open(folder)
    assert opened is not None
    through = f'"through": {opened.manifest.through}'
    manifest.write_text(manifest.read_text().replace(through, '"through": 3'))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_manifest, "manifest.json cannot be read"),
        (lose_manifest, "FINGERPOST_ARCHIVE"),
        (lose_file, "is missing; restore"),
        (cut_file, "bytes, not"),
        (change_file, "is not the file that the archive's manifest names"),
        (another, "holds the archive 0000000000000000; set FINGERPOST_ARCHIVE"),
        (old_copy, "holds it up to 3: an old copy"),
    ],
)
async def test_an_archive_that_is_damaged_or_another_is_refused_with_the_remedy(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    spoil: Callable[[Path], None], told: str,
) -> None:  # fmt: skip
    folder = tmp_path / "archive"
    await log.say(*story(2))
    async with following():
        await caught_up()
        await move(database, log, folder)
        spoil(folder)

        with pytest.raises(RefusedError, match=told):
            await clean(database, log, folder)
        with pytest.raises(RefusedError, match=told):
            await rebuild(database, log, folder)
        with pytest.raises(RefusedError, match=told):
            await forget_them(database, log, folder, PERSON)
        # What is folded already needs no archive: the tables go on.
        await log.say(example(CtaClicked, source_id="goes on"))
        await caught_up()


async def save(nats_url: str, log: Log, folder: Path) -> None:
    for bucket in BUCKETS:
        await ensure_bucket(log.js, bucket, replicas=1)
    async with connected(nats_url) as client:
        await backup.save(client, folder)


async def restore(nats_url: str, log: Log, folder: Path) -> None:
    for name in backup.STREAMS:
        await log.js.delete_stream(name)
    async with connected(nats_url) as client:
        await backup.restore(client, folder, replicas=1)


async def test_a_restored_log_goes_on_with_its_own_archive(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    nats_url: str,
) -> None:  # fmt: skip
    folder = tmp_path / "archive"
    await log.say(*story(4))
    async with following():
        await caught_up()
        await move(database, log, folder)
        before = await database.tables()
    await save(nats_url, log, tmp_path / "backup")
    await restore(nats_url, log, tmp_path / "backup")

    await fold_anew(database, log, folder)
    assert await database.tables() == before
    await log.say(*story(5)[-7:])
    async with following():
        await caught_up()
        await until_dropped(database, log, 1)
        assert (await move(database, log, folder)).events == 5
        assert await clean(database, log, folder)


async def test_of_an_archive_newer_than_a_restored_log_no_more_is_read_than_the_log_says(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    nats_url: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("analytics.archiving.MOST_RECORDS", 7)
    folder = tmp_path / "archive"
    await log.say(*story(4))
    async with following():
        last = await caught_up()
        await move(database, log, folder)
        await save(nats_url, log, tmp_path / "backup")
        await log.say(*(example(CtaClicked, source_id=f"lost{n}") for n in range(12)))
        await caught_up()
        assert (await move(database, log, folder)).events == 12
    await restore(nats_url, log, tmp_path / "backup")
    # What is said from now on takes the places of what was lost, and moved.
    new = [example(CtaClicked, source_id=f"new{n}", user_id=OTHER) for n in range(16)]
    await log.say(*new[:8])
    await log.js.delete_consumer("EVENTS", "analytics-v1")
    await database.fetch("DROP SCHEMA fingerpost_v1 CASCADE")

    async with running(Projector(database.dsn, folder), log.connection):
        await caught_up()
        await log.say(*new[8:])
        await caught_up()
    clicks = await database.fetch("SELECT event_id, sequence FROM fingerpost.clicks")
    found = {row["event_id"]: row["sequence"] for row in clicks}

    old = {event.id for event in story(4) if isinstance(event, CtaClicked)}
    assert set(found) == old | {event.id for event in new}
    assert [found[event.id] for event in new] == list(range(last + 1, last + 17))
    assert await clean(database, log, folder)
    async with following():
        await forget_them(database, log, folder, example(CtaClicked).user_id)
        assert await database.value("SELECT count(*) FROM fingerpost.clicks") == len(found)
        assert await clean(database, log, folder)


async def test_what_only_a_newer_archive_still_has_is_not_written_over(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    nats_url: str,
) -> None:  # fmt: skip
    folder, aside = tmp_path / "archive", tmp_path / "aside"
    await log.say(*story(4))
    async with following():
        await caught_up()
        await move(database, log, folder)
        old = set(folder.glob("*.parquet"))
        await save(nats_url, log, tmp_path / "backup")
        await log.say(*(example(CtaClicked, source_id=f"lost{n}") for n in range(12)))
        await caught_up()
        await move(database, log, folder)
    newer = set(folder.glob("*.parquet")) - old
    names = ", ".join(sorted(file.name for file in newer))
    await restore(nats_url, log, tmp_path / "backup")
    await fold_anew(database, log, folder)

    for said in (0, 12):  # the log ends before, or has other events there
        await log.say(*(example(CtaClicked, source_id=f"new{n}") for n in range(said)))
        async with following():
            await caught_up()
            with pytest.raises(RefusedError, match=f"move these files out .*: {names}"):
                await move(database, log, folder)
        assert set(folder.glob("*.parquet")) == old | newer

    aside.mkdir()
    for file in newer:
        file.rename(aside / file.name)
    async with following():
        await until_dropped(database, log, 1)
        assert (await move(database, log, folder)).events == 12
        assert await clean(database, log, folder)


async def fold_anew(database: Database, log: Log, folder: Path) -> None:
    """Do what the halted projector says: the log was created anew."""
    await commands.rebuild(
        database.dsn,
        log.connection,
        swap=True,
        accept_differences=True,
        tell=lambda _: None,
        archive=folder,
    )


async def test_without_the_setting_what_needs_the_archive_says_so(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    await log.say(*story(2))
    async with following():
        await caught_up()
        with pytest.raises(RefusedError, match=r"no folder is named; set FINGERPOST_ARCHIVE"):
            await move(database, log, None)
        await move(database, log, tmp_path / "archive")
        with pytest.raises(RefusedError, match="set FINGERPOST_ARCHIVE to its folder"):
            await clean(database, log, None)
        with pytest.raises(RefusedError, match=r"and .*/other holds none"):
            await move(database, log, tmp_path / "other")


async def test_what_does_not_stand_in_a_file_as_in_the_log_is_never_removed(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "archive"
    await log.say(*story(3))
    write = Archive.add

    def wrongly(self: Archive, records: list[Record]) -> None:
        write(self, [*records[:-1], records[-1]._replace(data=records[-1].data + b" ")])

    async with following():
        await caught_up()
        before = await standing(log)
        with monkeypatch.context() as patch:
            patch.setattr(Archive, "add", wrongly)
            with pytest.raises(RefusedError, match=r"sequence [0-9]+ of the log, bot\.started"):
                await move(database, log, folder)
        assert await standing(log) == before

        assert (await move(database, log, folder)).archived == 15  # written anew
        assert await clean(database, log, folder)


async def forget_them(database: Database, log: Log, folder: Path | None, *people: int) -> Any:
    return await forget(
        database.dsn,
        log.connection,
        list(people),
        requested=False,
        older_than=None,
        clock=utc_now,
        tell=lambda _: None,
        archive=folder,
    )


async def totals(database: Database) -> list[Any]:
    query = "SELECT * FROM fingerpost.variant_performance ORDER BY campaign, variant"
    return [tuple(row) for row in await database.fetch(query)]


def named(folder: Path, person: int) -> list[str]:
    """Return files that name the person, packed or not."""
    found = [path.name for path in folder.iterdir() if str(person).encode() in path.read_bytes()]
    inside = [r.subject for r in kept(folder) if str(person).encode() in b"".join(map(bytes_of, r))]
    return found + inside


def bytes_of(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def test_a_person_is_forgotten_in_the_archive_too_and_every_total_stays(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("analytics.archiving.MOST_RECORDS", 7)
    folder = tmp_path / "archive"
    await log.say(*story(6))
    await log.js.publish(f"cta.clicked.{PERSON}", b"cannot be read")
    async with following():
        await caught_up()
        files = (await move(database, log, folder)).files
        await log.say(example(CtaClicked, source_id="later", user_id=PERSON, verdict="robot"))
        await caught_up()
        before = await totals(database)
        assert len(named(folder, PERSON)) > 12

        with monkeypatch.context() as patch:  # killed when new files stand beside the old ones

            def killed(*_: object) -> None:
                raise SystemError("killed")

            patch.setattr(Archive, "_replace", killed)
            with pytest.raises(SystemError):
                await forget_them(database, log, folder, PERSON)
        assert await clean(database, log, folder)

        await forget_them(database, log, folder, PERSON)

        await caught_up()
        assert named(folder, PERSON) == []
        assert len(named(folder, OTHER)) >= 6
        left = [e.subject for e in await log.envelopes() if str(PERSON) in str(e.document())]
        assert left == []
        assert await database.value(
            "SELECT count(*) FROM fingerpost.user_journey WHERE user_id = $1", PERSON
        ) == 0  # fmt: skip
        assert await totals(database) == before
        assert await clean(database, log, folder)
        assert (await rebuild(database, log, folder)).equal
        assert await totals(database) == before
        assert len(list(folder.glob("*.parquet"))) <= files
        await log.say(example(CtaClicked, source_id="last", user_id=OTHER))
        await caught_up()
        await until_dropped(database, log, 1)
        assert (await move(database, log, folder)).events == 1


async def test_who_is_forgotten_while_a_move_was_stopped_is_in_no_file_of_it(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    def stop(now: Progress) -> None:
        if now.phase == "comparing":
            raise KeyboardInterrupt

    await log.say(*story(3))
    async with following():
        await caught_up()
        for folder, told in ((tmp_path / "a", tmp_path / "a"), (tmp_path / "b", None)):
            person = PERSON if told else OTHER
            with pytest.raises(KeyboardInterrupt):
                await move(database, log, folder, tell=stop)
            assert named(folder, person) != []
            await forget_them(database, log, told, person)
            if told:
                assert named(folder, person) == []
        await caught_up()
        await move(database, log, tmp_path / "b")
        assert named(tmp_path / "b", OTHER) == []
        assert await clean(database, log, tmp_path / "b")


async def test_what_is_too_young_is_refused_and_the_longest_catch_up_counts(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    catching_up = plan("promos", catch_up={"policy": "all", "window": timedelta(days=40)})
    await log.say(example(CampaignDefined, campaign="promos", definition=catching_up))
    async with following():
        await caught_up()
        with pytest.raises(RefusedError, match=r"too young: promos catches up for 40 days"):
            await move(database, log, tmp_path / "a", clock=lambda: utc_now() + timedelta(days=30))
        with pytest.raises(RefusedError, match=r"too young"):
            await move(database, log, tmp_path / "a", clock=utc_now)
        assert not (tmp_path / "a").exists()


async def test_what_a_sender_or_a_person_is_not_done_with_stays_and_all_behind_it(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    await log.say(*story(2))
    await ensure_consumer(log.js, EVENTS, SENDER_SENT)
    waiting = await log.js.pull_subscribe_bind(SENDER_SENT.durable, "EVENTS")
    first, second = await waiting.fetch(2)
    async with following():
        await caught_up()
        held = await move(database, log, folder)
        assert (held.events, held.held_by) == (0, SENDER_SENT.durable)

        await first.ack_sync()
        held = await move(database, log, folder)
        assert held.through < second.metadata.sequence.stream
        assert held.by_fact["message.sent"] == 1
        await second.ack_sync()

        slot = SLOT + timedelta(days=1)
        doubt = delivery_id("promos", CHANNEL, slot)
        await log.say(
            example(PromoDue, delivery=doubt, scheduled_for=slot),
            example(MessageClaimed, delivery=doubt),
            example(MessageUncertain, delivery=doubt, policy="hold"),
        )
        last = await caught_up()
        held = await move(database, log, folder)
        assert held.held_by == f"the uncertain delivery {doubt}"
        assert held.through <= last - 3
        assert (await standing(log))["message"] == 2
        assert "more is held in the log by the uncertain delivery" in report.text(held)


async def test_who_reads_what_is_to_be_removed_is_waited_for(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("analytics.archiving._PATIENCE_SECONDS", 0.1)
    await log.say(*story(2))
    async with following():
        await caught_up()
        # By itself it would go after 5 s in which nobody asks.
        config = ConsumerConfig(inactive_threshold=600)
        reader = await log.js.pull_subscribe("message.>", stream="EVENTS", config=config)
        with pytest.raises(
            UnavailableError, match="nothing was removed from the log: the consumer"
        ):
            await move(database, log, tmp_path / "archive")
        assert (await standing(log))["message"] == 4
        await reader.unsubscribe()
        info = await log.js.consumers_info("EVENTS")
        for one in info:
            if not one.config.durable_name:
                await log.js.delete_consumer("EVENTS", one.name)
        assert (await move(database, log, tmp_path / "archive")).archived == 10
        assert (await standing(log))["message"] == 0


async def test_a_retry_from_quarantine_knows_what_was_moved(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    delivery = delivery_id("promos", CHANNEL, SLOT)
    await log.say(*story(1))
    async with following():
        await caught_up()
        await move(database, log, folder)
        await log.say(example(MessageFailed, delivery=delivery, attempt=1))
        last = await caught_up()
        before = (await database.tables())["deliveries"]
        # As if this release had not been able to read it when it came.
        message = await log.js.get_msg("EVENTS", last)
        await database.fetch(
            "INSERT INTO fingerpost_v1.quarantine (sequence, subject, headers, data, reason)"
            " VALUES ($1, $2, '{}', $3, 'unreadable')", last, message.subject, message.data,
        )  # fmt: skip

        found = await commands.retry(database.dsn, log.connection, [last], archive=folder)

        assert [one.folded for one in found.messages] == [True]
        assert (await database.tables())["deliveries"] == before


async def waiting(log: Log) -> int | None:
    """How many events the sender was not asked for yet."""
    return (await log.js.consumer_info("EVENTS", SENDER_PROMO.durable)).num_pending


async def test_the_other_services_go_on_as_before(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    due = example(PromoDue)
    await log.say(*story(2), due, example(MessageClaimed), example(MessageSent))
    async with following():
        await caught_up()
        await move(database, log, tmp_path / "archive")

        # The scheduler: no slot is said again, as due or as missed.
        again = example(GuideDue, delivery=PROMO_DELIVERY)
        assert await log.publisher.publish_once(again, over=slot_of(PROMO_DELIVERY)) == 0
        # A sender whose consumer is made anew is not asked again for what was done with long ago.
        await ensure_consumer(log.js, EVENTS, SENDER_PROMO)
        await ensure_consumer(log.js, EVENTS, SENDER_PROMO)
        assert await waiting(log) == 0
        later = SLOT + timedelta(days=9)
        await log.say(example(PromoDue, delivery=delivery_id("promos", CHANNEL, later)))
        # The server counts what waits a moment after it acknowledged it.
        await until(lambda: waiting(log), lambda count: count == 1)
        # A payment that comes again is known.
        paid = story(1)[-1]
        known = {"over": paid.once_over, "known_as": "after the duplicate window"}
        assert await log.publisher.publish_once(paid, **known) == 0
        assert not await log.events(MessageSkipped)
    assert all(subject.split(".")[0] not in STAYS for subject in SEALED)


@asynccontextmanager
async def three_servers(folder: Path) -> AsyncIterator[tuple[list[Server], Log]]:
    """Yield a cluster, and the log that stands on all of its servers."""
    cluster = make_cluster(folder, folder)
    try:
        for server in cluster:
            server.member.process.start()
        for server in cluster:
            await server.member.process.answers(f"{server.monitor}/healthz", 60)
        client = await nats.connect([server.url for server in cluster], reconnect_time_wait=0.2)
        js = client.jetstream(timeout=10)
        await ensure_stream(js, EVENTS, replicas=len(cluster))
        yield cluster, Log(js, Publisher(js, source="test"), Reader(js))
        await client.close()
    finally:
        for server in cluster:
            await server.member.kill()


async def leader_of(log: Log) -> str:
    info = (await log.js.stream_info("EVENTS")).cluster
    return (info and info.leader) or ""


@pytest.mark.parametrize("when", ["comparing", "removing", None])
async def test_a_log_of_three_servers_is_moved_though_its_leader_is_killed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str | None
) -> None:
    monkeypatch.setattr("analytics.archiving.MOST_RECORDS", 7)
    folder = tmp_path / "archive"
    killed: list[str] = []
    async with three_servers(tmp_path) as (cluster, log):
        members = {server.member.name: server.member for server in cluster}
        await log.say(*every_event(), *story(8))
        last = (await log.js.stream_info("EVENTS")).state.last_seq

        async def caught_up() -> None:
            end = (await log.js.stream_info("EVENTS")).state.last_seq
            await until(database.checkpoint, lambda seen: seen == end)

        async with running(Projector(database.dsn), log.connection):
            await caught_up()
        before = await database.tables()
        leader = await leader_of(log)

        def kill(now: Progress) -> None:
            if now.phase == when and not killed:
                os.kill(members[leader].process.pid, signal.SIGKILL)
                killed.append(leader)

        async def moved() -> Archived | None:
            try:
                return await move(database, log, folder, tell=kill)
            except (
                nats.errors.Error,
                JetStreamError,
                UnavailableError,
            ):  # the log has no leader for a moment; repeating goes on
                return None

        found = await until(moved, lambda done: done is not None, seconds=60)

        assert killed == ([leader] if when else [])
        if when:
            assert await until(lambda: leader_of(log), lambda name: name not in {"", leader})
            assert await members[leader].restart()
        assert found is not None
        assert len({record.sequence for record in kept(folder)}) == found.archived
        assert set(await standing(log)) <= STAYS
        assert sum((await standing(log)).values()) + found.archived == last
        assert await clean(database, log, folder)
        assert (await rebuild(database, log, folder)).equal
        assert await database.tables() == before
