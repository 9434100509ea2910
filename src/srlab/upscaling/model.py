"""A model ready to enlarge pictures: weights by name or file, on a device, in a precision."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from srlab.data.kernels import Kernel
from srlab.errors import SrlabError
from srlab.inference.folded import fold
from srlab.inference.receptive import lr_radius
from srlab.inference.strength import load_blend
from srlab.inference.upscalers import EnlargedLuma, EnlargingRgb, Interpolation, Upscaler
from srlab.weights import Card, load_weights
from srlab.zoo.registry import Baseline, Release, resolve, resolve_blend

Precision = Literal["auto", "float32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bf16")

Picture = TypeVar("Picture", Image.Image, np.ndarray, Tensor)
"""What pictures in memory may be; what comes out is of the same kind."""


@dataclass(frozen=True)
class Model:
    """What enlarges pictures. `load` makes it; `upscale` uses it."""

    name: str
    """Of the released model, or the path of the weights."""
    upscaler: Upscaler
    """Enlarges tensors by one of the scales."""
    scales: tuple[int, ...] | None
    """Factors that the network was trained for, rising; None where there is no network."""
    kernel: Kernel
    """Makes the last step, from a network's result to the size that is wanted, or all of it."""
    device: torch.device
    """Where the network computes."""
    radius: Callable[[int], int]
    """How many low-resolution pixels away the network looks, for each of the scales."""
    card: Card | None = None
    """What the weights say of themselves."""
    bytes_per_pixel: dict[tuple[int, int], float] = field(default_factory=dict, compare=False)
    """(channels, scale) -> memory for each low-resolution pixel, once it has been measured."""

    def factor(self, wanted: float) -> int | None:
        """The scale of the network for a factor; None where exact resampling does it alone.

        It is the smallest that suffices, else the largest: what is missing, or too much, is left to
        the resampling. Nothing is invented for a result that is not larger.
        """
        if self.scales is None or wanted <= 1:
            return None
        enough = [scale for scale in self.scales if scale >= wanted - 1e-6]
        return enough[0] if enough else self.scales[-1]

    def upscale(
        self,
        image: Picture,
        scale: float = 4,
        *,
        ensemble: bool = False,
        consistent: bool = False,
        tile: int | None = None,
    ) -> Picture:
        """Enlarge a picture in memory; see `srlab.upscale`."""
        from srlab.upscaling.in_memory import enlarge
        from srlab.upscaling.regions import Options

        return enlarge(self, image, scale, Options(ensemble, consistent, tile))


def load(
    model: str | Path | None = None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    strength: float | None = None,
) -> Model:
    """Load a model once, to enlarge many pictures with it.

    >>> model = load("bicubic")
    >>> model.upscale(np.zeros((5, 7, 3), np.uint8), scale=3).shape
    (15, 21, 3)

    Args:
        model: the name of a released model (`srlab models`), or a weights file; the registry's
            default if it is left out. `bicubic`, `lanczos` and `nearest` need no weights.
        device: auto (a GPU where there is one), cpu, cuda, cuda:N, or mps.
        precision: float32, bf16, or auto: float32. bf16 is faster on GPUs and less exact.
        strength: from 0 (the network that was trained for fidelity) to 1 (what an SRGAN became of
            it): how much texture is invented. The model must be an SRGAN.

    Raises:
        SrlabError: there is no such model, device or precision, the weights are damaged, or the
            model has no strength to choose.
    """
    chosen = resolve(model) if strength is None else resolve_blend(model)
    place = torch_device(device)
    if precision not in PRECISIONS:
        raise SrlabError(f"{precision}: no such precision; choose {', '.join(PRECISIONS)}")
    if isinstance(chosen, Baseline):
        return Model(
            name=chosen.name,
            upscaler=Interpolation(chosen.kernel),
            scales=None,
            kernel=chosen.kernel,
            device=torch.device("cpu"),
            radius=lambda scale: 0,
        )
    if strength is None:
        network, card = load_weights(chosen.path)
    else:
        if not 0 <= strength <= 1:
            raise SrlabError(f"a strength of {strength:g}: choose one from 0 to 1")
        assert chosen.start is not None
        network, card = load_blend(chosen.start, chosen.path, strength)
    return _of_network(network, card, chosen, place, precision)


def torch_device(name: str) -> torch.device:
    """The device with a name; auto is a CUDA GPU where there is one, else the CPU.

    Raises:
        SrlabError: there is none, with those that are there.
    """
    there = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name == "auto":
        return torch.device("cuda" if "cuda:0" in there else "cpu")
    if name not in there and not (name == "cuda" and "cuda:0" in there):
        raise SrlabError(f"{name}: no such device here; choose auto or {', '.join(there)}")
    return torch.device(name)


def _of_network(
    network: nn.Module, card: Card, chosen: Release, device: torch.device, precision: Precision
) -> Model:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    folded = fold(network).to(device, dtype)
    upscaler: Upscaler = (
        EnlargedLuma(folded)
        if card.architecture == "memnet"
        else EnlargingRgb(folded, card.scales[0])
    )
    return Model(
        name=chosen.name,
        upscaler=upscaler,
        scales=tuple(sorted(card.scales)),
        kernel="bicubic",
        device=device,
        radius=lambda scale: lr_radius(folded, scale),
        card=card,
    )
