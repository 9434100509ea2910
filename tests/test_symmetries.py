import pytest
import torch

from srlab.symmetries import SYMMETRIES, transform, undo

IMAGE = torch.arange(2 * 3 * 4).reshape(2, 3, 4)


def test_there_are_eight() -> None:
    square = torch.arange(9).reshape(3, 3)
    assert len({tuple(transform(square, s).flatten().tolist()) for s in SYMMETRIES}) == 8


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_undone_an_image_is_what_it_was(symmetry: int) -> None:
    transformed = transform(IMAGE, symmetry)
    assert transformed.shape == ((2, 3, 4) if symmetry < 4 else (2, 4, 3))
    assert torch.equal(undo(transformed, symmetry), IMAGE)


def test_the_first_changes_nothing() -> None:
    assert torch.equal(transform(IMAGE, 0), IMAGE)
