"""Whatever happens to the projector, in whatever order: the tables are a plain fold of the log."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from analytics.console import commands
from analytics.domain.messages import Decoded, Message, decode
from analytics.feed import Feed
from analytics.projector import Projector
from analytics.store import Store
from analytics.versions import Versions
from contracts.envelope import Envelope
from contracts.events import (
    CampaignDefined,
    CtaClicked,
    Event,
    GuideDue,
    MessageClaimed,
    MessageSent,
    PromoDue,
)
from contracts.examples import example
from harness import servers
from harness.histories import histories
from harness.logs import Log, open_log
from harness.plain_fold import tables_of
from harness.waiting import until

from .conftest import Database, comparable, running

UNKNOWN = (CampaignDefined, CtaClicked, GuideDue, MessageClaimed, MessageSent, PromoDue)


class Crash(BaseException):
    """The process ends here."""


class Tables(RuleBasedStateMachine):
    """One log, one database; the projector runs only where a rule runs it."""

    server: str
    """DSN of the Postgres server, set by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.patch = pytest.MonkeyPatch()
        self.waits = False

    def do(self, step: Coroutine[Any, Any, None]) -> None:
        self.runner.run(step)

    @initialize()
    def begin(self) -> None:
        self.do(self._begin())

    async def _begin(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        url = await self.stack.enter_async_context(servers.nats_url(folder))
        dsn = await self.stack.enter_async_context(servers.database(self.server))
        self.log: Log = await self.stack.enter_async_context(open_log(url))
        self.database = Database(dsn)
        await self._follow()

    @rule(history=histories(12))
    def publish(self, history: list[Envelope]) -> None:
        """Say events in any order, some of them said before."""
        self.do(self._publish([envelope.data for envelope in history]))

    async def _publish(self, events: list[Event]) -> None:
        await self.log.say(*events)
        await self._follow()

    @rule(place=st.integers(0, 1_000))
    def duplicate(self, place: int) -> None:
        """Put into the log again, behind all else, what it holds."""
        self.do(self._duplicate(place))

    async def _duplicate(self, place: int) -> None:
        # Definitions and decisions count by their order: the log never holds one twice.
        said = [e for e in await self.log.envelopes() if "campaign." not in e.id]
        for envelope in said[place % (len(said) + 1) :][:5]:
            await self.log.js.publish(envelope.subject, envelope.document())
        await self._follow()

    @rule(big=st.booleans())
    def spoil(self, big: bool) -> None:
        """Put into the log what nobody can fold."""
        self.do(self._spoil(big))

    async def _spoil(self, big: bool) -> None:
        if big:
            await self.log.say(example(CtaClicked, source_id="big", user_id=2**70))
        else:
            await self.log.js.publish("cta.clicked.1", b"nonsense")
        await self._follow()

    @rule(history=histories(8), committed=st.booleans())
    def crash(self, history: list[Envelope], committed: bool) -> None:
        self.do(self._crash([envelope.data for envelope in history], committed))

    async def _crash(self, events: list[Event], committed: bool) -> None:
        async def end(*_: object) -> None:
            raise Crash

        await self.log.say(*events)
        with self.patch.context() as patched:
            patched.setattr(*((Feed, "acknowledge", end) if committed else (Store, "save", end)))
            with suppress(Crash):
                async with running(Projector(self.database.dsn), self.log.connection) as task:
                    caught_up = asyncio.create_task(self._caught_up())
                    await asyncio.wait({task, caught_up}, return_when=asyncio.FIRST_COMPLETED)
                    caught_up.cancel()
                    await asyncio.wait([caught_up])
        await self._follow()

    @rule(history=histories(12), kind=st.sampled_from(UNKNOWN))
    def quarantine(self, history: list[Envelope], kind: type[Event]) -> None:
        """Fold by an older release, which does not know one kind of event."""
        self.do(self._quarantine([envelope.data for envelope in history], kind))

    async def _quarantine(self, events: list[Event], kind: type[Event]) -> None:
        await self.log.say(*events)
        with blind_to(kind, self.patch):
            await self._follow()

    @rule()
    def retry(self) -> None:
        self.do(self._retry([]))

    @rule(places=st.lists(st.integers(0, 100), min_size=1, max_size=3))
    def retry_some(self, places: list[int]) -> None:
        """Leave the rest of a story in quarantine."""
        self.do(self._some(places, self._retry))

    @rule(places=st.lists(st.integers(0, 100), min_size=1, max_size=3))
    def give_up(self, places: list[int]) -> None:
        self.do(self._some(places, self._give_up))

    async def _some(self, places: list[int], act: Callable[[list[int]], Awaitable[None]]) -> None:
        if held := (await commands.listing(self.database.dsn)).messages:
            await act([held[place % len(held)].sequence for place in places])

    async def _retry(self, sequences: list[int]) -> None:
        await commands.retry(self.database.dsn, self.log.connection, sequences)

    async def _give_up(self, sequences: list[int]) -> None:
        await commands.give_up(self.database.dsn, sequences)

    @rule()
    def rebuild(self) -> None:
        """Build the tables anew: what waits in quarantine may be readable now."""
        self.do(self._rebuild())

    async def _rebuild(self) -> None:
        held = (await commands.listing(self.database.dsn)).messages
        rebuilt = await commands.rebuild(
            self.database.dsn,
            self.log.connection,
            swap=True,
            accept_differences=bool(held),
            tell=lambda _: None,
        )
        assert rebuilt.built.shown
        await self._follow()

    @rule()
    def upgrade(self) -> None:
        """Start a release for which the live version is another's."""
        self.do(self._upgrade())

    async def _upgrade(self) -> None:
        live = await self.database.value("SELECT version FROM fingerpost.projection_status")
        comment = f"COMMENT ON SCHEMA fingerpost_v{live} IS 'fold 1, tables of old'"
        await self.database.fetch(comment)
        await self._follow()
        now = await self.database.value("SELECT version FROM fingerpost.projection_status")
        assert now > live

    async def _follow(self) -> None:
        async with running(Projector(self.database.dsn), self.log.connection):
            await self._caught_up()

    async def _caught_up(self) -> None:
        last = (await self.log.js.stream_info("EVENTS")).state.last_seq

        async def settled() -> bool:
            connection = [v for v in await self._versions() if v.live and v.ours]
            return bool(connection) and connection[0].checkpoint == last

        await until(settled, bool, seconds=40)

    async def _versions(self) -> list[Any]:
        async with Store.open(self.database.dsn, 1) as store:
            return list(await Versions(store.connection).all())

    @invariant()
    def the_tables_are_the_log(self) -> None:
        if hasattr(self, "database"):
            self.do(self._compare())

    async def _compare(self) -> None:
        held = await commands.listing(self.database.dsn)
        aside = {one.sequence for one in held.messages}
        counted = [e for e in await self.log.numbered() if e.sequence not in aside]
        expected = {name: comparable(name, rows) for name, rows in tables_of(counted).items()}
        assert await self.database.tables() == expected

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()


@contextmanager
def blind_to(kind: type[Event], patch: pytest.MonkeyPatch) -> Iterator[None]:
    def older(message: Message) -> Decoded:
        decoded = decode(message)
        if decoded.event and isinstance(decoded.event.data, kind):
            return decoded._replace(event=None, problem="type is unknown")
        return decoded

    with patch.context() as patched:
        patched.setattr("analytics.folding.decode", older)
        yield


@pytest.mark.timeout(600)
def test_whatever_happens_the_tables_are_a_plain_fold_of_the_log(postgres_server: str) -> None:
    Tables.server = postgres_server
    run = settings(
        max_examples=4,
        stateful_step_count=10,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Tables, settings=run)
