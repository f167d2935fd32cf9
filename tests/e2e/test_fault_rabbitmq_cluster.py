"""Nodes of a RabbitMQ cluster are killed, frozen, cut off and restarted under a steady load, as the page configures it.

DUEBOOK_TEST_OUTAGE is for how many seconds a node is frozen, cut off or missing.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Event, Thread

import pytest

from duebook_common.broker.topology import work_queue
from support.fleet import Platform, eventually
from support.load import Load, held, job_spec, launch
from support.page_commands import PageCommands
from support.rabbitmq_cluster import Cluster, Node, cluster
from support.smtp_server import Mailbox

pytestmark = pytest.mark.xdist_group("rabbitmq cluster")

PAGE = "how-to/run-a-rabbitmq-cluster.md"
_OUTAGE = float(os.environ.get("DUEBOOK_TEST_OUTAGE", "5"))
_QUEUE = work_queue("default")
_TICK, _BATCH = 0.2, 4  # twenty jobs a second


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster(PAGE) as nodes:
        yield nodes


@pytest.fixture
def load(nodes: Cluster, postgres_url: str, redis_url: str, smtp: Mailbox) -> Iterator[Load]:
    urls = {"POSTGRES": postgres_url, "RABBITMQ": nodes.url, "REDIS": redis_url, "SMTP": smtp.url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        load = Load(platform)
        launch(platform, api=1, scheduler=2, executor=2, notifier=1)
        load.submit(held(4, "gate"))
        load.await_running(4, "gate")
        yield load


@contextmanager
def steadily(load: Load) -> Iterator[Callable[[], None]]:
    """Twenty jobs a second while the block runs, which gets a function that waits until runs that come now begin."""
    stop = Event()

    def submit() -> None:
        while not stop.wait(_TICK):
            load.submit([job_spec()] * _BATCH)

    def go_on() -> None:
        before = len(load.effects())
        eventually(lambda: len(load.effects()) >= before + 10 * _BATCH, 60, load.summary)

    thread = Thread(target=submit)
    thread.start()
    began = time.time()
    try:
        go_on()
        yield go_on
        go_on()
    finally:
        stop.set()
        thread.join()
    print(f"nothing began for {longest_pause(load, began):.1f} s")


def longest_pause(load: Load, since: float) -> float:
    """The seconds in which no attempt began, at the longest."""
    times = sorted(at.timestamp() for at in load.effect_times().values())
    return max(after - before for before, after in pairwise(times) if before > since)


def finish(load: Load) -> None:
    """Each run ends as expected and once; those that ran all the time were not interrupted."""
    load.open("gate")
    load.check()
    assert {row["attempt"] for row in load.held("gate")} == {1}


def commands(node: Node) -> PageCommands:
    environment = {name: value for name, value in node.environment().items() if name != "PATH"}
    return PageCommands(PAGE, {**environment, "NODE": node.node}, programs=node.programs)


def test_a_node_that_leads_is_killed_and_runs_go_on(load: Load, nodes: Cluster) -> None:
    leader = nodes.leader(_QUEUE)
    with steadily(load) as go_on:
        leader.kill()
        go_on()
        leader.start()
    finish(load)


def test_a_node_that_leads_is_frozen_and_runs_go_on(load: Load, nodes: Cluster) -> None:
    leader = nodes.leader(_QUEUE)
    with steadily(load) as go_on:
        leader.pause()
        go_on()
        time.sleep(_OUTAGE)
        leader.resume()
        page = commands(leader)
        page.skip(3)
        page.run()
    nodes.await_all()
    finish(load)


def test_without_a_majority_runs_wait_and_nothing_is_lost(load: Load, nodes: Cluster) -> None:
    leader = nodes.leader(_QUEUE)
    others = [node for node in nodes.nodes if node is not leader]
    with steadily(load) as go_on:
        for node in others:
            node.kill()
        waiting = len(load.expected)
        eventually(lambda: len(load.expected) > waiting + 10 * _BATCH)
        time.sleep(_OUTAGE)
        others[0].start()
        go_on()
        others[1].start()
    nodes.await_all()
    finish(load)


def test_a_node_that_leads_is_cut_off_and_runs_go_on(load: Load, nodes: Cluster) -> None:
    leader = nodes.leader(_QUEUE)
    with steadily(load) as go_on:
        with nodes.parted(leader):
            eventually(leader.paused)
            go_on()
            time.sleep(_OUTAGE)
        nodes.await_all()
    finish(load)


def test_nodes_are_restarted_one_by_one_as_the_page_says(load: Load, nodes: Cluster) -> None:
    with steadily(load) as go_on:
        for node in nodes.nodes:
            page = commands(node)
            status = page.run()
            assert all(other.node in status for other in nodes.nodes)
            page.skip(3)
            page.run()
            node.stop()
            go_on()
            node.start()
            page.run()
            assert page.all_done()
    finish(load)


def test_a_queue_grows_onto_a_node_that_came_later(load: Load, nodes: Cluster) -> None:
    assert nodes.members(_QUEUE) == {node.node for node in nodes.nodes}
    node = nodes.nodes[2]
    node.control("rabbitmq-queues", "delete_member", _QUEUE, node.node)
    page = commands(node)
    page.skip()
    assert _QUEUE in page.run()
    page.run()
    assert nodes.members(_QUEUE) == {node.node for node in nodes.nodes}
    finish(load)
