"""The metrics of every service, from the registry that they are declared in."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from docs.pages.markdown import code, codes, page, table
from duebook_common.runtime import telemetry

_ROOT = Path(__file__).parents[2]
_SERVICES = ("api", "scheduler", "executor", "notifier")
_KINDS = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
_INTRODUCTION = """
Every service answers `GET /metrics` in the Prometheus format; scrape each copy. The alert rules are
[deploy/monitoring/alerts.yml](../../deploy/monitoring/alerts.yml), each with a runbook in
[deploy/runbooks](../../deploy/runbooks/). `runbook_url` is the path of a runbook in this repository; how to make it a link
stands at the head of that file. Beside these metrics each service reports those of its Python process. A histogram has the usual `_bucket`, `_sum` and `_count`.

The api counts `duebook_due_runs` and `duebook_running_runs` every 15 seconds, and dead letters, overdue jobs and paused queues every 5; where
counting takes long, 30 seconds after the last count at most, so that the values are about a minute old. A count that PostgreSQL cancels after 15 seconds leaves them
as they are, adds to `duebook_loop_failures_total` of the loop `queue gauges`, `dead letter gauges` or `overdue gauges`, and is repeated after
30 seconds, then after twice as long each time, up to five minutes. The three loops do not wait for each other.
"""
_LABELS = """
| label | of | values |
| --- | --- | --- |
| `outcome` | `duebook_runs_total` | `succeeded`, `failed`, `lost`, `released`, `cancelled`, `skipped`, `dead_lettered` |
| `outcome` | `duebook_notifications_total` | `sent`, `held` (beyond the limit), `in_digest`, `retrying`, `given_up`, `nobody` (no recipient wanted the mail) |
| `result` | `duebook_locks_total` | `acquired`, `refused`, `busy`, `lost`, `unavailable` |
| `verdict` | `duebook_deliveries_total` | `start`, `attached`, `running`, `stale`, `expired`, `bury`, `redrive`, `unreadable` |
"""


def _metrics() -> Iterator[tuple[str, MetricWrapperBase]]:
    return ((name, value) for name, value in vars(telemetry).items() if isinstance(value, MetricWrapperBase))


def _reported_by(constant: str) -> str:
    """The services whose code names the metric; all of them where the common library counts it."""
    named = [service for service in _SERVICES if constant in _names(_ROOT / "services" / service)]
    return ", ".join(named) or "every service"


@cache
def _names(folder: Path) -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("src/**/*.py"))
    imports = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in imports if node.module == telemetry.__name__ for alias in node.names}


def _row(constant: str, metric: MetricWrapperBase) -> tuple[str, ...]:
    [described] = metric.describe()
    kind = _KINDS[type(metric)]
    name = described.name + "_total" * (kind == "counter")
    labels = codes(metric._labelnames) or "none"  # noqa: SLF001 - the library tells them nowhere else
    return code(name), kind, labels, described.documentation, _reported_by(constant)


def render() -> str:
    rows = sorted(_row(*each) for each in _metrics())
    return page("Metrics", _INTRODUCTION, table(("metric", "kind", "labels", "meaning", "reported by"), rows), _LABELS)
