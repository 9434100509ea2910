"""What models make of one picture, how long it took, and how near it is to the truth."""

import time
from dataclasses import dataclass

import numpy as np

from srlab.comparing.on_screen import on_screen
from srlab.comparing.subject import Subject
from srlab.data.tensors import to_tensor
from srlab.evaluation import Case, Score, score
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.upscaling.hidden_colour import filled
from srlab.upscaling.model import Model
from srlab.upscaling.regions import Enlargement, Options, Progress


@dataclass(frozen=True)
class Result:
    """What a model made of a subject."""

    pixels: np.ndarray
    """uint8 (H, W) or (H, W, 3), as a screen shows it."""
    seconds: float
    score: Score | None
    """Under the subject's protocol; None where nothing is scored."""


def enlarge(
    subject: Subject,
    model: Model,
    perceptual: PerceptualMetrics | None = None,
    progress: Progress = lambda done: None,
) -> Result:
    """Enlarge a subject, and score the result if that is wanted and there is a truth.

    Args:
        subject: is enlarged as `srlab upscale` would.
        model: enlarges.
        perceptual: computes ALEX and LPIPS; without it there is no score.
        progress: see `srlab.upscaling.regions.Progress`.

    Raises:
        SrlabError: memory does not suffice.
    """
    pixels = filled(subject.lr) if subject.lr.shape[-1] in (2, 4) else subject.lr
    begin = time.monotonic()
    bands = Enlargement(pixels, model, subject.size, Options()).bands(progress)
    shown = on_screen(np.concatenate(list(bands)), subject.icc)
    seconds = time.monotonic() - begin
    if subject.truth is None or subject.protocol is None or perceptual is None:
        return Result(shown, seconds, None)
    lr, hr, sr = (to_tensor(x).double() for x in (subject.lr, subject.truth, shown))
    case = Case(subject.protocol, "", int(subject.scale), subject.name, lr, hr)
    return Result(shown, seconds, score(sr, case, perceptual))
