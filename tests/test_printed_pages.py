from pathlib import Path

import numpy as np
from conftest import ROOT

from srlab.data.catalog import load_dataset
from srlab.data.download import download
from srlab.data.images import list_images, read_pixels
from srlab.data.printed_pages import printed_page


def test_a_page_depends_on_its_seed_alone() -> None:
    first, second = printed_page(0, side=96), printed_page(1, side=96)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, printed_page(0, side=96))
    assert np.abs(first.astype(int) - second).mean() > 5


def test_every_part_of_a_page_has_ink_and_paper() -> None:
    for seed in range(4):
        parts = printed_page(seed).astype(float).mean(axis=2).reshape(4, 96, 4, 96)
        contrast = parts.max(axis=(1, 3)) - parts.min(axis=(1, 3))
        assert contrast.min() > 50


def test_the_dataset_is_drawn_as_often_as_the_catalog_counts(tmp_path: Path) -> None:
    entry = load_dataset(ROOT / "data" / "datasets.yaml", "printed_pages")
    output = tmp_path / "printed_pages"
    places = {"by_hand": tmp_path / "by_hand", "downloads": tmp_path / "downloads"}
    download("printed_pages", entry, output, mirror=None, **places)
    paths = list_images(output)
    assert len(paths) == entry.count
    assert np.array_equal(read_pixels(paths[3]), printed_page(3))
