"""Control requests that play people."""

from starlette.requests import Request

from sandbox import orders
from sandbox.lookups import the_bot_named, the_chat, the_message, the_person, the_place
from sandbox.people import People
from sandbox.posting import post_as_person
from sandbox.purchases import Purchases
from sandbox.records import Chat, Json, Person
from sandbox.refusals import Refusal
from sandbox.scene import read
from sandbox.telegram import Telegram
from sandbox.views import message_view


class Acts:
    """One method for each act; the person is in the path, the act in the body."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self._world = telegram.world
        self._people = People(telegram)
        self._purchases = Purchases(telegram)

    def _person(self, request: Request) -> Person:
        return the_person(self._world, request.path_params["user_id"])

    async def post(self, request: Request) -> Json:
        chat = the_chat(self._world, request.path_params["chat_id"])
        body = await read(request, orders.PostBody)
        return message_view(post_as_person(self._telegram, None, chat, {"text": body.text}))

    async def tap(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.TapBody)
        place = the_place(self._world, person, body.chat_id, body.bot)
        message = the_message(self._world, place, body.message_id)
        if body.callback_data is not None:
            return await self._people.call_back(
                person, message, body.callback_data, body.wait, follow=body.follow
            )
        return await self._people.tap(
            person, message, body.row, body.column, body.wait, follow=body.follow
        )

    async def start(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.StartBody)
        bot = the_bot_named(self._world, body.bot)
        return message_view(self._people.start(person, bot, body.payload))

    async def say(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.SayBody)
        place = the_place(self._world, person, body.chat_id, body.bot)
        if place.is_channel:
            raise Refusal(400, "in a channel only administrators write: use /post")
        return message_view(self._people.say(person, place, body.text))

    async def pay(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.PayBody)
        link = body.invoice_link
        if link is None:
            place = the_place(self._world, person, body.chat_id, body.bot)
            link = the_message(self._world, place, body.message_id or 0).key
        if body.renew:
            return self._purchases.renew(person, link)
        return await self._purchases.pay(person, link)

    async def charge_back(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.ChargeBody)
        return self._purchases.charge_back(person, body.charge_id)

    async def join(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.JoinBody)
        chat = self._chat_to_join(body)
        status = self._people.join(person, chat, body.invite_link)
        return {"status": status, "chat_id": chat.id}

    def _chat_to_join(self, body: orders.JoinBody) -> Chat:
        if body.invite_link is None:
            return the_chat(self._world, body.chat_id or 0)
        link = self._world.invites.get(body.invite_link)
        if link is None:
            raise Refusal(404, "no such invite link")
        return the_chat(self._world, link.chat_id)

    async def leave(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.JoinBody)
        chat = the_chat(self._world, body.chat_id or 0)
        self._people.leave(person, chat)
        return {"status": "left", "chat_id": chat.id}

    async def block(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.BlockBody)
        self._people.block(person, the_bot_named(self._world, body.bot))
        return {"blocked": body.bot}

    async def promote(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.StandingBody)
        chat, bot = the_chat(self._world, body.chat_id), the_bot_named(self._world, body.bot)
        self._people.promote(person, chat, bot, body.rights)
        return {"promoted": body.bot}

    async def kick(self, request: Request) -> Json:
        person, body = self._person(request), await read(request, orders.StandingBody)
        chat, bot = the_chat(self._world, body.chat_id), the_bot_named(self._world, body.bot)
        self._people.kick(person, chat, bot)
        return {"kicked": body.bot}
