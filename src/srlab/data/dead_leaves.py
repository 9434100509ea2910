"""Dead leaves: synthetic training images.

Shapes of every size lie over one another, as objects in photographs hide one another; their sizes
follow a power law, which makes the images' statistics independent of scale, as those of photographs
are. Networks trained on nothing else restore photographs almost as well as those trained on them.

Sources: Lee, Mumford, Huang, "Occlusion Models for Natural Images: A Statistical Study of a
Scale-Invariant Dead Leaves Model", IJCV 2001; Achddou, Gousseau, Ladjal, "Synthetic Images as a
Regularity Prior for Image Restoration Neural Networks", SSVM 2021.
"""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_SUPERSAMPLING = 3
_LEAVES = 1500
_LARGE_LEAVES = 100
"""Drawn first, so that nothing of the background stays."""
_SMALLEST, _LARGEST = 2.5, 150.0
"""Radii, in pixels."""


def dead_leaves(seed: int, side: int = 384) -> np.ndarray:
    """One image, uint8 (side, side, 3), that depends on the seed and the side alone.

    Drawn larger and reduced, so that edges lie between pixels; some images are a little blurred,
    as photographs out of focus.
    """
    random = np.random.default_rng(seed)
    size = side * _SUPERSAMPLING
    image = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(image)
    # Radii with a density of r^-3, by inversion.
    low, high = _SMALLEST**-2, _LARGEST**-2
    drawn = (low + random.random(_LEAVES) * (high - low)) ** -0.5
    radii = np.concatenate([random.uniform(0.3, 1, _LARGE_LEAVES) * _LARGEST, drawn])
    brightness = random.uniform(0, 255, (len(radii), 1))
    tints = random.normal(0, random.uniform(0, 40), (len(radii), 3))
    colours = np.clip(brightness + tints, 0, 255).astype(int)
    centres = random.uniform(0, size, (len(radii), 2))
    for centre, radius, (red, green, blue) in zip(centres, radii, colours.tolist(), strict=True):
        _draw_leaf(draw, random, centre, radius * _SUPERSAMPLING, (red, green, blue))
    image = image.reduce(_SUPERSAMPLING)
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.0)))
    return np.asarray(image)


def _draw_leaf(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    centre: np.ndarray,
    radius: float,
    colour: tuple[int, int, int],
) -> None:
    """An ellipse, a rectangle, a polygon or a stroke."""
    kind = random.integers(4)
    if kind == 3:
        bends = centre + random.normal(0, radius, (random.integers(3, 6), 2))
        width = max(1, round(radius * random.uniform(0.05, 0.25)))
        draw.line([(x, y) for x, y in bends], fill=colour, width=width, joint="curve")
        return
    if kind == 2:
        angles = np.sort(random.uniform(0, 2 * math.pi, random.integers(3, 9)))
        radii = random.uniform(0.3, 1, len(angles))
        outline = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)
    else:
        angles = np.linspace(0, 2 * math.pi, 48 if kind == 0 else 4, endpoint=False) + math.pi / 4
        flat = random.uniform(0.15, 1)
        turn = random.uniform(0, math.pi)
        x, y = np.cos(angles), np.sin(angles) * flat
        outline = np.stack(
            [x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)],
            axis=1,
        )
    draw.polygon([(x, y) for x, y in centre + radius * outline], fill=colour)
