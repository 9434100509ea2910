"""`srlab compare`: what models make of somebody's own picture, side by side."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import make_photo
from PIL import Image, ImageCms
from typer.testing import CliRunner

from srlab import upscale
from srlab.cli import app
from srlab.comparing import subject as subject_module
from srlab.comparing.detail import detail
from srlab.comparing.on_screen import on_screen
from srlab.comparing.subject import read_subject
from srlab.data.images import read_pixels, write_png
from srlab.errors import SrlabError
from srlab.evaluation import EvaluateParams, evaluate
from srlab.inference.upscalers import Interpolation
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.models.srresnet import SRResNet
from srlab.provenance import file_hash
from srlab.report.crops import Box
from srlab.weights import make_card, save_weights

SETTINGS = {"scale": 2, "residual_blocks": 1, "features": 4, "bicubic_skip": True}
PANEL, GAP = 240, 6
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def tiny_weights(folder: Path, name: str, seed: int) -> Path:
    """A network of a few weights that enlarges by 2 and changes what it sees."""
    torch.manual_seed(seed)
    network = SRResNet(**SETTINGS).eval()
    torch.nn.init.normal_(network.upsampler[-1].weight, std=0.01)
    path = folder / f"{name}.safetensors"
    save_weights(network, make_card("srresnet", SETTINGS, [2], {}, "0" * 64, None), path)
    return path


def release(folder: Path, names: list[str]) -> None:
    """A registry of such networks."""
    entries = []
    for seed, name in enumerate(names):
        path = tiny_weights(folder, name, seed)
        entries.append(
            {
                "name": name,
                "file": path.name,
                "card": f"cards/{name}.md",
                "sha256": file_hash(path),
                "bytes": path.stat().st_size,
                "numbers": "float32",
                "architecture": "srresnet",
                "parameters": 1,
                "scales": [2],
                "licence": "CC0-1.0",
                "good_for": "tests",
                "start": names[0] if seed else None,
                "scores": {},
            }
        )
    tree = {"default": names[0] if names else None, "models": entries}
    (folder / "models.yaml").write_text(yaml.safe_dump(tree))


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a registry with two models."""
    folder = tmp_path / "released"
    folder.mkdir()
    monkeypatch.setattr("srlab.zoo.registry.RELEASED", folder)
    release(folder, ["faithful", "inventive"])
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_png(path, make_photo(70, 90))
    return path


def compare(*arguments: object) -> str:
    """What the command says; raises what it raises."""
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    with pytest.raises(SrlabError) as error:
        compare(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def columns(strip: Path) -> list[np.ndarray]:
    """The zoomed crops of a strip, from the left to the right."""
    pixels = read_pixels(strip)
    count = (pixels.shape[1] + GAP) // (PANEL + GAP)
    assert pixels.shape[1] == count * (PANEL + GAP) - GAP
    starts = (index * (PANEL + GAP) for index in range(count))
    return [pixels[-PANEL:, start : start + PANEL] for start in starts]


def zoomed(pixels: np.ndarray, box: Box) -> np.ndarray:
    crop = Image.fromarray(box.inside(pixels))
    return np.asarray(crop.resize((PANEL, PANEL), Image.Resampling.NEAREST))


def embedded(page: Path) -> dict[str, np.ndarray]:
    """method -> its picture in a page."""
    html = page.read_text()
    shown = json.loads(re.search(r'id="shown">(.*?)</script>', html, re.S)[1])
    blocks = dict(re.findall(r'<script type="text/plain" id="([^"]*)">([^<]*)</script>', html))
    return {
        method: np.asarray(Image.open(io.BytesIO(base64.b64decode(blocks[name]))).convert("RGB"))
        for method, name in shown["comparisons"][0]["methods"].items()
    }


@pytest.mark.usefixtures("released")
def test_a_strip_shows_the_input_and_what_every_model_makes_of_it(
    picture: Path, tmp_path: Path
) -> None:
    strip = tmp_path / "new" / "strip.png"
    said = compare(picture, "--scale", 2, "--crop", "30,20,24", "-o", strip)
    assert said == f"{strip}\n"
    crops = columns(strip)
    box = Box(60, 40, 48)
    photo = read_pixels(picture)
    for crop, model in zip(crops, ("nearest", "bicubic", "inventive", "faithful"), strict=True):
        assert np.array_equal(crop, zoomed(upscale(photo, 2, model=model), box))
    assert not np.array_equal(crops[2], crops[3])
    assert [path.name for path in strip.parent.iterdir()] == ["strip.png"]


@pytest.mark.usefixtures("released")
def test_models_are_chosen_by_name_and_path(picture: Path, tmp_path: Path) -> None:
    own = tiny_weights(tmp_path, "mine", seed=7)
    page = tmp_path / "page.html"
    compare(picture, "-s", 1.5, "-m", own, "-m", "inventive", "-m", own, "-o", page)
    pictures = embedded(page)
    assert list(pictures) == ["input", "mine", "inventive"]
    expected = upscale(read_pixels(picture), 1.5, model=str(own))
    assert expected.shape == (105, 135, 3)
    assert np.array_equal(pictures["mine"], expected)


def test_the_page_works_without_truth_network_and_server(
    released: Path, picture: Path, tmp_path: Path, browser: Any
) -> None:
    page = tmp_path / "page.html"
    compare(picture, "--scale", 2, "-o", page)
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    troubles: list[str] = []
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:")) else troubles.append(request.url)
        ),
    )
    # An error map that the address asks for has nothing to be measured by.
    tab.goto(f"{page.as_uri()}#compare?error=32")
    tab.wait_for_selector(".pane[data-shown]")
    # The registry's default, which suits the most pictures, is what is seen first.
    assert tab.locator(".pane b").all_inner_texts() == ["bicubic", "faithful"]
    assert tab.get_by_role("button", name="Error map").is_hidden()
    assert tab.locator(".legend").is_hidden()
    assert tab.locator(".picker").is_hidden()
    divider = tab.get_by_role("slider")
    divider.press("ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "52"
    tab.keyboard.press("e")
    tab.keyboard.press("2")
    assert tab.locator(".pane b").all_inner_texts() == [
        "input",
        "bicubic",
        *["inventive", "faithful"],
    ]
    assert tab.locator(".legend").is_hidden()
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.close()
    assert troubles == []


@pytest.mark.parametrize("protocol", [None, "y_rgb8_jpeg40", "paper_antialiased"])
def test_with_a_truth_scores_are_those_of_the_protocol(
    protocol: str | None, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = PerceptualMetrics(None)
    monkeypatch.setattr("srlab.scoring.backbone.perceptual_metrics", lambda: none)
    params = EvaluateParams(scales=[4], protocols=[protocol or "y_rgb8"], strength=1.0)
    how = ["--truth"] if protocol is None else ["--truth", "--protocol", protocol]
    expected = {
        score.image: score
        for score in evaluate(
            lambda protocol: Interpolation(protocol.kernel), params, [photos], tmp_path, none
        )
    }
    for name in ("photo0", "photo2"):  # the second is grey
        page = tmp_path / f"{name}.html"
        compare(photos / f"{name}.png", *how, "-m", "bicubic", "-o", page)
        shown = json.loads(re.search(r'id="shown">(.*?)</script>', page.read_text(), re.S)[1])
        scores = shown["comparisons"][0]["scores"]["bicubic"]
        assert [*scores] == [metric["name"] for metric in shown["metrics"]] == ["psnr", "ssim"]
        assert float(scores["psnr"]["text"]) == pytest.approx(expected[name].psnr, abs=0.006)
        assert float(scores["ssim"]["text"]) == pytest.approx(expected[name].ssim, abs=0.0001)
        pictures = embedded(page)
        assert list(pictures) == ["input", "bicubic", "hr"]
        truth = read_pixels(photos / f"{name}.png")
        height, width = (side - side % 4 for side in truth.shape[:2])
        assert np.array_equal(
            pictures["hr"], np.atleast_3d(truth)[:height, :width] + np.zeros(3, np.uint8)
        )
    strip = tmp_path / "strip.png"
    compare(photos / "photo0.png", "--truth", "--scale", 2, "-m", "bicubic", "-o", strip)
    assert len(columns(strip)) == 3


@pytest.mark.usefixtures("released")
def test_of_a_large_picture_the_most_detailed_part_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_module, "LARGEST", 80 * 80)
    pixels = np.full((100, 160, 3), 90, np.uint8)
    pixels[50:80, 100:130] = make_photo(30, 30)
    write_png(tmp_path / "large.png", pixels)
    subject = read_subject(tmp_path / "large.png", scale=2, megapixels=1)
    assert subject.part is not None
    assert subject.part.side == 40
    assert np.array_equal(subject.lr, subject.part.inside(pixels))
    assert subject.lr.std() > 20
    left, top, right, bottom = subject.crop.edges
    assert 0 <= left < right <= subject.size[0] == 80
    assert 0 <= top < bottom <= subject.size[1] == 80
    page = tmp_path / "page.html"
    compare(tmp_path / "large.png", "--scale", 2, "-o", page)
    assert "large.png is large, so a part of it is compared: 40x40 pixels" in page.read_text()
    # Whoever names a crop sees the part around it.
    around = read_subject(tmp_path / "large.png", scale=2, crop=Box(2, 60, 20), megapixels=1)
    assert around.part == Box(0, 50, 40)
    assert around.crop == Box(4, 20, 40)
    assert np.array_equal(around.lr, pixels[50:90, :40])


def test_detail_is_found_also_where_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.zeros((120, 90, 4), np.uint8)
    pixels[60:90, 30:60, :3] = make_photo(30, 30)
    pixels[:30, :30, 3] = np.random.default_rng(0).integers(0, 255, (30, 30))
    assert detail(pixels, 30) == Box(30, 60, 30)
    monkeypatch.setattr("srlab.comparing.detail._ENOUGH", 120 * 90 // 9)
    assert detail(pixels, 30) == Box(30, 60, 30)
    assert detail(pixels, 500).side == 90


def test_screens_show_eight_bits_srgb_and_what_is_behind() -> None:
    deep = np.array([[[0], [128], [129], [32768], [65535]]], np.uint16)
    assert on_screen(deep).tolist() == [[0, 0, 1, 128, 255]]
    half = np.zeros((16, 16, 2), np.uint8)
    half[:8, :, 1] = 255
    shown = on_screen(half)
    assert shown.shape == (16, 16)
    assert not shown[:8].any()
    assert {*shown[8:].ravel().tolist()} == {214, 255}
    # A profile in which red and blue have changed places.
    swapped = SRGB.replace(b"rXYZ", b"none").replace(b"bXYZ", b"rXYZ").replace(b"none", b"bXYZ")
    red = np.zeros((2, 2, 3), np.uint8) + np.array([250, 10, 10], np.uint8)
    assert on_screen(red, swapped)[0, 0].tolist() == pytest.approx([10, 10, 250], abs=2)
    assert np.array_equal(on_screen(red, SRGB), red)
    assert np.array_equal(on_screen(red, b"damaged"), red)
    grey = on_screen(red[..., :1], swapped)
    assert np.array_equal(grey, red[..., 0])


@pytest.mark.usefixtures("released")
def test_pictures_of_every_kind(tmp_path: Path) -> None:
    photo = make_photo(40, 30)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "phone.jpg", exif=rotated, icc_profile=SRGB)
    Image.fromarray(np.dstack([photo, photo[..., 0]])).save(tmp_path / "logo.png")
    Image.fromarray(photo[..., 0].astype(np.uint16) * 257).save(tmp_path / "scan.png")
    frames = [Image.fromarray(make_photo(40, 30, seed)) for seed in (1, 2)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(photo[:1, :1]).save(tmp_path / "dot.png")
    sizes = {"phone.jpg": (60, 80), "logo.png": (80, 60), "scan.png": (80, 60)}
    sizes |= {"film.gif": (80, 60), "dot.png": (2, 2)}
    for name, size in sizes.items():
        page = tmp_path / f"{name}.html"
        compare(tmp_path / name, "--scale", 2, "-m", "inventive", "-o", page)
        assert embedded(page)["inventive"].shape[:2] == size


@pytest.mark.usefixtures("released")
def test_mistakes_are_named_in_a_line_and_nothing_is_written(picture: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    out = ("-o", tmp_path / "strip.png")
    assert "end it in .png" in refused(picture, "-o", tmp_path / "strip.jpg")
    assert "photo.png: would overwrite the picture" in refused(picture, "-o", picture)
    assert "--crop 1,2: write x,y,side" in refused(picture, *out, "--crop", "1,2")
    assert "outside of" in refused(picture, *out, "--crop", "80,0,11")
    assert "outside of" in refused(picture, *out, "--crop", "8,0,0")
    assert "which has 90x70 pixels" in refused(picture, *out, "--crop", "0,60,11")
    assert "did you mean 'inventive'" in refused(picture, *out, "-m", "inventiv")
    assert "whole number with --truth" in refused(picture, *out, "-s", 2.5, "--truth")
    assert "add --truth" in refused(picture, *out, "--protocol", "y_rgb8_jpeg40")
    said = refused(picture, *out, "--truth", "--protocol", "y_rgb8_jpeg41")
    assert "--protocol y_rgb8_jpeg41: none for pictures; did you mean 'y_rgb8_jpeg40'" in said
    assert "none for pictures" in refused(picture, *out, "--truth", "--protocol", "y")
    assert "a scale of 0" in refused(picture, *out, "-s", 0)
    assert "raise the limit" in refused(picture, *out, "--max-megapixels", 0.001)
    assert "nowhere.png: cannot be opened" in refused(tmp_path / "nowhere.png", *out)
    assert sorted(tmp_path.rglob("*")) == before
    compare(picture, "-s", 2, "-m", "bicubic", *out)
    assert "--overwrite replaces it" in refused(picture, *out)
    compare(picture, "-s", 2, "-m", "bicubic", "--overwrite", *out)


def test_without_released_models_weights_are_asked_for(
    released: Path, picture: Path, tmp_path: Path
) -> None:
    release(released, [])
    assert "name weights: --model PATH" in refused(picture, "-o", tmp_path / "strip.png")
