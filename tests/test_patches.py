import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, make_photo
from hypothesis import given
from hypothesis import strategies as st

from srlab.data.color import quantize
from srlab.data.images import list_images, read_pixels, read_size, write_png
from srlab.data.jpeg import Jpeg
from srlab.data.patches import (
    cut,
    degrade,
    drawn_jpeg,
    grid,
    patch_pairs,
    prepare,
    validation_images,
)
from srlab.data.raw import select_datasets
from srlab.data.resample import resample
from srlab.errors import SrlabError
from srlab.params import Params, PatchParams


@pytest.fixture
def params(smoke: Params) -> PatchParams:
    return smoke.patches.memnet.model_copy(
        update={"patch_size": 31, "stride": 21, "validation_images": 1}
    )


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_the_grid_covers_what_it_says(height: int, width: int, size: int, stride: int) -> None:
    corners = list(grid(height, width, size=size, stride=stride))
    across = max(0, (width - size) // stride + 1)
    down = max(0, (height - size) // stride + 1)
    assert len(corners) == len(set(corners)) == across * down
    for y, x in corners:
        assert y % stride == x % stride == 0
        assert y + size <= height
        assert x + size <= width


def test_a_pair_is_the_same_crop_of_the_degraded_whole_image(params: PatchParams) -> None:
    image = prepare(params, make_photo(70, 90))
    corners = list(grid(70, 90, size=31, stride=21))
    pairs = patch_pairs(params, image, corners, "name")
    for scale in params.scales:
        whole = degrade(image, scale=scale, degradation="bicubic", enlarged=True)
        assert whole.shape == image.shape
        for patch, (y, x) in zip(pairs[f"x{scale}_bicubic"], corners, strict=True):
            assert torch.equal(patch, whole[0, :, y : y + 31, x : x + 31])


def test_low_resolution_patches_are_cut_in_step(params: PatchParams) -> None:
    params = params.model_copy(
        update={
            "enlarged": False,
            "patch_size": 24,
            "stride": 12,
            "scales": [2, 4],
            "channels": "rgb",
        }
    )
    image = prepare(params, make_photo(70, 90)[..., 0])
    corners = list(grid(70, 90, size=24, stride=12))
    pairs = patch_pairs(params, image, corners, "name")
    assert pairs["hr"].shape == (len(corners), 3, 24, 24)
    for scale in (2, 4):
        whole = degrade(image, scale=scale, degradation="bicubic", enlarged=False)
        side = 24 // scale
        for patch, (y, x) in zip(pairs[f"x{scale}_bicubic"], corners, strict=True):
            y, x = y // scale, x // scale
            assert torch.equal(patch, whole[0, :, y : y + side, x : x + side])


@pytest.mark.parametrize("enlarged", [False, True])
def test_what_is_saved_as_jpeg_is_cut_from_a_whole_image(
    params: PatchParams, enlarged: bool
) -> None:
    channels = "luma" if enlarged else "rgb"
    params = params.model_copy(
        update={
            "channels": channels,
            "enlarged": enlarged,
            "patch_size": 24,
            "stride": 12,
            "scales": [2],
            "degradations": ["bicubic", "bicubic_jpeg"],
            "jpeg_quality": [20, 30],
        }
    )
    image = prepare(params, make_photo(70, 90))
    pairs = patch_pairs(params, image, [(12, 24)], "one")
    jpeg = drawn_jpeg(params, "one x2")
    assert 20 <= jpeg.quality <= 30
    lr = jpeg.saved(resample(image, scale=1 / 2))
    whole = resample(lr, scale=2) if enlarged else lr
    y, x, side = (12, 24, 24) if enlarged else (6, 12, 12)
    assert torch.equal(pairs["x2_bicubic_jpeg"][0], whole[0, :, y : y + side, x : x + side])
    assert not torch.equal(pairs["x2_bicubic_jpeg"], pairs["x2_bicubic"])
    other = patch_pairs(params, image, [(12, 24)], "another")
    assert torch.equal(other["x2_bicubic"], pairs["x2_bicubic"])
    assert not torch.equal(other["x2_bicubic_jpeg"], pairs["x2_bicubic_jpeg"])


def test_every_copy_of_an_image_is_saved_in_another_way(
    params: PatchParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def noted(params: PatchParams, name: str) -> Jpeg:
        names.append(name)
        return drawn_jpeg(params, name)

    monkeypatch.setattr("srlab.data.patches.drawn_jpeg", noted)
    params = params.model_copy(
        update={
            "degradations": ["bicubic_jpeg"],
            "scales": [2, 4],
            "augment_scales": [0.75, 0.5],
            "validation_images": 0,
        }
    )
    (tmp_path / "raw").mkdir()
    for name in ("a", "b"):
        write_png(tmp_path / "raw" / f"{name}.png", make_photo(70, 90))
    cut(params, [tmp_path / "raw"], tmp_path / "patches")
    assert len(names) == len(set(names)) == 2 * 2 * 3


def test_a_patch_degraded_alone_does_not_know_its_surroundings(params: PatchParams) -> None:
    alone = params.model_copy(update={"degrade": "patch"})
    image = prepare(params, make_photo(70, 90))
    corners = list(grid(70, 90, size=31, stride=21))
    pairs = patch_pairs(alone, image, corners, "name")
    first = degrade(image[..., :31, :31], scale=2, degradation="bicubic", enlarged=True)
    assert torch.allclose(pairs["x2_bicubic"][:1], first)
    assert not torch.allclose(
        pairs["x2_bicubic"], patch_pairs(params, image, corners, "name")["x2_bicubic"]
    )


def test_what_is_packed_is_what_was_cut(params, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "patches"
    params = params.model_copy(update={"validation_crop": 48})
    index = cut(params, [photos], output)
    assert index == json.loads((output / "index.json").read_text())
    paths = sorted(photos.glob("*.png"))
    validation = validation_images(paths, 1)
    assert index["datasets"]["made"]["validation"] == [validation[0].stem]
    expected = []
    for path in paths:
        image = prepare(params, read_pixels(path))
        height, width = image.shape[-2:]
        seen = torch.zeros(height, width)
        if path in validation:
            top, left = (height - 48) // 2, (width - 48) // 2
            seen[top : top + 48, left : left + 48] = 1
            middle = image[..., top : top + 48, left : left + 48]
        corners = [
            (y, x)
            for y, x in grid(height, width, size=31, stride=21)
            if not seen[y : y + 31, x : x + 31].any()
        ]
        if corners:
            expected.append(patch_pairs(params, image, corners, "name")["hr"])
    packed = np.load(output / "hr.npy")
    assert packed.dtype == np.uint8
    assert len(packed) == index["patches"] < index["datasets"]["made"]["patches_of_whole_images"]
    assert np.array_equal(packed, torch.cat(expected).mul(255).round().byte().numpy())
    assert {path.stem for path in output.glob("x*.npy")} == {
        f"x{scale}_bicubic" for scale in params.scales
    }
    written = list((output / "validation").iterdir())
    assert [path.name for path in written] == [f"made_{validation[0].stem}.png"]
    assert np.array_equal(read_pixels(written[0]), middle[0, 0].mul(255).round().byte().numpy())


def test_shrunk_copies_are_cut_too(params, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    photo = make_photo(80, 101)
    write_png(folder / "a.png", photo)
    params = params.model_copy(update={"augment_scales": [0.9, 0.6], "validation_images": 0})
    index = cut(params, [folder], tmp_path / "patches")
    whole = prepare(params, photo)
    copies = [whole, *(quantize(resample(whole, scale=factor)) for factor in (0.9, 0.6))]
    assert [copy.shape[-2:] for copy in copies] == [(80, 101), (72, 91), (48, 61)]
    expected = [
        patch_pairs(params, copy, list(grid(*copy.shape[-2:], size=31, stride=21)), "name")["hr"]
        for copy in copies
    ]
    assert [len(patches) for patches in expected] == [12, 6, 2]
    packed = np.load(tmp_path / "patches" / "hr.npy")
    assert np.array_equal(packed, torch.cat(expected).mul(255).round().byte().numpy())
    assert index["datasets"]["made"]["patches_of_whole_images"] == index["patches"] == 20


def test_shrunk_copies_keep_the_validation_middles_unseen(params, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    # The held out middle of the second image is white, all else is black.
    for name in ("a", "b"):
        pixels = np.zeros((160, 160), np.uint8)
        pixels[56:104, 56:104] = 255 * (name == "b")
        write_png(folder / f"{name}.png", pixels)
    params = params.model_copy(
        update={"augment_scales": [0.9, 0.6], "validation_crop": 48, "stride": 3}
    )
    index = cut(params, [folder], tmp_path / "patches")
    assert index["datasets"]["made"]["validation"] == ["b"]
    packed = np.load(tmp_path / "patches" / "hr.npy")
    # Behind the antialiasing of the copies a border may shine a little.
    assert packed.max() < 40
    assert len(packed) < index["datasets"]["made"]["patches_of_whole_images"]


def test_cutting_twice_gives_the_same_bits(params, photos: Path, tmp_path: Path) -> None:
    first = cut(params, [photos], tmp_path / "a")
    second = cut(params, [photos], tmp_path / "b")
    assert first["sha256"] == second["sha256"]


def test_every_processor_cuts_the_same_bits(params, tmp_path: Path) -> None:
    changes = {
        "degradations": ["bicubic", "bicubic_aliased"],
        "augment_scales": [0.7],
        "validation_images": 0,
    }
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    folder = tmp_path / "made"
    folder.mkdir()
    write_png(folder / "noise.png", pixels)
    index = cut(params.model_copy(update=changes), [folder], tmp_path / "out")
    hashes = json.dumps(index["sha256"], sort_keys=True).encode()
    assert hashlib.sha256(hashes).hexdigest()[:16] == "9604c745c4c02b13"


def test_images_smaller_than_a_patch_are_refused(params, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    write_png(folder / "a.png", make_photo(30, 30))
    with pytest.raises(SrlabError, match="no image of tiny is as large as a patch of 31x31"):
        cut(params, [folder], tmp_path / "patches")


def test_validation_images_are_spread_and_never_more_than_half() -> None:
    paths = [Path(f"{index}.png") for index in range(10)]
    assert validation_images(paths, 2) == [paths[2], paths[7]]
    assert validation_images(paths, 0) == []
    assert len(validation_images(paths, 99)) == 5


def test_the_papers_datasets_give_the_papers_grid(params, benchmarks: Path) -> None:
    counts = {
        name: sum(
            len(list(grid(*read_size(path), size=params.patch_size, stride=params.stride)))
            for path in list_images(benchmarks / name)
        )
        for name in ("t91", "bsds200")
    }
    assert counts == {"t91": 10_352, "bsds200": 61_600}


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    pixels = make_photo(240, 240)
    for name, count in (("few", 2), ("many", 40)):
        (tmp_path / name).mkdir()
        for index in range(count):
            write_png(tmp_path / name / f"{index}.png", pixels)
    few, many = (
        _peak_memory(tmp_path / name, tmp_path / f"{name}-out") for name in ("few", "many")
    )
    packed = sum(path.stat().st_size for path in (tmp_path / "many-out").glob("*.npy"))
    assert packed > 30 * 2**20, "too little data to tell"
    assert many - few < packed / 4


def _peak_memory(images: Path, output: Path) -> int:
    """Peak resident bytes of a process that cuts patches."""
    code = (
        "import sys, resource; from pathlib import Path\n"
        "from srlab.data.patches import cut; from srlab.params import load_params\n"
        f"params = load_params(Path({str(ROOT / 'profiles' / 'smoke.yaml')!r})).patches.memnet\n"
        "params = params.model_copy(update={'patch_size': 32, 'stride': 8})\n"
        f"cut(params, [Path({str(images)!r})], Path({str(output)!r}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return int(printed.stdout) * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a project, the working directory, that knows the datasets a, b and c."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "datasets.yaml"
    path.write_text("a: {}\nb: {}\nc: {}\n")
    return path


def test_datasets_of_other_params_are_removed(catalog: Path) -> None:
    for name in ("raw/a", "raw/b", "raw/.c.partial"):
        Path(name).mkdir(parents=True)
    assert select_datasets(Path("raw"), ["b"], catalog) == [Path("raw", "b")]
    assert [path.name for path in Path("raw").iterdir()] == ["b"]


@pytest.mark.parametrize("mine", ["holiday", ".a", "a.zip"])
def test_what_no_download_has_left_is_named_and_nothing_removed(catalog: Path, mine: str) -> None:
    for name in ("a", "b", mine):
        Path("raw", name).mkdir(parents=True)
    with pytest.raises(SrlabError) as raised:
        select_datasets(Path("raw"), ["b"], catalog)
    assert str(raised.value).startswith(f"raw/{mine}: {catalog} has no such dataset; move it out")
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in Path("raw").iterdir()) == sorted(["a", "b", mine])


def test_nothing_is_removed_where_a_link_leads_out_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, project = tmp_path / "photos", tmp_path / "project"
    for name in ("a", "b"):
        (photos / name).mkdir(parents=True)
    project.mkdir()
    (project / "raw").symlink_to(photos)
    monkeypatch.chdir(project)
    assert select_datasets(Path("raw"), ["b"]) == [Path("raw", "b")]
    assert sorted(path.name for path in photos.iterdir()) == ["a", "b"]


def test_a_dataset_that_is_not_there_is_named_and_nothing_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SrlabError, match="b: this dataset is not there"):
        select_datasets(tmp_path, ["b"])
    assert (tmp_path / "a").is_dir()
