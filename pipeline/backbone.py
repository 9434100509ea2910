"""Stage `backbone`: the feature weights that losses and metrics are made of."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.stage import start
from srlab.errors import SrlabError
from srlab.params import load_params


def main(
    name: str,
    layer: str,
    catalog: Path,
    output: Path,
    cost: Path,
    optional: Annotated[bool, typer.Option(help="Where there is none, say so in OUTPUT.")] = False,
) -> None:
    """Write the weights of the backbone NAME of CATALOG up to LAYER to OUTPUT; write COST."""
    load_params()
    from srlab.backbone_layers import backbone_name
    from srlab.costs import measured
    from srlab.data.backbone_catalog import load_entry
    from srlab.data.backbone_weights import get_backbone, write_none
    from srlab.workspace import by_hand_folder, downloads_folder, mirror

    with measured(cost):
        if name == "none":
            write_none(output)
            return
        backbone = backbone_name(name)
        try:
            get_backbone(
                backbone,
                load_entry(catalog, backbone),
                output,
                layer=layer,
                mirror=mirror(),
                by_hand=by_hand_folder(),
                downloads=downloads_folder(),
            )
        except SrlabError as error:
            if not optional:
                raise
            print(f"warning: {error}", file=sys.stderr)
            print(
                "warning: ALEX and LPIPS will not be computed; once the weights can be had: "
                "dvc repro --force --single-item backbone@metrics, then dvc repro",
                file=sys.stderr,
            )
            write_none(output)


if __name__ == "__main__":
    start(main)
