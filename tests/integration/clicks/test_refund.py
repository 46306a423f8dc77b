"""Paying back on an operator's word."""

import asyncio

import pytest

from chassis.console import RefusedError, UnavailableError
from clicks.cli import main
from clicks.console.answers import Refunded
from clicks.console.refund import refund
from clicks.telegram import Telegram
from harness.waiting import until


@pytest.fixture
async def telegram(stage):
    async with Telegram(stage.api, stage.bot_token) as telegram:
        yield telegram


async def paid(stage):
    """Pay for something; return the charge."""
    answer = await stage.call(
        "createInvoiceLink",
        title="Thing",
        description="A thing",
        payload="x",
        currency="XTR",
        prices=[{"label": "Thing", "amount": 10}],
    )
    paying = asyncio.create_task(stage.sandbox.pay(stage.person, answer["result"]))
    update = await until(lambda: stage.call("getUpdates", timeout=5), lambda a: a["result"])
    query = update["result"][-1]["pre_checkout_query"]["id"]
    await stage.call("answerPreCheckoutQuery", pre_checkout_query_id=query, ok=True)
    return (await paying).charge_id


async def test_a_payment_is_paid_back_once_however_often_it_is_asked_for(stage, telegram):
    charge = await paid(stage)

    assert await refund(telegram, charge, stage.person) == Refunded(charge, stage.person, False)
    assert await refund(telegram, charge, stage.person) == Refunded(charge, stage.person, True)
    [row] = [c for c in await stage.sandbox.charges() if c["id"] == charge]
    assert row["refunded_at"]


async def test_what_is_refused_names_the_remedy(stage, telegram):
    charge = await paid(stage)

    with pytest.raises(RefusedError, match=r"CHARGE_NOT_FOUND.*check the charge"):
        await refund(telegram, charge, stage.person + 1)


async def test_an_answer_that_does_not_come_is_no_refusal(stage, telegram):
    charge = await paid(stage)
    await stage.sandbox.plan_fault("accept_then_drop", "refundStarPayment")

    with pytest.raises(UnavailableError, match="repeat the command"):
        await refund(telegram, charge, stage.person)

    assert (await refund(telegram, charge, stage.person)).before


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_the_command_line_pays_back(form, stage, monkeypatch, capsys):
    charge = await paid(stage)
    for name, value in stage.environment("nats://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)

    status = await asyncio.to_thread(main, ["refund", charge, "--user", str(stage.person), *form])

    said = capsys.readouterr().out
    assert status == 0
    assert ('"before": false' if form else "is paid back") in said
    assert await asyncio.to_thread(main, ["refund", "none", "--user", "1"]) == 1
    assert "check the charge" in capsys.readouterr().err
