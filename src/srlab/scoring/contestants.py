"""What can be scored: an interpolation, a released model, weights, a folder of results.

Every contestant is asked for its results one by one; how they are scored is `srlab.evaluation`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from srlab.data.images import read_pixels
from srlab.data.kernels import Kernel
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import Case, cases, means, score
from srlab.inference.strength import load_blend
from srlab.inference.upscalers import Interpolation, Upscaler, network_upscaler
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.metrics.protocols import PROTOCOLS, Protocol
from srlab.models.complexity import parameters
from srlab.params import EvaluateParams
from srlab.provenance import file_hash
from srlab.report.scores import MadeBy, MethodScores
from srlab.scoring.result_folder import ResultFolder
from srlab.upscaling.consistency import Consistent
from srlab.upscaling.ensemble import Ensemble
from srlab.weights import load_card, load_weights
from srlab.zoo.registry import BASELINES, Release, resolve, resolve_blend

_ENSEMBLE = "+"
"""Behind a network's name: EDSR+ is EDSR so in Lim et al. 2017."""

_CONSISTENT = "="
"""Behind a network's name: its result, shrunk, equals what it was given."""

_NOTHING: dict[str, Any] = {
    "weights_sha256": None,
    "params_sha256": None,
    "data_sha256": None,
    "git_commit": None,
    "mlflow_run_id": None,
}


@dataclass(frozen=True)
class Contestant:
    """Something that is scored."""

    name: str
    """Its row's."""
    result: Callable[[Case], Tensor | None]
    """A case -> sr (1, C, s*h, s*w) in [0, 1]; None where there is none for it."""
    wanted: Callable[[Protocol, int], bool]
    """Whether it takes part in a protocol at a scale."""
    made_by: dict[str, Any] = field(default_factory=lambda: dict(_NOTHING))
    """As in `srlab.report.scores.MadeBy`."""


def contestant(
    target: str, *, strength: float | None = None, scale: int | None = None
) -> Contestant:
    """What a name or path stands for.

    Args:
        target: an interpolation's or released model's name (`srlab models`), srlab's weights, a
            folder of results, or with the extra `[peers]` another project's checkpoint. A network
            with `+` behind it is scored with self-ensemble, see `srlab.upscaling.ensemble`, and
            with `=`, or `+=`, corrected by `srlab.upscaling.consistency`.
        strength: of an SRGAN, see `srlab.inference.strength`.
        scale: of results that do not say it.

    Raises:
        SrlabError: there is no such thing, or it cannot be read.
    """
    path = Path(target)
    name = target.removesuffix(_CONSISTENT).removesuffix(_ENSEMBLE)
    marks = target.removeprefix(name)
    if marks and not path.exists():
        if name in BASELINES or Path(name).is_dir():
            raise SrlabError(f"{target}: {marks} is for networks; leave it out")
        return _of_network(name, strength, marks)
    if path.is_dir():
        return _of_folder(path, scale)
    if target in BASELINES:
        return _interpolation(target, BASELINES[target].kernel)
    return _of_network(target, strength)


def score_contestant(
    contestant: Contestant,
    params: EvaluateParams,
    folders: list[Path],
    perceptual: PerceptualMetrics,
    progress: Callable[[Case], None],
) -> MethodScores:
    """Score a contestant on every image of some datasets.

    Args:
        contestant: whose results are scored.
        params: protocols and scales; those that it takes no part in are left out.
        folders: one folder of images per dataset; its name is the dataset's.
        perceptual: computes ALEX and LPIPS.
        progress: is told of each case before it is computed.

    Raises:
        SrlabError: an image does not decode, or the contestant has no result for any, or for only
            some of the images of a dataset.
    """
    scores, without = [], []
    for case in cases(params, folders, contestant.wanted):
        progress(case)
        sr = contestant.result(case)
        if sr is None:
            without.append((case.dataset, case.scale, case.image))
        else:
            scores.append(score(sr, case, perceptual))
    if not scores:
        raise SrlabError(
            f"{contestant.name}: nothing in it belongs to {', '.join(f.name for f in folders)} "
            f"under {', '.join(params.protocols)} at {', '.join(f'x{s}' for s in params.scales)}; "
            "choose other images, protocols or scales"
        )
    began = {(row.dataset, row.scale) for row in scores}
    for dataset, scale, image in without:
        if (dataset, scale) in began:
            raise SrlabError(
                f"{contestant.name}: no result for {image} of {dataset} at x{scale}, though there "
                "are some for others; add it"
            )
    return MethodScores(means(scores), scores, MadeBy.model_validate(contestant.made_by))


def _foreign(path: Path) -> str | None:
    """Why a file is not srlab's weights; None where it is."""
    try:
        load_card(path)
    except SrlabError as error:
        return str(error)
    return None


def _interpolation(name: str, kernel: Kernel) -> Contestant:
    def of(protocol: Protocol) -> Interpolation:
        # What a protocol calls bicubic differs between them.
        return Interpolation(protocol.kernel if name == "bicubic" else kernel)

    return _of_upscaler(name, of, _NOTHING)


def _of_network(target: str, strength: float | None, marks: str = "") -> Contestant:
    path = Path(target)
    if path.is_file() and (complaint := _foreign(path)):
        from srlab.scoring.peers import load_peer

        upscaler, count = load_peer(path, complaint)
        made_by = _NOTHING | {"weights_sha256": file_hash(path), "parameters": count}
        name = path.stem
    else:
        name, upscaler, made_by = _of_weights(target, strength)
    if _ENSEMBLE in marks:
        upscaler = Ensemble(upscaler)
    if _CONSISTENT not in marks:
        return _of_upscaler(name + marks, lambda protocol: upscaler, made_by)
    # What went in was shrunk in the protocol's way.
    return _of_upscaler(
        name + marks, lambda protocol: Consistent(upscaler, protocol.kernel), made_by
    )


def _of_weights(target: str, strength: float | None) -> tuple[str, Upscaler, dict[str, Any]]:
    found = resolve(target) if strength is None else resolve_blend(target)
    assert isinstance(found, Release)
    if strength is None:
        network, card = load_weights(found.path)
    else:
        assert found.start is not None
        network, card = load_blend(found.start, found.path, strength)
    upscaler = network_upscaler(network, card)
    made_by = {
        "weights_sha256": file_hash(found.path),
        "params_sha256": card.params_sha256,
        "data_sha256": card.data_sha256,
        "git_commit": card.git_commit,
        "mlflow_run_id": None,
        "parameters": parameters(network),
        **({} if strength is None else {"strength": strength}),
    }
    name = Path(found.name).stem if found.name.endswith(".safetensors") else found.name
    return name, upscaler, made_by


def _of_upscaler(
    name: str, upscaler_of: Callable[[Protocol], Upscaler], made_by: dict[str, Any]
) -> Contestant:
    def wanted(protocol: Protocol, scale: int) -> bool:
        upscaler = upscaler_of(protocol)
        return (upscaler.scales is None or scale in upscaler.scales) and (
            upscaler.takes_luma or not protocol.luma_first
        )

    def result(case: Case) -> Tensor:
        return upscaler_of(PROTOCOLS[case.protocol])(case.lr, case.scale)

    return Contestant(name, result, wanted, made_by)


def _of_folder(folder: Path, scale: int | None) -> Contestant:
    results = ResultFolder(folder, scale)

    def result(case: Case) -> Tensor | None:
        height, width = case.hr.shape[-2:]
        path = results.find(case.dataset, case.image, case.scale, (height, width))
        if path is None:
            return None
        sr = to_tensor(read_pixels(path)).double()
        grey = case.hr.shape[1] == 1
        if grey and sr.shape[1] == 3:
            # A grey image that was enlarged as RGB, as most programs do.
            return sr.mean(dim=1, keepdim=True)
        return sr.expand(-1, case.hr.shape[1], -1, -1)

    # Pictures are of RGB or grey values; luma in studio range is another kind of image.
    return Contestant(folder.resolve().name, result, lambda protocol, _: not protocol.luma_first)
