"""The script of `k8s/options/backup` against a real server: what it saves, keeps and takes away."""

import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
import pytest_asyncio

from harness.secured import SecuredNats, secured_nats
from manifests.rendering import DEPLOY

SCRIPT = DEPLOY / "k8s" / "options" / "backup" / "backup.sh"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredNats]:
    async with secured_nats(tmp_path_factory.mktemp("secured")) as secured:
        async with secured.as_user("admin") as admin:
            await admin.client.jetstream().publish("conversion.recorded.7.shop.1", b"{}")
        yield secured


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def back_up(nats_url: str, backups: Path) -> CompletedProcess[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NATS_URL": nats_url,
        "BACKUPS": str(backups),
        "KEEP_ALL_DAYS": "2",
        "KEEP_DAYS": "30",
    }
    return run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


def make(backups: Path, *, days_ago: int, times: tuple[str, ...]) -> list[str]:
    """Make folders as of earlier backups, and return their names."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    names = [f"{day:%Y-%m-%d}T{time}" for time in times]
    for name in names:
        (backups / name / "EVENTS").mkdir(parents=True)
    return names


def names_in(backups: Path) -> set[str]:
    return {each.name for each in backups.iterdir()}


async def test_it_saves_with_the_rights_of_its_user(log: SecuredNats, backups: Path) -> None:
    begun = datetime.now(UTC).replace(second=0, microsecond=0)
    done = back_up(log.url("backup"), backups)

    assert done.returncode == 0, done.stderr
    (name,) = names_in(backups)
    assert begun <= datetime.strptime(f"{name}Z", "%Y-%m-%dT%H%M%z") <= datetime.now(UTC)
    described = json.loads((backups / name / "EVENTS" / "backup.json").read_text())
    assert described["state"]["messages"] == 1


async def test_all_of_two_days_stay_and_of_earlier_days_the_first_until_thirty_are_over(
    log: SecuredNats, backups: Path
) -> None:
    yesterday = make(backups, days_ago=1, times=("0017", "0117", "2317"))
    ten_days_ago = make(backups, days_ago=10, times=("0317", "0417", "2317"))
    last_month = make(backups, days_ago=29, times=("2359",))
    too_old = make(backups, days_ago=31, times=("0017", "0117"))
    (backups / "lost+found").mkdir()
    killed, at_work = backups / ".2026-01-01T0017.unfinished", backups / ".other.unfinished"
    for unfinished in (killed, at_work):
        unfinished.mkdir()
    os.utime(killed, (0, 0))

    done = back_up(log.url("backup"), backups)

    assert done.returncode == 0, done.stderr
    left = names_in(backups)
    kept = {*yesterday, ten_days_ago[0], *last_month, "lost+found", at_work.name}
    assert kept <= left
    assert len(left - kept) == 1, "the new one"
    for name in (*ten_days_ago[1:], *too_old):
        assert f"{name}: removed" in done.stdout


async def test_where_none_can_be_made_none_goes(log: SecuredNats, backups: Path) -> None:
    old = make(backups, days_ago=40, times=("0017",))

    done = back_up(log.url("sender"), backups)

    assert done.returncode != 0
    assert set(old) <= names_in(backups)
    assert not {name for name in names_in(backups) if name.startswith("20")} - set(old)
