"""The dashboard for Grafana."""

import json
from dataclasses import dataclass
from typing import Any

_PERIOD = "[$__rate_interval]"
_WIDTH = 24
_HEIGHT = 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_FLAT = 4


@dataclass(frozen=True)
class Panel:
    """A panel: `queries` are legends and what is asked; `stat`: one number, else a graph."""

    title: str
    queries: dict[str, str]
    says: str = ""
    unit: str = "short"
    width: int = 8
    stat: bool = False
    bad: float | None = None
    """From where on a number is red; below 1, 0 is."""
    decimals: int | None = None


def _quantiles(metric: str, by: str = "") -> dict[str, str]:
    names = {"0.5": "median", "0.99": "99 %"}
    labels, legend = (f", {by}", f"{{{{{by}}}}} ") if by else ("", "")
    return {
        f"{legend}{name}": f"histogram_quantile({quantile},"
        f" sum by (le{labels}) (rate({metric}_bucket{{{_SCOPE}}}{_PERIOD})))"
        for quantile, name in names.items()
    }


_SCOPE = 'namespace=~"$namespace"'


def _rate(metric: str, by: str, where: str = "") -> dict[str, str]:
    labels = ",".join(filter(None, (_SCOPE, where)))
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return {legend: f"sum by ({by}) (rate({metric}{{{labels}}}{_PERIOD}))"}


def _of(metric: str, how: str = "max", by: str = "", where: str = "") -> str:
    labels = ",".join(filter(None, (_SCOPE, where)))
    grouped = f" by ({by})" if by else ""
    return f"{how}{grouped} ({metric}{{{labels}}})"


def _hour(metric: str, where: str = "") -> str:
    labels = ",".join(filter(None, (_SCOPE, where)))
    return f"sum(increase({metric}{{{labels}}}[1h]))"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Overview": (
        Panel(
            "Ready",
            {"{{service}}": _of("fingerpost_ready", "max", "service")},
            "1 where a replica of the service is ready.",
            width=8,
            stat=True,
            bad=0,
        ),
        Panel(
            "Active senders",
            {"active": _of("fingerpost_sender_active", "sum")},
            "One process sends for all bots; another number than 1 is wrong.",
            width=4,
            stat=True,
            bad=0,
        ),
        Panel(
            "Posted, last hour",
            {"posted": _hour("fingerpost_sender_sends_total", 'outcome="sent"')},
            width=4,
            stat=True,
            decimals=0,
        ),
        Panel(
            "Not posted, last hour",
            {
                "missed": _hour("fingerpost_scheduler_missed_total"),
                "failed or unsure": _hour("fingerpost_sender_sends_total", 'outcome!="sent"'),
            },
            "Slots that were missed, and attempts that did not end in a message.",
            width=4,
            stat=True,
            bad=1,
            decimals=0,
        ),
        Panel(
            "Events not in the tables",
            {
                "events": f"{_of('fingerpost_projection_log_sequence')}"
                f" - {_of('fingerpost_projection_checkpoint')}"
            },
            width=4,
            stat=True,
            bad=10_000,
        ),
    ),
    "Scheduler": (
        Panel(
            "Slots by what came of them",
            _rate("fingerpost_scheduler_slots_total", "kind, outcome"),
            "With several replicas each slot is said once and refused to the others.",
        ),
        Panel(
            "Due events by what they were emitted for",
            _rate("fingerpost_scheduler_emitted_total", "kind, trigger"),
        ),
        Panel(
            "Missed by reason, an hour",
            {
                "{{reason}}": "sum by (reason)"
                f" (increase(fingerpost_scheduler_missed_total{{{_SCOPE}}}[1h]))"
            },
            decimals=0,
        ),
        Panel(
            "Lateness",
            _quantiles("fingerpost_scheduler_lateness_seconds"),
            "From a slot's planned instant until the log had its due event.",
            unit="s",
        ),
        Panel(
            "Clock minus the log's",
            {"{{instance}}": _of("fingerpost_scheduler_clock_skew_seconds", "max", "instance")},
            unit="s",
        ),
        Panel(
            "Plan",
            {
                "clock is not believed": _of("fingerpost_scheduler_clock_held"),
                "campaign file is broken": _of("fingerpost_scheduler_plan_file_broken"),
                "campaigns that differ from the file": _of("fingerpost_scheduler_plan_differs"),
            },
        ),
    ),
    "Sender": (
        Panel("Attempts by outcome", _rate("fingerpost_sender_sends_total", "kind, outcome")),
        Panel(
            "From planned to posted",
            _quantiles("fingerpost_sender_latency_seconds", "kind"),
            unit="s",
        ),
        Panel(
            "Waiting for their turn",
            {"{{bot}} {{kind}}": _of("fingerpost_sender_waiting", "sum", "bot, kind")},
        ),
        Panel("Waits", _quantiles("fingerpost_sender_wait_seconds", "kind"), unit="s"),
        Panel(
            "Floods (429), and what was told to come later",
            {
                **_rate("fingerpost_sender_floods_total", "scope"),
                "{{kind}} later": f"sum by (kind)"
                f" (rate(fingerpost_sender_postponed_total{{{_SCOPE}}}{_PERIOD}))",
            },
        ),
        Panel(
            "Rate in use, of what Telegram allows",
            {"{{bot}}": _of("fingerpost_sender_rate_share", "min", "bot")},
            unit="percentunit",
        ),
        Panel(
            "Bots",
            {
                "{{bot}} accepted": _of("fingerpost_sender_lane_up", "max", "bot"),
                "{{bot}} channels disabled": _of(
                    "fingerpost_sender_channels_disabled", "max", "bot"
                ),
                "{{bot}} chats slowed": _of("fingerpost_sender_slowed_chats", "max", "bot"),
            },
        ),
        Panel(
            "Looks by what was found",
            _rate("fingerpost_sender_looks_total", "found"),
            "Messages whose answer was lost, looked for in the channel.",
        ),
        Panel(
            "Ids that a look took",
            _quantiles("fingerpost_sender_probes"),
        ),
        Panel(
            "Withdrawals", _rate("fingerpost_sender_withdrawals_total", "action, outcome"), width=12
        ),
        Panel(
            "Stars that may be charged, an hour",
            {"Stars": f"0.1 * {_hour('fingerpost_sender_paid_total')}"},
            width=12,
        ),
    ),
    "Clicks": (
        Panel(
            "Taps, starts, links and payments by what came of them",
            _rate("fingerpost_clicks_updates_total", "kind, outcome"),
        ),
        Panel("Refused by reason", _rate("fingerpost_clicks_refused_total", "reason")),
        Panel(
            "Until a person may be answered",
            _quantiles("fingerpost_clicks_handling_seconds"),
            "The log has the event by then.",
            unit="s",
        ),
        Panel(
            "Conversions from elsewhere",
            _rate("fingerpost_clicks_conversions_total", "source, outcome"),
        ),
        Panel("Calls of the Bot API", _rate("fingerpost_clicks_calls_total", "method, outcome")),
        Panel(
            "Payments Telegram did not tell of, an hour",
            {
                "{{kind}}": "sum by (kind)"
                f" (increase(fingerpost_clicks_stars_recovered_total{{{_SCOPE}}}[1h]))"
            },
        ),
    ),
    "Analytics": (
        Panel(
            "Events not in the tables",
            {
                "events": f"{_of('fingerpost_projection_log_sequence')}"
                f" - {_of('fingerpost_projection_checkpoint')}",
                "as the process that folds sees it": _of("fingerpost_projection_lag_events"),
                "left to build": _of("fingerpost_projection_build_left_events"),
            },
        ),
        Panel(
            "Events folded a second",
            {"events": f"sum(rate(fingerpost_projection_batch_size_sum{{{_SCOPE}}}{_PERIOD}))"},
        ),
        Panel("Batch", _quantiles("fingerpost_projection_batch_size")),
        Panel(
            "Transaction of a batch", _quantiles("fingerpost_projection_batch_seconds"), unit="s"
        ),
        Panel(
            "Folding, halted",
            {
                "processes that fold": _of("fingerpost_projection_folding", "sum"),
                "halted": _of("fingerpost_projection_halted"),
            },
        ),
        Panel(
            "Quarantined",
            {"messages an hour": _hour("fingerpost_projection_quarantined_total")},
            decimals=0,
        ),
    ),
    "Log": (
        Panel("Events published", _rate("fingerpost_log_published_total", "fact, outcome")),
        Panel(
            "Until the log acknowledged",
            _quantiles("fingerpost_log_acknowledgement_seconds", "job"),
            unit="s",
        ),
        Panel(
            "Servers that have all of the log",
            {
                "are": f"min(fingerpost_log_copies{{{_SCOPE}}} > 0)",
                "are to be": _of("fingerpost_log_copies_wanted"),
            },
            "As its leader says.",
            decimals=0,
        ),
        Panel(
            "How late the event loops came back",
            _quantiles("fingerpost_event_loop_lag_seconds", "job"),
            unit="s",
        ),
        Panel(
            "Checks of readiness that fail",
            {
                "{{service}}: {{check}}": "min by (service, check)"
                f" (fingerpost_check_passing{{{_SCOPE}}}) == 0"
            },
            width=12,
        ),
        Panel(
            "Versions",
            {"{{service}} {{version}}": _of("fingerpost_build_info", "sum", "service, version")},
            width=12,
        ),
    ),
}


def document() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(_dashboard(), indent=1) + "\n"


def _dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for title, members in ROWS.items():
        panels.append(_row(title, y, len(panels) + 1))
        x, y = 0, y + 1
        height = _FLAT if all(panel.stat for panel in members) else _HEIGHT
        for panel in members:
            if x + panel.width > _WIDTH:
                x, y = 0, y + height
            place = {"h": height, "w": panel.width, "x": x, "y": y}
            panels.append(_panel(panel, place, len(panels) + 1))
            x += panel.width
        y += height
    return {
        "uid": "fingerpost",
        "title": "Fingerpost",
        "description": "Posts on time, taps counted, tables up to date.",
        "tags": ["fingerpost"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _namespace()]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _row(title: str, y: int, number: int) -> dict[str, Any]:
    place = {"h": 1, "w": _WIDTH, "x": 0, "y": y}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}


def _panel(panel: Panel, place: dict[str, int], number: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": _thresholds(panel)}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.stat:
        options: dict[str, Any] = {
            "colorMode": "value",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        }
    else:
        defaults["custom"] = {"fillOpacity": 10, "showPoints": "never"}
        options = {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}}
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(65 + place), "expr": expr, "legendFormat": legend, "datasource": _SOURCE}
            for place, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    """Color a number: red from `bad` on, or, where that is 0, red unless it is 1."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad == 0:
        steps = [
            {"color": "red", "value": None},
            {"color": "green", "value": 1},
            {"color": "red", "value": 2},
        ]
    elif panel.bad:
        steps.append({"color": "red", "value": panel.bad})
    return {"mode": "absolute", "steps": steps}


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _namespace() -> dict[str, Any]:
    """Let several installations be told apart; without namespaces `.*` fits the lack of a label."""
    return {
        "name": "namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(fingerpost_build_info, namespace)", "refId": "namespaces"},
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
