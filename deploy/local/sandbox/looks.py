"""Control requests that look at what happened; none of them changes anything."""

from starlette.requests import Request

from sandbox.accounts import webhook_info
from sandbox.api import BotApi
from sandbox.lookups import the_bot, the_chat, the_person
from sandbox.records import Json
from sandbox.telegram import Telegram
from sandbox.views import chat_view, message_view, query_view

_MOST = 1000


class Looks:
    """Read-only views for tests and the demo."""

    def __init__(self, telegram: Telegram, api: BotApi):
        self._telegram, self._api = telegram, api
        self._world = telegram.world

    async def health(self, request: Request) -> Json:  # noqa: ARG002 - a route
        counts = {"bots": len(self._world.bots), "chats": len(self._world.chats)}
        return {"status": "ok", **counts, "messages": len(self._world.messages)}

    async def bots(self, request: Request) -> Json:  # noqa: ARG002 - a route
        return {"bots": [{**bot.user(), "commands": bot.commands} for bot in self._world.bots]}

    async def chats(self, request: Request) -> Json:  # noqa: ARG002 - a route
        return {"chats": [chat_view(self._telegram, chat) for chat in self._world.chats]}

    async def people(self, request: Request) -> Json:  # noqa: ARG002 - a route
        return {"people": [person.user() for person in self._world.people]}

    async def messages(self, request: Request) -> Json:
        chat = the_chat(self._world, request.path_params["chat_id"])
        after = int(request.query_params.get("after", 0))
        found = [m for m in self._world.messages_in(chat.key) if m.id > after]
        return {"messages": [message_view(m) for m in found]}

    async def dialogues(self, request: Request) -> Json:
        person = the_person(self._world, request.path_params["user_id"])
        found = [
            {**message_view(message), "bot": dialogue.bot.username}
            for dialogue in self._world.dialogues_of(person)
            for message in self._world.messages_in(dialogue.key)
        ]
        return {"messages": found}

    async def callbacks(self, request: Request) -> Json:
        user_id = request.query_params.get("user_id")
        queries = [q for q in self._world.queries if q.kind == "callback"]
        wanted = [q for q in queries if user_id in (None, str(q.user_id))]
        return {"callbacks": [query_view(q) for q in wanted]}

    async def charges(self, request: Request) -> Json:  # noqa: ARG002 - a route
        return {"charges": [dict(vars(charge)) for charge in self._world.charges]}

    async def updates(self, request: Request) -> Json:
        bot = the_bot(self._world, request.path_params["bot_id"])
        pending = self._telegram.updates.pending(bot.id)
        delivered = list(self._telegram.updates.delivered[bot.id])
        return {
            "pending_count": len(pending),
            "expired_count": self._telegram.updates.expired[bot.id],
            "pending": [update.body for update in pending[:_MOST]],
            "delivered": delivered,
            "webhook": webhook_info(bot, len(pending)),
        }

    async def calls(self, request: Request) -> Json:
        method = request.query_params.get("method", "").lower()
        found = [c for c in self._api.calls if method in {"", str(c["method"]).lower()}]
        return {"calls": found}
