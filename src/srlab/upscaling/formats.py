"""Picture formats: what each can hold, and what becomes of what it cannot."""

from dataclasses import dataclass
from pathlib import PurePath

from PIL import features

from srlab.errors import SrlabError


@dataclass(frozen=True)
class Format:
    """A kind of picture file."""

    name: str
    """As `--format` has it."""
    title: str
    """As people write it."""
    suffixes: tuple[str, ...]
    """Of file names; new files get the first."""
    alpha: bool
    """Holds transparency."""
    deep: bool
    """Holds 16 bits per channel."""
    animated: bool
    """Holds several frames with their durations."""
    quality: int | None
    """What lossy compression gets unless told otherwise; None where there is none."""
    exif: bool
    """Holds EXIF, an ICC profile and XMP."""
    dpi: bool
    """Has a field for the resolution in print."""
    longest: int
    """Pixels of the longest side that it can have."""
    streams: bool = False
    """Written piece by piece, so that the whole result need not be in memory."""


_LONG = 2**31 - 1

FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("png", "PNG", (".png", ".apng"), True, True, True, None, True, True, _LONG, True),
        Format("tiff", "TIFF", (".tif", ".tiff"), True, True, False, None, True, True, _LONG, True),
        Format(
            "jpeg", "JPEG", (".jpg", ".jpeg"), False, False, False, 95, True, True, 65_500, True
        ),
        Format("webp", "WebP", (".webp",), True, False, True, 95, True, False, 16_383),
        Format("avif", "AVIF", (".avif",), True, False, True, 90, True, False, 65_536),
        Format("bmp", "BMP", (".bmp",), False, False, False, None, False, True, 32_767),
        Format("gif", "GIF", (".gif",), True, False, True, None, False, False, 65_535),
    )
    if form.name not in ("webp", "avif") or features.check(form.name)
}
"""By name; WebP and AVIF where Pillow has them."""

_ALIASES = {"jpg": "jpeg", "tif": "tiff", "apng": "png"}

SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}
"""File suffix -> format."""

PILLOW_NAMES = {
    **{form.name.upper(): form for form in FORMATS.values()},
    "MPO": FORMATS["jpeg"],  # a JPEG with further pictures behind it, as phones make them
}
"""Pillow's names of the formats that are read, and no others: some call other programs."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded."""

    format: Format
    size: tuple[int, int]
    """(W, H) in pixels, as it is looked at: EXIF's orientation is applied."""
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    bits: int
    """Per channel, 8 or 16."""
    frames: int
    """More than one if it is animated."""
    lossless: bool = True
    """Whether its compression loses nothing."""
    jpeg_quality: int | None = None
    """See `srlab.upscaling.jpeg_quality`."""


def format_named(name: str) -> Format:
    """The format with a name, as people give it.

    Raises:
        SrlabError: there is none, or Pillow cannot write it here.
    """
    low = name.lower().removeprefix(".")
    form = FORMATS.get(_ALIASES.get(low, low))
    if form is None:
        raise SrlabError(f"{name}: no format that can be written; choose {', '.join(FORMATS)}")
    return form


def format_of(path: PurePath) -> Format | None:
    """The format that a file's suffix stands for."""
    return SUFFIXES.get(path.suffix.lower())


def refusal(form: Format, header: Header, size: tuple[int, int]) -> str | None:
    """Why a format cannot hold a picture; None if it can.

    Args:
        form: what is to be written.
        header: the picture.
        size: (W, H) of the result.
    """
    if header.channels in (2, 4) and not form.alpha:
        return f"it has transparency, which {form.title} cannot hold; use {_others('alpha')}"
    if header.frames > 1 and not form.animated:
        return (
            f"it has {header.frames} frames, and {form.title} holds one; use {_others('animated')}"
        )
    if max(size) > form.longest:
        return (
            f"{form.title} has no side longer than {form.longest:,} pixels, and this would be "
            f"{size[0]}x{size[1]}; use png or tiff, or a smaller scale"
        )
    return None


def conversions(form: Format, header: Header) -> list[str]:
    """What changes in a picture because a format cannot hold it, in words."""
    if form.name == "gif" and header.format is not form:
        changes = ["at most 256 colours in each frame"]
        return [*changes, "alpha is on or off"] if header.channels in (2, 4) else changes
    return ["16 bits per channel became 8"] if header.bits == 16 and not form.deep else []


def _others(ability: str) -> str:
    return ", ".join(form.name for form in FORMATS.values() if getattr(form, ability))
