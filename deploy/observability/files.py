"""The files that are made: none of them is to be edited by hand."""

import re
from pathlib import Path

from observability import dashboard, metrics

DEPLOY = Path(__file__).parents[1]
README = DEPLOY / "observability/README.md"
DASHBOARD = DEPLOY / "dashboards/fingerpost.json"
ALERTS = DEPLOY / "alerts/fingerpost.yaml"
OPTION = DEPLOY / "k8s/options/monitoring"
_TABLE = re.compile(r"(?<=<!-- metrics -->\n).*?(?=\n<!-- /metrics -->)", re.DOTALL)


def written() -> dict[Path, str]:
    """Return what each file should hold."""
    return {
        README: _TABLE.sub(lambda _: metrics.table(), README.read_text()),
        DASHBOARD: dashboard.document(),
        OPTION / "rules.yaml": _custom_resource(ALERTS.read_text()),
    }


def _custom_resource(rules: str) -> str:
    head = (
        "# Made of deploy/alerts/fingerpost.yaml by `make generate`.\n"
        "apiVersion: monitoring.coreos.com/v1\n"
        "kind: PrometheusRule\n"
        "metadata:\n  name: fingerpost\n"
        "spec:\n"
    )
    body = rules[rules.index("groups:") :]
    return head + "".join(
        f"  {line}" if line.strip() else line for line in body.splitlines(keepends=True)
    )
