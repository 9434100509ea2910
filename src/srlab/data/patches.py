"""Training patches: cut from images in a grid, degraded, and packed into memory maps.

A folder of packed patches holds
    index.json                   what is in it, with the SHA-256 of every tensor
    hr.npy                       (N, C, P, P) uint8, the patches
    x{scale}_{degradation}.npy   (N, C, p, p) uint8, what the network sees of them
    validation/*.png             the middles of some images, which no patch touches

Thousands of small files would cost DVC sixteen times the time of one large one. Images pass
through one at a time: memory does not grow with their number.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from srlab.data.color import luma, quantize
from srlab.data.images import list_images, read_pixels, read_size, write_png
from srlab.data.jpeg import Jpeg, drawn
from srlab.data.kernels import Degradation
from srlab.data.resample import resample, resampled_size
from srlab.data.tensors import to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.params import PatchParams


def cut(params: PatchParams, folders: list[Path], output: Path) -> dict:
    """Cut, degrade and pack the images of some datasets.

    Args:
        params: grid, scales, degradations.
        folders: one folder of images per dataset; its name is the dataset's.
        output: an empty or missing folder, see the module's docstring.

    Returns:
        The index: settings, counts per dataset, hashes.

    Raises:
        SrlabError: no image is as large as a patch, or an image does not decode.
    """
    (output / "validation").mkdir(parents=True, exist_ok=True)
    datasets: dict[str, dict] = {}
    jobs: list[_Job] = []
    for folder in folders:
        paths = list_images(folder)
        validation = validation_images(paths, params.validation_images)
        chosen = _jobs(params, paths, validation)
        datasets[folder.name] = {
            "images": len(paths),
            "validation": [path.stem for path in validation],
            "patches_of_whole_images": sum(len(job.corners) for job in _jobs(params, paths, [])),
            "patches": sum(len(job.corners) for job in chosen),
        }
        for path in validation:
            _write_validation(
                params, path, output / "validation" / f"{folder.name}_{path.stem}.png"
            )
        jobs += [job for job in chosen if job.corners]
    total = sum(dataset["patches"] for dataset in datasets.values())
    if total == 0:
        raise SrlabError(
            f"patches: no image of {', '.join(datasets)} is as large as a patch of "
            f"{params.patch_size}x{params.patch_size}; lower patches.*.patch_size or add a dataset "
            "to data.train"
        )
    hashes = _pack(params, jobs, total, output)
    index = {
        "settings": params.model_dump(mode="json"),
        "patches": total,
        "datasets": datasets,
        "sha256": hashes,
    }
    (output / "index.json").write_text(json.dumps(index, indent=2) + "\n")
    return index


def read_index(folder: Path) -> dict:
    """The index of a folder of packed patches.

    Raises:
        SrlabError: the folder holds none.
    """
    try:
        index: dict = json.loads((folder / "index.json").read_text())
    except (OSError, ValueError) as error:
        raise SrlabError(f"{folder}: no packed patches ({error}); run: dvc repro") from error
    return index


def grid(height: int, width: int, *, size: int, stride: int) -> Iterator[tuple[int, int]]:
    """Upper left corners (y, x) of all whole patches, in steps of the stride."""
    for y in range(0, height - size + 1, stride):
        for x in range(0, width - size + 1, stride):
            yield y, x


def validation_images(paths: list[Path], count: int) -> list[Path]:
    """`count` of the images, evenly spread over the sorted names; never more than half of them."""
    count = min(count, len(paths) // 2)
    return [paths[int((index + 0.5) * len(paths) / count)] for index in range(count)]


def degrade(
    hr: Tensor, *, scale: int, degradation: Degradation, enlarged: bool, jpeg: Jpeg | None = None
) -> Tensor:
    """What a network sees of an image: shrunk by the scale and, for MemNet, enlarged again.

    (N, C, H, W) -> (N, C, ceil(H / scale), ceil(W / scale)), or (N, C, H, W) if enlarged, which is
    always done with MATLAB's bicubic. Not rounded, as in the protocol `y`, but for a JPEG.

    Args:
        hr: of one image, N = 1, where it is saved as JPEG.
        scale: to shrink by.
        degradation: how to shrink.
        enlarged: whether to enlarge again.
        jpeg: how `bicubic_jpeg` saves.
    """
    if degradation == "bicubic_jpeg":
        assert jpeg is not None
        lr = jpeg.saved(resample(hr, scale=1 / scale))
    else:
        lr = resample(hr, scale=1 / scale, kernel=degradation)
    return resample(lr, scale=scale, size=(hr.shape[-2], hr.shape[-1])) if enlarged else lr


def drawn_jpeg(params: PatchParams, name: str) -> Jpeg:
    """How an image of that name is saved: always the same, and each image in another way."""
    return drawn(name, *params.jpeg_quality)


def tensor_name(scale: int, degradation: Degradation) -> str:
    """The name of the packed tensor that holds one degradation."""
    return f"x{scale}_{degradation}"


def patch_pairs(
    params: PatchParams, hr: Tensor, corners: list[tuple[int, int]], name: str
) -> dict[str, Tensor]:
    """Patches of one image (1, C, H, W) at some corners, and each degradation, by tensor name.

    `name` is the image's, for `drawn_jpeg`.

    With `degrade: whole_image` the image is degraded whole and cut in step, so that a patch's
    border knows its surroundings, as a network does that is applied to whole images. With
    `degrade: patch` each patch is degraded alone, as Lal & Javid do.
    """
    patches = _crop(hr, corners, params.patch_size)
    pairs = {"hr": patches}
    for scale in params.scales:
        jpeg = drawn_jpeg(params, f"{name} x{scale}")
        for degradation in params.degradations:
            shrink = partial(
                degrade,
                scale=scale,
                degradation=degradation,
                enlarged=params.enlarged,
                jpeg=jpeg,
            )
            if params.degrade == "patch":
                seen = shrink(patches)
            else:
                whole = shrink(hr)
                step = 1 if params.enlarged else scale
                lr_corners = [(y // step, x // step) for y, x in corners]
                seen = _crop(whole, lr_corners, params.patch_size // step)
            pairs[tensor_name(scale, degradation)] = seen
    return pairs


def prepare(params: PatchParams, pixels: np.ndarray) -> Tensor:
    """Decoded pixels -> float32 (1, C, H, W): 8-bit luma, or RGB with grey repeated."""
    image = to_tensor(pixels)
    if params.channels == "luma":
        return quantize(luma(image))
    return image.expand(1, 3, -1, -1)


def _crop(image: Tensor, corners: list[tuple[int, int]], size: int) -> Tensor:
    return torch.cat([image[..., y : y + size, x : x + size] for y, x in corners])


@dataclass(frozen=True)
class _Job:
    """An image or a shrunk copy of it, and the upper left corners of the patches to cut from it."""

    path: Path
    factor: float
    corners: list[tuple[int, int]]

    @property
    def name(self) -> str:
        """Of the copy, different for each."""
        return f"{self.path.stem} {self.factor:g}"

    def image(self, params: PatchParams) -> Tensor:
        """Float32 (1, C, H, W), of 8-bit values as a file would hold."""
        whole = prepare(params, read_pixels(self.path))
        return whole if self.factor == 1 else quantize(resample(whole, scale=self.factor))


def _jobs(params: PatchParams, paths: list[Path], validation: list[Path]) -> list[_Job]:
    return [
        _Job(path, factor, _corners(params, read_size(path), factor, path in validation))
        for path in paths
        for factor in (1, *params.augment_scales)
    ]


def _corners(
    params: PatchParams, size: tuple[int, int], factor: float, validates: bool
) -> list[tuple[int, int]]:
    """The grid's corners on a copy of an image of that size (H, W), shrunk by the factor.

    If it validates, without those of patches that reach into the image's middle.
    """
    height, width = (resampled_size(side, factor) for side in size)
    corners = grid(height, width, size=params.patch_size, stride=params.stride)
    if not validates:
        return list(corners)
    rows, columns = (_middle(side, params.validation_crop) for side in size)
    return [
        (y, x)
        for y, x in corners
        if not (
            y < math.ceil(rows.stop * factor)
            and y + params.patch_size > math.floor(rows.start * factor)
            and x < math.ceil(columns.stop * factor)
            and x + params.patch_size > math.floor(columns.start * factor)
        )
    ]


def _middle(side: int, length: int) -> slice:
    start = max(0, side - length) // 2
    return slice(start, min(side, start + length))


def _write_validation(params: PatchParams, path: Path, output: Path) -> None:
    image = prepare(params, read_pixels(path))
    rows, columns = (_middle(side, params.validation_crop) for side in image.shape[-2:])
    write_png(output, to_pixels(image[..., rows, columns]))


def _pack(params: PatchParams, jobs: list[_Job], total: int, output: Path) -> dict[str, str]:
    """Write every tensor image by image; return the hashes by tensor name."""
    writers: dict[str, _TensorWriter] = {}
    try:
        for job in jobs:
            pairs = patch_pairs(params, job.image(params), job.corners, job.name)
            for name, patches in pairs.items():
                if name not in writers:
                    shape = (total, *patches.shape[1:])
                    writers[name] = _TensorWriter((output / f"{name}.npy").open("wb"), shape)
                writers[name].write(patches)
    finally:
        for writer in writers.values():
            writer.file.close()
    return {name: writer.digest.hexdigest() for name, writer in writers.items()}


class _TensorWriter:
    """Appends uint8 patches to a .npy file whose final shape is known, hashing them."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...]) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

    def write(self, patches: Tensor) -> None:
        data = patches.clamp(0, 1).mul(255).round().byte().contiguous().numpy().tobytes()
        self.file.write(data)
        self.digest.update(data)
