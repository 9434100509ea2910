from conftest import ROOT

from srlab.report.study_table import load_studies, study_table
from srlab.studies.result import ArmResult, Study, StudyDifference

STUDIES = ROOT / "metrics" / "studies"


def difference(arm: str, dataset: str, scale: int, mean: float, interval) -> StudyDifference:
    low, high = interval or (None, None)
    return StudyDifference(
        arm=arm, against="a", metric="psnr", protocol="y", dataset=dataset, scale=scale,
        mean=mean, low=low, high=high, images=5,
    )  # fmt: skip


def test_rows_are_of_the_largest_scale_and_bold_where_zero_is_excluded() -> None:
    arm = ArmResult(
        name="a", overrides={}, experiment="", commit="", mlflow_run_id=None, weights_sha256=None,
        params_sha256=None, data_sha256=None, git_commit=None, seconds=None, scores={},
        per_image={}, pictures={},
    )  # fmt: skip
    study = Study(
        study="s", title="", question="", paper="", metric="psnr", budget={"steps": 300},
        overrides={}, params_sha256="", git_commit=None, device="", arms=[arm], truth={},
        differences=[
            difference("b", "set14", 4, 0.25, (0.125, 0.5)),
            difference("b", "set5", 4, 0.25, (-0.125, 0.5)),
            difference("b", "set5", 2, 9.0, (8.0, 10.0)),
            difference("c", "set5", 4, -1.0, (-2.0, -0.5)),
            difference("c", "made", 4, -1.0, None),
        ],
    )  # fmt: skip
    head, _, *rows = study_table([study]).splitlines()
    assert head == "| study | budget | arms | score | set5 | set14 | made |"
    score = "PSNR under `y`, x4"
    assert rows == [
        f"| `s` | 300 steps | b − a | {score} | +0.25 [-0.12, +0.50] "
        "| **+0.25 [+0.12, +0.50]** | – |",
        f"| `s` | 300 steps | c − a | {score} | **-1.00 [-2.00, -0.50]** | – | -1.00 |",
    ]


def test_the_document_has_the_table_of_the_results_in_git() -> None:
    table = study_table(load_studies(STUDIES))
    assert table == (STUDIES / "table.md").read_text()
    assert table in (ROOT / "docs" / "reproduction.md").read_text()
