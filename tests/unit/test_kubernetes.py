"""The manifests for Kubernetes are valid, restricted, and name only existing settings and Secrets. Needs no cluster."""

import re
import shutil
import subprocess
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic import TypeAdapter

from docs.pages import alerts
from duebook_common.runtime.durations import Duration
from support.deployment import DEPLOY, KNOWN, KUBERNETES, SERVICES, documents

SECRET_KEYS: dict[str, set[str]] = {
    secret["metadata"]["name"]: set(secret["stringData"])
    for secret in documents(KUBERNETES / "overlays/prod/secret.example.yaml")
}
CUSTOM = {"PrometheusRule", "ScaledObject", "ServiceMonitor"}  # kinds whose schema Kubernetes itself does not know
KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yaml"))
PATCHES = {file.parent / patch["path"] for file in KUSTOMIZATIONS for patch in documents(file)[0].get("patches", [])}
MANIFESTS = sorted(set(KUBERNETES.rglob("*.yaml")) - set(KUSTOMIZATIONS) - PATCHES)


def rendered(folder: Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed, so overlays cannot be rendered")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def validate(document: dict[str, Any]) -> None:
    if document["kind"] not in CUSTOM:
        kubernetes_validate.validate(document, "1.35", strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_a_manifest_is_valid(path: Path) -> None:
    for document in documents(path):
        validate(document)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_all_its_manifests(name: str) -> None:
    manifests = documents(KUBERNETES / f"base/{name}.yaml")
    kinds = ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"]
    assert {each["kind"]: each["metadata"]["name"] for each in manifests} == dict.fromkeys(kinds, f"duebook-{name}")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_reach_the_mail_server_if_it_has_its_url(name: str) -> None:
    by_kind = {document["kind"]: document for document in documents(KUBERNETES / f"base/{name}.yaml")}
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    has_url = any(entry["name"].startswith("DUEBOOK_SMTP_URL") for entry in container["env"])
    open_to_all = [rule["ports"] for rule in by_kind["NetworkPolicy"]["spec"].get("egress", []) if "to" not in rule]
    ports = {port["port"] for rule in open_to_all for port in rule}
    assert ports == ({25, 465, 587, 1025} if has_url else set())


def test_two_schedulers_run() -> None:
    assert documents(KUBERNETES / "base/scheduler.yaml")[0]["spec"]["replicas"] == 2


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_an_overlay_renders_to_valid_restricted_pods_with_known_variables(overlay: str) -> None:
    every = rendered(KUBERNETES / "overlays" / overlay)
    for document in every:
        validate(document)
    config = next(document for document in every if document["kind"] == "ConfigMap")
    assert set(config["data"]) <= KNOWN
    for document in every:
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "duebook":
            if document["kind"] in {"Deployment", "Job"}:
                check_pod(document["spec"]["template"]["spec"])
            if document["kind"] == "Deployment":
                check_service(document["spec"]["template"]["spec"], config["data"]["DUEBOOK_GRACE"])


def test_all_components_together_render_to_valid_restricted_pods(tmp_path: Path) -> None:
    """As a user switches them on: by uncommenting their lines in the overlay `prod`."""
    copy = shutil.copytree(KUBERNETES, tmp_path / "kubernetes") / "overlays/prod"
    text = (copy / "kustomization.yaml").read_text()
    (copy / "kustomization.yaml").write_text(re.sub(r"^# (components:|  - )", r"\1", text, flags=re.MULTILINE))
    every = rendered(copy)
    names = {(document["kind"], document["metadata"]["name"]) for document in every}
    assert {("ScaledObject", "duebook-executor"), ("ServiceMonitor", "duebook"), ("Ingress", "duebook")} <= names
    for document in every:
        validate(document)
        if document["kind"] == "Deployment":
            check_pod(document["spec"]["template"]["spec"])
            check_service(document["spec"]["template"]["spec"], "PT25S")
            [container] = document["spec"]["template"]["spec"]["containers"]
            assert ("my-executor" in container["image"]) == ("executor" in document["metadata"]["name"])


def test_every_service_is_scraped_under_the_name_that_the_alerts_know() -> None:
    [monitor] = documents(KUBERNETES / "components/monitoring/scrape.yaml")
    services = [documents(KUBERNETES / f"base/{name}.yaml")[1] for name in SERVICES]
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
    assert [each["metadata"]["labels"]["app.kubernetes.io/name"] for each in services] == [
        f"duebook-{name}" for name in SERVICES
    ]
    assert {each["spec"]["ports"][0]["name"] for each in services} == {monitor["spec"]["endpoints"][0]["port"]}


def test_the_alerts_of_kubernetes_are_those_of_prometheus() -> None:
    assert alerts.MANIFEST.read_text(encoding="utf-8") == alerts.render(), "out of date; run: make docs"
    [rules] = documents(alerts.MANIFEST)
    assert rules["spec"] == documents(DEPLOY / "monitoring/alerts.yml")[0]


def check_pod(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {entry["name"] for entry in container.get("env", [])} <= KNOWN
    assert {"requests", "limits"} <= set(container["resources"])
    for secret in (volume["secret"] for volume in pod["volumes"] if "secret" in volume):
        assert {item["key"] for item in secret.get("items", [])} <= SECRET_KEYS[
            re.sub(r"-[a-z0-9]{10}$", "", secret["secretName"])
        ]


def check_service(pod: dict[str, Any], grace_period: str) -> None:
    (container,) = pod["containers"]
    pause = timedelta(seconds=container["lifecycle"]["preStop"]["sleep"]["seconds"])
    longest = TypeAdapter[timedelta](Duration).validate_python(grace_period) + pause
    assert timedelta(seconds=pod["terminationGracePeriodSeconds"]) > longest
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["topologySpreadConstraints"]


def test_http_tasks_reach_public_addresses_of_ipv4_and_ipv6_only() -> None:
    text = (DEPLOY / "kubernetes/base/executor.yaml").read_text()
    [policy] = [each for each in yaml.safe_load_all(text) if each["kind"] == "NetworkPolicy"]
    blocks = [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule.get("to", []) if "ipBlock" in to]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    for block in blocks:
        for network in map(ip_network, block["except"]):
            assert network.subnet_of(ip_network(block["cidr"]))  # type: ignore[arg-type]
    assert {"169.254.0.0/16", "fc00::/7", "fe80::/10"} <= {network for block in blocks for network in block["except"]}
