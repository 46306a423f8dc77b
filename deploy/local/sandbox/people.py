"""What people do: tap, open a bot, write, join, leave, block. Each act becomes updates."""

from typing import Any

from sandbox.buttons import button_at
from sandbox.links import good_payload, start_link
from sandbox.members import (
    is_inside,
    join,
    leave,
    request_to_join,
    stand,
    tell_member_change,
    usable,
)
from sandbox.posting import post_as_person
from sandbox.records import Bot, Chat, Dialogue, Json, Message, Person, Place, Query
from sandbox.refusals import bad_request
from sandbox.telegram import Telegram


class People:
    """Plays the people of the sandbox."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self._world = telegram.world
        self._cached: dict[tuple[int, str, str], tuple[float, Json]] = {}

    def start(self, person: Person, bot: Bot, payload: str = "") -> Message:
        """Press Start in the chat with a bot."""
        if not good_payload(payload):
            raise bad_request("START_PARAM_INVALID")
        self._unblock(person, bot)
        if bot.id not in person.started:
            person.started.append(bot.id)
            self._world.people.save(person)
        text = f"/start {payload}".strip()
        command = {"type": "bot_command", "offset": 0, "length": len("/start")}
        content = {"text": text, "entities": [command]}
        return post_as_person(self._telegram, person, Dialogue(person, bot), content)

    def say(self, person: Person, place: Place, text: str) -> Message:
        """Write a text into a group or to a bot."""
        return post_as_person(self._telegram, person, place, {"text": text})

    def block(self, person: Person, bot: Bot) -> None:
        """Block a bot; it learns so by my_chat_member."""
        if bot.id not in person.blocked:
            person.blocked.append(bot.id)
            self._world.people.save(person)
            self._tell_block(person, bot, "member", "kicked")

    def _unblock(self, person: Person, bot: Bot) -> None:
        if bot.id in person.blocked:
            person.blocked.remove(bot.id)
            self._world.people.save(person)
            self._tell_block(person, bot, "kicked", "member")

    def _tell_block(self, person: Person, bot: Bot, before: str, after: str) -> None:
        change = {"chat": Dialogue(person, bot).brief(), "from": person.user()}
        old, new = _standing(bot, before), _standing(bot, after)
        tell_member_change(self._telegram, [bot], change, old, new)

    def promote(self, person: Person, chat: Chat, bot: Bot, rights: Json) -> None:
        """Make a bot an administrator, with all rights but those that `rights` takes from it."""
        stand(self._telegram, chat, bot, {"status": "administrator", **rights}, person.user())

    def kick(self, person: Person, chat: Chat, bot: Bot) -> None:
        """Remove a bot from a chat for good."""
        stand(self._telegram, chat, bot, {"status": "kicked"}, person.user())

    def join(self, person: Person, chat: Chat, invite: str | None) -> str:
        """Enter a chat, by an invite link or the public way; "member" or "pending"."""
        link = self._world.invites.get(invite)
        if is_inside(chat, person):
            raise bad_request("USER_ALREADY_PARTICIPANT")
        if link:
            usable(self._telegram, link)
            if link.body["creates_join_request"]:
                request_to_join(self._telegram, chat, person, link)
                return "pending"
        join(self._telegram, chat, person, link)
        return "member"

    def leave(self, person: Person, chat: Chat) -> None:
        """Leave a chat one is a member of."""
        if not is_inside(chat, person):
            raise bad_request("USER_NOT_PARTICIPANT")
        leave(self._telegram, chat, person)

    async def tap(
        self, person: Person, message: Message, row: int, column: int, wait: float, *, follow: bool
    ) -> Json:
        """Tap a button and see what comes of it."""
        button = button_at(message.body.get("reply_markup"), row, column)
        if button is None:
            raise bad_request("there is no such button")
        if data := button.get("callback_data"):
            return await self.call_back(person, message, data, wait, follow=follow)
        if "copy_text" in button:
            return {"kind": "copy", "text": button["copy_text"]["text"]}
        if "url" in button:
            return {
                "kind": "url",
                "url": button["url"],
                **self._followed(person, button["url"], follow=follow),
            }
        return {"kind": next(name for name in button if name != "text")}

    async def call_back(
        self, person: Person, message: Message, data: str, wait: float, *, follow: bool
    ) -> Json:
        """Send callback data, a button's or forged, and wait for the bot's answer."""
        cached = self._cached_answer(person, message, data)
        if cached:
            return {**cached, "cached": True}
        bot = self._world.bots.get(message.bot_id)
        if bot is None:
            raise bad_request("the message is not a bot's")
        query = self._open(person, bot, message, data)
        began = self._world.now()
        await self._telegram.queries.wait(query, wait)
        answer: Json = query.answer or {}
        result = {
            "kind": "callback",
            "callback_query_id": query.id,
            "answered": query.answer is not None,
            "text": answer.get("text", ""),
            "show_alert": answer.get("show_alert", False),
            "url": answer.get("url", ""),
            "waited_ms": round((self._world.now() - began) * 1000, 1),
        }
        self._remember(person, message, data, result, answer.get("cache_time", 0))
        return result | self._followed(person, result["url"], follow=follow)

    def _open(self, person: Person, bot: Bot, message: Message, data: str) -> Query:
        subject = {"chat": message.chat, "message_id": message.id, "data": data}
        query = self._telegram.queries.open("callback", bot.id, person.id, subject)
        callback = {
            "id": query.id,
            "from": person.user(),
            "message": message.body,
            "chat_instance": str(hash_of(message.chat)),
            "data": data,
        }
        self._telegram.updates.publish(bot, "callback_query", callback, f"callback/{person.id}")
        self._world.commit()
        return query

    def _cached_answer(self, person: Person, message: Message, data: str) -> Json | None:
        until, result = self._cached.get((person.id, message.key, data), (0.0, {}))
        return result if self._world.now() < until else None

    def _remember(
        self, person: Person, message: Message, data: str, result: Json, seconds: int
    ) -> None:
        if seconds > 0:
            # The app keeps the answer that long and does not ask the bot again (cache_time).
            until = self._world.now() + seconds
            self._cached[person.id, message.key, data] = (until, result)

    def _followed(self, person: Person, url: str, *, follow: bool) -> Json:
        """Open the bot a t.me link leads to, when the person follows links."""
        target = start_link(url) if follow else None
        bot = self._world.bot_by_username(target[0]) if target else None
        if target is None or bot is None:
            return {}
        message = self.start(person, bot, target[1])
        return {"started": {"bot": bot.username, "payload": target[1], "message_id": message.id}}


def _standing(bot: Bot, status: str) -> Json:
    standing: dict[str, Any] = {"status": status, "user": bot.user()}
    return standing | ({"until_date": 0} if status == "kicked" else {})


def hash_of(text: str) -> int:
    """A number that stands for a chat wherever the app shows it (chat_instance)."""
    number = 0
    for byte in text.encode():
        number = (number * 1_000_003 + byte) % (1 << 62)
    return number
