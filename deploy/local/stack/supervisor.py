"""`make run`: start all, say where it is, start again what died, stop all on Ctrl-C."""

import asyncio
import signal
import sys
from time import monotonic

from stack.local import LocalStack

_LOOK_SECONDS = 0.5
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


async def supervise(stack: LocalStack) -> int:
    """Run until Ctrl-C, SIGTERM or a closed terminal; return the exit status."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    begun = monotonic()
    say("starting NATS, PostgreSQL and the services ...")
    starting = asyncio.create_task(stack.start())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 130
    starting.result()
    _welcome(stack, monotonic() - begun)
    keeping = asyncio.create_task(_keep_running(stack))
    await stopped
    keeping.cancel()
    say("stopping ...")
    await stack.stop()
    say("stopped; the log and the tables are kept")
    return 0


async def _keep_running(stack: LocalStack) -> None:
    """Start a service again that died, as an orchestrator would, more and more patiently."""
    pauses = dict.fromkeys(stack.services, _FIRST_PAUSE)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for name, service in stack.services.items():
            if service.running:
                continue
            say(
                f"{name} ended with status {service.exit_status}; see {name}.log; starting it again"
            )
            await asyncio.sleep(pauses[name])
            pauses[name] = min(pauses[name] * 2, _LONGEST_PAUSE)
            service.start()


def _welcome(stack: LocalStack, seconds: float) -> None:
    path = stack.write_endpoints()
    where = {
        "channels (tap the buttons)": stack.urls["sandbox"],
        "dashboard": stack.urls["analytics"],
        "clicks": stack.urls["clicks"],
        "NATS": stack.nats_url,
        "tables": stack.postgres_dsn,
    }
    if stack.options.live:
        del where["channels (tap the buttons)"]
    say(f"ready after {seconds:.1f} s")
    for name, address in where.items():
        say(f"  {name:<28}{address}")
    say(f"also in {path}; logs beside it; Ctrl-C stops everything")


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
