"""Metrics have names, help and a place in the docs; dashboard and alerts ask for what exists."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from observability.files import ALERTS, DASHBOARD, DEPLOY, written
from observability.metrics import Metric, metrics

METRICS = metrics()
UNITS = re.compile(r"_(milliseconds|ms|minutes|hours|kilobytes|percent)(_|$)")
NAME = re.compile(r"\bfingerpost_[a-z0-9_]+")
MATCHER = re.compile(r"(fingerpost_[a-z0-9_]+)\{([^}]*)\}|by \(([^)]*)\)")

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)


def promtool(*arguments: str) -> str:
    """Run it; return what it says, with its exit status where that is not 0."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}" + (f"exit {done.returncode}" if done.returncode else "")


def rules() -> list[dict[str, Any]]:
    """Return every alert."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def questions() -> dict[str, str]:
    """Return every expression of the dashboard and of the alerts, by where it stands."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        f"{panel['title']}: {target['legendFormat']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", ())
    }
    return asked | {rule["alert"]: rule["expr"] for rule in rules()}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_convention_and_says_what_it_means(metric: Metric) -> None:
    assert metric.says.endswith(".")
    assert metric.says.split()[0] != metric.name
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert not UNITS.search(metric.name), "base units: seconds, bytes, ratios"
    assert not {"le", "quantile", "instance", "job"} & set(metric.labels)


@pytest.mark.parametrize("path", written(), ids=lambda path: path.name)
def test_what_is_made_of_the_metrics_and_alerts_is_up_to_date(path: Path) -> None:
    assert path.read_text() == written()[path], "run `make generate`"


@pytest.mark.parametrize(("place", "asked"), questions().items())
def test_dashboard_and_alerts_ask_for_what_is_there(place: str, asked: str) -> None:
    known = {series for metric in METRICS for series in metric.series}

    assert NAME.findall(asked)
    assert set(NAME.findall(asked)) - known == set()


@pytest.mark.parametrize(("place", "asked"), questions().items())
def test_dashboard_and_alerts_ask_by_labels_that_the_metric_has(place: str, asked: str) -> None:
    labels = {series: set(metric.labels) for metric in METRICS for series in metric.series}
    # Prometheus adds these.
    of_all = {"namespace", "job", "instance", "le"}
    named = set().union(*(labels[name] for name in NAME.findall(asked)))

    for name, matchers, grouping in MATCHER.findall(asked):
        used = set(re.findall(r"(\w+)=~?\"|(\w+)!~?=?\"", matchers)) if name else set()
        keys = {one or other for one, other in used}
        assert keys - labels.get(name, set()) - of_all == set()
        assert {label.strip() for label in grouping.split(",") if label} - named - of_all == set()


def test_every_metric_but_a_few_is_on_the_dashboard_or_alerts() -> None:
    asked = set(NAME.findall(" ".join(questions().values())))

    unseen = {m.name for m in METRICS if not asked & set(m.series)}

    assert unseen == {
        "fingerpost_clicks_invites_total",
        "fingerpost_clicks_look_ups_total",
        "fingerpost_clicks_polling",
        "fingerpost_sender_audit_copies_left_total",
        "fingerpost_sender_channel_changes_total",
    }


def test_panels_neither_overlap_nor_leave_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"deploy/runbook.md#{rule['alert'].lower()}"


def test_every_alert_has_a_test() -> None:
    tests = yaml.safe_load((DEPLOY / "alerts/fingerpost_test.yaml").read_text())["tests"]

    assert {rule["alert"] for rule in rules()} == {test["name"] for test in tests} - {"all is well"}


@needs_promtool
def test_the_alerts_are_rules() -> None:
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_each_alert_fires_and_none_while_all_is_well() -> None:
    said = promtool("test", "rules", str(DEPLOY / "alerts/fingerpost_test.yaml"))

    assert said.split() == [
        "Unit", "Testing:", str(DEPLOY / "alerts/fingerpost_test.yaml"), "SUCCESS",
    ]  # fmt: skip


@needs_promtool
def test_prometheus_understands_every_question(tmp_path: Path) -> None:
    # Grafana fills these in.
    asked = [one.replace("$__rate_interval", "5m") for one in questions().values()]
    recorded = [{"record": f"asked:{n}", "expr": one} for n, one in enumerate(asked)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": recorded}]}))

    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", str(path))
