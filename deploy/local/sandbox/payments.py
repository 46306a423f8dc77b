"""Bot API methods for payments in Telegram Stars; rules from the Bot API docs."""

from typing import Any

from sandbox.buttons import inline_keyboard
from sandbox.messages import reply_fields
from sandbox.posting import post_as_bot
from sandbox.purchases import pay_back
from sandbox.records import Charge, Invoice, Json
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_MONTH = 2_592_000
_LONGEST_TITLE = 32
_LONGEST_DESCRIPTION = 255
_LONGEST_PAYLOAD_BYTES = 128
_MOST_TRANSACTIONS = 100


def send_invoice(call: Call) -> Json:
    """sendInvoice: a message with a Pay button."""
    invoice = _invoice(call)
    place = call.place()
    call.require_posting(place)
    markup = inline_keyboard(call.parameters.json("reply_markup"))
    pay = {"text": f"Pay ⭐️{invoice.amount}", "pay": True}
    fields = {
        "invoice": {
            "title": invoice.title,
            "description": invoice.description,
            "start_parameter": call.parameters.text("start_parameter"),
            "currency": invoice.currency,
            "total_amount": invoice.amount,
        },
        "reply_markup": markup or {"inline_keyboard": [[pay]]},
        **reply_fields(call, place),
    }
    call.spend(place)
    message = post_as_bot(call.telegram, call.bot, place, fields)
    invoice.link = message.key
    call.world.invoices.save(invoice)
    return message.body


def create_invoice_link(call: Call) -> str:
    """createInvoiceLink: also for subscriptions of 30 days."""
    invoice = _invoice(call)
    invoice.subscription_period = call.parameters.integer("subscription_period")
    if invoice.subscription_period not in {0, _MONTH}:
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    number = call.world.counters.next("invoice")
    invoice.link = f"https://t.me/$sandbox{call.bot.id}x{number}"
    return call.world.invoices.save(invoice).link


def _invoice(call: Call) -> Invoice:
    parameters = call.parameters
    title, description = parameters.text("title"), parameters.text("description")
    payload, currency = parameters.text("payload"), parameters.text("currency")
    if not 1 <= len(title) <= _LONGEST_TITLE:
        raise bad_request("TITLE_INVALID")
    if not 1 <= len(description) <= _LONGEST_DESCRIPTION:
        raise bad_request("DESCRIPTION_INVALID")
    if not 1 <= len(payload.encode()) <= _LONGEST_PAYLOAD_BYTES:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    if currency != "XTR":
        raise bad_request("CURRENCY_INVALID")
    if parameters.has("provider_token"):
        raise bad_request("STARS_INVOICE_INVALID")
    amount = _amount(parameters.json("prices"))
    return Invoice("", call.bot.id, title, description, payload, currency, amount)


def _amount(prices: Any) -> int:
    if not isinstance(prices, list) or len(prices) != 1 or not isinstance(prices[0], dict):
        raise bad_request("STARS_INVOICE_INVALID")
    amount = prices[0].get("amount")
    if not isinstance(amount, int) or amount <= 0:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")
    return amount


def answer_pre_checkout_query(call: Call) -> bool:
    """answerPreCheckoutQuery: within ten seconds; a no needs a reason."""
    ok, reason = call.parameters.boolean("ok"), call.parameters.text("error_message")
    if not ok and not reason:
        raise bad_request("error message must be non-empty")
    query_id = call.parameters.text("pre_checkout_query_id")
    answer = {"ok": ok, "error_message": reason}
    call.telegram.queries.answer("pre_checkout", call.bot.id, query_id, answer)
    return True


def get_star_transactions(call: Call) -> Json:
    """getStarTransactions: oldest first, payments in and refunds out."""
    offset, limit = call.parameters.integer("offset"), call.parameters.integer("limit", 100)
    rows = [row for charge in _charges(call) for row in _rows(call, charge)]
    rows.sort(key=lambda row: row["date"])
    size = limit if 1 <= limit <= _MOST_TRANSACTIONS else _MOST_TRANSACTIONS
    return {"transactions": rows[offset : offset + size]}


def _rows(call: Call, charge: Charge) -> list[Json]:
    person = call.world.people.get(charge.user_id)
    partner: Json = {"type": "user", "transaction_type": "invoice_payment"}
    partner |= {"user": person.user() if person else {}, "invoice_payload": charge.payload}
    if charge.subscription_until:
        partner["subscription_period"] = _MONTH
    row = {"id": charge.id, "amount": charge.amount}
    rows = [{**row, "date": charge.paid_at, "source": partner}]
    if charge.refunded_at:
        rows.append({**row, "date": charge.refunded_at, "receiver": partner})
    return rows


def get_my_star_balance(call: Call) -> Json:
    """GetMyStarBalance."""
    return {"amount": sum(c.amount for c in _charges(call) if not c.refunded_at)}


def _charges(call: Call) -> list[Charge]:
    return [c for c in call.world.charges if c.bot_id == call.bot.id]


def refund_star_payment(call: Call) -> bool:
    """refundStarPayment: once."""
    charge = _charge(call)
    if charge.refunded_at:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    pay_back(call.telegram, charge, told=True)
    return True


def edit_user_star_subscription(call: Call) -> bool:
    """editUserStarSubscription: cancel the renewals or allow them again."""
    charge = _charge(call)
    if not charge.subscription_until:
        raise bad_request("SUBSCRIPTION_NOT_ACTIVE")
    charge.is_canceled = call.parameters.boolean("is_canceled")
    call.world.charges.save(charge)
    return True


def _charge(call: Call) -> Charge:
    charge = call.world.charges.get(call.parameters.text("telegram_payment_charge_id"))
    who = (call.bot.id, call.parameters.integer("user_id"))
    if charge is None or (charge.bot_id, charge.user_id) != who:
        raise bad_request("CHARGE_NOT_FOUND")
    return charge
