"""The log's server dies while people pay, join and ask to be let in; then all of it counts."""

import asyncio
from decimal import Decimal

import httpx
import pytest

from contracts.campaign import BotCta, JoinCta, StarsOffer
from contracts.events import ConversionRecorded, PromoDue
from contracts.examples import example
from harness.logs import open_log
from harness.servers import embedded_nats
from harness.waiting import until
from stack.ports import free_port

ANN, BOB = 9_000_001, 9_000_002
OUTAGE_SECONDS = 5
"""More than the log is given to acknowledge, so that all is refused and comes again."""
OFFER = StarsOffer(title="Premium", description="For ever", stars=250)


@pytest.fixture
async def club(stage):
    chat = stage.channel - 100_000
    await stage.sandbox.put_chat(chat, "Club", type="supergroup")
    await stage.sandbox.put_person(BOB, "Bob")
    return chat


def due(club):
    """A promo that sells (CTA 0), and invites: by a link (1), and on request (2)."""
    ctas = [BotCta(kind="bot", label="Buy", greeting="Hi", offer=OFFER)]
    for by_request in (False, True):
        ctas.append(JoinCta(kind="join", label="Join", chat=str(club), by_request=by_request))
    variant = example(PromoDue).variant.model_copy(update={"ctas": tuple(ctas)})
    return example(PromoDue, variant=variant)


async def invoice(stage):
    await stage.sandbox.start(ANN, stage.username, stage.promo_token(0))

    async def look():
        for entry in await stage.sandbox.private_messages(ANN):
            if entry["bot_id"] == stage.bot_id and "invoice" in entry["message"]:
                return {"message_id": entry["message_id"], "bot": stage.username}
        return None

    return await until(look, bool)


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_what_happens_while_the_log_is_away_counts_once_when_it_is_back(
    mode, stage, club, tmp_path, process
):
    server, port = embedded_nats(tmp_path), free_port()
    await server.start()
    environment = {
        "webhook": stage.webhook_environment(server.url, port),
        "polling": stage.environment(server.url),
    }[mode]
    clicks = process({**environment, "FINGERPOST_STARS_SECONDS": "1"}, port)
    try:
        async with open_log(server.url) as log, httpx.AsyncClient(timeout=30) as people:
            await log.say(due(club))
            clicks.start()
            await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
            link = f"http://127.0.0.1:{port}/r/"
            ways = [await people.get(f"{link}{stage.promo_token(n)}") for n in (1, 2)]
            bill = await invoice(stage)

            await server.process.kill()
            paid = await stage.sandbox.pay(ANN, **bill)
            await stage.sandbox.join(BOB, invite_link=ways[0].headers["location"])
            await stage.sandbox.join(ANN, invite_link=ways[1].headers["location"])
            during = await people.get(f"{link}{stage.promo_token(1)}")
            await asyncio.sleep(OUTAGE_SECONDS)
            await server.start()

            # What Telegram was told to come back with comes after 5 s, and then again.
            await until(lambda: log.events(ConversionRecorded), lambda e: len(e) >= 3, seconds=60)
            await until(
                lambda: stage.sandbox.updates(stage.bot_id), lambda u: u["pending_count"] == 0
            )
            found = await log.events(ConversionRecorded)
    finally:
        await clicks.kill()
        await server.process.kill()

    assert (paid.outcome, during.status_code) == ("paid", 503)
    assert sorted((c.kind, c.user_id, c.amount) for c in found) == [
        ("join", ANN, None),
        ("join", BOB, None),
        ("payment", ANN, Decimal(250)),
    ]
