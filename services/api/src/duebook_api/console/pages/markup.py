"""Markup from templates of our own, in which every value is escaped."""

from typing import LiteralString

from markupsafe import Markup


def fill(template: LiteralString, *values: object, **named: object) -> Markup:
    """The template with the values, escaped unless they are markup. Only a literal may be a template."""
    return Markup(template).format(*values, **named)  # noqa: S704 - a literal, as the types say
