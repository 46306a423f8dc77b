"""The message below an album that was found by looking: looked for too, and posted if it is absent.

Nothing in the log says that somebody is about to post it. So it is posted only by who saw it absent
twice, a quarantine apart: by then whoever was at it before, or Telegram's server for them, is done.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from chassis.logs import logger
from contracts.events import Due, MessageClaimed
from contracts.ids import DeliveryId
from sender.domain.content import Content
from sender.domain.looking import Absent, CannotTell, Found
from sender.domain.outcomes import Posted, Refused, Unknown
from sender.limiter import Later, Limiter
from sender.telegram import Telegram
from sender.witness import LookLaterError, Witness

log = logger(__name__)


class FollowUps:
    """The messages below albums of one bot."""

    def __init__(
        self,
        telegram: Telegram,
        limiter: Limiter,
        witness: Witness,
        quarantine: timedelta,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._telegram = telegram
        self._limiter = limiter
        self._witness = witness
        self._quarantine = quarantine.total_seconds()
        self._now = now
        self._absent: dict[DeliveryId, float] = {}

    async def settle(
        self, due: Due, claim: MessageClaimed, content: Content, found: Found, *, expired: bool
    ) -> int | None:
        """Return the id of the message below the album that was `found`, posting it if need be.

        None: there is none to be, or there will be none, which is logged. Raises LookLaterError:
        then the whole is to be done again later, the look for the album included.
        """
        below = content.follow_up
        if below is None:
            return None
        finding = await self._witness.look_below(
            claim,
            self._telegram.place(due.channel),
            found,
            len(content.media),
            protected=content.protect,
        )
        match finding:
            case Found():
                message_id: int | None = finding.message_id
            case Absent() if not expired:
                message_id = await self._post(due, below)
            case Absent():
                message_id = self._give_up(due, "its time is over")
            case CannotTell():
                problem = f"nobody can tell whether it stands: {finding.why}"
                message_id = self._give_up(due, problem)
        self._absent.pop(due.delivery, None)
        return message_id

    async def _post(self, due: Due, below: Content) -> int | None:
        left = self._absent.setdefault(due.delivery, self._now()) + self._quarantine - self._now()
        if left > 0:
            raise LookLaterError(left, "the message below an album may still be under way")
        place = str(self._telegram.place(due.channel))
        turn = await self._limiter.turn(place, due.kind, due.delivery, 1)
        if isinstance(turn, Later):
            raise LookLaterError(turn.seconds, "the message below an album waits for its turn")
        outcome = await turn.send(lambda: self._telegram.post(due.channel, below, paid=turn.paid))
        match outcome:
            case Posted():
                return outcome.message_id
            case Refused(retry_after=timedelta() as pause):
                raise LookLaterError(pause.total_seconds(), outcome.description)
            case Refused():
                return self._give_up(due, outcome.description)
            case Unknown():
                # It may stand by now, or soon: seen absent twice again before another.
                del self._absent[due.delivery]
                raise LookLaterError(self._quarantine, outcome.description)

    def _give_up(self, due: Due, problem: str) -> int | None:
        log.warning("the buttons below an album are missing", channel=due.channel, problem=problem)
        return None
