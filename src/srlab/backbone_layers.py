"""The names of the backbones and of their layers; the networks are in backbones.py.

Apart from it so that params.py can name them without importing torch.
"""

from typing import Literal, get_args

from srlab.errors import SrlabError

BackboneName = Literal["vgg19", "vgg16", "alexnet"]
BackboneOrNone = Literal["vgg19", "vgg16", "alexnet", "none"]

_VGG_BLOCKS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}
_ALEXNET_CONVOLUTIONS = 5


def layer_names(backbone: BackboneName) -> list[str]:
    """Every convolution and every ReLU, from the image on.

    `conv3_2` is the second convolution of VGG's third block, before its ReLU; `relu3_2` is after
    it. AlexNet's are `conv1` to `relu5`.
    """
    if backbone == "alexnet":
        numbers = [str(number + 1) for number in range(_ALEXNET_CONVOLUTIONS)]
    else:
        numbers = [
            f"{block + 1}_{index + 1}"
            for block, size in enumerate(_VGG_BLOCKS[backbone])
            for index in range(size)
        ]
    return [f"{kind}{number}" for number in numbers for kind in ("conv", "relu")]


def backbone_name(text: str) -> BackboneName:
    """A backbone's name, checked.

    Raises:
        SrlabError: there is no such backbone.
    """
    for name in get_args(BackboneName):
        if text == name:
            return name
    raise SrlabError(f"no backbone is called {text!r}; known: {', '.join(get_args(BackboneName))}")
