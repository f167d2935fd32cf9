"""Celery: its task, and how it is submitted."""

import os
import time

from celery import Celery

from benchmarks.peers import ticks

app = Celery("peer", broker=os.environ["PEER_RABBITMQ_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=50,
    broker_transport_options={"confirm_publish": True},
    task_default_queue="peer-celery",
)
nothing = app.task(name="nothing")(ticks.tick)


def submit_each(count: int) -> float:
    """Submit tasks one by one; returns when that began, in seconds since 1970: connected already."""
    with app.producer_or_acquire() as producer:
        producer.connection.ensure_connection()
        began = time.time()
        for _ in range(count):
            nothing.apply_async(producer=producer)
    return began


submit_all = submit_each  # a group of Celery is submitted one by one as well
