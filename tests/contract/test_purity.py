"""Contracts and domains import nothing that can act: an allow-list, as a ban misses new names."""

import ast
import sys
from pathlib import Path

import pytest

PURE = {
    "__future__", "abc", "base64", "bisect", "collections", "dataclasses", "datetime", "decimal",
    "difflib", "enum", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json",
    "math", "operator", "re", "statistics", "string", "types", "typing", "unicodedata",
    "urllib.parse", "zoneinfo",
    "contracts", "crawleruseragents", "cronsim", "idna", "msgspec", "numpy", "pydantic",
    "pydantic_core",
}  # fmt: skip
ACTS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}


def impurities(path: Path, own: str) -> list[str]:
    """Return what the module at `path` uses of the outside world; `own` is its own package."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            forbidden = ACTS if isinstance(node.func, ast.Name) else CLOCKS
            found += [f"{path.name}:{node.lineno}: calls {called}"] if called in forbidden else []
        for name in names:
            if not any(name == pure or name.startswith(f"{pure}.") for pure in PURE | {own}):
                found.append(f"{path.name}:{node.lineno}: imports {name}")
    return found


def pure_modules(root: Path) -> list[tuple[Path, str]]:
    """Return every module that must be pure, with the package that it may import from."""
    modules = [(path, "contracts") for path in (root / "contracts/src/contracts").rglob("*.py")]
    for service in (root / "services").glob("*/src/*"):
        for path in [*service.glob("domain*.py"), *service.glob("domain*/**/*.py")]:
            modules.append((path, f"{service.name}.domain"))
    return modules


def test_contracts_and_domains_are_pure(root: Path) -> None:
    modules = pure_modules(root)

    assert [line for path, own in modules for line in impurities(path, own)] == []
    assert {"contracts", "scheduler.domain", "sender.domain"} <= {own for _, own in modules}


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("import httpx", "imports httpx"),
        ("import os.path", "imports os.path"),
        ("from asyncio import sleep", "imports asyncio"),
        ("from chassis.clock import utc_now", "imports chassis.clock"),
        ("from urllib.request import urlopen", "imports urllib.request"),
        ("from sender.ledger import Ledger", "imports sender.ledger"),
        ("def late():\n    import random", "imports random"),
        ("open('/etc/passwd')", "calls open"),
        ("from datetime import datetime\nat = datetime.now()", "calls now"),
    ],
)
def test_a_planted_violation_is_found(planted: str, found: str, tmp_path: Path) -> None:
    module = tmp_path / "domain.py"
    module.write_text(planted)

    problems = impurities(module, "sender.domain")

    assert len(problems) == 1
    assert problems[0].endswith(found)


def test_what_a_domain_needs_is_allowed(tmp_path: Path) -> None:
    module = tmp_path / "domain.py"
    module.write_text(
        "from datetime import UTC\nfrom contracts.events import Due\nfrom sender.domain import x\n"
    )

    assert impurities(module, "sender.domain") == []
    assert "httpx" not in sys.stdlib_module_names
