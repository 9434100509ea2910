"""The backbone of ALEX and LPIPS, outside of the pipeline."""

import sys
from pathlib import Path

from srlab.data.backbone_catalog import load_entry
from srlab.data.backbone_weights import get_backbone
from srlab.errors import SrlabError
from srlab.metrics.perceptual import PerceptualMetrics, load_perceptual_metrics
from srlab.workspace import by_hand_folder, downloads_folder, mirror, project_root

LAYER = "relu5"
"""The last of AlexNet's layers that the metrics look at."""
_CATALOG = Path("data") / "backbones.yaml"


def perceptual_metrics() -> PerceptualMetrics:
    """ALEX and LPIPS over AlexNet: the pipeline's file, or one that is fetched as it does.

    Where the weights cannot be had, a line says so, and the metrics compute nothing.
    """
    root = project_root()
    made = root / "data" / "backbones" / "metrics.safetensors"
    if made.is_file() and (found := load_perceptual_metrics(made)).available:
        return found
    fetched = root / ".srlab" / "backbones" / "alexnet.safetensors"
    try:
        if not fetched.is_file():
            get_backbone(
                "alexnet",
                load_entry(root / _CATALOG, "alexnet"),
                fetched,
                layer=LAYER,
                mirror=mirror(),
                by_hand=by_hand_folder(),
                downloads=downloads_folder(),
            )
        return load_perceptual_metrics(fetched)
    except SrlabError as error:
        print(f"warning: ALEX and LPIPS are not computed: {error}", file=sys.stderr)
        return PerceptualMetrics(None)
