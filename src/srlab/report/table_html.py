"""A `Table` as HTML."""

import re

from markupsafe import Markup, escape

from srlab.report.html import html_table
from srlab.report.tables import Strong, Table


def table_html(table: Table) -> Markup:
    """The table with its title as caption and its notes below; `code` and strong cells kept."""
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    note = Markup("<br>").join(with_code(note) for note in table.notes) if table.notes else None
    return html_table(list(table.head), rows, caption=with_code(table.title), note=note)


def with_code(text: str) -> Markup:
    """Plain text, but what stands between backticks as <code>.

    >>> with_code("a < `b`")
    Markup('a &lt; <code>b</code>')
    """
    parts = re.split(r"`([^`]+)`", text)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def _cell(cell: str) -> Markup | str:
    return Markup("<strong>{}</strong>").format(cell) if isinstance(cell, Strong) else cell
