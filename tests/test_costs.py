import json
from pathlib import Path

import pytest
import torch

from srlab.costs import measured
from srlab.errors import SrlabError
from srlab.inference.timed import TimedUpscaler
from srlab.inference.upscalers import Interpolation
from srlab.models.complexity import multiply_adds, parameters
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.report.cost_cards import HEAD, cost_rows, read_costs


def test_a_card_says_what_a_block_cost(tmp_path: Path) -> None:
    with measured(tmp_path / "costs" / "stage.json") as card:
        card["patches_per_second"] = 12.345
    found = json.loads((tmp_path / "costs" / "stage.json").read_text())
    assert 0 <= found["seconds"] < 10
    assert found["peak_memory_mib"] > 50
    assert found["device"].endswith("cores")
    assert found["patches_per_second"] == 12.345


def test_the_time_before_an_interruption_counts(tmp_path: Path) -> None:
    with measured(tmp_path / "stage.json") as card:
        card["earlier_seconds"] = 100.0
    found = json.loads((tmp_path / "stage.json").read_text())
    assert 100 <= found["seconds"] < 110
    assert "earlier_seconds" not in found


def test_a_block_that_fails_leaves_no_card(tmp_path: Path) -> None:
    def fail() -> None:
        with measured(tmp_path / "stage.json"):
            raise SrlabError("no")

    with pytest.raises(SrlabError):
        fail()
    assert not list(tmp_path.iterdir())


def test_multiply_adds_are_those_of_the_convolutions() -> None:
    # One 3x3 convolution of 1 -> 4 maps, a unit of two 4 -> 4, a gate of 8 -> 4, one 4 -> 1.
    network = MemNet(memory_blocks=1, residual_units=1, features=4)
    per_pixel = 9 * 4 + 2 * 9 * 16 + 8 * 4 + 9 * 4
    assert multiply_adds(network, 4) == per_pixel * 1280 * 720
    assert parameters(network) == per_pixel + 2 * (2 * 4 + 8 + 4)  # and the norms


def test_a_network_on_the_small_image_computes_less_at_larger_scales() -> None:
    counts = [
        multiply_adds(SRResNet(scale=scale, residual_blocks=2, features=8), scale)
        for scale in (2, 4)
    ]
    assert counts[0] > counts[1] > 0


def test_the_rate_of_an_upscaler_is_measured() -> None:
    upscaler = TimedUpscaler(Interpolation("bicubic"))
    assert (upscaler.takes_luma, upscaler.scales) == (True, None)
    sr = upscaler(torch.rand(1, 3, 10, 20), 2)
    assert sr.shape == (1, 3, 20, 40)
    assert all(rate >= 0 for rate in upscaler.rates().values())


def test_cards_become_rows_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    card = {"seconds": 75.4, "peak_memory_mib": 1536, "device": "cpu", "parameters": 1547350}
    (tmp_path / "train.json").write_text(json.dumps(card))
    (tmp_path / "other.json").write_text("of another stage")
    (row,) = cost_rows(read_costs(tmp_path, ["train", "not_run"]))
    cells = dict(zip(HEAD, row, strict=True))
    assert cells["wall time"] == "1 min 15 s"
    assert cells["peak memory"] == "1.50 GiB"
    assert cells["parameters"] == "1,547,350"
    assert cells["multiply-adds"] == ""
    with pytest.raises(SrlabError, match=r"other\.json: not a cost card"):
        read_costs(tmp_path, ["other"])
