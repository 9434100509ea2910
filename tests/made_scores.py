"""Made-up scores for the tests of the report's tables."""

from collections.abc import Mapping

from srlab.evaluation import Score, means
from srlab.report.scores import MadeBy, MethodScores

Cells = Mapping[tuple[str, str, int], Mapping[str, list[float | None]]]
"""(protocol, dataset, scale) -> metric -> the score of each image."""

MADE_BY = MadeBy(
    weights_sha256="a1b2c3d4e5f6",
    params_sha256="11112222333",
    data_sha256="44445555666",
    git_commit="0123456789abcdef",
    mlflow_run_id="run1",
)


def method(cells: Cells, made_by: MadeBy = MADE_BY) -> MethodScores:
    """A method with these scores; what is not named was not computed."""
    images = []
    for (protocol, dataset, scale), metrics in cells.items():
        columns = {"ssim": None, "alex": None, "lpips": None, "colour_shift": None, "grid": None}
        count = len(metrics["psnr"])
        for index in range(count):
            values = columns | {name: scores[index] for name, scores in metrics.items()}
            images.append(Score(protocol, dataset, scale, f"image{index}", **values))
    return MethodScores(means(images), images, made_by)
