from pathlib import Path

import pytest
import yaml

SCHEDULE = Path(__file__).with_name("schedule")


@pytest.mark.parametrize("path", sorted(SCHEDULE.glob("*.yaml")), ids=lambda path: path.name)
def test_each_job_has_a_timezone_or_a_fixed_interval(path: Path) -> None:
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]:
        assert "timezone" in job or "every" in job["recurrence"], job["key"]
