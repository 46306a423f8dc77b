"""The import rules of the root pyproject.toml hold, and each of them fails when it is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SERVICES = ("scheduler", "sender", "clicks", "analytics")


def lint_imports(pyproject: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter as `make lint` does, over the packages in `paths`."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--config", pyproject, "--no-cache"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        cwd=pyproject.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of all packages, side by side, with the rules."""
    folder = tmp_path_factory.mktemp("copy")
    packages = [root / "contracts/src" / name for name in ("contracts", "chassis")]
    packages += [root / "services" / name / "src" / name for name in SERVICES]
    for package in packages:
        shutil.copytree(package, folder / package.name)
    shutil.copy(root / "pyproject.toml", folder)
    return folder


def test_the_import_rules_hold(copy: Path) -> None:
    result = lint_imports(copy / "pyproject.toml", copy)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "5 kept, 0 broken" in result.stdout


def test_every_planted_violation_is_found(copy: Path) -> None:
    planted = {
        "contracts/ids.py": "import chassis.clock",
        "sender/ledger.py": "import scheduler.domain",
        "scheduler/ticker.py": "import scheduler.settings",
        "clicks/domain/links.py": "import httpx",
        "chassis/clock.py": "import aiogram",
        "sender/helpers.py": "",
    }
    before = {name: (copy / name).read_text() for name in planted if (copy / name).exists()}
    for name, line in planted.items():
        (copy / name).write_text(f"{before.get(name, '')}\n{line}\n")
    try:
        result = lint_imports(copy / "pyproject.toml", copy)
    finally:
        for name in planted:
            (copy / name).unlink()
        for name, text in before.items():
            (copy / name).write_text(text)

    assert result.returncode == 1
    assert "0 kept, 5 broken" in result.stdout
    for found in (
        "contracts.ids -> chassis.clock",
        "sender.ledger -> scheduler.domain",
        "scheduler.ticker -> scheduler.settings",
        "clicks.domain.links -> httpx",
        "chassis.clock -> aiogram",
        "helpers",
    ):
        assert found in result.stdout
