import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT

from srlab.errors import SrlabError
from srlab.evaluation import Score, write_scores
from srlab.report.scores import MethodScores, read_method, read_scores
from srlab.report.table import result_tables

MADE_BY = {
    "weights_sha256": "a1",
    "params_sha256": "b2",
    "data_sha256": "c3",
    "git_commit": "d4",
    "mlflow_run_id": None,
    "strength": 0.5,
}
SCORES = [
    Score("y_rgb8", "made", 4, "photo0", 30.0, 0.8, 0.7, None, 0.1, 0.2),
    Score("y_rgb8", "made", 4, "photo1", 20.123456789, 0.6, 0.5, 0.3, 0.1, 0.2),
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    metrics, table = tmp_path / "memnet.json", tmp_path / "per_image" / "memnet.csv"
    write_scores(SCORES, MADE_BY, metrics, table)
    return metrics, table


def read(files: tuple[Path, Path]) -> MethodScores:
    found = read_method(*files)
    assert found is not None
    return found


def test_what_was_written_is_read(files) -> None:
    found = read(files)
    assert found.images == [SCORES[0], replace(SCORES[1], psnr=20.123457)]
    assert found.mean("y_rgb8", "made", 4, "psnr") == pytest.approx(25.061728)
    assert found.mean("y_rgb8", "made", 4, "lpips") is None
    assert found.mean("y_rgb8", "made", 2, "psnr") is None
    assert found.mean("paper", "other", 4, "psnr") is None
    assert found.per_image("y_rgb8", "made", 4, "lpips") == {"photo0": None, "photo1": 0.3}
    assert found.per_image("paper", "made", 4, "psnr") == {}
    assert found.made_by.weights_sha256 == "a1"
    assert found.made_by.mlflow_run_id is None
    assert found.made_by.strength == 0.5


def test_what_else_made_the_scores_may_be_added(files) -> None:
    tree = json.loads(files[0].read_text())
    tree["made_by"]["device"] = "cpu"
    files[0].write_text(json.dumps(tree))
    assert read(files).made_by.git_commit == "d4"


def test_a_method_that_was_not_run_is_missing(files) -> None:
    found = read_scores(files[0].parent, ["srgan", "memnet"])
    assert list(found) == ["srgan", "memnet"]
    assert found["srgan"] is None
    assert found["memnet"] is not None


@pytest.mark.parametrize("lost", [0, 1])
def test_one_file_without_the_other_is_refused(files, lost: int) -> None:
    files[lost].unlink()
    with pytest.raises(SrlabError, match=rf"{files[lost].name}: missing beside .*dvc repro"):
        read_method(*files)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "3",
        '{"made_by": 3}',
        '{"made_by": {}}',
        '{"training": {"loss": 0.1}}',
        json.dumps({"made_by": MADE_BY, "y_rgb9": {}}),
        json.dumps({"made_by": MADE_BY, "y": {"made": {"4": {"psnr": 30.0}}}}),
        json.dumps({"made_by": MADE_BY, "y": {"made": {"x4": {"psnr": "30"}}}}),
        json.dumps({"made_by": MADE_BY, "y": {"made": {"x4": {"psnr": float("nan")}}}}),
    ],
)
def test_a_corrupt_metrics_file_is_named(files, content: str) -> None:
    files[0].write_text(content)
    with pytest.raises(SrlabError, match=r"memnet\.json: not a metrics file \(.+\); make it"):
        read_method(*files)


HEAD = "protocol,dataset,scale,image,psnr,ssim,alex,lpips,colour_shift,grid\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "name,value\na,1\n",
        HEAD + "y,made,four,photo0,1,1,1,1,1,1\n",
        HEAD + "y,made,4,photo0,high,1,1,1,1,1\n",
        HEAD + "y,made,4\n",
        HEAD + "y,made,4,photo0,1,1,1,1,1,1,1\n",
    ],
)
def test_a_corrupt_table_is_named(files, content: str) -> None:
    files[1].write_text(content)
    with pytest.raises(SrlabError, match=r"memnet\.csv: not a table of scores \(.+\); make it"):
        read_method(*files)


def test_files_that_are_no_text_are_named(files) -> None:
    for file in reversed(files):
        file.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(SrlabError, match=rf"{file.name}: not a"):
            read_method(*files)


def test_means_of_another_run_are_refused(files) -> None:
    tree = json.loads(files[0].read_text())
    tree["y_rgb8"]["made"]["x4"]["psnr"] += 0.01
    files[0].write_text(json.dumps(tree))
    with pytest.raises(SrlabError, match=r"memnet\.json: its means are not those of .*memnet\.csv"):
        read_method(*files)


def test_the_metrics_in_git_can_be_read() -> None:
    metrics = ROOT / "metrics"
    names = [path.stem for path in sorted((metrics / "per_image").glob("*.csv"))]
    scores = read_scores(metrics, names)
    assert all(scores.values())
    assert {row[0] for table in result_tables(scores) for row in table.rows} == {"x2", "x3", "x4"}
