"""Facts about invite links: a join is traced by them to the campaign and channel behind it."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from contracts.events.base import Event
from contracts.ids import CampaignId, Channel, Instant, subject_token


class InviteLinkCreated(Event):
    """`link` leads into `chat` and is given only to people from `campaign` in `channel`."""

    type: ClassVar[str] = "fingerpost.invite.created.v1"
    campaign: CampaignId
    channel: Channel
    chat: Channel
    bot_id: int
    by_request: bool = False
    name: Annotated[str, StringConstraints(max_length=32)]
    link: str
    created_at: Instant

    @property
    def key(self) -> str:
        return f"{self.place}.{subject_token(self.link)}"

    @property
    def place(self) -> str:
        """The subject token of what the link is for."""
        place = (self.campaign, self.channel, self.chat, self.bot_id, self.by_request)
        return subject_token("\n".join(str(part) for part in place))

    @property
    def once_over(self) -> str:
        """The subjects among which one link of a place may stand."""
        return f"{self.fact()}.{self.place}.*"

    @property
    def correlation(self) -> str:
        return self.campaign
