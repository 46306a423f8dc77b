"""People entering and leaving chats, and the chat_member updates that tell of it.

tdlib/telegram-bot-api Client.cpp: these updates wait in a queue for each acting user.
"""

from sandbox.records import Bot, Chat, InviteLink, Json, Person
from sandbox.refusals import bad_request
from sandbox.telegram import Telegram


def member_object(chat: Chat, person: Person) -> Json:
    """The ChatMember object of a person."""
    known = chat.joined.get(str(person.id), {"status": "left"})
    status = "left" if known["status"] == "pending" else known["status"]
    member = {"status": status, "user": person.user()}
    if status == "kicked":
        member["until_date"] = 0
    elif "until_date" in known:
        member["until_date"] = known["until_date"]
    return member


def bot_member(telegram: Telegram, chat: Chat, bot: Bot) -> Json:
    """The ChatMember object of a bot."""
    standing = telegram.standing(chat, bot)
    match standing["status"]:
        case "administrator":
            return {**standing, "user": bot.user(), "can_be_edited": False, "is_anonymous": False}
        case "kicked":
            return {"status": "kicked", "user": bot.user(), "until_date": 0}
        case status:
            return {"status": status, "user": bot.user()}


def stand(telegram: Telegram, chat: Chat, bot: Bot, standing: Json, by: Json) -> None:
    """Give a bot another standing in a chat; it learns so by my_chat_member."""
    before = bot_member(telegram, chat, bot)
    chat.bots[str(bot.id)] = standing
    telegram.world.chats.save(chat)
    change = {"chat": chat.brief(), "from": by}
    tell_member_change(telegram, [bot], change, before, bot_member(telegram, chat, bot))


def is_inside(chat: Chat, person: Person) -> bool:
    """Whether a person is a member now."""
    return bool(member_object(chat, person)["status"] == "member")


def join(
    telegram: Telegram, chat: Chat, person: Person, link: InviteLink | None, *, asked: bool = False
) -> None:
    """Make a person a member; `asked` when an administrator let them in."""
    before = member_object(chat, person)
    record: Json = {"status": "member"}
    if link and (period := link.body.get("subscription_period")):
        record["until_date"] = int(telegram.world.now()) + int(period)
    if link:
        link.joined += 1
        telegram.world.invites.save(link)
    extra: Json = {"invite_link": link.body} if link else {}
    if asked:
        extra["via_join_request"] = True
    _change(telegram, chat, person, record, before, extra)


def leave(telegram: Telegram, chat: Chat, person: Person) -> None:
    """Take a member out again."""
    _change(telegram, chat, person, {"status": "left"}, member_object(chat, person), {})


def _change(
    telegram: Telegram, chat: Chat, person: Person, record: Json, before: Json, extra: Json
) -> None:
    chat.joined[str(person.id)] = record
    telegram.world.chats.save(chat)
    change = {"chat": chat.brief(), "from": person.user(), **extra}
    admins = administrators(telegram, chat)
    tell_member_change(telegram, admins, change, before, member_object(chat, person))


def administrators(telegram: Telegram, chat: Chat) -> list[Bot]:
    """The bots that learn of members coming and going."""
    bots = telegram.bots_in(chat)
    return [b for b in bots if telegram.standing(chat, b)["status"] == "administrator"]


def tell_member_change(
    telegram: Telegram, bots: list[Bot], change: Json, before: Json, after: Json
) -> None:
    """Publish chat_member, or my_chat_member to the bot it is about."""
    update = {
        **change,
        "date": int(telegram.world.now()),
        "old_chat_member": before,
        "new_chat_member": after,
    }
    user = after["user"]
    for bot in bots:
        kind = "my_chat_member" if user["id"] == bot.id else "chat_member"
        telegram.updates.publish(bot, kind, update, f"member/{change['from']['id']}")


def request_to_join(telegram: Telegram, chat: Chat, person: Person, link: InviteLink) -> None:
    """Ask to be let in through a link that creates join requests."""
    chat.joined[str(person.id)] = {"status": "pending", "link": link.link}
    telegram.world.chats.save(chat)
    request = {
        "chat": chat.brief(),
        "from": person.user(),
        "user_chat_id": person.id,
        "date": int(telegram.world.now()),
        "invite_link": link.body,
    }
    for bot in administrators(telegram, chat):
        telegram.updates.publish(bot, "chat_join_request", request, f"member/{person.id}")


def usable(telegram: Telegram, link: InviteLink) -> None:
    """Refuse a link that is revoked, expired or used up; Telegram's error for the joiner."""
    body = link.body
    expired = 0 < body.get("expire_date", 0) <= telegram.world.now()
    full = 0 < body.get("member_limit", 0) <= link.joined
    if body["is_revoked"] or expired or full:
        raise bad_request("INVITE_HASH_EXPIRED")
