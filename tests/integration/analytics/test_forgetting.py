"""A person is forgotten for good, every total stays, and whatever is killed, repeating finishes."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from analytics.api.lists import LISTS
from analytics.api.routes import Api
from analytics.console import commands, conversions, report
from analytics.console.answers import Forgotten
from analytics.console.forget import forget
from analytics.dashboard.pages import Pages
from analytics.dashboard.routes import Dashboard
from analytics.dashboard.tail import Tail
from analytics.domain.messages import Decoded, Message, decode
from analytics.forgetting import Progress
from analytics.reports import Reports
from analytics.schema.views import VIEWS
from chassis.console import UnavailableError
from contracts.events import (
    BotStarted,
    BotStopped,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    ForgetRequested,
    GuideDue,
    MessageSent,
    PromoDue,
    UserForgotten,
)
from contracts.examples import CHANNEL, GUIDE_DELIVERY, PROMO_DELIVERY, SLOT, example
from contracts.ids import delivery_id
from harness.histories import plan
from harness.logs import Log
from harness.waiting import until
from harness.warm import Warm
from stack.process import Process

from .conftest import CaughtUp, Database, Following

PERSON = 77_000_123_456
OTHER = 77_000_999_999
LATER = delivery_id("promos", CHANNEL, SLOT + timedelta(hours=4))
NOBODY_S = {"user_id", "conversion"}
NAMING = {"clicks", "starts", "conversions", "attribution", "projection_status"}
"""Lists whose rows are acts of people, or tell how far the tables are."""
SHOWN = (
    *("/", "/campaigns", "/campaigns/promos", "/campaigns/guides", "/deliveries"),
    *(f"/export/{name}.csv" for name in ("variants", "campaigns", "channels", "trend", "hours")),
)
CHOICES = ({"period": "all"}, {"period": "7d", "zone": "Asia/Tokyo", "channel": CHANNEL})


class StoppedError(Exception):
    """What ends a command at a step."""


def posts() -> list[Event]:
    guide = {"delivery": GUIDE_DELIVERY, "campaign": "guides", "kind": "guide", "variant": "risk"}
    return [
        example(CampaignDefined),
        example(CampaignDefined, campaign="promos", definition=plan("promos", variants=1)),
        example(GuideDue),
        example(PromoDue),
        example(PromoDue, delivery=LATER, scheduled_for=SLOT + timedelta(hours=4)),
        example(MessageSent, audience=1_000),
        example(MessageSent, **guide, audience=2_000),
        example(MessageSent, delivery=LATER, audience=1_100),
    ]


def acts(person: int) -> list[Event]:
    """Return all that a person can do: in two posts, twice, by a robot's hand, with money."""

    def tap(number: int, delivery: str, **fields: Any) -> Event:
        moment = SLOT + timedelta(minutes=number)
        source = str((person << 32) + number)
        return example(
            CtaClicked, source_id=source, delivery=delivery, user_id=person, clicked_at=moment,
            **fields,
        )  # fmt: skip

    paid = {"user_id": person, "delivery": LATER}
    return [
        tap(1, GUIDE_DELIVERY),
        tap(2, PROMO_DELIVERY),
        tap(3, PROMO_DELIVERY),
        tap(4, LATER),
        tap(5, LATER, verdict="robot"),
        example(BotStarted, user_id=person, update_id=person % 1_000_000, delivery=LATER),
        example(ConversionRecorded, **paid, source_id=f"paid{person % 1_000_000}"),
        example(
            ConversionRecorded, **paid, source_id=f"back{person % 1_000_000}", kind="refund",
            amount=-50, refund_of=f"paid{person % 1_000_000}",
        ),
        example(
            ConversionRecorded, user_id=person, source="telegram", kind="join", amount=None,
            currency=None, delivery=None, cta=None, source_id=f"join-100{CHANNEL}-{person}",
        ),
        example(BotStopped, user_id=person, update_id=person % 1_000_000 + 1),
        example(ForgetRequested, user_id=person, update_id=person % 1_000_000 + 2),
    ]  # fmt: skip


async def totals(database: Database) -> dict[str, Counter[str]]:
    """Return every row of every view that sums up, without saying whose it is."""
    found = {}
    for view in VIEWS:
        if view.name == "projection_status":
            continue
        rows = await database.fetch(f"SELECT * FROM fingerpost.{view.name}")  # noqa: S608
        found[view.name] = Counter(
            str({name: value for name, value in row.items() if name not in NOBODY_S})
            for row in rows
        )
    assert found["promo_conversion"]
    assert found["attribution"]
    return found


async def shown(database: Database) -> dict[str, str]:
    """Return every page, list and report that sums up, as people and programs get them."""
    reports = Reports(database.dsn)
    pages = Pages(reports, last_sequence=lambda: 0)
    dashboard = Dashboard(reports, pages, Tail(), clock=next_day, stopping=lambda: False)
    app = Starlette(routes=[*Api(reports).routes(), *dashboard.routes()])
    asked = [(place, choice) for place in SHOWN for choice in CHOICES]
    asked += [(f"/v1/{one.name}", {}) for one in LISTS if one.name not in NAMING]
    asked.append(("/v1/clicks/count", {}))
    found = {}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://analytics") as client:
        for place, choice in asked:
            answer = await client.get(place, params=choice)
            assert answer.status_code == 200, answer.url
            found[str(answer.url)] = answer.text
    await reports.close()
    for campaign in ("promos", "guides"):
        said = await conversions.report(database.dsn, campaign, "", "", next_day)
        found[f"report {campaign}"] = report.text(said)
    return found


def next_day() -> datetime:
    return SLOT + timedelta(days=1)


async def order(
    database: Database,
    log: Log,
    *people: int,
    requested: bool = False,
    older_than: timedelta | None = None,
    now: datetime = SLOT,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Forgotten:
    return await forget(
        database.dsn,
        log.connection,
        list(people),
        requested=requested,
        older_than=older_than,
        clock=lambda: now,
        tell=tell,
    )


async def versions_clean(database: Database, log: Log) -> bool:
    found = await commands.verify(database.dsn, log.connection, None, lambda _, __: None)
    return found.clean


async def traces(database: Database, folder: Path, *people: int) -> list[str]:
    """Return where people's ids stand: in files of the log, or rows of any version.

    Not in the server's own list of subjects: that is written every two to three minutes, so that
    a test which takes so long would find those in it who have just been forgotten.
    """
    names = [str(person).encode() for person in people]
    found = []
    for path in (path for path in folder.rglob("*") if path.name != "index.db"):  # noqa: ASYNC240
        # A server writes a file beside the one whose name it gives it then: it may be gone.
        with suppress(FileNotFoundError, IsADirectoryError):
            text = path.read_bytes()
            found += [str(path) for name in names if name in text]
    written_as = (str, lambda person: str(person).encode().hex(), "{:016x}".format)  # text, packed
    patterns = [f"%{write(person)}%" for person in people for write in written_as]
    tables = await database.fetch(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
        " WHERE table_schema LIKE 'fingerpost%'"
    )
    for (table,) in tables:
        query = f"SELECT t::text FROM (SELECT * FROM {table}) AS t WHERE t::text LIKE ANY ($1)"  # noqa: S608
        found += [f"{table}: {row[0]}" for row in await database.fetch(query, patterns)]
    return found


def stop_at(number: int) -> Callable[[Progress], None]:
    left = iter(range(number, -1, -1))

    def tell(_: Progress) -> None:
        if not next(left):
            raise StoppedError

    return tell


@pytest.mark.timeout(300)
async def test_a_person_is_gone_from_log_and_tables_and_every_total_stays(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    await log.say(*posts(), *acts(PERSON), *acts(OTHER))
    await log.js.publish(f"cta.clicked.{PERSON}", b'{"user_id": %d, no event' % PERSON)
    async with following():
        await caught_up()
        before = await totals(database)
        await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )
        assert len(await traces(database, tmp_path, PERSON)) > 20
        await until(database.checkpoint, lambda seen: seen > 0)

        done = await order(database, log, PERSON)

        await caught_up()
        assert done == Forgotten(people=1, acts=9, erased=12)
        assert await traces(database, tmp_path, PERSON) == []
        assert len(await traces(database, tmp_path, OTHER)) > 20
        assert await totals(database) == before
        assert await versions_clean(database, log)
        rebuilt = await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )
        assert rebuilt.equal
        assert await totals(database) == before
        assert await traces(database, tmp_path, PERSON) == []
        assert await order(database, log, PERSON) == Forgotten(people=1, acts=0, erased=0)


@pytest.mark.timeout(300)
async def test_every_page_list_and_report_shows_the_same_before_and_after_and_when_rebuilt(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    others = [act for person in range(OTHER, OTHER + 3) for act in acts(person)[:-1]]
    await log.say(*posts(), *others)
    async with following():
        await caught_up()
        without = await shown(database)
        await log.say(*acts(PERSON))
        await caught_up()
        before = await shown(database)
        # What this person did stands everywhere but where nobody's acts do.
        same = {place.partition("?")[0] for place in before if before[place] == without[place]}
        assert {place.rpartition("/")[2] for place in same} == {
            *("deliveries", "campaigns", "variants")
        }
        assert "http://analytics/campaigns" not in same

        for steps in (3, 7):
            with pytest.raises(StoppedError):
                await order(database, log, PERSON, tell=stop_at(steps))
            await caught_up()
            assert await shown(database) == before, steps
        assert (await order(database, log, PERSON)).people == 1
        await caught_up()
        assert await shown(database) == before

        rebuilt = await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )

        assert rebuilt.equal
        assert await shown(database) == before


async def test_a_payment_that_comes_again_is_still_known(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    paid = example(ConversionRecorded, user_id=PERSON, source_id="paid once")
    await log.say(*posts())
    await log.publisher.publish_once(paid, over=paid.once_over)
    async with following():
        await caught_up()
        await order(database, log, PERSON)
        before = await totals_of_money(database)

        again = await log.publisher.publish_once(
            paid, over=paid.once_over, known_as="as after the duplicate window"
        )

        await caught_up()
        assert again == 0
        assert before == [(1, 250)]
        assert await totals_of_money(database) == before


async def totals_of_money(database: Database) -> list[tuple[Any, ...]]:
    rows = await database.fetch("SELECT count(*), sum(amount) FROM fingerpost.conversions")
    return [tuple(row) for row in rows]


@pytest.mark.timeout(600)
async def test_stopped_before_any_step_it_is_finished_by_repeating_and_no_total_moves(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    people = list(range(PERSON, PERSON + 60))
    await log.say(*posts(), *(act for person in people for act in acts(person)[2:]))
    steps = 0
    async with following():
        await caught_up()
        before = await totals(database)
        for steps, person in enumerate(people):
            try:
                await order(database, log, person, tell=stop_at(steps))
            except StoppedError:
                await caught_up()
                assert await totals(database) == before, steps
                await order(database, log, person)
                await caught_up()
                assert await totals(database) == before, steps
                assert await traces(database, tmp_path, person) == []
            else:
                break
        assert 10 < steps < len(people) - 1
        assert await versions_clean(database, log)
    forgotten = await log.events(UserForgotten)
    assert len(forgotten) == steps + 1
    rebuilt = await commands.rebuild(
        database.dsn, log.connection, swap=False, accept_differences=False, tell=lambda _: None
    )
    assert rebuilt.equal


async def test_tables_made_anew_while_the_events_still_stand_are_the_same(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In many batches: what stands in one with what replaces it never comes to the tables.
    monkeypatch.setattr("analytics.feed.MOST", 4)

    def until_erasing(progress: Progress) -> None:
        if progress.phase == "erasing":
            raise StoppedError

    await log.say(*posts(), *acts(PERSON), *acts(OTHER))
    async with following():
        await caught_up()
        before = await totals(database)
        with pytest.raises(StoppedError):
            await order(database, log, PERSON, tell=until_erasing)
        await caught_up()

        rebuilt = await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )

        assert rebuilt.equal
        assert await totals(database) == before
        assert await versions_clean(database, log)
        assert (await order(database, log, PERSON)).erased == 11
        assert await traces(database, tmp_path, PERSON) == []
        assert await versions_clean(database, log)


async def test_who_asked_is_forgotten_once_and_who_comes_back_is_a_new_person(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    quiet = [act for act in acts(OTHER) if not isinstance(act, ForgetRequested)]
    await log.say(*posts(), *acts(PERSON), *quiet)
    async with following():
        await caught_up()
        assert (await order(database, log, requested=True)).people == 1
        assert (await order(database, log, requested=True)).people == 0
        assert await traces(database, tmp_path, PERSON) == []
        assert await traces(database, tmp_path, OTHER) != []

        await log.say(example(CtaClicked, source_id="came back", user_id=PERSON))
        await caught_up()
        rows = await database.fetch(
            "SELECT user_id FROM fingerpost.clicks WHERE user_id <> $1", OTHER
        )
        assert max(row[0] for row in rows) == PERSON
        assert len({row[0] for row in rows}) == 2
        assert (await order(database, log, PERSON)).acts == 1
        assert await traces(database, tmp_path, PERSON) == []
        assert await versions_clean(database, log)


async def test_by_age_only_who_did_nothing_since_is_forgotten(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    year = timedelta(days=365)
    recent = example(CtaClicked, source_id="recent", user_id=OTHER, clicked_at=SLOT + year)
    only_stopped = example(BotStopped, user_id=PERSON + 1, update_id=9)
    await log.say(*posts(), *acts(PERSON), *acts(OTHER), only_stopped, recent)
    said_at = (await log.envelopes())[-1].time
    async with following():
        await caught_up()
        before = await totals(database)
        soon = max(said_at, SLOT + year) + timedelta(days=30)
        assert (await order(database, log, older_than=2 * year, now=soon)).people == 0

        done = await order(database, log, older_than=timedelta(days=1), now=soon)

        await caught_up()
        assert done.people == 3
        assert await totals(database) == before
        for person in (PERSON, PERSON + 1, OTHER):
            assert await traces(database, tmp_path, person) == []


async def test_while_nobody_folds_nothing_is_lost_and_the_remedy_is_told(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await log.say(*posts(), *acts(PERSON))
    async with following():
        await caught_up()
        before = await totals(database)
    monkeypatch.setattr("analytics.forgetting._PATIENCE_SECONDS", 0.5)

    with pytest.raises(UnavailableError, match="see that analytics runs, then repeat"):
        await order(database, log, requested=True)

    monkeypatch.undo()
    async with following():
        assert (await order(database, log, requested=True)).people == 1
        assert await totals(database) == before
        assert await versions_clean(database, log)


@pytest.mark.timeout(300)
async def test_a_killed_process_is_repeated_and_everybody_who_asked_is_forgotten(
    log: Log,
    nats_url: str,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    tmp_path: Path,
) -> None:
    people = range(PERSON, PERSON + 30)
    await log.say(*posts(), *(act for person in people for act in acts(person)))
    environment = {**os.environ, "NATS_URL": nats_url, "POSTGRES_DSN": database.dsn}
    command = ("analytics", "forget", "--requested")
    folder = tmp_path / "logs"
    folder.mkdir()
    async with following():
        await caught_up()
        before = await totals(database)
        for phase in ("reading", "telling", "erasing", "closing"):
            log_file = folder / f"{phase}.log"
            process = Warm(phase, *command, log=log_file, environment=environment)
            process.start()

            async def told(process: Process = process) -> str:
                return process.tail(200)

            await until(
                told,
                lambda said, phase=phase: phase in said or "forgotten" in said,
                seconds=60,
            )
            await process.kill()
            await caught_up()
            assert await totals(database) == before, phase

        last = Warm("last", *command, log=folder / "last.log", environment=environment)
        last.start()
        await last.ended(120)

        assert last.exit_status == 0, last.tail()
        await caught_up()
        assert await totals(database) == before
        assert await versions_clean(database, log)
        assert await traces(database, tmp_path, *people) == []


async def test_what_was_set_aside_forgets_when_it_is_folded_after_all(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await log.say(*posts(), *acts(PERSON))
    with monkeypatch.context() as patched:
        patched.setattr("analytics.forgetting._PATIENCE_SECONDS", 0.5)
        patched.setattr("analytics.folding.decode", _blind)
        async with following():
            await caught_up()
            before = await totals(database)
            with pytest.raises(UnavailableError):
                await order(database, log, PERSON)
            await caught_up()
            assert await totals(database) == before

    (retried,) = (await commands.retry(database.dsn, log.connection, [])).messages

    assert retried.folded
    assert await totals(database) == before
    assert (await order(database, log, PERSON)).people == 1
    assert await versions_clean(database, log)


def _blind(message: Message) -> Decoded:
    decoded = decode(message)
    if decoded.event and isinstance(decoded.event.data, UserForgotten):
        return decoded._replace(event=None, problem="type is unknown")
    return decoded


async def test_two_commands_at_once_count_nobody_twice(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    people = range(PERSON, PERSON + 5)
    await log.say(*posts(), *(act for person in people for act in acts(person)))
    async with following():
        await caught_up()
        before = await totals(database)

        done = await asyncio.gather(
            *(order(database, log, *people) for _ in range(2)), order(database, log, requested=True)
        )

        await caught_up()
        assert sum(one.acts for one in done) == 5 * 9
        assert await totals(database) == before
        assert await traces(database, tmp_path, *people) == []
        assert await versions_clean(database, log)


async def test_who_is_told_of_in_parts_stays_one_person_wherever_the_telling_stops(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analytics.domain.forgetting.MOST_BYTES", 500)
    people = range(PERSON, PERSON + 3)
    await log.say(*posts(), *(act for person in people for act in acts(person)))
    async with following():
        await caught_up()
        before = await totals(database)
        for parts, person in enumerate(people, start=1):
            told = iter(["telling"] * parts)

            def stop(progress: Progress, told: Iterator[str] = told) -> None:
                if progress.phase == "telling" and next(told, None) is None:
                    raise StoppedError

            with pytest.raises(StoppedError):
                await order(database, log, person, tell=stop)
            assert (await order(database, log, person)).people == 1

        await caught_up()
        assert await totals(database) == before
        assert await traces(database, tmp_path, *people) == []
        assert await versions_clean(database, log)
    aliases = {event.alias for event in await log.events(UserForgotten)}
    assert len(aliases) == len(people)


async def test_by_age_it_is_finished_too_wherever_it_was_stopped(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    people = range(PERSON, PERSON + 12)
    silent = {BotStopped, ForgetRequested}
    said = [act for person in people for act in acts(person) if type(act) not in silent]
    await log.say(*posts(), *said)
    later = (await log.envelopes())[-1].time + timedelta(days=30)
    ever = timedelta(days=1)
    steps = 0
    async with following():
        await caught_up()
        before = await totals(database)
        for steps in range(1, 400, 25):
            try:
                await order(database, log, older_than=ever, now=later, tell=stop_at(steps))
            except StoppedError:
                await caught_up()
                assert await totals(database) == before, steps
            else:
                break
        await caught_up()
        assert steps > 25
        assert await totals(database) == before
        assert await traces(database, tmp_path, *people) == []
        assert await versions_clean(database, log)


async def test_by_age_nobody_is_forgotten_of_whom_something_new_cannot_be_read_yet(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*posts(), *acts(PERSON))
    for person in (PERSON, OTHER):
        await log.js.publish(f"cta.clicked.{person}", b'{"type": "of a newer release"}')
    now = (await log.envelopes())[-1].time
    async with following():
        await caught_up()
        done = await order(database, log, older_than=timedelta(hours=1), now=now)
        assert done == Forgotten(people=0, acts=0, erased=0)
        waiting = (await commands.listing(database.dsn)).messages
        assert len(waiting) == 2

        done = await order(
            database, log, older_than=timedelta(hours=1), now=now + timedelta(hours=2)
        )
        assert done.people == 2
        await caught_up()
        assert not (await commands.listing(database.dsn)).messages


@pytest.mark.timeout(300)
async def test_what_a_person_does_meanwhile_counts_once_and_is_forgotten_next_time(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    await log.say(*posts(), *acts(PERSON))
    said, over = 0, asyncio.Event()

    async def taps() -> None:
        nonlocal said
        while not over.is_set():
            said += 1
            await log.say(example(CtaClicked, source_id=f"live {said}", user_id=PERSON))
            await asyncio.sleep(0.02)  # each is erased by a request of its own

    async with following():
        await caught_up()
        async with asyncio.TaskGroup() as living:
            living.create_task(taps())
            for _ in range(5):
                await order(database, log, PERSON)
            over.set()
        await caught_up()
        assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 5 + said > 20
        assert await versions_clean(database, log)
        before = await totals(database)
        await order(database, log, PERSON)
        assert await totals(database) == before
        assert await traces(database, tmp_path, PERSON) == []
        rebuilt = await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )
        assert rebuilt.equal
        assert await totals(database) == before
