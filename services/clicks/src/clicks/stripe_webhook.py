"""Records what Stripe says was paid and paid back, where it leads back to one of our messages."""

from chassis.logs import logger
from clicks.domain.stripe_events import SOURCE, Ignored, Sale, Unreadable, conversion, read
from clicks.early import Early
from clicks.journal import Journal
from clicks.metrics import CONVERSIONS
from contracts.events import ConversionRecorded
from contracts.subjects import conversion_of
from contracts.token import CtaRef, InvalidTokenError, TokenSigner

log = logger(__name__)


class UnreadableStripeEventError(ValueError):
    """Stripe says something of interest in a way that we do not understand."""


class StripeEvents:
    """Handles events whose signature was verified."""

    def __init__(
        self, signer: TokenSigner, journal: Journal, early: Early, *, test_events: bool
    ) -> None:
        self._signer = signer
        self._journal = journal
        self._early = early
        self._test_events = test_events

    async def handle(self, event: object) -> str:
        """Record what there is to record; return what came of it, in a word.

        Raises LogUnavailableError, and UnreadableStripeEventError: Stripe then sends it again.
        """
        outcome = await self._handle(event)
        CONVERSIONS.labels(SOURCE, outcome).inc()
        return outcome

    async def _handle(self, event: object) -> str:
        sale = read(event, test_events=self._test_events)
        match sale:
            case Ignored(reason):
                return reason
            case Unreadable(problem):
                CONVERSIONS.labels(SOURCE, "unreadable").inc()
                log.error("an event of Stripe cannot be read; Stripe keeps it", problem=problem)
                raise UnreadableStripeEventError(problem)
            case Sale():
                return await self._record(sale)

    async def _record(self, sale: Sale) -> str:
        event = await self._traced(sale)
        if event is None and sale.follows:
            await self._early.keep(sale, until=sale.follows)
            # It may have arrived meanwhile, and whoever recorded it found nothing kept yet.
            event = await self._traced(sale)
        if event is None:
            log.info("a sale of Stripe names nothing of ours", id=sale.id, kind=sale.kind)
            return "untraced"
        due = await self._journal.due(event.delivery) if event.delivery else None
        stored = await self._journal.record_once(event, due)
        # Also after a duplicate: whoever recorded it may have been killed right then.
        for follower in await self._early.followers(sale.id):
            CONVERSIONS.labels(SOURCE, await self._record(follower)).inc()
        return "recorded" if stored is None else "duplicate"

    async def _traced(self, sale: Sale) -> ConversionRecorded | None:
        earlier = None
        if sale.follows:
            earlier = await self._journal.conversion(conversion_of(SOURCE, sale.follows))
        return conversion(sale, self._ref(sale), earlier)

    def _ref(self, sale: Sale) -> CtaRef | None:
        for token in sale.trace.tokens:
            try:
                return self._signer.verify(token)
            except InvalidTokenError:
                continue  # what shops write there is their own business
        return None
