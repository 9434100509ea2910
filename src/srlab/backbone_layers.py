"""The backbones' layers, which torchvision's networks have as `features`; no weights, no torch.

Written down here so that params.py can name them without importing torch, and so that scoring need
not import torchvision, which loads torch's compiler: seconds for each process.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from srlab.errors import SrlabError

BackboneName = Literal["vgg19", "vgg16", "alexnet"]
BackboneOrNone = Literal["vgg19", "vgg16", "alexnet", "none"]


@dataclass(frozen=True)
class Convolution:
    """Its channels and its kernel are those of its weights."""

    name: str
    stride: int
    padding: int


@dataclass(frozen=True)
class Relu:
    """What follows every convolution."""

    name: str


@dataclass(frozen=True)
class MaxPool:
    """Halves the sides: its stride is 2."""

    size: int


Layer = Convolution | Relu | MaxPool

_VGG_BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}


def layers(backbone: BackboneName) -> list[Layer]:
    """All layers, from the image on; torchvision's `features.N` is the one at N.

    `conv3_2` is the second convolution of VGG's third block, before its ReLU; `relu3_2` is after
    it. AlexNet's are `conv1` to `relu5`.

    Source: torchvision's `models.alexnet`, which is Krizhevsky 2014, "One weird trick for
    parallelizing convolutional neural networks", and `models.vgg`, which is Simonyan & Zisserman
    2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition".
    """
    if backbone == "alexnet":
        return [
            *_rectified("1", stride=4, padding=2),
            MaxPool(3),
            *_rectified("2", padding=2),
            MaxPool(3),
            *_rectified("3"),
            *_rectified("4"),
            *_rectified("5"),
            MaxPool(3),
        ]
    found: list[Layer] = []
    for block, convolutions in enumerate(_VGG_BLOCKS[backbone], start=1):
        for number in range(1, convolutions + 1):
            found += _rectified(f"{block}_{number}")
        found.append(MaxPool(2))
    return found


def _rectified(number: str, *, stride: int = 1, padding: int = 1) -> tuple[Convolution, Relu]:
    return Convolution(f"conv{number}", stride, padding), Relu(f"relu{number}")


def layer_names(backbone: BackboneName) -> list[str]:
    """Every convolution and every ReLU, from the image on."""
    return [layer.name for layer in layers(backbone) if not isinstance(layer, MaxPool)]


def convolution_indices(backbone: BackboneName) -> list[int]:
    """The numbers that torchvision gives the convolutions: `features.{number}.weight`."""
    found = enumerate(layers(backbone))
    return [index for index, layer in found if isinstance(layer, Convolution)]


def backbone_name(text: str) -> BackboneName:
    """A backbone's name, checked.

    Raises:
        SrlabError: there is no such backbone.
    """
    for name in get_args(BackboneName):
        if text == name:
            return name
    raise SrlabError(f"no backbone is called {text!r}; known: {', '.join(get_args(BackboneName))}")
