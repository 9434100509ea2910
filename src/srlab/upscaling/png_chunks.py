"""The chunks of a PNG (PNG specification, third edition, section 5)."""

import struct
import zlib
from collections.abc import Collection
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 2**16
"""Bytes of a chunk that is read; those that are asked for are far smaller."""


def write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write one chunk."""
    checksum = zlib.crc32(data, zlib.crc32(kind))
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", checksum))


def read_chunks(file: BinaryIO, kinds: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """(kind, data) of small chunks in front of the pixels; ends where the file is damaged.

    Args:
        file: a PNG; is read from its start.
        kinds: such as b"gAMA".
    """
    found = []
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"IDAT", b"IEND"):
            break
        if kind not in kinds or length > _LARGEST:
            file.seek(length + 4, 1)
            continue
        data = file.read(length)
        if file.read(4) == struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))):
            found.append((kind, data))
    return found
