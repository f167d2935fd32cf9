"""Which pages are rendered, and where they stand."""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs.pages import cli, events, http, jobs_schema, metrics, python, settings

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings.render,
    "metrics.md": metrics.render,
    "events.md": events.render,
    "cli.md": cli.render,
    "http.md": http.render,
    "python.md": python.render,
    "jobs.schema.json": jobs_schema.render,
}
