"""A person paying: checkout, the bot's word on it, the charge and its message."""

from dataclasses import dataclass

from sandbox.posting import announce, post_as_bot, post_as_person
from sandbox.records import Bot, Charge, Dialogue, Invoice, Json, Person
from sandbox.refusals import bad_request
from sandbox.telegram import Telegram


@dataclass(frozen=True)
class _Term:
    """The subscription side of a charge; zero `until` for a single payment."""

    until: int = 0
    first: bool = False


class Purchases:
    """Takes invoices through their payment, as Telegram does with Stars."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self._world = telegram.world

    async def pay(self, person: Person, link: str) -> Json:
        """Pay an invoice; the outcome is `paid`, `rejected` or `timeout`."""
        invoice, bot = self._invoice(link)
        subject = {"invoice": link}
        query = self._telegram.queries.open("pre_checkout", bot.id, person.id, subject)
        checkout = {"id": query.id, "from": person.user(), **_terms(invoice)}
        queue = f"checkout/{person.id}"
        self._telegram.updates.publish(bot, "pre_checkout_query", checkout, queue)
        self._world.commit()
        await self._telegram.queries.wait(query, self._telegram.queries.windows["pre_checkout"])
        if query.answer is None:
            return {"outcome": "timeout", "charge_id": None, "error_message": ""}
        if not query.answer["ok"]:
            reason = query.answer["error_message"]
            return {"outcome": "rejected", "charge_id": None, "error_message": reason}
        until = int(self._world.now()) + invoice.subscription_period
        term = _Term(until, first=True) if invoice.subscription_period else _Term()
        return self._charge(person, bot, invoice, term)

    def renew(self, person: Person, link: str) -> Json:
        """Let the next period of a subscription begin; no checkout is asked for that."""
        invoice, bot = self._invoice(link)
        paid = [c for c in self._world.charges if (c.link, c.user_id) == (link, person.id)]
        if not paid or not paid[-1].subscription_until:
            raise bad_request("SUBSCRIPTION_NOT_ACTIVE")
        if any(charge.is_canceled for charge in paid):
            return {"outcome": "canceled", "charge_id": None, "error_message": ""}
        until = paid[-1].subscription_until + invoice.subscription_period
        return self._charge(person, bot, invoice, _Term(until))

    def charge_back(self, person: Person, charge_id: str) -> Json:
        """Take the Stars back by way of the store that sold them; the bot is not told."""
        charge = self._world.charges.get(charge_id)
        if charge is None or charge.user_id != person.id or charge.refunded_at:
            raise bad_request("CHARGE_NOT_FOUND")
        pay_back(self._telegram, charge, told=False)
        return {"charge_id": charge.id}

    def _invoice(self, link: str) -> tuple[Invoice, Bot]:
        invoice = self._world.invoices.get(link)
        bot = self._world.bots.get(invoice.bot_id) if invoice else None
        if invoice is None or bot is None:
            raise bad_request("INVOICE_INVALID")
        return invoice, bot

    def _charge(self, person: Person, bot: Bot, invoice: Invoice, term: _Term) -> Json:
        now, number = int(self._world.now()), self._world.counters.next("charge")
        charge = Charge(
            id=f"stxSandbox{bot.id}x{number}",
            bot_id=bot.id,
            user_id=person.id,
            link=invoice.link,
            payload=invoice.payload,
            amount=invoice.amount,
            paid_at=now,
            subscription_until=term.until,
            is_renewal=bool(term.until) and not term.first,
        )
        self._world.charges.save(charge)
        payment = {**_terms(invoice), **_recurrence(term), "telegram_payment_charge_id": charge.id}
        payment["provider_payment_charge_id"] = f"{person.id}_{number}"
        if bot.id not in person.started:
            person.started.append(bot.id)
            self._world.people.save(person)
        content = {"successful_payment": payment}
        post_as_person(self._telegram, person, Dialogue(person, bot), content)
        return {"outcome": "paid", "charge_id": charge.id, "error_message": ""}


def pay_back(telegram: Telegram, charge: Charge, *, told: bool) -> None:
    """Return the Stars; a refund is `told` by a service message, a chargeback by nothing."""
    charge.refunded_at = int(telegram.world.now())
    telegram.world.charges.save(charge)
    person, bot = telegram.world.people.get(charge.user_id), telegram.world.bots.get(charge.bot_id)
    if told and person and bot:
        refunded = {
            "currency": "XTR",
            "total_amount": charge.amount,
            "invoice_payload": charge.payload,
            "telegram_payment_charge_id": charge.id,
        }
        dialogue = Dialogue(person, bot)
        message = post_as_bot(telegram, bot, dialogue, {"refunded_payment": refunded})
        announce(telegram, dialogue, message)


def _terms(invoice: Invoice) -> Json:
    return {
        "currency": invoice.currency,
        "total_amount": invoice.amount,
        "invoice_payload": invoice.payload,
    }


def _recurrence(term: _Term) -> Json:
    if not term.until:
        return {}
    first = {"is_first_recurring": True} if term.first else {}
    return {"subscription_expiration_date": term.until, "is_recurring": True, **first}
