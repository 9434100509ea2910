"""Tables as plain data, from which Markdown and HTML are made."""

from collections.abc import Sequence
from dataclasses import dataclass


class Strong(str):
    """A cell that stands out, such as the best of its column."""


@dataclass(frozen=True)
class Table:
    """A table with its title and what must be known to read it.

    Title and notes may hold `code` between backticks, as Markdown does; cells are plain text.
    """

    title: str
    """What the table shows, without a colon or full stop at its end."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Cells, as many in each row as in the head; a `Strong` one stands out."""
    notes: Sequence[str] = ()
    """Sentences that stand below it."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"a row of {len(row)} cells under {len(self.head)}: {row}")

    def to_markdown(self) -> str:
        """Title, table and notes, a blank line between them, without a line break at the end.

        >>> print(Table("Fruit", ["name", "sweet"], [["pear", Strong("9")]]).to_markdown())
        Fruit:
        <BLANKLINE>
        | name | sweet |
        |---|---|
        | pear | **9** |
        """
        lines = [_line(self.head), "|" + "---|" * len(self.head), *map(_line, self.rows)]
        return "\n\n".join([f"{self.title}:", "\n".join(lines), *self.notes])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_markdown(cell) for cell in cells)} |"


def _markdown(cell: str) -> str:
    text = cell.replace("|", r"\|")
    return f"**{text}**" if isinstance(cell, Strong) else text
