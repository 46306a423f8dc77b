"""The simulated service as one object, and a bot's call on it as the methods see it."""

from dataclasses import dataclass

from sandbox.faults import Faults
from sandbox.floods import Floods, Limits
from sandbox.forms import Parameters
from sandbox.polling import Polls
from sandbox.queries import Queries
from sandbox.records import Bot, Chat, Dialogue, Json, Place
from sandbox.refusals import Refusal, bad_request, forbidden, migrated, too_many
from sandbox.store import Store
from sandbox.updates import Updates
from sandbox.world import World

ALL_RIGHTS = dict.fromkeys(
    (
        "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
        "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users",
        "can_post_stories", "can_edit_stories", "can_delete_stories", "can_post_messages",
        "can_edit_messages", "can_pin_messages", "can_send_welcome_messages",
    ),
    True,
)  # fmt: skip


class Telegram:
    """World, updates, limits, faults and open queries of one sandbox."""

    def __init__(self, store: Store, limits: Limits):
        self.world = World(store)
        self.updates = Updates(self.world)
        self.polls = Polls(self.updates)
        self.floods = Floods(limits)
        self.faults = Faults()
        self.queries = Queries(self.world)

    def standing(self, chat: Chat, bot: Bot) -> Json:
        """A bot's status and rights in a chat; an administrator who may do all by default."""
        return {"status": "administrator", **ALL_RIGHTS, **chat.bots.get(str(bot.id), {})}

    def bots_in(self, chat: Chat) -> list[Bot]:
        """The bots that see what happens in a chat."""
        inside = {"administrator", "member"}
        return [b for b in self.world.bots if self.standing(chat, b)["status"] in inside]


@dataclass(frozen=True)
class Call:
    """One Bot API call: who calls, with what, on which service."""

    telegram: Telegram
    bot: Bot
    parameters: Parameters

    @property
    def world(self) -> World:
        return self.telegram.world

    def place(self, name: str = "chat_id") -> Place:
        """The chat a parameter names, by id or @username; the bot need not be in it."""
        given = self.parameters.text(name).strip()
        if not given:
            raise bad_request(f"{name} is empty")
        if given.startswith("@"):
            found: Place | None = self.world.chat_by_username(given)
        else:
            found = self.world.chats.get(given) or self._dialogue(given)
        if found is None:
            raise bad_request("chat not found")
        if isinstance(found, Chat) and found.migrated_to is not None:
            raise migrated(found.migrated_to)
        return found

    def _dialogue(self, given: str) -> Dialogue | None:
        person = self.world.people.get(given)
        return Dialogue(person, self.bot) if person else None

    def chat(self) -> Chat:
        """The channel or group `chat_id` names, of which the bot is a member."""
        place = self.place()
        if not isinstance(place, Chat):
            raise bad_request("method is available only for supergroup and channel chats")
        self.require_inside(place)
        return place

    def require_inside(self, place: Place) -> None:
        """Refuse when the bot cannot see the chat."""
        if isinstance(place, Dialogue):
            _require_dialogue(place)
            return
        status = self.telegram.standing(place, self.bot)["status"]
        kind = f"the {place.type} chat"
        if status == "kicked":
            raise forbidden(f"bot was kicked from {kind}")
        if status == "left":
            raise forbidden(f"bot is not a member of {kind}")

    def require_right(self, place: Place, right: str, lacking: Refusal) -> None:
        """Refuse with `lacking` when the bot is in the chat without that right."""
        self.require_inside(place)
        if isinstance(place, Chat):
            standing = self.telegram.standing(place, self.bot)
            if standing["status"] != "administrator" or not standing[right]:
                raise lacking

    def require_posting(self, place: Place) -> None:
        """Refuse when the bot may not write there; only channels ask for a right."""
        if place.is_channel:
            lacking = bad_request("need administrator rights in the channel chat")
            self.require_right(place, "can_post_messages", lacking)
        else:
            self.require_inside(place)

    def spend(self, place: Place, count: int = 1) -> None:
        """Account for messages about to be sent; 429 when a flood limit is reached."""
        group, now = isinstance(place, Chat), self.world.now()
        floods = self.telegram.floods
        wait = floods.retry_after(self.bot.id, place.key, now, group=group, count=count)
        if wait is not None:
            raise too_many(wait)


def _require_dialogue(dialogue: Dialogue) -> None:
    if dialogue.bot.id in dialogue.person.blocked:
        raise forbidden("bot was blocked by the user")
    if dialogue.bot.id not in dialogue.person.started:
        raise forbidden("bot can't initiate conversation with a user")
