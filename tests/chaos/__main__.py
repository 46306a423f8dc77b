"""`python -m chaos`: one run against the adversary, and the judgement on it.

SEED, MINUTES and FAULTS are read from the environment, as `make chaos` passes them.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from chaos.checker import judge
from chaos.plan import ALL, KNOWN
from chaos.running import Order, run
from stack.process import StartError

FOLDER = Path(".fingerpost/chaos").absolute()


def main() -> int:
    """Return 0 where all promises held, 1 where not, 2 where nothing could be run."""
    try:
        order = ordered(dict(os.environ))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        folder = asyncio.run(_run(order))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped; all processes of the run are gone")
        return 130
    verdict = judge(folder)
    say(verdict.table())
    faults = ",".join(order.faults) or "none"
    say(f"again: make chaos SEED={order.seed} MINUTES={order.minutes:g} FAULTS={faults}")
    return 0 if verdict.passed else 1


async def _run(order: Order) -> Path:
    task = asyncio.current_task()
    if task:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(order, say)


def ordered(environment: dict[str, str]) -> Order:
    """Return what the variables ask for; raises ValueError, which says what is wrong with which."""
    faults = environment.get("FAULTS") or ",".join(ALL)
    kinds = () if faults == "none" else tuple(filter(None, faults.replace(" ", "").split(",")))
    if unknown := sorted(set(kinds) - set(KNOWN)):
        raise ValueError(f"FAULTS: no {', '.join(unknown)}; there are none, {', '.join(KNOWN)}")
    try:
        minutes = float(environment.get("MINUTES") or 2)
        seed = int(environment.get("SEED") or 1)
    except ValueError as error:
        raise ValueError(f"SEED is a whole number, MINUTES a number: {error}") from error
    if not 0 < minutes <= 24 * 60:
        raise ValueError("MINUTES: more than 0, at most 1440")
    return Order(seed, minutes, kinds, FOLDER)


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
