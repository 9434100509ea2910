"""Optimizers by the names of params.yaml."""

import torch
from torch import nn

from srlab.params import OptimizerParams


def build_optimizer(network: nn.Module, params: OptimizerParams) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW without decay on biases and norms (one-dimensional)."""
    weights = [p for p in network.parameters() if p.requires_grad]
    if params.name == "sgd":
        return torch.optim.SGD(
            weights,
            lr=params.learning_rate,
            momentum=params.momentum,
            weight_decay=params.weight_decay,
        )
    groups = [
        {"params": [p for p in weights if p.ndim >= 2], "weight_decay": params.weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=params.learning_rate,
        betas=(params.momentum, 0.999),
        fused=weights[0].device.type in ("cpu", "cuda"),
    )
