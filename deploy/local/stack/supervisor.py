"""`make run`: start all, say where it is, start again what died, stop all on Ctrl-C."""

import asyncio
import re
import signal
import sys
from time import monotonic

from stack.local import LocalStack, Starter
from stack.process import Process, StartError

_LOOK_SECONDS = 0.5
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_LOGIN = re.compile(r"(^|//)([^/:]*:)?[^/]*@")
_PASSWORD = re.compile(r"([?&]\w*password=)[^&]*")


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
    keepers = [
        asyncio.create_task(_keep_running(process, start))
        for process, start in stack.starters.items()
    ]
    await asyncio.wait({stopped, *keepers}, return_when=asyncio.FIRST_COMPLETED)
    for keeper in keepers:
        keeper.cancel()
    ended = await asyncio.gather(*keepers, return_exceptions=True)
    say("stopping ...")
    await stack.stop()
    for failure in ended:
        if isinstance(failure, Exception):
            raise failure
    say("stopped; the log and the tables are kept")
    return 0


async def _keep_running(process: Process, start: Starter) -> None:
    """Start a process again that died, as an orchestrator would, more and more patiently."""
    pause = _FIRST_PAUSE
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if process.running:
            continue
        name = process.name
        say(f"{name} ended with status {process.exit_status}; see {name}.log; starting it again")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        try:
            await start()
        except StartError as error:
            say(str(error))


def _welcome(stack: LocalStack, seconds: float) -> None:
    path = stack.write_endpoints()
    where = {
        "channels (tap the buttons)": stack.urls["sandbox"],
        "dashboard": stack.urls["analytics"],
        "clicks": stack.urls["clicks"],
        "NATS": masked(stack.nats_url),
        "tables": masked(stack.postgres_dsn),
    }
    if stack.options.live:
        del where["channels (tap the buttons)"]
    say(f"ready after {seconds:.1f} s")
    for name, address in where.items():
        say(f"  {name:<28}{address}")
    say(f"also in {path}; logs beside it; Ctrl-C stops everything")


def masked(addresses: str) -> str:
    """Return the addresses of servers without passwords, and without NATS tokens."""
    return _PASSWORD.sub(r"\1***", _LOGIN.sub(r"\1\2***@", addresses))


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
