"""EXIF, ICC profile, resolution and texts of an opened picture."""

import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import IFDRational

from srlab.upscaling import exif as exif_bytes
from srlab.upscaling.orientation import turned, upright_xmp
from srlab.upscaling.picture import Metadata
from srlab.upscaling.png_chunks import read_chunks

_PNG_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP")

_DESCRIBING = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
    *(ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.Artist),
    *(ExifTags.Base.HostComputer, ExifTags.Base.Copyright, ExifTags.Base.DocumentName),
    *(ExifTags.Base.Rating, ExifTags.Base.RatingPercent),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
}
"""Of a TIFF's own tags those that tell of the picture, not of how its pixels lie in the file."""


def read_metadata(image: Image.Image, file: BinaryIO) -> Metadata:
    """What an opened image says of itself; what of it is damaged is left out.

    Args:
        image: as Pillow opened it, no TIFF. A PNG tells all only when it is decoded.
        file: what it is in.
    """
    info = image.info
    is_png = isinstance(image, PngImageFile)
    exif = read_exif(info)
    return Metadata(
        icc=_bytes(info.get("icc_profile")),
        exif=exif,
        xmp=_xmp(info.get("xmp")),
        dpi=_dpi(info.get("dpi"), exif_bytes.orientation(exif or b"")),
        comment=_bytes(info.get("comment")),
        text=_text(image.text) if isinstance(image, PngImageFile) else {},
        png_colour=tuple(read_chunks(file, _PNG_COLOUR)) if is_png else (),
    )


def tiff_metadata(tags: Image.Exif, orientation: int) -> Metadata:
    """What a TIFF's tags say of its picture; what of it is damaged is left out.

    Args:
        tags: of its first page.
        orientation: of its pixels as they were stored.
    """
    return Metadata(
        icc=_bytes(tags.get(ExifTags.Base.InterColorProfile)),
        exif=_exif_of_tiff(tags),
        xmp=_xmp(tags.get(ExifTags.Base.XMLPacket)),
        dpi=_dpi(_resolution(tags), orientation),
    )


def read_exif(info: dict[Any, Any]) -> bytes | None:
    """The EXIF that Pillow found, beginning with its byte order."""
    exif = info.get("exif")
    if exif is None and (profile := info.get("Raw profile type exif")) is not None:
        # ImageMagick's way before PNG had a chunk for it: a head of three lines, then digits.
        digits = "".join(str(profile).split("\n")[3:])
        exif = bytes.fromhex(digits) if re.fullmatch(r"([0-9a-fA-F]{2})+", digits) else None
    if not isinstance(exif, bytes):
        return None
    return exif_bytes.strip_prefix(exif) or None


def _exif_of_tiff(tags: Image.Exif) -> bytes | None:
    """A TIFF's describing tags, EXIF and GPS directories, as other formats hold them."""
    kept = Image.Exif()
    try:
        for tag in _DESCRIBING & set(tags):
            kept[tag] = tags[tag]
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            values = dict(tags.get_ifd(directory))
            values.pop(exif_bytes.INTEROPERABILITY, None)  # an offset into the old file
            if values:
                kept[directory] = values
        return exif_bytes.strip_prefix(kept.tobytes()) if len(kept) else None
    except Exception:  # damaged tags fail in many ways
        return None


def _resolution(tags: Image.Exif) -> list[float] | None:
    """Pixels per inch across and down."""
    unit = {2: 1.0, 3: 2.54}.get(tags.get(ExifTags.Base.ResolutionUnit, 2))
    values: list[Any] = [
        tags.get(tag) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
    ]
    if unit is None or not all(isinstance(value, float | IFDRational) for value in values):
        return None
    return [float(value) * unit for value in values]


def _xmp(value: Any) -> bytes | None:
    return upright_xmp(value) if isinstance(value, bytes) and value else None


def _dpi(value: Any, orientation: int) -> tuple[float, float] | None:
    try:
        across, down = (float(number) for number in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (0 < across < 1e6 and 0 < down < 1e6):
        return None
    return turned((across, down), orientation)


def _text(texts: Mapping[str, str]) -> dict[str, str]:
    """PNG's texts, without those that carry binary metadata."""
    return {
        str(key): str(value)
        for key, value in texts.items()
        if not str(key).startswith(("Raw profile type", "XML:com.adobe.xmp"))
    }


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) and value else None
