"""NATS by TLS, its servers vouched for by a certificate of one's own."""

import shutil
from pathlib import Path
from subprocess import run

import pytest
from pydantic import ValidationError

from chassis.console import UnavailableError, console
from chassis.settings import ServiceSettings
from stack.nats_server import NatsServer
from stack.ports import free_port

from .test_service import Probe

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the files")


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate for this machine that vouches for itself; return its file."""
    path = folder / f"{name}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-nodes", "-days", "1", "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    run([*command, *files, *subject], check=True, capture_output=True, timeout=60)
    return path


async def test_services_and_commands_trust_the_servers_that_they_are_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, foreign = certificate(tmp_path, "ours"), certificate(tmp_path, "foreign")
    include = tmp_path / "tls.conf"
    include.write_text(f'tls {{ cert_file: "{ours}", key_file: "{ours.with_suffix(".key")}" }}\n')
    server = NatsServer(
        tmp_path / "nats", port=free_port(), monitor_port=free_port(), include=include
    )
    await server.start()
    url = server.url.replace("nats://", "tls://")
    try:
        monkeypatch.setenv("FINGERPOST_NATS_CA", str(ours))
        probe = Probe(tmp_path, url)
        probe.process.start()
        try:
            await probe.is_ready()
        finally:
            await probe.process.kill()
        async with console(ServiceSettings(NATS_URL=url), source="test") as connection:
            assert await connection.reader.newest("campaign.>") == 0

        monkeypatch.setenv("FINGERPOST_NATS_CA", str(foreign))
        with pytest.raises(UnavailableError, match=r"(?i)certificate"):
            async with console(ServiceSettings(NATS_URL=url), source="test"):
                pass
    finally:
        await server.process.kill()


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.crt"
    path.write_text("nothing\n")

    with pytest.raises(ValidationError, match=r"empty\.crt cannot be used"):
        ServiceSettings(nats_ca=path)
    with pytest.raises(ValidationError, match="does not point to a file"):
        ServiceSettings(nats_ca=tmp_path / "missing.crt")
