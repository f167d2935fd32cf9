"""The elements of drawings. Every value is escaped; colours are classes of the style sheet, never attributes."""

from collections.abc import Iterable

from markupsafe import Markup

from duebook_api.console.pages.markup import fill


def number(value: float) -> str:
    """A coordinate with one decimal place at most."""
    return f"{value:.1f}".removesuffix(".0")


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "", radius: float = 0) -> Markup:  # noqa: PLR0913, PLR0917
    sizes = {"x": number(x), "y": number(y), "w": number(width), "h": number(height), "css": css}
    corner = fill(' rx="{}"', number(radius)) if radius else Markup()
    content = fill("<title>{}</title>", title) if title else Markup()
    template = '<rect x="{x}" y="{y}" width="{w}" height="{h}" class="{css}"{corner}>{content}</rect>'
    return fill(template, corner=corner, content=content, **sizes)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    template = '<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>'
    return fill(template, number(x1), number(y1), number(x2), number(y2), css)


def text(x: float, y: float, content: str, anchor: str = "start", css: str = "") -> Markup:
    template = '<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>'
    return fill(template, number(x), number(y), anchor, css, content)


def path(data: str, css: str) -> Markup:
    return fill('<path d="{}" class="{}"/>', data, css)


def svg(  # noqa: PLR0913 - the attributes of one element
    title: str,
    width: float,
    height: float,
    css: str,
    content: Iterable[Markup],
    *,
    fixed: bool = False,
    role: str = "img",
) -> Markup:
    """The drawing; a `fixed` one has its size in pixels, any other the width of what is around it.

    A drawing with links has the role `group`.
    """
    size = fill(' width="{}" height="{}"', number(width), number(height)) if fixed else Markup()
    template = '<svg class="{}" viewBox="0 0 {} {}"{} role="{}" aria-label="{}">{}</svg>'
    return fill(template, css, number(width), number(height), size, role, title, Markup().join(content))


def in_scroll(drawing: Markup, title: str) -> Markup:
    """A drawing that is wider than a narrow screen, and is moved there by itself."""
    return fill('<div class="scroll" tabindex="0" role="region" aria-label="{}">{}</div>', title, drawing)


def twin(summary: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> Markup:
    """The table that says the same as a drawing."""
    heads = Markup().join(fill("<th>{}</th>", each) for each in head)
    lines = (fill("<tr>{}</tr>", Markup().join(fill("<td>{}</td>", cell) for cell in row)) for row in rows)
    template = (
        '<details class="twin"><summary>{}</summary><div class="table" tabindex="0" role="group" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></details>"
    )
    return fill(template, summary, summary, heads, Markup().join(lines))
