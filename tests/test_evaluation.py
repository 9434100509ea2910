import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from srlab.data.images import read_pixels
from srlab.errors import SrlabError
from srlab.evaluation import Score, evaluate, means, write_scores
from srlab.inference.upscalers import EnlargedLuma, Interpolation
from srlab.models.memnet import MemNet
from srlab.params import EvaluateParams, ReportParams
from srlab.report.strip import most_detailed, write_strips
from srlab.report.table import markdown_table, read_metrics

PARAMS = EvaluateParams(scales=[2, 4], protocols=["y", "y_rgb8", "paper"])
MADE_BY = {"git_commit": "0123456789abcdef"}


def untrained() -> MemNet:
    return MemNet(memory_blocks=1, residual_units=1, features=2)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_upscaler_keeps_the_contract(scale, size, channels) -> None:
    lr = torch.rand(2, channels, *size).round()
    for upscaler in (Interpolation("nearest"), Interpolation("bicubic"), EnlargedLuma(untrained())):
        sr = upscaler(lr, scale)
        assert sr.shape == (2, channels, size[0] * scale, size[1] * scale)
        assert sr.min() >= 0
        assert sr.max() <= 1


def test_an_untrained_memnet_scores_like_bicubic(photos: Path, tmp_path: Path) -> None:
    params = EvaluateParams(scales=[2, 3], protocols=["y", "y_rgb8"])
    ours = evaluate(lambda _: EnlargedLuma(untrained()), params, [photos], tmp_path / "a")
    bicubic = evaluate(lambda p: Interpolation(p.kernel), params, [photos], tmp_path / "b")
    for a, b in zip(ours, bicubic, strict=True):
        assert (a.protocol, a.image, a.scale) == (b.protocol, b.image, b.scale)
        assert a.psnr == pytest.approx(b.psnr, abs=0.01)


def test_scores_and_pictures_are_written(photos: Path, tmp_path: Path) -> None:
    scores = evaluate(lambda p: Interpolation(p.kernel), PARAMS, [photos], tmp_path / "results")
    assert len(scores) == 3 * 3 * 2
    metrics, table = tmp_path / "m" / "bicubic.json", tmp_path / "m" / "t" / "bicubic.csv"
    write_scores(scores, MADE_BY, metrics, table)
    tree = json.loads(metrics.read_text())
    rows = list(csv.DictReader(table.open()))
    chosen = [float(row["psnr"]) for row in rows if row["protocol"] == "y" and row["scale"] == "2"]
    assert len(chosen) == 3
    assert tree["y"]["made"]["x2"]["psnr"] == pytest.approx(np.mean(chosen), abs=1e-5)
    assert tree["y"]["made"]["x2"]["lpips"] is None
    assert tree["made_by"] == MADE_BY
    picture = read_pixels(tmp_path / "results" / "made" / "x4" / "photo0.png")
    assert picture.shape == (68, 88, 3)
    assert read_pixels(tmp_path / "results" / "made" / "x4" / "photo2.png").ndim == 2


def test_means_are_over_images_and_know_what_is_missing() -> None:
    def score(psnr: float, ssim: float | None) -> Score:
        return Score("y", "set", 2, "image", psnr, ssim)

    assert means([score(20, 0.5), score(40, None)]) == {
        "y": {"set": {"x2": {"psnr": 30, "ssim": None, "alex": None, "lpips": None}}}
    }


def cell(psnr: float) -> dict:
    return {"x2": {"psnr": psnr, "ssim": 0.5, "alex": None, "lpips": None}}


def test_the_table_marks_the_best_and_says_what_is_missing() -> None:
    table = markdown_table(
        {
            "bicubic": {"y": {"a": cell(30), "b": cell(20)}, "made_by": MADE_BY},
            "memnet": {"y": {"a": cell(31.239)}, "made_by": MADE_BY},
        }
    )
    assert "| bicubic | 30.00 / 0.5000 | **20.00 / 0.5000** | 01234567 |" in table
    assert "| memnet | **31.24 / 0.5000** | not computed | 01234567 |" in table
    assert "| method | a x2 | b x2 | commit |" in table


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"made_by": 3}'])
def test_a_corrupt_metrics_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "memnet.json"
    path.write_text(content)
    with pytest.raises(SrlabError, match=r"memnet\.json: not a metrics file"):
        read_metrics([path])


def test_strips_show_every_method(photos: Path, tmp_path: Path) -> None:
    results, table = tmp_path / "results", tmp_path / "bicubic.csv"
    scores = evaluate(lambda p: Interpolation(p.kernel), PARAMS, [photos], results)
    write_scores(scores, MADE_BY, tmp_path / "m.json", table)
    params = ReportParams(scale=4, crop=32)
    write_strips(params, [photos], {"bicubic": results}, {"bicubic": table}, tmp_path / "strips")
    strip = read_pixels(tmp_path / "strips" / "made" / "photo2.png")
    assert strip.shape[1] == 3 * 246 - 6  # lr, bicubic, hr
    assert len(np.unique(strip)) > 50

    table.write_text("protocol,dataset,scale,image,psnr\n")
    with pytest.raises(SrlabError, match=r"photo0\.png: not scored by bicubic"):
        write_strips(params, [photos], {"bicubic": results}, {"bicubic": table}, tmp_path / "x")


def test_the_crop_is_where_the_detail_is() -> None:
    pixels = np.full((60, 80, 3), 100, np.uint8)
    pixels[24:40, 40:56] += (np.indices((16, 16)).sum(axis=0)[..., None] % 2 * 100).astype(np.uint8)
    left, top, right, bottom = most_detailed(pixels, 20)
    assert (right - left, bottom - top) == (20, 20)
    assert left <= 40 < 56 <= right
    assert top <= 24 < 40 <= bottom
    assert most_detailed(pixels, 999) == (0, 0, 60, 60)
