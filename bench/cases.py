"""The trainings that are measured: srlab's own, on the networks of its profiles."""

import contextlib
import io
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench import ROOT
from bench.plain_networks import PlainMemNet, PlainSRResNet
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import (
    BudgetParams,
    MemNetParams,
    PatchParams,
    ScheduleParams,
    SRResNetParams,
    TrainerParams,
    load_params,
)
from srlab.tracking import SilentRun
from srlab.training.checkpoints import NoCheckpoints
from srlab.training.fabric import launch
from srlab.training.memnet import architecture as memnet_architecture
from srlab.training.memnet import fit as fit_memnet
from srlab.training.srresnet import architecture as srresnet_architecture
from srlab.training.srresnet import fit as fit_srresnet

MEMNET_PATCHES = 129_518
MEMNET_EPOCHS = 80
"""Lal & Javid's training of M6R6."""

_LOSSES: dict[str, type[nn.Module]] = {"l1": nn.L1Loss, "mse": nn.MSELoss}


@dataclass(frozen=True)
class Case:
    """A network, its training and its patches, as a profile has them or nearly so."""

    name: str
    params: MemNetParams | SRResNetParams
    patches: PatchParams
    trainer: TrainerParams

    @property
    def batch(self) -> int:
        """Patches in a step."""
        return self.params.batch

    def with_params(self, **changes: Any) -> "Case":
        """With other parameters of the network or its training."""
        return replace(self, params=self.params.model_copy(update=changes))

    def with_trainer(self, **changes: Any) -> "Case":
        """With another seed, precision, accelerator or the like."""
        return replace(self, trainer=self.trainer.model_copy(update=changes))

    def plain(self) -> nn.Module:
        """The network as anyone would first write it."""
        if isinstance(self.params, MemNetParams):
            settings = memnet_architecture(self.params)
            del settings["share_weights"], settings["multi_supervision"]
            return PlainMemNet(**settings)
        settings = srresnet_architecture(self.params)
        del settings["scale"]
        return PlainSRResNet(**settings)

    def network(self) -> nn.Module:
        """srlab's network, as it trains it."""
        if isinstance(self.params, MemNetParams):
            return MemNet(**memnet_architecture(self.params))
        return SRResNet(**srresnet_architecture(self.params))

    def plain_loss(self) -> nn.Module:
        """The loss of the plain training."""
        return _LOSSES[self.params.loss]()

    def train(self, patches: Path, steps: int) -> tuple[nn.Module, "StepTimes"]:
        """Train by srlab's own `fit`, on packed patches without validation images.

        Returns:
            The network, and when each of the steps ended.
        """
        times = StepTimes()
        return self._fit(patches, steps, times), times

    def rate(self, patches: Path, steps: int, warmup: int = 1) -> float:
        """Patches per second of some steps, behind some that do not count."""
        _, times = self.train(patches, warmup + steps)
        return steps * self.batch / (times.ends[-1] - times.ends[warmup - 1])

    def long_rate(self, patches: Path, steps: int) -> float:
        """Patches per second of some steps of a long training, behind as many that do not count.

        A GPU waits where a loss is read, which long trainings do a thousand times.
        """
        times = StepTimes(leave_after=2)
        with contextlib.suppress(_LeftError):
            self._fit(patches, 1000 * steps, times)
        start, end = times.ends
        return steps * self.batch / (end - start)

    def _fit(self, patches: Path, steps: int, times: "StepTimes") -> nn.Module:
        settings = self.params.model_dump() | {
            "budget": BudgetParams(epochs=None, steps=steps, minutes=None).model_dump(),
            "validations": 1,
        }
        if self.params.schedule.name == "step":  # counts epochs
            schedule = ScheduleParams.model_validate(settings["schedule"] | {"name": "cosine"})
            settings["schedule"] = schedule.model_dump()
        # It would greet every one of many trainings.
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        with contextlib.redirect_stderr(io.StringIO()):
            fabric = launch(self.trainer)
            common = (self.patches, self.trainer, patches, times, fabric, NoCheckpoints())
            if isinstance(self.params, MemNetParams):
                return fit_memnet(MemNetParams.model_validate(settings), *common)
            return fit_srresnet(SRResNetParams.model_validate(settings), *common)

    def flops_per_patch(self) -> int:
        """Floating-point operations of a training step: convolutions, forward and backward.

        Counted by torch on tensors without storage, so that nothing is computed.
        """
        hollow = self.plain().to("meta")
        with FlopCounterMode(display=False) as counter:
            hollow(torch.empty(1, *self.seen_shape(), device="meta")).sum().backward()
        return int(counter.get_total_flops())

    def round_steps(self) -> int:
        """Steps that take about two seconds on two cores."""
        return max(2, int(2.5e11 / (self.flops_per_patch() * self.batch)))

    def seen_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the patches that the network sees."""
        if isinstance(self.params, MemNetParams):
            return 1, self.patches.patch_size, self.patches.patch_size
        side = self.patches.patch_size // self.params.scale
        return 3, side, side


class StepTimes(SilentRun):
    """Notes when each step of a training ended, and its loss.

    A training of at most a thousand steps logs every one of them, a longer one several together.

    Args:
        leave_after: logs after which the training is left; None trains to the end.

    Attributes:
        ends: seconds, by an arbitrary clock.
        losses: of each step, or their means.
    """

    def __init__(self, leave_after: int | None = None) -> None:
        self._leave_after = leave_after
        self.ends: list[float] = []
        self.losses: list[float] = []

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        if "loss/total" in metrics:
            self.ends.append(time.perf_counter())
            self.losses.append(metrics["loss/total"])
            if len(self.ends) == self._leave_after:
                raise _LeftError


class _LeftError(Exception):
    """A training is left in the middle: enough of it was seen."""


def quick_memnet() -> Case:
    """The MemNet of the quick profile."""
    params = load_params(ROOT / "profiles" / "quick.yaml")
    own = params.memnet
    name = f"MemNet {_depth(own)}, {own.features} features"
    return Case(name, own, params.patches.memnet, _on_cpu(params.trainer))


def m3r3() -> Case:
    """M3R3 with 64 features, else as the quick profile."""
    case = quick_memnet().with_params(memory_blocks=3, residual_units=3, features=64)
    return replace(case, name="MemNet M3R3, 64 features")


def deep_memnet() -> Case:
    """The MemNet of the profile `deep`, whose patches have 64 pixels a side."""
    params = load_params(ROOT / "profiles" / "deep.yaml")
    # The profile's batch of 48 is a GPU's.
    own = params.memnet.model_copy(update={"batch": 16, "start": None})
    size = params.patches.memnet.patch_size
    name = f"MemNet {_depth(own)}, {own.features} features, {size}x{size} pixels"
    return Case(name, own, params.patches.memnet, _on_cpu(params.trainer))


def quick_srresnet() -> Case:
    """The SRResNet of the quick profile."""
    return _srresnet("quick")


def paper_srresnet() -> Case:
    """The SRResNet of the paper: 16 blocks of 64 features with BN, in stages, 9x9 outside."""
    return _srresnet("paper")


def paper_memnet() -> Case:
    """The paper's M6R6 with 3x3 gates and batches of 128, supervised at its end."""
    params = load_params(ROOT / "profiles" / "paper.yaml")
    own = params.memnet.model_copy(update={"supervision": "single", "loss": "mse"})
    name = (
        f"MemNet {_depth(own)}, {own.features} features, {own.gate_kernel}x{own.gate_kernel} gates"
    )
    return Case(name, own, params.patches.memnet, _on_cpu(params.trainer))


def training_cases(*, quick: bool = False) -> list[Case]:
    """Those whose speed is measured on the processor; quick: without the papers' own."""
    cases = [m3r3(), quick_memnet(), quick_srresnet()]
    if not quick:
        # The paper's batch of 128 would take four times as long.
        cases += [paper_memnet().with_params(batch=32), paper_srresnet()]
    return cases


def _srresnet(profile: str) -> Case:
    params = load_params(ROOT / "profiles" / f"{profile}.yaml")
    own = params.srresnet
    name = f"SRResNet, {own.residual_blocks} blocks of {own.features}"
    name += " with BN" if own.batch_norm else ""
    return Case(name, own, params.patches.srgan, _on_cpu(params.trainer))


def _depth(params: MemNetParams) -> str:
    return f"M{params.memory_blocks}R{params.residual_units}"


def _on_cpu(trainer: TrainerParams) -> TrainerParams:
    return trainer.model_copy(update={"accelerator": "cpu", "workers": 0})
