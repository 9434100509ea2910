"""What is trained on and enlarged: photographs that installed packages carry, and patches."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench import ROOT
from srlab.data.catalog import PackageSource, load_dataset
from srlab.data.color import luma, quantize
from srlab.data.images import read_pixels, write_png
from srlab.data.patches import cut, degrade, tensor_name
from srlab.data.sources import from_packages
from srlab.data.tensors import crop_to_multiple, to_tensor
from srlab.params import PatchParams

_TRAINING = ("astronaut", "china", "flower", "retina")
_HELD_OUT = "chelsea"


def packed(params: PatchParams, folder: Path, images: Sequence[np.ndarray] | None = None) -> Path:
    """A folder of packed patches, of photographs by default; no image is held out."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    if images is None:
        images = [_photo("sample_train", name) for name in _TRAINING]
    for index, image in enumerate(images):
        write_png(raw / f"{index}.png", image)
    target = folder / "packed"
    cut(params.model_copy(update={"validation_images": 0}), [raw], target)
    return target


def png_files(patches: Path, target: Path, count: int) -> Path:
    """The first of the packed patches as PNG files, see `bench.plain_training.PngPatches`."""
    settings = json.loads((patches / "index.json").read_text())["settings"]
    names = [tensor_name(s, k) for s in settings["scales"] for k in settings["degradations"]]
    for name in ("hr", *names):
        (target / name).mkdir(parents=True)
        for index, patch in enumerate(np.load(patches / f"{name}.npy", mmap_mode="r")[:count]):
            pixels = patch[0] if len(patch) == 1 else patch.transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(target / name / f"{index:06}.png")
    return target


def enlarged_luma(pixels: np.ndarray, scale: int) -> tuple[Tensor, Tensor]:
    """(what MemNet sees of an image, the truth): (1, 1, H, W)."""
    hr = crop_to_multiple(quantize(luma(to_tensor(pixels))), scale)
    return degrade(hr, scale=scale, degradation="bicubic", enlarged=True).clamp(0, 1), hr


def large_photo(height: int, width: int) -> np.ndarray:
    """uint8 (H, W, 3) of any size: a photograph and its mirror images side by side."""
    return _tiled(_photo("sample_test", _HELD_OUT), height, width)


def noise(channels: int, side: int, batch: int = 1) -> Tensor:
    """Uniform noise in [0, 1], (N, C, H, W): enough where only the time counts."""
    return torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(0))


def _photo(dataset: str, name: str) -> np.ndarray:
    sources = load_dataset(ROOT / "data" / "datasets.yaml", dataset).sources
    source = next(s for s in sources if isinstance(s, PackageSource))
    files = [file for file in source.files if Path(file).stem == name]
    ((_, content),) = from_packages(PackageSource(kind="packages", files=files))
    return read_pixels(io.BytesIO(content), name)


def _tiled(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    block = np.concatenate([pixels, pixels[::-1]])
    block = np.concatenate([block, block[:, ::-1]], axis=1)
    counts = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    return np.ascontiguousarray(np.tile(block, counts)[:height, :width])
