"""Each alert fires when it should, and stays silent when it should: the rules, evaluated by Prometheus' own tool."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

ALERTS = Path("deploy/monitoring/alerts.yml")
ZERO, UP = "0x60", "1x60"
BURST = "0 40x59"  # all of it within one scrape
FRESH_BURST = "40x60"  # the service and the burst were there before the first scrape: no 0 was ever seen
LATER_BURST = "_x30 40x30"


class Case(NamedTuple):
    """Series from minute 0 on, and the labels of the alert at a minute; None: it is silent."""

    alert: str
    series: dict[str, str]
    minute: int
    labels: str | None


DEAD = 'duebook_dead_letters_total{queue="a",instance="1"}'
MAILS = 'duebook_notifications_total{outcome="given_up",instance="1"}'
LOCKS = 'duebook_locks_total{result="lost",instance="1"}'
STALE = 'duebook_stale_outcomes_total{instance="1"}'
GAUGES = 'duebook_loop_failures_total{loop="overdue gauges",instance="1"}'
EACH_FIVE_MINUTES = " ".join(str(minute // 5) for minute in range(60))
ALL_UP = {f'up{{job="duebook-{name}"}}': UP for name in ("api", "scheduler", "executor", "notifier")}
DELAY = "duebook_schedule_to_start_seconds_bucket"
QUEUE = 'queue="duebook.runs.a"'
HORIZON, XMIN = "duebook_feed_horizon_age_seconds", "duebook_oldest_xmin_age_transactions"

MQ1, MQ2, MQ3 = (f'rabbitmq_build_info{{instance="mq{n}"}}' for n in (1, 2, 3))


def rows(live: int, dead: int) -> dict[str, str]:
    counts = {"live": live, "dead": dead}
    return {f'duebook_table_rows{{table="runs",state="{state}"}}': f"{n}x60" for state, n in counts.items()}


CASES = [
    Case("DuebookSchedulerDown", ALL_UP, 5, None),
    Case("DuebookSchedulerDown", ALL_UP | {'up{job="duebook-scheduler"}': ZERO}, 5, 'severity="critical"'),
    Case("DuebookServiceDown", ALL_UP, 5, None),
    Case("DuebookServiceDown", ALL_UP | {'up{job="duebook-api"}': ZERO}, 5, 'severity="critical",job="duebook-api"'),
    Case(
        "DuebookQueueWithoutExecutors",
        {f"rabbitmq_queue_consumers{{{QUEUE}}}": ZERO, f"rabbitmq_queue_messages_ready{{{QUEUE}}}": UP},
        10,
        f'severity="critical",{QUEUE}',
    ),
    Case(
        "DuebookQueueWithoutExecutors",
        {f"rabbitmq_queue_consumers{{{QUEUE}}}": UP, f"rabbitmq_queue_messages_ready{{{QUEUE}}}": UP},
        10,
        None,
    ),
    Case("DuebookBrokerNodeMissing", {MQ1: UP, MQ2: UP, MQ3: "1x20 _x40"}, 40, 'severity="warning"'),
    Case("DuebookBrokerNodeMissing", {MQ1: UP, MQ2: UP, MQ3: "1x20 _x3 1x40"}, 40, None),
    Case("DuebookBrokerNodeMissing", dict.fromkeys((MQ1, MQ2, MQ3), "1x20 _x40"), 40, 'severity="warning"'),
    Case(
        "DuebookDispatchLagHigh",
        {f'{DELAY}{{le="30"}}': ZERO, f'{DELAY}{{le="60"}}': "0+9x60", f'{DELAY}{{le="+Inf"}}': "0+9x60"},
        30,
        'severity="warning"',
    ),
    Case("DuebookDispatchLagHigh", {f'{DELAY}{{le="30"}}': "0+9x60", f'{DELAY}{{le="+Inf"}}': "0+9x60"}, 30, None),
    Case("DuebookOverdueJobs", {"duebook_overdue_jobs": UP}, 10, 'severity="critical"'),
    Case("DuebookOverdueJobs", {"duebook_overdue_jobs": ZERO}, 10, None),
    Case("DuebookRelayLagHigh", {"duebook_relay_lag_events": "2000x60"}, 10, 'severity="warning"'),
    Case("DuebookRelayLagHigh", {"duebook_relay_lag_events": "900x60"}, 10, None),
    Case("DuebookLogAhead", {"duebook_log_ahead": UP}, 5, 'severity="critical"'),
    Case("DuebookLogAhead", {"duebook_log_ahead": ZERO}, 5, None),
    Case("DuebookFeedHeld", {HORIZON: "0+60x60"}, 10, 'severity="critical"'),
    Case("DuebookFeedHeld", {HORIZON: "0 30 50 90 0 50 90 1x60"}, 10, None),
    Case("DuebookVacuumHeld", {XMIN: "2000000x60"}, 15, 'severity="warning"'),
    Case("DuebookVacuumHeld", {XMIN: "900000x60"}, 15, None),
    Case("DuebookGaugesFailing", {GAUGES: EACH_FIVE_MINUTES}, 40, 'severity="warning",loop="overdue gauges"'),
    Case("DuebookGaugesFailing", {GAUGES: "0 0 4 8 12 16x55"}, 23, None),
    Case("DuebookGaugesFailing", {GAUGES.replace("overdue gauges", "mails"): EACH_FIVE_MINUTES}, 40, None),
    Case("DuebookDeadRowsHigh", rows(live=1_000_000, dead=300_000), 40, 'severity="warning",table="runs"'),
    Case("DuebookDeadRowsHigh", rows(live=9_000_000, dead=300_000), 40, None),
    Case("DuebookDeadRowsHigh", rows(live=100, dead=90_000), 40, None),
    Case("DuebookArchiveOverdue", {"duebook_archive_overdue_seconds": "90000x60"}, 20, 'severity="warning"'),
    Case("DuebookArchiveOverdue", {"duebook_archive_overdue_seconds": "80000x60"}, 20, None),
    Case("DuebookErasureOverdue", {"duebook_archive_erasure_overdue_seconds": "90000x60"}, 20, 'severity="warning"'),
    Case("DuebookErasureOverdue", {"duebook_archive_erasure_overdue_seconds": "80000x60"}, 20, None),
    Case("DuebookDeadLettersPresent", {'duebook_dead_letters{queue="a"}': UP}, 10, 'severity="warning",queue="a"'),
    Case("DuebookDeadLettersPresent", {'duebook_dead_letters{queue="a"}': ZERO}, 10, None),
    *[
        Case("DuebookDeadLettersGrowing", {DEAD: burst}, 10, 'severity="critical",queue="a"')
        for burst in (BURST, FRESH_BURST, "0+9x60")
    ],
    Case("DuebookDeadLettersGrowing", {DEAD: LATER_BURST}, 38, 'severity="critical",queue="a"'),
    *[Case("DuebookDeadLettersGrowing", {DEAD: quiet}, 40, None) for quiet in (ZERO, FRESH_BURST, "0 5x59")],
    Case("DuebookDeadLettersForgotten", {"duebook_dead_letter_oldest_age_seconds": "90000x9"}, 5, 'severity="warning"'),
    Case("DuebookDeadLettersForgotten", {"duebook_dead_letter_oldest_age_seconds": "80000x9"}, 5, None),
    Case(
        "DuebookRetriesHigh",
        {"duebook_retries_total": "0+30x60", "duebook_runs_total": "0+40x60"},
        30,
        'severity="warning"',
    ),
    Case("DuebookRetriesHigh", {"duebook_retries_total": "0+9x60", "duebook_runs_total": "0+40x60"}, 30, None),
    *[Case("DuebookNotificationsFailing", {MAILS: burst}, 10, 'severity="warning"') for burst in (BURST, FRESH_BURST)],
    Case("DuebookNotificationsFailing", {MAILS.replace("given_up", "sent"): BURST, MAILS: ZERO}, 10, None),
    *[Case("DuebookStaleOutcomes", {STALE: burst}, 5, 'severity="warning"') for burst in (BURST, FRESH_BURST)],
    Case("DuebookStaleOutcomes", {STALE: FRESH_BURST}, 40, None),
    *[Case("DuebookLocksFailing", {LOCKS: burst}, 10, 'severity="warning"') for burst in (BURST, FRESH_BURST)],
    Case("DuebookLocksFailing", {LOCKS.replace("lost", "acquired"): BURST, LOCKS: ZERO}, 10, None),
]


def test_every_alert_is_tested_firing_and_silent() -> None:
    names = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    assert {case.alert for case in CASES if case.labels} == names
    assert {case.alert for case in CASES if not case.labels} == names


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: the package prometheus)")
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS.absolute())], "tests": [*map(as_test, CASES)]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def as_test(case: Case) -> dict[str, object]:
    firing = f'alertname="{case.alert}",alertstate="firing"'
    expected = [{"labels": f"ALERTS{{{firing},{case.labels}}}", "value": 1}] if case.labels else []
    return {
        "name": f"{case.alert} at minute {case.minute}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "promql_expr_test": [{"expr": f"ALERTS{{{firing}}}", "eval_time": f"{case.minute}m", "exp_samples": expected}],
    }
