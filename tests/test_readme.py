import re
from pathlib import Path

import pytest
from conftest import ROOT

from srlab.report.readme import with_table
from srlab.report.released import released_tables

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("headline", "released/headline.md"),
        ("results", "report.md"),
        ("released", "released/table.md"),
    ],
)
def test_the_tables_are_those_of_the_metrics(name: str, table: str) -> None:
    text = (ROOT / "metrics" / table).read_text()
    assert with_table(README, name, text) == README, "run: make readme"


def test_the_tables_of_the_released_models_are_those_of_their_scores() -> None:
    folder = ROOT / "metrics" / "released"
    for name, text in released_tables(folder, ROOT / "data" / "published.yaml").items():
        assert text == (folder / name).read_text(), "run: make readme"


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold the lines"):
        with_table("no markers", "results", "table")


def test_every_file_that_the_readme_names_is_there() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)|`([\w./-]+\.(?:py|yaml|json|md|png))`", README)
    for name in {a or b for a, b in linked}:
        made_by_a_run = Path(name).parts[0] in ("report", "results", "models")
        assert made_by_a_run or (ROOT / name).exists(), name


def test_every_make_target_of_the_readme_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
