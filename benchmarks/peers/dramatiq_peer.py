"""Dramatiq: its task, and how it is submitted."""

import os
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.peers import ticks

broker = RabbitmqBroker(url=os.environ["PEER_RABBITMQ_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)
nothing = dramatiq.actor(ticks.tick, actor_name="nothing", queue_name="peer-dramatiq")


def submit_each(count: int) -> float:
    """Submit tasks one by one; returns when that began, in seconds since 1970: connected already."""
    broker.declare_queue("peer-dramatiq", ensure=True)
    began = time.time()
    for _ in range(count):
        nothing.send()
    return began


submit_all = submit_each  # a group of Dramatiq is submitted one by one as well
