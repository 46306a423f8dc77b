"""What an operator sees of a run of everything: metrics, logs and traces of one story."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.telemetry import trace_id
from contracts.events import CtaClicked, MessageSent
from harness import waiting
from harness.collectors import Collector, Told, collecting
from harness.logs import open_log
from harness.stacks import running_stack
from sandbox.client import Sandbox
from stack.demo import CAMPAIGNS
from stack.local import SERVICES, LocalStack
from stack.people import Audience

READING_SECONDS = 6

pytestmark = pytest.mark.timeout(300)  # all of it starts in the first test


@dataclass(frozen=True)
class Seen:
    """What was seen of one run: metrics and logs by service, spans, a delivery that was tapped."""

    metrics: dict[str, str]
    logs: dict[str, str]
    spans: list[Told]
    delivery: str
    secrets: tuple[str, ...]

    def story(self) -> list[Told]:
        """Return the spans of the delivery."""
        trace = f"{trace_id(self.delivery):032x}"
        return [span for span in self.spans if span.trace == trace]

    def one(self, is_it: Callable[[Told], bool]) -> Told:
        """Return the first span of the story that `is_it`."""
        found = [span for span in self.story() if is_it(span)]
        assert found, sorted({(span.service, span.name) for span in self.story()})
        return found[0]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return asyncio.run(run(tmp_path_factory.mktemp("observed")))


async def run(folder: Path) -> Seen:
    """Run everything with a collector, let people tap, and stop."""
    with collecting() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "FINGERPOST_LOG_LEVEL": "debug"}
        async with running_stack(folder, every="4s", **told) as stack:
            async with Sandbox(stack.urls["sandbox"]) as sandbox:
                audience = Audience(sandbox, CAMPAIGNS, seed=7)
                while not any(deeds.clickers for deeds in audience.tally.deeds.values()):
                    await audience.read(READING_SECONDS)
            delivery = await tapped(stack)
            metrics = {name: await ready_answer(stack, name) for name in SERVICES}
            # What a service has still to tell when it stops, it tells for some seconds only.
            await waiting.until(partial(whole, collector, delivery), bool, seconds=60)
        secrets = json.loads((folder / "secrets.json").read_text())
        logs = {name: (folder / f"{name}.log").read_text() for name in SERVICES}
    return Seen(metrics, logs, collector.spans, delivery, tuple(secrets.values()))


async def tapped(stack: LocalStack) -> str:
    """Return a delivery that was tapped, once the tables have all of it."""
    async with open_log(stack.nats_url) as log:
        sent = {event.delivery for event in await log.events(MessageSent)}
        clicks = [click for click in await log.events(CtaClicked) if click.via == "callback"]
        last = max(entry.sequence for entry in await log.numbered())
    await waiting.until(lambda: folded(stack), lambda up_to: up_to >= last, seconds=60)
    return next(click.delivery for click in clicks if click.delivery in sent)


async def folded(stack: LocalStack) -> float:
    """Return the checkpoint."""
    families = text_string_to_metric_families(await answer(stack, "analytics"))
    [sample] = next(f for f in families if f.name == "fingerpost_projection_checkpoint").samples
    return sample.value


async def whole(collector: Collector, delivery: str) -> bool:
    """Whether the collector was told each step of the delivery, with what each came from."""
    story = collector.of(f"{trace_id(delivery):032x}")
    told = {span.name for span in story} >= {"fold message.sent", "fold cta.clicked"}
    return told and {span.parent for span in story} - {""} <= {span.id for span in story}


async def ready_answer(stack: LocalStack, service: str) -> str:
    """Return what a service answers that is ready: on a busy machine a check may take too long."""
    ready = f'fingerpost_ready{{service="{service}"}} 1.0'
    return await waiting.until(partial(answer, stack, service), lambda page: ready in page)


async def answer(stack: LocalStack, service: str) -> str:
    """Return what a service answers to Prometheus."""
    async with httpx.AsyncClient(timeout=30) as client:
        return (await client.get(f"{stack.urls[service]}/metrics")).text


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)
@pytest.mark.parametrize("service", SERVICES)
def test_prometheus_finds_no_fault_with_the_metrics(seen: Seen, service: str) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=seen.metrics[service],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_who_it_is_and_that_it_is_ready(seen: Seen, service: str) -> None:
    metrics = seen.metrics[service]

    assert f'fingerpost_build_info{{service="{service}",version="0.1.0"}} 1.0' in metrics
    assert f'fingerpost_ready{{service="{service}"}} 1.0' in metrics
    assert f'fingerpost_check_passing{{check="nats",service="{service}"}} 1.0' in metrics


def test_what_happened_is_counted(seen: Seen) -> None:
    def count(service: str, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(seen.metrics[service])
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    assert count("scheduler", "fingerpost_scheduler_emitted_total", trigger="schedule") >= 1
    assert count("scheduler", "fingerpost_scheduler_lateness_seconds_count") >= 1
    assert count("sender", "fingerpost_sender_sends_total", outcome="sent") >= 1
    assert count("clicks", "fingerpost_clicks_updates_total", outcome="recorded") >= 1
    assert count("clicks", "fingerpost_clicks_handling_seconds_count") >= 1
    assert count("clicks", "fingerpost_log_acknowledgement_seconds_count") >= 1
    assert count("analytics", "fingerpost_projection_batch_seconds_count") >= 1
    assert count("analytics", "fingerpost_projection_folding") == 1


@pytest.mark.parametrize("service", SERVICES)
def test_one_id_finds_the_lines_of_every_service(seen: Seen, service: str) -> None:
    lines = [json.loads(line) for line in seen.logs[service].splitlines() if seen.delivery in line]

    assert lines
    for line in lines:
        ids = line.get("correlation_ids") or [line.get("correlation_id")]
        assert seen.delivery in ids, line


@pytest.mark.parametrize("service", ["scheduler", "sender"])
def test_a_delivery_is_told_of_without_debug(seen: Seen, service: str) -> None:
    lines = [json.loads(line) for line in seen.logs[service].splitlines() if seen.delivery in line]

    assert {"slot due", "sent"} & {line["event"] for line in lines if line["level"] == "info"}


def test_nothing_secret_is_logged_even_in_debug(seen: Seen) -> None:
    for secret in seen.secrets:
        assert not [name for name, log in seen.logs.items() if secret in log]


def test_nothing_secret_is_traced(seen: Seen) -> None:
    for secret in seen.secrets:
        assert secret not in str(seen.spans)


def test_the_spans_of_all_services_are_of_one_trace(seen: Seen) -> None:
    assert {span.service for span in seen.story()} == set(SERVICES)
    assert {span.attributes.get("fingerpost.correlation_id") for span in seen.story()} <= {
        seen.delivery,
        None,
    }


def test_due_leads_to_claim_and_send_and_sent_and_row(seen: Seen) -> None:
    due = seen.one(lambda span: span.name.endswith(".due") and span.service == "scheduler")
    handled = seen.one(lambda span: span.name.startswith("handle") and span.parent == due.id)
    steps = [
        seen.one(lambda span, name=name: span.name == name and span.parent == handled.id)  # type: ignore[misc]
        for name in ("publish message.claimed", "post to Telegram", "publish message.sent")
    ]
    row = seen.one(lambda span: span.name == "fold message.sent" and span.parent == steps[-1].id)

    assert due.parent == ""
    assert {step.service for step in steps} == {"sender"}
    assert sum(step.nanoseconds for step in steps) <= handled.nanoseconds
    assert all(step.id != other.id for step, other in pairwise(steps))
    assert row.service == "analytics"


def test_a_tap_leads_to_a_click_and_a_row(seen: Seen) -> None:
    click = seen.one(lambda span: span.name == "publish cta.clicked")
    tap = seen.one(lambda span: span.id == click.parent)
    row = seen.one(lambda span: span.name == "fold cta.clicked" and span.parent == click.id)

    assert (tap.service, tap.parent) == ("clicks", "")
    assert tap.nanoseconds >= click.nanoseconds > 0
    assert row.service == "analytics"


def test_a_batch_is_linked_with_its_events_both_ways(seen: Seen) -> None:
    row = seen.one(lambda span: span.name == "fold cta.clicked")
    [batch] = [span for span in seen.spans if span.id in row.links]

    assert batch.name == "fold a batch"
    assert row.parent in batch.links
    assert batch.trace != row.trace
