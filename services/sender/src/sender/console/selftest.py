"""Proves on a live bot that a lost message is found: posts one, forgets it, looks for it."""

from datetime import timedelta
from typing import Any

from aiogram.exceptions import AiogramError

from chassis.clock import Clock
from contracts.campaign import Variant
from contracts.events import MessageClaimed
from contracts.ids import DeliveryId, delivery_id
from sender.console.answers import Step, Tested
from sender.console.rights import rights, told
from sender.domain.content import ButtonMaker
from sender.domain.looking import Absent, CannotTell, Finding, Found, Trail
from sender.domain.outcomes import Outcome, Posted
from sender.telegram import Telegram
from sender.witness import LookLaterError, Witness

_CAMPAIGN = "fingerpost-selftest"
_TEXT = "Fingerpost tests itself here; this message will be gone in a moment."
_PROVED = (
    "Proved with this bot, channel and audit chat: a message whose answer was lost is found again"
    " by its invisible mark, and a message that was never posted is known to be absent. So a lost"
    " answer leads neither to a second post nor to a missing one. Proved as well, by doing it: the"
    " bot posts there and deletes what it posted. What else it may do is what Telegram says of it,"
    " and was not tried."
)
_NOT_PROVED = (
    "Not proved: while this fails, a lost answer is uncertain and the campaign's policy decides."
)


class SelfTest:
    """One run in one channel."""

    def __init__(
        self,
        telegram: Telegram,
        witness: Witness,
        buttons: ButtonMaker,
        clock: Clock,
        channel: str,
    ) -> None:
        self._telegram = telegram
        self._witness = witness
        self._buttons = buttons
        self._clock = clock
        self._channel = channel
        self._steps: list[Step] = []
        self._posted: list[int] = []

    async def run(self) -> Tested:
        """Run it, and leave nothing behind."""
        try:
            await self._prove()
        finally:
            await self._clean_up()
        passed = all(step.good for step in self._steps)
        return Tested(tuple(self._steps), passed, _PROVED if passed else _NOT_PROVED)

    async def _prove(self) -> None:
        await self._ask_rights()
        now = self._clock()
        ids = [
            delivery_id(_CAMPAIGN, self._channel, now + timedelta(microseconds=place))
            for place in range(3)
        ]
        before = await self._post("post a message to look on from", ids[0])
        forgotten = await self._post("post a message, and forget its id", ids[1]) if before else 0
        if not before or not forgotten:
            return
        found = await self._look(self._claim(ids[1], before))
        right = isinstance(found, Found) and found.message_id == forgotten
        self._note("find the forgotten message", found, good=right)
        absent = await self._look(self._claim(ids[2], before))
        self._note(
            "see that one that was never posted is not there",
            absent,
            good=isinstance(absent, Absent),
        )

    async def _ask_rights(self) -> None:
        what = "ask what the bot may do there"
        bot, place = self._telegram.bot, self._telegram.place(self._channel)
        try:
            found = rights(await bot.get_chat(place), await bot.get_chat_member(place, bot.id))
        except AiogramError as error:
            self._steps.append(Step(what, good=False, detail=self._telegram.explain(error)))
        else:
            self._steps.append(Step(what, good=found["post"], detail=told(found)))

    def _claim(self, delivery: DeliveryId, before: int) -> MessageClaimed:
        fields: dict[str, Any] = {
            "delivery": delivery,
            "campaign": _CAMPAIGN,
            "channel": self._channel,
            "variant": "selftest",
            "kind": "guide",
        }
        return MessageClaimed(
            **fields,
            attempt=1,
            claimant="selftest",
            claimed_at=self._clock(),
            bot_id=0,
            mark=self._content(delivery).mark,
            last_known_message_id=before,
        )

    def _content(self, delivery: DeliveryId) -> Any:
        return self._buttons.content(Variant(id="selftest", text=_TEXT, silent=True), delivery)

    async def _post(self, what: str, delivery: DeliveryId) -> int:
        outcome: Outcome = await self._telegram.post(self._channel, self._content(delivery))
        if isinstance(outcome, Posted):
            self._posted.append(outcome.message_id)
            self._steps.append(Step(what, good=True, detail=f"message {outcome.message_id}"))
            return outcome.message_id
        self._steps.append(Step(what, good=False, detail=outcome.description))
        return 0

    async def _look(self, claim: MessageClaimed) -> Finding:
        async def trail() -> Trail:
            return Trail(claim.last_known_message_id)

        try:
            return await self._witness.look(claim, self._telegram.place(self._channel), trail)
        except LookLaterError as error:
            return CannotTell(str(error))

    def _note(self, what: str, finding: Finding, *, good: bool) -> None:
        match finding:
            case Found():
                detail = f"found as message {finding.message_id}"
            case Absent():
                detail = "not in the channel"
            case CannotTell():
                detail = f"nobody can tell: {finding.why}"
        self._steps.append(Step(what, good, detail))

    async def _clean_up(self) -> None:
        if not self._posted:
            return
        what = "delete the messages of this test"
        try:
            await self._telegram.bot.delete_messages(
                self._telegram.place(self._channel), self._posted
            )
        except AiogramError as error:
            detail = f"{self._telegram.explain(error)}; delete them by hand: {self._posted}"
            self._steps.append(Step(what, good=False, detail=detail))
        else:
            self._steps.append(Step(what, good=True))
