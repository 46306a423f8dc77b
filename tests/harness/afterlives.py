"""Messages that stand in a channel, and what becomes of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chassis.clock import utc_now
from contracts.campaign import CallbackCta, Expire, Variant
from contracts.events import MessageClaimed, MessageSent, PromoDue
from contracts.examples import example
from harness.sandboxes import BOT_ID, CHANNEL
from harness.sending import Sending, due_now
from sender.afterlife import Afterlife
from sender.domain.deliveries import names
from sender.domain.outcomes import Posted

TAP = CallbackCta(kind="callback", label="Tap", answer="Thanks.")
OFFER = Variant(id="offer", text="Half price, today only.", ctas=(TAP,))
MINUTE = timedelta(minutes=1)


def expiring(action: str, text: str | None = None) -> Expire:
    """Return a plan that begins a minute after the message was sent, its text in HTML."""
    return Expire.model_validate(
        {"after": MINUTE, "action": action, "text": text, "format": "html"}
    )


async def stand(
    sending: Sending, due: PromoDue, *, ago: timedelta = timedelta(), **fields: Any
) -> MessageSent:
    """Post `due` and say so, as if it had been sent so long ago; `fields` are of MessageSent."""
    content = sending.lane.buttons.content(due.variant, due.delivery)
    posted = await sending.telegram.post(due.channel, content)
    assert isinstance(posted, Posted), posted
    at = posted.at - ago
    claim = example(MessageClaimed, **names(due), claimed_at=at, bot_id=BOT_ID, mark=content.mark)
    sent = example(
        MessageSent,
        **names(due),
        chat_id=posted.chat_id,
        message_id=posted.message_id,
        follow_up_id=posted.follow_up_id,
        sent_at=at,
        **fields,
    )
    # The claim first, so that no sender at work takes the due event for its own.
    await sending.log.say(claim, due, sent)
    return sent


def offer(number: int = 0, channel: int = CHANNEL, **fields: Any) -> PromoDue:
    """Return an offer that is due now; another `number` is another slot."""
    return due_now(number, channel, **{"variant": OFFER, **fields})


@dataclass
class Lives:
    """The afterlife as a test drives it by hand, by a clock that it sets ahead."""

    sending: Sending
    ahead: timedelta = MINUTE + timedelta(seconds=1)
    life: Afterlife = field(init=False)

    def __post_init__(self) -> None:
        """Begin as a sender that was just started."""
        desk = self.sending.desk
        self.life = Afterlife(desk.ledger, self.sending.log.reader, desk.lane_of, self.now)

    def now(self) -> datetime:
        """Return the present, set ahead."""
        return utc_now() + self.ahead

    async def see_to(self, sent: MessageSent) -> None:
        """Let the sender handle what the log says of `sent`."""
        entry = await self.sending.log.reader.last(sent.subject)
        assert entry is not None
        await self.life.see_to(entry.envelope, entry.sequence)
