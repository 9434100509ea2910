"""The results as a table for the README."""

from collections.abc import Sequence

from bench.goals import verdict
from bench.results import Growth, Row
from srlab.report.tables import Strong, Table

_NOTHING = "–"


def results_table(rows: Sequence[Row]) -> Table:
    """A row for each measurement; missed goals stand out."""
    cells = [
        [
            row.name,
            *(_number(value) for value in (row.plain, row.ours)),
            row.unit,
            _NOTHING if row.ratio is None else f"{row.ratio:.2f}",
            _NOTHING if row.limit_share is None else f"{row.limit_share:.0%}",
            _goal(row),
            row.machine,
            f"`{row.command}`",
        ]
        for row in rows
    ]
    head = ["", "plain", "ours", "unit", "times", "of the limit", "goal", "machine", "command"]
    return Table("Measured side by side, plain code and srlab's", head, cells)


def growth_table(table: Growth) -> Table:
    """What was measured of one kind of growth."""
    rows = [
        [size, f"{work:,.4g}", f"{seconds:.4g}", f"{work / seconds:,.4g}"]
        for size, work, seconds in zip(table.sizes, table.work, table.seconds, strict=True)
    ]
    head = [table.name, table.work_unit, "seconds", f"{table.work_unit} per second"]
    return Table(
        f"{table.of[0].upper()}{table.of[1:]}: seconds grow with work to the power of "
        f"{table.exponent:.2f}",
        head,
        rows,
        [f"{table.machine}; `{table.command}`"],
    )


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:,.4g}"


def _goal(row: Row) -> str:
    text = verdict(row)
    return Strong(text) if "missed" in text else text
