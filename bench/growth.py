"""How the cost of srlab's work grows with images, networks, batches and datasets."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import seconds
from bench.cases import Case, quick_memnet
from bench.inference import ready
from bench.material import large_photo, noise, packed
from bench.power_law import growth_of
from bench.results import Growth, Row
from bench.settings import Settings
from srlab.data.images import write_png
from srlab.data.patches import cut

_STEPS = 3


def measure(settings: Settings) -> Iterator[Row | Growth]:
    """Tables for image size, depth, batch and number of images, and a row for each exponent."""
    rounds = 1 if settings.quick else 5
    case = quick_memnet()
    with TemporaryDirectory() as name:
        folder = Path(name)
        patches = packed(case.patches, folder / "training")
        for table in (
            _image_size(case, rounds, settings.quick),
            _depth(case, patches, rounds),
            _batch(case, patches, rounds),
            _images(case, folder, rounds, settings.quick),
        ):
            yield table
            yield Row(f"growth with {table.name}", "exponent", ours=table.exponent)


def _image_size(case: Case, rounds: int, quick: bool) -> Growth:
    network = ready(case.network())
    sides = [64, 128, 256, 512] + ([] if quick else [1024])

    @torch.no_grad()
    def enlarge(side: int) -> float:
        image = noise(1, side)
        return seconds(lambda: network(image))

    return growth_of(
        "image size",
        f"inference, {case.name}",
        [f"{side}x{side}" for side in sides],
        [side**2 for side in sides],
        "pixels",
        _in_turns([partial(enlarge, side) for side in sides], rounds),
    )


def _depth(case: Case, patches: Path, rounds: int) -> Growth:
    cases = [case.with_params(memory_blocks=d, residual_units=d) for d in (1, 2, 3, 4)]
    return growth_of(
        "depth of the network",
        f"a training step, {case.params.features} features",
        [f"M{depth}R{depth}" for depth in (1, 2, 3, 4)],
        [case.flops_per_patch() * case.batch / 1e9 for case in cases],
        "GFLOP",
        _in_turns([partial(_step, case, patches) for case in cases], rounds),
    )


def _batch(case: Case, patches: Path, rounds: int) -> Growth:
    batches = [4, 8, 16, 32, 64]
    cases = [case.with_params(batch=batch) for batch in batches]
    return growth_of(
        "batch",
        f"a training step, {case.name}",
        [f"batch {batch}" for batch in batches],
        batches,
        "patches",
        _in_turns([partial(_step, case, patches) for case in cases], rounds),
    )


def _images(case: Case, folder: Path, rounds: int, quick: bool) -> Growth:
    counts = [2, 4, 8] + ([] if quick else [16, 32])
    raw = folder / "raw"
    raw.mkdir()
    for index in range(counts[-1]):
        write_png(raw / f"{index:03}.png", large_photo(321, 481))
    params = case.patches.model_copy(update={"validation_images": 0})

    def pack(count: int) -> float:
        with TemporaryDirectory(dir=folder) as name:
            chosen = Path(name) / "chosen"
            chosen.mkdir()
            for path in sorted(raw.iterdir())[:count]:
                (chosen / path.name).symlink_to(path)
            return seconds(lambda: cut(params, [chosen], Path(name) / "packed"))

    return growth_of(
        "number of images",
        "cutting, degrading and packing patches",
        [f"{count} images" for count in counts],
        counts,
        "images",
        _in_turns([partial(pack, count) for count in counts], rounds),
    )


def _step(case: Case, patches: Path) -> float:
    """Seconds."""
    return case.batch / case.rate(patches, _STEPS)


def _in_turns(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median of each over some rounds, behind one that does not count."""
    for measure_once in measures:
        measure_once()
    results = [[measure_once() for measure_once in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*results, strict=True)]
