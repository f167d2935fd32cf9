"""The alerts of `deploy/monitoring`, evaluated by Prometheus on what the services show."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import yaml

from benchmarks.bench import Bench
from duebook_devstack.ports import free_port

RULES = Path("deploy/monitoring")
_START_SECONDS = 60


class Alerts:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url, self._began = url, time.time()

    def says(self, began: float) -> list[str]:
        """One line for each alert that was pending or fired, with the seconds since `began`, of the wall clock."""
        span: dict[str, Any] = {"query": "ALERTS", "start": self._began, "end": time.time(), "step": 5}
        answer = httpx2.get(f"{self._url}/api/v1/query_range", params=span, timeout=30, trust_env=False)
        lines = []
        for series in answer.raise_for_status().json()["data"]["result"]:
            times = [at - began for at, _ in series["values"]]
            name, state = series["metric"]["alertname"], series["metric"]["alertstate"]
            lines.append(f"{name} was {state} from {times[0]:.0f} to {times[-1]:.0f} s")
        return sorted(lines) or ["no alert was pending"]


@contextmanager
def watching(bench: Bench, directory: Path) -> Iterator[Alerts | None]:
    """Prometheus with the rules and intervals of `deploy/monitoring`; None if it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        yield None
        return
    config: dict[str, Any] = yaml.safe_load((RULES / "prometheus.yml").read_text(encoding="utf-8"))
    config["rule_files"] = [str((RULES / "alerts.yml").absolute())]
    config.pop("alerting")
    config["scrape_configs"] = [
        {"job_name": f"duebook-{kind}", "static_configs": [{"targets": [service.url.removeprefix("http://")]}]}
        for kind, service in bench.services.items()
    ]
    file, port = directory / "prometheus.yml", free_port()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [program, f"--config.file={file}", f"--storage.tsdb.path={directory / 'prometheus'}",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _await(f"http://127.0.0.1:{port}")
        yield Alerts(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/-/ready", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.2)
    raise TimeoutError("Prometheus did not start")
