"""Feature extractors of perceptual losses and metrics: VGG-19, VGG-16 and AlexNet.

Weights come from a file that the stage `backbone` has made; nothing is downloaded here.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from srlab.backbone_layers import BackboneName, Convolution, MaxPool, layers
from srlab.errors import SrlabError

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class Backbone(nn.Module):
    """The first layers of a classification network, frozen.

    Args:
        name: which network.
        state: weights under torchvision's names, `features.0.weight` and so on; the network ends
            behind the last convolution that it has weights for, and its ReLU.
    """

    def __init__(self, name: BackboneName, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.name: BackboneName = name
        self.mean: Tensor
        self.std: Tensor
        self.layers = nn.ModuleDict()
        for index, layer in enumerate(layers(name)):
            if isinstance(layer, Convolution):
                if f"features.{index}.weight" not in state:
                    break
                weight, bias = (state[f"features.{index}.{kind}"] for kind in ("weight", "bias"))
                self.layers[layer.name] = _convolution(layer, weight, bias)
            elif isinstance(layer, MaxPool):
                self.layers[f"pool{index}"] = nn.MaxPool2d(layer.size, stride=2)
            else:
                # Not in place: the convolution's output may be asked for.
                self.layers[layer.name] = nn.ReLU()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()
        # The same values, and on a CPU max pooling is fifteen times as fast.
        self.to(memory_format=torch.channels_last)

    def forward(
        self, images: Tensor, layers: Sequence[str], *, normalize: bool = True
    ) -> list[Tensor]:
        """Features of RGB images at some layers.

        Args:
            images: (N, 3, H, W) in [0, 1].
            layers: names from `srlab.backbone_layers.layer_names`, in the network's order.
            normalize: subtract ImageNet's mean and divide by its deviation, as the weights expect.

        Returns:
            (N, C, H', W') for each of the layers.
        """
        x = (images - self.mean) / self.std if normalize else images
        x = x.contiguous(memory_format=torch.channels_last)
        found = []
        for name, module in self.layers.items():
            x = module(x)
            if name in layers:
                found.append(x)
            if len(found) == len(layers):
                return found
        raise ValueError(f"{self.name} has no layers {[x for x in layers if x not in self.layers]}")


def _convolution(layer: Convolution, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    outputs, inputs, height, width = weight.shape
    # On the meta device nothing is allocated or drawn at random.
    convolution = nn.Conv2d(
        inputs, outputs, (height, width), layer.stride, layer.padding, device="meta"
    )
    convolution.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return convolution


def load_backbone(path: Path, name: BackboneName) -> Backbone:
    """A backbone from the file that the stage `backbone` made.

    Raises:
        SrlabError: the file is missing, is no safetensors, or holds another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("backbone")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise SrlabError(
            f"{path}: no backbone can be read from it ({error}); make it again: dvc repro"
        ) from None
    if found != name:
        raise SrlabError(f"{path}: holds {found or 'no backbone'}, not {name}; run dvc repro")
    return Backbone(name, state)
