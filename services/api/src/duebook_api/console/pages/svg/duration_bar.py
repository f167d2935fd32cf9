"""A bar as long as a run took, beside the duration in words."""

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import rect, svg

_WIDTH, _HEIGHT = 100, 8


def duration_bar(seconds: float, longest: float, role: str, title: str) -> Markup:
    share = min(1.0, seconds / longest) if longest > 0 else 0.0
    bar = rect(0, 1, max(3.0, share * _WIDTH), _HEIGHT - 2, f"fill-{role}", radius=3)
    return svg(title, _WIDTH, _HEIGHT, "sparkline", [bar], fixed=True)
