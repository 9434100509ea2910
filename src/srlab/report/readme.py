"""Puts the result table into the README: `python -m srlab.report.readme README.md TABLE`."""

import sys
from pathlib import Path

BEGIN = "<!-- results: written by `make readme` -->"
END = "<!-- end of results -->"


def with_results(readme: str, table: str) -> str:
    """The README's text with the table between its two markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README must hold the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


if __name__ == "__main__":
    path, table = (Path(argument) for argument in sys.argv[1:])
    path.write_text(with_results(path.read_text(), table.read_text()))
