"""A first key that others could guess."""

_PUBLISHED = frozenset({"development-only-change-me", "the-first-key", "change-me", "changeme"})
_SHORTEST, _FEWEST = 20, 8  # characters, and different ones among them


def weakness(key: str) -> str | None:
    """Why the key is weak; None if nothing is known against it."""
    if key.lower() in _PUBLISHED:
        return "it stands in an example that anybody can read"
    if len(key) < _SHORTEST:
        return f"it has {len(key)} characters; take {_SHORTEST} or more"
    if len(set(key)) < _FEWEST:
        return f"it has {len(set(key))} different characters only"
    return None
