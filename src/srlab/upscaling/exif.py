"""EXIF as bytes: its orientation read and reset in place.

Writing EXIF anew would lose what the writer does not know; cameras' own notes even hold offsets
into the whole. So only the values that an enlarged, upright picture proves wrong are overwritten.

Source: Exif 3.0, section 4.6 (tags), and TIFF 6.0, section 2 (its structure).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
EXIF_IFD = 0x8769
GPS_IFD = 0x8825
INTEROPERABILITY = 0xA005
_WIDTH, _HEIGHT = 0xA002, 0xA003
_TYPES = {3: "H", 4: "I"}
"""The struct code of TIFF's whole numbers by the number of their type."""


@dataclass(frozen=True)
class _Entry:
    tag: int
    code: str
    """Of `struct`, with the byte order."""
    place: int
    """Of its value, in bytes."""


def strip_prefix(exif: bytes) -> bytes:
    """EXIF without what JPEG has in front of it: it begins with its byte order."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    return exif


def orientation(exif: bytes) -> int:
    """How the pixels must be turned to be upright, 1 to 8; 1 where nothing valid is said."""
    try:
        for entry in _entries(exif, _first(exif)):
            if entry.tag == ORIENTATION:
                (value,) = struct.unpack_from(entry.code, exif, entry.place)
                return value if 1 <= value <= 8 else 1
    except (struct.error, ValueError):
        pass
    return 1


def made_upright(exif: bytes, size: tuple[int, int]) -> bytes:
    """The same EXIF for an upright picture of another size, without its thumbnail.

    The thumbnail shows the picture as it lay before. What cannot be parsed stays as it is.

    Args:
        exif: begins with its byte order.
        size: (W, H) of the picture that it goes with.
    """
    data = bytearray(exif)
    values = {ORIENTATION: 1, _WIDTH: size[0], _HEIGHT: size[1]}
    try:
        first = _first(exif)
        entries = list(_entries(exif, first))
        for entry in list(entries):
            if entry.tag == EXIF_IFD:
                entries += _entries(exif, struct.unpack_from(entry.code, exif, entry.place)[0])
        for entry in entries:
            if entry.tag in values:
                struct.pack_into(entry.code, data, entry.place, values[entry.tag])
        (count,) = struct.unpack_from(_order(exif) + "H", exif, first)
        struct.pack_into(_order(exif) + "I", data, first + 2 + 12 * count, 0)
    except (struct.error, ValueError):
        return exif
    return bytes(data)


def _order(exif: bytes) -> str:
    try:
        return {b"II": "<", b"MM": ">"}[exif[:2]]
    except KeyError:
        raise ValueError("no byte order") from None


def _first(exif: bytes) -> int:
    """Where the first directory begins."""
    magic, offset = struct.unpack_from(_order(exif) + "HI", exif, 2)
    if magic != 42:
        raise ValueError("no TIFF structure")
    return int(offset)


def _entries(exif: bytes, start: int) -> Iterator[_Entry]:
    """A directory's single whole numbers."""
    order = _order(exif)
    (count,) = struct.unpack_from(order + "H", exif, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", exif, place)
        if kind in _TYPES and values == 1:
            yield _Entry(tag, order + _TYPES[kind], place + 8)
