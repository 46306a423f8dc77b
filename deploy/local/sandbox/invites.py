"""Bot API methods for invite links and join requests; limits from the Bot API docs."""

from sandbox.members import join, usable
from sandbox.records import Chat, InviteLink, Json, Person
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_LONGEST_NAME = 32
_MOST_MEMBERS = 99_999
_MONTH = 2_592_000
_MOST_STARS = 10_000
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"


def create_chat_invite_link(call: Call) -> Json:
    """CreateChatInviteLink."""
    chat = _inviting_chat(call)
    return _create(call, chat, _terms(call)).body


def create_chat_subscription_invite_link(call: Call) -> Json:
    """createChatSubscriptionInviteLink: channels only, 30 days, 1-10000 Stars."""
    chat = _inviting_chat(call)
    period = call.parameters.integer("subscription_period")
    price = call.parameters.integer("subscription_price")
    if not chat.is_channel:
        raise bad_request("CHAT_INVALID")
    if period != _MONTH:
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    if not 1 <= price <= _MOST_STARS:
        raise bad_request("PRICING_CHAT_INVALID")
    terms = {"name": _name(call), "subscription_period": period, "subscription_price": price}
    return _create(call, chat, terms).body


def edit_chat_invite_link(call: Call) -> Json:
    """editChatInviteLink: all terms are set anew."""
    link = _own_link(call)
    kept = ("invite_link", "creator", "is_primary", "is_revoked")
    link.body = _without_empty({**{name: link.body[name] for name in kept}, **_terms(call)})
    return call.world.invites.save(link).body


def revoke_chat_invite_link(call: Call) -> Json:
    """RevokeChatInviteLink."""
    link = _own_link(call)
    link.body["is_revoked"] = True
    return call.world.invites.save(link).body


def approve_chat_join_request(call: Call) -> bool:
    """ApproveChatJoinRequest."""
    chat, person, link = _request(call)
    usable(call.telegram, link)
    join(call.telegram, chat, person, link, asked=True)
    return True


def decline_chat_join_request(call: Call) -> bool:
    """DeclineChatJoinRequest."""
    chat, person, _ = _request(call)
    del chat.joined[str(person.id)]
    call.world.chats.save(chat)
    return True


def _inviting_chat(call: Call) -> Chat:
    chat = call.chat()
    lacking = bad_request("not enough rights to manage chat invite link")
    call.require_right(chat, "can_invite_users", lacking)
    return chat


def _name(call: Call) -> str:
    name = call.parameters.text("name")
    if len(name) > _LONGEST_NAME:
        raise bad_request("INVITE_LINK_NAME_TOO_LONG")
    return name


def _terms(call: Call) -> Json:
    parameters = call.parameters
    limit = parameters.integer("member_limit")
    requests = parameters.boolean("creates_join_request")
    if not 0 <= limit <= _MOST_MEMBERS:
        raise bad_request("USAGE_LIMIT_INVALID")
    if limit and requests:
        raise bad_request(
            "member limit can't be specified for links requiring administrator approval"
        )
    return {
        "name": _name(call),
        "expire_date": parameters.integer("expire_date"),
        "member_limit": limit,
        "creates_join_request": requests,
    }


def _create(call: Call, chat: Chat, terms: Json) -> InviteLink:
    address = f"https://t.me/+{_hash(call.world.counters.next('invite'))}"
    body = {
        "invite_link": address,
        "creator": call.bot.user(),
        "creates_join_request": False,
        "is_primary": False,
        "is_revoked": False,
        **_without_empty(terms),
    }
    return call.world.invites.save(InviteLink(address, chat.id, call.bot.id, body))


def _without_empty(terms: Json) -> Json:
    return {n: v for n, v in terms.items() if v not in ("", 0) or isinstance(v, bool)}


def _hash(number: int) -> str:
    """Sixteen characters that differ for every number, like a real link's."""
    value, characters = number * 0x9E3779B97F4A7C15 % (1 << 96) | 1 << 95, []
    for _ in range(16):
        value, digit = divmod(value, 64)
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def _own_link(call: Call) -> InviteLink:
    chat = _inviting_chat(call)
    link = call.world.invites.get(call.parameters.text("invite_link"))
    if link is None or (link.chat_id, link.bot_id) != (chat.id, call.bot.id):
        raise bad_request("INVITE_HASH_EXPIRED")
    return link


def _request(call: Call) -> tuple[Chat, Person, InviteLink]:
    chat = _inviting_chat(call)
    person = call.world.people.get(call.parameters.integer("user_id"))
    record = chat.joined.get(str(person.id), {}) if person else {}
    link = call.world.invites.get(record.get("link"))
    if person is None or link is None or record["status"] != "pending":
        raise bad_request("HIDE_REQUESTER_MISSING")
    return chat, person, link
