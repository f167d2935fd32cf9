"""The account of the servers if we are root: PostgreSQL refuses to run as root, and no server needs it."""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Account:
    """A user and group id. Servers run as it; apart from their own directories no file changes its owner."""

    user: int
    group: int

    def popen(self) -> dict[str, Any]:
        """The arguments with which `subprocess.Popen` drops its privileges."""
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def own(self, path: Path) -> None:
        os.chown(path, self.user, self.group)

    def may_enter(self, path: Path) -> bool:
        """Whether the account may pass through every parent directory of `path`."""
        return all(self._may_pass(parent) for parent in path.absolute().parents)

    def _may_pass(self, directory: Path) -> bool:
        try:
            status = directory.stat()
        except FileNotFoundError:
            return True  # it will be created, open to all
        if status.st_uid == self.user:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.group else 0o001))


def unprivileged() -> Account | None:
    """The account `nobody` if we are root; otherwise None, and servers run as we do."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    groups = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    return Account(user.pw_uid, groups.get("nogroup", user.pw_gid))
