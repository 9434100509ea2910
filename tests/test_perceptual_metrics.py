from pathlib import Path

import lpips as reference
import pytest
import torch
import torchvision
from conftest import MIRROR, make_photo
from safetensors.torch import load_file
from test_backbones import alexnet_state
from torch import Tensor
from torch.nn.functional import cosine_similarity

from srlab.backbones import Backbone
from srlab.data.backbone_weights import write_none
from srlab.data.color import quantize
from srlab.data.images import list_images, read_pixels
from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.metrics.alex import alex, alex_features
from srlab.metrics.lpips import load_heads, lpips, lpips_features
from srlab.metrics.perceptual import PerceptualMetrics, load_perceptual_metrics
from srlab.metrics.protocols import PROTOCOLS


def pair() -> tuple[Tensor, Tensor]:
    hr = to_tensor(make_photo(96, 80))
    return resample(resample(hr, scale=1 / 4), scale=4).clamp(0, 1), hr


def alex_of(backbone: Backbone, sr: Tensor, hr: Tensor) -> float:
    return alex(*(alex_features(backbone, image) for image in (sr, hr))).item()


def lpips_of(backbone: Backbone, sr: Tensor, hr: Tensor) -> float:
    return lpips(load_heads(), *(lpips_features(backbone, image) for image in (sr, hr))).item()


@pytest.fixture(scope="module")
def real_alexnet() -> Backbone:
    path = MIRROR / "weights" / "alexnet_features.safetensors"
    if not path.is_file():
        pytest.skip(f"no {path}; set SRLAB_MIRROR")
    return Backbone("alexnet", load_file(path))


@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")
def test_lpips_is_the_packages() -> None:
    # The package builds its AlexNet with random weights; ours gets the same ones.
    state = alexnet_state()
    theirs = reference.LPIPS(net="alex", pnet_rand=True, verbose=False)
    convolutions = [m for m in theirs.net.modules() if isinstance(m, torch.nn.Conv2d)]
    for convolution, name in zip(
        convolutions, [n for n in state if n.endswith("weight")], strict=True
    ):
        convolution.load_state_dict(
            {"weight": state[name], "bias": state[name.replace("weight", "bias")]}
        )
    sr, hr = pair()
    ours = lpips_of(Backbone("alexnet", state), sr, hr)
    with torch.no_grad():
        expected = theirs(2 * sr - 1, 2 * hr - 1).item()
    assert ours == pytest.approx(expected, rel=1e-5)
    assert ours > 0


def test_equal_images_are_equal() -> None:
    backbone = Backbone("alexnet", alexnet_state())
    _, hr = pair()
    assert alex_of(backbone, hr, hr) == pytest.approx(1, abs=1e-6)
    assert lpips_of(backbone, hr, hr) == 0


def test_alex_is_the_cosine_of_torchvisions_pooled_features() -> None:
    state = alexnet_state()
    with torch.random.fork_rng():
        network = torchvision.models.alexnet(weights=None).eval()
    network.load_state_dict(state, strict=False)
    sr, hr = pair()
    with torch.no_grad():
        vectors = [network.avgpool(network.features(image)).flatten(1) for image in (sr, hr)]
    assert vectors[0].shape == (1, 9216)
    expected = cosine_similarity(*vectors).item()
    assert alex_of(Backbone("alexnet", state), sr, hr) == pytest.approx(expected, abs=1e-6)


def test_small_images_and_a_missing_backbone_are_not_computed(tmp_path: Path) -> None:
    metrics = PerceptualMetrics(Backbone("alexnet", alexnet_state()))
    small = torch.rand(1, 3, 62, 200)
    assert metrics(small, small) == (None, None)
    with pytest.raises(ValueError, match="63 pixels"):
        alex_features(Backbone("alexnet", alexnet_state()), small)
    path = tmp_path / "metrics.safetensors"
    write_none(path)
    assert load_perceptual_metrics(path)(*pair()) == (None, None)
    with pytest.raises(SrlabError, match="cannot be read"):
        load_perceptual_metrics(tmp_path / "missing")


def test_grey_counts_as_rgb() -> None:
    metrics = PerceptualMetrics(Backbone("alexnet", alexnet_state()))
    sr, hr = (image[:, :1] for image in pair())
    assert metrics(sr, hr) == metrics(sr.expand(-1, 3, -1, -1), hr.expand(-1, 3, -1, -1))


@pytest.mark.parametrize(
    ("dataset", "nearest", "bicubic"), [("set5", 0.680, 0.833), ("set14", 0.704, 0.794)]
)
def test_alex_of_the_papers_baselines(
    benchmarks, real_alexnet, dataset: str, nearest: float, bicubic: float
) -> None:
    protocol = PROTOCOLS["paper"]
    for kernel, expected in (("nearest", nearest), (protocol.kernel, bicubic)):
        values = []
        for path in list_images(benchmarks / dataset):
            lr, hr = protocol.pair(to_tensor(read_pixels(path)), 4)
            sr = quantize(resample(lr, scale=4, kernel=kernel))
            values.append(PerceptualMetrics(real_alexnet)(sr, hr)[0])
        assert sum(values) / len(values) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize(("dataset", "published"), [("set5", 0.3407), ("set14", 0.4393)])
def test_lpips_of_bicubic(benchmarks, real_alexnet, dataset: str, published: float) -> None:
    protocol = PROTOCOLS["y_rgb8"]
    values = []
    for path in list_images(benchmarks / dataset):
        lr, hr = protocol.pair(to_tensor(read_pixels(path)), 4)
        values.append(PerceptualMetrics(real_alexnet)(quantize(resample(lr, scale=4)), hr)[1])
    assert sum(values) / len(values) == pytest.approx(published, abs=0.002)


def test_the_truth_is_looked_at_once() -> None:
    backbone = Backbone("alexnet", alexnet_state())
    calls: list[Tensor] = []
    backbone.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0]))
    metrics = PerceptualMetrics(backbone)
    sr, hr = pair()
    first = metrics(sr, hr)
    once = len(calls)
    assert metrics(sr, hr.clone()) == first
    assert len(calls) - once == once / 2
    assert metrics(sr, sr)[1] == 0
    assert metrics(sr, hr) == first
