"""The metrics of all services, read off their code."""

from dataclasses import dataclass
from importlib import import_module

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

PREFIX = "fingerpost_"
_OWNERS = {
    "scheduler": "scheduler",
    "sender": "sender",
    "clicks": "clicks",
    "projection": "analytics",
}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


@dataclass(frozen=True)
class Metric:
    """One metric: `name` as it is exported, a histogram's without its suffixes."""

    name: str
    type: str
    labels: tuple[str, ...]
    says: str

    @property
    def service(self) -> str:
        """Whose it is: a service's, or every one's."""
        return _OWNERS.get(self.name.split("_")[1], "every service")

    @property
    def series(self) -> tuple[str, ...]:
        """The names of what is scraped."""
        if self.type == "histogram":
            return tuple(self.name + suffix for suffix in _SUFFIXES["histogram"])
        return (self.name,)


def metrics() -> list[Metric]:
    """Return every metric of the four services, by service and name."""
    for service in ("scheduler", "sender", "clicks", "analytics"):
        import_module(f"{service}.app")
    found = {
        _read(collector)
        for collector in REGISTRY._names_to_collectors.values()
        if isinstance(collector, MetricWrapperBase) and collector._name.startswith(PREFIX)
    }
    return sorted(found, key=lambda metric: (metric.service, metric.name))


def _read(collector: MetricWrapperBase) -> Metric:
    [family] = collector.describe()
    suffix = "" if family.type == "histogram" else _SUFFIXES.get(family.type, ("",))[0]
    labels = ("service", "version") if family.type == "info" else tuple(collector._labelnames)
    kind = "gauge" if family.type == "info" else family.type
    return Metric(family.name + suffix, kind, labels, family.documentation)


def table() -> str:
    """Return the metrics as a table in Markdown."""
    lines = ["| metric | type | labels | says |", "|---|---|---|---|"]
    owner = ""
    for metric in metrics():
        if metric.service != owner:
            owner = metric.service
            lines.append(f"| **{owner}** | | | |")
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.says} |")
    return "\n".join(lines)
