"""Who may reach whom: the arrows of the design, and that the network policies say exactly these."""

from collections.abc import Iterator, Sequence
from typing import Any

from manifests.pods import SERVICES, template_of
from manifests.rendering import Document

NAMESPACE = "fingerpost"
NATS, POSTGRES = "nats:4222", "postgres:5432"
INTERNET, NAMES = "internet:443", "names:53"
TRACES = "monitoring:4318"
OUT = {
    "scheduler": {NAMES, NATS},
    "sender": {NAMES, NATS, INTERNET},
    "clicks": {NAMES, NATS, INTERNET},
    "analytics": {NAMES, NATS, POSTGRES},
    "provision": {NAMES, NATS},
    "backup": {NAMES, NATS},
}
IN = {
    "scheduler": {"monitoring:http"},
    "sender": {"monitoring:http"},
    "clicks": {"monitoring:http", "ingress-nginx:http"},
    "analytics": {"monitoring:http", "ingress-nginx:http"},
    "provision": set[str](),
    "backup": set[str](),
}
_PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
_KNOWN = {
    ("fingerpost-data", "app.kubernetes.io/name=nats"): "nats",
    ("fingerpost-data", "cnpg.io/cluster=fingerpost"): "postgres",
    ("kube-system", "k8s-app=kube-dns"): "names",
}


def problems(documents: Sequence[Document]) -> Iterator[str]:
    """Yield where the policies differ from the arrows, for every pod of ours."""
    yield from _restless(documents)
    policies = [
        d["spec"]
        for d in documents
        if d["kind"] == "NetworkPolicy" and d["metadata"].get("namespace") == NAMESPACE
    ]
    if not any(_denies_all(policy) for policy in policies):
        yield "no policy denies what no other allows"
    traced = any(_traces(document) for document in documents)
    for document in documents:
        template = template_of(document)
        if template is None or document["metadata"].get("namespace") != NAMESPACE:
            continue
        name, labels = document["metadata"]["name"], template["metadata"]["labels"]
        out = OUT[name] | ({TRACES} if traced and name in SERVICES else set())
        for direction, far, wanted in (("egress", "to", out), ("ingress", "from", IN[name])):
            found = {
                arrow
                for policy in policies
                if _selects(policy["podSelector"], labels)
                for rule in policy.get(direction) or ()
                for arrow in _arrows(rule, far)
            }
            for arrow in sorted(found - wanted):
                yield f"{name}: {direction} {arrow} is open, and no arrow of the design"
            for arrow in sorted(wanted - found):
                yield f"{name}: {direction} {arrow} is not open"


def _restless(documents: Sequence[Document]) -> Iterator[str]:
    for document in documents:
        if document["kind"] == "NetworkPolicy":
            for direction in ("ingress", "egress"):
                if (
                    document["spec"].get(direction) == []
                ):  # is stored as nothing, so it differs again
                    name = document["metadata"]["name"]
                    yield f"{name}: each apply would change it: `{direction}: []` says nothing"


def _denies_all(policy: dict[str, Any]) -> bool:
    nothing = not policy.get("ingress") and not policy.get("egress")
    return (
        not policy["podSelector"]
        and set(policy["policyTypes"]) == {"Ingress", "Egress"}
        and nothing
    )


def _traces(document: Document) -> bool:
    told = document.get("data", {}) if document["kind"] == "ConfigMap" else {}
    return "OTEL_EXPORTER_OTLP_ENDPOINT" in told


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def _arrows(rule: dict[str, Any], far: str) -> Iterator[str]:
    ports = [str(port.get("port", "any")) for port in rule.get("ports", ({},))]
    peers: list[dict[str, Any]] = rule.get(far) or [{}]
    for peer in peers:
        for port in ports:
            yield f"{_name(peer)}:{port}"


def _name(peer: dict[str, Any]) -> str:
    if block := peer.get("ipBlock"):
        whole = block["cidr"] in ("0.0.0.0/0", "::/0")
        closed = ":" in block["cidr"] or set(block.get("except", ())) >= _PRIVATE
        return "internet" if whole and closed else f"addresses {block['cidr']}"
    spaces = peer.get("namespaceSelector", {}).get("matchLabels", {})
    space = spaces.get("kubernetes.io/metadata.name", "anywhere")
    chosen = peer.get("podSelector", {}).get("matchLabels", {})
    pods = ",".join(f"{key}={value}" for key, value in sorted(chosen.items()))
    return _KNOWN.get((space, pods)) or (f"{space} {pods}" if pods else space)
