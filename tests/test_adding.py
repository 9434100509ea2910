from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, make_photo
from PIL import Image

from srlab.data.adding import add_dataset
from srlab.data.catalog import load_dataset
from srlab.data.download import download
from srlab.data.images import read_pixels, write_png
from srlab.errors import SrlabError


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "datasets.yaml"
    path.write_text((ROOT / "data" / "datasets.yaml").read_text())
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_png(folder / "a.png", make_photo(20, 30))
    write_png(folder / "2024-05-01 a: b.png", make_photo(24, 24, seed=1))
    upright = Image.fromarray(make_photo(16, 40, seed=2))
    exif = upright.getexif()
    exif[0x0112] = 6
    upright.save(folder / "turned.jpg", exif=exif)
    (folder / "notes.txt").write_text("no picture")
    return folder


def added(catalog: Path, folder: Path, name: str = "holiday") -> int:
    return add_dataset(folder, name, "my own", catalog=catalog, by_hand=catalog.parent / "mirror")


def test_what_is_added_is_what_a_stage_gets(catalog: Path, photos: Path, tmp_path: Path) -> None:
    before = catalog.read_text()
    assert added(catalog, photos) == 3
    assert catalog.read_text().startswith(before)
    download(
        "holiday",
        load_dataset(catalog, "holiday"),
        tmp_path / "raw",
        mirror=None,
        by_hand=tmp_path / "mirror",
        downloads=tmp_path / "downloads",
    )
    names = {path.stem for path in (tmp_path / "raw").iterdir()}
    assert names == {"a", "2024-05-01 a: b", "turned"}
    assert np.array_equal(read_pixels(tmp_path / "raw" / "a.png"), make_photo(20, 30))
    assert read_pixels(tmp_path / "raw" / "turned.png").shape == (40, 16, 3)


def test_a_second_dataset_leaves_the_first(catalog: Path, photos: Path) -> None:
    added(catalog, photos)
    added(catalog, photos, "again")
    assert load_dataset(catalog, "holiday").images == load_dataset(catalog, "again").images


@pytest.mark.parametrize(
    ("name", "file", "complaint"),
    [
        ("My photos", None, "My photos: not a dataset's name; use lower-case letters"),
        ("set5", None, "has a dataset set5 already; choose another name"),
        ("holiday", "a.jpg", "another picture is called a, too; rename one"),
        ("holiday", "broken.png", "broken.png: not an image that can be read"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    catalog: Path, photos: Path, name: str, file: str | None, complaint: str
) -> None:
    before = catalog.read_text()
    if file == "a.jpg":
        Image.fromarray(make_photo(8, 8)).save(photos / file)
    elif file is not None:
        (photos / file).write_bytes(b"nothing")
    with pytest.raises(SrlabError, match=complaint):
        added(catalog, photos, name)
    assert catalog.read_text() == before
    assert not list((catalog.parent / "mirror").rglob("*.png"))


def test_a_folder_is_needed_that_can_be_added(catalog: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="gone: no such folder"):
        added(catalog, tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SrlabError, match="empty: no picture in it"):
        added(catalog, tmp_path / "empty")
    (tmp_path / "mirror" / "datasets" / "holiday").mkdir(parents=True)
    with pytest.raises(SrlabError, match="is there already"):
        added(catalog, photos)
