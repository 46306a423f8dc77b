"""`python -m chassis.provision`: make the log's stream, consumers and buckets for this version.

For where services may create nothing themselves (`FINGERPOST_PROVISION=false`): an administrator's
user runs it before they start, and before each upgrade. It may be repeated.
"""

import asyncio
import sys
from argparse import ArgumentParser

from chassis.console import EXIT_INTERRUPTED, CommandError, RefusedError, console, fail, tell
from chassis.logs import configure
from chassis.settings import ServiceSettings, load
from chassis.topology import DestructiveChangeError, ensure_bucket, ensure_consumer
from contracts.streams import BUCKETS, CONSUMERS, EVENTS

_NAME = "provision"
_WAIT_SECONDS = 5
_TRIES = 24
"""A cluster that has just been started elects its leaders meanwhile."""


async def provision(settings: ServiceSettings) -> None:
    """Make what lacks and change what differs; raises CommandError."""
    replicas = settings.log_replicas
    async with console(settings, source=_NAME, create_log=True) as connection:
        try:
            for consumer in CONSUMERS:
                await ensure_consumer(connection.js, EVENTS, consumer)
            for bucket in BUCKETS:
                await ensure_bucket(connection.js, bucket, replicas=replicas)
        except DestructiveChangeError as error:
            raise RefusedError(str(error), "see deploy/runbook.md") from error


async def _patiently(settings: ServiceSettings) -> None:
    for left in reversed(range(_TRIES)):
        try:
            await provision(settings)
        except CommandError as error:
            if isinstance(error, RefusedError) or not left:
                raise
            sys.stderr.write(f"{error.problem}; will try again\n")
            await asyncio.sleep(_WAIT_SECONDS)
        else:
            return


def parser() -> ArgumentParser:
    """Return what the command line may say: nothing but `--help`."""
    return ArgumentParser(prog="python -m chassis.provision", description=__doc__)


def main() -> int:
    """Provision the log; return the exit status."""
    parser().parse_args()
    settings = load(ServiceSettings)
    configure(_NAME, settings.instance, settings.log_level)
    try:
        asyncio.run(_patiently(settings))
    except CommandError as error:
        return fail(error, as_json=False)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    tell("the log is as this version needs it", str, as_json=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
