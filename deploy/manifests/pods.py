"""What every pod of ours must be: restricted, bounded, watched, and with no right to spare."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from manifests.rendering import Document

RUNNING = ("Deployment", "StatefulSet")
SERVICES = ("scheduler", "sender", "clicks", "analytics")
_A_SEND, _ITS_RECORD = 60, 30
_UNITS = {"m": Decimal("0.001"), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "": Decimal(1)}


def template_of(document: Document) -> dict[str, Any] | None:
    """Return the template of what runs pods."""
    if document["kind"] not in (*RUNNING, "Job", "CronJob"):
        return None
    spec = document["spec"]
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: dict[str, Any] = spec["template"]
    return template


def pod_of(document: Document) -> dict[str, Any] | None:
    """Return the pod's specification of what runs pods."""
    template = template_of(document)
    return template["spec"] if template else None


def problems(document: Document) -> Iterator[str]:
    """Yield what is wrong with the pods of a document."""
    pod = pod_of(document)
    if pod is None:
        return
    yield from _pod(pod)
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for said in (*_confined(container), *_bounded(container), *_mounted(container, pod)):
            yield f"container {container['name']}: {said}"
        if document["kind"] in RUNNING:
            for said in _watched(container, ours=document["metadata"]["name"] in SERVICES):
                yield f"container {container['name']}: {said}"
    if document["metadata"]["name"] in SERVICES:
        yield from _service(document, pod)


def _pod(pod: dict[str, Any]) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not set"
    if not context.get("runAsUser"):
        yield "runAsUser is root, or not set"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccompProfile is not RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "a token of its service account is mounted"
    yield from (f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if name in pod)
    for volume in pod.get("volumes", ()):
        if "hostPath" in volume:
            yield f"volume {volume['name']} is a folder of the node"


def _confined(container: dict[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities are not dropped"
    if context.get("privileged") or context.get("runAsUser") == 0:
        yield "it runs as root"
    name, _, tag = container["image"].rpartition(":")
    if not name or "/" in tag or tag == "latest":
        yield f"image {container['image']} has no version"


def _bounded(container: dict[str, Any]) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    yield from (f"no request of {n}" for n in ("cpu", "memory") if n not in requests)
    yield from (f"no limit of {n}" for n in ("memory", "ephemeral-storage") if n not in limits)
    for name in requests.keys() & limits.keys():
        if amount(requests[name]) > amount(limits[name]):
            yield f"it requests more {name} than its limit"


def _mounted(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        volume = volumes.get(mount["name"])
        if volume is None and mount["name"] != "data":  # of a StatefulSet's claim
            yield f"volume {mount['name']} is not there"
        if "subPath" in mount and volume and "configMap" in volume:
            yield f"a change of {mount['name']} would not be seen: it is mounted by subPath"


def _watched(container: dict[str, Any], *, ours: bool) -> Iterator[str]:
    ports = {port["name"] for port in container.get("ports", ())}
    paths = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for name, path in paths.items():
        probe = container.get(name)
        if probe is None:
            yield f"no {name}"
        elif asked := probe.get("httpGet"):
            if asked["port"] not in ports:
                yield f"{name} asks a port that is not there"
            if ours and asked["path"] != path:
                yield f"{name} does not ask {path}"


def _service(document: Document, pod: dict[str, Any]) -> Iterator[str]:
    if pod.get("serviceAccountName") != document["metadata"]["name"]:
        yield "it has no service account of its own"
    spread = {each["topologyKey"] for each in pod.get("topologySpreadConstraints", ())}
    if not {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} <= spread:
        yield "its replicas are not spread over nodes and zones"
    labels = document["spec"]["template"]["metadata"]["labels"]
    if not document["spec"]["selector"]["matchLabels"].items() <= labels.items():
        yield "its selector does not match its pods"
    if document["metadata"]["name"] == "sender" and _grace(pod) < _A_SEND + _ITS_RECORD:
        yield "it is killed before a send ends: terminationGracePeriodSeconds"


def _grace(pod: dict[str, Any]) -> int:
    return int(pod.get("terminationGracePeriodSeconds", 30))


def amount(said: str | int) -> Decimal:
    """Return a quantity of Kubernetes as a number."""
    number, unit, _ = re.split(r"([A-Za-z]*)$", str(said), maxsplit=1)
    return Decimal(number) * _UNITS[unit]
