import io
from pathlib import Path

import pytest
from conftest import make_photo
from PIL import Image
from pydantic import ValidationError

from srlab.upscaling import jpeg_advice as module
from srlab.upscaling.jpeg_advice import VISIBLE_UP_TO, jpeg_advice
from srlab.upscaling.plan import Job, Request, make_plan
from srlab.upscaling.reading import read_header
from srlab.zoo.registry import Registry, load_registry

PHOTO = make_photo(40, 60)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """One that advises `srresnet`, from which `srgan` descends."""
    found = load_registry().model_copy(update={"for_jpeg": "srresnet"})
    monkeypatch.setattr(module, "load_registry", lambda: found)
    return found


def plan(folder: Path) -> list[Job]:
    return make_plan(Request(inputs=[str(folder)], output=str(folder.parent / "large/")))


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 89, 95])
@pytest.mark.parametrize("kind", ["JPEG", "MPO"])
@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[..., 0]], ids=["colour", "grey"])
def test_the_quality_of_a_file_is_what_it_was_saved_with(quality: int, kind: str, pixels) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    assert read_header(file).jpeg_quality == quality


def test_a_table_of_another_number_is_read() -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO[..., 0]).save(file, "JPEG", quality=40)
    data = bytearray(file.getvalue())
    data[data.index(b"\xff\xdb") + 4] = 1  # the number that the table is given
    data[data.index(b"\xff\xc0") + 12] = 1  # the number that luma asks for
    assert read_header(io.BytesIO(bytes(data))).jpeg_quality == 40


def test_what_is_advised_is_one_of_the_models() -> None:
    tree = load_registry().model_dump() | {"for_jpeg": "nobody"}
    with pytest.raises(ValidationError, match="for_jpeg: nobody is none of the models"):
        Registry.model_validate(tree)


def test_other_files_have_none() -> None:
    for kind in ("PNG", "WEBP", "TIFF"):
        file = io.BytesIO()
        Image.fromarray(PHOTO).save(file, kind)
        assert read_header(file).jpeg_quality is None


def test_advice_names_the_file_or_how_many(tmp_path: Path, registry: Registry) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    image = Image.fromarray(PHOTO)
    image.save(folder / "good.jpg", quality=VISIBLE_UP_TO + 1)
    image.save(folder / "lossless.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    assert jpeg_advice(plan(folder), "memnet") is None

    image.save(folder / "poor.jpg", quality=40)
    assert jpeg_advice(plan(folder), "memnet") == (
        f"{folder / 'poor.jpg'} is a JPEG file of quality 40, whose squares and fringes are "
        "enlarged, too; --model srresnet takes them out"
    )
    image.save(folder / "fair.jpg", quality=VISIBLE_UP_TO)
    said = jpeg_advice(plan(folder), "memnet")
    assert said is not None
    assert said.startswith("2 pictures are JPEG files of qualities 40 to 90, whose squares")


@pytest.mark.parametrize("model", ["srresnet", "srgan", "bicubic", "mine.safetensors"])
def test_no_advice_to_a_model_that_knows_them_or_is_not_known(
    model: str, tmp_path: Path, registry: Registry
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(PHOTO).save(folder / "poor.jpg", quality=40)
    assert jpeg_advice(plan(folder), model) is None
