"""What commands answer, as text for people."""

from clicks.console.answers import Answer, Deleted, Refunded, State

_HOUR, _MINUTE = 3_600, 60


def text(answer: Answer) -> str:
    """Return `answer` in lines."""
    match answer:
        case State():
            return "\n".join(_state(answer))
        case Deleted(was=""):
            return "there was no webhook"
        case Deleted():
            return "\n".join(_deleted(answer))
        case Refunded(before=True):
            return f"{answer.charge} was paid back before"
        case Refunded():
            return f"{answer.charge} is paid back; the log will have it in a moment"


def _state(state: State) -> list[str]:
    kinds = ", ".join(state.allowed_updates) or "Telegram's default"
    lines = [
        f"url              {state.url or 'none: updates are polled'}",
        f"pending          {state.pending}",
        f"last error       {_last_error(state)}",
        f"allowed updates  {kinds}",
        f"connections      {state.max_connections or 'none'}",
    ]
    differences = [f"DIFFERS          {difference}" for difference in state.differences]
    return [*lines, *(differences or ["as the settings want it"])]


def _last_error(state: State) -> str:
    if state.last_error is None:
        return "none"
    age = state.last_error_age_seconds
    return f"{state.last_error}, {_age(age)} ago" if age is not None else state.last_error


def _deleted(deleted: Deleted) -> list[str]:
    lines = [f"{deleted.was} is no longer the webhook; {deleted.pending} updates wait"]
    if deleted.set_again:
        lines.append("clicks that runs with FINGERPOST_CLICKS_MODE=webhook sets it again: stop it")
    return lines


def _age(seconds: int) -> str:
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _MINUTE} min" if seconds >= _MINUTE else f"{seconds} s"
