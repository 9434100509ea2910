"""What is exported gives what srlab gives, at every size, in the program that reads it."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from conftest import make_photo
from test_cli import srlab
from test_folded import as_if_trained
from torch import Tensor, nn

from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.export import exporting
from srlab.export.enlarging import Enlarging
from srlab.export.graph import upscaler_graph
from srlab.export.onnx_file import OPSET, onnx_runner
from srlab.export.parity import largest_difference
from srlab.export.torch_file import METADATA, torch_runner
from srlab.inference.upscalers import network_upscaler
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.provenance import file_hash
from srlab.weights import load_weights, make_card, save_weights
from srlab.zoo import registry as zoo
from srlab.zoo.registry import Entry, Registry

needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None,
    reason="the extra [onnx] is not installed",
)
SIZES = [(1, 1), (2, 1), (3, 5), (16, 13)]
MEMNET = {"memory_blocks": 2, "residual_units": 1, "features": 4, "multi_supervision": True}
SRRESNETS = {
    "direct": {"batch_norm": False, "bicubic_skip": True, "upsampler": "direct", "outer_kernel": 3},
    "paper": {"batch_norm": True, "bicubic_skip": False, "upsampler": "stages"},
}


def written(folder: Path, network: nn.Module, architecture: str, settings, scales) -> Path:
    path = folder / f"{architecture}.safetensors"
    save_weights(network, make_card(architecture, settings, scales, {}, "0" * 64, None), path)
    return path


@pytest.fixture
def memnet(tmp_path: Path) -> Path:
    return written(tmp_path, as_if_trained(MemNet(**MEMNET)), "memnet", MEMNET, [2, 3, 4])


def srresnet(folder: Path, kind: str, scale: int) -> Path:
    settings = {"scale": scale, "residual_blocks": 1, "features": 4, **SRRESNETS[kind]}
    network = as_if_trained(SRResNet(**settings))
    return written(folder, network, "srresnet", settings, [scale])


def images(number: int, height: int, width: int) -> Tensor:
    return to_tensor(make_photo(height, width)).repeat(number, 1, 1, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", ["bicubic", "bicubic_aliased"])
@pytest.mark.parametrize("size", SIZES)
def test_enlarging_is_resampling(scale: int, kernel, size) -> None:
    lr = torch.rand(2, 3, *size)
    expected = resample(lr, scale=scale, kernel=kernel)
    assert torch.allclose(Enlarging(scale, kernel)(lr), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_a_graph_is_the_upscaler(memnet: Path, tmp_path: Path, scale: int, size) -> None:
    lr = images(2, *size)
    for path in (memnet, *(srresnet(tmp_path, kind, scale) for kind in SRRESNETS)):
        network, card = load_weights(path)
        expected = network_upscaler(network, card)(lr, scale)
        assert torch.allclose(upscaler_graph(network, scale)(lr), expected, rtol=0, atol=1e-5)


def check(path: Path, weights: Path, scale: int, run) -> None:
    network, card = load_weights(weights)
    upscaler = network_upscaler(network, card)
    for number, height, width in ((1, 1, 1), (1, 1, 7), (3, 33, 20)):
        lr = images(number, height, width)
        assert torch.allclose(run(path)(lr), upscaler(lr, scale), rtol=0, atol=1e-4)


def test_torch_reads_what_is_exported(memnet: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    for weights, scale in ((memnet, 3), (srresnet(tmp_path, "direct", 4), 4)):
        output = tmp_path / "made" / f"{weights.stem}.pt2"
        arguments = [str(weights), "-o", str(output), "--format", "torch", "--scale", str(scale)]
        assert srlab(monkeypatch, "export", *arguments) == 0
        assert "largest difference to srlab" in capsys.readouterr().out
        check(output, weights, scale, torch_runner)
        about = metadata(output)
        assert about["weights_sha256"] == file_hash(weights)
        assert about["licence"] == "not stated"
        assert about["scale"] == str(scale)
    assert len(list(output.parent.iterdir())) == 2


@needs_onnx
@pytest.mark.parametrize(("kind", "scale", "opset"), [("memnet", 4, OPSET), ("paper", 3, 20)])
def test_onnxruntime_reads_what_is_exported(
    memnet, tmp_path, monkeypatch, capsys, kind, scale, opset
) -> None:
    import onnx

    weights = memnet if kind == "memnet" else srresnet(tmp_path, kind, scale)
    output = tmp_path / "made" / "model.onnx"
    arguments = [str(weights), "-o", str(output), "--scale", str(scale), "--opset", str(opset)]
    assert srlab(monkeypatch, "export", *arguments) == 0
    assert "largest difference to srlab" in capsys.readouterr().out
    check(output, weights, scale, onnx_runner)
    model = onnx.load(output)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
    (lr,) = model.graph.input
    assert [dim.dim_param for dim in lr.type.tensor_type.shape.dim] == [
        *("number", "", "height", "width")
    ]
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["architecture"] == weights.stem
    assert about["weights_sha256"] == file_hash(weights)
    assert about["colour_order"] == "RGB"
    assert about["range"] == "[0, 1]"
    assert str(Path(exporting.__file__).parent).encode() not in output.read_bytes()
    assert list(output.parent.iterdir()) == [output]


@needs_onnx
def test_float16_is_near_and_small(tmp_path: Path) -> None:
    weights = srresnet(tmp_path, "direct", 2)
    exported = exporting.export(weights, tmp_path / "half.onnx", precision="float16")
    assert 1e-6 < exported.difference < 2 / 255
    whole = exporting.export(weights, tmp_path / "whole.onnx")
    assert exported.path.stat().st_size < whole.path.stat().st_size


def test_a_file_that_differs_gets_no_name(memnet: Path, tmp_path: Path, monkeypatch) -> None:
    real = exporting.torch_runner
    monkeypatch.setattr(exporting, "torch_runner", lambda path: lambda lr: real(path)(lr) + 2e-4)
    output = tmp_path / "model.pt2"
    output.write_text("an older one")
    with pytest.raises(SrlabError, match=r"not written, since it would differ from srlab by [2-9]"):
        exporting.export(memnet, output, file_format="torch", scale=2)
    assert output.read_text() == "an older one"
    assert sorted(path.name for path in tmp_path.iterdir()) == [memnet.name, output.name]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_no_number_is_a_difference(memnet: Path, wrong: float) -> None:
    network, card = load_weights(memnet)
    upscaler = network_upscaler(network, card)
    assert largest_difference(lambda lr: upscaler(lr, 2), upscaler, 2) == 0
    found = largest_difference(lambda lr: upscaler(lr, 2) + wrong, upscaler, 2)
    assert not found <= 1e-4
    assert largest_difference(lambda lr: upscaler(lr, 3), upscaler, 2) == float("inf")


def test_a_released_model_is_known_by_name(memnet, tmp_path, monkeypatch, capsys) -> None:
    folder = tmp_path / "released"
    folder.mkdir()
    released = folder / "sharp.safetensors"
    shutil.copyfile(memnet, released)
    entry = Entry(
        name="sharp",
        file=released.name,
        card="cards/sharp.md",
        sha256=file_hash(released),
        bytes=released.stat().st_size,
        numbers="float32",
        architecture="memnet",
        parameters=1,
        scales=[2, 3, 4],
        licence="CC0-1.0",
        good_for="a test",
        start=None,
        scores={},
    )
    models = Registry(default="sharp", models=[entry]).model_dump()
    (folder / "models.yaml").write_text(yaml.safe_dump(models))
    monkeypatch.setattr(zoo, "RELEASED", folder)
    output = tmp_path / "sharp.pt2"
    arguments = ["sharp", "-o", str(output), "--format", "torch", "--scale", "2"]
    assert srlab(monkeypatch, "export", *arguments) == 0
    assert metadata(output)["licence"] == "CC0-1.0"
    assert srlab(monkeypatch, "export", "bicubic", *arguments[1:]) == 2
    assert "an interpolation without weights" in capsys.readouterr().err


def metadata(path: Path) -> dict[str, str]:
    files = {METADATA: ""}
    with path.open("rb") as file:
        torch.export.load(file, extra_files=files)
    return json.loads(files[METADATA])


def test_bad_input_is_one_line(memnet: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    output = str(tmp_path / "model.pt2")
    for arguments, said in (
        ([str(memnet)], "enlarges by 2, 3, 4; name one: --scale 4"),
        ([str(tmp_path / "none.safetensors"), "--scale", "2"], "no such weights file"),
        ([str(srresnet(tmp_path, "direct", 2)), "--scale", "4"], "to enlarge by 2, not by 4"),
        ([str(memnet), "--scale", "2", "--precision", "int8"], "'int8' is not one of"),
    ):
        assert srlab(monkeypatch, "export", *arguments, "-o", output, "--format", "torch") == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("name", "said"), [("", "a folder"), ("weights/x.pt2", "cannot be")])
def test_where_nothing_can_be_written_is_said(memnet, tmp_path, name: str, said: str) -> None:
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(SrlabError, match=said):
        exporting.export(memnet, tmp_path / name, file_format="torch", scale=2)


@needs_onnx
def test_an_opset_that_nobody_knows_is_refused(memnet, tmp_path) -> None:
    with pytest.raises(SrlabError, match="opset 99: can be 18 to"):
        exporting.export(memnet, tmp_path / "model.onnx", scale=2, opset=99)


def test_without_the_extra_it_is_named(memnet: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name)
    )
    arguments = [str(memnet), "-o", str(tmp_path / "model.onnx"), "--scale", "2"]
    assert srlab(monkeypatch, "export", *arguments) == 2
    err = capsys.readouterr().err
    assert err == ("error: ONNX needs onnxscript, not installed here: pip install 'srlab[onnx]'\n")
