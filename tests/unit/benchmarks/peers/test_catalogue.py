"""No peer is installed here: what stands in the catalogue is compared with the modules and with our lock file."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import Peer, peers

ROOT = Path(__file__).parents[4]
PEERS = peers(2)


def test_the_peers_are_those_that_the_contract_names() -> None:
    assert [peer.name for peer in PEERS] == ["Celery", "TaskIQ", "Dramatiq", "Procrastinate"]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_has_a_module_that_submits_in_both_ways(peer: Peer) -> None:
    tree = ast.parse((ROOT / f"{peer.module.replace('.', '/')}.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {ast.unparse(target) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    assert {"submit_each", "submit_all"} <= functions | assigned


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_worker_runs_the_module_of_its_peer(peer: Peer) -> None:
    assert any(re.split(r":|\.app$", argument)[0] == peer.module for argument in peer.worker)


def test_packages_of_peers_are_pinned_and_not_in_our_lock_file() -> None:
    ours = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    packages = [package for peer in PEERS for package in peer.packages]
    assert all(re.fullmatch(r"[a-z-]+(\[[a-z]+\])?==[\d.]+", package) for package in packages)
    names = {re.split(r"[\[=]", package)[0] for package in packages} - {"uvloop"}
    assert not names & ours
