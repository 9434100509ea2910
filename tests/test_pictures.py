"""Pictures come out whole: depth, transparency, orientation, colours, frames, what files say."""

import ctypes
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from conftest import make_photo
from PIL import ExifTags, Image, ImageCms, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo
from test_folded import as_if_trained

from srlab.data.resample import resample
from srlab.errors import SrlabError
from srlab.inference.upscalers import EnlargingRgb
from srlab.models.srresnet import SRResNet
from srlab.upscaling import exif as exif_bytes
from srlab.upscaling.formats import FORMATS, Header, format_named, refusal
from srlab.upscaling.hidden_colour import filled
from srlab.upscaling.model import Model, load
from srlab.upscaling.orientation import upright, upright_xmp
from srlab.upscaling.pillow_writer import Compression, check_memory
from srlab.upscaling.reading import read_header, read_picture
from srlab.upscaling.regions import Options
from srlab.upscaling.writing import write_enlarged

NEAREST, BICUBIC = load("nearest"), load("bicubic")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
LOSSLESS = Compression(None, lossless=True)


def enlarged(
    data: bytes,
    form: str | None = None,
    model: Model = NEAREST,
    compression: Compression = LOSSLESS,
    scale: int = 2,
) -> tuple[bytes, list[str]]:
    """A file's content, enlarged, and what was changed in it."""
    picture = read_picture(io.BytesIO(data))
    width, height = picture.header.size
    kind = picture.header.format if form is None else format_named(form)
    out, size = io.BytesIO(), (width * scale, height * scale)
    notes = write_enlarged(out, picture, model, size, kind, Options(), compression)
    return out.getvalue(), [*picture.notes, *notes]


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def twice(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


def photo_of(mode: str, height: int = 12, width: int = 9) -> Image.Image:
    """A photo; transparent in stripes where the mode has alpha."""
    image = Image.fromarray(make_photo(height, width)).convert(mode)
    if mode.endswith("A"):
        stripes = np.arange(height * width).reshape(height, width) % 5 < 2
        image.putalpha(Image.fromarray(np.where(stripes, 0, 255).astype(np.uint8)))
    return image


def deep(channels: int, height: int = 9, width: int = 12) -> np.ndarray:
    """Random 16-bit pixels of which none is hidden."""
    random = np.random.default_rng(channels)
    return random.integers(1, 65536, (height, width, channels), dtype=np.uint16)


def png_of(pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG."""
    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = (b"IHDR", struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0))
    parts = [head, *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def tiff_of(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    channels = pixels.shape[-1]
    arguments: dict = {
        "photometric": "rgb" if channels > 2 else "minisblack",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "planarconfig": "contig" if channels > 1 else None,
    }
    shown = pixels[..., 0] if channels == 1 else pixels
    tifffile.imwrite(file, shown, metadata=None, **arguments | options)
    return file.getvalue()


def tiff_pixels(data: bytes) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels = file.pages.first.asarray()
    return pixels if pixels.ndim == 3 else pixels[..., None]


def deep_pixels(data: bytes, form: str) -> np.ndarray:
    if form == "tiff":
        return tiff_pixels(data)
    (frame,) = read_picture(io.BytesIO(data)).frames()
    return frame.pixels


# Channels and depth.


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        (form.name, mode)
        for form in FORMATS.values()
        for mode in ("L", "LA", "RGB", "RGBA")
        if form.name != "jpeg" and (form.alpha or not mode.endswith("A"))
    ],
)
def test_every_pixel_and_the_mode_are_kept(form: str, mode: str) -> None:
    image = photo_of(mode)
    result = opened(enlarged(saved(image, "png"), form)[0])
    expected, found = (
        np.asarray(picture.convert("RGBA")).astype(int)
        for picture in (image.resize((18, 24), Image.Resampling.NEAREST), result)
    )
    assert np.array_equal(found[..., 3] > 127, expected[..., 3] > 127)
    shown = expected[..., 3] > 0
    loss = {"gif": 12, "avif": 30}.get(form, 0)
    assert np.abs(found[shown] - expected[shown]).max() <= loss
    if form in ("png", "tiff", "bmp"):
        assert result.mode == mode
    if mode in ("L", "LA"):
        assert (found[shown][:, :1] == found[shown][:, 1:3]).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_stays_a_jpeg_of_its_mode(mode: str) -> None:
    data, notes = enlarged(saved(photo_of(mode, 24, 32), "jpeg", quality=95), model=BICUBIC)
    result = opened(data)
    assert (result.format, result.mode, result.size) == ("JPEG", mode, (64, 48))
    back = result.resize((32, 24), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(back).astype(int) - np.asarray(photo_of(mode, 24, 32))).mean() < 6
    assert notes == []


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("source", ["png", "tiff"])
@pytest.mark.parametrize("target", ["png", "tiff"])
def test_all_16_bits_are_kept(channels: int, source: str, target: str) -> None:
    pixels = deep(channels)
    data = png_of(pixels) if source == "png" else tiff_of(pixels)
    assert read_header(io.BytesIO(data)).bits == 16
    assert read_header(io.BytesIO(data)).channels == channels
    result, notes = enlarged(data, target)
    found = deep_pixels(result, target)
    assert found.dtype == np.uint16
    assert np.array_equal(found, twice(pixels))
    assert notes == []


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib", "predictor": True},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib"},
        {"tile": (16, 16)},
        {"rowsperstrip": 2},
    ],
    ids=["zlib", "big-endian", "big-endian-zlib", "tiles", "strips"],
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiffs_of_many_kinds_are_read(channels: int, options: dict, tmp_path: Path) -> None:
    pixels = deep(channels, 40, 21)
    (tmp_path / "scan.tif").write_bytes(tiff_of(pixels, **options))
    with (tmp_path / "scan.tif").open("rb") as file:
        (frame,) = read_picture(file).frames()
        assert np.array_equal(frame.pixels, pixels)


def lzw(data: bytes) -> bytes:
    """TIFF's LZW without compressing: codes of 9 bits, the table cleared before it grows."""
    codes = []
    for index, value in enumerate(data):
        codes += [256, value] if index % 200 == 0 else [value]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_compression_that_only_libtiff_knows(channels: int, orientation: int) -> None:
    pixels = deep(channels, 7, 5)
    data = tiff_of(
        np.zeros_like(pixels), compression="zlib", extratags=[(274, 3, 1, orientation, True)]
    )
    file = io.BytesIO(data)
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages.first.aspage().tags
        place = file.seek(0, 2)
        strip = lzw(pixels.astype("<u2").tobytes())
        file.write(strip)
        tags["StripOffsets"].overwrite(place)
        tags["StripByteCounts"].overwrite(len(strip))
        tags["Compression"].overwrite(5)
    (frame,) = read_picture(file).frames()
    assert np.array_equal(frame.pixels, upright(pixels, orientation))


def test_alpha_that_is_multiplied_in_is_divided_out() -> None:
    pixels = np.full((4, 5, 4), 60_000, np.uint16)
    pixels[..., 3] = np.arange(5) * 16_000
    multiplied = pixels.copy()
    multiplied[..., :3] = pixels[..., :3].astype(np.uint64) * pixels[..., 3:] // 65535
    for data in (multiplied, (multiplied >> 8).astype(np.uint8)):
        (frame,) = read_picture(io.BytesIO(tiff_of(data, extrasamples=["assocalpha"]))).frames()
        largest = np.iinfo(data.dtype).max
        shown = frame.pixels[:, 1:, :3] / largest
        assert np.abs(shown - 60_000 / 65_535).max() < 3 / 255


@pytest.mark.parametrize("bits", [8, 16])
def test_white_may_be_zero(bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = (deep(1) >> (16 - bits)).astype(dtype)
    (frame,) = read_picture(io.BytesIO(tiff_of(pixels, photometric="miniswhite"))).frames()
    assert np.array_equal(frame.pixels, np.iinfo(dtype).max - pixels)


def test_16_bits_are_rounded_once_at_the_end() -> None:
    ramp = np.linspace(0, 65535, 40).astype(np.uint16)
    pixels = np.broadcast_to(ramp, (8, 40))[..., None].copy()
    data, _ = enlarged(png_of(pixels), model=BICUBIC, scale=3)
    exact = resample(torch.from_numpy(pixels[..., 0].astype(np.float64)) / 65535, scale=3)
    found = deep_pixels(data, "png")[..., 0]
    assert np.abs(found - exact.clamp(0, 1).numpy() * 65535).max() < 1
    assert len(np.unique(found)) > 100  # 8 bits would leave 40 steps of 257


@pytest.mark.parametrize("form", ["jpeg", "webp", "bmp"])
def test_what_becomes_of_16_bits_where_there_are_8(form: str) -> None:
    pixels = np.full((8, 8, 3), 40_000, np.uint16)
    result = opened(enlarged(png_of(pixels), form)[0])
    assert np.abs(np.asarray(result).astype(int) - round(40_000 / 257)).max() <= 1


def test_bits_between_8_and_16_and_floats_are_refused() -> None:
    for dtype in (np.float32, np.int16, np.uint32):
        data = tiff_of(np.ones((4, 4, 1), dtype))
        with pytest.raises(SrlabError, match=r"convert it to 8 or 16 bits per channel"):
            read_header(io.BytesIO(data))


def test_palettes_become_what_they_show() -> None:
    colours = photo_of("RGB").quantize(7)
    data, notes = enlarged(saved(colours, "png"))
    assert opened(data).mode == "RGB"
    assert np.array_equal(np.asarray(opened(data)), twice(np.asarray(colours.convert("RGB"))))
    assert notes == ["a palette became colours"]
    greys = photo_of("L").quantize(7)
    assert opened(enlarged(saved(greys, "png"))[0]).mode == "L"
    colours.info["transparency"] = 0
    found = np.asarray(opened(enlarged(saved(colours, "png", transparency=0))[0]))
    assert np.array_equal(found[..., 3] == 0, twice(np.asarray(colours) == 0))


def test_one_bit_becomes_smooth_grey() -> None:
    image = Image.fromarray(make_photo(20, 30)).convert("1")
    for form in ("png", "tiff", "bmp"):
        data, notes = enlarged(saved(image, form), model=BICUBIC)
        result = opened(data)
        assert result.mode == "L"
        assert len(np.unique(np.asarray(result))) > 10
        assert notes == ["one bit per pixel became 8"]
    fax = saved(image, "tiff", compression="group4")
    assert np.array_equal(
        np.asarray(opened(enlarged(fax)[0])), twice(np.asarray(image.convert("L")))
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_that_is_declared_transparent(mode: str, bits: int) -> None:
    pixels = deep(len(mode))
    key = pixels[2, 3].copy()
    pixels[5, :4] = key
    values = struct.pack(f">{len(key)}H", *(key if bits == 16 else key >> 8))
    if bits == 16:
        data = png_of(pixels, (b"tRNS", values))
    else:
        small = (pixels >> 8).astype(np.uint8)
        image = Image.fromarray(small[..., 0] if mode == "L" else small)
        chosen = tuple(int(value) for value in small[2, 3])
        data = saved(image, "png", transparency=chosen[0] if mode == "L" else chosen)
        pixels, key = small, small[2, 3]
    result, _ = enlarged(data)
    alpha = deep_pixels(result, "png")[..., -1]
    assert np.array_equal(alpha == 0, twice((pixels == key).all(axis=-1)))
    assert set(np.unique(alpha)) == {0, 2**bits - 1}


# Transparency.


def logo(colour: tuple[int, int, int], hidden: int) -> np.ndarray:
    """A disc on transparent pixels, whose colour nobody is meant to see."""
    y, x = np.mgrid[:24, :28]
    inside = (y - 11) ** 2 + (x - 14) ** 2 < 64
    pixels = np.full((24, 28, 4), hidden, np.uint8)
    pixels[..., 3] = 255 * inside
    pixels[inside, :3] = colour
    return pixels


def small_network() -> Model:
    network = as_if_trained(
        SRResNet(scale=2, residual_blocks=1, features=4, batch_norm=False, bicubic_skip=True)
    )
    return Model(
        "small", EnlargingRgb(network, 2), (2,), "bicubic", torch.device("cpu"), lambda scale: 12
    )


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("model", [BICUBIC, small_network()], ids=["bicubic", "network"])
def test_hidden_colours_do_not_bleed(hidden: int, model: Model) -> None:
    data = saved(Image.fromarray(logo((220, 40, 90), hidden)), "png")
    solid = saved(Image.new("RGB", (28, 24), (220, 40, 90)), "png")
    found = np.asarray(opened(enlarged(data, model=model)[0])).astype(int)
    expected = np.asarray(opened(enlarged(solid, model=model)[0])).astype(int)
    visible = found[..., 3] > 0
    assert (found[..., 3] % 255 > 0).any()  # a soft edge
    assert np.abs(found[visible][:, :3] - expected[visible]).max() <= 1


def test_alpha_is_enlarged_for_itself() -> None:
    pixels = logo((1, 2, 3), 0)
    found = np.asarray(opened(enlarged(saved(Image.fromarray(pixels), "png"), model=BICUBIC)[0]))
    alpha = torch.from_numpy(pixels[..., 3] / 255)
    exact = resample(alpha, scale=2).clamp(0, 1).mul(255).round().numpy()
    assert np.abs(found[..., 3] - exact).max() <= 1


def test_hidden_colours_are_filled_from_around() -> None:
    pixels = np.zeros((9, 31, 4), np.uint16)
    pixels[:, :3] = (60_000, 0, 7, 65_535)
    pixels[:, -2:] = (0, 50_000, 7, 1)
    result = filled(pixels)
    shown = pixels[..., 3] > 0
    assert np.array_equal(result[shown], pixels[shown])
    assert np.array_equal(result[..., 3], pixels[..., 3])
    assert (result[:, 3:6, 0] > 50_000).all()
    assert (result[:, -5:-2, 1] > 40_000).all()
    assert (result[..., 2] == 7).all()
    empty = np.zeros((3, 4, 2), np.uint8)
    assert filled(empty) is empty


def test_grey_stays_grey_through_a_network_of_colours() -> None:
    for mode in ("L", "LA"):
        result = opened(enlarged(saved(photo_of(mode), "png"), model=small_network())[0])
        assert result.mode == mode


def test_of_a_phones_several_pictures_the_first_is_kept() -> None:
    data = saved(photo_of("RGB"), "mpo", save_all=True, append_images=[photo_of("RGB")])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    result, notes = enlarged(data)
    assert (opened(result).format, opened(result).size) == ("JPEG", (18, 24))
    assert notes == ["only the first of its pictures was kept"]


# What files say of their pixels.


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Camera & Söhne"
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExposureTime: 0.25,
        ExifTags.Base.ExifImageWidth: 9,
        ExifTags.Base.ExifImageHeight: 12,
    }
    exif[ExifTags.IFD.GPSInfo] = {
        ExifTags.GPS.GPSLatitudeRef: "N",
        ExifTags.GPS.GPSLatitude: (43.0, 39.0, 35.0),
    }
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["png", "jpeg", "tiff", "webp", "avif"])
def test_orientation_is_applied_and_reset(form: str, orientation: int) -> None:
    image = photo_of("RGB", 12, 9)
    options = {"lossless": True} if form == "webp" else {"quality": 95} if form != "png" else {}
    data = saved(image, form, exif=exif_of(orientation), **options)
    expected = ImageOps.exif_transpose(opened(data))
    header = read_header(io.BytesIO(data))
    assert header.size == expected.size
    result = opened(enlarged(data, "png")[0])
    assert np.array_equal(np.asarray(result), twice(np.asarray(expected)))
    same = opened(enlarged(data)[0])
    assert same.size == result.size
    exif = same.getexif()
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    assert "Camera" in exif[ExifTags.Base.Make]
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert inner[ExifTags.Base.ExposureTime] == 0.25
    size = inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight]
    assert size == same.size
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (43, 39, 35)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_are_turned_too(orientation: int) -> None:
    pixels = deep(3)
    exif = exif_of(orientation).removeprefix(b"Exif\0\0")
    (frame,) = read_picture(io.BytesIO(png_of(pixels, (b"eXIf", exif)))).frames()
    assert np.array_equal(frame.pixels, upright(pixels, orientation))
    data = tiff_of(pixels, extratags=[(274, 3, 1, orientation, True)])
    (frame,) = read_picture(io.BytesIO(data)).frames()
    assert np.array_equal(frame.pixels, upright(pixels, orientation))


@pytest.mark.parametrize("target", ["png", "jpeg", "tiff", "webp", "avif"])
@pytest.mark.parametrize("source", ["png", "jpeg", "tiff", "webp", "avif"])
def test_profile_resolution_exif_and_xmp_go_along(source: str, target: str) -> None:
    options: dict = {"icc_profile": SRGB, "exif": exif_of(1), "dpi": (300, 150), "xmp": XMP}
    if source == "png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    if source == "tiff":
        options["exif"] = Image.Exif()
        options["exif"].load(exif_of(1))
        options["exif"][ExifTags.Base.XMLPacket] = XMP
    data = saved(photo_of("RGB"), source, **options)
    result = opened(enlarged(data, target)[0])
    assert result.info["icc_profile"] == SRGB
    assert result.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] == 0.25
    found = result.info["xmp"]
    assert b'Orientation="1"' in found
    if FORMATS[source].dpi and FORMATS[target].dpi:
        assert np.allclose(result.info["dpi"], (300, 150), atol=0.02)


def test_a_resolution_finds_a_place_where_there_is_no_field() -> None:
    data = saved(photo_of("RGB"), "png", dpi=(300, 300))
    exif = opened(enlarged(data, "webp")[0]).getexif()
    assert exif[ExifTags.Base.XResolution] == pytest.approx(300, abs=0.02)
    assert exif[ExifTags.Base.ResolutionUnit] == 2


def test_resolution_is_turned_with_the_pixels() -> None:
    data = saved(photo_of("RGB"), "jpeg", exif=exif_of(6), dpi=(300, 150))
    assert opened(enlarged(data)[0]).info["dpi"] == (150, 300)


def test_texts_and_the_meaning_of_values_stay_in_png() -> None:
    chunks = [
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"tEXt", b"Title\0a scan"),
        (b"iTXt", b"Author\0\0\0\0\0" + "Søren".encode()),
    ]
    data, _ = enlarged(png_of(deep(1), *chunks))
    assert opened(data).text == {"Title": "a scan", "Author": "Søren"}
    assert opened(data).info["gamma"] == 1.0
    assert struct.pack(">I", 4) + b"cICP" + bytes([9, 16, 0, 1]) in data


def test_a_comment_stays_in_jpeg() -> None:
    data = saved(photo_of("RGB"), "jpeg", comment=b"by hand")
    assert opened(enlarged(data)[0]).info["comment"] == b"by hand"


def test_a_profile_of_other_pixels_is_left_out() -> None:
    data, notes = enlarged(saved(photo_of("L"), "jpeg", icc_profile=SRGB), "png")
    assert "icc_profile" not in opened(data).info
    assert notes == ["the ICC profile left out: it is not one of such pixels"]
    assert opened(enlarged(saved(photo_of("L"), "jpeg", icc_profile=SRGB))[0]).info["icc_profile"]


def test_what_a_format_has_no_room_for_is_said() -> None:
    data = saved(photo_of("RGB"), "png", icc_profile=SRGB, exif=exif_of(1))
    assert enlarged(data, "bmp")[1] == ["EXIF, ICC profile left out: BMP has no room for it"]
    large = Image.Exif()
    large[ExifTags.Base.ImageDescription] = "x" * 70_000
    result, notes = enlarged(saved(photo_of("RGB"), "png", exif=large), "jpeg")
    assert notes == ["EXIF left out: JPEG has no room for it"]
    assert opened(result).size == (18, 24)


def test_damaged_exif_does_no_harm() -> None:
    exif = exif_of(6)
    random = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(exif[6:])
        for _ in range(random.integers(1, 9)):
            broken[random.integers(len(broken))] = random.integers(256)
        cut = bytes(broken[: random.integers(1, len(broken) + 1)])
        assert 1 <= exif_bytes.orientation(cut) <= 8
        assert len(exif_bytes.made_upright(cut, (70_000, 3))) == len(cut)
    assert exif_bytes.orientation(exif[6:]) == 6
    assert exif_bytes.orientation(exif_bytes.made_upright(exif[6:], (1, 1))) == 1


def test_the_thumbnail_of_the_old_picture_is_dropped() -> None:
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 1)
    exif += struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<I", 26)
    exif += struct.pack("<H", 1) + struct.pack("<HHII", 0x0201, 4, 1, 99) + bytes(4)
    found = Image.Exif()
    found.load(exif_bytes.made_upright(exif, (4, 4)))
    assert found.get_ifd(ExifTags.IFD.IFD1) == {}
    assert found[ExifTags.Base.Orientation] == 1


def test_xmp_says_upright() -> None:
    element = b"<tiff:Orientation>8</tiff:Orientation>"
    assert upright_xmp(XMP + element) == XMP.replace(b'"6"', b'"1"') + element.replace(b"8", b"1")


# Colours of print.


def cmyk_profile() -> bytes:
    """An ICC profile of strange inks: each corner of CMYK is a Lab colour drawn at random.

    Source: ICC.1:2001, section 6.5.9 (lut8Type).
    """
    random = np.random.default_rng(3)
    corners = random.integers(60, 200, (16, 3), dtype=np.uint8)
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity
    lut += ramp * 4 + corners.tobytes() + ramp * 3
    tags = {b"A2B0": lut, b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)}
    table, body, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4s2I", name, place + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    head = struct.pack(">I4s4s4s4s4s", place + len(body), bytes(4), b"\x02\x10\0\0", b"prtr",
                       b"CMYK", b"Lab ")  # fmt: skip
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
def test_cmyk_is_converted_by_its_profile(form: str) -> None:
    profile = cmyk_profile()
    image = Image.new("CMYK", (16, 16), (255, 0, 255, 0))
    data = saved(image, form, icc_profile=profile, quality=100)
    result, notes = enlarged(data, "png")
    expected = ImageCms.profileToProfile(
        opened(data),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert opened(result).mode == "RGB"
    assert np.abs(np.asarray(opened(result))[:16, :16].astype(int) - np.asarray(expected)).max() < 3
    plain = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(plain - np.asarray(expected)).max() > 40  # the profile made a difference
    assert notes == ["CMYK became sRGB by its profile"]
    assert "icc_profile" not in opened(result).info


def test_cmyk_without_a_good_profile_is_converted_too() -> None:
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for profile, said in ((None, "since it has none"), (b"x" * 200, "which is damaged")):
        data, notes = enlarged(saved(image, "tiff", icc_profile=profile), "png")
        assert opened(data).getpixel((0, 0)) == (0, 255, 255)
        assert said in notes[0]


def test_lab_becomes_srgb() -> None:
    image = Image.merge("LAB", [Image.new("L", (6, 6), v) for v in (136, 208, 195)])
    result, notes = enlarged(saved(image, "tiff"), "png")
    red, green, blue = opened(result).getpixel((3, 3))
    assert red > 200
    assert green < 40
    assert blue < 40
    assert notes == ["LAB became sRGB"]


# Animations.


def frames_of(mode: str, count: int = 4) -> list[Image.Image]:
    """A square that wanders over a background, which is transparent where the mode has alpha."""
    frames = []
    for index in range(count):
        frame = Image.new(mode, (20, 16), (0, 0, 0, 0) if mode == "RGBA" else (10, 60, 30))
        frame.paste((250, 10 * index, 20, 255)[: len(mode)], (4 * index, 3, 4 * index + 5, 9))
        frames.append(frame)
    return frames


def animation(form: str, mode: str, **options: object) -> bytes:
    first, *others = frames_of(mode)
    defaults = {"duration": [100, 50, 200, 70], "loop": 3, "lossless": True}
    if form == "gif" and mode == "RGBA":
        defaults["disposal"] = 2
    if form == "avif":
        defaults["quality"] = 100
    return saved(first, form, save_all=True, append_images=others, **defaults | options)


def shown(image: Image.Image) -> Iterator[tuple[np.ndarray, float]]:
    for frame in ImageSequence.Iterator(image):
        frame.load()
        pixels = np.asarray(frame.convert("RGBA")).astype(int)
        yield pixels * (pixels[..., 3:] > 0), frame.info["duration"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("source", ["gif", "png", "webp"])
@pytest.mark.parametrize("target", ["gif", "png", "webp", "avif"])
def test_every_frame_is_enlarged(source: str, target: str, mode: str) -> None:
    data = animation(source, mode)
    result, _ = enlarged(data, target)
    image = opened(result)
    assert image.n_frames == 4
    tolerance = 60 if target == "avif" else 4
    pairs = zip(shown(opened(data)), shown(image), strict=True)
    for (before, duration), (after, new_duration) in pairs:
        assert new_duration == pytest.approx(duration, abs=1)
        difference = np.abs(after - twice(before))
        assert difference.max() <= tolerance
    if target != "avif":
        assert image.info["loop"] == 3


@pytest.mark.parametrize(("target", "loop"), [("gif", None), ("webp", 1), ("png", 1)])
def test_what_is_played_once_is_played_once(target: str, loop: int | None) -> None:
    first, *others = frames_of("RGB")
    data = saved(first, "gif", save_all=True, append_images=others, duration=40)
    assert opened(enlarged(data, target)[0]).info.get("loop") == loop


def test_gif_frames_that_lie_over_one_another() -> None:
    """Only what changes is stored in later frames, and each disposes of itself in another way."""
    for disposal in (0, 1, 2, 3):
        data = animation("gif", "RGB", disposal=disposal)
        pairs = zip(shown(opened(data)), shown(opened(enlarged(data)[0])), strict=True)
        for (before, _), (after, _) in pairs:
            assert np.abs(after - twice(before)).max() <= 4


def test_a_default_image_stays_outside_of_the_animation() -> None:
    default, *frames = frames_of("RGB")
    data = saved(
        default, "png", save_all=True, append_images=frames, default_image=True, duration=80
    )
    result = opened(enlarged(data)[0])
    assert result.info["default_image"]
    assert result.n_frames == 4
    assert np.array_equal(np.asarray(result.convert("RGB")), twice(np.asarray(default)))


def test_a_grey_animation_stays_grey() -> None:
    first, *others = (frame.convert("L") for frame in frames_of("RGB"))
    data = saved(first, "png", save_all=True, append_images=others, duration=40)
    assert read_picture(io.BytesIO(data)).header.channels == 1
    result = opened(enlarged(data, model=small_network())[0])
    assert result.mode == "L"


# What cannot be.


def header(channels: int = 3, frames: int = 1, bits: int = 8) -> Header:
    return Header(FORMATS["png"], (10, 10), channels, bits, frames)


def test_what_a_format_cannot_hold_is_refused() -> None:
    for name in ("jpeg", "bmp"):
        said = refusal(FORMATS[name], header(channels=4), (20, 20))
        assert "transparency" in said
        assert "use png" in said
    assert "4 frames" in refusal(FORMATS["tiff"], header(frames=4), (20, 20))
    assert "16,383 pixels" in refusal(FORMATS["webp"], header(), (16_384, 20))
    assert refusal(FORMATS["png"], header(channels=4, frames=4, bits=16), (99_999, 1)) is None


def test_several_pages_are_refused() -> None:
    data = saved(photo_of("RGB"), "tiff", save_all=True, append_images=[photo_of("RGB")])
    with pytest.raises(SrlabError, match="several pages; split it"):
        read_header(io.BytesIO(data))


def test_what_does_not_fit_into_memory_is_refused_first() -> None:
    check_memory((1000, 1000), 1, FORMATS["bmp"])
    with pytest.raises(SrlabError, match=r"BMP needs the whole picture in memory, 40000\.0 GB"):
        check_memory((10**6, 10**7), 1, FORMATS["bmp"])


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png_of(deep(1))[:16] + struct.pack(">2I5B", 40_000, 40_000, 8, 2, 0, 0, 0)
    bomb += struct.pack(">I", zlib.crc32(bomb[12:29])) + png_of(deep(1))[33:]
    with pytest.raises(SrlabError, match=r"declares 1,600\.0 million pixels.*--max-megapixels"):
        read_header(io.BytesIO(bomb))
    for data in (png_of(deep(1, 100, 200)), tiff_of(deep(3, 100, 200))):
        assert read_picture(io.BytesIO(data), megapixels=0.02).header.size == (200, 100)
        with pytest.raises(SrlabError, match=r"declares 0\.0 million pixels"):
            read_picture(io.BytesIO(data), megapixels=0.019)
    before = Image.MAX_IMAGE_PIXELS
    assert read_header(io.BytesIO(saved(photo_of("L"), "png")), megapixels=1000).bits == 8
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("form", ["png", "jpeg", "tiff", "webp", "gif", "bmp", "avif"])
def test_a_file_that_ends_early_is_refused(form: str) -> None:
    data = saved(photo_of("RGB", 40, 50), form)
    for length in (0, 3, 20, len(data) // 2, len(data) - len(data) // 4):
        with pytest.raises(SrlabError) as refused:
            list(read_picture(io.BytesIO(data[:length])).frames())
        assert "\n" not in str(refused.value)


# Memory.


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_memory_does_not_grow_with_the_height(form: str, tmp_path: Path) -> None:
    pixels = np.tile(make_photo(64, 64), (150, 1, 1))
    tifffile.imwrite(tmp_path / "tall.tif", pixels, photometric="rgb")
    size = (256, 4 * len(pixels))
    used = []
    with (tmp_path / "tall.tif").open("rb") as file, (tmp_path / "out").open("w+b") as out:
        write_enlarged(
            out,
            read_picture(file),
            BICUBIC,
            size,
            FORMATS[form],
            Options(tile=64),
            LOSSLESS,
            lambda done: used.append(allocated()),
        )
    # After the first tiles, whose buffers are used again: a hundredth of the pixels written.
    assert max(used) - used[20] < size[0] * size[1] * 3 / 100


def allocated() -> int:
    """Bytes that the process has from malloc and not given back.

    Unlike the resident size it counts neither freed memory, in which growth would hide, nor the
    pages of mapped files; it is the same in each run, whatever else the machine does.
    """
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, TypeError):
        pytest.skip("counts what glibc has allocated, version 2.33 or newer")
    mallinfo.restype = MallocInfo
    now = mallinfo()
    return now.uordblks + now.hblkhd


class MallocInfo(ctypes.Structure):
    """glibc's struct mallinfo2: in use are uordblks, and hblkhd, what is mapped on its own."""

    _fields_ = (
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    )
