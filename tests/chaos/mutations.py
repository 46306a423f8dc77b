"""`python -m chaos.mutations`: services that break a promise on purpose, and who notices.

Each mutation is a change of a few words in a copy of the services. The named tests are run on the
copy, and with `--chaos` a short run against the adversary as well. One that nobody notices means
that a promise is not tested: exit status 1. So does one whose old words are not found any more, and
a test that fails without the mutation as well.

`python -m chaos.mutations [--chaos] [--list] [NAME ...]`; MUTATIONS.md is what it prints.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
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
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)
_BROKEN = re.compile(r"^BROKEN invariant (\d)", re.MULTILINE)


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


def broken(folder: Path, mutation: Mutation) -> str | None:
    """Set the adversary on the services in `folder`; return which invariants it finds broken.

    A run that ends without a verdict noticed nothing.
    """
    for name in ("chaos", "harness"):
        shutil.copytree(ROOT / "tests" / name, folder / name)
    settings = {"SEED": "1", "MINUTES": "0.7", "FAULTS": mutation.faults}
    found = _output([sys.executable, "-m", "chaos"], folder, settings)
    numbers = sorted(set(_BROKEN.findall(found)))
    return f"invariant {', '.join(numbers)}" if numbers else None


def _output(command: Sequence[str], folder: Path, settings: dict[str, str] | None = None) -> str:
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


def row(mutation: Mutation, test: str | None, chase: str | None, *, chaos: bool) -> str:
    """Return one line of the table."""
    name = test.rpartition("/")[2].replace("::", ": ") if test else "nobody"
    cells = [mutation.name, f"`{mutation.file}`", mutation.breaks, name]
    if chaos:
        cells.append(chase or ("nobody" if mutation.faults else "-"))
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str]) -> int:
    """Try the mutations, and print who noticed each."""
    parser = argparse.ArgumentParser(prog="python -m chaos.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--chaos", action="store_true", help="set the adversary on each as well")
    parser.add_argument("--list", action="store_true", help="print the names")
    asked = parser.parse_args(arguments)
    known = {mutation.name: mutation for mutation in MUTATIONS}
    if unknown := set(asked.names) - known.keys():
        parser.error(f"no mutation is called {', '.join(sorted(unknown))}; --list has the names")
    chosen = [known[name] for name in asked.names] or list(MUTATIONS)
    if asked.list:
        _say("\n".join(mutation.name for mutation in chosen))
        return 0
    return _try(chosen, chaos=asked.chaos)


def _try(chosen: Sequence[Mutation], *, chaos: bool) -> int:
    head = ["mutation", "in", "breaks", "noticed by", *(["and by the adversary"] if chaos else [])]
    _say(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    found: dict[str, tuple[str | None, str | None]] = {}
    with ThreadPoolExecutor(1 if chaos else _AT_ONCE) as pool:
        tried = pool.map(lambda mutation: _noticed(mutation, chaos=chaos), chosen)
        for mutation, (test, chase) in zip(chosen, tried, strict=True):
            found[mutation.name] = test, chase
            _say(row(mutation, test, chase, chaos=chaos))
    anyway = _fail_anyway({test for test, _ in found.values() if test})
    if anyway:
        _say(f"\nThese fail without a mutation as well, and prove nothing: {', '.join(anyway)}.")
    unnoticed = [n for n, (test, chase) in found.items() if test in {None, *anyway} and not chase]
    _say(f"\n{len(chosen) - len(unnoticed)} of {len(chosen)} were noticed.")
    return 1 if unnoticed else 0


def _noticed(mutation: Mutation, *, chaos: bool) -> tuple[str | None, str | None]:
    with TemporaryDirectory(prefix="mutation-") as folder:
        plant(mutation, Path(folder))
        test = failing(Path(folder), mutation.tests)
        return test, broken(Path(folder), mutation) if chaos and mutation.faults else None


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
