"""answerCallbackQuery: what a person sees after tapping a button."""

from sandbox.links import start_link
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_LONGEST_ANSWER = 200


def answer_callback_query(call: Call) -> bool:
    """Answer once and in time; a url may only open this bot (Bot API docs)."""
    parameters = call.parameters
    text, url = parameters.text("text"), parameters.text("url")
    if len(text) > _LONGEST_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    if url and not _opens_bot(url, call.bot.username):
        raise bad_request("URL_INVALID")
    answer = {
        "text": text,
        "show_alert": parameters.boolean("show_alert"),
        "url": url,
        "cache_time": parameters.integer("cache_time"),
    }
    query_id = parameters.text("callback_query_id")
    call.telegram.queries.answer("callback", call.bot.id, query_id, answer)
    return True


def _opens_bot(url: str, username: str) -> bool:
    target = start_link(url)
    return target is not None and target[0].lower() == username.lower()
