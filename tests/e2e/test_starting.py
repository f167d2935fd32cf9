"""A service that starts while its servers or its schema are away waits; what waiting cannot mend ends it."""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from duebook_common.integrity.migrate import migrate
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.services import PORTS, Service
from support.fleet import Platform, eventually
from support.smtp_server import Mailbox


def readyz(service: Service) -> dict[str, Any]:
    """The answer of a service that listens."""

    def ask() -> dict[str, Any] | None:
        try:
            assert (
                httpx2.get(f"{service.url}/livez", timeout=10, trust_env=False, verify=WITHOUT_TLS).status_code == 200
            )
            answer: dict[str, Any] = httpx2.get(
                f"{service.url}/readyz", timeout=10, trust_env=False, verify=WITHOUT_TLS
            ).json()
        except httpx2.TransportError:
            service.check()
            return None
        return answer

    return eventually(ask, 60)


def await_reason(service: Service, component: str, text: str) -> None:
    def seen() -> bool:
        answer = readyz(service)
        assert answer["status"] == "not ready"
        return text in answer["components"].get(component, "")

    eventually(seen, 60, lambda: f"{service.name}: {readyz(service)}")


def lines(service: Service, event: str) -> list[dict[str, Any]]:
    logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line for line in logged if line["event"] == event]


def test_services_wait_for_postgresql_the_schema_and_rabbitmq(
    private_postgres: Postgres, private_rabbitmq: RabbitMQ, redis_url: str, smtp: Mailbox
) -> None:
    private_postgres.stop()
    private_rabbitmq.stop()
    urls = {
        "POSTGRES": private_postgres.url,
        "RABBITMQ": private_rabbitmq.url,
        "REDIS": redis_url,
        "SMTP": smtp.url,
    }
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        services = [platform.launch(kind, 1, {})[0] for kind in PORTS]
        for service in services:
            await_reason(service, "postgres", "Connection refused")
        private_postgres.start()
        for service in services:
            await_reason(service, "postgres", "run `duebook migrate`")
        migrate(private_postgres.url)
        platform["api", 0].await_ready()
        for service in services[1:]:
            await_reason(service, "rabbitmq", "Connection refused")
        private_rabbitmq.start()
        for service in services:
            service.await_ready()
            assert "Traceback" not in service.log.read_text()
            reasons = [line["reason"] for line in lines(service, "waiting")]
            assert len(reasons) <= 12, reasons  # one line for each change, not for each attempt
        assert missing_series(services) == []
        migrated_meanwhile(private_postgres, services)


def missing_series(services: list[Service]) -> list[str]:
    """What the alerts ask for and none of these services, which have done nothing yet, shows."""
    text = "".join(
        httpx2.get(f"{service.url}/metrics", trust_env=False, verify=WITHOUT_TLS).text for service in services
    )
    shown = [
        (sample.name, sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    return [
        f"{name} {wanted}"
        for name, wanted in series_of_the_alerts()
        if not any(name == other and wanted.items() <= labels.items() for other, labels in shown)
    ]


def series_of_the_alerts() -> Iterator[tuple[str, dict[str, str]]]:
    """Each series of ours that an alert selects, with the labels that it names; of `a|b` both."""
    alerts = yaml.safe_load(Path("deploy/monitoring/alerts.yml").read_text())
    for expression in (rule["expr"] for group in alerts["groups"] for rule in group["rules"]):
        for name, matchers in re.findall(r"(duebook_[a-z_]+)(?:\{([^}]*)\})?", expression):
            conditions = re.findall(r'(\w+)=~?"([^"]*)"', matchers)
            for values in product(*(value.split("|") for _, value in conditions)):
                yield name, dict(zip((label for label, _ in conditions), values, strict=True))


def migrated_meanwhile(postgres: Postgres, services: list[Service]) -> None:
    """The order of an upgrade: the schema first, then one service after the other."""
    execute(postgres.url, "UPDATE alembic_version SET version_num = '0002_next'")
    for service in services:
        await_reason(service, "postgres", "does not know")
    execute(postgres.url, "INSERT INTO schema_programs VALUES ('0002_next', '0001_baseline')")
    for service in services:
        service.await_ready()
    execute(postgres.url, "DROP TABLE alembic_version")
    await_reason(services[0], "postgres", "run `duebook migrate`")


def execute(url: str, statement: str) -> None:
    async def run() -> None:
        db = await asyncpg.connect(url)
        await db.execute(statement)
        await db.close()

    asyncio.run(run())


def changed(url: str, **parts: str) -> str:
    """The URL with another `user`, `password`, `path` or `query`."""
    split = urlsplit(url)
    user, password = parts.get("user", split.username or ""), parts.get("password", split.password or "")
    login = f"{user}:{password}@" if user or password else ""
    return urlunsplit(
        split._replace(
            scheme=parts.get("scheme", split.scheme),
            netloc=f"{login}{split.hostname}:{parts.get('port', split.port)}",
            path=parts.get("path", split.path),
            query=parts.get("query", split.query),
        )
    )


def test_what_waiting_cannot_mend_ends_the_start(platform: Platform, postgres_url: str, rabbitmq_url: str) -> None:
    redis_url = platform.environment["DUEBOOK_REDIS_URL"]
    wrong = [
        ("api", "POSTGRES", changed(postgres_url, user="unknown")),
        ("scheduler", "POSTGRES", changed(postgres_url, path="/no_such_database")),
        ("notifier", "POSTGRES", changed(postgres_url, query="sslmode=require")),
        ("executor", "RABBITMQ", changed(rabbitmq_url, password="wrong")),
        ("scheduler", "RABBITMQ", changed(rabbitmq_url, path="/no-such-vhost")),
        ("notifier", "RABBITMQ", changed(rabbitmq_url, scheme="amqps")),
        ("notifier", "RABBITMQ", changed(rabbitmq_url, password="wrong")),
        ("api", "REDIS", changed(redis_url, user="unknown", password="wrong")),
        ("executor", "REDIS", changed(redis_url, path="/99999")),
    ]
    launched = [(name, platform.launch(kind, 1, {f"DUEBOOK_{name}_URL": url})[0]) for kind, name, url in wrong]
    for name, service in launched:
        assert exit_code(service) == 2, service.log.read_text()
        [line] = lines(service, "cannot start")
        assert f"DUEBOOK_{name}_URL is invalid: " in line["reason"]
        assert "Traceback" not in service.log.read_text()


def exit_code(service: Service) -> int:
    process = service.process
    assert process is not None
    return eventually(lambda: process.exit_code, 60, service.log.read_text)


@pytest.mark.parametrize("kind", ["api", "executor"])
def test_a_signal_ends_a_service_that_waits(kind: str, redis_url: str) -> None:
    environment = {
        "DUEBOOK_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
        "DUEBOOK_RABBITMQ_URL": "amqp://127.0.0.1:1/",
        "DUEBOOK_REDIS_URL": redis_url,
    }
    with Platform(environment) as platform:
        [service] = platform.launch(kind, 1, {})
        await_reason(service, "postgres", "Connection refused")
        assert service.stop(30) == 0
