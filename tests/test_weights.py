import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.weights import Card, load_weights, save_weights

SETTINGS = {"memory_blocks": 1, "residual_units": 2, "features": 3}


def card(**settings) -> Card:
    return Card("memnet", {**SETTINGS, **settings}, [2, 3, 4], "p", "d", None, "f")


@pytest.mark.parametrize(
    "settings", [{}, {"share_weights": True}, {"multi_supervision": True, "gate_kernel": 3}]
)
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, settings: dict) -> None:
    network = MemNet(**SETTINGS, **settings).eval()
    torch.nn.init.normal_(network.reconstruction.weight)
    path = tmp_path / "new" / "memnet.safetensors"
    save_weights(network, card(**settings), path)
    loaded, header = load_weights(path)
    image = torch.rand(1, 1, 9, 8)
    assert torch.equal(loaded(image), network(image))
    assert not loaded.training
    assert header == card(**settings)
    assert [p.name for p in path.parent.iterdir()] == ["memnet.safetensors"]


def truncated(path: Path) -> None:
    save_weights(MemNet(**SETTINGS), card(), path)
    path.write_bytes(path.read_bytes()[:-40])


def hostile(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": torch.zeros(1)}))


def foreign(path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, path)


def of_another_architecture(path: Path) -> None:
    save_weights(MemNet(**SETTINGS), card(features=5), path)


def of_an_unknown_architecture(path: Path) -> None:
    save_weights(MemNet(**SETTINGS), Card("edsr", {}, [2], "p", "d", None, "f"), path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (truncated, "not a safetensors file"),
        (hostile, "not a safetensors file"),
        (foreign, "not that of srlab's weights"),
        (of_another_architecture, "do not fit their card"),
        (of_an_unknown_architecture, "do not fit their card"),
        (lambda path: None, "no such weights"),
    ],
)
def test_bad_weights_are_refused_in_one_line(tmp_path: Path, make, said: str) -> None:
    path = tmp_path / "bad.safetensors"
    make(path)
    with pytest.raises(SrlabError, match=said) as refusal:
        load_weights(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)
