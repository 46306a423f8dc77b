"""Takes an update or a followed link through: read, verify, look up, decide, record.

What these return may be told to the person: the log has the event. Where the log does not
acknowledge in time they raise LogUnavailableError, and whoever asked is to ask again.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import lru_cache
from secrets import token_urlsafe
from time import perf_counter
from typing import Any, TypeVar

from chassis import tracing
from chassis.clock import Clock
from chassis.log import LogUnavailableError
from chassis.logs import correlated, logger
from clicks.domain.calls import Bot, Call
from clicks.domain.decisions import (
    Decision,
    cta_of,
    decide,
    greet,
    heed,
    plan_of,
    put_off,
    refuse,
    slow_down,
)
from clicks.domain.limits import Limit
from clicks.domain.links import Visit, destination, link_clicked
from clicks.domain.updates import Asked, Checkout, Ignored, Start, Tap, Told, Word, read
from clicks.journal import Journal
from clicks.metrics import HANDLING, REFUSED, updates
from contracts.campaign import JoinCta, LinkCta
from contracts.events import Due
from contracts.token import CtaRef, InvalidTokenError, TokenSigner

_WISHES_A_MINUTE = 10
"""How often a person may say one of the words that must be heard, however much they tapped."""

log = logger(__name__)

A = TypeVar("A")
Handle = Callable[[A], Awaitable[Decision]]
"""Records what there is to record, then returns what to answer; may raise LogUnavailableError."""
Invite = Callable[[Due, JoinCta], Awaitable[str]]
"""Returns an invite link; raises NoInviteError, or LogUnavailableError."""


class Handlers:
    """Answers nobody until the bot is known (`meet`)."""

    def __init__(
        self, signer: TokenSigner, journal: Journal, clock: Clock, *, each: Limit, remembered: int
    ) -> None:
        """Record of each person as much as `each` allows; keep so many tokens."""
        # A message's buttons are tapped again and again. Only what was verified is remembered.
        self._verified = lru_cache(remembered)(signer.verify)
        self._journal = journal
        self._clock = clock
        self._each = each
        self._wishes = Limit(_WISHES_A_MINUTE, timedelta(minutes=1))
        self._bot: Bot | None = None
        self._others: dict[type[Any], Handle[Any]] = {Word: self._heard}
        self._invite: Invite | None = None

    def meet(self, bot: Bot) -> None:
        """Answer as this bot from now on."""
        self._bot = bot

    def hand(self, kind: type[A], handle: Handle[A]) -> None:
        """Leave all that is asked by `kind` to `handle`: what carries no token of a CTA."""
        self._others[kind] = handle

    def invite(self, invite: Invite) -> None:
        """Lead those who follow a JoinCta to where `invite` says."""
        self._invite = invite

    async def update(self, document: object) -> tuple[Call, ...]:
        """Handle the parsed JSON of one update; return what to answer, in order."""
        asked = read(document)
        if isinstance(asked, Ignored):
            _count_ignored(asked)
            return ()
        with _attempt(asked.kind):
            handle: Handle[Any] = self._others.get(type(asked), self._asked)
            if isinstance(asked, Tap | Start | Word):
                decision = await self._limited(asked, handle)
            else:
                decision = await handle(asked)
        _count(asked, decision)
        return decision.calls

    async def link(self, token: str, visit: Visit) -> str | None:
        """Record that a link was followed; return where it leads, None where it is not ours.

        Of a JoinCta the click is recorded also where NoInviteError is raised then.
        """
        try:
            ref = self._verified(token)
        except InvalidTokenError as error:
            _count_no_link(str(error))
            return None
        with _attempt("link"), correlated(ref.delivery), _traced("link", ref):
            due = await self._journal.due(ref.delivery)
            plan, cta = plan_of(due), cta_of(due, ref)
            if plan is None or not isinstance(cta, LinkCta | JoinCta):
                _count_no_link("no link" if cta else "unknown cta" if plan else "unknown delivery")
                return None
            click_id = token_urlsafe(16)
            target = destination(cta, plan, fp_click=click_id) if isinstance(cta, LinkCta) else ""
            if target is None:
                _count_no_link("target names a user")
                return None
            clicked = link_clicked(ref, click_id=click_id, visit=visit, now=self._clock())
            await self._journal.record(clicked, due)
        updates("link", "recorded").inc()
        return await self._invited(plan, cta) if isinstance(cta, JoinCta) else target

    async def _limited(self, asked: Tap | Start | Word, handle: Handle[Any]) -> Decision:
        limit, key = self._limit_of(asked)
        if limit.wait(key, self._clock()):
            return slow_down(asked)
        # Before the log is waited for: any number of the same person may come meanwhile.
        limit.spend(key, self._clock())
        counts = False
        try:
            decision = await handle(asked)
            counts = bool(decision.event) or not all(call.is_answer for call in decision.calls)
            return decision
        finally:
            # What comes again, as the log was away, is not counted twice; a refused tap costs
            # nothing.
            if not counts:
                limit.give_back(key, self._clock())

    def _limit_of(self, asked: Tap | Start | Word) -> tuple[Limit, Hashable]:
        """Return what bounds a request: who taps too often can still stop, and be forgotten."""
        if isinstance(asked, Word) and asked.meaning != "help":
            return self._wishes, (asked.user_id, asked.meaning)
        return self._each, asked.user_id

    async def _asked(self, asked: Asked) -> Decision:
        """Handle what carries the token of a CTA."""
        if isinstance(asked, Start) and not asked.token:
            return greet(asked)
        try:
            ref = self._verified(asked.token)
        except InvalidTokenError as error:
            return refuse(asked, str(error))
        try:
            with correlated(ref.delivery), _traced(asked.kind, ref):
                return await self._believed(asked, ref)
        except LogUnavailableError:
            if isinstance(asked, Checkout):
                return put_off(asked)
            raise

    async def _believed(self, asked: Asked, ref: CtaRef) -> Decision:
        bot, posted = self._known_bot(), await self._journal.posted(ref.delivery)
        due, posted_by = posted or (None, None)
        decision = decide(asked, ref, due, bot, self._clock(), posted_by=posted_by)
        if decision.event:
            await self._journal.record(decision.event, due)
        return decision

    async def _heard(self, word: Word) -> Decision:
        decision = heed(word, self._known_bot(), self._clock())
        if decision.event:
            await self._journal.record(decision.event)
        return decision

    async def _invited(self, plan: Due, cta: JoinCta) -> str:
        if self._invite is None:
            raise LogUnavailableError("nothing makes invite links yet")
        return await self._invite(plan, cta)

    def _known_bot(self) -> Bot:
        if self._bot is None:
            raise LogUnavailableError("Telegram did not say yet who the bot is")
        return self._bot


@contextmanager
def _attempt(kind: str) -> Iterator[None]:
    begun = perf_counter()
    try:
        yield
    except LogUnavailableError:
        updates(kind, "unavailable").inc()
        raise
    finally:
        HANDLING.observe(perf_counter() - begun)


def _traced(kind: str, ref: CtaRef) -> AbstractContextManager[object]:
    return tracing.span(f"answer {kind}", kind="server", correlation=ref.delivery)


def _count(asked: Asked | Told, decision: Decision) -> None:
    if decision.refused:
        _refused(asked.kind, decision.refused, asked.id)
    outcome = "refused" if decision.refused else "recorded" if decision.event else "answered"
    updates(asked.kind, outcome).inc()


def _count_ignored(ignored: Ignored) -> None:
    updates(ignored.kind, "ignored").inc()
    if ignored.problem:
        _refused(ignored.kind, ignored.problem, ignored.id)


def _count_no_link(reason: str) -> None:
    updates("link", "refused").inc()
    _refused("link", reason)


def _refused(kind: str, reason: str, source_id: str | int | None = None) -> None:
    REFUSED.labels(reason.replace(" ", "_")).inc()
    log.info("refused", kind=kind, reason=reason, source_id=source_id)
