"""Each exit status of the table in deploy/runbook.md, by the commands that end with it.

78 of the services for each setting stands in `tests/contract/test_settings.py`, and 143 of one that
had not begun in `tests/unit/chassis/test_launch.py`.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from nats.js.api import StreamConfig

from contracts.streams import EVENTS
from harness.secured import SecuredNats, secured_nats
from harness.servers import connected
from harness.warm import Warm
from stack.ports import free_port
from stack.process import Process

RUNBOOK = (Path(__file__).parents[3] / "deploy" / "runbook.md").read_text()
SERVICES = ("scheduler", "sender", "clicks", "analytics")
NOWHERE = "127.0.0.1:1"
SETTINGS = {
    "NATS_URL": f"nats://{NOWHERE}",
    "POSTGRES_DSN": f"postgresql://nobody@{NOWHERE}/nothing",
    "TELEGRAM_BOT_TOKEN": f"123456789:{'A' * 35}",
    "FINGERPOST_TELEGRAM_API": f"http://{NOWHERE}",
    "FINGERPOST_CTA_KEYS": "k1:a-secret-of-16-bytes",
    "FINGERPOST_CAMPAIGNS": "",
}
_numbers = count(1)

ASKING_NATS = (
    ("scheduler", "list"),
    ("scheduler", "pause", "guides"),
    ("sender", "channels", "list"),
    ("sender", "uncertain", "list"),
    ("analytics", "status"),
    ("analytics", "verify"),
    ("chassis.backup", "save", "never-made"),
)
ASKING_TELEGRAM = (
    ("clicks", "webhook", "info"),
    ("clicks", "refund", "stx1", "--user", "1"),
    ("sender", "selftest", "--channel", "@news"),
)
ASKING_POSTGRES = (("analytics", "report", "guides"), ("analytics", "quarantine", "list"))
NONSENSE = (
    ("scheduler", "begin"),
    ("scheduler", "preview", "guides", "--count", "0"),
    ("scheduler", "trigger"),
    ("sender", "uncertain"),
    ("sender", "uncertain", "resolve", "no-delivery", "--drop"),
    ("clicks", "webhook", "look"),
    ("clicks", "refund", "stx1"),
    ("analytics", "drop", "all"),
    ("analytics", "archive", "--before", "soon"),
    ("analytics.password",),
    ("chassis.backup", "save"),
    ("chassis.backup", "copy", "never-made"),
    ("chassis.provision", "now"),
    ("chassis.alive", "here"),
)


def process(folder: Path, *words: str, **settings: str) -> Process:
    """Return a process that is not started; its log has all that it says."""
    log = folder / f"{words[0]}-{next(_numbers)}.log"
    environment = {**os.environ, **SETTINGS, **settings}
    if words[0] in SERVICES:
        return Warm(words[0], *words, log=log, environment=environment)
    command = [sys.executable, "-m", *words]
    return Process(words[0], command, log=log, environment=environment)


async def ended(folder: Path, *words: str, **settings: str) -> tuple[int | None, str]:
    """Run a command to its end; return its exit status, and what it said."""
    command = process(folder, *words, **settings)
    command.start()
    try:
        await command.ended(60)
    finally:
        await command.kill()
    return command.exit_status, command.tail(100)


async def url_of(service: Process, port: int) -> str:
    """Wait until a service answers."""
    await service.answers(f"http://127.0.0.1:{port}/healthz", 60)
    return f"http://127.0.0.1:{port}/readyz"


@contextmanager
def silence() -> Iterator[tuple[socket.socket, str]]:
    """Listen and say nothing; yield also the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener, f"127.0.0.1:{listener.getsockname()[1]}"


def test_the_table_has_these_statuses() -> None:
    table = RUNBOOK.partition("## Exit statuses\n")[2].partition("\n## ")[0]
    statuses = [line.split("|")[1].strip() for line in table.splitlines() if line[:1] == "|"]

    assert statuses[2:] == ["0", "1", "2", "69", "78", "130", "137, 143"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("service", SERVICES)
async def test_0_a_service_that_is_told_to_stop_also_while_it_waits_for_everything(
    service: str, number: signal.Signals, tmp_path: Path
) -> None:
    port = free_port()
    waiting = process(tmp_path, service, FINGERPOST_HTTP_PORT=str(port))
    waiting.start()
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            said = await client.get(await url_of(waiting, port))
        waiting.send(number)
        await waiting.ended(60)
    finally:
        await waiting.kill()

    assert (said.status_code, "NATS is not connected" in said.text) == (503, True)
    assert waiting.exit_status == 0
    assert "Traceback" not in waiting.tail(100)


@pytest.mark.parametrize("service", SERVICES)
async def test_1_a_service_whose_port_is_taken(service: str, tmp_path: Path) -> None:
    with silence() as (_, address):
        port = address.rpartition(":")[2]
        status, said = await ended(tmp_path, service, FINGERPOST_HTTP_PORT=port)

    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in said
    assert "set FINGERPOST_HTTP_PORT to a free port" in said
    assert "Traceback" not in said


@pytest_asyncio.fixture
async def secured(tmp_path: Path) -> AsyncIterator[SecuredNats]:
    async with secured_nats(tmp_path) as nats:
        yield nats


@pytest.mark.timeout(180)
async def test_1_a_service_that_nats_refuses(secured: SecuredNats, tmp_path: Path) -> None:
    refused = secured.url("sender").replace("sender:", "somebody:")
    ends = [ended(tmp_path, s, NATS_URL=refused, FINGERPOST_HTTP_PORT="0") for s in SERVICES]

    for status, said in await asyncio.gather(*ends):
        assert status == 1
        assert "check NATS_URL and its credentials" in said
        assert refused not in said


async def test_1_a_service_whose_log_would_forget_or_is_of_a_newer_release(
    nats_url: str, tmp_path: Path
) -> None:
    async with connected(nats_url) as client:
        js = client.jetstream()
        newer = StreamConfig(name=EVENTS.name, subjects=[*EVENTS.subjects, "thing.done.*"])
        await js.add_stream(newer)
        ends = [ended(tmp_path, s, NATS_URL=nats_url, FINGERPOST_HTTP_PORT="0") for s in SERVICES]
        of_newer = await asyncio.gather(*ends)
        await js.delete_stream(EVENTS.name)
        await js.add_stream(StreamConfig(name=EVENTS.name, subjects=["cta.>"], max_age=60))
        of_forgetful = await ended(tmp_path, "clicks", NATS_URL=nats_url, FINGERPOST_HTTP_PORT="0")
        provisioned = await ended(tmp_path, "chassis.provision", NATS_URL=nats_url)

    for status, said in of_newer:
        assert status == 1
        assert "takes subjects that this version does not know: thing.done.*" in said
    for status, said in (of_forgetful, provisioned):
        assert status == 1
        assert "has max_age=60" in said
        assert "remove the limit (nats stream edit EVENTS)" in said


async def test_1_a_command_that_is_refused(nats_url: str, tmp_path: Path) -> None:
    no_log = await ended(tmp_path, "scheduler", "list", NATS_URL=nats_url)
    no_stream = await ended(tmp_path, "chassis.backup", "save", f"{tmp_path}/b", NATS_URL=nats_url)
    await ended(tmp_path, "chassis.provision", NATS_URL=nats_url)
    unknown = await ended(tmp_path, "scheduler", "pause", "guides", NATS_URL=nats_url)
    polling = await ended(tmp_path, "clicks", "webhook", "set")
    nobody = await ended(tmp_path, "chassis.alive", "1")

    assert [no_log[0], no_stream[0], unknown[0], polling[0], nobody[0]] == [1, 1, 1, 1, 1]
    assert "there is no log yet; start a scheduler first" in no_log[1]
    assert "run `python -m chassis.provision`" in no_stream[1]
    assert "guides" in unknown[1]
    assert "FINGERPOST_CLICKS_MODE=polling wants no webhook" in polling[1]
    assert "no answer on port 1" in nobody[1]


@pytest.mark.parametrize("words", NONSENSE, ids=" ".join)
async def test_2_words_that_make_no_sense(words: Sequence[str], tmp_path: Path) -> None:
    status, said = await ended(tmp_path, *words)

    assert (status, "Traceback" in said) == (2, False)
    assert "--help" in said or "usage: " in said


@pytest.mark.parametrize("words", ASKING_NATS, ids=" ".join)
async def test_69_nats_is_out_of_reach(words: Sequence[str], tmp_path: Path) -> None:
    status, said = await ended(tmp_path, *words)

    assert (status, len(said.splitlines())) == (69, 1)
    assert f"NATS cannot be reached at nats://{NOWHERE}" in said
    assert "set NATS_URL to where it is" in said


@pytest.mark.parametrize("words", ASKING_TELEGRAM, ids=" ".join)
async def test_69_telegram_is_out_of_reach(words: Sequence[str], tmp_path: Path) -> None:
    status, said = await ended(tmp_path, *words)

    assert (status, "Traceback" in said) == (69, False)
    assert said.startswith("Telegram ")
    assert "A" * 35 not in said


@pytest.mark.parametrize("words", ASKING_POSTGRES, ids=" ".join)
async def test_69_postgresql_is_out_of_reach(words: Sequence[str], tmp_path: Path) -> None:
    status, said = await ended(tmp_path, *words)

    assert (status, len(said.splitlines())) == (69, 1)
    assert "POSTGRES_DSN" in said


@pytest.mark.parametrize("words", [*ASKING_NATS, *ASKING_TELEGRAM[:1]], ids=" ".join)
async def test_78_a_command_whose_settings_are_wrong(words: Sequence[str], tmp_path: Path) -> None:
    status, said = await ended(tmp_path, *words, NATS_URL="http://nats", POSTGRES_DSN="mysql://x")

    assert (status, "Traceback" in said) == (78, False)
    assert said.startswith(("NATS_URL: ", "POSTGRES_DSN: "))
    assert "e.g. nats://user:secret@nats:4222" in said


async def test_78_a_campaign_file_that_is_wrong_is_told_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "campaigns.yaml"
    file.write_text("campaigns:\n  - id: guides\n    kind: book\n")

    service = await ended(tmp_path, "scheduler", FINGERPOST_CAMPAIGNS=str(file))
    command = await ended(tmp_path, "scheduler", "validate", str(file))

    assert (service[0], command[0]) == (78, 1)
    assert f"{file}:3: " in service[1]
    assert f"{file}:3: " in command[1]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let commands hear an interrupt, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "words", [("clicks", "webhook", "info"), *ASKING_NATS, ("chassis.provision",)], ids=" ".join
)
async def test_130_a_command_that_a_person_interrupts(words: Sequence[str], tmp_path: Path) -> None:
    with silence() as (listener, address):
        places = {"NATS_URL": f"nats://{address}", "FINGERPOST_TELEGRAM_API": f"http://{address}"}
        command = process(tmp_path, *words, **places)
        command.start()
        asking, _ = await asyncio.to_thread(listener.accept)
        with asking:
            command.send(signal.SIGINT)
            await command.ended(60)

    assert command.exit_status == 130
    assert command.tail(100) == ""
