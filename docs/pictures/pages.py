"""Which pages are drawn, and in which theme."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import orjson


class Picture(NamedTuple):
    """The page at the path, as an image of this name. `click` is a link or summary that is used first, a selector."""

    name: str
    path: str
    theme: str = "light"
    click: str = ""


def pages(jobs: Mapping[str, str], ids: Mapping[str, str]) -> list[Picture]:
    """Each page of the console; the overview and the job in both themes. `jobs`: ids of jobs by their names."""
    job = f"/console/jobs/{jobs['nightly report']}"
    changes = [{"job_id": jobs["refresh search index"], "patch": {"recurrence": {"every": "PT5M"}}}]
    forecast = f"/console/forecast?queue=slow&changes={quote(orjson.dumps(changes))}"
    return [
        Picture("overview", "/console"),
        Picture("overview-dark", "/console", "dark"),
        Picture("jobs", "/console/jobs"),
        Picture("job", job),
        Picture("job-dark", job, "dark"),
        Picture("new-job", "/console/new-job"),
        Picture("runs", "/console/runs"),
        Picture("run", f"/console/runs/{ids['dead']}"),
        Picture("dead-letters", "/console/dead-letters"),
        Picture("redrive", "/console/dead-letters", click="text=Redrive the group…"),
        Picture("bulk", "/console/bulk"),
        Picture("bulk-progress", f"/console/bulk/{ids['bulk']}"),
        Picture("queues", "/console/queues"),
        Picture("executors", "/console/executors"),
        Picture("executor", f"/console/executors/{ids['executor']}"),
        Picture("forecast", forecast),
        Picture("events", "/console/events"),
        Picture("mails", "/console/mails"),
        Picture("keys", "/console/keys"),
        Picture("audit", "/console/keys/audit", "dark"),
        Picture("system", "/console/system"),
    ]
