"""What commands answer, as text for people."""

from sender.console.answers import (
    Answer,
    ChannelChanged,
    ChannelList,
    ChannelState,
    Declared,
    Resolved,
    Tested,
    Uncertain,
    Uncertainties,
)

_HOUR, _MINUTE = 3_600, 60
_SAID = {
    "posted": "recorded as sent",
    "drop": "given up; it will not be posted",
    "post_again": "given back; the sender that is active posts it within seconds",
}


def text(answer: Answer) -> str:
    """Return `answer` in lines."""
    match answer:
        case Uncertainties(deliveries=()):
            return "nothing is uncertain"
        case Uncertainties():
            return "\n".join(line for one in answer.deliveries for line in _uncertain(one))
        case Resolved():
            already = "" if answer.new else " (it was said before)"
            return f"{answer.delivery}: {_SAID[answer.resolution]}{already}"
        case Declared():
            told = f"{len(answer.deliveries)} deliveries are looked for before they may be posted"
            left = len(answer.strangers)
            return told + (f"; {left} are of bots that the settings do not name" if left else "")
        case ChannelList(channels=()):
            return "nothing was ever said about a channel: all are posted in"
        case ChannelList():
            return "\n".join(line for one in answer.channels for line in _channel(one))
        case ChannelChanged():
            already = "" if answer.new else " (it was before)"
            return f"{answer.channel} is {answer.state} for the bot {answer.bot_id}{already}"
        case Tested():
            marks = [f"{'ok  ' if step.good else 'FAIL'}  {step.what}" for step in answer.steps]
            details = [f": {step.detail}" if step.detail else "" for step in answer.steps]
            lines = [mark + detail for mark, detail in zip(marks, details, strict=True)]
            return "\n".join((*lines, "", answer.proved))


def _uncertain(one: Uncertain) -> tuple[str, str]:
    expires = f", expires {one.expires_at:%Y-%m-%d %H:%M} UTC" if one.expires_at else ""
    place = f"{one.campaign} in {one.channel}, attempt {one.attempt}"
    head = f"{one.delivery}  {place}, {one.policy} for {_age(one.age_seconds)}{expires}"
    return head, f"    {one.why}"


def _channel(one: ChannelState) -> tuple[str, ...]:
    by = f" by {one.actor}" if one.actor else ""
    head = f"{one.channel}  {one.bot}: {one.state}{by} since {one.since:%Y-%m-%d %H:%M} UTC"
    return (head, f"    {one.why}") if one.why else (head,)


def _age(seconds: int) -> str:
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _MINUTE} min" if seconds >= _MINUTE else f"{seconds} s"
