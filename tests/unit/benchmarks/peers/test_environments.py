from pathlib import Path

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import python_of

PEER = Peer("Celery", ("celery==5.7.0",), (), "")


def test_an_environment_with_the_wanted_packages_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery/packages").write_text("celery==5.7.0")
    assert python_of(PEER, tmp_path) == tmp_path / "celery/bin/python"
