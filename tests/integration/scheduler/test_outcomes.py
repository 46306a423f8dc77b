"""What the console tells of a delivery, asked of a real log."""

from contracts.events import MessageClaimed, MessageSent, MessageWithdrawn, PromoDue
from contracts.examples import PROMO_DELIVERY, example
from harness.logs import Log
from scheduler.console.outcomes import Outcomes


async def test_a_message_that_was_withdrawn_was_sent(log: Log) -> None:
    names = {"delivery": PROMO_DELIVERY}
    await log.say(
        example(PromoDue), example(MessageClaimed, **names), example(MessageSent, **names)
    )
    gone = example(MessageWithdrawn, **names, action="delete", reason="expired", outcome="done")
    await log.say(gone)

    found = (await Outcomes(log.reader).of([PROMO_DELIVERY]))[PROMO_DELIVERY]

    assert (found.word, found.reason) == ("sent", "expired, delete: done")
