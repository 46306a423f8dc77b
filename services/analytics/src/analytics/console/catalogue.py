"""What commands share: the versions in the database, and faults told with their remedy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import get_close_matches

import nats.errors

from analytics.domain.guard import HaltError
from analytics.domain.versions import Version
from analytics.feed import FeedError
from analytics.postgres import GONE, Postgres, connect
from analytics.store import CheckpointMovedError
from analytics.versions import InUseError, Versions
from chassis.console import RefusedError, UnavailableError


@asynccontextmanager
async def database(dsn: str) -> AsyncIterator[Postgres]:
    """Connect for one command; raises CommandError, also for what fails meanwhile."""
    try:
        async with connect(dsn, "console") as connection:
            yield connection
    except HaltError as error:
        raise RefusedError(error.problem, error.remedy) from error
    except InUseError as error:
        problem, _, remedy = str(error).partition("; ")
        raise RefusedError(problem, remedy) from error
    except (FeedError, CheckpointMovedError) as error:
        raise UnavailableError(
            f"the work was interrupted: {error}", "repeat the command: it goes on where it was"
        ) from error
    except nats.errors.Error:
        raise  # of the log, and told as such: a timeout of it would pass for one of Postgres
    except GONE as error:
        raise UnavailableError(
            f"Postgres does not answer as it should ({str(error) or type(error).__name__})",
            "start it, or set POSTGRES_DSN to where it is, and repeat the command",
        ) from None  # the cause may show the password


async def live(connection: Postgres) -> Version:
    """Return the version that analysts read; raises RefusedError where there is none."""
    for version in await Versions(connection).all():
        if version.live:
            return version
    raise RefusedError("there are no tables yet", "start analytics once: it makes them")


async def numbered(connection: Postgres, number: int) -> Version:
    """Return one version; raises RefusedError where there is none of this number."""
    known = await Versions(connection).all()
    for version in known:
        if version.number == number:
            return version
    there = ", ".join(str(version.number) for version in known) or "none"
    raise RefusedError(f"there is no version {number}", f"there are: {there}")


def check_ours(version: Version) -> None:
    """Raise RefusedError where another release made the version."""
    if not version.ours:
        raise RefusedError(
            f"version {version.number} was made by another release (fold {version.fold})",
            "use that release, or rebuild with this one",
        )


async def unknown_campaign(connection: Postgres, campaign: str) -> RefusedError:
    """Return the refusal of a campaign that is not there, with those that may be meant."""
    rows = await connection.fetch("SELECT campaign FROM fingerpost.campaigns ORDER BY campaign")
    names = [row[0] for row in rows]
    close = get_close_matches(campaign, names, n=3)
    there = ", ".join(close or names[:20]) or "none yet"
    guess = f"did you mean {there}?" if close else f"there are: {there}"
    return RefusedError(f"there is no campaign {campaign!r}", guess)
