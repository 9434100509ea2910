"""`srlab evaluate`: interpolations, weights and folders of results in one table."""

import importlib.resources
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIRROR, ROOT, make_photo
from PIL import Image
from typer.testing import CliRunner

from srlab.cli import app
from srlab.data.images import read_pixels, write_png
from srlab.data.resample import resample
from srlab.data.tensors import crop_to_multiple, to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import Case, EvaluateParams, evaluate, means
from srlab.inference.upscalers import Interpolation
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.metrics.protocols import PROTOCOLS
from srlab.models.srresnet import SRResNet
from srlab.report.scores import read_method
from srlab.scoring import backbone
from srlab.scoring.benchmarks import benchmark_folder
from srlab.scoring.contestants import Contestant, contestant, score_contestant
from srlab.weights import Card, save_weights

PARAMS = EvaluateParams(scales=[2, 4], protocols=["y_rgb8"], strength=1.0)
X4 = EvaluateParams(scales=[4], protocols=["y_rgb8"], strength=1.0)
NO_BACKBONE = PerceptualMetrics(None)


@pytest.fixture(autouse=True)
def _without_a_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srlab.scoring.command.perceptual_metrics", lambda: NO_BACKBONE)


def scored(target: Path | str, photos: Path, params: EvaluateParams = PARAMS):
    scale = params.scales[0] if len(params.scales) == 1 else None
    return score_contestant(
        contestant(str(target), scale=scale), params, [photos], NO_BACKBONE, lambda case: None
    )


def bicubic_results(photos: Path, folder: Path, name: str) -> Path:
    """Bicubic's results as another program would leave them."""
    for path in photos.iterdir():
        hr = crop_to_multiple(to_tensor(read_pixels(path)).double(), 4)
        lr = resample(hr, scale=1 / 4).mul(255).round().div(255).clamp(0, 1)
        target = folder / name.format(image=path.stem)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_png(target, to_pixels(resample(lr, scale=4)))
    return folder


def test_an_interpolation_scores_as_in_the_pipeline(photos: Path, tmp_path: Path) -> None:
    expected = evaluate(
        lambda p: Interpolation(p.kernel), PARAMS, [photos], tmp_path / "results", NO_BACKBONE
    )
    assert scored("bicubic", photos).means == means(expected)


@pytest.mark.parametrize(
    "layout", ["made/x4/{image}.png", "x4/{image}.png", "made/{image}.png", "{image}_x4.png",
               "{image}x4.png", "{image}.png"],
)  # fmt: skip
def test_results_of_another_program_are_found(photos: Path, tmp_path: Path, layout: str) -> None:
    folder = bicubic_results(photos, tmp_path / "theirs", layout)
    ours = scored("bicubic", photos)
    theirs = scored(folder, photos, PARAMS if "x4" in layout else X4)
    assert theirs.means["y_rgb8"]["made"].keys() == {"x4"}
    psnr = theirs.mean("y_rgb8", "made", 4, "psnr")
    assert psnr == pytest.approx(ours.mean("y_rgb8", "made", 4, "psnr"), abs=1e-3)


def test_a_grey_image_may_be_saved_as_rgb(photos: Path, tmp_path: Path) -> None:
    folder = bicubic_results(photos, tmp_path / "theirs", "{image}.png")
    expected = scored(folder, photos, X4).means
    grey = folder / "photo2.png"
    Image.open(grey).convert("RGB").save(grey)
    assert scored(folder, photos, X4).means == expected


def test_a_missing_result_is_named(photos: Path, tmp_path: Path) -> None:
    folder = bicubic_results(photos, tmp_path / "theirs", "{image}.png")
    (folder / "photo1.png").unlink()
    with pytest.raises(SrlabError, match="no result for photo1 of made at x4"):
        scored(folder, photos, X4)


def test_a_result_of_the_wrong_size_is_named(photos: Path, tmp_path: Path) -> None:
    folder = bicubic_results(photos, tmp_path / "theirs", "{image}_x4.png")
    write_png(folder / "photo0_x4.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(SrlabError, match=r"photo0_x4\.png: 5x5 pixels"):
        scored(folder, photos)


def test_a_result_that_does_not_say_its_scale_is_named(photos: Path, tmp_path: Path) -> None:
    folder = bicubic_results(photos, tmp_path / "theirs", "{image}.png")
    with pytest.raises(SrlabError, match=r"photo0\.png: does not say its scale; .*--scale 2"):
        scored(folder, photos)


def test_nothing_that_belongs_together_is_an_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SrlabError, match="nothing in it belongs to made"):
        scored(tmp_path / "empty", photos)


def test_weights_are_scored_with_their_hash(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    settings = {"scale": 4, "residual_blocks": 1, "features": 2}
    card = Card("srresnet", settings, [4], "1", "2", "0123456789", None)
    save_weights(SRResNet(**settings), card, path)
    output = tmp_path / "scores"
    done = CliRunner().invoke(
        app, ["evaluate", str(path), "nearest", "--on", str(photos), "-s", "4", "-o", str(output)]
    )
    assert done.exit_code == 0, done.output
    assert "| x4 | tiny |" in done.stdout
    assert "| x4 | nearest |" in done.stdout
    read = read_method(output / "tiny.json", output / "per_image" / "tiny.csv")
    assert read is not None
    assert read.made_by.git_commit == "0123456789"
    assert read.made_by.weights_sha256 is not None
    # A network for RGB takes no part in a protocol on luma.
    assert set(read.means) == {"y_rgb8", "paper"}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Weights of an untrained SRResNet."""
    path = tmp_path / "tiny.safetensors"
    settings = {"scale": 4, "residual_blocks": 1, "features": 2}
    torch.manual_seed(3)
    save_weights(SRResNet(**settings), Card("srresnet", settings, [4], "1", "2", None, None), path)
    return path


def result(entry: Contestant, lr: torch.Tensor, protocol: str = "y_rgb8") -> torch.Tensor:
    sr = entry.result(Case(protocol, "made", 4, "image", lr, torch.empty(1, 3, 48, 32)))
    assert sr is not None
    return sr


def test_a_plus_scores_the_mean_of_eight_results(tiny: Path) -> None:
    one, eight = contestant(str(tiny)), contestant(f"{tiny}+")
    assert (one.name, eight.name) == ("tiny", "tiny+")
    assert one.made_by == eight.made_by
    image = torch.rand(1, 3, 8, 12, dtype=torch.float64)
    turned = result(eight, image.rot90(dims=(2, 3))).rot90(-1, dims=(2, 3))
    assert torch.allclose(turned, result(eight, image), atol=1e-5)
    assert not torch.allclose(
        result(one, image.rot90(dims=(2, 3))).rot90(-1, dims=(2, 3)), result(one, image), atol=1e-3
    )


@pytest.mark.parametrize("protocol", ["y_rgb8", "paper"])
@pytest.mark.parametrize("marks", ["=", "+="])
def test_an_equals_scores_what_shrinks_to_the_image(tiny: Path, protocol: str, marks: str) -> None:
    plain, corrected = (contestant(f"{tiny}{end}") for end in (marks.removesuffix("="), marks))
    assert corrected.name == f"tiny{marks}"
    assert plain.made_by == corrected.made_by
    hr = to_tensor(make_photo(48, 32)).double()
    kernel = PROTOCOLS[protocol].kernel
    lr = resample(hr, scale=1 / 4, kernel=kernel).clamp(0, 1)
    before, after = (
        (resample(result(entry, lr, protocol), scale=1 / 4, kernel=kernel) - lr).abs().mean()
        for entry in (plain, corrected)
    )
    assert after < before / 10


def test_json_is_for_programs(photos: Path) -> None:
    done = CliRunner().invoke(
        app, ["evaluate", "nearest", "--on", str(photos), "-s", "2", "--json"]
    )
    tree = json.loads(done.stdout)
    assert tree["nearest"]["y_rgb8"]["made"]["x2"]["psnr"] > 15


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["nearest", "--on", "nowhere"],
            "nowhere: no such folder or dataset; allowed: sample_train, ",
        ),
        (["nearest", "--on", "set51"], "set51: no such folder or dataset; did you mean 'set5'? "),
        (["bicubc", "--on", "."], "did you mean 'bicubic'?"),
        (["nearest", "--on", ".", "--protocol", "z"], "no such protocol"),
        (["nearest", "--on", ".", "-s", "5"], "--scale 5"),
        (["nearest", "nearest", "--on", "."], "called nearest"),
        (["nearest+", "--on", "."], "nearest+: + is for networks"),
        (["./+", "--on", "."], "./+: + is for networks"),
        (["nearest+=", "--on", "."], "nearest+=: += is for networks"),
        (["srresnt=", "--on", "."], "did you mean 'srresnet'?"),
        (["nearest", "--on", ".", "--scales", "5"], "evaluate --help"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], complaint: str, tmp_path, monkeypatch):
    write_png(tmp_path / "photo.png", make_photo(40, 40))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(done.exception, SrlabError)
    assert complaint in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1


def test_a_dataset_of_the_catalog_is_fetched_once(
    photos: Path, tmp_path: Path, monkeypatch
) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    shutil.copyfile(ROOT / "data" / "datasets.yaml", project / "data" / "datasets.yaml")
    monkeypatch.chdir(project)
    folder = benchmark_folder("sample_test")
    assert folder == project / ".srlab" / "benchmarks" / "sample_test"
    assert {path.stem for path in folder.iterdir()} >= {"coffee", "rocket"}
    monkeypatch.setattr("srlab.scoring.benchmarks.download", None)
    assert benchmark_folder("sample_test") == folder


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of no project, without a network; the user's cache is beside it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have their caches elsewhere")
def test_outside_of_a_clone_the_cache_keeps_what_is_fetched(outside: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "srlab" / "benchmarks" / "sample_test"
    assert benchmark_folder("sample_test") == kept
    assert {path.stem for path in kept.iterdir()} >= {"coffee", "rocket"}
    assert not any(outside.iterdir())


def test_outside_of_a_clone_a_backbone_is_fetched(outside: Path, monkeypatch) -> None:
    if not (MIRROR / "weights" / "alexnet_features.safetensors").is_file():
        pytest.skip(f"no weights in {MIRROR / 'weights'}; set SRLAB_MIRROR")
    monkeypatch.setenv("SRLAB_MIRROR", str(MIRROR.resolve()))
    assert backbone.perceptual_metrics().available
    monkeypatch.delenv("SRLAB_MIRROR")
    assert backbone.perceptual_metrics().available
    assert not any(outside.iterdir())


def test_metrics_without_a_backbone_are_said_to_be_missing(outside: Path, capsys) -> None:
    assert not backbone.perceptual_metrics().available
    assert "ALEX and LPIPS are not computed" in capsys.readouterr().err


def test_a_foreign_checkpoint_needs_the_extra_or_is_scored(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    pytest.importorskip("spandrel", reason="the extra [peers] is not installed")
    with pytest.raises(SrlabError, match="nor is it a checkpoint that spandrel can read"):
        contestant(str(path))
    compact = importlib.import_module("spandrel.architectures.Compact")
    network = compact.Compact(num_feat=8, num_conv=1, upscale=4)
    torch.save({"params": network.state_dict()}, path)
    cell = scored(path, photos).means["y_rgb8"]["made"]
    assert cell.keys() == {"x4"}
    assert cell["x4"]["psnr"] > 5
