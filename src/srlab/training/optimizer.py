"""Optimizers by the names of params.yaml, and a step with one."""

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import nn

from srlab.params import OptimizerParams


def build_optimizer(network: nn.Module, params: OptimizerParams) -> torch.optim.Optimizer:
    """SGD with momentum, Adam, or AdamW without decay on biases and norms (one-dimensional)."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if params.name == "sgd":
        return torch.optim.SGD(
            weights,
            lr=params.learning_rate,
            momentum=params.momentum,
            weight_decay=params.weight_decay,
        )
    fused = weights[0].device.type in ("cpu", "cuda")
    betas = (params.momentum, params.beta2)
    if params.name == "adam":
        return torch.optim.Adam(
            weights,
            lr=params.learning_rate,
            betas=betas,
            weight_decay=params.weight_decay,
            fused=fused,
        )
    groups = [
        {"params": [p for p in weights if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=params.learning_rate,
        betas=betas,
        fused=fused,
    )


def take_step(
    fabric: Fabric,
    module: _FabricModule,
    optimizer: _FabricOptimizer,
    learning_rate: float,
    clip_norm: float | None,
) -> None:
    """One step with the gradients as they are, clipped first."""
    if clip_norm is not None:
        fabric.clip_gradients(module, optimizer, max_norm=clip_norm, error_if_nonfinite=False)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()
