from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_photo
from PIL import Image

from srlab.data.images import list_images, pixel_hash, read_pixels, write_png
from srlab.data.tensors import crop_to_multiple, to_pixels, to_tensor
from srlab.errors import SrlabError


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "webp"])
def test_the_hash_is_that_of_the_pixels_not_of_the_container(tmp_path: Path, kind: str) -> None:
    photo = make_photo(20, 30)
    path = tmp_path / f"photo.{kind}"
    Image.fromarray(photo).save(path, **({"lossless": True} if kind == "webp" else {}))
    assert pixel_hash(read_pixels(path)) == pixel_hash(photo)


def test_the_hash_knows_the_shape() -> None:
    photo = make_photo(20, 30)
    assert pixel_hash(photo) != pixel_hash(photo.reshape(30, 20, 3))


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("1", (4, 6)), ("L", (4, 6)), ("LA", (4, 6)), ("P", (4, 6, 3)), ("RGBA", (4, 6, 3)),
     ("CMYK", (4, 6, 3))],
)  # fmt: skip
def test_modes_become_grey_or_rgb(tmp_path: Path, mode: str, shape: tuple) -> None:
    path = tmp_path / "image.tiff"
    Image.fromarray(make_photo(4, 6)).convert("RGB").convert(
        "L" if mode == "LA" else "RGB"
    ).convert(mode).save(path)
    assert read_pixels(path).shape == shape


def bad_files() -> dict[str, bytes]:
    import io

    buffer = io.BytesIO()
    Image.fromarray(make_photo(40, 40)).save(buffer, "png")
    deep = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(deep, "png")
    return {
        "empty.png": b"",
        "text.png": b"this is no image",
        "truncated.png": buffer.getvalue()[:200],
        "deep.png": deep.getvalue(),
    }


@pytest.mark.parametrize("name", ["empty.png", "text.png", "truncated.png", "deep.png"])
def test_bad_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bad_files()[name])
    with pytest.raises(SrlabError) as refusal:
        read_pixels(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_pixels_and_tensors_are_the_same(shape: tuple) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 1 if len(shape) == 2 else 3, 5, 7)
    assert np.array_equal(to_pixels(tensor), pixels)


def test_results_are_clipped_and_rounded() -> None:
    image = torch.tensor([[-1.0, 0.4 / 255, 0.6 / 255, 2.0]]).view(1, 1, 1, 4)
    assert to_pixels(image).tolist() == [[0, 0, 1, 255]]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SrlabError, match="no image in it"):
        list_images(tmp_path)
    with pytest.raises(SrlabError, match="no such folder"):
        list_images(tmp_path / "nothing")


def test_writing_leaves_no_partial_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_png(tmp_path / "a.png", np.zeros((2, 2, 7), np.float64))
    assert list(tmp_path.iterdir()) == []


def test_cropping_to_a_multiple_cuts_right_and_bottom() -> None:
    image = torch.arange(35.0).view(1, 1, 5, 7)
    assert torch.equal(crop_to_multiple(image, 3), image[..., :3, :6])
