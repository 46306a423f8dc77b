"""What the documents say of each other: no Service without pods, no secret in the open."""

from collections.abc import Iterator, Sequence
from typing import Any

from manifests.pods import RUNNING, SERVICES, pod_of
from manifests.rendering import Document

_SECRET = ("NATS_URL", "POSTGRES_DSN", "TELEGRAM_", "CTA_KEYS", "WEBHOOK_SECRET", "PASSWORD")
_SECRET_TOO = ("CONVERSION_SECRETS", "STRIPE_SECRETS")
_MADE_ELSEWHERE = {"nats-ca"}


def problems(documents: Sequence[Document], *, whole: bool) -> Iterator[str]:
    """Yield what does not fit; `whole`: nothing is to be found elsewhere."""
    yield from _names(documents)
    yield from _secrets(documents)
    yield from _services(documents)
    yield from _ways_in(documents)
    yield from _scaling(documents)
    yield from _scraping(documents)
    yield from _disruptions(documents)
    if whole:
        yield from _missing(documents)
    for document in _of(documents, "Namespace"):
        labels = document["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"namespace {document['metadata']['name']} is not restricted"


def _of(documents: Sequence[Document], *kinds: str) -> Iterator[Document]:
    return (document for document in documents if document["kind"] in kinds)


def _names(documents: Sequence[Document]) -> Iterator[str]:
    for document in documents:
        if document["kind"] != "Namespace" and "namespace" not in document["metadata"]:
            yield f"{document['kind']} {document['metadata']['name']} is in no namespace"


def _secrets(documents: Sequence[Document]) -> Iterator[str]:
    for document in _of(documents, "Secret"):
        yield f"Secret {document['metadata']['name']} stands in the files"
    for name, value in _settings(documents):
        if value and any(part in name for part in (*_SECRET, *_SECRET_TOO)):
            yield f"the secret {name} stands in the files"


def _settings(documents: Sequence[Document]) -> Iterator[tuple[str, Any]]:
    for document in _of(documents, "ConfigMap"):
        yield from document.get("data", {}).items()
    for document in documents:
        for container in (pod_of(document) or {}).get("containers", ()):
            for each in container.get("env", ()):
                yield each["name"], each.get("value")


def _services(documents: Sequence[Document]) -> Iterator[str]:
    running = [d for d in documents if d["kind"] in RUNNING]
    for document in _of(documents, "Service"):
        name, spec = document["metadata"]["name"], document["spec"]
        chosen = [d for d in running if _matches(spec["selector"], d)]
        if len(chosen) != 1:
            yield f"Service {name} selects {len(chosen)} workloads"
            continue
        containers = (pod_of(chosen[0]) or {})["containers"]
        ports = {port["name"] for container in containers for port in container["ports"]}
        for port in spec["ports"]:
            if port["targetPort"] not in ports:
                yield f"Service {name} leads to a port that is not there"


def _ways_in(documents: Sequence[Document]) -> Iterator[str]:
    services = {d["metadata"]["name"] for d in _of(documents, "Service")}
    for document in _of(documents, "Ingress"):
        name = document["metadata"]["name"]
        if not document["spec"].get("tls"):
            yield f"Ingress {name} is without TLS"
        for rule in document["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                if path["backend"]["service"]["name"] not in services:
                    yield f"Ingress {name} leads to a Service that is not there"
                if path["path"] == "/" and path["pathType"] != "Exact":
                    yield f"Ingress {name} leaves health and metrics open"


def _scaling(documents: Sequence[Document]) -> Iterator[str]:
    for document in _of(documents, "HorizontalPodAutoscaler", "ScaledObject"):
        name, spec = document["metadata"]["name"], document["spec"]
        least, most = ("minReplicas", "maxReplicas")
        if document["kind"] == "ScaledObject":
            least, most = ("minReplicaCount", "maxReplicaCount")
        if spec.get(least, 1) > spec[most]:
            yield f"{name}: {least} is above {most}"
        for target in _of(documents, spec["scaleTargetRef"]["kind"]):
            if target["metadata"]["name"] == spec["scaleTargetRef"]["name"]:
                if "replicas" in target["spec"]:
                    yield f"{name}: replicas of the Deployment would undo the scaling"
                break
        else:
            yield f"{name}: what it scales is not there"


def _scraping(documents: Sequence[Document]) -> Iterator[str]:
    services = [d for d in _of(documents, "Service") if d["metadata"]["name"] in SERVICES]
    for document in _of(documents, "ServiceMonitor"):
        spec = document["spec"]
        asked = {endpoint["port"] for endpoint in spec["endpoints"]}
        for service in services:
            name, labels = service["metadata"]["name"], service["metadata"].get("labels", {})
            ports = {port["name"] for port in service["spec"]["ports"]}
            if not spec["selector"]["matchLabels"].items() <= labels.items() or not asked <= ports:
                yield f"{name} is not scraped"


def _disruptions(documents: Sequence[Document]) -> Iterator[str]:
    budgets = [d["spec"] for d in _of(documents, "PodDisruptionBudget")]
    for budget in budgets:
        if "minAvailable" in budget and "maxUnavailable" in budget:
            yield "a PodDisruptionBudget has both minAvailable and maxUnavailable"
    for document in _of(documents, "Deployment"):
        name = document["metadata"]["name"]
        own = [b for b in budgets if _matches(b["selector"]["matchLabels"], document)]
        if name in SERVICES and len(own) != 1:
            yield f"{name} has {len(own)} PodDisruptionBudgets"


def _missing(documents: Sequence[Document]) -> Iterator[str]:
    there = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents}
    for document in documents:
        pod = pod_of(document)
        if pod is None:
            continue
        space = document["metadata"].get("namespace")
        for kind, name in _asked_for(pod):
            if (kind, space, name) not in there and name not in _MADE_ELSEWHERE:
                yield f"{document['metadata']['name']}: {kind} {name} is not there"


def _asked_for(pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "serviceAccountName" in pod:
        yield "ServiceAccount", pod["serviceAccountName"]
    for container in pod["containers"]:
        for source in container.get("envFrom", ()):
            yield "ConfigMap", source["configMapRef"]["name"]
    for volume in pod.get("volumes", ()):
        if claim := volume.get("persistentVolumeClaim"):
            yield "PersistentVolumeClaim", claim["claimName"]
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            if "configMap" in source:
                yield "ConfigMap", source["configMap"]["name"]


def _matches(selector: dict[str, str], document: Document) -> bool:
    labels: dict[str, str] = document["spec"]["template"]["metadata"]["labels"]
    return selector.items() <= labels.items()
