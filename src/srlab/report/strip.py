"""Comparison strips: lr, every method and hr side by side, with a zoomed crop."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srlab.data.images import list_images, read_pixels, write_png
from srlab.data.resample import resample
from srlab.data.tensors import crop_to_multiple, to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import PICTURES, Score
from srlab.params import ReportParams
from srlab.report.crops import Box, most_detailed
from srlab.report.scores import MethodScores

_GAP = 6
_LABEL = 22
_PANEL = 240


def write_strips(
    params: ReportParams,
    datasets: list[Path],
    results: dict[str, Path],
    scores: dict[str, MethodScores],
    output: Path,
) -> None:
    """A strip for every image of some datasets, `{dataset}/{image}.png` in the output folder.

    Args:
        params: scale and crop.
        datasets: folders of true images.
        results: method -> its folder of results, see `srlab.evaluation.evaluate`.
        scores: method -> its scores.
        output: the folder to fill.

    Raises:
        SrlabError: a result or a score is missing.
    """
    captions = {method: _captions(own, params.scale) for method, own in scores.items()}
    # A network for another scale has nothing to show.
    shown = [method for method in results if captions[method]]
    for dataset in datasets:
        (output / dataset.name).mkdir(parents=True, exist_ok=True)
        for path in list_images(dataset):
            key = (dataset.name, path.stem)
            if missing := [method for method in shown if key not in captions[method]]:
                raise SrlabError(
                    f"{path}: not scored by {', '.join(missing)}; make it again: dvc repro"
                )
            strip = comparison_strip(
                path,
                {
                    method: results[method] / dataset.name / f"x{params.scale}" / f"{path.stem}.png"
                    for method in shown
                },
                scale=params.scale,
                crop=params.crop,
                captions={method: captions[method][key] for method in shown},
            )
            write_png(output / dataset.name / f"{path.stem}.png", strip)


def _captions(scores: MethodScores, scale: int) -> dict[tuple[str, str], str]:
    """(dataset, image) -> PSNR, and LPIPS if known, under the protocol of the pictures."""
    return {
        (score.dataset, score.image): caption(score)
        for score in scores.images
        if (score.protocol, score.scale) == (PICTURES, scale)
    }


def caption(score: Score) -> str:
    """PSNR, and LPIPS if known."""
    psnr = "equal" if score.psnr is None else f"{score.psnr:.2f} dB"
    return psnr if score.lpips is None else f"{psnr} / {score.lpips:.3f}"


def comparison_strip(
    hr_path: Path, results: dict[str, Path], *, scale: int, crop: int, captions: dict[str, str]
) -> np.ndarray:
    """lr | methods | hr as one picture, uint8 (H, W, 3).

    The upper row shows the whole image, the lower one the same crop of each, enlarged without
    smoothing. The crop is where the low-resolution image has the most detail, so no method
    chooses it.

    Args:
        hr_path: the true image.
        results: method -> its result for this image.
        scale: the factor; lr is made as in the protocol `y_rgb8`.
        crop: side of the crop in high-resolution pixels.
        captions: method -> what stands behind its name, such as its PSNR and LPIPS.

    Raises:
        SrlabError: a picture does not decode, or has another size than the true image.
    """
    hr = _rgb(to_pixels(crop_to_multiple(to_tensor(read_pixels(hr_path)), scale)))
    lr = to_pixels(resample(to_tensor(hr).double(), scale=1 / scale).float())
    panels = {"lr": np.kron(lr, np.ones((scale, scale, 1), np.uint8))}
    panels |= {name: _rgb(read_pixels(path)) for name, path in results.items()}
    for name, path in results.items():
        if panels[name].shape != hr.shape:
            found, wanted = (f"{x.shape[1]}x{x.shape[0]}" for x in (panels[name], hr))
            raise SrlabError(
                f"{path}: has {found} pixels, not {wanted} as {hr_path} cut to a multiple of "
                f"{scale}; give a result for this image and scale"
            )
    panels["hr"] = hr
    low = most_detailed(lr, crop // scale)
    box = Box(low.left * scale, low.top * scale, low.side * scale)
    return side_by_side(
        {f"{name} {captions.get(name, '')}".strip(): pixels for name, pixels in panels.items()}, box
    )


def side_by_side(panels: dict[str, np.ndarray], box: Box) -> np.ndarray:
    """Pictures of one size and below each what of it is in a square, as one picture.

    Args:
        panels: label -> uint8 (H, W) or (H, W, 3), from the left to the right.
        box: what is shown enlarged, without smoothing.

    Returns:
        uint8 (H', W', 3).
    """
    columns = [_column(label, _rgb(pixels), box) for label, pixels in panels.items()]
    return np.concatenate(columns, axis=1)[:, _GAP:]


def _column(label: str, pixels: np.ndarray, box: Box) -> np.ndarray:
    image = Image.fromarray(pixels)
    whole = image.resize(
        (_PANEL, max(1, round(_PANEL * image.height / image.width))), Image.Resampling.LANCZOS
    )
    zoom = Image.fromarray(box.inside(pixels)).resize((_PANEL, _PANEL), Image.Resampling.NEAREST)
    ratio = _PANEL / image.width
    ImageDraw.Draw(whole).rectangle(
        [round(edge * ratio) for edge in box.edges], outline="#ff3b30", width=2
    )
    height = _LABEL + whole.height + _GAP + zoom.height
    column = Image.new("RGB", (_GAP + _PANEL, height), "white")
    font = ImageFont.load_default(size=13)
    ImageDraw.Draw(column).text((_GAP, 3), label, fill="black", font=font)
    column.paste(whole, (_GAP, _LABEL))
    column.paste(zoom, (_GAP, _LABEL + whole.height + _GAP))
    return np.array(column)


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
