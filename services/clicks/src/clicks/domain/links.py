"""Followed links: where they lead, who seems to follow them, and what is recorded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import idna
from crawleruseragents import is_crawler

from clicks.domain.stripe_events import PAYMENT_LINKS, reference
from contracts.campaign import LinkCta
from contracts.events import CtaClicked, Due
from contracts.events.person import AGENT_LIMIT, Verdict
from contracts.token import CtaRef

RULE_VERSION = 2
"""Version of `judge`; it stands in each click, so that a replay can judge again."""

_BROWSER = re.compile(r"(?:mozilla|opera)/", re.IGNORECASE)
_ROBOT = re.compile(
    r"(?<!\bcu)bot\b|crawl|spider|preview|headless|lighthouse|\+https?://|@[\w-]+\.", re.IGNORECASE
)
"""What robots say of themselves that no list has yet; CUBOT makes phones."""

_AHEAD = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)
_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_IN_ADDRESSES = ":/?#[]@!$&'()*+,;=%"
_JUDGED_AGENTS = 4096


@dataclass(frozen=True)
class Visit:
    """What a web request says of itself; `ahead`: it asks for no page that a person waits for."""

    agent: str = ""
    ahead: bool = False


def visit(method: str, headers: Mapping[str, str]) -> Visit:
    """Return what a request says of itself, the names of its `headers` being in lower case."""
    purposes = (headers.get(name, "") for name in _PURPOSES)
    ahead = method != "GET" or any(_AHEAD.search(purpose) for purpose in purposes)
    return Visit(headers.get("user-agent", "").strip()[:AGENT_LIMIT], ahead)


def judge(visit: Visit) -> Verdict:
    """Tell people from programs: previews, crawlers, and what browsers fetch on suspicion."""
    return "robot" if visit.ahead or _is_robot(visit.agent) else "human"


@lru_cache(_JUDGED_AGENTS)
def _is_robot(agent: str) -> bool:
    # The list costs as much as all the rest of a redirect; there are fewer agents than clicks.
    return not _BROWSER.match(agent) or bool(_ROBOT.search(agent)) or bool(is_crawler(agent))


def link_clicked(ref: CtaRef, *, click_id: str, visit: Visit, now: datetime) -> CtaClicked:
    """Record that a link was followed; a web request does not say by whom."""
    return CtaClicked(
        source_id=click_id,
        delivery=ref.delivery,
        cta=ref.cta,
        user_id=None,
        via="link",
        verdict=judge(visit),
        rule=RULE_VERSION,
        agent=visit.agent or None,
        ahead=visit.ahead,
        clicked_at=now,
    )


def destination(cta: LinkCta, plan: Due, **trace: str) -> str | None:
    """Return the target of `cta` in ASCII, as a header takes it, with what tells the page whence.

    By `trace` the page says what led to a conversion: `fp_click`, the click; or `fp_cta`, the token
    of the CTA, where the bot hands the target over and the person's start is what was recorded.
    A Payment Link has no page of the owner's behind it: Stripe itself is told, and says it again.
    None is returned for a target that names a user, which no campaign file may: what stands before
    its @ looks like the page that it leads to.
    """
    parts = urlsplit(cta.target)
    if "@" in parts.netloc:
        return None
    address = cta.target
    if cta.utm:
        if parts.hostname in PAYMENT_LINKS:
            trace["client_reference_id"] = reference(**trace)
        query = _extended(parts.query, {**_utm(plan), **trace})
        address = parts._replace(path=parts.path or "/", query=query).geturl()
    return quote(address.replace(parts.netloc, _ascii_place(parts.netloc), 1), safe=_IN_ADDRESSES)


def _utm(plan: Due) -> dict[str, str]:
    return {
        "utm_source": "telegram",
        "utm_medium": "channel",
        "utm_campaign": plan.campaign,
        "utm_content": plan.variant.id,
    }


def _extended(query: str, parameters: Mapping[str, str]) -> str:
    """Add the parameters that `query` does not have; what it has stays as it is written."""
    own = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    added = urlencode({name: value for name, value in parameters.items() if name not in own})
    return "&".join(part for part in (query, added) if part)


def _ascii_place(place: str) -> str:
    if place.isascii():
        return place
    host, colon, port = place.partition(":")
    try:
        return f"{idna.encode(host, uts46=True).decode()}{colon}{port}"
    except idna.IDNAError:
        return place  # quoted then, which browsers understand as well
