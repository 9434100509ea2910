"""What is recorded and what is not; that replaying is right is for tests/test_cuda.py, on a GPU."""

import pytest
import torch
from lightning_fabric import Fabric

from srlab.models.memnet import MemNet
from srlab.training.cuda_graphs import GraphedMethod, records_graphs


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes that were recorded; recording computes three times, as torch's does."""
    shapes = []

    def record(module, arguments, *, allow_unused_input):
        assert module.training
        for _ in range(3):
            module(*arguments)
        shapes.append(arguments[0].shape)
        return module

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return shapes


@pytest.fixture
def network() -> MemNet:
    torch.manual_seed(0)
    network = MemNet(memory_blocks=1, residual_units=1, features=4)
    torch.nn.init.normal_(network.reconstruction.weight, std=0.1)
    return network


def test_the_first_images_are_recorded_and_others_are_not(
    network: MemNet, recorded: list[torch.Size]
) -> None:
    graphed = GraphedMethod(network, "outputs")
    for shape in ((2, 1, 8, 8), (2, 1, 8, 8), (3, 1, 8, 8)):
        assert graphed(torch.rand(shape))[0].shape == shape
    assert recorded == [(2, 1, 8, 8)]


def test_recording_leaves_the_statistics_alone(network: MemNet, recorded: list[torch.Size]) -> None:
    images = torch.rand(2, 1, 8, 8)
    GraphedMethod(network, "outputs")(images)
    counted = network.reconstruction_norm.num_batches_tracked
    assert counted == 1
    assert len(recorded) == 1


def test_neither_evaluation_nor_teaching_is_recorded(
    network: MemNet, recorded: list[torch.Size]
) -> None:
    graphed = GraphedMethod(network, "outputs")
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        graphed(images)
    network.eval()
    assert torch.equal(graphed(images)[0], network(images))
    assert recorded == []


def test_a_processor_records_nothing() -> None:
    assert not records_graphs(Fabric(accelerator="cpu"))
