from pathlib import Path

import psutil
import pytest

from chaos import running
from chaos.checker import judge
from chaos.plan import Fault
from chaos.running import Order, run


@pytest.mark.timeout(400)
async def test_a_short_run_with_one_fault_is_recorded_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The world, one kill, the healing, an hour later, the verdict; and nothing stays behind."""
    kill = Fault(4.0, "kill", "clicks-0", 0.5)
    monkeypatch.setattr(running, "draw", lambda *_: [kill])
    said: list[str] = []

    folder = await run(
        Order(seed=11, minutes=1 / 3, faults=("kill", "later"), folder=tmp_path), said.append
    )
    verdict = judge(folder)

    assert verdict.passed, verdict.table()
    assert '"kind": "later"' in (folder / "history.jsonl").read_text()
    assert not [p for p in psutil.process_iter(["cmdline"]) if _is_ours(p, folder)]
    assert not (folder / "state").exists()


def _is_ours(process: psutil.Process, folder: Path) -> bool:
    return any(str(folder) in part for part in process.info["cmdline"] or ())
