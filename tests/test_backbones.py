import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from conftest import MIRROR, ROOT
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from srlab.backbone_layers import (
    Convolution,
    MaxPool,
    backbone_name,
    convolution_indices,
    layer_names,
    layers,
)
from srlab.backbones import Backbone, load_backbone
from srlab.data.backbone_catalog import BackboneEntry, PackageSource, load_entry
from srlab.data.backbone_weights import get_backbone, write_none
from srlab.data.numpy_pickle import read_arrays
from srlab.errors import SrlabError
from srlab.params import PerceptualParams
from srlab.perceptual import PerceptualLoss, load_perceptual_loss

CATALOG = ROOT / "data" / "backbones.yaml"


def alexnet_state(seed: int = 0) -> dict[str, Tensor]:
    """AlexNet's features with random weights."""
    random = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        features = torchvision.models.alexnet(weights=None).features
    return {
        f"features.{name}": torch.randn(tensor.shape, generator=random) * 0.03
        for name, tensor in features.state_dict().items()
    }


def sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()


def entry(state: dict[str, Tensor], *sources: PackageSource) -> BackboneEntry:
    return BackboneEntry(
        title="made",
        terms="none",
        mirror=["alexnet_features.safetensors"],
        sources=list(sources),
        sha256={name: sha256(tensor) for name, tensor in state.items()},
    )


def get(tmp_path: Path, of: BackboneEntry, *, layer: str = "relu5", mirror: Path | None = None):
    output = tmp_path / "out" / "backbone.safetensors"
    get_backbone(
        "alexnet",
        of,
        output,
        layer=layer,
        mirror=str(mirror) if mirror else None,
        by_hand=tmp_path / "by_hand",
        downloads=tmp_path / "downloads",
    )
    return output


def mirrored(folder: Path, state: dict[str, Tensor]) -> Path:
    (folder / "weights").mkdir(parents=True)
    save_file(state, folder / "weights" / "alexnet_features.safetensors")
    return folder


def test_layers_have_the_papers_names() -> None:
    assert layer_names("vgg19")[:6] == [
        "conv1_1", "relu1_1", "conv1_2", "relu1_2", "conv2_1", "relu2_1",
    ]  # fmt: skip
    assert layer_names("vgg19")[-1] == "relu5_4"
    assert layer_names("vgg16")[-1] == "relu5_3"
    assert layer_names("alexnet")[-2:] == ["conv5", "relu5"]
    with pytest.raises(SrlabError, match="no backbone is called 'resnet'; known: vgg19"):
        backbone_name("resnet")


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "vgg19"])
def test_layers_are_those_of_torchvisions_features(name) -> None:
    with torch.device("meta"):
        features = getattr(torchvision.models, name)(weights=None).features
    ours = layers(name)
    for layer, module in zip(ours, features, strict=True):
        if isinstance(layer, Convolution):
            assert isinstance(module, nn.Conv2d)
            assert module.stride == (layer.stride, layer.stride)
            assert module.padding == (layer.padding, layer.padding)
            assert (module.dilation, module.groups, module.padding_mode) == ((1, 1), 1, "zeros")
        elif isinstance(layer, MaxPool):
            assert isinstance(module, nn.MaxPool2d)
            assert (module.kernel_size, module.stride, module.padding) == (layer.size, 2, 0)
            assert (module.dilation, module.ceil_mode) == (1, False)
        else:
            assert isinstance(module, nn.ReLU)
    assert convolution_indices(name) == [
        index for index, module in enumerate(features) if isinstance(module, nn.Conv2d)
    ]


def test_no_metric_loads_torchvision(tmp_path: Path) -> None:
    path = tmp_path / "backbone.safetensors"
    save_file(alexnet_state(), path, {"backbone": "alexnet"})
    code = (
        "import sys, torch; from pathlib import Path; "
        "from srlab.metrics.perceptual import load_perceptual_metrics; "
        f"load_perceptual_metrics(Path({str(path)!r}))(*torch.rand(2, 1, 3, 70, 70)); "
        "print({'torchvision', 'torch._dynamo'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


def test_features_are_torchvisions() -> None:
    state = alexnet_state()
    reference = torchvision.models.alexnet(weights=None).features
    reference.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    reference.double()
    # In float64, where the order of the sums is nothing to see.
    images = torch.rand(1, 3, 80, 70, dtype=torch.float64)
    before, after = Backbone("alexnet", state).double()(images, ["conv3", "relu5"], normalize=False)
    assert torch.allclose(before, reference[:7](images), rtol=0, atol=1e-12)
    assert torch.allclose(after, reference[:12](images), rtol=0, atol=1e-12)
    assert before.min() < 0  # the ReLU behind it has not touched it


def test_normalisation_is_imagenets() -> None:
    backbone = Backbone("alexnet", alexnet_state())
    images = torch.rand(1, 3, 70, 70)
    normalized = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    (ours,) = backbone(images, ["relu1"])
    (theirs,) = backbone(normalized(images), ["relu1"], normalize=False)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_backbone_ends_where_its_weights_do() -> None:
    state = {name: x for name, x in alexnet_state().items() if name.split(".")[1] in ("0", "3")}
    backbone = Backbone("alexnet", state)
    assert list(backbone.layers)[-2:] == ["relu2", "pool5"]
    with pytest.raises(ValueError, match="has no layers"):
        backbone(torch.rand(1, 3, 70, 70), ["relu3"])


def test_no_gradient_reaches_the_backbone_and_one_reaches_the_image() -> None:
    loss = PerceptualLoss(
        Backbone("alexnet", alexnet_state()), layer="relu2", distance="mse", feature_scale=1.0
    )
    sr = torch.rand(1, 3, 70, 70, requires_grad=True)
    loss(sr, torch.rand(1, 3, 70, 70)).backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_the_scale_of_the_features_enters_as_it_should() -> None:
    backbone = Backbone("alexnet", alexnet_state())
    sr, hr = torch.rand(2, 1, 3, 70, 70)

    def value(distance, feature_scale: float) -> float:
        loss = PerceptualLoss(
            backbone, layer="conv2", distance=distance, feature_scale=feature_scale
        )
        return loss(sr, hr).item()

    assert value("mse", 0.1) == pytest.approx(0.01 * value("mse", 1.0), rel=1e-4)
    assert value("l1", 0.1) == pytest.approx(0.1 * value("l1", 1.0), rel=1e-4)


def test_a_mirror_gives_the_weights_up_to_the_layer(tmp_path: Path) -> None:
    state = alexnet_state()
    output = get(tmp_path, entry(state), layer="conv2", mirror=mirrored(tmp_path / "m", state))
    assert sorted(load_file(output)) == [
        "features.0.bias", "features.0.weight", "features.3.bias", "features.3.weight",
    ]  # fmt: skip
    assert list(load_backbone(output, "alexnet").layers)[-2:] == ["relu2", "pool5"]
    assert [path.name for path in output.parent.iterdir()] == ["backbone.safetensors"]


def test_other_weights_are_refused_and_the_ways_are_named(tmp_path: Path) -> None:
    mirror = mirrored(tmp_path / "m", alexnet_state(seed=1))
    with pytest.raises(SrlabError) as refusal:
        get(tmp_path, entry(alexnet_state()), mirror=mirror)
    said = str(refusal.value)
    assert "features.0.weight has other values than the catalog says" in said
    for way in ("SRLAB_MIRROR", "torchvision's published weights", "package index", "none"):
        assert way in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_weights_that_end_too_early_are_not_enough(tmp_path: Path) -> None:
    state = alexnet_state()
    short = {name: x for name, x in state.items() if name.startswith("features.0")}
    with pytest.raises(SrlabError, match=r"it ends before features\.3\.weight"):
        get(tmp_path, entry(state), mirror=mirrored(tmp_path / "m", short))


def test_a_damaged_file_of_ones_own_is_named(tmp_path: Path) -> None:
    path = tmp_path / "by_hand" / "weights" / "alexnet_features.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    with pytest.raises(SrlabError, match=f"file {path}: not a safetensors file"):
        get(tmp_path, entry(alexnet_state()))


def packed(tmp_path: Path, content: bytes) -> PackageSource:
    """A source package among the downloads, as pip would have left it there."""
    folder = tmp_path / "downloads" / "packages"
    folder.mkdir(parents=True)
    archive = folder / "some_package-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        member = tarfile.TarInfo("some_package-1.0/weights.ckpt")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return PackageSource(
        kind="package",
        requirement="some-package==1.0",
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        member="weights.ckpt",
        group="AlexNet_0",
    )


def test_a_source_package_gives_the_same_file_as_a_mirror(tmp_path: Path) -> None:
    state = alexnet_state()
    kernels = [name for name in state if name.endswith("weight")]
    arrays = {
        f"Conv_{number}": {
            "kernel": state[name].numpy().transpose(2, 3, 1, 0),
            "bias": state[name.replace("weight", "bias")].numpy(),
        }
        for number, name in enumerate(kernels)
    }
    source = packed(tmp_path, pickle.dumps({"AlexNet_0": arrays}))
    from_package = get(tmp_path, entry(state, source)).read_bytes()
    mirror = mirrored(tmp_path / "m", state)
    assert get(tmp_path, entry(state), mirror=mirror).read_bytes() == from_package


def test_a_package_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "it_ran",))

    source = packed(tmp_path, pickle.dumps({"AlexNet_0": Hostile()}))
    with pytest.raises(SrlabError, match="which is no NumPy array"):
        get(tmp_path, entry(alexnet_state(), source))
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"x", pickle.dumps({"a": 1})[:-3]])
def test_a_damaged_pickle_is_an_error(content: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        read_arrays(io.BytesIO(content))


def test_arrays_come_out_of_a_pickle() -> None:
    for protocol in (3, 4):
        array = np.arange(6, dtype="<f4").reshape(2, 3)
        found = read_arrays(io.BytesIO(pickle.dumps({"a": [array]}, protocol=protocol)))
        assert np.array_equal(found["a"][0], array)


def test_none_is_none_and_another_backbone_an_error(tmp_path: Path) -> None:
    params = PerceptualParams(
        backbone="none", layer="relu2", distance="mse", feature_scale=1.0, lambda1=0.1
    )
    path = tmp_path / "backbone.safetensors"
    write_none(path)
    assert load_perceptual_loss(params, path) is None
    with pytest.raises(SrlabError, match="holds none, not alexnet"):
        load_backbone(path, "alexnet")
    with pytest.raises(SrlabError, match="no backbone can be read"):
        load_backbone(tmp_path / "missing", "alexnet")


@pytest.mark.parametrize(
    ("name", "layer"), [("alexnet", "relu5"), ("vgg16", "relu5_3"), ("vgg19", "conv3_1")]
)
def test_the_real_weights_are_those_of_the_catalog(name, layer: str, tmp_path: Path) -> None:
    if not (MIRROR / "weights" / "vgg16_features.safetensors").is_file():
        pytest.skip(f"no weights in {MIRROR / 'weights'}; set SRLAB_MIRROR")
    output = tmp_path / f"{name}.safetensors"
    get_backbone(
        name,
        load_entry(CATALOG, name),
        output,
        layer=layer,
        mirror=str(MIRROR),
        by_hand=tmp_path / "by_hand",
        downloads=tmp_path / "downloads",
    )
    (features,) = load_backbone(output, name)(torch.rand(1, 3, 64, 64), [layer])
    assert features.isfinite().all()
