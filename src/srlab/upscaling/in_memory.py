"""Pictures that are in memory already: PIL images, NumPy arrays, tensors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.errors import SrlabError
from srlab.upscaling.hidden_colour import filled
from srlab.upscaling.model import Model, Picture, Precision, load
from srlab.upscaling.plain_modes import converted
from srlab.upscaling.regions import Enlargement, Options
from srlab.upscaling.sizes import Sizing

_KEPT = ("L", "LA", "RGB", "RGBA", "I;16")


def upscale(
    image: Picture,
    scale: float = 4,
    *,
    model: str | Path | Model | None = None,
    strength: float | None = None,
    ensemble: bool = False,
    consistent: bool = False,
    tile: int | None = None,
    device: str = "auto",
    precision: Precision = "auto",
) -> Picture:
    """Enlarge a picture; what comes out is of the kind that goes in.

    >>> import numpy as np
    >>> from PIL import Image
    >>> photo = Image.new("RGB", (40, 30), "teal")
    >>> upscale(photo, scale=2.5, model="bicubic").size
    (100, 75)
    >>> scan = np.full((8, 9), 40_000, np.uint16)
    >>> large = upscale(scan, model="bicubic")
    >>> large.shape, large.dtype, int(large.max())
    ((32, 36), dtype('uint16'), 40000)
    >>> tensor = torch.zeros(2, 3, 8, 9)
    >>> upscale(tensor, scale=2, model="nearest").shape
    torch.Size([2, 3, 16, 18])

    Args:
        image: a PIL image; an array (H, W) or (H, W, C) of uint8, uint16, or floating point in
            [0, 1]; or a tensor (N, C, H, W) or (C, H, W) likewise. Two and four channels are grey
            and RGB with alpha last. Of PIL's modes, palettes become RGB, one bit becomes 8; profile
            and EXIF go along, and no rotation is applied.
        scale: any factor, whole or not. The network makes the scale that it was trained for, exact
            resampling the rest.
        model: the name of a released model, a weights file, or what `load` gave, which is faster
            for many pictures; the registry's default if it is left out. `bicubic`, `lanczos` and
            `nearest` need no weights.
        strength: see `load`.
        ensemble: the mean of eight results, for the picture turned and mirrored: a little better,
            in eight times the time.
        consistent: correct the result until shrinking it gives the picture back.
        tile: pixels of a side of what the network sees at once; as memory allows if left out.
        device, precision: see `load`; not looked at where the model is loaded already.

    Raises:
        SrlabError: the picture is of no such kind, or the model cannot be had.
    """
    if isinstance(model, Model):
        if strength is not None:
            raise SrlabError("the model is loaded already; give the strength to load")
    else:
        model = load(model, device=device, precision=precision, strength=strength)
    return enlarge(model, image, scale, Options(ensemble, consistent, tile))


def enlarge(model: Model, image: Picture, scale: float, options: Options) -> Picture:
    """Enlarge a picture in memory; see `upscale`."""
    if isinstance(image, Image.Image):
        return _pil(model, image, scale, options)
    if isinstance(image, Tensor):
        return _tensor(model, image, scale, options)
    if isinstance(image, np.ndarray):
        return _array(model, image, scale, options)
    raise SrlabError(
        f"a {type(image).__name__} is no picture; give a PIL image, a NumPy array or a tensor"
    )


def _pil(model: Model, image: Image.Image, scale: float, options: Options) -> Image.Image:
    plain = image if image.mode in _KEPT and not _has_key(image) else converted(image)
    large = Image.fromarray(_array(model, np.asarray(plain), scale, options))
    large.info = {
        key: value for key, value in image.info.items() if key in ("icc_profile", "exif", "dpi")
    }
    if image.mode in ("CMYK", "LAB"):
        large.info.pop("icc_profile", None)  # it is that of the inks
    return large


def _has_key(image: Image.Image) -> bool:
    return "transparency" in image.info and image.mode in ("L", "RGB")


def _tensor(model: Model, image: Tensor, scale: float, options: Options) -> Tensor:
    if image.ndim not in (3, 4):
        raise SrlabError(f"a tensor of shape {tuple(image.shape)}; give (N, C, H, W) or (C, H, W)")
    if image.dtype not in (torch.uint8, torch.uint16, torch.float32, torch.float64):
        raise SrlabError(f"a tensor of type {image.dtype}; give uint8, uint16, float32 or float64")
    images = image if image.ndim == 4 else image[None]
    arrays = images.detach().permute(0, 2, 3, 1).cpu().numpy()
    results = [_array(model, array, scale, options) for array in arrays]
    large = torch.from_numpy(np.stack(results)).permute(0, 3, 1, 2).to(image.device)
    return large if image.ndim == 4 else large[0]


def _array(model: Model, image: np.ndarray, scale: float, options: Options) -> np.ndarray:
    pixels = image if image.ndim == 3 else image[..., None]
    _check(pixels, image.shape)
    height, width, channels = pixels.shape
    if channels in (2, 4):
        pixels = filled(pixels)
    size = Sizing(scale).of((width, height))
    large = np.concatenate(list(Enlargement(pixels, model, size, options).bands()))
    return large if image.ndim == 3 else large[..., 0]


def _check(pixels: np.ndarray, shape: Sequence[int]) -> None:
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or 0 in shape:
        raise SrlabError(
            f"pixels of shape {tuple(shape)}; give (H, W) or (H, W, C) with one to four channels"
        )
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise SrlabError(
            f"pixels of type {pixels.dtype}; give uint8, uint16, or float32 or float64 in [0, 1]"
        )
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        raise SrlabError("pixels that are not finite; replace NaN and infinity first")
