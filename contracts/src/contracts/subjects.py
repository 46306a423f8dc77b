"""Subjects by which readers ask the log. An event's own subject is `event.subject`."""

from contracts.ids import Channel, DeliveryId, person_token, subject_token

CAMPAIGNS = "campaign.>"
DUES = ("guide.due.*", "promo.due.*")
SLOTS = (*DUES, "slot.missed.*")
MESSAGES = "message.>"
SENT = "message.sent.*"
FORGET_REQUESTS = "forget.requested.*"
FORGOTTEN = "user.forgotten.*"
FAILED = "message.failed.*.*"
UNCERTAIN = "message.uncertain.*.*"
CHANNELS = "channel.>"


def inbox_of(service: str) -> str:
    """Return what the subjects begin with on which `service`, and nobody else, gets answers."""
    return f"_INBOX_{service}"


def due_of(delivery: DeliveryId) -> str:
    """Return a wildcard that matches the delivery's one due event, whatever its kind."""
    return f"*.due.{delivery}"


def slot_of(delivery: DeliveryId) -> str:
    """Return a wildcard over which a slot may be said once: as due, or as missed."""
    return f"*.*.{delivery}"


def claims_of(delivery: DeliveryId) -> str:
    """Return a wildcard that matches the claims of the delivery, one for each attempt."""
    return f"message.claimed.{delivery}.*"


def campaign_of(campaign: str) -> str:
    """Return a wildcard that matches every fact about one campaign."""
    return f"campaign.*.{campaign}"


def channel_of(channel: Channel, bot_id: int) -> str:
    """Return a wildcard that matches every fact about one bot in one channel."""
    return f"channel.*.{subject_token(channel)}.{bot_id}"


def invite_by(link: str) -> str:
    """Return a wildcard that matches the one fact about an invite link."""
    return f"invite.created.*.{subject_token(link)}"


def conversion_of(source: str, source_id: str) -> str:
    """Return a wildcard that matches the one fact about a conversion, whoever it is credited to."""
    return f"conversion.recorded.*.{source}.{subject_token(source_id)}"


def missed_of(delivery: DeliveryId) -> str:
    """Return the subject under which the delivery's slot is said to be missed."""
    return f"slot.missed.{delivery}"


def messages_of(delivery: DeliveryId) -> tuple[str, ...]:
    """Return the wildcards that match the sender's ledger of one delivery."""
    return (f"message.*.{delivery}", f"message.*.{delivery}.*")


def person_of(user_id: int) -> tuple[str, ...]:
    """Return the wildcards that match every event that names a person."""
    return _naming(person_token(user_id))


def _naming(person: str) -> tuple[str, ...]:
    facts = ("cta.clicked", "bot.started", "bot.stopped", "forget.requested")
    return (*(f"{fact}.{person}" for fact in facts), f"conversion.recorded.{person}.>")


PEOPLE = _naming("*")
"""Of every event that may name a person, which then is the third token."""
