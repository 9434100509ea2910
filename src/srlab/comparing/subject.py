"""What is compared: a picture, or the most detailed part of a large one, and a crop of that."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from srlab.comparing.detail import detail
from srlab.comparing.on_screen import on_screen
from srlab.data.tensors import to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.metrics.protocols import PROTOCOLS
from srlab.params import ProtocolName
from srlab.report.crops import Box
from srlab.upscaling.reading import read_picture
from srlab.upscaling.sizes import Sizing

LARGEST = 2_000_000
"""Pixels of a result, about a screen's. Of what would have more a part is compared."""

PROTOCOLS_OF_PICTURES = tuple(
    name
    for name, protocol in PROTOCOLS.items()
    if not protocol.luma_first and protocol.kernel == "bicubic"
)
"""Those that keep colours, and in which bicubic enlarging is what `--model bicubic` does."""

_CROP = 120
"""Pixels of a result that the zoomed crop has on each side, where nobody says otherwise."""


@dataclass(frozen=True)
class Subject:
    """What every model enlarges."""

    name: str
    """Of the picture's file."""
    lr: np.ndarray
    """uint8 or uint16 (h, w, C), as `srlab.upscaling.regions.Enlargement` takes it."""
    icc: bytes | None
    """Profile of its colours."""
    scale: float
    size: tuple[int, int]
    """(W, H) of the results."""
    crop: Box
    """What of them is shown zoomed."""
    truth: np.ndarray | None = None
    """uint8 (H, W) or (H, W, 3): what results are held against."""
    protocol: ProtocolName | None = None
    """By which the truth was shrunk, and results are scored."""
    part: Box | None = None
    """What of the picture it is, unless it is all."""

    @property
    def part_note(self) -> str:
        """What readers must know of a part, in words."""
        assert self.part is not None
        left, top, side = self.part.left, self.part.top, self.part.side
        return (
            f"{self.name} is large, so a part of it is compared: {side}x{side} pixels, "
            f"from {left},{top} on."
        )


def read_subject(
    path: Path,
    *,
    scale: float,
    crop: Box | None = None,
    protocol: ProtocolName | None = None,
    megapixels: float,
) -> Subject:
    """Read a picture that is to be compared; of an animation the first frame.

    Args:
        path: the picture.
        scale: any factor; a whole one of a truth.
        crop: what is shown zoomed, in pixels of the picture; None: where it has the most detail.
        protocol: shrink the picture by it, and hold the results against what it was; one of
            `PROTOCOLS_OF_PICTURES`.
        megapixels: of the picture, at most.

    Raises:
        SrlabError: it cannot be read, is too small, or the crop reaches outside of it.
    """
    try:
        pixels, icc = first_frame(path, megapixels)
    except SrlabError as error:
        raise SrlabError(f"{path}: {error}") from None
    height, width = pixels.shape[:2]
    if crop is not None and not _is_inside(crop, pixels):
        raise SrlabError(
            f"--crop {crop.left},{crop.top},{crop.side}: reaches outside of {path}, which has "
            f"{width}x{height} pixels"
        )
    part = None
    ratio = scale if protocol is None else 1.0
    if width * height * ratio**2 > LARGEST:
        part = _part(pixels, int(math.sqrt(LARGEST) / ratio), crop)
        pixels = part.inside(pixels)
        crop = (
            None
            if crop is None
            else replace(crop, left=crop.left - part.left, top=crop.top - part.top)
        )
    if protocol is not None:
        return _shrunk(path, pixels, icc, int(scale), crop, part, protocol)
    size = Sizing(scale).of((pixels.shape[1], pixels.shape[0]))
    box = _enlarged(crop or detail(pixels, math.ceil(_CROP / scale)), scale, size)
    return Subject(path.name, pixels, icc, scale, size, box, part=part)


def first_frame(path: Path, megapixels: float) -> tuple[np.ndarray, bytes | None]:
    """uint8 or uint16 (H, W, C) of a picture, or of an animation's first frame, and its profile.

    Args:
        path: the picture.
        megapixels: that it may have.

    Raises:
        SrlabError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            picture = read_picture(file, megapixels=megapixels)
            return next(picture.frames()).pixels, picture.metadata.icc
    except OSError as error:
        raise SrlabError(f"cannot be opened ({error.strerror}); check its name") from None


def _shrunk(
    path: Path,
    pixels: np.ndarray,
    icc: bytes | None,
    scale: int,
    crop: Box | None,
    part: Box | None,
    protocol: ProtocolName,
) -> Subject:
    if min(pixels.shape[:2]) < scale:
        raise SrlabError(f"{path}: too small to be shrunk by {scale}; give a larger picture")
    lr, hr = (
        to_pixels(image)
        for image in PROTOCOLS[protocol].pair(to_tensor(np.array(on_screen(pixels, icc))), scale)
    )
    size = hr.shape[1], hr.shape[0]
    lr = lr if lr.ndim == 3 else lr[..., None]
    box = _enlarged(detail(lr, -(-_CROP // scale)), scale, size)
    if crop is not None:
        box = _enlarged(crop, 1, size)
    return Subject(path.name, lr, None, scale, size, box, hr, protocol, part)


def _part(pixels: np.ndarray, side: int, crop: Box | None) -> Box:
    """A square of a large picture: around the crop, or where the most detail is."""
    side = min(max(side, crop.side if crop else 1), *pixels.shape[:2])
    if crop is None:
        return detail(pixels, side)
    top, left = (
        min(max(0, start + (crop.side - side) // 2), length - side)
        for start, length in zip((crop.top, crop.left), pixels.shape[:2], strict=True)
    )
    return Box(left, top, side)


def _is_inside(box: Box, pixels: np.ndarray) -> bool:
    left, top, right, bottom = box.edges
    return (
        min(left, top) >= 0
        and box.side > 0
        and right <= pixels.shape[1]
        and bottom <= pixels.shape[0]
    )


def _enlarged(box: Box, ratio: float, size: tuple[int, int]) -> Box:
    """The same square in a larger picture of (W, H)."""
    left, top, side = (round(value * ratio) for value in (box.left, box.top, box.side))
    side = min(max(side, 1), *size)
    return Box(min(left, size[0] - side), min(top, size[1] - side), side)
