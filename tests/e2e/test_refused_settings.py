"""A wrong or missing setting is refused at start: one line that names the variable, and exit code 2."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from duebook_api.settings import ApiSettings
from duebook_common.runtime.bounds import Bounds
from duebook_common.runtime.settings import Settings, load, read
from duebook_executor.settings import ExecutorSettings
from duebook_notifier.settings import NotifierSettings
from duebook_scheduler.settings import SchedulerSettings

_URLS = {
    "DUEBOOK_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none",
    "DUEBOOK_RABBITMQ_URL": "amqp://127.0.0.1:1/",
    "DUEBOOK_REDIS_URL": "redis://127.0.0.1:1/0",
    "DUEBOOK_SMTP_URL": "smtp://127.0.0.1:1",
    "DUEBOOK_PORT": "0",
}
_SETTINGS: dict[str, type[Settings]] = {
    "api": ApiSettings,
    "scheduler": SchedulerSettings,
    "executor": ExecutorSettings,
    "notifier": NotifierSettings,
}
_KINDS = tuple(_SETTINGS)
_WRONG = [
    *[(kind, "DUEBOOK_POSTGRES_URL", None) for kind in _KINDS],
    *[(kind, "DUEBOOK_POSTGRES_URL", "mysql://127.0.0.1/x") for kind in _KINDS],
    *[(kind, "DUEBOOK_REDIS_URL", "127.0.0.1:6379") for kind in _KINDS],
    *[(kind, "DUEBOOK_PORT", "many") for kind in _KINDS],
    *[(kind, "DUEBOOK_GRACE", "25") for kind in _KINDS],
    *[(kind, "DUEBOOK_LOG_LEVEL", "loud") for kind in _KINDS],
    *[(kind, "DUEBOOK_RABBITMQ_URL", "http://127.0.0.1") for kind in _KINDS[1:]],
    *[(kind, "DUEBOOK_LEASE", "P1M") for kind in ("scheduler", "executor")],
    *[("scheduler", "DUEBOOK_POLL_CRON", cron) for cron in ("* * *", "0 0 30 2 *", "often")],
    *[(kind, "DUEBOOK_PORT", port) for kind in _KINDS for port in ("-1", "65536", "1.5")],
    *[(kind, "DUEBOOK_GRACE", grace) for kind in _KINDS for grace in ("P2D", "-PT1S")],
    *[(kind, "DUEBOOK_MISFIRE", text) for kind in ("api", "scheduler") for text in ("a minute", "PT0S", "P1000D")],
    *[(kind, "DUEBOOK_LEASE", lease) for kind in ("scheduler", "executor") for lease in ("PT0S", "P2D")],
    *[("scheduler", f"DUEBOOK_{name}", text) for name in ("BATCH", "DISPATCH_AHEAD") for text in ("0", "-1", "1e9")],
    *[(kind, "DUEBOOK_POSTGRES_URL", "postgresql://a@db:port/x") for kind in _KINDS],
    *[(kind, "DUEBOOK_REDIS_URL", "redis://a:b@db:70000/0") for kind in _KINDS],
    ("api", "DUEBOOK_AUTH", "perhaps"),
    *[("executor", "DUEBOOK_QUEUES", queues) for queues in ("Default", ",")],
    *[("executor", "DUEBOOK_CONCURRENCY", number) for number in ("0", "ten")],
    ("executor", "DUEBOOK_HTTP_ALLOW", "everywhere"),
    ("executor", "DUEBOOK_WEBHOOK_SECRETS", "whsec_short"),
    ("executor", "DUEBOOK_SMTP_URL", "mail.example.com"),
    ("executor", "DUEBOOK_MAIL_FROM", "nobody"),
    *[("notifier", "DUEBOOK_SMTP_URL", url) for url in (None, "http://mail")],
    ("notifier", "DUEBOOK_MAIL_FROM", "me"),
    ("notifier", "DUEBOOK_NOTIFY_TO", "me@example.com, you"),
]


@pytest.mark.parametrize(("kind", "variable", "value"), _WRONG)
def test_a_wrong_setting_is_refused_in_one_line_with_its_name(
    kind: str, variable: str, value: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {name: text for name, text in {**_URLS, variable: value}.items() if text is not None}
    with pytest.raises(SystemExit) as refusal:
        load(_SETTINGS[kind], environment)
    _check(variable, refusal.value.code, *capsys.readouterr())


def test_every_number_and_duration_has_bounds() -> None:
    fields = [(name, field) for kind in _SETTINGS.values() for name, field in kind.model_fields.items()]
    numbers = [(name, field) for name, field in fields if field.annotation in {int, timedelta}]
    assert len(numbers) > 10
    for name, field in numbers:
        assert any(isinstance(getattr(each, "func", None), Bounds) for each in field.metadata), name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40%3A@db:5432/x",
        "postgresql:///x?host=/run/postgresql",
        "postgresql://u@a:1,b:2,c/x",
        "postgresql://u:p@[::1]:5432/x",
        "postgresql://db",
    ],
)
def test_any_url_that_postgresql_knows_is_taken(url: str) -> None:
    assert read(Settings, {"DUEBOOK_POSTGRES_URL": url}).postgres_url.get_secret_value() == url


def test_a_service_with_a_wrong_setting_does_nothing_else() -> None:
    wrong = [(kind, "DUEBOOK_POSTGRES_URL", "mysql://127.0.0.1/x") for kind in _SETTINGS]
    wrong.append(("executor", "DUEBOOK_TASKS", "no.such.module"))
    processes = [(variable, _start(kind, variable, value)) for kind, variable, value in wrong]
    for variable, process in processes:
        with process:
            stdout, stderr = process.communicate(timeout=60)
        _check(variable, process.returncode, stdout, stderr)


def _start(kind: str, variable: str, value: str) -> "subprocess.Popen[str]":
    program = Path(sys.executable).with_name(f"duebook-{kind}")
    environment = {**os.environ, **_URLS, variable: value}
    return subprocess.Popen([program], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _check(variable: str, code: object, stdout: str, stderr: str) -> None:
    assert (code, stdout, stderr.count("\n")) == (2, "", 1), stderr
    assert stderr.startswith(f"duebook: {variable} is ")
