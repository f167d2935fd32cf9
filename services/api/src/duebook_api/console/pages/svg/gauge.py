"""A gauge: how much of something limited is in use. The numbers themselves stand beside it as text."""

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import rect, svg

_WIDTH, _HEIGHT = 96, 8


def gauge(used: int, most: int, title: str) -> Markup:
    """A filled part of an outlined bar; a full one has the colour of what waits."""
    share = min(1.0, max(0.0, used / most)) if most > 0 else 0.0
    role = "retrying" if most > 0 and used >= most else "running"
    whole = rect(0.5, 0.5, _WIDTH - 1, _HEIGHT - 1, "fill-none", radius=3)
    part = [rect(0.5, 0.5, max(2.0, share * (_WIDTH - 1)), _HEIGHT - 1, f"fill-{role}", radius=3)] if share else []
    return svg(title, _WIDTH, _HEIGHT, "gauge", [whole, *part], fixed=True)
