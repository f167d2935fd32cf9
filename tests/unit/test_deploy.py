"""Compose, images, Kubernetes and alerts are valid, name only existing settings and metrics. Needs no network."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from pydantic import TypeAdapter

from duebook_common.runtime.durations import Duration
from duebook_common.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SERVICES = ["api", "scheduler", "executor", "notifier"]
SECRETS = {"POSTGRES_URL", "RABBITMQ_URL", "REDIS_URL", "SMTP_URL", "API_KEY", "WEBHOOK_SECRETS"}
CONTRACT = SECRETS | {
    *("HOST", "PORT", "POLL_CRON", "QUEUES", "CONCURRENCY", "TASKS", "LEASE", "MISFIRE", "GRACE", "MAIL_FROM"),
    *("NOTIFY_TO", "HTTP_ALLOW", "AUTH", "LOG_FORMAT", "LOG_LEVEL", "URL"),
}
FOREIGN_METRICS = {"up", "rabbitmq_queue_consumers", "rabbitmq_queue_messages_ready"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def tool(name: str, *arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name(name), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def grace() -> timedelta:
    duration = Settings.model_fields["grace"].default
    assert isinstance(duration, timedelta)
    return duration


# --- .env.example


EXAMPLE = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
KNOWN = {name for name in EXAMPLE if name.startswith("DUEBOOK_")}


def settings_of(package: str) -> set[str]:
    kinds = vars(import_module(f"{package}.settings")).values()
    return {
        f"DUEBOOK_{name.upper()}"
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Settings)
        for name in kind.model_fields
    }


def test_the_example_lists_the_contracts_variables_and_secrets_as_files() -> None:
    expected = {f"DUEBOOK_{name}" for name in CONTRACT} | {f"DUEBOOK_{name}_FILE" for name in SECRETS}
    assert expected <= KNOWN


def test_the_example_lists_exactly_what_the_services_read() -> None:
    read = set().union(*(settings_of(f"duebook_{name}") for name in SERVICES))
    assert read <= KNOWN
    files = {f"DUEBOOK_{name}_FILE" for name in SECRETS}
    assert read | {f"DUEBOOK_{name}" for name in CONTRACT} | {"DUEBOOK_VERSION"} == KNOWN - files


# --- docker-compose.yml and the Dockerfile


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_compose_file_is_valid_for_both_versions_of_compose() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert "name" not in COMPOSE
    text = json.dumps(COMPOSE)
    assert "start_interval" not in text
    assert '"required":' not in text


def test_the_compose_file_names_only_known_variables_and_no_secret() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= EXAMPLE
    for name, service in COMPOSE["services"].items():
        environment = service.get("environment", {})
        assert {key for key in environment if key.startswith("DUEBOOK_")} <= KNOWN, name
        for key, value in environment.items():
            if "PASS" in key or "API_KEY" in key:
                assert value.startswith("${"), f"{name}: {key}"
    assert not re.search(r"://[^$\s]*:[^$\s]*@", text)


@pytest.mark.parametrize("name", SERVICES)
def test_compose_passes_on_every_setting_of_a_service(name: str) -> None:
    assert settings_of(f"duebook_{name}") <= set(COMPOSE["services"][name]["environment"])


def test_a_default_in_compose_is_empty_or_that_of_the_example() -> None:
    example = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    assert defaults.pop("DUEBOOK_SMTP_URL") == "smtp://mail:1025"
    assert {name: default for name, default in defaults.items() if default} == {
        name: example[name] for name, default in defaults.items() if default
    }


def test_every_container_has_a_check_a_pinned_image_and_local_ports() -> None:
    for name, service in COMPOSE["services"].items():
        assert name == "migrate" or service["healthcheck"]["test"][0] == "CMD", name
        assert ":" in service["image"], name
        assert "latest" not in service["image"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_in_compose_starts_after_the_migration_and_may_drain(name: str) -> None:
    service = COMPOSE["services"][name]
    after = {server: condition["condition"] for server, condition in service["depends_on"].items()}
    assert after.pop("migrate") == "service_completed_successfully"
    assert after == dict.fromkeys(["postgres", "rabbitmq", "valkey", "mail"], "service_healthy")
    assert int(service["stop_grace_period"].removesuffix("s")) > grace().total_seconds()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_the_image_of_the_command_line_has_its_extra() -> None:
    assert {"PACKAGE": "duebook", "EXTRA": "cli"}.items() <= COMPOSE["services"]["migrate"]["build"]["args"].items()
    assert '${EXTRA:+--extra "${EXTRA}"}' in (DEPLOY / "Dockerfile").read_text()


def test_the_dockerfile_passes_its_linter_and_needs_no_buildkit() -> None:
    tool("hadolint", "deploy/Dockerfile")
    text = (DEPLOY / "Dockerfile").read_text()
    assert not re.search(r"--mount=|^# *syntax=|<<|--chmod|--link", text, re.MULTILINE)
    assert 'ENTRYPOINT ["' in text
    assert "USER 65532:65532" in text


def test_every_yaml_file_passes_its_linter() -> None:
    tool("yamllint", "--strict", "-c", "deploy/yamllint.yaml", "docker-compose.yml", "deploy")


# --- Kubernetes


KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yaml"))
PATCHES = {file.parent / patch["path"] for file in KUSTOMIZATIONS for patch in documents(file)[0].get("patches", [])}
MANIFESTS = sorted(set(KUBERNETES.rglob("*.yaml")) - set(KUSTOMIZATIONS) - PATCHES)


def rendered(name: str) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed, so overlays cannot be rendered")
    done = subprocess.run([kubectl, "kustomize", KUBERNETES / name], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(KUBERNETES)))
def test_a_manifest_is_valid(path: Path) -> None:
    for document in documents(path):
        kubernetes_validate.validate(document, "1.35", strict=True)


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
    every = rendered(f"overlays/{overlay}")
    secrets = next(iter(documents(KUBERNETES / "overlays/prod/secret.example.yaml")))["stringData"]
    for document in every:
        kubernetes_validate.validate(document, "1.35", strict=True)
    config = next(document for document in every if document["kind"] == "ConfigMap")
    assert set(config["data"]) <= KNOWN
    for document in every:
        if document["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "duebook":
            if document["kind"] in {"Deployment", "Job"}:
                check_pod(document["spec"]["template"]["spec"], set(secrets))
            if document["kind"] == "Deployment":
                check_service(document["spec"]["template"]["spec"], config["data"]["DUEBOOK_GRACE"])


def check_pod(pod: dict[str, Any], secrets: set[str]) -> None:
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
    keys = {item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
    assert keys <= secrets


def check_service(pod: dict[str, Any], grace_period: str) -> None:
    (container,) = pod["containers"]
    pause = timedelta(seconds=container["lifecycle"]["preStop"]["sleep"]["seconds"])
    longest = TypeAdapter[timedelta](Duration).validate_python(grace_period) + pause
    assert timedelta(seconds=pod["terminationGracePeriodSeconds"]) > longest
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert pod["topologySpreadConstraints"]


# --- Alerts


ALERTS = [rule for group in documents(DEPLOY / "monitoring/alerts.yml")[0]["groups"] for rule in group["rules"]]


def metrics_of(expression: str) -> set[str]:
    names: set[str] = set()

    def visit(node: object) -> bool:
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            names.add(str(selector.name))
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return names


def exported() -> Iterator[str]:
    source = (ROOT / "libs/common/src/duebook_common/runtime/telemetry.py").read_text()
    for kind, name in re.findall(r'(Counter|Gauge|Histogram)\(\s*"([a-z_]+)"', source):
        yield f"{name}_bucket" if kind == "Histogram" else name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_uses_existing_metrics_and_has_a_runbook(alert: dict[str, Any]) -> None:
    names = metrics_of(alert["expr"])
    assert names
    assert names <= FOREIGN_METRICS | set(exported())
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] == f"deploy/runbooks/{alert['alert']}.md"
    assert (ROOT / alert["annotations"]["runbook_url"]).read_text().startswith(f"# {alert['alert']}\n")


def test_an_alert_on_absence_keeps_the_labels_of_its_summary() -> None:
    for alert in ALERTS:
        if "$labels" in alert["annotations"]["summary"]:
            for argument in re.findall(r"absent\((.*?)\)", alert["expr"]):
                assert isinstance(promql_parser.parse(argument), promql_parser.VectorSelector), alert["alert"]


def test_every_runbook_has_its_alert() -> None:
    assert {path.stem for path in (DEPLOY / "runbooks").glob("*.md")} == {alert["alert"] for alert in ALERTS}


def test_the_most_important_metrics_have_an_alert() -> None:
    watched = set().union(*(metrics_of(alert["expr"]) for alert in ALERTS))
    assert {
        "duebook_dead_letters",
        "duebook_dead_letters_total",
        "duebook_schedule_to_start_seconds_bucket",
        "duebook_relay_lag_events",
        "duebook_overdue_jobs",
    } <= watched
