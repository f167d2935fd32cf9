"""`duebook schedule`. Against a real api and database."""

import json
from datetime import UTC, datetime, timedelta

from support.program import Program


def test_a_forecast_is_a_line_per_hour_and_a_summary(duebook: Program) -> None:
    duebook.job("nightly", "--recurrence", "every 1h")
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    window = ("--from", start.isoformat(), "--to", (start + timedelta(hours=3)).isoformat())
    new = json.dumps([{"create": {"name": "new", "scheduled_at": start.isoformat()}}])
    forecast = duebook("schedule", "forecast", *window, "-f", "-", stdin=new)
    assert forecast.exit_code == 0, forecast.stderr
    assert forecast.stdout.splitlines()[1].split() == [f"{start:%Y-%m-%dT%H:%M:%SZ}", "1"]
    assert "total: 1 runs of 1 jobs" in forecast.stderr
    assert "times added: 1" in forecast.stderr
    assert duebook.data("schedule", "forecast", *window)["runs"] == 0


def test_a_forecast_without_ends_is_that_of_the_next_day(duebook: Program) -> None:
    duebook.job("hourly", "--recurrence", "every 1h", "--tag", "a")
    forecast = duebook.data("schedule", "forecast", "--tag", "a")
    start, end = (datetime.fromisoformat(forecast[name]) for name in ("from", "to"))
    assert end - start == timedelta(days=1)
    assert abs(start - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_preview_prints_times_and_says_the_schedule_in_words(duebook: Program) -> None:
    given = ("cron 30 2 * * *", "--timezone", "Europe/Berlin", "--gap", "skip", "--after", "2026-03-28T00:00:00Z")
    preview = duebook("schedule", "preview", *given, "--at", "2026-01-01T00:00:00Z", "--count", "2")
    assert [line.split() for line in preview.stdout.splitlines()] == [
        ["nominal_at", "local"],
        ["2026-03-28T01:30:00Z", "2026-03-28T02:30:00+01:00"],
        ["2026-03-30T00:30:00Z", "2026-03-30T02:30:00+02:00"],
    ]
    in_utc = duebook("schedule", "preview", "daily", "--at", "2026-01-01T00:00:00Z", "--count", "1")
    assert in_utc.stdout.splitlines()[0] == "nominal_at"
    assert "02:30" in preview.stderr
    assert len(duebook.data("schedule", "preview", "daily", "--count", "3")["times"]) == 3
