"""Finding what a control request names; a 404 when there is no such thing."""

from typing import TypeVar

from sandbox.records import Bot, Chat, Dialogue, Message, Person, Place
from sandbox.refusals import Refusal
from sandbox.world import World

T = TypeVar("T")


def the_bot(world: World, bot_id: int) -> Bot:
    """A bot by id."""
    return _found(world.bots.get(bot_id), f"no bot {bot_id}")


def the_bot_named(world: World, username: str) -> Bot:
    """A bot by username."""
    return _found(world.bot_by_username(username), f"no bot @{username}")


def the_person(world: World, user_id: int) -> Person:
    """A person by id."""
    return _found(world.people.get(user_id), f"no person {user_id}")


def the_chat(world: World, chat_id: int | str) -> Chat:
    """A channel or group by id or @username."""
    name = str(chat_id)
    named = world.chat_by_username(name) if name.startswith("@") else None
    return _found(named or world.chats.get(chat_id), f"no chat {chat_id}")


def the_place(world: World, person: Person, chat_id: int | None, bot: str | None) -> Place:
    """Where a person acts: the chat with `bot`, or `chat_id`; one's own id means the only bot."""
    if bot:
        return Dialogue(person, the_bot_named(world, bot))
    if chat_id == person.id:
        dialogues = world.dialogues_of(person)
        only = dialogues[0] if len(dialogues) == 1 else None
        return _found(only, "several bots have this private chat, or none: name the bot")
    return the_chat(world, chat_id or 0)


def the_message(world: World, place: Place, message_id: int) -> Message:
    """A message that still stands."""
    return _found(world.message(place.key, message_id), f"no message {message_id}")


def _found(thing: T | None, reason: str) -> T:
    if thing is None:
        raise Refusal(404, reason)
    return thing
