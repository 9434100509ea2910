"""Scoring all methods on Set5 and Set14, by the pipeline's own stages."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from bench import ROOT
from bench.alternation import seconds
from bench.commands import run
from bench.results import Row, unmeasured
from bench.settings import Settings
from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import Params, parse_params
from srlab.strict_yaml import read_yaml
from srlab.training.memnet import architecture as memnet_architecture
from srlab.training.srresnet import architecture as srresnet_architecture
from srlab.weights import make_card, save_weights
from srlab.workspace import mirror

_NAME = "scoring five methods on Set5 and Set14 at x2, x3, x4"
_DATASETS = ("set5", "set14")


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds of the five evaluation stages, one behind the other.

    The networks are the quick profile's, untrained: how fast they are does not depend on that.
    """
    if mirror() is None:
        yield unmeasured(_NAME, "no images of Set5 and Set14, set SRLAB_MIRROR")
        return
    with TemporaryDirectory() as name:
        project = Path(name)
        try:
            params = _lay_out(project, settings.threads)
            _save_networks(project, params)
            total = seconds(lambda: _score(project, settings.threads))
        except SrlabError as error:
            yield unmeasured(_NAME, str(error))
            return
    yield Row(_NAME, "s", ours=total)


def _lay_out(project: Path, threads: int) -> Params:
    """The project's code and catalogs, params.yaml, images and the metrics' backbone."""
    for name in ("src", "pipeline", "data"):
        (project / name).symlink_to(ROOT / name)
    tree = read_yaml(ROOT / "profiles" / "quick.yaml")
    tree["data"]["test"] = list(_DATASETS)
    (project / "params.yaml").write_text(yaml.safe_dump(tree))
    for name in _DATASETS:
        results = [f"raw/{name}", f"costs/{name}.json"]
        _stage(project, "download", name, "data/datasets.yaml", *results, threads=threads)
    results = ["backbone.safetensors", "costs/backbone.json", "--optional"]
    backbone = ["alexnet", "relu5", "data/backbones.yaml", *results]
    _stage(project, "backbone", *backbone, threads=threads)
    return parse_params(tree, source="params.yaml")


def _save_networks(project: Path, params: Params) -> None:
    (project / "trained.json").write_text(json.dumps({"mlflow_run_id": None}))
    for name, network, settings in (
        ("memnet", MemNet, memnet_architecture(params.memnet)),
        ("srresnet", SRResNet, srresnet_architecture(params.srresnet)),
        ("srgan", SRResNet, srresnet_architecture(params.srresnet)),
    ):
        architecture = "memnet" if network is MemNet else "srresnet"
        scales = params.patches.memnet.scales if network is MemNet else [params.srresnet.scale]
        card = make_card(architecture, settings, scales, {}, "", None)
        save_weights(network(**settings), card, project / f"{name}.safetensors")


def _score(project: Path, threads: int) -> None:
    for stage in _stages():
        _stage(project, *stage, threads=threads)


def _stages() -> Iterator[list[str]]:
    """The evaluation stages with their arguments, as dvc.yaml has them."""
    for method in ("nearest", "bicubic", "memnet", "srresnet", "srgan"):
        results = [f"{method}.json", f"{method}.csv", f"results/{method}", f"costs/{method}.json"]
        images = ["raw", "backbone.safetensors", *results]
        if method in ("nearest", "bicubic"):
            yield ["baseline", method, *images]
        else:
            blend = ["--blend-from", "srresnet.safetensors"] if method == "srgan" else []
            yield ["evaluate", f"{method}.safetensors", "trained.json", *images, *blend]


def _stage(project: Path, name: str, *arguments: str, threads: int) -> None:
    run(project, sys.executable, "-m", f"pipeline.{name}", *arguments, threads=threads)
