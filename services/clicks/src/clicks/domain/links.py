"""Followed links: who seems to follow them, and what is recorded."""

from datetime import datetime

from contracts.events import CtaClicked
from contracts.events.person import Verdict
from contracts.token import CtaRef

RULE_VERSION = 1
"""Version of `judge`; it stands in each click, so that a replay can judge again."""

_ROBOTS = (
    "telegrambot",
    "twitterbot",
    "googlebot",
    "bingbot",
    "yandexbot",
    "baiduspider",
    "duckduckbot",
    "applebot",
    "facebookexternalhit",
    "linkedinbot",
    "slackbot",
    "discordbot",
    "whatsapp",
    "skypeuripreview",
    "curl/",
    "wget/",
    "python-requests",
    "go-http-client",
)


def judge(method: str, user_agent: str) -> Verdict:
    """Tell people from programs that only look: previews, crawlers, HEAD requests."""
    agent = user_agent.strip().lower()
    if method == "HEAD" or not agent or any(robot in agent for robot in _ROBOTS):
        return "robot"
    return "human"


def link_clicked(ref: CtaRef, *, click_id: str, verdict: Verdict, now: datetime) -> CtaClicked:
    """Record that a link was followed; a web request does not say by whom."""
    return CtaClicked(
        source_id=click_id,
        delivery=ref.delivery,
        cta=ref.cta,
        user_id=None,
        via="link",
        verdict=verdict,
        rule=RULE_VERSION,
        clicked_at=now,
    )
