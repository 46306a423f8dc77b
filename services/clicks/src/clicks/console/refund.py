"""Pays Stars back on an operator's word: `python -m clicks refund CHARGE --user ID`.

It records nothing: Telegram tells of the refund, or it is found among the transactions, and so
it stands in the log once, whoever asked for it and how often.
"""

from chassis.console import RefusedError, UnavailableError
from clicks.console.answers import Refunded
from clicks.telegram import Telegram, TelegramError


async def refund(telegram: Telegram, charge: str, user_id: int) -> Refunded:
    """Pay back the whole of a payment; raises CommandError."""
    parameters = {"user_id": user_id, "telegram_payment_charge_id": charge}
    try:
        await telegram.call("refundStarPayment", parameters)
    except TelegramError as error:
        if "CHARGE_ALREADY_REFUNDED" in str(error):
            return Refunded(charge, user_id, before=True)
        raise _explained(error) from error
    return Refunded(charge, user_id, before=False)


def _explained(error: TelegramError) -> RefusedError | UnavailableError:
    if error.is_passing:
        return UnavailableError(
            f"Telegram did not answer ({error})",
            "repeat the command: a payment is paid back once, however often it is asked for",
        )
    return RefusedError(
        f"Telegram refused the refund ({error.explanation()})",
        "check the charge (source_id of the payment), whose it is, and the bot's balance of Stars",
    )
