"""What saving an image as JPEG leaves of it."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from srlab.data.color import quantize
from srlab.data.tensors import to_pixels, to_tensor

_BLOCK = 16
"""Side of the squares that colour is coded in, twice that of the squares of luma."""


@dataclass(frozen=True)
class Jpeg:
    """How an image is saved."""

    quality: int
    """1 to 100, as libjpeg scales its tables by."""
    offset: tuple[int, int] = (0, 0)
    """Rows and columns that were cut off after saving: where in the image the squares begin."""

    def saved(self, image: Tensor) -> Tensor:
        """(1, C, H, W) in [0, 1], C = 1 or 3, to what a reader of the file sees, of the same type.

        Colour at half of the resolution (4:2:0), as cameras and most software save it.
        """
        rows, columns = self.offset
        whole = pad(image, (columns, 0, rows, 0), mode="replicate")
        file = io.BytesIO()
        Image.fromarray(to_pixels(whole)).save(
            file, format="JPEG", quality=self.quality, subsampling="4:2:0"
        )
        with Image.open(file) as read:
            decoded = to_tensor(np.array(read))
        return quantize(decoded[..., rows:, columns:].to(image))


def drawn(name: str, lowest: int, highest: int) -> Jpeg:
    """A quality and an offset at random, the same ones whenever the name is the same.

    The offset keeps a network from learning where the squares of its patches begin: in a picture
    that was cut they may begin anywhere.
    """
    random = np.random.default_rng(list(name.encode()))
    rows, columns = random.integers(_BLOCK, size=2).tolist()
    return Jpeg(int(random.integers(lowest, highest + 1)), (rows, columns))
