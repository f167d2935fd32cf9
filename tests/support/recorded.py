"""Events of one job as the log would hold them, without a database."""

import json
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from duebook_common.domain.job.events import JobEvent
from duebook_common.domain.run.events import RunFact
from duebook_common.store.codec import encode
from duebook_common.store.eventstore import RecordedEvent
from support.samples import JOB_ID


def recorded(history: Iterable[JobEvent | RunFact]) -> list[RecordedEvent]:
    """The events of JOB_ID and of its runs, at positions in this order."""
    versions, events = Counter[str](), list[RecordedEvent]()
    for position, fact in enumerate(history):
        stream = f"run-{fact.run_id}" if isinstance(fact, RunFact) else f"job-{JOB_ID}"
        event = fact.event if isinstance(fact, RunFact) else fact
        versions[stream] += 1
        type_, data = encode(event)
        version, id_ = versions[stream], UUID(int=position)
        events.append(RecordedEvent(1, position, stream, version, id_, type_, json.loads(data), {}, JOB_ID, event.at))
    return events
