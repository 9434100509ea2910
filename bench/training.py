"""Training on the processor: srlab's whole path against plain code, and against the machine."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import Pairs, alternate
from bench.cases import Case, m3r3, paper_memnet, paper_srresnet, quick_memnet, quick_srresnet
from bench.limits import limit_type, matrix_rate
from bench.material import packed, png_files
from bench.plain_training import train_plainly
from bench.results import Row
from bench.settings import Settings


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, and the share of the matrix-product rate that they are worth."""
    cases = [m3r3(), quick_memnet(), quick_srresnet()]
    if not settings.quick:
        # The paper's batch of 128 would only take longer.
        cases += [paper_memnet().with_params(batch=16), paper_srresnet()]
    for case in cases:
        with TemporaryDirectory() as folder:
            yield compare(case, Path(folder), 2 if settings.quick else 4).of_rates(
                name_of(case), "patches/s"
            )


def name_of(case: Case) -> str:
    """The row of a training."""
    return f"training {case.name}"


def compare(
    case: Case, folder: Path, rounds: int, device: str = "cpu", longest: int = 500
) -> Pairs:
    """Plain training against srlab's, with the matrix-product rate as the limit.

    Args:
        case: what is trained; on the device.
        folder: for the patches.
        rounds: how often.
        device: torch's type.
        longest: steps of a round, at most.
    """
    patches = packed(case.patches, folder)
    pngs = png_files(patches, folder / "png", count=4 * case.batch)
    flops = case.flops_per_patch()
    # Enough that a round takes about two seconds on two cores, on a GPU enough steps to settle.
    steps = 50 if device == "cuda" else max(2, int(2.5e11 / (flops * case.batch)))
    steps = min(steps, longest)

    def plainly() -> float:
        network, loss = case.plain(), case.plain_loss()
        return train_plainly(
            network, loss, pngs, batch=case.batch, steps=steps, warmup=2, device=device
        )

    return alternate(
        plainly,
        lambda: case.rate(patches, steps, warmup=2),
        rounds,
        lambda: 1e9 * matrix_rate(limit_type(device), device) / flops,
    )
