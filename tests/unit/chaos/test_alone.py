"""The checker shares no code with what it judges: it imports the standard library and itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "chaos"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def strangers(path: Path) -> list[str]:
    """Return what the module at `path` imports and must not."""
    return [
        name
        for name in imported(path)
        if name != "chaos.judging"
        and not name.startswith("chaos.judging.")
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]


def test_the_checker_imports_only_the_standard_library_and_itself() -> None:
    modules = [ROOT / "checker.py", *sorted((ROOT / "judging").glob("**/*.py"))]

    assert {path.name: strangers(path) for path in modules if strangers(path)} == {}
    assert len(modules) > 5


@pytest.mark.parametrize(
    "planted",
    [
        "from contracts.ids import delivery_id",
        "import analytics.domain.fold",
        "from chaos.world import World",
        "from harness.plain_fold import tables_of",
        "from . import world",
        "def late():\n    import pydantic",
    ],
)
def test_a_planted_import_is_found(planted: str, tmp_path: Path) -> None:
    module = tmp_path / "judge.py"
    module.write_text(f"import json\nfrom chaos.judging.run import Run\n{planted}\n")

    assert len(strangers(module)) == 1
