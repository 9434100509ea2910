import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, make_photo
from safetensors.torch import load_file

from pipeline import train_srgan, train_srresnet
from srlab.data.backbone_weights import write_none
from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.errors import SrlabError
from srlab.models.growth import MEMNET_GROWS, SRRESNET_GROWS
from srlab.params import load_params
from srlab.strict_yaml import read_yaml
from srlab.training.srresnet import architecture
from srlab.training.start import Start, load_start
from srlab.weights import load_card, load_weights
from srlab.zoo.registry import RELEASED, load_registry

SHAPE = load_card(RELEASED / "srresnet.safetensors").hyperparameters


def test_without_a_start_weights_are_random() -> None:
    assert load_start(None, "srresnet.start", "srresnet", SHAPE) == Start(None, {})


def test_a_start_is_what_was_released() -> None:
    start = load_start("srresnet", "srresnet.start", "srresnet", SHAPE)
    network, _ = load_weights(RELEASED / "srresnet.safetensors")
    assert start.weights is not None
    for name, tensor in network.state_dict().items():
        assert start.weights[name].dtype == torch.float32
        assert torch.equal(start.weights[name], tensor.float())
    entry = load_registry().entry("srresnet")
    assert entry is not None
    assert start.inputs == {"pretrained_sha256": entry.sha256}


@pytest.mark.parametrize(
    ("model", "changes", "complaint"),
    [
        ("srresnt", {}, "srresnet.start: srresnt: no such released model; name one of srresnet"),
        ("bicubic", {}, "srresnet.start: bicubic: no such released model; name one of srresnet"),
        ("mine.safetensors", {}, "srresnet.start: mine.safetensors: no such released model"),
        ("memnet", {}, "srresnet.start: memnet is of architecture memnet, not srresnet; name one"),
        (
            "srresnet",
            {"features": 8, "batch_norm": True},
            "features is 64 there, 8 here; batch_norm is False there, True here",
        ),
    ],
)
def test_another_network_is_refused_in_one_line(
    model: str, changes: dict, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(RELEASED / "srresnet.safetensors", tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SrlabError) as refused:
        load_start(model, "srresnet.start", "srresnet", SHAPE | changes)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_memnet_may_start_from_a_smaller_one() -> None:
    smaller = load_card(RELEASED / "memnet.safetensors").hyperparameters
    larger = smaller | {"residual_units": smaller["residual_units"] + 1, "gate_kernel": 3}
    start = load_start("memnet", "memnet.start", "memnet", larger, MEMNET_GROWS)
    assert start.weights is not None
    with pytest.raises(SrlabError, match="residual_units is 4 there, 3 here"):
        load_start(
            "memnet", "memnet.start", "memnet", smaller | {"residual_units": 3}, MEMNET_GROWS
        )
    with pytest.raises(SrlabError, match="gate_kernel is 1 there, 3 here"):
        load_start("memnet", "memnet.start", "memnet", larger)


def test_an_srresnet_may_start_from_a_smaller_one() -> None:
    larger = SHAPE | {"residual_blocks": SHAPE["residual_blocks"] + 8}
    start = load_start("srresnet", "srresnet.start", "srresnet", larger, SRRESNET_GROWS)
    assert start.weights is not None
    smaller = SHAPE | {"residual_blocks": 3}
    with pytest.raises(SrlabError, match="residual_blocks is 24 there, 3 here"):
        load_start("srresnet", "srresnet.start", "srresnet", smaller, SRRESNET_GROWS)


def test_the_profile_that_tunes_describes_the_network_that_it_starts_from() -> None:
    params = load_params(ROOT / "profiles" / "tuned.yaml")
    start = load_start(
        params.srresnet.start, "srresnet.start", "srresnet", architecture(params.srresnet)
    )
    assert start.weights is not None


def test_a_start_without_steps_is_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = read_yaml(ROOT / "profiles" / "smoke.yaml")
    tree["srresnet"] |= {name: SHAPE[name] for name in ("residual_blocks", "features")}
    for section in ("srresnet", "srgan"):
        tree[section] |= {"start": section}
        tree[section]["budget"]["steps"] = 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    Path("raw").mkdir()
    write_png(Path("raw") / "0.png", make_photo(128, 128))
    cut(load_params().patches.srgan, [Path("raw")], Path("patches"))
    write_none(Path("none.safetensors"))

    made = [Path(name) for name in ("curves", "cost.json")]
    train_srresnet.main(Path("patches"), Path("srresnet.safetensors"), *made)
    train_srgan.main(
        Path("patches"),
        Path("srresnet.safetensors"),
        Path("none.safetensors"),
        Path("srgan.safetensors"),
        *made,
    )
    for name in ("srresnet", "srgan"):
        released = load_file(RELEASED / f"{name}.safetensors")
        kept = load_file(f"{name}.safetensors")
        assert kept.keys() == released.keys()
        assert all(torch.equal(kept[key], released[key].float()) for key in kept)
