"""The backbone of ALEX and LPIPS, outside of the pipeline."""

import sys

from srlab.data.backbone_catalog import load_entry
from srlab.data.backbone_weights import get_backbone
from srlab.errors import SrlabError
from srlab.metrics.perceptual import PerceptualMetrics, load_perceptual_metrics
from srlab.scoring.surroundings import surroundings
from srlab.workspace import mirror, project_root

LAYER = "relu5"
"""The last of AlexNet's layers that the metrics look at."""


def perceptual_metrics() -> PerceptualMetrics:
    """ALEX and LPIPS over AlexNet: the pipeline's file, or one that is fetched as it does.

    Where the weights cannot be had, a line says so, and the metrics compute nothing.
    """
    made = project_root() / "data" / "backbones" / "metrics.safetensors"
    if made.is_file() and (found := load_perceptual_metrics(made)).available:
        return found
    here = surroundings()
    fetched = here.kept / "backbones" / "alexnet.safetensors"
    try:
        if not fetched.is_file():
            get_backbone(
                "alexnet",
                load_entry(here.catalogs / "backbones.yaml", "alexnet"),
                fetched,
                layer=LAYER,
                mirror=mirror(),
                by_hand=here.by_hand,
                downloads=here.downloads,
            )
        return load_perceptual_metrics(fetched)
    except SrlabError as error:
        print(f"warning: ALEX and LPIPS are not computed: {error}", file=sys.stderr)
        return PerceptualMetrics(None)
