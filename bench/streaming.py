"""Large photographs: band by band against the whole at once, in fresh processes."""

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from bench.alternation import seconds
from bench.cases import quick_srresnet
from bench.child import in_child
from bench.material import large_photo
from bench.results import EMULATED, Row, unmeasured
from bench.settings import Settings
from srlab.machine import computes_bf16
from srlab.params import SRResNetParams
from srlab.training.srresnet import architecture
from srlab.upscaling.command import upscale
from srlab.weights import make_card, save_weights

_SCALE = 4


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds and peak memory of enlarging a file by 4 to a PNG or JPEG file.

    By the network of the quick profile, in bf16 (where the processor emulates that, in float32);
    and by the released one that is used by default.
    """
    yield from _costs(1, settings.threads, with_plain=True)
    if not settings.quick:
        # Plain code would take twelve times its memory of one megapixel.
        yield from _costs(12, settings.threads, with_plain=False)
        yield from _costs(12, settings.threads, with_plain=False, suffix=".jpg")
        yield by_default(1, settings.threads)


def _costs(
    megapixels: int, threads: int, *, with_plain: bool, suffix: str = ".png"
) -> Iterator[Row]:
    with TemporaryDirectory() as name:
        source, target = _files(Path(name), megapixels, suffix)
        plain = in_child(_plainly, source, target, threads=threads) if with_plain else None
        ours = in_child(_streamed, source, target, threads=threads)
    kind = "photo" if suffix == ".png" else "JPEG photo"
    name = f"enlarging a {kind} of {megapixels} megapixels by 4"
    if plain is None:
        yield Row(f"{name}: time", "s", ours=ours.value)
        yield Row(f"{name}: memory of the whole process", "MiB", ours=ours.peak_bytes / 2**20)
        return
    yield Row(f"{name}: time", "s", plain.value, ours.value, plain.value / ours.value)
    peaks = plain.peak_bytes / 2**20, ours.peak_bytes / 2**20
    yield Row(f"{name}: memory of the whole process", "MiB", *peaks, peaks[0] / peaks[1])


def by_default(megapixels: int, threads: int) -> Row:
    """The released network, bf16 against float32."""
    name = f"enlarging a JPEG photo of {megapixels} megapixels by 4 as by default"
    row = f"{name}: bf16 against float32"
    if not computes_bf16("cpu"):
        return unmeasured(row, EMULATED)
    with TemporaryDirectory() as folder:
        source, target = _files(Path(folder), megapixels, ".jpg")
        exact, faster = (
            in_child(_timed, source, target, None, precision, threads=threads).value
            for precision in ("float32", "bf16")
        )
    return Row(row, "s", exact, faster, exact / faster)


def _files(folder: Path, megapixels: int, suffix: str) -> tuple[Path, Path]:
    """A photograph in a file, and where the result goes."""
    height = int(math.sqrt(megapixels * 1e6 * 3 / 4))
    source, target = (folder / f"{side}{suffix}" for side in ("lr", "sr"))
    photo = Image.fromarray(large_photo(height, height * 4 // 3))
    photo.save(source, quality=95, compress_level=1)  # of JPEG, and of PNG
    return source, target


def _streamed(source: Path, target: Path) -> float:
    case = quick_srresnet()
    weights = source.with_name("srresnet.safetensors")
    assert isinstance(case.params, SRResNetParams)
    card = make_card("srresnet", architecture(case.params), [_SCALE], {}, "", None)
    save_weights(case.network(), card, weights)
    return _timed(source, target, weights, "bf16" if computes_bf16("cpu") else "float32")


def _timed(source: Path, target: Path, weights: Path | None, precision: str) -> float:
    return seconds(lambda: _upscale(source, target, weights, precision))


def _upscale(source: Path, target: Path, weights: Path | None, precision: str) -> None:
    """As `srlab upscale` does."""
    code = upscale(
        inputs=[str(source)],
        output=str(target),
        model=None if weights is None else str(weights),
        scale=_SCALE,
        width=None,
        height=None,
        strength=None,
        ensemble=False,
        consistent=False,
        tile="auto",
        device="cpu",
        precision=precision,
        format=None,
        quality=None,
        megapixels=16,
        overwrite=True,
        dry_run=False,
        as_json=False,
    )
    assert code == 0


@torch.no_grad()
def _plainly(source: Path, target: Path) -> float:
    network = quick_srresnet().plain().eval()

    def enlarge() -> None:
        pixels = np.array(Image.open(source), dtype=np.float32) / 255
        sr = network(torch.from_numpy(pixels.transpose(2, 0, 1))[None])
        result = (sr[0].permute(1, 2, 0) * 255).clip(0, 255).round().numpy().astype(np.uint8)
        Image.fromarray(result).save(target)

    return seconds(enlarge)
