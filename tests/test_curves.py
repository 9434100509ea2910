import csv
from pathlib import Path

import pytest
from test_training import Recorder

from srlab.errors import SrlabError
from srlab.report.curve_charts import curve_charts
from srlab.training.curves import Curves


def filled() -> tuple[Curves, Recorder]:
    run = Recorder()
    curves = Curves(run)
    for step in range(600):
        curves.log_metrics(
            {"loss/content": 1 / (1 + step), "loss/total": 1 / (1 + step), "learning_rate": 0.1},
            step=step,
        )
    curves.log_metrics({"validation/psnr": 30.5, "validation/psnr_x2": 30.5}, step=0)
    curves.log_metrics({"validation/psnr": 31.25, "validation/psnr_x2": 31.25}, step=599)
    curves.log_metrics({"time/patches_per_second": 99.0}, step=600)
    return curves, run


def test_curves_are_written_and_the_run_gets_them_too(tmp_path: Path) -> None:
    curves, run = filled()
    curves.write(tmp_path / "memnet")
    with (tmp_path / "memnet" / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["validation/psnr"]) for row in rows] == [
        ("0", "30.5"),
        ("599", "31.25"),
    ]
    assert len(run.metrics) == 603
    assert curves.last("time/patches_per_second") == 99.0
    # Times differ from run to run; curves must not.
    assert "time" not in (tmp_path / "memnet" / "losses.csv").read_text()


def test_charts_show_each_curve_in_few_points(tmp_path: Path) -> None:
    curves, _ = filled()
    curves.write(tmp_path)
    charts = curve_charts(tmp_path)
    assert list(charts) == ["Loss terms", "Validation", "Learning rate"]
    for chart in charts.values():
        assert chart.startswith("<svg")
        assert "currentColor" in chart
        assert len(chart) < 40_000


def test_a_training_without_steps_has_no_chart_of_its_loss(tmp_path: Path) -> None:
    (tmp_path / "losses.csv").write_text("step\n")
    (tmp_path / "validation.csv").write_text("step,validation/psnr_x4\n0,28.79\n")
    assert list(curve_charts(tmp_path)) == ["Validation"]


def test_damaged_curves_are_named(tmp_path: Path) -> None:
    (tmp_path / "losses.csv").write_text("step,loss/total\n1,many\n")
    (tmp_path / "validation.csv").write_text("step\n")
    with pytest.raises(SrlabError, match=r"losses\.csv: not a training's curves"):
        curve_charts(tmp_path)
