"""Numbers in the documents are those of the metrics in git."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from srlab.strict_yaml import read_yaml

REPRODUCTION = (ROOT / "docs" / "reproduction.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
RELEASED = ROOT / "metrics" / "released"
STUDIES = ROOT / "metrics" / "studies"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def cell(method: str, dataset: str, scale: int, metric: str, protocol: str = "paper") -> float:
    return read(RELEASED / f"{method}.json")[protocol][dataset][f"x{scale}"][metric]


def arms(study: str, protocol: str, metric: str) -> list[float]:
    return [
        next(iter(arm["scores"][protocol].values()))["x4"][metric]
        for arm in read(STUDIES / f"{study}.json")["arms"]
    ]


def difference(study: str, protocol: str) -> float:
    found = read(STUDIES / f"{study}.json")["differences"]
    return next(d["mean"] for d in found if (d["protocol"], d["scale"]) == (protocol, 4))


def decimals(values: list[float], digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in values]


def test_the_interpolations_are_those_that_were_scored() -> None:
    psnr = [cell(method, "set5", 4, "psnr") for method in ("nearest", "bicubic")]
    assert f"| {', '.join(decimals(psnr, 2))} |" in REPRODUCTION
    alex = [cell("bicubic", dataset, 4, "alex") for dataset in ("set5", "set14")]
    assert f"| {', '.join(decimals(alex, 3))} |" in REPRODUCTION
    assert f"ALEX of nearest: {cell('nearest', 'set5', 4, 'alex'):.3f} here" in REPRODUCTION


def test_what_the_released_memnet_loses_is_what_was_scored() -> None:
    text = " ".join(REPRODUCTION.split())
    memnet, bicubic = (cell(method, "set5", 4, "psnr") for method in ("memnet", "bicubic"))
    assert f"MemNet {memnet:.2f} dB on Set5 at x4, where bicubic has {bicubic:.2f}" in text
    assert memnet < bicubic


def test_the_studies_are_those_that_were_run() -> None:
    steps = read(STUDIES / "depth.json")["budget"]["steps"]
    psnr = ", ".join(decimals(arms("depth", "paper", "psnr"), 2))
    assert f"after {steps} steps each, on Set5 under `paper`: {psnr};" in REPRODUCTION
    papers = [d for d in read(STUDIES / "depth.json")["differences"] if d["protocol"] == "paper"]
    assert all(d["low"] < 0 < d["high"] for d in papers)
    kernels = [difference("resampling", f"y{k}") for k in ("_bicubic_aliased", "_nearest", "")]
    aliased, nearest, own = (f"{value:+.2f}" for value in kernels)
    expected = f"{aliased} dB on aliased bicubic and {nearest} on nearest at x4, {own} on bicubic"
    assert expected in REPRODUCTION


def test_the_perceptual_weights_are_those_that_were_run() -> None:
    none, tenth, paper, tenfold = (
        value.lstrip("0") for value in decimals(arms("perceptual_weight", "y_rgb8", "lpips"), 3)
    )
    assert f"LPIPS {none} at 0, {tenth} at .0006, {paper} at .006" in REPRODUCTION
    shifts = arms("perceptual_weight", "y_rgb8", "colour_shift")
    high, usual = (f"{value:.2f}".lstrip("0") for value in (shifts[3], shifts[2]))
    expected = (
        f"colours shift by {high} grey levels at .06 against {usual}, though LPIPS is {tenfold}"
    )
    assert expected in REPRODUCTION


@pytest.mark.parametrize(
    ("method", "scale", "metric", "protocol", "aims", "reached"),
    [
        ("memnet", 2, "psnr", "y", (36.9, 32.6), True),
        ("memnet", 4, "psnr", "y", (31.0, 27.8), False),
        ("srresnet", 4, "psnr", "y_rgb8", (31.85, 28.3), False),
    ],
)
def test_aims_are_reached_or_missed_as_the_document_says(
    method, scale, metric, protocol, aims, reached
) -> None:
    scores = [cell(method, dataset, scale, metric, protocol) for dataset in ("set5", "set14")]
    assert all(score >= aim for score, aim in zip(scores, aims, strict=True)) == reached
    before, _, after = " ".join(TRAINING.split()).partition(", reached;")
    assert f"{aims[0]} / {aims[1]}" in (before if reached else after)


@pytest.mark.parametrize("section", ["srresnet", "srgan", "memnet"])
def test_the_steps_are_those_of_the_profile(section: str) -> None:
    steps = read_yaml(ROOT / "profiles" / "released.yaml")[section]["budget"]["steps"]
    names = {"srresnet": "SRResNet", "srgan": "SRGAN", "memnet": "MemNet"}
    row = next(line for line in TRAINING.splitlines() if line.startswith(f"| {names[section]} |"))
    assert row.endswith(f"| {steps} |")
