"""The measured parts of docs/scaling.md."""

from bench.estimate import Facts, store_table, training_table
from bench.table import growth_table, results_table

_PROCESSES = ("in two processes", "gloo, ")
_STORE = "store of "


def sections(facts: Facts) -> dict[str, str]:
    """Markdown by the name of its markers.

    Raises:
        SrlabError: something that the estimates need has not been measured.
    """
    return {
        "bench growth": "\n\n".join(
            growth_table(table).to_markdown() for table in facts.growths.values()
        ),
        "bench processes": _rows(facts, *_PROCESSES),
        "bench store": _rows(facts, _STORE),
        "bench trainings": training_table(facts).to_markdown(),
        "bench imagenet": store_table(facts).to_markdown(),
    }


def _rows(facts: Facts, *parts: str) -> str:
    rows = [row for name, row in facts.rows.items() if any(part in name for part in parts)]
    return results_table(rows).to_markdown()
