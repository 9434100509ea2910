"""Decoders kept in bounds: how much they may decode, and what is said when they fail."""

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import tifffile
from PIL import Image, UnidentifiedImageError

from srlab.errors import SrlabError
from srlab.upscaling.formats import FORMATS

_limit = threading.RLock()
"""Pillow's limit is one for all threads: whoever changes it decodes alone."""


@contextmanager
def pixel_limit(megapixels: float) -> Iterator[None]:
    """Pillow's own limit, raised or lowered to this one while it decodes."""
    with _limit:
        before = Image.MAX_IMAGE_PIXELS
        # It warns beyond the limit and refuses at twice as much.
        Image.MAX_IMAGE_PIXELS = max(int(megapixels * 1e6) // 2, 1)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextmanager
def complaints() -> Iterator[None]:
    """Decoders' warnings kept quiet, and their many errors turned into one line."""
    names = ", ".join(form.title for form in FORMATS.values())
    logger = tifffile.logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SrlabError:
        raise
    except UnidentifiedImageError:
        raise SrlabError(f"not a picture that can be read; known are {names}") from None
    except Image.DecompressionBombError as error:
        declared = re.search(r"\((\d+) pixels\)", str(error))
        raise too_large(int(declared[1]) if declared else None) from None
    except MemoryError:
        raise SrlabError("memory does not suffice to decode it; close other programs") from None
    except Exception as error:  # a damaged file makes decoders fail in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SrlabError(f"damaged, or not as its format wants it ({reason[:200]})") from None
    finally:
        logger.setLevel(level)


def too_large(pixels: int | None) -> SrlabError:
    """What is said of a picture that declares more than is allowed."""
    much = "too many" if pixels is None else f"{pixels / 1e6:,.1f} million"
    return SrlabError(
        f"it declares {much} pixels; if that is right, raise the limit (--max-megapixels)"
    )
