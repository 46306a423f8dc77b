"""`python -m chaos.mutations`: services that break a promise on purpose, and who notices.

Each mutation is a change of a few words in a copy of the services. The named tests are run on the
copy; with `--chaos` the adversary is set on it instead, by the mutation's own SEED, MINUTES and
FAULTS where these variables are not set. One that nobody notices means that a promise is not
tested: exit status 1. So does one whose old words are not found any more, and a test that fails
without the mutation as well.

`python -m chaos.mutations [--chaos] [--list] [NAME ...]`; MUTATIONS.md is what it prints.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from chaos.mutants import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
SOURCES = (
    *(ROOT / "contracts/src" / name for name in ("contracts", "chassis")),
    *(
        ROOT / f"services/{name}/src/{name}"
        for name in ("scheduler", "sender", "clicks", "analytics")
    ),
)
_AT_ONCE = 2
_LIMIT_SECONDS = 600
_NOBODY = "nobody"
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)
_BROKEN = re.compile(r"^BROKEN invariant (\d)", re.MULTILINE)
_VERDICT = re.compile(r"^again: make chaos", re.MULTILINE)


class StaleError(ValueError):
    """The words that a mutation changes do not stand where it says."""


def plant(mutation: Mutation | None, folder: Path) -> None:
    """Copy the services side by side into `folder`, changed; raises StaleError."""
    for source in SOURCES:
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    if mutation:
        path = folder / mutation.file
        path.write_text(changed(mutation, path.read_text()))


def changed(mutation: Mutation, text: str) -> str:
    """Return the text of its file with the mutation; raises StaleError."""
    for old, new in mutation.changes:
        if text.count(old) != 1:
            number = text.count(old)
            raise StaleError(f"{mutation.name}: {mutation.file} has {number} times: {old!r}")
        text = text.replace(old, new)
    return text


def failing(folder: Path, tests: Sequence[str]) -> str | None:
    """Run tests of this tree on the services in `folder`; return the first that fails."""
    options = ("-q", "-x", "-p", "no:cacheprovider", "--timeout=120")
    found = _output([sys.executable, "-m", "pytest", *options, *tests], folder)
    match = _FAILED.search(found)
    return match[1] if match else None


def broken(folder: Path, settings: Mapping[str, str]) -> str:
    """Set the adversary on the services in `folder`; return which invariants it finds broken.

    A run that ends without a verdict noticed nothing.
    """
    for name in ("chaos", "harness"):
        shutil.copytree(ROOT / "tests" / name, folder / name)
    return noticed(_output([sys.executable, "-m", "chaos"], folder, settings))


def noticed(printed: str) -> str:
    """Return who noticed, by what a run printed; its last words, where it came to no verdict."""
    if not _VERDICT.search(printed):
        last = printed.strip().rpartition("\n")[2].replace("|", "/")
        return f"{_NOBODY}: no verdict: {last or 'it printed nothing'}"
    numbers = sorted(set(_BROKEN.findall(printed)))
    return f"invariant {', '.join(numbers)}" if numbers else _NOBODY


def settings_of(mutation: Mutation, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a run against the mutation is to be, where `environment` does not say it."""
    own = {
        "SEED": str(mutation.seed),
        "MINUTES": f"{mutation.minutes:g}",
        "FAULTS": mutation.faults,
    }
    return {name: environment.get(name) or value for name, value in own.items()}


def _output(command: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> str:
    """Run a command with the packages in `folder` before all others; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), **(settings or {})}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        found, _ = process.communicate(timeout=_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        # Not killed: it is to end the servers that it started.
        process.send_signal(signal.SIGINT)
        found, _ = process.communicate()
    return found


def row(mutation: Mutation, test: str | None) -> str:
    """Return one line of the table of the tests."""
    name = test.rpartition("/")[2].replace("::", ": ") if test else _NOBODY
    return f"| {mutation.name} | `{mutation.file}` | {mutation.breaks} | {name} |"


def row_of_chaos(mutation: Mutation, settings: Mapping[str, str], found: str) -> str:
    """Return one line of the table of the adversary."""
    order = " | ".join(settings[name] for name in ("FAULTS", "SEED", "MINUTES"))
    return f"| {mutation.name} | {order} | {found} |"


def chosen(names: Sequence[str]) -> list[Mutation]:
    """Return the mutations that have one of these parts in their names; raises ValueError."""
    for part in names:
        if not any(part in mutation.name for mutation in MUTATIONS):
            raise ValueError(f"no mutation has {part!r} in its name; --list has the names")
    return [m for m in MUTATIONS if not names or any(part in m.name for part in names)]


def main(arguments: Sequence[str]) -> int:
    """Try the mutations, and print who noticed each."""
    parser = argparse.ArgumentParser(prog="python -m chaos.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a name")
    parser.add_argument("--chaos", action="store_true", help="set the adversary on each instead")
    parser.add_argument("--list", action="store_true", help="print the names")
    asked = parser.parse_args(arguments)
    try:
        wanted = chosen(asked.names)
    except ValueError as error:
        parser.error(str(error))
    if asked.list:
        _say("\n".join(mutation.name for mutation in wanted))
        return 0
    if asked.chaos:
        _tell_hidden(wanted)
        wanted = [mutation for mutation in wanted if not mutation.hidden]
    unnoticed = _chase(wanted) if asked.chaos else _try(wanted)
    _say(f"\n{len(wanted) - unnoticed} of {len(wanted)} were noticed.")
    return 1 if unnoticed else 0


def _tell_hidden(wanted: Sequence[Mutation]) -> None:
    for mutation in wanted:
        if mutation.hidden:
            _say(f"No run can notice `{mutation.name}`: {mutation.hidden}.\n")


def _try(wanted: Sequence[Mutation]) -> int:
    """Run the tests of each; return how many mutations nobody noticed."""
    _say("| mutation | in | breaks | noticed by |\n|---|---|---|---|")
    found: dict[str, str | None] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for mutation, test in zip(wanted, pool.map(_tested, wanted), strict=True):
            found[mutation.name] = test
            _say(row(mutation, test))
    anyway = _fail_anyway({test for test in found.values() if test})
    if anyway:
        _say(f"\nThese fail without a mutation as well, and prove nothing: {', '.join(anyway)}.")
    return sum(test in {None, *anyway} for test in found.values())


def _tested(mutation: Mutation) -> str | None:
    with TemporaryDirectory(prefix="mutation-") as folder:
        plant(mutation, Path(folder))
        return failing(Path(folder), mutation.tests)


def _chase(wanted: Sequence[Mutation]) -> int:
    """Set the adversary on each, one at a time; return how many mutations it did not notice."""
    _say("| mutation | faults | seed | minutes | noticed by |\n|---|---|---|---|---|")
    unnoticed = 0
    for mutation in wanted:
        settings = settings_of(mutation, os.environ)
        with TemporaryDirectory(prefix="mutation-") as folder:
            plant(mutation, Path(folder))
            found = broken(Path(folder), settings)
        unnoticed += found.startswith(_NOBODY)
        _say(row_of_chaos(mutation, settings, found))
    return unnoticed


def _fail_anyway(tests: set[str]) -> list[str]:
    """Return those of the tests that fail without any mutation."""
    found: list[str] = []
    with TemporaryDirectory(prefix="mutation-") as folder:
        plant(None, Path(folder))
        while tests and (test := failing(Path(folder), sorted(tests))):
            found.append(test)
            if test not in tests:
                break
            tests = tests - {test}
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
