"""What targets, and the readers of archives, raise."""


class TargetUnavailable(OSError):
    """The place for archives cannot be reached or refuses: one line that names it."""


class ArchiveChanged(Exception):
    """A file of an archive that was checked is gone or damaged; the message says what was found."""
