from pathlib import Path

import numpy as np
from conftest import ROOT

from srlab.data.catalog import load_dataset
from srlab.data.dead_leaves import dead_leaves
from srlab.data.download import download
from srlab.data.images import list_images, read_pixels


def test_an_image_depends_on_its_seed_alone() -> None:
    first, second = dead_leaves(0, side=96), dead_leaves(1, side=96)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, dead_leaves(0, side=96))
    assert np.abs(first.astype(int) - second).mean() > 10


def test_leaves_cover_the_image_in_many_tones() -> None:
    image = dead_leaves(2)
    assert (image == 0).all(axis=2).mean() < 0.05
    assert np.histogram(image, bins=16, range=(0, 256))[0].min() > 0


def test_edges_stay_when_the_image_is_halved() -> None:
    """White noise would lose its differences; an image of objects keeps its edges."""
    for seed in range(4):
        grey = dead_leaves(seed).mean(axis=2)
        halved = grey.reshape(192, 2, 192, 2).mean(axis=(1, 3))
        whole, half = ((np.abs(np.diff(image)) > 16).mean() for image in (grey, halved))
        assert 0.1 < whole < half < 2 * whole


def test_the_dataset_is_drawn_as_often_as_the_catalog_counts(tmp_path: Path) -> None:
    entry = load_dataset(ROOT / "data" / "datasets.yaml", "dead_leaves")
    output = tmp_path / "dead_leaves"
    places = {"by_hand": tmp_path / "by_hand", "downloads": tmp_path / "downloads"}
    download("dead_leaves", entry, output, mirror=None, **places)
    paths = list_images(output)
    assert len(paths) == entry.count
    assert np.array_equal(read_pixels(paths[3]), dead_leaves(3))
