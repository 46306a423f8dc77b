"""Everything that exists in the sandbox, its counters and its clock."""

import time
from collections import defaultdict

from sandbox.records import (
    Bot,
    Charge,
    Chat,
    Dialogue,
    InviteLink,
    Invoice,
    Message,
    Person,
    Query,
)
from sandbox.store import Counters, Shelf, Store


class World:
    """The collections, the counters and the clock, with the look-ups everybody needs."""

    def __init__(self, store: Store):
        self.store = store
        self.counters = Counters(store)
        self.bots: Shelf[Bot] = Shelf(store, "bot", Bot, lambda b: str(b.id))
        self.people: Shelf[Person] = Shelf(store, "person", Person, lambda p: str(p.id))
        self.chats: Shelf[Chat] = Shelf(store, "chat", Chat, lambda c: c.key)
        self.messages: Shelf[Message] = Shelf(store, "message", Message, lambda m: m.key)
        self.queries: Shelf[Query] = Shelf(store, "query", Query, lambda q: q.id)
        self.invites: Shelf[InviteLink] = Shelf(store, "invite", InviteLink, lambda i: i.link)
        self.invoices: Shelf[Invoice] = Shelf(store, "invoice", Invoice, lambda i: i.link)
        self.charges: Shelf[Charge] = Shelf(store, "charge", Charge, lambda c: c.id)
        self.clock_ahead = 0.0
        # Starts anew at each start, so that an open page never takes an old state for this one.
        self.version = int(time.time() * 1000)
        self._by_chat: dict[str, dict[int, Message]] = defaultdict(dict)
        for message in sorted(self.messages, key=lambda m: m.id):
            self._by_chat[message.chat][message.id] = message

    def now(self) -> float:
        """Seconds since the epoch, moved ahead by the control API when a test ages things."""
        return time.time() + self.clock_ahead

    def commit(self) -> None:
        self.store.commit()

    def bot_by_token(self, token: str) -> Bot | None:
        bot = self.bots.get(token.partition(":")[0])
        return bot if bot and bot.token == token else None

    def bot_by_username(self, username: str) -> Bot | None:
        wanted = username.lstrip("@").lower()
        return next((b for b in self.bots if b.username.lower() == wanted), None)

    def chat_by_username(self, username: str) -> Chat | None:
        wanted = username.lstrip("@").lower()
        return next((c for c in self.chats if c.username and c.username.lower() == wanted), None)

    def add_message(self, message: Message) -> Message:
        self._by_chat[message.chat][message.id] = message
        return self.save_message(message)

    def save_message(self, message: Message) -> Message:
        self.version += 1
        return self.messages.save(message)

    def message(self, chat_key: str, message_id: int) -> Message | None:
        """A message that still stands."""
        message = self._by_chat[chat_key].get(message_id)
        return None if message is None or message.deleted else message

    def messages_in(self, chat_key: str) -> list[Message]:
        """All messages of a chat, deleted ones too, oldest first."""
        return list(self._by_chat[chat_key].values())

    def next_message_id(self, chat_key: str) -> int:
        return self.counters.next(f"message/{chat_key}")

    def dialogues_of(self, person: Person) -> list[Dialogue]:
        bots = (self.bots.get(bot_id) for bot_id in person.started)
        return [Dialogue(person, bot) for bot in bots if bot]
