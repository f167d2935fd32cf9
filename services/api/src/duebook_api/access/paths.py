"""Which paths need a key, and which belong to the console, where a session stands for the key."""

CONSOLE = "/console"


def needs_key(path: str) -> bool:
    open_ = path in {"/api/docs", "/api/openapi.json"} or path.startswith("/api/docs/")
    return path.startswith("/api/") and not open_


def is_console(path: str) -> bool:
    return path == CONSOLE or path.startswith(f"{CONSOLE}/")


def is_page(path: str) -> bool:
    """Whether a reader of the console may follow a link of another site to this path."""
    return path == "/" or is_console(path)
