"""The peer, as a process: aiogram's own webhook handler, which records a tap and answers it.

It is spared what ours does besides: no token is verified, nothing is looked up, the event is put
together by `json.dumps`, and there are no metrics.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime

import nats
import uvloop
from aiogram import Bot, Dispatcher
from aiogram.methods import AnswerCallbackQuery, TelegramMethod
from aiogram.types import CallbackQuery
from aiogram.webhook.aiohttp_server import SimpleRequestHandler, setup_application
from aiohttp import web
from nats.js import JetStreamContext

from bench.clicks.taps import SECRET
from contracts.envelope import CONTENT_TYPE
from contracts.examples import PROMO_DELIVERY
from contracts.streams import EVENTS

_SECONDS = 10


def recorder(js: JetStreamContext) -> Dispatcher:
    """Return a dispatcher whose one handler publishes a tap and answers it in the response."""
    dispatcher = Dispatcher()

    @dispatcher.callback_query()
    async def tapped(query: CallbackQuery) -> TelegramMethod[bool]:
        subject, event_id = f"cta.clicked.{query.from_user.id}", f"cta.clicked.callback.{query.id}"
        await js.publish(
            subject,
            _document(query, subject, event_id),
            timeout=_SECONDS,
            stream=EVENTS.name,
            headers={"Nats-Msg-Id": event_id, "Content-Type": CONTENT_TYPE},
        )
        return AnswerCallbackQuery(callback_query_id=query.id, text="We will write to you.")

    return dispatcher


def _document(query: CallbackQuery, subject: str, event_id: str) -> bytes:
    now = datetime.now(UTC).isoformat()
    data = {
        "source_id": query.id,
        "delivery": PROMO_DELIVERY,
        "cta": 1,
        "user_id": query.from_user.id,
        "via": "callback",
        "message_id": query.message.message_id if query.message else None,
        "verdict": "human",
        "rule": 1,
        "clicked_at": now,
    }
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/peer",
        "type": "fingerpost.cta.clicked.v1",
        "time": now,
        "subject": subject,
        "datacontenttype": "application/json",
        "dataschema": "urn:fingerpost:schema:fingerpost.cta.clicked.v1",
        "correlationid": PROMO_DELIVERY,
        "causationid": f"promo.due.{PROMO_DELIVERY}",
        "data": data,
    }
    return json.dumps(event).encode()


async def main(url: str, port: int) -> None:
    """Serve until the process is killed."""
    client = await nats.connect(url)
    dispatcher, bot = recorder(client.jetstream()), Bot("42:bench")
    app = web.Application()
    handler = SimpleRequestHandler(dispatcher, bot, handle_in_background=False, secret_token=SECRET)
    handler.register(app, path="/telegram/webhook")
    setup_application(app, dispatcher, bot=bot)

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="alive")

    app.router.add_get("/healthz", live)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
