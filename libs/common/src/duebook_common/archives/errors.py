"""What targets raise."""


class TargetUnavailable(OSError):
    """The place for archives cannot be reached or refuses: one line that names it."""
