from pathlib import Path

import pytest

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import contents, python_of

PEER = Peer("Celery", ("celery==5.7.0",), (), "")


def test_an_environment_with_the_wanted_packages_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery/packages").write_text(contents(PEER))
    assert python_of(PEER, tmp_path) == tmp_path / "celery/bin/python"


def test_another_python_needs_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(PEER)
    monkeypatch.setattr("sys.base_prefix", "/elsewhere")
    assert before != contents(PEER)
    assert contents(PEER).endswith("celery==5.7.0")
