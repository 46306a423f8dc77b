"""Takes an update or a followed link through: read, verify, look up, decide, record.

What these return may be told to the person: the log has the event. Where the log does not
acknowledge in time they raise LogUnavailableError, and whoever asked is to ask again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from secrets import token_urlsafe

from chassis.clock import Clock
from chassis.log import LogUnavailableError, Publisher, handling
from chassis.logs import logger
from clicks.catalogue import Catalogue
from clicks.domain import membership
from clicks.domain.calls import Bot, Call
from clicks.domain.decisions import Decision, cta_of, decide, greet, refuse
from clicks.domain.links import judge, link_clicked
from clicks.domain.membership import Admitted, admission
from clicks.domain.updates import Asked, Ignored, Start, read
from clicks.metrics import HANDLING, REFUSED, UPDATES
from contracts.campaign import LinkCta
from contracts.envelope import Envelope
from contracts.events import ConversionRecorded, Event
from contracts.subjects import channel_of
from contracts.token import CtaRef, InvalidTokenError, TokenSigner

PATIENCE = 2.0
"""Seconds that the log has to acknowledge, and to find a due event: people wait meanwhile."""

log = logger(__name__)


class Handlers:
    """Handles nothing until the log is there (`open`) and the bot is known (`meet`)."""

    def __init__(self, signer: TokenSigner, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        self._log: tuple[Publisher, Catalogue] | None = None
        self._bot: Bot | None = None

    def open(self, publisher: Publisher, catalogue: Catalogue) -> None:
        """Record in this log from now on."""
        self._log = publisher, catalogue

    def meet(self, bot: Bot) -> None:
        """Answer as this bot from now on."""
        self._bot = bot

    async def update(self, document: object) -> tuple[Call, ...]:
        """Handle the parsed JSON of one update; return what to answer, in order."""
        if admitted := admission(document):
            await self._admit(admitted)
            return ()
        asked = read(document)
        if isinstance(asked, Ignored):
            _count_ignored(asked)
            return ()
        with _attempt(asked.kind):
            decision, due = await self._decided(asked)
            if decision.event:
                await self._record(decision.event, due)
        _count(asked, decision)
        return decision.calls

    async def link(self, token: str, *, method: str, user_agent: str) -> str | None:
        """Record that a link was followed; return where it leads, None where it is not ours."""
        try:
            ref = self._signer.verify(token)
        except InvalidTokenError as error:
            _count_no_link(str(error))
            return None
        with _attempt("link"):
            due = await self._due(ref)
            cta = cta_of(due, ref)
            if not isinstance(cta, LinkCta):
                _count_no_link("no link" if cta else "unknown delivery")
                return None
            verdict, click_id = judge(method, user_agent), token_urlsafe(16)
            clicked = link_clicked(ref, click_id=click_id, verdict=verdict, now=self._clock())
            await self._record(clicked, due)
        UPDATES.labels("link", "recorded").inc()
        return cta.target

    async def _decided(self, asked: Asked) -> tuple[Decision, Envelope | None]:
        if isinstance(asked, Start) and not asked.token:
            return greet(asked), None
        try:
            ref = self._signer.verify(asked.token)
        except InvalidTokenError as error:
            return refuse(asked, str(error)), None
        if self._bot is None:
            raise LogUnavailableError("Telegram did not say yet who the bot is")
        due = await self._due(ref)
        return decide(asked, ref, cta_of(due, ref), self._bot, self._clock()), due

    async def _admit(self, admitted: Admitted) -> None:
        """Enable a channel again that was disabled, by each of its names; of others say nothing."""
        with _attempt(membership.KIND):
            enabled = [await self._enable(admitted, name) for name in admitted.names]
        UPDATES.labels(membership.KIND, "recorded" if any(enabled) else "ignored").inc()

    async def _enable(self, admitted: Admitted, name: str) -> bool:
        publisher, catalogue = self._open_log()
        last = await catalogue.last_word(name, admitted.bot_id)
        word = last.envelope.data if last else None
        event = membership.enable(admitted, name, word, self._clock())
        if last is None or event is None:
            return False
        over = channel_of(name, admitted.bot_id)
        with handling(last.envelope):
            await publisher.publish_once(event, over=over, after=last.sequence, patience=PATIENCE)
        return True

    async def _due(self, ref: CtaRef) -> Envelope | None:
        _, catalogue = self._open_log()
        return await catalogue.due(ref.delivery)

    async def _record(self, event: Event, due: Envelope | None) -> None:
        """Record what a person did; it is caused by what was due, and belongs to its story."""
        publisher, _ = self._open_log()
        with handling(due) if due else nullcontext():
            if isinstance(event, ConversionRecorded):
                # Money counts once as long as the log is kept, not only in the duplicate window.
                await publisher.publish_once(event, over=event.once_over, patience=PATIENCE)
            else:
                await publisher.publish(event, patience=PATIENCE)

    def _open_log(self) -> tuple[Publisher, Catalogue]:
        if self._log is None:
            raise LogUnavailableError("the log is not there yet")
        return self._log


@contextmanager
def _attempt(kind: str) -> Iterator[None]:
    with HANDLING.time():
        try:
            yield
        except LogUnavailableError:
            UPDATES.labels(kind, "unavailable").inc()
            raise


def _count(asked: Asked, decision: Decision) -> None:
    if decision.refused:
        _refused(asked.kind, decision.refused, asked.id)
    outcome = "refused" if decision.refused else "recorded" if decision.event else "answered"
    UPDATES.labels(asked.kind, outcome).inc()


def _count_ignored(ignored: Ignored) -> None:
    UPDATES.labels(ignored.kind, "ignored").inc()
    if ignored.problem:
        _refused(ignored.kind, ignored.problem, ignored.id)


def _count_no_link(reason: str) -> None:
    UPDATES.labels("link", "refused").inc()
    _refused("link", reason)


def _refused(kind: str, reason: str, source_id: str | int | None = None) -> None:
    REFUSED.labels(reason.replace(" ", "_")).inc()
    log.info("refused", kind=kind, reason=reason, source_id=source_id)
