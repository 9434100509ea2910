"""What an upscaler does to a whole image and should not: shifted colours, a checkerboard."""

from torch import Tensor


def colour_shift(sr: Tensor, lr: Tensor) -> float:
    """Largest difference of a channel's mean between sr and lr, in grey levels of 255.

    Enlarging does not change how bright or how red a picture is.

    Args:
        sr, lr: one image each (1, C, H, W) and (1, C, h, w) in [0, 1].
    """
    means = [image.double().mean(dim=(0, 2, 3)) for image in (sr, lr)]
    return 255 * (means[0] - means[1]).abs().max().item()


def grid(sr: Tensor, smooth: Tensor, scale: int) -> float:
    """Deviation over the scale^2 phases of the mean of sr - smooth, in grey levels of 255.

    An upsampler that treats the pixels inside a low-resolution pixel differently shifts some of
    the phases against the others: a checkerboard. Photographs have 0.2 here.

    Args:
        sr: an enlarged image (1, C, H, W) in [0, 1].
        smooth: what has no grid, such as the bicubic image, of the same size.
        scale: the factor.
    """
    difference = 255 * (sr.double() - smooth.double()).mean(dim=(0, 1))
    height, width = (side // scale * scale for side in difference.shape)
    blocks = difference[:height, :width].reshape(height // scale, scale, width // scale, scale)
    return blocks.mean(dim=(0, 2)).std(correction=0).item()
