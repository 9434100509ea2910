import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, make_photo
from PIL import Image

from srlab.data import download as download_module
from srlab.data.catalog import Dataset, load_dataset
from srlab.data.download import download
from srlab.data.images import pixel_hash, read_pixels, write_png
from srlab.errors import SrlabError
from srlab.strict_yaml import read_yaml

PHOTOS = {f"photo{index}": make_photo(20, 24, seed=index) for index in range(3)}


def encode(pixels: np.ndarray, kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


GOOD_ZIP = zipped({f"All/Made/{name}.bmp": encode(p, "bmp") for name, p in PHOTOS.items()})


class Server:
    """Serves bytes by path on localhost; `failures` first answers are errors."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failures = 0
        self.cut = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = outer.files.get(self.path)
                if outer.failures > 0:
                    outer.failures -= 1
                    self.send_error(503)
                elif content is None:
                    self.send_error(404)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2] if outer.cut else content)

            def log_message(self, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # pooch pauses a second longer before each attempt; the pauses are not what is tested.
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    server = Server()
    yield server
    server.close()


def dataset(sources: list[dict], images: dict | None = None, count: int = 3) -> Dataset:
    hashes = {name: [pixel_hash(pixels)] for name, pixels in PHOTOS.items()}
    return Dataset(
        title="Made", terms="none", count=count, sources=sources, images=images or hashes
    )


def archive(server: Server, path: str = "/made.zip") -> dict:
    return {"kind": "archive", "url": server.url + path, "folder": "Made"}


def get(tmp_path: Path, entry: Dataset, mirror: str | None = None, name: str = "made") -> Path:
    output = tmp_path / "raw" / name
    download(
        name,
        entry,
        output,
        mirror=mirror,
        by_hand=tmp_path / "by_hand",
        downloads=tmp_path / "downloads",
    )
    return output


def check(output: Path) -> None:
    assert {path.stem for path in output.iterdir()} == set(PHOTOS)
    for path in output.iterdir():
        assert path.suffix == ".png"
        assert np.array_equal(read_pixels(path), PHOTOS[path.stem])


def fill(folder: Path, photos: dict[str, np.ndarray] = PHOTOS) -> Path:
    folder.mkdir(parents=True)
    for name, pixels in photos.items():
        write_png(folder / f"{name}.png", pixels)
    return folder


def test_an_archive_gives_the_images_whatever_they_are_called(server, tmp_path) -> None:
    renamed = {f"x/Made/{index}.tif": encode(p, "tiff") for index, p in enumerate(PHOTOS.values())}
    server.files["/made.zip"] = zipped({**renamed, "x/Other/a.png": encode(PHOTOS["photo0"])})
    check(get(tmp_path, dataset([archive(server)])))


def test_an_archive_is_fetched_once_for_all_its_datasets(server, tmp_path) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        get(tmp_path, dataset([archive(server)]))
    assert server.requests == ["/made.zip"]


def test_a_server_in_trouble_is_asked_again(server, tmp_path) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    server.failures = 2
    check(get(tmp_path, dataset([archive(server)])))
    assert len(server.requests) == 3


def test_the_mirror_comes_first_and_the_folder_filled_by_hand_next(server, tmp_path) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    fill(tmp_path / "by_hand" / "datasets" / "made")
    check(get(tmp_path, dataset([archive(server)]), mirror=str(tmp_path / "nothing")))
    assert server.requests == []


def test_a_mirror_may_be_a_url(server, tmp_path) -> None:
    for name, pixels in PHOTOS.items():
        server.files[f"/m/datasets/made/{name}.png"] = encode(pixels)
    check(get(tmp_path, dataset([]), mirror=f"{server.url}/m/"))


def test_a_lossy_file_is_known_by_its_own_hash(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "datasets" / "made"
    folder.mkdir(parents=True)
    content = encode(PHOTOS["photo0"], "jpeg")
    (folder / "photo0.jpg").write_bytes(content)
    images = {"photo0": ["0" * 64, "file:" + hashlib.sha256(content).hexdigest()]}
    output = get(tmp_path, dataset([], images, count=1), mirror=str(tmp_path / "mirror"))
    assert [path.name for path in output.iterdir()] == ["photo0.png"]


def test_an_image_may_stand_twice(tmp_path: Path) -> None:
    fill(tmp_path / "mirror" / "datasets" / "made", {"x": PHOTOS["photo0"]})
    images = {name: [pixel_hash(PHOTOS["photo0"])] for name in ("photo0", "again")}
    output = get(tmp_path, dataset([], images, count=2), mirror=str(tmp_path / "mirror"))
    assert {path.stem for path in output.iterdir()} == {"photo0", "again"}


def broken_zip_member() -> bytes:
    return zipped({"All/Made/photo0.png": encode(PHOTOS["photo0"])[:100]})


BAD_ARCHIVES = {
    "dead url": (None, "404"),
    "truncated archive": (GOOD_ZIP[: len(GOOD_ZIP) // 2], "damaged"),
    "no archive at all": (b"<html>moved</html>", "damaged"),
    "a member that points outside": (
        zipped({"../Made/photo0.png": encode(PHOTOS["photo0"])}),
        "points outside; not trusted",
    ),
    "an absolute member": (zipped({"/etc/Made/a.png": b""}), "points outside; not trusted"),
    "an image that does not decode": (broken_zip_member(), "photo0.png: not an image"),
    "a wrong image": (
        zipped({"Made/photo0.png": encode(255 - PHOTOS["photo0"])}),
        "photo0.png is not an image of this dataset",
    ),
    "missing images": (
        zipped({"Made/photo0.png": encode(PHOTOS["photo0"])}),
        "2 of 3 images missing (photo1, photo2)",
    ),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_a_bad_archive_ends_in_one_clear_error(server, tmp_path: Path, case: str) -> None:
    content, said = BAD_ARCHIVES[case]
    if content is not None:
        server.files["/made.zip"] = content
    good = fill(tmp_path / "raw" / "made")
    with pytest.raises(SrlabError) as failure:
        get(tmp_path, dataset([archive(server)]))
    message = str(failure.value)
    assert "\n" not in message
    for part in ("dataset made", f"{server.url}/made.zip", said, "SRLAB_MIRROR", "by_hand"):
        assert part in message
    check(good)  # what was there is still there
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["made"]


def test_a_damaged_archive_is_fetched_anew(server, tmp_path: Path) -> None:
    server.files["/made.zip"] = b"damaged"
    with pytest.raises(SrlabError):
        get(tmp_path, dataset([archive(server)]))
    server.files["/made.zip"] = GOOD_ZIP
    check(get(tmp_path, dataset([archive(server)])))


def test_a_connection_that_breaks_off_leaves_nothing(server, tmp_path: Path) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    server.cut = True
    with pytest.raises(SrlabError, match="cannot be fetched after 4 attempts"):
        get(tmp_path, dataset([archive(server)]))
    assert list((tmp_path / "downloads").iterdir()) == []


def test_the_next_source_is_asked(server, tmp_path: Path, capsys) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    wrong = {**PHOTOS, "photo1": 255 - PHOTOS["photo1"]}
    fill(tmp_path / "mirror" / "datasets" / "made", wrong)
    check(get(tmp_path, dataset([archive(server)]), mirror=str(tmp_path / "mirror")))
    assert "1 of 3 images missing (photo1)" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_dataset(server, tmp_path: Path, monkeypatch) -> None:
    server.files["/made.zip"] = GOOD_ZIP
    good = fill(tmp_path / "raw" / "made")
    written = []

    def full(path: Path, pixels: np.ndarray) -> None:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        write_png(path, pixels)

    monkeypatch.setattr(download_module, "write_png", full)
    with pytest.raises(SrlabError, match="dataset made: the disk is full"):
        get(tmp_path, dataset([archive(server)]))
    check(good)
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["made"]


def test_a_dataset_without_hashes_is_counted(tmp_path: Path) -> None:
    fill(tmp_path / "mirror" / "datasets" / "made")
    entry = Dataset(title="Made", terms="none", count=3, sources=[], images=None)
    check(get(tmp_path, entry, mirror=str(tmp_path / "mirror")))
    short = entry.model_copy(update={"count": 4})
    with pytest.raises(SrlabError, match="3 images instead of 4"):
        get(tmp_path, short, mirror=str(tmp_path / "mirror"))


def test_every_entry_of_the_catalog_is_well_formed() -> None:
    catalog = ROOT / "data" / "datasets.yaml"
    names = list(read_yaml(catalog))
    assert set(names) >= {
        "sample_train", "sample_test", "t91", "bsds200", "general100", "set5", "set14",
        "bsd100", "urban100",
    }  # fmt: skip
    for name in names:
        assert load_dataset(catalog, name).sources


def test_an_unknown_dataset_gets_the_nearest_name() -> None:
    with pytest.raises(SrlabError, match=r"'set_5', which is not in .*did you mean 'set5'"):
        load_dataset(ROOT / "data" / "datasets.yaml", "set_5")


@pytest.mark.parametrize("name", ["sample_train", "sample_test"])
def test_the_sample_images_come_with_the_installation(name: str, tmp_path: Path) -> None:
    entry = load_dataset(ROOT / "data" / "datasets.yaml", name)
    output = get(tmp_path, entry)
    assert {path.stem for path in output.iterdir()} == set(entry.images or {})


def test_the_stage_does_without_torch(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pipeline.download import main
main("sample_test", Path("data/datasets.yaml"), Path(sys.argv[1]), Path(sys.argv[2]))
assert "torch" not in sys.modules
"""
    paths = [str(tmp_path / "sample_test"), str(tmp_path / "cost.json")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, cwd=ROOT)
    assert any((tmp_path / "sample_test").iterdir())


@pytest.mark.parametrize("name", ["t91", "bsds200", "general100", "set5", "set14"])
def test_the_mirror_holds_what_the_catalog_says(benchmarks, name: str, tmp_path: Path) -> None:
    entry = load_dataset(ROOT / "data" / "datasets.yaml", name)
    entry = entry.model_copy(update={"sources": []})
    output = get(tmp_path, entry, mirror=str(benchmarks.parent), name=name)
    assert len(list(output.iterdir())) == entry.count
