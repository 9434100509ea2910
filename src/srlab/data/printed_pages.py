"""Printed pages: synthetic training images of text.

A photograph of a page has what few other photographs have: strokes a pixel wide, dark on light, in
shapes that repeat. The pages hold invented words in the fonts that come with Matplotlib, on paper
that is lit from one side, a little turned and a little out of focus.
"""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_SUPERSAMPLING = 3
_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "DejaVuSansMono",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmr10",
)
_LETTERS = list(
    "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrr"
    "ddddllllccuummwwffggyyppbbvkxjqz"
)
"""As often as in English."""
_MARKS = (".", ",", ";", ":", "()", "1", "20", "347", "=", "_")


def printed_page(seed: int, side: int = 384) -> np.ndarray:
    """One page, uint8 (side, side, 3), that depends on the seed, the side and the fonts alone.

    Drawn larger and reduced, so that strokes lie between pixels.
    """
    random = np.random.default_rng(seed)
    size = side * _SUPERSAMPLING
    # Larger than the page, so that no corner stays empty when it is turned.
    canvas = Image.new("L", (size * 5 // 4, size * 5 // 4), 0)
    draw = ImageDraw.Draw(canvas)
    y = 0.0
    while y < canvas.height:
        height = _SUPERSAMPLING * random.uniform(8, 13) * random.choice((1, 1, 1, 2))
        font = _font(str(random.choice(_FONTS)), round(height))
        for _ in range(random.integers(1, 6)):
            draw.text((random.uniform(-height, height), y), _line(random), fill=255, font=font)
            y += height * random.uniform(1.3, 1.6)
        if random.random() < 0.2:
            draw.line((0, y, canvas.width, y), fill=255, width=_SUPERSAMPLING)
        y += height * random.uniform(0, 1)
    turned = canvas.rotate(random.uniform(-4, 4), Image.Resampling.BICUBIC)
    margin = size // 8
    ink = turned.crop((margin, margin, margin + size, margin + size)).reduce(_SUPERSAMPLING)
    ink = ink.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.8)))
    return _on_paper(np.asarray(ink) / 255, random)


def _on_paper(ink: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Ink of (H, W) in [0, 1] on paper that is lit from one side."""
    side = len(ink)
    y, x = np.mgrid[:side, :side] / side
    slope = random.uniform(-60, 60, 2)
    light = random.uniform(170, 235) + slope[0] * (y - 0.5) + slope[1] * (x - 0.5)
    paper = light[..., None] + random.normal(0, 6, 3)
    colour = random.uniform(10, 90) + random.normal(0, 6, 3)
    if random.random() < 0.2:  # light on dark
        paper, colour = 255 - paper, 255 - colour
    page = paper + (colour - paper) * ink[..., None]
    page += random.normal(0, random.uniform(0, 3), (side, side, 1))
    return page.clip(0, 255).round().astype(np.uint8)


def _line(random: np.random.Generator) -> str:
    """Invented words and a few marks, longer than any page is wide."""
    words = []
    for _ in range(30):
        word = "".join(random.choice(_LETTERS, random.integers(1, 11)))
        if random.random() < 0.15:
            word = word.capitalize()
        if random.random() < 0.15:
            word += str(random.choice(_MARKS))
        words.append(word)
    return " ".join(words)


@functools.cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{name}.ttf"), size)
