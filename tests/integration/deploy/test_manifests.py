"""The manifests as they are rendered, and that the check sees each thing that is taken away."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from manifests.__main__ import check
from manifests.rendering import (
    DEPLOY,
    EVERY_OPTION,
    FOLDERS,
    PRODUCTION,
    WHOLE,
    Document,
    kubectl,
    render,
)

pytestmark = pytest.mark.skipif(kubectl() is None, reason="kubectl renders the manifests")

Change = Callable[[list[Document]], Any]
rendered = cache(render)


def one(documents: list[Document], kind: str, name: str) -> Document:
    return next(d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name))


def pod(documents: list[Document], name: str = "sender", kind: str = "Deployment") -> Any:
    return one(documents, kind, name)["spec"]["template"]["spec"]


def container(documents: list[Document], name: str = "sender", kind: str = "Deployment") -> Any:
    return pod(documents, name, kind)["containers"][0]


def policy(documents: list[Document], name: str) -> Any:
    return one(documents, "NetworkPolicy", name)["spec"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_renders_and_has_no_problem(folder: str) -> None:
    documents = rendered(folder)

    assert documents
    assert list(check(documents, whole=folder in WHOLE)) == []


@pytest.mark.parametrize("service", ["scheduler", "sender", "clicks", "analytics"])
def test_a_service_is_applied_alone(service: str) -> None:
    documents = rendered(f"k8s/{service}")

    assert list(check(documents, whole=True)) == []
    assert [d["metadata"]["name"] for d in documents if d["kind"] == "Deployment"] == [service]


def test_every_option_is_a_line_of_production_that_need_only_be_no_comment() -> None:
    options = {folder.name for folder in (DEPLOY / "k8s" / "options").iterdir()}
    lines = (DEPLOY / PRODUCTION / "kustomization.yaml").read_text().split()

    assert options <= {line.removeprefix("../../options/") for line in lines}
    assert {
        ("CronJob", "backup"),
        ("ExternalSecret", "fingerpost-sender"),
        ("ServiceMonitor", "fingerpost"),
        ("PersistentVolumeClaim", "archive"),
        ("ScaledObject", "analytics"),
        ("NetworkPolicy", "tracing"),
    } <= {(d["kind"], d["metadata"]["name"]) for d in rendered(EVERY_OPTION)}


CHANGES: list[tuple[str, Change]] = [
    ("runAsNonRoot", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
    ("runAsUser", lambda d: pod(d)["securityContext"].update(runAsUser=0)),
    ("seccompProfile", lambda d: pod(d)["securityContext"].pop("seccompProfile")),
    ("token", lambda d: pod(d).pop("automountServiceAccountToken")),
    ("token", lambda d: pod(d, "provision", "Job").update(automountServiceAccountToken=True)),
    ("hostNetwork", lambda d: pod(d).update(hostNetwork=True)),
    (
        "folder of the node",
        lambda d: pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    ),
    ("service account of its own", lambda d: pod(d).pop("serviceAccountName")),
    ("Escalation", lambda d: container(d)["securityContext"].pop("allowPrivilegeEscalation")),
    ("readOnlyRoot", lambda d: container(d)["securityContext"].pop("readOnlyRootFilesystem")),
    (
        "readOnlyRoot",
        lambda d: container(d, "provision", "Job")["securityContext"].pop("readOnlyRootFilesystem"),
    ),
    ("capabilities", lambda d: container(d)["securityContext"].pop("capabilities")),
    (
        "capabilities",
        lambda d: container(d)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    ),
    ("as root", lambda d: container(d)["securityContext"].update(privileged=True)),
    ("no version", lambda d: container(d).update(image="fingerpost-sender")),
    ("no version", lambda d: container(d).update(image="registry:5000/sender")),
    ("no version", lambda d: container(d).update(image="fingerpost-sender:latest")),
    ("limit of memory", lambda d: container(d)["resources"]["limits"].pop("memory")),
    ("limit of ephemeral", lambda d: container(d)["resources"]["limits"].pop("ephemeral-storage")),
    ("request of cpu", lambda d: container(d)["resources"]["requests"].pop("cpu")),
    ("more memory than", lambda d: container(d)["resources"]["requests"].update(memory="1Gi")),
    ("no startupProbe", lambda d: container(d).pop("startupProbe")),
    ("no livenessProbe", lambda d: container(d).pop("livenessProbe")),
    ("no readinessProbe", lambda d: container(d).pop("readinessProbe")),
    ("does not ask /readyz", lambda d: container(d)["readinessProbe"]["httpGet"].update(path="/")),
    (
        "port that is not there",
        lambda d: container(d)["livenessProbe"]["httpGet"].update(port="web"),
    ),
    ("volume tmp is not there", lambda d: pod(d).update(volumes=pod(d)["volumes"][1:])),
    ("by subPath", lambda d: container(d, "scheduler")["volumeMounts"][2].update(subPath="x")),
    ("before a send ends", lambda d: pod(d).update(terminationGracePeriodSeconds=60)),
    ("not spread", lambda d: pod(d).pop("topologySpreadConstraints")),
    (
        "selector does not match",
        lambda d: one(d, "Deployment", "sender")["spec"]["selector"]["matchLabels"].update(a="b"),
    ),
    ("0 PodDisruptionBudgets", lambda d: d.remove(one(d, "PodDisruptionBudget", "sender"))),
    (
        "both minAvailable",
        lambda d: one(d, "PodDisruptionBudget", "sender")["spec"].update(minAvailable=1),
    ),
    (
        "above maxReplicas",
        lambda d: one(d, "HorizontalPodAutoscaler", "clicks")["spec"].update(minReplicas=9),
    ),
    ("undo the scaling", lambda d: one(d, "Deployment", "clicks")["spec"].update(replicas=2)),
    (
        "what it scales",
        lambda d: one(d, "HorizontalPodAutoscaler", "clicks")["spec"]["scaleTargetRef"].update(
            name="x"
        ),
    ),
    (
        "selects 0 workloads",
        lambda d: one(d, "Service", "sender")["spec"]["selector"].update(a="b"),
    ),
    (
        "port that is not there",
        lambda d: one(d, "Service", "sender")["spec"]["ports"][0].update(targetPort="x"),
    ),
    ("without TLS", lambda d: one(d, "Ingress", "clicks")["spec"].pop("tls")),
    (
        "Service that is not there",
        lambda d: one(d, "Ingress", "clicks")["spec"]["rules"][0]["http"]["paths"][0]["backend"][
            "service"
        ].update(name="x"),
    ),
    (
        "health and metrics open",
        lambda d: one(d, "Ingress", "dashboard")["spec"]["rules"][0]["http"]["paths"][0].update(
            pathType="Prefix"
        ),
    ),
    (
        "not restricted",
        lambda d: one(d, "Namespace", "fingerpost")["metadata"]["labels"].pop(
            "pod-security.kubernetes.io/enforce"
        ),
    ),
    ("no policy denies", lambda d: d.remove(one(d, "NetworkPolicy", "deny-all"))),
    ("egress nats:4222 is not open", lambda d: policy(d, "sender")["egress"].pop(0)),
    ("egress postgres:5432 is not open", lambda d: policy(d, "analytics")["egress"].pop(1)),
    ("egress internet:443 is not open", lambda d: policy(d, "clicks")["egress"].pop(1)),
    ("ingress monitoring:http is not open", lambda d: policy(d, "scheduler")["ingress"].pop(0)),
    ("egress names:53 is not open", lambda d: d.remove(one(d, "NetworkPolicy", "resolve-names"))),
    (
        "egress postgres:5432 is open",
        lambda d: policy(d, "sender")["egress"].append(policy(d, "analytics")["egress"][1]),
    ),
    (
        "egress internet:443 is open",
        lambda d: policy(d, "scheduler")["egress"].append(policy(d, "sender")["egress"][1]),
    ),
    ("egress nats:any is open", lambda d: policy(d, "scheduler")["egress"][0].pop("ports")),
    (
        "egress anywhere:4222 is open",
        lambda d: policy(d, "scheduler")["egress"][0].update(to=[{"namespaceSelector": {}}]),
    ),
    (
        "egress addresses 0.0.0.0/0:443 is open",
        lambda d: policy(d, "sender")["egress"][1]["to"][0]["ipBlock"].pop("except"),
    ),
    ("each apply would change it", lambda d: policy(d, "provision").update(ingress=[])),
    ("ingress anywhere:any is open", lambda d: policy(d, "clicks")["ingress"].append({})),
    (
        "the secret FINGERPOST_CTA_KEYS",
        lambda d: container(d)["env"].append({"name": "FINGERPOST_CTA_KEYS", "value": "k"}),
    ),
    (
        "stands in the files",
        lambda d: d.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "s", "namespace": "fingerpost"},
            }
        ),
    ),
    (
        "ConfigMap fingerpost-campaigns is not there",
        lambda d: d.remove(one(d, "ConfigMap", "fingerpost-campaigns")),
    ),
    ("ServiceAccount sender is not there", lambda d: d.remove(one(d, "ServiceAccount", "sender"))),
    ("in no namespace", lambda d: one(d, "Service", "sender")["metadata"].pop("namespace")),
    ("replicaz", lambda d: one(d, "Deployment", "sender")["spec"].update(replicaz=2)),
    ("'two'", lambda d: one(d, "Deployment", "sender")["spec"].update(replicas="two")),
    ("no schema says", lambda d: one(d, "Deployment", "sender").update(apiVersion="apps/v1beta1")),
]


@pytest.mark.parametrize(("problem", "change"), CHANGES)
def test_the_check_sees_what_is_taken_away_or_added(problem: str, change: Change) -> None:
    documents = copy.deepcopy(rendered(PRODUCTION))
    change(documents)

    found = list(check(documents, whole=True))

    assert any(problem in said for said in found), found


def cron(documents: list[Document]) -> Any:
    return one(documents, "CronJob", "backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]


OF_OPTIONS: list[tuple[str, Change]] = [
    ("runAsNonRoot", lambda d: cron(d)["securityContext"].pop("runAsNonRoot")),
    ("token", lambda d: cron(d).pop("automountServiceAccountToken")),
    (
        "readOnlyRoot",
        lambda d: cron(d)["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
    ),
    ("limit of memory", lambda d: cron(d)["containers"][0]["resources"]["limits"].pop("memory")),
    ("volume backups is not there", lambda d: cron(d)["volumes"].pop(1)),
    ("Claim backup is not", lambda d: d.remove(one(d, "PersistentVolumeClaim", "backup"))),
    ("Claim archive is not", lambda d: d.remove(one(d, "PersistentVolumeClaim", "archive"))),
    ("backup: egress nats:4222 is not open", lambda d: policy(d, "backup")["egress"].pop()),
    (
        "backup: egress internet:443 is open",
        lambda d: policy(d, "backup")["egress"].append(policy(d, "sender")["egress"][1]),
    ),
    (
        "sender: egress monitoring:4318 is not open",
        lambda d: d.remove(one(d, "NetworkPolicy", "tracing")),
    ),
    (
        "sender: egress monitoring:4318 is open",
        lambda d: [
            each["data"].pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
            for each in d
            if each["kind"] == "ConfigMap"
        ],
    ),
    (
        "analytics: replicas of the Deployment would undo",
        lambda d: one(d, "Deployment", "analytics")["spec"].update(replicas=2),
    ),
    (
        "minReplicaCount is above",
        lambda d: one(d, "ScaledObject", "analytics")["spec"].update(minReplicaCount=9),
    ),
    (
        "sender is not scraped",
        lambda d: one(d, "Service", "sender")["metadata"]["labels"].pop(
            "app.kubernetes.io/part-of"
        ),
    ),
    (
        "sender is not scraped",
        lambda d: one(d, "ServiceMonitor", "fingerpost")["spec"]["endpoints"][0].update(port="x"),
    ),
    ("evry", lambda d: one(d, "ServiceMonitor", "fingerpost")["spec"].update(evry=1)),
    (
        "'soon'",
        lambda d: one(d, "PrometheusRule", "fingerpost")["spec"]["groups"][0]["rules"][0].update(
            {"for": "soon"}
        ),
    ),
    ("triggers", lambda d: one(d, "ScaledObject", "analytics")["spec"].pop("triggers")),
]


@pytest.mark.parametrize(("problem", "change"), OF_OPTIONS)
def test_the_check_sees_what_is_wrong_with_an_option(problem: str, change: Change) -> None:
    documents = copy.deepcopy(rendered(EVERY_OPTION))
    change(documents)

    found = list(check(documents, whole=True))

    assert any(problem in said for said in found), found


@pytest.mark.parametrize(
    ("folder", "change"),
    [
        ("postgres", lambda d: one(d, "Cluster", "fingerpost")["spec"].update(instancez=3)),
        ("postgres", lambda d: one(d, "Cluster", "fingerpost")["spec"].update(instances="3")),
        (
            "postgres, every option",
            lambda d: one(d, "ScheduledBackup", "fingerpost")["spec"].update(schedule="47 2 * * *"),
        ),
        (
            "postgres, every option",
            lambda d: one(d, "ObjectStore", "fingerpost")["spec"].update(retentionPolicy="30"),
        ),
        (
            "postgres, every option",
            lambda d: one(d, "Cluster", "fingerpost")["spec"]["plugins"][0].pop("name"),
        ),
        ("k8s/options/external-secrets", lambda d: d[0]["spec"]["target"].pop("name")),
    ],
)
def test_a_kind_of_an_operator_is_checked_too(folder: str, change: Change) -> None:
    documents = copy.deepcopy(rendered(folder))
    change(documents)

    assert list(check(documents, whole=False))
