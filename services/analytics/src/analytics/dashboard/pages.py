"""What each page holds: a template, and the answers to a few questions to the tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analytics.dashboard import reads, statements
from analytics.dashboard.drawings import Content
from analytics.dashboard.reads import Choices, Question
from analytics.domain import filters
from analytics.domain.figures import Figures
from analytics.domain.statistics import Comparison, Sample, compare
from analytics.domain.versions import Version
from analytics.reports import Pooled, Reports
from analytics.versions import Versions

_TROUBLES = ("failed", "uncertain", "missed", "late")


class UnknownError(ValueError):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Asked:
    """A request: where, with which filter and other values of the query, at which moment."""

    path: str
    question: Question
    query: Mapping[str, str]


class Pages:
    """Makes the content of each page."""

    def __init__(self, reports: Reports, last_sequence: Callable[[], int | None]) -> None:
        self._reports = reports
        self._last_sequence = last_sequence

    async def state(self) -> object:
        """Return what changes with every change of the tables."""
        async with self._reports.connection() as connection:
            return tuple((await reads.status(connection)).values())

    async def overview(self, asked: Asked) -> Content:
        """Say what was posted and what it earned."""
        by = statements.BY_VARIANT
        async with self._reports.counting() as connection:
            common = await self._common(connection, asked)
            counted, uncredited = await reads.tally(connection, asked.question, by=[by])
            variants, total = await reads.figures(counted, by)
            titles = {row["campaign"]: row for row in common["choices"].campaigns}
            states = await reads.states(connection, asked.question)
            values = {
                "total": total,
                "uncredited": uncredited,
                "chart": await reads.chart(counted, asked.question),
                "troubles": {name: states[name] for name in _TROUBLES if states.get(name)},
                "latest": await connection.fetch(statements.LATEST),
                "titles": titles,
            }
            for kind in filters.KINDS:
                values[f"{kind}s"] = [
                    row
                    for row in variants
                    if row.campaign in titles and titles[row.campaign]["kind"] == kind
                ]
            return Content("overview.html", {**common, **values})

    async def campaigns(self, asked: Asked) -> Content:
        """Show every campaign, also those that posted nothing."""
        by = statements.BY_CAMPAIGN
        async with self._reports.counting() as connection:
            common = await self._common(connection, asked)
            counted, _ = await reads.tally(connection, asked.question, by=[by])
            found, _ = await reads.figures(counted, by)
            figures = {row.campaign: row for row in found}
            wanted = asked.question.filter
            rows = [
                row
                for row in common["choices"].campaigns
                if (not wanted.kind or row["kind"] == wanted.kind)
                and wanted.campaign in {"", row["campaign"]}
            ]
            return Content("campaigns.html", {**common, "figures": figures, "rows": rows})

    async def campaign(self, asked: Asked, name: str) -> Content:
        """Compare the variants of one campaign; show its funnel, channels and hours."""
        chosen = replace(asked.question.filter, campaign=filters.campaign(name), kind="")
        question = replace(asked.question, filter=chosen)
        by = (statements.BY_VARIANT, statements.BY_CHANNEL)
        async with self._reports.counting() as connection:
            common = await self._common(connection, replace(asked, question=question))
            counted, _ = await reads.tally(connection, question, by=by)
            variants, total = await reads.figures(counted, statements.BY_VARIANT)
            channels, _ = await reads.figures(counted, statements.BY_CHANNEL)
            texts = await connection.fetch(statements.VARIANTS, name)
            values = {
                "campaign": common["choices"].campaign(name),
                "variants": variants,
                "comparisons": _against_the_best(variants),
                "texts": {row["variant"]: row for row in texts},
                "total": total,
                "by_channel": channels,
                "chart": await reads.chart(counted, question),
                "week": await reads.hours(counted, question),
                "states": await reads.states(connection, question),
            }
            return Content("campaign.html", {**common, **values})

    async def deliveries(self, asked: Asked) -> Content:
        """List deliveries with what became of them, and why."""
        aspect = filters.aspect(asked.query.get("state", ""))
        after = filters.cursor(asked.query.get("after", ""))
        async with self._reports.instant() as connection:
            common = await self._common(connection, asked)
            rows, following = await reads.deliveries(connection, asked.question, aspect, after)
            values = {
                "aspect": aspect,
                "after": after,
                "rows": rows,
                "following": following,
                "states": await reads.states(connection, asked.question),
            }
            return Content("deliveries.html", {**common, **values})

    async def people(self, asked: Asked) -> Content:
        """Ask for a person's id."""
        async with self._reports.instant() as connection:
            return Content("people.html", await self._common(connection, asked))

    async def person(self, asked: Asked, text: str) -> Content:
        """Show what one person did, the newest first."""
        who, after = filters.person(text), filters.cursor(asked.query.get("after", ""))
        async with self._reports.instant() as connection:
            rows, following = await reads.journey(connection, who, after)
            if not rows and not after:
                raise UnknownError(f"nothing is known of a person {who}")
            values = {
                "person": who,
                "summary": await connection.fetchrow(statements.PERSON, who),
                "rows": rows,
                "after": after,
                "following": following,
            }
            return Content("person.html", {**await self._common(connection, asked), **values})

    async def events(self, asked: Asked) -> Content:
        """Show the events as they come."""
        async with self._reports.instant() as connection:
            return Content("events.html", await self._common(connection, asked))

    async def projection(self, asked: Asked) -> Content:
        """Say how far the tables are, and what could not be folded."""
        async with self._reports.instant() as connection:
            common = await self._common(connection, asked)
            live = common["choices"].status["version"]
            values = {
                "versions": await self._versions(connection),
                "quarantined": await reads.quarantine(connection, live),
            }
            return Content("projection.html", {**common, **values})

    async def _versions(self, connection: Pooled) -> list[Version]:
        return await Versions(connection).all()

    async def _common(self, connection: Pooled, asked: Asked) -> dict[str, Any]:
        choices: Choices = await reads.choices(connection)
        wanted = asked.question.filter
        if wanted.campaign and choices.campaign(wanted.campaign) is None:
            raise UnknownError(f"there is no campaign {wanted.campaign}")
        last = self._last_sequence()
        return {
            "path": asked.path,
            "filter": wanted,
            "now": asked.question.now,
            "choices": choices,
            "lag": None if last is None else max(0, last - choices.status["checkpoint"]),
            "last": last,
        }


def _against_the_best(variants: list[Figures]) -> list[Comparison]:
    """Compare the variant with the highest rate with each of the others."""
    samples = {
        str(found.variant): Sample(found.converted, found.people)
        for found in variants
        if found.people
    }
    best = max(samples, key=lambda name: samples[name].part / samples[name].whole, default="")
    return [
        comparison
        for name, sample in samples.items()
        if name != best
        for comparison in compare({best: samples[best], name: sample})
    ]
