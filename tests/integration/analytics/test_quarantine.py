"""What was set aside by a release that could not read it, and is folded by one that can."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analytics import quarantine
from analytics.console import commands, report
from analytics.domain.messages import Decoded, Message, decode
from analytics.store import Store
from contracts.events import (
    CampaignDefined,
    CampaignRetired,
    CtaClicked,
    Event,
    MessageSent,
    PromoDue,
)
from contracts.examples import example
from harness.histories import every_event, plan
from harness.logs import Log
from harness.plain_fold import tables_of

from .conftest import CaughtUp, Database, Following, comparable


@contextmanager
def blind_to(kinds: tuple[type[Event], ...], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the projector an older release, which does not know `kinds`."""

    def older(message: Message) -> Decoded:
        decoded = decode(message)
        if decoded.event and isinstance(decoded.event.data, kinds):
            return decoded._replace(event=None, problem="type is unknown")
        return decoded

    with patch.context() as patched:
        patched.setattr("analytics.folding.decode", older)
        yield


async def expected(log: Log) -> dict[str, object]:
    found = tables_of(await log.numbered())
    return {name: comparable(name, rows) for name, rows in found.items()}


@pytest.mark.parametrize("kinds", [(PromoDue, MessageSent), (CampaignRetired,), (CtaClicked,)])
async def test_a_retry_gives_the_tables_that_the_log_s_order_would_have_given(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
    kinds: tuple[type[Event], ...],
) -> None:
    with blind_to(kinds, monkeypatch):
        await log.say(*every_event())
        async with following():
            await caught_up()
    # Later than what waits, and with the same id: the one that waits is the first.
    tap = next(e for e in await log.envelopes() if isinstance(e.data, CtaClicked))
    later = tap.model_copy(update={"data": tap.data.model_copy(update={"rule": 99})})
    await log.js.publish(later.subject, later.document())
    async with following():
        await caught_up()
    assert await database.tables() != await expected(log)

    retried = await commands.retry(database.dsn, log.connection, [])

    assert [one.reason for one in retried.messages if not one.folded] == []
    assert len(retried.messages) >= len(kinds)
    assert await database.tables() == await expected(log)
    assert await database.value("SELECT quarantined FROM fingerpost.projection_status") == 0
    assert (await commands.verify(database.dsn, log.connection, None, lambda _, __: None)).clean


async def test_a_retry_leaves_out_of_a_story_what_still_waits(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with blind_to((PromoDue, MessageSent), monkeypatch):
        await log.say(*every_event())
        async with following():
            await caught_up()
    said = {type(e.event.data): e.sequence for e in await log.numbered()}

    await commands.retry(database.dsn, log.connection, [said[MessageSent]])

    aside = {held.sequence for held in (await commands.listing(database.dsn)).messages}
    assert said[PromoDue] in aside
    assert said[MessageSent] not in aside
    left = tables_of([one for one in await log.numbered() if one.sequence not in aside])
    assert await database.tables() == {name: comparable(name, left[name]) for name in left}


async def test_a_definition_that_would_tell_other_days_is_refused_with_a_remedy(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with blind_to((CampaignDefined,), monkeypatch):
        await log.say(*every_event())
        async with following():
            await caught_up()

    retried = await commands.retry(database.dsn, log.connection, [])

    refused = [one for one in retried.messages if not one.folded]
    assert {word for one in refused for word in one.reason.split()} >= {"guides,", "promos,"}
    assert {one.remedy for one in refused} == {
        "fold the whole log anew: python -m analytics rebuild --accept-differences"
    }
    assert "not folded: it sets the zone of promos" in report.text(retried)
    await commands.rebuild(
        database.dsn, log.connection, swap=True, accept_differences=True, tell=lambda _: None
    )
    assert await database.tables() == await expected(log)


async def test_what_cannot_be_read_still_waits_until_it_is_given_up(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.js.publish("cta.clicked.1", b"nonsense")
    await log.say(example(CtaClicked, source_id="too big", user_id=2**70))
    async with following():
        await caught_up()

    retried = await commands.retry(database.dsn, log.connection, [])

    assert [one.folded for one in retried.messages] == [False, False]
    assert "Invalid JSON" in retried.messages[0].reason
    assert "int64" in retried.messages[1].reason
    held = await commands.listing(database.dsn)
    assert [(one.sequence, one.dropped_at) for one in held.messages] == [(1, None), (2, None)]
    assert (await commands.give_up(database.dsn, [1, 2])).sequences == (1, 2)
    assert (await commands.give_up(database.dsn, [1])).sequences == ()
    assert (await commands.retry(database.dsn, log.connection, [])).messages == ()
    assert await database.value("SELECT quarantined FROM fingerpost.projection_status") == 0
    assert (await commands.verify(database.dsn, log.connection, None, lambda _, __: None)).clean


async def test_what_was_given_up_is_given_up_in_the_next_version_too(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.js.publish("cta.clicked.1", b"nonsense")
    await log.js.publish("cta.clicked.1", b"more of it")
    async with following():
        await caught_up()
    await commands.give_up(database.dsn, [1])

    rebuilt = await commands.rebuild(
        database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
    )

    assert rebuilt.built.version == 2
    held = await commands.listing(database.dsn)
    assert [(one.sequence, one.dropped_at is None) for one in held.messages] == [
        (1, False),
        (2, True),
    ]
    assert await database.value("SELECT quarantined FROM fingerpost.projection_status") == 1


async def test_whoever_is_about_to_act_on_a_version_that_was_replaced_is_told_to_repeat(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.js.publish("cta.clicked.1", b"nonsense")
    async with following():
        await caught_up()
    await commands.rebuild(
        database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
    )

    async with Store.open(database.dsn, 1) as store:
        assert await quarantine.drop(store.connection, 1, [1]) == []
        (retried,) = await quarantine.Retry(store, log.connection.reader).run([1])

    assert (retried.folded, retried.remedy) == (False, "repeat it")


async def test_verify_tells_of_a_message_that_neither_counts_nor_waits(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(example(CampaignDefined, definition=plan("guides")))
    await log.js.publish("cta.clicked.1", b"nonsense")
    async with following():
        await caught_up()
    await database.fetch("DELETE FROM fingerpost_v1.quarantine")

    found = await commands.verify(database.dsn, log.connection, None, lambda _, __: None)

    assert [one.table for one in found.tables if one.differences] == ["quarantine"]
