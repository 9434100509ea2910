"""What the studies say, as a table: `python -m srlab.report.study_table FOLDER TABLE`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from srlab.report.titles import FORMATS
from srlab.studies.result import Study, StudyDifference, load_study


def study_table(studies: Sequence[Study]) -> str:
    """A Markdown table with a row for each arm and protocol, at the largest scale.

    Bold where the 95 % interval of the paired bootstrap excludes zero.
    """
    found = [d for study in studies for d in study.differences]
    datasets = sorted({d.dataset for d in found}, key=_rank)
    head = ["study", "budget", "arms", "score", *datasets]
    lines = [_line(head), "|" + "---|" * len(head)]
    for study in studies:
        scale = max((d.scale for d in study.differences), default=0)
        rows: dict[tuple[str, str, str, str], dict[str, StudyDifference]] = {}
        for d in study.differences:
            if d.scale == scale:
                rows.setdefault((d.arm, d.against, d.protocol, d.metric), {})[d.dataset] = d
        for (arm, against, protocol, metric), cells in rows.items():
            given = [_cell(cells[name]) if name in cells else "–" for name in datasets]
            arms = f"{arm} − {against}"
            score = f"{metric.upper()} under `{protocol}`, x{scale}"
            start = [f"`{study.study}`", _budget(study), arms, score]
            lines.append(_line([*start, *given]))
    return "\n".join(lines) + "\n"


def load_studies(folder: Path) -> list[Study]:
    """All results of a folder, sorted by name.

    Raises:
        SrlabError: one of them is damaged.
    """
    return [load_study(path) for path in sorted(folder.glob("*.json"))]


def _rank(dataset: str) -> tuple[int, str]:
    first = ["set5", "set14"]
    return (first.index(dataset) if dataset in first else len(first), dataset)


def _budget(study: Study) -> str:
    return ", ".join(f"{value:g} {unit}" for unit, value in study.budget.items())


def _cell(difference: StudyDifference) -> str:
    digits = FORMATS[difference.metric]
    mean, low, high = difference.mean, difference.low, difference.high
    if low is None or high is None:
        return f"{mean:+{digits}}"
    text = f"{mean:+{digits}} [{low:+{digits}}, {high:+{digits}}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    folder, output = (Path(argument) for argument in sys.argv[1:])
    output.write_text(study_table(load_studies(folder)))
