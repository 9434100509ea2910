"""A picture in memory, with everything that belongs to it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from srlab.upscaling.formats import Header


@dataclass(frozen=True)
class Metadata:
    """What a file says of its pixels."""

    icc: bytes | None = None
    """ICC profile of the pixels' colours; None stands for sRGB."""
    exif: bytes | None = None
    """Begins with its byte order. Its orientation is that of the pixels as they are in memory."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Pixels per inch across and down."""
    comment: bytes | None = None
    """JPEG's and GIF's."""
    text: Mapping[str, str] = field(default_factory=dict)
    """PNG's texts by keyword."""
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    """PNG's own chunks that say what its values mean: gAMA, cHRM, sRGB, cICP."""


@dataclass(frozen=True)
class Frame:
    """One image."""

    pixels: np.ndarray
    """uint8 or uint16 (H, W, C), C as in `Header.channels`; may be a view or a memory map."""
    duration: float = 0
    """Milliseconds that it is shown, in an animation."""


@dataclass(frozen=True)
class Picture:
    """What a file holds."""

    header: Header
    frames: Callable[[], Iterator[Frame]]
    """Decodes them one by one; may be called again."""
    metadata: Metadata
    notes: tuple[str, ...] = ()
    """What was changed when it was read, in words."""
    loop: int | None = None
    """How often an animation is repeated, 0 for ever; None stands for once."""
    default_image: bool = False
    """The first frame is no part of the animation (APNG)."""
