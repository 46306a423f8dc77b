"""Whoever is process 1 of a container ends when asked, even before it has begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def launched(folder: Path, module: str, *arguments: str) -> subprocess.Popen[str]:
    """Launch a module that stands in `folder`."""
    (folder / "service.py").write_text(module)
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "chassis.launch", "service", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_module_runs_with_its_arguments_and_its_exit_status(tmp_path: Path) -> None:
    module = "import sys; print(__name__, sys.argv[1:]); sys.exit(78)"

    with launched(tmp_path, module, "--yes", "plan.yaml") as process:
        said, _ = process.communicate(timeout=20)

    assert (said, process.returncode) == ("__main__ ['--yes', 'plan.yaml']\n", 78)


def test_a_signal_that_comes_while_the_module_is_imported_is_obeyed(tmp_path: Path) -> None:
    # As the kernel does for process 1: what has no handler is ignored.
    ignoring = "signal.signal(signal.SIGTERM, signal.SIG_IGN) if not handled else None"
    module = (
        "import signal, time\n"
        "handled = callable(signal.getsignal(signal.SIGTERM))\n"
        f"{ignoring}\n"
        "print('importing')\n"
        "time.sleep(20)\n"
    )

    with launched(tmp_path, module) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)

    assert process.returncode == 128 + signal.SIGTERM
