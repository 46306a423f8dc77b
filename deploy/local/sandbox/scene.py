"""Control requests that set the scene: accounts, chats, faults, limits, clock, raw updates."""

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from sandbox import orders
from sandbox.faults import Fault
from sandbox.floods import Limits
from sandbox.lookups import the_bot
from sandbox.records import Bot, Chat, Json, Person
from sandbox.refusals import Refusal
from sandbox.telegram import Telegram
from sandbox.views import chat_view

M = TypeVar("M", bound=BaseModel)


async def read(request: Request, model: type[M]) -> M:
    """The request's JSON body; an empty one counts as {}."""
    return model.model_validate_json(await request.body() or b"{}")


class Scene:
    """Everything a test arranges before and around the acts of people."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self._world = telegram.world

    async def put_bot(self, request: Request) -> Json:
        body = await read(request, orders.BotBody)
        bot_id = int(request.path_params["bot_id"])
        if not body.token.startswith(f"{bot_id}:"):
            raise Refusal(400, "a token begins with the bot's id and a colon")
        bot = self._world.bots.get(bot_id) or Bot(bot_id, "", "", "")
        bot.token, bot.username = body.token, body.username
        bot.name = body.name or body.username
        return self._world.bots.save(bot).user()

    async def put_chat(self, request: Request) -> Json:
        body = await read(request, orders.ChatBody)
        chat_id = int(request.path_params["chat_id"])
        chat = self._world.chats.get(chat_id) or Chat(chat_id, body.type, body.title)
        for name in body.model_fields_set:
            setattr(chat, name, getattr(body, name))
        self._world.version += 1
        return chat_view(self._telegram, self._world.chats.save(chat))

    async def put_person(self, request: Request) -> Json:
        body = await read(request, orders.PersonBody)
        user_id = int(request.path_params["user_id"])
        person = self._world.people.get(user_id) or Person(user_id, body.first_name)
        person.first_name, person.username = body.first_name, body.username
        person.language_code = body.language_code
        self._world.version += 1
        return self._world.people.save(person).user()

    async def list_faults(self, request: Request) -> Json:  # noqa: ARG002 - a route
        return {"faults": [fault.model_dump() for fault in self._telegram.faults.planned]}

    async def plan_fault(self, request: Request) -> Json:
        self._telegram.faults.planned.append(await read(request, Fault))
        return await self.list_faults(request)

    async def clear_faults(self, request: Request) -> Json:
        self._telegram.faults.planned.clear()
        return await self.list_faults(request)

    async def set_limits(self, request: Request) -> Json:
        body = await read(request, orders.LimitsBody)
        limits = self._telegram.floods.limits
        for name in body.model_fields_set & set(vars(limits)):
            setattr(limits, name, getattr(body, name))
        if body.off:
            self._telegram.floods.limits = Limits(None, None, group_per_minute=None)
        if "callback_window" in body.model_fields_set:
            self._telegram.queries.windows["callback"] = body.callback_window
        windows = self._telegram.queries.windows
        return {**vars(self._telegram.floods.limits), "callback_window": windows["callback"]}

    async def advance_clock(self, request: Request) -> Json:
        self._world.clock_ahead += (await read(request, orders.ClockBody)).advance
        return {"now": self._world.now()}

    async def inject_update(self, request: Request) -> Json:
        bot = the_bot(self._world, request.path_params["bot_id"])
        body = await read(request, orders.InjectBody)
        return {"update_id": self._telegram.updates.inject(bot, body.update)}

    async def lose_updates(self, request: Request) -> Json:
        bot = the_bot(self._world, request.path_params["bot_id"])
        kinds = (await read(request, orders.LossBody)).kinds
        self._telegram.updates.lost[bot.id] = set(kinds)
        return {"kinds": kinds}

    async def repeat_update(self, request: Request) -> Json:
        bot = the_bot(self._world, request.path_params["bot_id"])
        update_id = (await read(request, orders.RepeatBody)).update_id
        if not self._telegram.updates.repeat(bot, update_id):
            raise Refusal(404, f"update {update_id} is not remembered")
        return {"update_id": update_id}
