"""The whole of Fingerpost, each service with no more rights than `deploy/` gives it."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from analytics.analysts import admit_analysts
from analytics.store import Store
from analytics.versions import Versions
from contracts.events import CtaClicked, MessageSent
from harness.commands import run_command
from harness.logs import Log, open_log
from harness.secured import SecuredNats
from harness.secured_stack import ANALYST, ANALYTICS, dsn_of, make_roles, secured_stack
from harness.waiting import until
from sandbox.client import Sandbox
from stack.demo import CAMPAIGNS
from stack.local import SERVICES, LocalStack
from stack.people import Audience
from stack.report import settled_table

READING_SECONDS = 8
CAMPAIGN = "trading-guides"


@pytest_asyncio.fixture
async def secured(
    tmp_path: Path, postgres_dsn: str
) -> AsyncIterator[tuple[LocalStack, SecuredNats]]:
    async with secured_stack(tmp_path, postgres_dsn, every="4s") as stack:
        yield stack


@pytest.mark.timeout(240)
async def test_a_post_a_tap_and_its_row_need_no_more_than_each_services_own_rights(
    secured: tuple[LocalStack, SecuredNats],
) -> None:
    stack, nats = secured
    async with Sandbox(stack.urls["sandbox"]) as sandbox, open_log(stack.nats_url) as log:
        audience = Audience(sandbox, CAMPAIGNS, seed=7)
        while not any(deeds.clickers for deeds in audience.tally.deeds.values()):
            await audience.read(READING_SECONDS)
        await stack.services["scheduler"].stop()
        table = await settled_table(stack.postgres_dsn, audience.differences, 60)

        assert await audience.differences(table) == []
        assert await log.events(MessageSent)
        await commands_work(stack, nats, log)
    said = {name: stack.services[name].tail(100_000) for name in SERVICES}

    for name, text in said.items():
        assert "permissions violation" not in text.lower(), name
        assert "have no role of their own" not in text


async def commands_work(stack: LocalStack, nats: SecuredNats, log: Log) -> None:
    """What operators run has the rights of its service; to forget, those of its own user."""
    taps = await log.events(CtaClicked)
    person = next(tap.user_id for tap in taps if tap.user_id)
    told = partial(command, stack, nats)

    assert (await told("scheduler", "scheduler", "list"))["campaigns"]
    assert await told("scheduler", "scheduler", "describe", CAMPAIGN)
    await told("scheduler", "scheduler", "pause", CAMPAIGN)
    await told("sender", "sender", "uncertain", "list")
    await told("sender", "sender", "channels", "list")
    await told("analytics", "analytics", "status")
    await told("analytics", "analytics", "verify")
    await told("analytics", "analytics", "rebuild")
    await told("forget", "analytics", "forget", str(person))
    await until(partial(log.events, CtaClicked), lambda now: person not in {t.user_id for t in now})
    await told("analytics", "analytics", "verify")


async def command(
    stack: LocalStack, nats: SecuredNats, user: str, service: str, *words: str
) -> Any:
    dsn = dsn_of(ANALYTICS, stack.postgres_dsn)
    environment = {**nats.environment(user), "POSTGRES_DSN": dsn}
    ended = await run_command(service, *words, "--json", environment=environment)
    assert ended.status == 0, (words, ended)
    assert "ermissions" not in ended.err, words
    return ended.document


REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidSchemaNameError,  # it may not look for one
)
REFUSED_TO_ANALYTICS = (
    "CREATE ROLE intruder",
    "CREATE DATABASE more",
    "ALTER ROLE fingerpost_analyst SUPERUSER",
    "SET ROLE fingerpost",
    "SELECT rolpassword FROM pg_authid",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "CREATE EXTENSION dblink",
    "CREATE TABLE public.anything (id int)",
)
REFUSED_TO_ANALYSTS = (
    *REFUSED_TO_ANALYTICS,
    "CREATE SCHEMA more",
    "CREATE TEMPORARY TABLE aside (id int)",
    "DELETE FROM fingerpost.clicks",
    "UPDATE fingerpost.deliveries SET state = 'sent'",
    "SELECT * FROM fingerpost_v1.clicks",
    "DROP SCHEMA fingerpost CASCADE",
)


@pytest.mark.parametrize(
    ("role", "statements"), [(ANALYTICS, REFUSED_TO_ANALYTICS), (ANALYST, REFUSED_TO_ANALYSTS)]
)
async def test_a_role_of_the_database_may_do_what_it_needs(
    role: str, statements: tuple[str, ...], postgres_dsn: str
) -> None:
    await make_roles(postgres_dsn)
    await make_roles(postgres_dsn)  # it may be repeated
    await tables_there(postgres_dsn)
    connection = await asyncpg.connect(dsn_of(role, postgres_dsn))
    # What keeps analysts from writing are rights: the default of their sessions they may change.
    await connection.execute("SET default_transaction_read_only = off")
    let_through = []
    try:
        for statement in statements:
            try:
                await connection.execute(statement)
            except REFUSED:
                continue
            let_through.append(statement)
        assert await connection.fetch("SELECT * FROM fingerpost.clicks") == []
    finally:
        await connection.close()

    assert let_through == []


async def tables_there(dsn: str) -> None:
    """Make the tables as the service does, by its own role."""
    async with Store.open(dsn_of(ANALYTICS, dsn), 1) as store:
        await Versions(store.connection).begin(1)
        await admit_analysts(store.connection)
