"""Five hundred odd pictures in one folder: none stops the others, every good one comes out right.

Of each good one it is known what must come out: size, channels, depth, orientation and metadata.
"""

import io
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from conftest import make_photo
from PIL import ExifTags, Image
from test_cli import srlab
from test_pictures import SRGB, animation, cmyk_profile, exif_of, png_of, saved, tiff_of

from srlab import load
from srlab.errors import SrlabError
from srlab.upscaling.formats import refusal
from srlab.upscaling.orientation import turned
from srlab.upscaling.pillow_writer import Compression
from srlab.upscaling.reading import read_header, read_picture
from srlab.upscaling.regions import Options
from srlab.upscaling.writing import write_enlarged

COUNT = 500
SCALE = 2
YCBCR = ["YCbCr"] if int(PIL.__version__.split(".")[0]) >= 13 else []
"""Older Pillows do not read the TIFF files of this mode that they write."""


@dataclass(frozen=True)
class Good:
    """What must come out."""

    size: tuple[int, int]
    """(W, H) of the picture as it is looked at."""
    channels: int
    bits: int = 8
    frames: int = 1
    make: str | None = None
    """EXIF's."""
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None


Made = tuple[str, bytes, Good | None]
"""Suffix, content, and what must come out; None of a bad file."""


def alpha_of(random: np.random.Generator, height: int, width: int) -> Image.Image:
    values = random.choice(np.array([0, 0, 90, 255], np.uint8), (height, width))
    return Image.fromarray(values)


def plain(random: np.random.Generator) -> Made:
    """A picture of 8 bits, of any mode and format that go together, with any metadata."""
    height, width = (int(side) for side in random.integers(1, 41, 2))
    modes = {
        "png": ["1", "L", "LA", "P", "RGB", "RGBA"],
        "jpeg": ["L", "RGB", "CMYK"],
        "webp": ["RGB", "RGBA"],
        "tiff": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", *YCBCR],
        "bmp": ["1", "L", "P", "RGB"],
        "avif": ["RGB", "RGBA"],
        "gif": ["L", "P"],
    }
    form = str(random.choice(list(modes)))
    mode = str(random.choice(modes[form]))
    image = Image.fromarray(make_photo(height, width, int(random.integers(99)))).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(alpha_of(random, height, width))
    options: dict = {}
    icc = make = dpi = None
    turn = 1
    if form in ("png", "jpeg", "tiff", "webp", "avif") and random.random() < 0.6:
        turn = int(random.integers(1, 9))
        options["exif"] = exif_of(turn)
        make = "Camera"
    if form in ("jpeg", "tiff", "webp", "avif", "png") and random.random() < 0.5:
        options["icc_profile"] = cmyk_profile() if mode == "CMYK" else SRGB
        icc = None if mode == "CMYK" else SRGB
    if form in ("png", "jpeg", "tiff", "bmp") and random.random() < 0.5:
        options["dpi"] = (300, 96)
        dpi = turned((300, 96), turn)
    if form == "tiff" and make is None:  # Pillow compresses none with EXIF
        kinds = ["raw", "tiff_lzw", "tiff_deflate", "packbits"]
        options["compression"] = str(random.choice(kinds if mode != "1" else [*kinds, "group4"]))
    if form == "avif":
        options["speed"] = 10
    channels = {"1": 1, "L": 1, "LA": 2, "RGBA": 4}.get(mode, 3)
    if mode == "P" and random.random() < 0.3 and form in ("png", "gif"):
        options["transparency"] = 0
        channels = 4
    if mode == "YCbCr":
        options.pop("compression", None)
    data = saved(image, form, **options)
    size = turned((width, height), turn)
    if mode == "P" or form == "gif":
        channels = _palette_channels(data)
    return form, data, Good(size, channels, make=make, icc=icc, dpi=dpi)


def _palette_channels(data: bytes) -> int:
    """A palette of greys, as small photos may have, is grey."""
    image = Image.open(io.BytesIO(data))
    colours = np.reshape(image.getpalette("RGB") or [], (-1, 3)) if image.mode == "P" else None
    is_grey = colours is None or bool((colours == colours[:, :1]).all())
    return (1 if is_grey else 3) + image.has_transparency_data


def deep(random: np.random.Generator) -> Made:
    """A picture of 16 bits."""
    height, width = (int(side) for side in random.integers(1, 41, 2))
    channels = int(random.integers(1, 5))
    pixels = random.integers(0, 65536, (height, width, channels), dtype=np.uint16)
    if random.random() < 0.5:
        return "png", png_of(pixels), Good((width, height), channels, 16)
    options = random.choice([{}, {"compression": "zlib"}, {"byteorder": ">"}])
    return "tif", tiff_of(pixels, **options), Good((width, height), channels, 16)


def animated(random: np.random.Generator) -> Made:
    form, mode = str(random.choice(["gif", "png", "webp"])), str(random.choice(["RGB", "RGBA"]))
    return form, animation(form, mode), Good((20, 16), len(mode), frames=4)


def wrong_suffix(random: np.random.Generator) -> Made:
    _, data, good = plain(random)
    return str(random.choice(["png", "jpg", "tif", "webp", "bmp", "gif"])), data, good


def truncated(random: np.random.Generator) -> Made:
    form, data, _ = plain(random)
    while form in ("bmp", "gif") or len(data) < 60:
        form, data, _ = plain(random)
    # What is missing is missed in the middle, not in metadata at the end.
    return form, data[: int(random.integers(1, len(data) // 2))], None


def hostile(random: np.random.Generator) -> Made:
    makers: list[Callable[[], bytes]] = [
        lambda: pickle.dumps({"weight": [1.0]}),
        lambda: b"",
        lambda: b"This is text, not a picture.\n" * 9,
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        lambda: random.bytes(int(random.integers(1, 400))),
        bomb,
        lambda: b"II*\0" + struct.pack("<I", 8) + random.bytes(200),
        lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X" + random.bytes(60),
        lambda: tiff_of(np.ones((4, 4, 1), np.float32)),
    ]
    return str(random.choice(["png", "jpg", "tif"])), makers[random.integers(len(makers))](), None


def bomb() -> bytes:
    """A PNG that declares 50,000 by 50,000 pixels."""
    head = b"IHDR" + struct.pack(">2I5B", 50_000, 50_000, 8, 6, 0, 0, 0)
    rows = b"IDAT" + zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (head, rows, b"IEND")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Good | None]]:
    """The folder, and what must come out of each file."""
    random = np.random.default_rng(20)
    folder = tmp_path_factory.mktemp("odd") / "in"
    folder.mkdir()
    makers = [plain] * 12 + [deep] * 3 + [animated, wrong_suffix] + [truncated, hostile] * 2
    expected: dict[str, Good | None] = {}
    for index in range(COUNT):
        suffix, data, good = makers[index % len(makers)](random)
        name = f"{index:03}.{suffix}"
        (folder / name).write_bytes(data)
        expected[name] = good
    return folder, expected


def test_five_hundred_odd_files(folder, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    source, expected = folder
    torch.set_num_threads(1)
    target = source.parent / "out"
    arguments = ["upscale", str(source), "-o", str(target), "-m", "bicubic", "-s", str(SCALE)]
    assert srlab(monkeypatch, *arguments, "--json") == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    tree = json.loads(captured.out)
    assert len(tree["files"]) == COUNT
    found = {Path(file["input"]).name: file for file in tree["files"]}
    assert found.keys() == expected.keys()
    bad = {name for name, good in expected.items() if good is None}
    assert {name for name, file in found.items() if file["status"] == "failed"} == bad
    assert tree["written"] == COUNT - len(bad) > 400
    for name in bad:
        reason = found[name]["reason"]
        assert "\n" not in reason
        assert "unexpected" not in reason
    for name, good in expected.items():
        if good is not None:
            check(Path(found[name]["output"]), good, name)
    assert len(list(target.rglob("*"))) == tree["written"]


def check(path: Path, good: Good, name: str) -> None:
    """Whether a result is what it must be."""
    with path.open("rb") as file:
        picture = read_picture(file)
        header = picture.header
        assert header.size == (SCALE * good.size[0], SCALE * good.size[1]), name
        # These two formats have no grey.
        grey_is_kept = header.format.name not in ("webp", "avif")
        channels = good.channels if grey_is_kept or good.channels > 2 else good.channels + 2
        assert header.channels == channels, name
        assert header.bits == good.bits, name
        assert header.frames == good.frames, name
        assert len(list(picture.frames())) == good.frames
        metadata = picture.metadata
        # PNG forbids the profile of RGB for grey pixels.
        is_forbidden = header.format.name == "png" and channels <= 2
        assert metadata.icc == (None if is_forbidden else good.icc), name
        if good.dpi is not None:
            assert metadata.dpi == pytest.approx(good.dpi, abs=0.5), name
        if good.make is None:
            return
        exif = Image.Exif()
        exif.load(metadata.exif or b"")
        assert good.make in exif[ExifTags.Base.Make], name
        assert exif.get(ExifTags.Base.Orientation, 1) == 1, name
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.ExifImageWidth] == header.size[0], name


def test_damaged_files_are_read_or_refused() -> None:
    random = np.random.default_rng(7)
    refusals: list[str] = []
    for index in range(400):
        _, data, _ = (plain, deep, animated)[index % 3](random)
        damaged = bytearray(data)
        for _ in range(random.integers(1, 6)):
            place = int(random.integers(len(damaged)))
            damaged[place : place + 4] = random.bytes(int(random.integers(9)))
        try:
            picture = read_picture(io.BytesIO(damaged), megapixels=1)
            out, (width, height) = io.BytesIO(), picture.header.size
            form, size = picture.header.format, (2 * width, 2 * height)
            if refusal(form, picture.header, size) is None:
                lossless = Compression(None, picture.header.lossless)
                write_enlarged(out, picture, load("nearest"), size, form, Options(), lossless)
                assert read_header(out).size == size
        except SrlabError as error:
            refusals.append(str(error))
    assert 50 < len(refusals) < 350
    assert not any("\n" in said for said in refusals)


def test_a_circle_of_directories_comes_to_an_end() -> None:
    data = bytearray(tiff_of(np.ones((4, 4, 1), np.uint8), subfiletype=1))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    assert read_header(io.BytesIO(data)).size == (4, 4)
