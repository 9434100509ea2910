"""What the README shows: the result tables, and Table 1 where there is something to compare."""

from srlab.report.published import Published
from srlab.report.scores import Scores
from srlab.report.table import result_tables
from srlab.report.table1 import Table1


def report_markdown(scores: Scores, table1: Table1, published: Published) -> str:
    """The result tables; then Table 1 itself, if a dataset of the paper was scored."""
    tables = result_tables(scores)
    papers = {dataset for column in published.paper.columns for dataset in column.scores}
    if any(entry.dataset in papers for entry in table1.entries):
        tables.append(table1.tables[0])
    return "\n\n".join(table.to_markdown() for table in tables) + "\n"
