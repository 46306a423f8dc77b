"""People ask the bot to be forgotten, and are, whoever is killed meanwhile: after the run.

What the run left is written down before. Then all is written down once more, and a third time when
the tables were built anew from what is left of the log.
"""

import asyncio
import random
from contextlib import suppress

from chaos import dump
from chaos.history import History, now, write_lines
from chaos.observer import AWAY, STREAM, Observer, tables
from chaos.plan import REPLICAS
from chaos.world import World
from sandbox.client import Json
from stack.process import Process
from stack.scene import BOT_USERNAME

_PEOPLE = 3
_PHASES = ("telling", "guarding", "erasing")
"""Where the command, and whoever folds, may be killed: what it says on its way."""
_LIMIT_SECONDS = 400.0
_LOOK_SECONDS = 0.002
_PAUSE_SECONDS = 0.2
_PAID = "conversion.recorded."


async def forget(
    world: World, observer: Observer, history: History, log: list[Json], seed: int
) -> None:
    """Have some of those who paid forgotten; `log` is what the run left."""
    dice = random.Random(f"forgotten of {seed}")
    people, phase = _some_who_paid(log, dice), dice.choice(_PHASES)
    begun = now()
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            for person in people:
                await _ask(world, observer, person)
            killed = await _carry_out(world, phase)
            history.add("fault", number=None, kind="forget", target="log", killed=killed)
            await _write_down(world, observer, people)
    except TimeoutError:
        history.add("not_forgotten", people=people, seconds=round(now() - begun, 1))


async def _write_down(world: World, observer: Observer, people: list[int]) -> None:
    folder = world.folder / "forgotten"
    dump.write_tables(folder / "tables", await _folded(world, observer))
    write_lines(folder / "log.jsonl", await observer.messages())
    await _done(world.command("analytics", "rebuild"))
    dump.write_tables(folder / "rebuilt", await tables(world.postgres.dsn))
    write_lines(folder / "people.json", [{"people": people}])


def _some_who_paid(log: list[Json], dice: random.Random) -> list[int]:
    paid = {m["subject"].split(".")[2] for m in log if m["subject"].startswith(_PAID)}
    known = sorted(int(person) for person in paid if person.isdecimal())
    return dice.sample(known, min(_PEOPLE, len(known)))


async def _ask(world: World, observer: Observer, person: int) -> None:
    """Write to the bot, and wait until the log has it."""
    await world.people.say(person, "/forget me", bot=BOT_USERNAME)
    while True:
        with suppress(*AWAY):
            await observer.js.get_last_msg(STREAM, f"forget.requested.{person}")
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _carry_out(world: World, phase: str) -> bool:
    """Run the command, kill it and the projectors in a phase, and run it to its end.

    False: it was done before it could be killed.
    """
    command = world.command("analytics", "forget", "--requested")
    command.start()
    try:
        while command.running and f"people: {phase}" not in command.tail(1):
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await command.kill()
    if command.exit_status == 0:
        return False
    folding = [world.members[name] for name in REPLICAS if name.startswith("analytics")]
    await asyncio.gather(*(member.kill() for member in folding))
    await asyncio.gather(_done(command), *(member.restart() for member in folding))
    return True


async def _done(command: Process) -> None:
    """Run a command until it is done with; it is to be repeated where it could not be."""
    try:
        while command.exit_status != 0:
            command.start()
            while command.running:
                await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await command.kill()


async def _folded(world: World, observer: Observer) -> dict[str, list[Json]]:
    """Return the tables once they hold the whole log."""
    while True:
        shown = await tables(world.postgres.dsn)
        if shown["checkpoint"][0]["sequence"] == await observer.last():
            return shown
        await asyncio.sleep(_PAUSE_SECONDS)
