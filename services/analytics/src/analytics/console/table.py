"""What `report` and `clicks` answer, as tables for people."""

from collections.abc import Iterator, Sequence

from analytics import words
from analytics.console.answers import Clicks, Figures, Report
from analytics.domain.statistics import Comparison

_HEAD = (
    *("variant", "sent", "audience", "taps", "people", "starts", "conversions", "rate"),
    *("95 % interval", "revenue"),
)
_LEFT = {0, len(_HEAD) - 1}


def lines(answer: Report | Clicks) -> Iterator[str]:
    """Yield the lines of the table."""
    yield from _report(answer) if isinstance(answer, Report) else _clicks(answer)


def _report(answer: Report) -> Iterator[str]:
    since = f", posts since {answer.since:%Y-%m-%d}" if answer.since else ""
    yield f"{answer.campaign}: {answer.title or 'not defined yet'} ({answer.zone}{since})"
    if answer.total is None:
        yield "nothing was posted"
        return
    yield ""
    rows = [_HEAD, *map(_row, answer.variants), _row(answer.total)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    yield from (_line(row, widths) for row in rows)
    yield ""
    yield _funnel(answer.total)
    if answer.elsewhere:
        yield f"{answer.elsewhere:,} more conversions name the campaign, and are due to no post"
    for comparison in answer.comparisons:
        yield _told(comparison)


def _clicks(answer: Clicks) -> Iterator[str]:
    for click in answer.newest:
        who = click.user_id or words.NOTHING
        post = f"{click.campaign or words.NOTHING} {click.variant or words.NOTHING}"
        channel = click.channel or words.NOTHING
        yield f"{words.instant(click.clicked_at)}  {who}  {post}  {channel}  CTA {click.cta}"
    yield f"{words.count(answer.clicks)} taps by {words.count(answer.people)} known people"


def _row(found: Figures) -> tuple[str, ...]:
    low, high = words.percent(found.rate_low), words.percent(found.rate_high)
    return (
        found.variant or "together",
        words.count(found.sent),
        words.count(found.audience),
        words.count(found.clicks),
        words.count(found.people),
        words.count(found.starts),
        words.count(found.conversions),
        words.percent(found.rate),
        words.NOTHING if found.rate is None else f"{low} to {high}",
        ", ".join(words.money(found.revenue)),
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        text.ljust(width) if place in _LEFT else text.rjust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _funnel(total: Figures) -> str:
    return (
        f"of {total.people:,} people who tapped, {total.starters:,} opened the bot, and"
        f" {total.buyers:,} of these converted"
    )


def _told(found: Comparison) -> str:
    one, other, chance = found.one, found.other, found.chance
    if chance < 1 / 2:
        one, other, chance = other, one, 1 - chance
    told = f"{one} is better than {other} with a chance of {chance:.0%}"
    if found.lacking:
        return f"{told}; to be sure, each needs about {found.lacking:,} more people"
    return told
