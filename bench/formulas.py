"""What training costs, worked out from rates: compute, memory traffic, exchange, data supply.

Letters: n GPUs (or processes), each with a share of every batch.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """What processes exchange their gradients over."""

    bandwidth: float
    """Bytes per second that each of them sends, and receives at the same time."""
    latency: float
    """Seconds of an exchange of next to nothing."""


@dataclass(frozen=True)
class Device:
    """What computes."""

    name: str
    flops: float
    """Floating-point operations per second, at most, in bf16."""
    bandwidth: float
    """Bytes per second from and to its memory."""
    launch: float
    """Seconds between the starts of two operations; 0 where they cost nothing to start."""


@dataclass(frozen=True)
class Work:
    """A training step, for each patch of the batch."""

    flops: float
    """Floating-point operations, forward and backward."""
    traffic: float
    """Bytes that its operations read and write, each by itself."""
    operations: float
    """Operations that are started, whatever the batch."""
    gradient_bytes: float
    """What is exchanged."""


@dataclass(frozen=True)
class Step:
    """Seconds of a step, part by part."""

    compute: float
    traffic: float
    launch: float
    exchange: float

    @property
    def seconds(self) -> float:
        """A device computes while it moves data and starts operations: the slowest of the three
        counts. The exchange is taken as if nothing went on meanwhile."""
        return max(self.compute, self.traffic, self.launch) + self.exchange


def step(work: Work, device: Device, share: float, link: Link, n: int, batch: int) -> Step:
    """A step of n devices on a batch that they share.

    Args:
        work: for each patch.
        device: each of the n.
        share: of its `flops` that convolutions reach.
        link: between them.
        n: devices.
        batch: patches of all devices.
    """
    own = batch / n
    return Step(
        compute=own * work.flops / (share * device.flops),
        traffic=own * work.traffic / device.bandwidth,
        launch=work.operations * device.launch,
        exchange=exchange_seconds(work.gradient_bytes, link, n),
    )


def exchange_seconds(size: float, link: Link, n: int) -> float:
    """A ring all-reduce: each of n processes sends 2 (n - 1) / n of the bytes.

    Source: Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of
    workstations".

    >>> exchange_seconds(100, Link(bandwidth=50, latency=0), 2)
    2.0
    >>> exchange_seconds(100, Link(bandwidth=50, latency=0), 1)
    0.0
    """
    if n == 1:
        return 0.0
    return link.latency + 2 * (n - 1) / n * size / link.bandwidth


def steps_of(patches: int, epochs: int, batch: int) -> int:
    """Steps of a training.

    >>> steps_of(patches=100, epochs=3, batch=8)
    38
    """
    return math.ceil(epochs * patches / batch)


def loaders(consumed: float, supplied: float) -> int:
    """Processes that must prepare batches, so that patches never run out.

    Args:
        consumed: patches per second of the training.
        supplied: patches per second of one process.
    """
    return math.ceil(consumed / supplied)


@dataclass(frozen=True)
class Store:
    """What a training set needs."""

    patches: int
    disk_bytes: int
    """Of the packed patches."""
    order_bytes: int
    """Of the order of an epoch, which every process that loads holds in memory."""
    packing_seconds: float


def store(images: int, patches_per_image: int, patch_bytes: int, images_per_second: float) -> Store:
    """The packed patches of a number of images.

    Args:
        patch_bytes: of a patch with all that a network sees of it.
        images_per_second: of cutting and packing.
    """
    patches = images * patches_per_image
    return Store(patches, patches * patch_bytes, 8 * patches, images / images_per_second)
