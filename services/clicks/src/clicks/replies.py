"""Says what the bot decided to say; the addresses that only Telegram can make it asks for first."""

from chassis.log import LogUnavailableError
from chassis.logs import logger
from clicks.domain.calls import Call
from clicks.domain.decisions import cta_of, plan_of
from clicks.domain.offers import Invitation, Linked, SubscriptionOffer
from clicks.joins import Joins, NoInviteError
from clicks.journal import Journal
from clicks.telegram import Telegram, TelegramError
from contracts.campaign import JoinCta
from contracts.token import CtaRef

log = logger(__name__)


class Replies:
    """Makes the calls by which people are answered; none of them is repeated."""

    def __init__(self, telegram: Telegram, joins: Joins, journal: Journal) -> None:
        self._telegram = telegram
        self._joins = joins
        self._journal = journal

    async def answer(self, call: Call) -> None:
        """Tell a person something, or that it cannot be said now."""
        await self._telegram.answer(await self._whole(call) if isinstance(call, Linked) else call)

    async def _whole(self, call: Linked) -> Call:
        try:
            return call.leading_to(await self._address(call))
        except (TelegramError, NoInviteError, LogUnavailableError) as error:
            log.warning("a button has no address", button=call.label, problem=str(error))
            return call.excused()

    async def _address(self, call: Linked) -> str:
        match call:
            case SubscriptionOffer():
                return await self._invoice_link(call.invoice)
            case Invitation():
                return await self._invite_link(call.ref)
        raise TypeError(f"{type(call).__name__} leads nowhere")

    async def _invoice_link(self, invoice: Call) -> str:
        link = await self._telegram.call(invoice.method, invoice.parameters)
        if not isinstance(link, str):
            raise TelegramError("createInvoiceLink: the answer is no link")
        return link

    async def _invite_link(self, ref: CtaRef) -> str:
        due = await self._journal.due(ref.delivery)
        plan, cta = plan_of(due), cta_of(due, ref)
        if plan is None or not isinstance(cta, JoinCta):
            raise NoInviteError("the log does not say into which chat", lasting=True)
        return await self._joins.link(plan, cta)
