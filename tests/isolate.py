"""Install each service alone, and see that it starts with only that.

`make isolate`: in a fresh virtual environment with the service's own dependencies and no more it
must start as far as refusing its missing settings (status 78, naming one), and must not be able to
import another service, nor a library that is another's business.
"""

import os
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVICES = ("scheduler", "sender", "clicks", "analytics")
FOREIGN = {
    "scheduler": ("aiogram", "asyncpg", "httpx", "sender", "clicks", "analytics"),
    "sender": ("asyncpg", "httpx", "scheduler", "clicks", "analytics"),
    "clicks": ("aiogram", "asyncpg", "scheduler", "sender", "analytics"),
    "analytics": ("aiogram", "httpx", "scheduler", "sender", "clicks"),
}
EXIT_BAD_SETTINGS = 78
_AT_ONCE = 2


def main() -> int:
    """Check every service; return 1 if one of them fails."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failures = [problem for found in pool.map(check, SERVICES) for problem in found]
    sys.stdout.writelines(f"FAILED {problem}\n" for problem in failures)
    return 1 if failures else 0


def check(service: str) -> list[str]:
    """Return what is wrong with one service."""
    with tempfile.TemporaryDirectory() as folder:
        python = install(service, Path(folder))
        problems = [
            f"{service} can import {name}"
            for name in FOREIGN[service]
            if run(python, "-c", f"import {name}").returncode == 0
        ]
        started = run(python, "-m", service, cwd=folder)
        if started.returncode != EXIT_BAD_SETTINGS or "Traceback" in started.stderr:
            problems.append(f"{service} without settings: {started.returncode} {started.stderr}")
        count = len(pip(python, "list", "--format=freeze").stdout.splitlines())
    sys.stdout.write(f"{service}: {count} distributions; says {started.stderr.strip()[:100]!r}\n")
    return problems


def install(service: str, folder: Path) -> Path:
    """Return the Python of a new environment that holds only `service`."""
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    distributions = (f"{ROOT / 'contracts'}[chassis]", str(ROOT / "services" / service))
    constraints = str(ROOT / "constraints.txt")
    result = pip(python, "install", "-q", "--no-compile", "-c", constraints, *distributions)
    if result.returncode:
        sys.exit(f"{service} cannot be installed alone: {result.stderr}")
    return python


def pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run our own pip for another environment, which need not hold one."""
    return run(Path(sys.executable), "-m", "pip", "--python", str(python), *arguments)


def run(python: Path, *arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment that says nothing about Fingerpost."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR", "PIP_", "SSL_", "REQUESTS_")
    environment = {name: value for name, value in os.environ.items() if name.startswith(keep)}
    return subprocess.run(
        [str(python), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=cwd,
        timeout=600,
    )


if __name__ == "__main__":
    sys.exit(main())
