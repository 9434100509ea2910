"""Training as anyone would first write it: PNG files and Pillow, float32, NCHW."""

import random
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class PngPatches(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of patches, each a PNG file: float32 (C, h, w) and (C, H, W) in [0, 1].

    Args:
        folder: of `hr/*.png` and folders of what the network sees, one of which is drawn each time.
    """

    def __init__(self, folder: Path) -> None:
        self.files = sorted((folder / "hr").iterdir())
        self.seen = sorted(path for path in folder.iterdir() if path.name != "hr")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path = self.files[index]
        return _read(random.choice(self.seen) / path.name), _read(path)  # noqa: S311


def png_batches(folder: Path, batch: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """Shuffled batches of whole size, of all patches once."""
    return DataLoader(PngPatches(folder), batch_size=batch, shuffle=True, drop_last=True)


def train_plainly(
    network: nn.Module,
    loss: nn.Module,
    folder: Path,
    *,
    batch: int,
    steps: int,
    warmup: int = 1,
    device: str = "cpu",
) -> float:
    """Patches per second of some steps, behind some that do not count."""
    network = network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    start, done = 0.0, 0
    while True:
        for seen, hr in png_batches(folder, batch):
            if done == warmup:
                start = time.perf_counter()
            if done == warmup + steps:
                return steps * batch / (time.perf_counter() - start)
            optimizer.zero_grad()
            value = loss(network(seen.to(device)), hr.to(device))
            value.backward()
            optimizer.step()
            value.item()
            done += 1


def _read(path: Path) -> Tensor:
    pixels = np.array(Image.open(path), dtype=np.float32) / 255
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
