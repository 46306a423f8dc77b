"""Joins by invite links: one link for each campaign and channel, and who came by it.

A subscription that Telegram sells for a chat (createChatSubscriptionInviteLink) is none of these.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from clicks.domain.calls import Call
from clicks.domain.decisions import Decision, moment
from clicks.domain.updates import Join, JoinRequest
from contracts.campaign import JoinCta
from contracts.events import ConversionRecorded, Due, InviteLinkCreated

SOURCE = "telegram"
_NAME_LIMIT = 32
"""Characters of a link's name (Bot API docs, createChatInviteLink)."""


@dataclass(frozen=True)
class Door:
    """What a link is for: people of one campaign in one channel, on their way into one chat."""

    campaign: str
    channel: str
    chat: str
    bot_id: int
    by_request: bool

    @property
    def name(self) -> str:
        """What administrators read in the chat's list of links; the end tells alike ones apart."""
        everything = "\n".join((self.campaign, self.channel, str(self.by_request)))
        end = blake2b(everything.encode(), digest_size=3).hexdigest()
        return f"{f'{self.campaign} {self.channel}'[: _NAME_LIMIT - len(end) - 1]} {end}"

    def created(self, link: str, now: datetime) -> InviteLinkCreated:
        """Record that `link` leads through."""
        return InviteLinkCreated(
            campaign=self.campaign,
            channel=self.channel,
            chat=self.chat,
            bot_id=self.bot_id,
            by_request=self.by_request,
            name=self.name,
            link=link,
            created_at=now,
        )

    def recorded(self, now: datetime) -> str:
        """Return a wildcard that matches the one link of the door."""
        return self.created("", now).once_over

    def opening(self) -> Call:
        """Make a link; only those that the bot made itself does Telegram ever show it in full."""
        by_request = {"creates_join_request": True} if self.by_request else {}
        return Call("createChatInviteLink", {"chat_id": self.chat, "name": self.name, **by_request})

    def closing(self, link: str) -> Call:
        """Take back a link that nobody was given."""
        return Call("revokeChatInviteLink", {"chat_id": self.chat, "invite_link": link})


def door(plan: Due, cta: JoinCta, bot_id: int) -> Door:
    """Return what `cta` of `plan` opens."""
    return Door(plan.campaign, plan.channel, cta.chat, bot_id, cta.by_request)


def letting_in(request: JoinRequest) -> Call:
    """Let in who asks."""
    return Call("approveChatJoinRequest", {"chat_id": request.chat_id, "user_id": request.user_id})


def record_join(join: Join, invite: InviteLinkCreated, now: datetime) -> Decision:
    """Record who came by a link of ours: once for each chat, however often they leave it."""
    joined = ConversionRecorded(
        source=SOURCE,
        source_id=f"join{join.chat_id}-{join.user_id}",
        kind="join",
        user_id=join.user_id,
        campaign=invite.campaign,
        channel=invite.channel,
        occurred_at=moment(join.sent_at, now),
    )
    return Decision(event=joined)
