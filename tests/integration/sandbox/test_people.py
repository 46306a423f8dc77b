"""What people do and what a bot can answer: taps, starts, payments, joins."""

import asyncio
from typing import Any

import pytest

from sandbox.client import SandboxError

from .conftest import Stage, callback

PRICE = [{"label": "Month", "amount": 250}]


async def answer_one(stage: Stage, kind: str, method: str, **answer: Any) -> dict[str, Any]:
    """Wait for one update of a kind and answer it."""
    async with asyncio.timeout(30):
        while not (found := await stage.updates(kind, seconds=2)):
            pass
    await stage.call(method, **{f"{kind}_id": found[0]["id"]}, **answer)
    return dict(found[0])


async def test_a_tap_is_a_query_and_its_answer_a_toast(stage: Stage) -> None:
    number = await stage.post("tap me", reply_markup=callback("d1"))
    tap = asyncio.create_task(stage.sandbox.tap(stage.person, stage.channel, number))
    query = await answer_one(stage, "callback_query", "answerCallbackQuery", text="Thanks")
    seen = await tap

    assert (seen.kind, seen.answered, seen.text, seen.show_alert) == (
        "callback", True, "Thanks", False,
    )  # fmt: skip
    assert (query["from"]["id"], query["data"]) == (stage.person, "d1")
    assert query["message"]["message_id"] == number
    again = await stage.refusal("answerCallbackQuery", callback_query_id=query["id"])
    assert again == (
        "Bad Request: query is too old and response timeout expired or query ID is invalid"
    )
    record = (await stage.sandbox.callbacks())[-1]
    assert record["answer"]["text"] == "Thanks"


async def test_an_answer_may_open_the_bot(stage: Stage) -> None:
    number = await stage.post(reply_markup=callback())
    tap = asyncio.create_task(stage.sandbox.tap(stage.person, stage.channel, number))
    url = f"https://t.me/{stage.bot_name}?start=abc"
    await answer_one(stage, "callback_query", "answerCallbackQuery", url=url)
    seen = await tap
    (message,) = await stage.updates("message")

    assert seen.started
    assert seen.started.payload == "abc"
    assert message["text"] == "/start abc"
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"url": "https://example.com/?start=x"}, "URL_INVALID"),
        ({"text": "x" * 201}, "MESSAGE_TOO_LONG"),
    ],
)
async def test_answers_telegram_refuses(stage: Stage, answer: dict[str, str], reason: str) -> None:
    parameters = {"callback_query_id": "1", **answer}
    assert await stage.refusal("answerCallbackQuery", **parameters) == f"Bad Request: {reason}"


async def test_a_late_answer_is_too_old(stage: Stage) -> None:
    number = await stage.post(reply_markup=callback())
    seen = await stage.sandbox.tap(stage.person, stage.channel, number, wait=0)
    await stage.sandbox.advance_clock(16)

    refusal = await stage.refusal("answerCallbackQuery", callback_query_id=seen.callback_query_id)

    assert not seen.answered
    assert "query is too old" in refusal


async def test_a_cached_answer_is_not_asked_for_again(stage: Stage) -> None:
    number = await stage.post(reply_markup=callback())
    tap = asyncio.create_task(stage.sandbox.tap(stage.person, stage.channel, number))
    await answer_one(stage, "callback_query", "answerCallbackQuery", text="Hi", cache_time=60)
    await tap
    second = await stage.sandbox.tap(stage.person, stage.channel, number)

    assert (second.cached, second.text) == (True, "Hi")
    assert await stage.updates() == []


async def test_forged_data_reaches_the_bot(stage: Stage) -> None:
    number = await stage.post(reply_markup=callback("real"))
    await stage.sandbox.tap(stage.person, stage.channel, number, callback_data="forged", wait=0)
    (query,) = await stage.updates("callback_query")

    assert query["data"] == "forged"


async def test_link_and_copy_buttons(stage: Stage) -> None:
    rows = [
        [{"text": "Bot", "url": f"t.me/{stage.bot_name}?start=p-1"}],
        [{"text": "Copy", "copy_text": {"text": "CODE10"}}],
    ]
    number = await stage.post(reply_markup={"inline_keyboard": rows})
    link = await stage.sandbox.tap(stage.person, stage.channel, number)
    unfollowed = await stage.sandbox.tap(stage.person, stage.channel, number, follow=False)
    copy = await stage.sandbox.tap(stage.person, stage.channel, number, row=1)
    messages = await stage.updates("message")

    assert link.started
    assert (link.kind, link.started.payload) == ("url", "p-1")
    assert unfollowed.started is None
    assert (copy.kind, copy.text) == ("copy", "CODE10")
    assert [m["text"] for m in messages] == ["/start p-1"]


async def test_a_missing_button_is_said(stage: Stage) -> None:
    number = await stage.post()
    with pytest.raises(SandboxError, match="no such button"):
        await stage.sandbox.tap(stage.person, stage.channel, number)


async def test_a_payment_is_checked_charged_and_refunded(stage: Stage) -> None:
    link = await stage.call(
        "createInvoiceLink",
        title="Club", description="A month", payload="order-1", currency="XTR", prices=PRICE,
    )  # fmt: skip
    pay = asyncio.create_task(stage.sandbox.pay(stage.person, link))
    checkout = await answer_one(stage, "pre_checkout_query", "answerPreCheckoutQuery", ok=True)
    paid = await pay
    (message,) = await stage.updates("message")
    balance = await stage.call("getMyStarBalance")
    charge = {"user_id": stage.person, "telegram_payment_charge_id": paid.charge_id}
    await stage.call("refundStarPayment", **charge)
    again = await stage.refusal("refundStarPayment", **charge)
    rows = (await stage.call("getStarTransactions"))["transactions"]

    assert (checkout["invoice_payload"], checkout["total_amount"]) == ("order-1", 250)
    assert paid.outcome == "paid"
    assert message["successful_payment"]["telegram_payment_charge_id"] == paid.charge_id
    assert balance == {"amount": 250}
    assert again == "Bad Request: CHARGE_ALREADY_REFUNDED"
    assert [row["id"] for row in rows] == [paid.charge_id] * 2
    assert ("source" in rows[0], "receiver" in rows[1]) == (True, True)


async def test_a_refund_is_told_and_a_chargeback_is_not(stage: Stage) -> None:
    link = await stage.call(
        "createInvoiceLink",
        title="Club", description="A month", payload="order-1", currency="XTR", prices=PRICE,
    )  # fmt: skip
    charges = []
    for _ in range(2):
        pay = asyncio.create_task(stage.sandbox.pay(stage.person, link))
        await answer_one(stage, "pre_checkout_query", "answerPreCheckoutQuery", ok=True)
        charges.append((await pay).charge_id)
    await stage.updates()
    refunded, charged_back = charges
    await stage.call("refundStarPayment", user_id=stage.person, telegram_payment_charge_id=refunded)
    await stage.sandbox.charge_back(stage.person, str(charged_back))
    told = await stage.updates("message")
    rows = (await stage.call("getStarTransactions"))["transactions"]
    newest = (await stage.call("getStarTransactions", offset=3, limit=1))["transactions"]

    assert [m["chat"]["id"] for m in told] == [stage.person]
    assert told[0]["refunded_payment"] == {
        "currency": "XTR",
        "total_amount": 250,
        "invoice_payload": "order-1",
        "telegram_payment_charge_id": refunded,
    }
    assert sorted(row["id"] for row in rows if "receiver" in row) == sorted(map(str, charges))
    assert newest == rows[3:]
    with pytest.raises(SandboxError, match="CHARGE_NOT_FOUND"):
        await stage.sandbox.charge_back(stage.person, str(charged_back))


async def test_updates_can_be_lost_as_in_a_long_outage(stage: Stage) -> None:
    await stage.sandbox.lose_updates(stage.bot_id, "message")
    await stage.sandbox.start(stage.person, stage.bot_name, "lost")
    await stage.sandbox.lose_updates(stage.bot_id)
    await stage.sandbox.start(stage.person, stage.bot_name, "kept")

    assert [m["text"] for m in await stage.updates("message")] == ["/start kept"]


async def test_a_bot_may_reject_a_checkout(stage: Stage) -> None:
    await stage.sandbox.start(stage.person, stage.bot_name)
    invoice = await stage.call(
        "sendInvoice",
        chat_id=stage.person, title="Club", description="d", payload="p", currency="XTR",
        prices=PRICE,
    )  # fmt: skip
    await stage.updates()
    number = invoice["message_id"]
    pay = asyncio.create_task(
        stage.sandbox.pay(stage.person, message_id=number, bot=stage.bot_name)
    )
    reason = {"ok": False, "error_message": "Sold out"}
    await answer_one(stage, "pre_checkout_query", "answerPreCheckoutQuery", **reason)

    assert (await pay).error_message == "Sold out"
    assert await stage.updates("message") == []


async def test_a_subscription_renews_until_it_is_canceled(stage: Stage) -> None:
    link = await stage.call(
        "createInvoiceLink",
        title="Club", description="A month", payload="sub", currency="XTR", prices=PRICE,
        subscription_period=2_592_000,
    )  # fmt: skip
    pay = asyncio.create_task(stage.sandbox.pay(stage.person, link))
    await answer_one(stage, "pre_checkout_query", "answerPreCheckoutQuery", ok=True)
    first = await pay
    second = await stage.sandbox.pay(stage.person, link, renew=True)
    payments = [m["successful_payment"] for m in await stage.updates("message")]
    await stage.call(
        "editUserStarSubscription",
        user_id=stage.person, telegram_payment_charge_id=first.charge_id, is_canceled=True,
    )  # fmt: skip
    third = await stage.sandbox.pay(stage.person, link, renew=True)

    assert payments[0]["is_first_recurring"]
    assert payments[1]["is_recurring"]
    assert "is_first_recurring" not in payments[1]
    assert second.charge_id != first.charge_id
    assert third.outcome == "canceled"


async def test_an_invite_link_names_itself_in_the_join(stage: Stage) -> None:
    await stage.call("getUpdates", allowed_updates=["chat_member"])
    invite = await stage.call(
        "createChatInviteLink", chat_id=stage.channel, name="promo", member_limit=1
    )
    link = invite["invite_link"]
    await stage.sandbox.join(stage.person, invite_link=link)
    (change,) = await stage.updates("chat_member")
    count = await stage.call("getChatMemberCount", chat_id=stage.channel)
    await stage.sandbox.put_person(stage.person + 5000, "Bob")

    assert change["invite_link"]["name"] == "promo"
    assert (change["old_chat_member"]["status"], change["new_chat_member"]["status"]) == (
        "left", "member",
    )  # fmt: skip
    assert count == 1201
    with pytest.raises(SandboxError, match="INVITE_HASH_EXPIRED"):
        await stage.sandbox.join(stage.person + 5000, invite_link=link)


async def test_a_join_request_waits_for_approval(stage: Stage) -> None:
    kinds = ["chat_member", "chat_join_request"]
    await stage.call("getUpdates", allowed_updates=kinds)
    invite = await stage.call(
        "createChatInviteLink", chat_id=stage.channel, creates_join_request=True
    )
    asked = await stage.sandbox.join(stage.person, invite_link=invite["invite_link"])
    (request,) = await stage.updates("chat_join_request")
    who = {"chat_id": stage.channel, "user_id": stage.person}
    await stage.call("approveChatJoinRequest", **who)
    (change,) = await stage.updates("chat_member")
    again = await stage.refusal("approveChatJoinRequest", **who)

    assert asked["status"] == "pending"
    assert request["invite_link"]["invite_link"] == invite["invite_link"]
    assert change["via_join_request"]
    assert again == "Bad Request: HIDE_REQUESTER_MISSING"


async def test_subscription_and_revoked_links(stage: Stage) -> None:
    link = await stage.call(
        "createChatSubscriptionInviteLink",
        chat_id=stage.channel, subscription_period=2_592_000, subscription_price=100,
    )  # fmt: skip
    await stage.sandbox.join(stage.person, invite_link=link["invite_link"])
    who = {"chat_id": stage.channel, "user_id": stage.person}
    member = await stage.call("getChatMember", **who)
    revoked = await stage.call(
        "revokeChatInviteLink", chat_id=stage.channel, invite_link=link["invite_link"]
    )

    assert link["subscription_price"] == 100
    assert member["until_date"]
    assert revoked["is_revoked"]


async def test_a_bot_learns_that_it_is_kicked_and_promoted(stage: Stage) -> None:
    people, me = stage.sandbox, (stage.person, stage.channel, stage.bot_name)
    await people.kick(*me)
    refused = await stage.refusal("sendMessage", chat_id=stage.channel, text="x")
    await people.promote(*me, can_pin_messages=False)
    kicked, promoted = await stage.updates("my_chat_member")

    assert refused == "Forbidden: bot was kicked from the channel chat"
    assert kicked["from"]["id"] == stage.person
    assert kicked["new_chat_member"]["status"] == "kicked"
    member = promoted["new_chat_member"]
    assert promoted["old_chat_member"]["status"] == "kicked"
    assert (member["status"], member["user"]["is_bot"]) == ("administrator", True)
    assert (member["can_post_messages"], member["can_pin_messages"]) == (True, False)
