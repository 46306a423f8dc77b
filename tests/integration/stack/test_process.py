"""Processes of the local run: ready, killed, left behind."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from harness.waiting import until
from stack.ports import free_port
from stack.postgres_server import PostgresServer
from stack.process import Process, StartError
from stack.secrets import load_or_make

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


async def test_what_a_killed_launcher_left_behind_is_ended_before_its_successor(
    tmp_path: Path,
) -> None:
    left_behind = Process("sleep", SLEEP, log=tmp_path / "sleep.log")
    left_behind.start()

    successor = Process("sleep", SLEEP, log=tmp_path / "sleep.log")
    successor.start()

    assert not left_behind.running
    assert successor.running
    await successor.kill()


async def test_another_program_with_the_same_process_id_is_left_alone(tmp_path: Path) -> None:
    stranger = Process("stranger", SLEEP, log=tmp_path / "stranger.log")
    stranger.start()
    born = psutil.Process(stranger.pid).create_time()
    (tmp_path / "ours.pid").write_text(f"{stranger.pid} {born - 1}")

    ours = Process("ours", SLEEP, log=tmp_path / "ours.log")
    ours.start()

    assert stranger.running
    await ours.kill()
    await stranger.kill()


@pytest.mark.parametrize("note", [b"", b"17", b"pid born", b"1 2 3", b"\xff\x00 1", b"-1 1.5"])
async def test_a_broken_note_of_a_process_is_no_leftover(note: bytes, tmp_path: Path) -> None:
    (tmp_path / "ours.pid").write_bytes(note)

    ours = Process("ours", SLEEP, log=tmp_path / "ours.log")
    ours.start()

    assert ours.running
    await ours.kill()


async def test_a_process_that_ends_instead_of_answering_shows_its_last_words(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such campaign')")
    process = Process("broken", command, log=tmp_path / "broken.log")
    process.start()

    with pytest.raises(StartError, match="broken ended with 1\nno such campaign"):
        await process.answers("http://127.0.0.1:1/readyz", 10)


BUSY = """
import http.server, sys, time
for number in range(60):
    print("read", number, flush=True)
    time.sleep(0.1)
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


async def test_a_process_that_is_at_work_is_waited_for_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    process = Process("busy", (sys.executable, "-c", BUSY, str(port)), log=tmp_path / "busy.log")
    process.start()
    with pytest.raises(StartError, match="busy was not ready"):
        await process.answers(f"http://127.0.0.1:{port}/", 0.5)

    await process.answers(f"http://127.0.0.1:{port}/", 2, longest=60)

    await process.kill()
    assert "busy is at work, and not ready yet: read" in capsys.readouterr().err


async def test_a_process_that_does_nothing_is_not_waited_for(tmp_path: Path) -> None:
    process = Process("sleep", SLEEP, log=tmp_path / "sleep.log")
    process.start()

    async with asyncio.timeout(30):
        with pytest.raises(StartError, match=r"sleep was not ready in [0-9]+ s"):
            await process.answers("http://127.0.0.1:1/readyz", 1, longest=600)

    await process.kill()


async def test_postgres_starts_below_a_folder_that_nobody_can_enter(tmp_path: Path) -> None:
    """As root it then keeps its data elsewhere, and starts anew where the folder is new."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for password in ("first", "second"):
        folder = closed / password
        server = PostgresServer(folder, port=free_port(), password=password)
        await server.start()
        await server.process.stop()
        assert server.process.exit_status == 0
        server.remove()


async def test_postgres_starts_though_a_child_of_a_killed_one_lingers(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", port=free_port(), password="tests")
    await server.start()
    child = psutil.Process(server.process.pid).children()[0]
    child.suspend()
    await server.process.kill()

    starting = asyncio.create_task(server.start())
    await until(lambda: asyncio.sleep(0, server.process.tail()), _refused)
    child.resume()
    await starting

    assert server.process.running
    await server.process.stop()
    server.remove()


def _refused(said: str) -> bool:
    return "pre-existing shared memory block" in said


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first, second = load_or_make(path), load_or_make(path)

    assert first == second
    assert path.stat().st_mode & 0o077 == 0
    assert all(len(secret) >= 24 for secret in first.values())
