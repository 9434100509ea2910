import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from srlab.data.images import read_pixels
from srlab.errors import SrlabError
from srlab.evaluation import Score, evaluate, means, write_scores
from srlab.inference.upscalers import EnlargedLuma, EnlargingRgb, Interpolation
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import EvaluateParams, ReportParams
from srlab.report.scores import read_method
from srlab.report.strip import write_strips

PARAMS = EvaluateParams(scales=[2, 4], protocols=["y", "y_rgb8", "paper"], strength=1.0)
NO_BACKBONE = PerceptualMetrics(None)
MADE_BY = {
    "weights_sha256": None,
    "params_sha256": "12",
    "data_sha256": None,
    "git_commit": "0123456789abcdef",
    "mlflow_run_id": None,
}


def untrained() -> MemNet:
    return MemNet(memory_blocks=1, residual_units=1, features=2)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_upscaler_keeps_the_contract(scale, size, channels) -> None:
    lr = torch.rand(2, channels, *size).round()
    network = SRResNet(scale=scale, residual_blocks=1, features=2)
    for upscaler in (
        Interpolation("nearest"),
        Interpolation("bicubic"),
        EnlargedLuma(untrained()),
        EnlargingRgb(network, scale),
    ):
        sr = upscaler(lr, scale)
        assert sr.shape == (2, channels, size[0] * scale, size[1] * scale)
        assert sr.min() >= 0
        assert sr.max() <= 1


def test_an_untrained_memnet_scores_like_bicubic(photos: Path, tmp_path: Path) -> None:
    params = EvaluateParams(scales=[2, 3], protocols=["y", "y_rgb8"], strength=1.0)
    ours = evaluate(
        lambda _: EnlargedLuma(untrained()), params, [photos], tmp_path / "a", NO_BACKBONE
    )
    bicubic = evaluate(
        lambda p: Interpolation(p.kernel), params, [photos], tmp_path / "b", NO_BACKBONE
    )
    for a, b in zip(ours, bicubic, strict=True):
        assert (a.protocol, a.image, a.scale) == (b.protocol, b.image, b.scale)
        assert a.psnr == pytest.approx(b.psnr, abs=0.01)


def test_scores_and_pictures_are_written(photos: Path, tmp_path: Path) -> None:
    scores = evaluate(
        lambda p: Interpolation(p.kernel), PARAMS, [photos], tmp_path / "results", NO_BACKBONE
    )
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
        return Score("y", "set", 2, "image", psnr, ssim, None, None, 0.5, None)

    assert means([score(20, 0.5), score(40, None)]) == {
        "y": {
            "set": {
                "x2": {
                    "psnr": 30,
                    "ssim": None,
                    "alex": None,
                    "lpips": None,
                    "colour_shift": 0.5,
                    "grid": None,
                }
            }
        }
    }


def test_a_network_for_one_scale_and_rgb_is_scored_there_only(photos, tmp_path: Path) -> None:
    network = SRResNet(scale=4, residual_blocks=1, features=2, bicubic_skip=True)
    scores = evaluate(
        lambda p: EnlargingRgb(network, 4), PARAMS, [photos], tmp_path, PerceptualMetrics(None)
    )
    assert {(score.protocol, score.scale) for score in scores} == {("y_rgb8", 4), ("paper", 4)}
    assert len(scores) == 2 * 3
    assert read_pixels(tmp_path / "made" / "x4" / "photo2.png").ndim == 2
    assert not (tmp_path / "made" / "x2").exists()
    with pytest.raises(ValueError, match=r"enlarges by \[4\], not by 3"):
        EnlargingRgb(network, 4)(torch.rand(1, 3, 5, 5), 3)


def test_perceptual_metrics_are_those_of_the_whole_rgb_image(photos, tmp_path: Path) -> None:
    class Spy(PerceptualMetrics):
        def __call__(self, sr, hr):
            assert sr.shape == hr.shape
            assert torch.equal(sr, (sr * 255).round() / 255)
            return 0.5, 0.25

    scores = evaluate(lambda p: Interpolation("bicubic"), PARAMS, [photos], tmp_path, Spy(None))
    for score in scores:
        expected = (None, None) if score.protocol == "y" else (0.5, 0.25)
        assert (score.alex, score.lpips) == expected


def test_strips_show_every_method(photos: Path, tmp_path: Path) -> None:
    results, table = tmp_path / "results", tmp_path / "bicubic.csv"
    scores = evaluate(lambda p: Interpolation(p.kernel), PARAMS, [photos], results, NO_BACKBONE)
    write_scores(scores, MADE_BY, tmp_path / "m.json", table)
    params = ReportParams(scale=4, crop=32)
    bicubic = read_method(tmp_path / "m.json", table)
    assert bicubic is not None
    write_strips(params, [photos], {"bicubic": results}, {"bicubic": bicubic}, tmp_path / "strips")
    strip = read_pixels(tmp_path / "strips" / "made" / "photo2.png")
    assert strip.shape[1] == 3 * 246 - 6  # lr, bicubic, hr
    assert len(np.unique(strip)) > 50

    partly = replace(bicubic, images=[x for x in bicubic.images if x.image != "photo0"])
    with pytest.raises(SrlabError, match=r"photo0\.png: not scored by bicubic"):
        write_strips(params, [photos], {"bicubic": results}, {"bicubic": partly}, tmp_path / "x")
