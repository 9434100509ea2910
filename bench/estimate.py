"""What trainings cost on this machine and on others, and what a large training set needs.

`python -m bench.estimate` prints the tables, from the rates that `python -m bench` has measured.
The formulas are in `bench.formulas`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench import ROOT
from bench.cases import (
    MEMNET_EPOCHS,
    MEMNET_PATCHES,
    Case,
    m3r3,
    paper_memnet,
    paper_srresnet,
    quick_memnet,
    quick_srresnet,
)
from bench.data import against_png
from bench.formulas import (
    Device,
    Link,
    Store,
    Work,
    loaders,
    step,
    steps_of,
    store,
)
from bench.gpu import rate_name
from bench.limits import MATRIX_PRODUCT, TRIAD
from bench.results import Growth, Row, read_growths, read_rows
from bench.training import name_of
from bench.work import adversarial_work, supervised_work
from srlab.data.patches import grid
from srlab.errors import SrlabError
from srlab.params import PatchParams, load_params
from srlab.report.tables import Table

SRRESNET_STEPS, SRGAN_STEPS = 10**6, 2 * 10**5
"""Ledig et al. 2017, section 3.2: 10^6 steps of SRResNet, then 10^5 and again 10^5 of SRGAN."""
IMAGES = 350_000
"""Of ImageNet, as Ledig et al. 2017 train on, section 3.2."""
IMAGE_HEIGHT, IMAGE_WIDTH = 350, 400
"""ImageNet's mean: Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge"."""

H200 = Device("H200", flops=989e12, bandwidth=4.8e12, launch=5e-6)
"""bf16 without sparsity, HBM3e: NVIDIA's data sheet. PyTorch starts about 200,000 operations a
second."""
NVLINK = Link(bandwidth=450e9, latency=2e-5)
"""Between the eight GPUs of a machine, in each direction."""
NETWORK = Link(bandwidth=50e9, latency=5e-5)
"""Between machines: 400 Gbit/s for each GPU."""
COUNTS = (1, 8, 64)
_IN_A_MACHINE = 8
_PAPER = ROOT / "profiles" / "paper.yaml"


@dataclass(frozen=True)
class Facts:
    """What was measured."""

    rows: dict[str, Row]
    growths: dict[str, Growth]

    def ours(self, name: str) -> float:
        """A row's number.

        Raises:
            SrlabError: it was not measured.
        """
        row = self.rows.get(name)
        if row is None or row.ours is None:
            raise SrlabError(f"{name!r} has not been measured; run: python -m bench")
        return row.ours

    def measured(self, name: str) -> Row | None:
        """A row with numbers, if there is one."""
        row = self.rows.get(name)
        return row if row is not None and row.ours is not None else None

    def gpu_share(self, case: Case) -> tuple[float, bool]:
        """(share of a GPU's peak that a training reaches, whether it was measured on a GPU)."""
        row = self.rows.get(rate_name(case))
        if row is not None and row.limit_share is not None:
            return row.limit_share, True
        return min(1.0, self.cpu_share), False

    def gpu(self) -> Device:
        """The GPU, with the rate that matrix products reach on it where that was measured."""
        case = paper_memnet()
        row = self.measured(rate_name(case))
        if row is None or row.ours is None or row.limit_share is None:
            return H200
        return replace(H200, flops=row.ours * case.flops_per_patch() / row.limit_share)

    @property
    def cpu_share(self) -> float:
        """The share of this machine's matrix-product rate that training M3R3 reaches."""
        name = name_of(m3r3())
        self.ours(name)
        return self.rows[name].limit_share or 1.0


def read_facts(folder: Path) -> Facts:
    """What `python -m bench` wrote to a folder.

    Raises:
        SrlabError: a file is damaged.
    """
    rows, growths = read_rows(folder / "results.json"), read_growths(folder / "scaling.json")
    return Facts({row.name: row for row in rows}, {table.name: table for table in growths})


@dataclass(frozen=True)
class Training:
    """A training of the papers."""

    name: str
    case: Case
    work: Work
    batch: int
    steps: int
    supplied: float
    """Patches per second that a process loads."""
    is_benchmarked: bool = True
    """Else it is taken to reach the share of its case, which is a part of it."""


def trainings(facts: Facts) -> Iterator[Training]:
    """M6R6 as Lal & Javid train it, SRResNet and SRGAN as Ledig et al. do."""
    memnet, srresnet = paper_memnet(), paper_srresnet()
    works = _works()
    supply = {
        case.patches.channels: facts.ours(against_png(case))
        for case in (quick_memnet(), quick_srresnet())
    }
    yield Training(
        "MemNet M6R6",
        memnet,
        works[0],
        memnet.batch,
        steps_of(MEMNET_PATCHES, MEMNET_EPOCHS, memnet.batch),
        supply["luma"],
    )
    yield Training(
        "SRResNet",
        srresnet,
        works[1],
        srresnet.batch,
        SRRESNET_STEPS,
        supply["rgb"],
    )
    yield Training(
        "SRGAN",
        srresnet,
        works[2],
        load_params(_PAPER).srgan.batch,
        SRGAN_STEPS,
        supply["rgb"],
        is_benchmarked=False,
    )


@cache
def _works() -> tuple[Work, Work, Work]:
    """Of M6R6, SRResNet and SRGAN."""
    memnet, srresnet = paper_memnet(), paper_srresnet()
    hr = srresnet.patches.patch_size
    lr = hr // srresnet.patches.scales[0]
    return (
        supervised_work(memnet.network(), 1, memnet.patches.patch_size),
        supervised_work(srresnet.network(), 3, lr),
        adversarial_work(srresnet.network(), load_params(_PAPER).srgan, lr, hr),
    )


def training_table(facts: Facts) -> Table:
    """Every training on this machine, and on some numbers of GPUs."""
    here = Device(
        "this machine",
        flops=1e9 * facts.ours(MATRIX_PRODUCT),
        bandwidth=1e9 * facts.ours(TRIAD),
        launch=0.0,
    )
    gpu = facts.gpu()
    rows, assumed, borrowed = [], list[str](), list[str]()
    for training in trainings(facts):
        rows.append(_cells(training, here, facts.cpu_share, 1, training.batch))
        share, measured = facts.gpu_share(training.case)
        assumed += [] if measured else [training.name]
        borrowed += [training.name] if measured and not training.is_benchmarked else []
        rows += [_cells(training, gpu, share, count, training.batch) for count in COUNTS]
        # As many patches in fewer, larger steps, which the learning rate must then follow.
        rows.append(_cells(training, gpu, share, COUNTS[-1], training.batch * COUNTS[-1]))
    notes = [
        f"GPU: {gpu.name}, {gpu.flops / 1e12:.0f} TFLOP/s in bf16 and {gpu.bandwidth / 1e12} "
        f"TB/s, {1e6 * gpu.launch:g} microseconds to start an operation; "
        f"{NVLINK.bandwidth / 1e9:g} GB/s between the {_IN_A_MACHINE} of a machine, "
        f"{NETWORK.bandwidth / 1e9:g} GB/s between machines."
    ]
    if assumed:
        notes.append(
            f"Not measured on a GPU: {', '.join(assumed)}. The share of its peak that convolutions "
            "reach is taken to be what was measured on this processor, at most 1 "
            f"({min(1.0, facts.cpu_share):.2f}); memory traffic and the start of operations are "
            "counted beside it."
        )
    notes += [
        f"Not measured on a GPU: {name}. It is taken to reach the share of the peak that its "
        "generator's training alone reaches, in steps too small to fill a GPU."
        for name in borrowed
    ]
    head = ["training", "on", "batch", "compute", "memory", "start", "exchange", "patches/s"]
    title = "Milliseconds of a step, and what the whole training takes"
    return Table(title, [*head, "in all", "loaders"], rows, notes)


def store_table(facts: Facts) -> Table:
    """A training set of ImageNet's size for each network."""
    packing = facts.growths.get("number of images")
    if packing is None:
        raise SrlabError("the packing of images has not been measured; run: python -m bench growth")
    rate = packing.work[-1] / packing.seconds[-1]
    params = load_params(_PAPER).patches
    rows = []
    for name, patches, training in zip(
        ("MemNet", "SRResNet, SRGAN"), (params.memnet, params.srgan), trainings(facts), strict=False
    ):
        needs = imagenet_store(patches, rate)
        share, _ = facts.gpu_share(training.case)
        consumed = _rate(
            training, facts.gpu(), share, _IN_A_MACHINE, training.batch * _IN_A_MACHINE
        )
        rows.append(
            [
                name,
                f"{needs.patches / 1e6:.1f} million",
                f"{needs.disk_bytes / 1e9:.0f} GB",
                f"{needs.order_bytes / 1e6:.0f} MB",
                duration(needs.packing_seconds),
                f"{consumed:,.0f}",
                f"{consumed * patch_bytes(patches) / 1e9:.2f} GB/s",
                str(loaders(consumed, training.supplied)),
            ]
        )
    return Table(
        f"{IMAGES:,} images of {IMAGE_WIDTH}x{IMAGE_HEIGHT}, and {_IN_A_MACHINE} GPUs",
        ["patches for", "patches", "disk", "order", "packing", "patches/s", "read", "loaders"],
        rows,
        [
            "Order: what each process that loads keeps in memory, the only part that grows with "
            "the set. Packing: by one process of this machine. Patches/s: what the GPUs consume, "
            "each with a batch of its own. Loaders: processes as fast as one here."
        ],
    )


def imagenet_store(patches: PatchParams, images_per_second: float) -> Store:
    """What a training set of ImageNet's size needs."""
    corners = grid(IMAGE_HEIGHT, IMAGE_WIDTH, size=patches.patch_size, stride=patches.stride)
    return store(IMAGES, len(list(corners)), patch_bytes(patches), images_per_second)


def patch_bytes(params: PatchParams) -> int:
    """Bytes of a packed patch with all that a network sees of it."""
    channels = 1 if params.channels == "luma" else 3
    seen = [
        params.patch_size if params.enlarged else params.patch_size // scale
        for scale in params.scales
    ]
    squares = params.patch_size**2 + len(params.degradations) * sum(side**2 for side in seen)
    return channels * squares


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> [duration(value) for value in (5, 300, 7200, 1e6)]
    ['5.0 s', '5.0 min', '2.0 h', '11.6 days']
    """
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def _rate(training: Training, device: Device, share: float, count: int, batch: int) -> float:
    """Patches per second."""
    return batch / step(training.work, device, share, _link(count), count, batch).seconds


def _link(count: int) -> Link:
    return NVLINK if count <= _IN_A_MACHINE else NETWORK


def _cells(training: Training, device: Device, share: float, count: int, batch: int) -> list[str]:
    spent = step(training.work, device, share, _link(count), count, batch)
    rate = batch / spent.seconds
    steps = training.steps * training.batch / batch
    parts = (spent.compute, spent.traffic, spent.launch, spent.exchange)
    return [
        training.name,
        f"{count} {device.name}" if device.name == H200.name else device.name,
        str(batch),
        *(f"{1e3 * part:.2f}" for part in parts),
        f"{rate:,.0f}",
        duration(steps * spent.seconds),
        str(loaders(rate, training.supplied)),
    ]


def main() -> None:
    """Print both tables."""
    facts = read_facts(ROOT / "bench")
    for table in (training_table(facts), store_table(facts)):
        print(table.to_markdown(), end="\n\n")


if __name__ == "__main__":
    main()
