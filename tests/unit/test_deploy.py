"""The settings' example, Compose, images and alerts are valid and name only what exists. Needs no network."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from support.deployment import DEPLOY, EXAMPLE, KNOWN, ROOT, SERVICES, documents, grace, settings_of, tool
from support.documents import blocks

SECRETS = {"POSTGRES_URL", "RABBITMQ_URL", "REDIS_URL", "SMTP_URL", "API_KEY", "WEBHOOK_SECRETS"}
CONTRACT = SECRETS | {
    *("HOST", "PORT", "POLL_CRON", "QUEUES", "CONCURRENCY", "TASKS", "LEASE", "MISFIRE", "GRACE", "MAIL_FROM"),
    *("NOTIFY_TO", "HTTP_ALLOW", "AUTH", "LOG_FORMAT", "LOG_LEVEL", "URL"),
    *("SCHEDULER_URL", "EXECUTOR_URL", "NOTIFIER_URL"),
}
FOREIGN_METRICS = {"up", "rabbitmq_queue_consumers", "rabbitmq_queue_messages_ready", "rabbitmq_build_info"}


def test_the_example_lists_the_contracts_variables_and_secrets_as_files() -> None:
    expected = {f"DUEBOOK_{name}" for name in CONTRACT} | {f"DUEBOOK_{name}_FILE" for name in SECRETS}
    assert expected <= KNOWN


def test_the_example_lists_exactly_what_the_services_read() -> None:
    read = set().union(*(settings_of(f"duebook_{name}") for name in SERVICES))
    assert read <= KNOWN
    files = {f"DUEBOOK_{name}_FILE" for name in SECRETS}
    assert read | {f"DUEBOOK_{name}" for name in CONTRACT} | {"DUEBOOK_VERSION", "DUEBOOK_REVISION"} == KNOWN - files


# --- docker-compose.yml and the Dockerfile

GUIDE = "docs/how-to/build-an-image-with-your-tasks.md"

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
        assert name in {"migrate", "cli"} or service["healthcheck"]["test"][0] == "CMD", name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert ":" in service["image"], name
        assert "latest" not in service["image"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_the_backing_servers_have_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["servers"] == {"internal": True}
    for name in ("postgres", "valkey"):
        assert COMPOSE["services"][name]["networks"] == ["servers"]
    assert "--requirepass" in COMPOSE["services"]["valkey"]["command"]


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


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.six", "Dockerfile.tasks"])
def test_a_dockerfile_passes_its_linter_and_needs_no_buildkit(name: str) -> None:
    tool("hadolint", f"deploy/{name}")
    assert not re.search(r"--mount=|^# *syntax=|<<|--chmod|--link", (DEPLOY / name).read_text(), re.MULTILINE)


def test_the_image_in_six_lines_is_the_one_of_the_guide() -> None:
    guide = (ROOT / GUIDE).read_text()
    assert f"```text\n{(DEPLOY / 'Dockerfile.six').read_text()}```" in guide


def test_the_override_of_the_guide_is_valid_and_changes_the_executor_alone(tmp_path: Path) -> None:
    [block] = [each for each in blocks(ROOT / GUIDE) if each.language == "yaml"]
    (tmp_path / "override.yml").write_text(block.text)
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", tmp_path / "override.yml")
    [(name, service)] = yaml.safe_load(block.text)["services"].items()
    assert name == "executor"
    assert set(service["environment"]) <= set(COMPOSE["services"]["executor"]["environment"])
    context = ROOT / service["build"]["context"]
    assert (context / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile.tasks"


def test_the_image_runs_its_service_as_an_ordinary_user() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["' in text
    assert "USER 65532:65532" in text
    assert "HEALTHCHECK" in text


def test_the_layer_of_common_packages_is_built_from_every_package_of_the_lock_file() -> None:
    copied = re.findall(r"^COPY (\S+)/pyproject.toml \1/$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert {ROOT / folder / "pyproject.toml" for folder in copied} == set(ROOT.glob("*s/*/pyproject.toml"))


def test_every_yaml_file_passes_its_linter() -> None:
    examples = sorted((ROOT / "examples").rglob("*.yaml"))
    tool("yamllint", "--strict", "-c", "deploy/yamllint.yaml", "docker-compose.yml", "deploy", *examples)


def test_the_workflow_of_an_example_is_valid() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", "examples/jobs_in_git/workflow.yml")


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


def test_executors_are_scaled_by_existing_metrics() -> None:
    [scaled] = documents(DEPLOY / "kubernetes/components/keda/executor.yaml")
    names = {name for trigger in scaled["spec"]["triggers"] for name in metrics_of(trigger["metadata"]["query"])}
    assert names == {"duebook_due_runs", "duebook_running_runs"} & set(exported())


def test_the_paths_of_runbooks_become_links_as_the_head_of_the_rules_says() -> None:
    [command] = re.findall(r"^#   (sed .*)$", (ROOT / "deploy/monitoring/alerts.yml").read_text(), re.MULTILINE)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT / "deploy/monitoring", capture_output=True, check=True)
    rules = [rule for group in yaml.safe_load(done.stdout)["groups"] for rule in group["rules"]]
    links = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}
    base = "https://git.example.com/duebook/src/main/deploy/runbooks"
    assert links == {alert["alert"]: f"{base}/{alert['alert']}.md" for alert in ALERTS}


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
