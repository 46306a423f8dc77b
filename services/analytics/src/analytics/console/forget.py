"""The command `forget`: who is to be forgotten, and by whose word."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from analytics.console.answers import Forgotten
from analytics.console.catalogue import check_ours, database, live
from analytics.forgetting import ArchivingError, BehindError, Forgetting, Progress
from chassis.clock import Clock
from chassis.console import UnavailableError
from chassis.service import Connection


async def forget(
    dsn: str,
    log: Connection,
    people: list[int],
    *,
    requested: bool,
    older_than: timedelta | None,
    clock: Clock,
    tell: Callable[[Progress], None],
    archive: Path | None = None,
) -> Forgotten:
    """Forget `people`, or everybody who asked for it, or who did nothing for that long."""
    async with database(dsn) as connection:
        check_ours(await live(connection))
        forgetting = Forgetting(connection, log, clock, tell, archive=archive)
        since = clock() - older_than if older_than else None
        if requested:
            people = await forgetting.who_asked()
        elif since:
            people = await forgetting.who_is_quiet(since)
        try:
            done = await forgetting.run(people, quiet_since=since)
        except BehindError as error:
            raise UnavailableError(
                f"not all was done: {error}",
                "see that analytics runs, then repeat the command: it goes on where it was",
            ) from error
        except ArchivingError:
            raise UnavailableError(
                "events are being moved to the archive", "repeat the command once that is over"
            ) from None
        return Forgotten(done.people, done.acts, done.erased)
