"""Makes the invite links that people are led to, and records who became a member by them.

A link is made when the first person asks for it. It is given to nobody before the log has it, and
the log takes one for each campaign and channel: of replicas that make one at once the others take
theirs back.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.clock import Clock
from chassis.log import LogUnavailableError, Publisher, Reader
from chassis.logs import logger
from clicks.domain.calls import Bot
from clicks.domain.decisions import Decision
from clicks.domain.joins import Door, door, letting_in, record_join
from clicks.domain.updates import Join, JoinRequest
from clicks.journal import PATIENCE, Journal
from clicks.metrics import INVITES
from clicks.telegram import Telegram, TelegramError
from contracts.campaign import JoinCta
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import Due, InviteLinkCreated
from contracts.subjects import invite_by

_PAUSE = timedelta(seconds=10)
"""How long after a refusal Telegram is not asked again for the same link."""
_GIVE_UP = timedelta(seconds=100)
"""How long a request to join is tried: where updates are polled, taps wait behind it, and Telegram
forgets a tap after 150 s."""
_CALL_SECONDS = 5.0
_LONGEST_WAIT = 30.0
_REMEDY = (
    "make the bot an administrator of the chat that may invite users"
    " (can_invite_users), and check the chat of the join button"
)
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)
_FIRST_SERVER_ERROR = 500

log = logger(__name__)


class NoInviteError(Exception):
    """There is no link to be had now; `lasting`: not before somebody changes something."""

    def __init__(self, problem: str, *, lasting: bool) -> None:
        super().__init__(problem)
        self.lasting = lasting


@dataclass(frozen=True)
class _Refusal:
    until: datetime
    error: NoInviteError


class Joins:
    """Makes and finds nothing until the log is there (`open`) and the bot is known (`meet`)."""

    def __init__(self, telegram: Telegram, journal: Journal, clock: Clock) -> None:
        self._telegram = telegram
        self._journal = journal
        self._clock = clock
        self._log: tuple[Publisher, Reader] | None = None
        self._bot: Bot | None = None
        self._links: dict[Door, str] = {}
        self._made: dict[Door, InviteLinkCreated] = {}
        self._refusals: dict[Door, _Refusal] = {}
        self._at_work: defaultdict[Door, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._invites: dict[str, Envelope] = {}
        self._tried: dict[int, datetime] = {}

    def open(self, publisher: Publisher, reader: Reader) -> None:
        """Use this log from now on."""
        self._log = publisher, reader

    def meet(self, bot: Bot) -> None:
        """Make links as this bot from now on."""
        self._bot = bot

    async def link(self, plan: Due, cta: JoinCta) -> str:
        """Return the invite link that belongs to `cta` of `plan`.

        Raises NoInviteError, or LogUnavailableError.
        """
        if self._bot is None:
            raise LogUnavailableError("Telegram did not say yet who the bot is")
        wanted = door(plan, cta, self._bot.id)
        if known := self._links.get(wanted):
            return known
        async with self._at_work[wanted]:
            if wanted not in self._links:
                found = await self._newest(wanted.recorded(self._clock()))
                invite = found.data if found else None
                if not isinstance(invite, InviteLinkCreated):
                    invite = await self._make(wanted)
                self._links[wanted] = invite.link
            return self._links[wanted]

    async def joined(self, join: Join) -> Decision:
        """Record a join by one of our links; raises LogUnavailableError."""
        found = await self._invite_by(join.link)
        if found is None or not isinstance(found.data, InviteLinkCreated):
            return Decision()
        decision = record_join(join, found.data, self._clock())
        if decision.event:
            await self._journal.record(decision.event, found)
        return decision

    async def asked(self, request: JoinRequest) -> Decision:
        """Let in who asks by one of our links.

        Raises LogUnavailableError where the log or Telegram does not answer: to be asked again.
        """
        found = await self._invite_by(request.link)
        invite = found.data if found else None
        if isinstance(invite, InviteLinkCreated) and invite.by_request:
            await self._let_in(request, invite.chat)
        return Decision()

    async def _let_in(self, request: JoinRequest, chat: str) -> None:
        call = letting_in(request)
        try:
            await self._telegram.call(call.method, call.parameters)
        except TelegramError as error:
            if _may_pass(error) and not self._was_tried_enough(request):
                await asyncio.sleep(min(error.retry_after or 0, _LONGEST_WAIT))
                raise LogUnavailableError(f"a person was not let in yet: {error}") from error
            INVITES.labels("request", "refused").inc()
            # They may have taken back their request, or somebody else may have let them in.
            log.warning("not let in", chat=chat, problem=str(error), remedy=_REMEDY)
        else:
            INVITES.labels("request", "approved").inc()
        self._tried.pop(request.id, None)

    def _was_tried_enough(self, request: JoinRequest) -> bool:
        """Tell when to give up: one request must not hold up all that is polled after it."""
        now = self._clock()
        return now - self._tried.setdefault(request.id, now) > _GIVE_UP

    async def _make(self, wanted: Door) -> InviteLinkCreated:
        publisher, _ = self._open_log()
        made = self._made.get(wanted) or await self._created(wanted)
        # Until the log has answered, it may have the link: it is offered again, never taken back.
        self._made[wanted] = made
        if await publisher.publish_once(made, over=made.once_over, patience=PATIENCE):
            log.info("invite link made", campaign=wanted.campaign, channel=wanted.channel)
            winner = made
        else:
            winner = await self._winner(wanted)
        del self._made[wanted]
        if winner.link != made.link:
            await self._telegram.answer(wanted.closing(made.link))
        return winner

    async def _created(self, wanted: Door) -> InviteLinkCreated:
        refusal = self._refusals.get(wanted)
        if refusal and self._clock() < refusal.until:
            raise refusal.error
        call = wanted.opening()
        try:
            said = await self._telegram.call(call.method, call.parameters, seconds=_CALL_SECONDS)
        except TelegramError as error:
            raise self._refused(wanted, error) from error
        match said:
            case {"invite_link": str(link)}:
                INVITES.labels("link", "made").inc()
                return wanted.created(link, self._clock())
        raise self._refused(wanted, TelegramError(f"{call.method}: the answer names no link"))

    def _refused(self, wanted: Door, error: TelegramError) -> NoInviteError:
        """Remember that there is no link for now: clicks must not become calls meanwhile."""
        INVITES.labels("link", "refused").inc()
        lasting = not _may_pass(error)
        remedy = _REMEDY if lasting else "Telegram is asked again soon"
        problem = error.explanation()
        log.warning("no invite link", chat=wanted.chat, problem=problem, remedy=remedy)
        pause = max(_PAUSE, timedelta(seconds=error.retry_after or 0))
        refusal = _Refusal(self._clock() + pause, NoInviteError(problem, lasting=lasting))
        self._refusals[wanted] = refusal
        return refusal.error

    async def _winner(self, wanted: Door) -> InviteLinkCreated:
        found = await self._newest(wanted.recorded(self._clock()))
        if found is None or not isinstance(found.data, InviteLinkCreated):
            raise LogUnavailableError("the invite link was not read back")
        return found.data

    async def _invite_by(self, link: str) -> Envelope | None:
        found = self._invites.get(link) or await self._newest(invite_by(link))
        if found:
            self._invites[link] = found
        return found

    async def _newest(self, subject: str) -> Envelope | None:
        _, reader = self._open_log()
        try:
            async with asyncio.timeout(PATIENCE):
                entry = await reader.last(subject)
        except UnreadableEventError as error:
            # One line says it all: a traceback would add nothing.
            log.error("an invite link cannot be read", subject=subject, problem=str(error))  # noqa: TRY400
            return None
        except _AWAY as error:
            raise LogUnavailableError(f"no invite link was read: {error!r}") from error
        return entry.envelope if entry else None

    def _open_log(self) -> tuple[Publisher, Reader]:
        if self._log is None:
            raise LogUnavailableError("the log is not there yet")
        return self._log


def _may_pass(error: TelegramError) -> bool:
    """Tell trouble that passes by itself from a refusal."""
    status = error.status
    return status is None or status >= _FIRST_SERVER_ERROR or error.retry_after is not None
