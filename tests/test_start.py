import shutil
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from srlab.errors import SrlabError
from srlab.params import load_params
from srlab.training.srresnet import architecture
from srlab.training.start import Start, load_start
from srlab.weights import load_card, load_weights
from srlab.zoo.registry import RELEASED, load_registry

SHAPE = load_card(RELEASED / "srresnet.safetensors").hyperparameters


def test_without_a_start_weights_are_random() -> None:
    assert load_start(None, "srresnet", SHAPE) == Start(None, {})


def test_a_start_is_what_was_released() -> None:
    start = load_start("srresnet", "srresnet", SHAPE)
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
        load_start(model, "srresnet", SHAPE | changes)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_profile_that_tunes_describes_the_network_that_it_starts_from() -> None:
    params = load_params(ROOT / "profiles" / "tuned.yaml")
    start = load_start(params.srresnet.start, "srresnet", architecture(params.srresnet))
    assert start.weights is not None
