"""Templates to text: every value is escaped, unless a template of ours made it."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from analytics import words
from analytics.dashboard.assets import Assets
from analytics.dashboard.drawings import Content
from analytics.domain.chart import HEIGHT
from analytics.domain.figures import reach
from analytics.domain.filters import ASPECTS, EVER, KINDS, PERIODS, Filter, zone

PAGES = (
    ("/", "Overview"),
    ("/campaigns", "Campaigns"),
    ("/deliveries", "Deliveries"),
    ("/people", "People"),
    ("/events", "Live events"),
    ("/projection", "Projection"),
)
"""What the head of each page leads to."""

_ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Europe/Moscow",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
)
"""Offered beside the zones of the campaigns; an address may name any."""


class Rendering:
    """Fills the templates."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("analytics"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.filters |= {
            name: getattr(words, name)
            for name in (
                "amount",
                "chance",
                "count",
                "instant",
                "interval",
                "lateness",
                "money",
                "percent",
                "plain",
            )
        }
        self._environment.globals |= {
            "asset": assets.path,
            "aspects": ASPECTS,
            "chart_height": HEIGHT,
            "ever": EVER,
            "kinds": KINDS,
            "pages": PAGES,
            "periods": tuple(PERIODS),
            "reach": reach,
            "zone_of": zone,
            "zones": _ZONES,
        }
        for name in self._environment.list_templates():  # not by the first who looks at one
            self._environment.get_template(name)

    def page(self, content: Content, notice: bool = False) -> str:  # noqa: FBT001, FBT002
        """Return the whole page; `notice`: its numbers are old."""
        template = self._environment.get_template(content.template)
        return template.render(content.values, notice=notice)

    def error(self, path: str, title: str, problem: str, remedy: str) -> str:
        """Return the page that says what is wrong and what helps."""
        values = {"path": path, "title": title, "problem": problem, "remedy": remedy}
        return self.page(Content("error.html", {**values, "filter": Filter(), "now": None}))
