"""The servers' account: which directories it may pass through."""

from pathlib import Path

import pytest

from duebook_devstack.accounts import Account

OTHER = Account(user=4_000_000, group=4_000_000)  # neither owns the test's directory nor shares its group


@pytest.mark.parametrize(("mode", "may_enter"), [(0o711, True), (0o755, True), (0o700, False), (0o750, False)])
def test_an_account_needs_the_execute_bit_of_every_parent(tmp_path: Path, mode: int, may_enter: bool) -> None:
    own = [path for path in tmp_path.parents if path.name.startswith(("pytest-", "popen-"))]  # private by default
    for path in (tmp_path, *own):
        path.chmod(0o711)
    directory = tmp_path / "data"
    directory.mkdir(mode=mode)
    directory.chmod(mode)
    assert OTHER.may_enter(directory / "server") is may_enter


def test_a_directory_that_does_not_exist_yet_is_accessible(tmp_path: Path) -> None:
    owner = Account(tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    assert owner.may_enter(tmp_path / "new" / "server")
