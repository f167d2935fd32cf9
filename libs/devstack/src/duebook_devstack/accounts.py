"""The account that servers run as: PostgreSQL refuses root, and no server of ours needs it."""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """An account to start a program as, by dropping privileges: no file outside our own directory is touched."""

    user: int
    group: int

    def popen(self) -> dict[str, Any]:
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def own(self, path: Path) -> None:
        os.chown(path, self.user, self.group)

    def may_enter(self, path: Path) -> bool:
        """Whether the account gets as far as this path."""
        return all(self._may_pass(parent) for parent in path.absolute().parents)

    def _may_pass(self, directory: Path) -> bool:
        try:
            facts = directory.stat()
        except FileNotFoundError:
            return True  # we are about to make it, open to all
        if facts.st_uid == self.user:
            return bool(facts.st_mode & 0o100)
        return bool(facts.st_mode & (0o010 if facts.st_gid == self.group else 0o001))


def unprivileged() -> Account | None:
    """The account for servers where we are root; None where we are not, and servers simply run as we do."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    names = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    return Account(nobody.pw_uid, names.get("nogroup", nobody.pw_gid))
