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
