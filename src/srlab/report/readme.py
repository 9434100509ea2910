"""Puts tables into documents: `python -m srlab.report.readme DOCUMENT NAME=TABLE...`."""

import sys
from pathlib import Path


def with_table(readme: str, name: str, table: str) -> str:
    """The text with a table between the two markers of its name.

    Raises:
        ValueError: a marker is missing.
    """
    begin, end = f"<!-- {name}: written by `make readme` -->", f"<!-- end of {name} -->"
    before, found, rest = readme.partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"the document must hold the lines {begin!r} and {end!r}")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    text = path.read_text()
    for argument in sys.argv[2:]:
        name, _, table = argument.partition("=")
        text = with_table(text, name, Path(table).read_text())
    path.write_text(text)
