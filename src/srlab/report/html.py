"""Tables and figures as HTML, for the sections of a page (`srlab.report.page`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from srlab.data.images import read_pixels
from srlab.report.webp import data_uri, encode_webp

Cell = str | int | float | None
"""Text, a number, or None for what was not computed. Text is escaped unless it is Markup."""

_CROP = 128
"""Pictures this narrow are shown larger, with square pixels."""

_NUMBER = re.compile(r"[+\-−±<>]?\s*\d[\d.,]*(e[+-]?\d+)?\s*(%|dB|ms|s|h|MB|GB|M|×|x)?", re.I)


def html_table(
    head: Sequence[Cell],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: Cell,
    note: Cell = None,
) -> Markup:
    """A table that scrolls sideways inside its own frame when the page is narrow.

    A column whose cells are all numbers, with or without a unit, is aligned right. The first cell
    of a row is the row's header.

    Args:
        head: the title of each column.
        rows: the cells, as many in each row as in the head.
        caption: what the table shows; stands above it.
        note: small print below it.

    Raises:
        ValueError: a row is longer or shorter than the head.
    """
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells under a head of {len(head)}: {row}")
    numeric = [_is_numeric([row[index] for row in rows]) for index in range(len(head))]
    kinds = [Markup(' class="number"') if right else Markup() for right in numeric]
    titles = [
        Markup('<th scope="col"{}>{}</th>').format(kind, title)
        for kind, title in zip(kinds, head, strict=True)
    ]
    lines = []
    for row in rows:
        first, *others = (
            Markup("{}>{}").format(kind, _text(cell)) for kind, cell in zip(kinds, row, strict=True)
        )
        cells = [Markup('<th scope="row"{}</th>').format(first)]
        cells += [Markup("<td{}</td>").format(other) for other in others]
        lines.append(Markup("<tr>{}</tr>\n").format(Markup().join(cells)))
    return Markup(
        # A <caption> would scroll away with the table.
        '<figure class="table">\n<figcaption>{caption}</figcaption>\n'
        '<div class="table-frame" role="region" tabindex="0" aria-label="{label}"><table>\n'
        "<thead><tr>{titles}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table></div>\n"
        "{note}</figure>\n"
    ).format(
        label=escape(caption).striptags(),
        caption=caption,
        titles=Markup().join(titles),
        lines=Markup().join(lines),
        note="" if note is None else Markup('<p class="note">{}</p>\n').format(note),
    )


def html_figure(
    label: str, title: str, body: Markup | Mapping[str, Path], *, caption: Cell
) -> Markup:
    """A figure with its label, title and caption below it.

    Args:
        label: such as "Figure 3"; in lower case and with hyphens, it is the figure's anchor.
        title: a phrase.
        body: trusted HTML, or pictures by name. Pictures are embedded without loss, and their
            names stand below them.
        caption: what one sees, in a sentence or two.

    Raises:
        SrlabError: a picture cannot be read.
    """
    content = body if isinstance(body, Markup) else html_pictures(title, body)
    return Markup(
        '<figure id="{anchor}">\n{content}\n<figcaption><b>{label}</b> <span>{title}.</span> '
        "{caption}</figcaption>\n</figure>\n"
    ).format(
        anchor=_anchor(label),
        content=content,
        label=label,
        title=title.removesuffix("."),
        caption=caption,
    )


def html_pictures(title: str, pictures: Mapping[str, Path]) -> Markup:
    """A row of pictures, embedded without loss, their names below them.

    Args:
        title: stands before each name for those who cannot see the picture.
        pictures: name -> file.

    Raises:
        SrlabError: a picture cannot be read.
    """
    return Markup('<div class="pictures" style="--count: {}">\n{}</div>\n').format(
        len(pictures),
        Markup().join(_picture(title, name, path) for name, path in pictures.items()),
    )


def svg_figure(label: str, title: str, svg: str, *, caption: Cell) -> Markup:
    """A figure drawn as SVG, such as Matplotlib writes.

    The drawing becomes part of the page: its identifiers get the figure's anchor in front, since
    two drawings of a page must not share them. It stands on white paper also in the dark theme,
    unless it is drawn in `currentColor`.

    Args:
        svg: a trusted SVG file's text.

    Raises:
        ValueError: there is no <svg> in the text.
    """
    start, end = svg.find("<svg"), svg.rfind("</svg>")
    if start < 0 or end < start:
        raise ValueError(f"{label}: no <svg> in the drawing")
    drawing = svg[start : end + len("</svg>")]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    anchor = _anchor(label)
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{anchor}-", drawing)
    name = escape(f"{label}: {title}")
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)
    paper = "drawing" if "currentColor" in drawing else "drawing paper"
    body = Markup('<div class="{}">{}</div>').format(paper, Markup(drawing))  # noqa: S704
    return html_figure(label, title, body, caption=caption)


def _picture(title: str, name: str, path: Path) -> Markup:
    pixels = read_pixels(path)
    return Markup(
        '<div><img{kind} src="{source}" width="{width}" height="{height}" alt="{alt}" '
        'loading="lazy" decoding="async"><span>{name}</span></div>\n'
    ).format(
        kind=Markup(' class="crop"') if pixels.shape[1] <= _CROP else "",
        source=data_uri(encode_webp(pixels)),
        width=pixels.shape[1],
        height=pixels.shape[0],
        alt=f"{title}: {name}",
        name=name,
    )


def _anchor(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def _text(cell: Cell) -> Markup:
    if cell is None:
        return Markup('<abbr title="not computed">–</abbr>')
    return escape(f"{cell:g}" if isinstance(cell, float) else cell)


def _is_numeric(cells: list[Cell]) -> bool:
    texts = [escape(cell).striptags() for cell in cells if cell is not None]
    known = [text for text in texts if text not in ("", "-", "–", "not computed")]
    return all(_NUMBER.fullmatch(text) for text in known)
