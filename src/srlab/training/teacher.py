"""A network that another one learns from, besides the truth.

A picture's lost detail can only be guessed, so the truth pulls a network in another direction at
every step; what a better network makes of the same picture does so far less. The better network is
the self-ensemble of a released one (Timofte et al. 2016, section 3.5), the mean over the ways to
turn and mirror an image. It takes eight times as long; what learns from it does not.

Source: Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network".
"""

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.losses import content
from srlab.models.srresnet import SRResNet
from srlab.params import TeacherParams
from srlab.symmetries import SYMMETRIES, transform, undo
from srlab.training.start import load_released


class Teacher:
    """What a network is to come near to.

    Args:
        network: on the device where it is asked, in evaluation mode.
        weight: of the loss.
        luma_share: of the loss, that is of luma alone.
    """

    def __init__(self, network: SRResNet, weight: float, luma_share: float) -> None:
        self._network = network
        self._weight = weight
        self._luma_share = luma_share

    def loss(self, lr: Tensor, sr: Tensor) -> Tensor:
        """The squared distance of (N, 3, s*h, s*w) to what the network makes of (N, 3, h, w).

        Of one symmetry, drawn for each call: the mean over all of them is, but for a constant, the
        distance to the self-ensemble, and its gradient is the same.
        """
        symmetry = SYMMETRIES[int(torch.randint(len(SYMMETRIES), ()))]
        with torch.no_grad():
            target = undo(self._network(transform(lr, symmetry)), symmetry)
        return self._weight * content(sr, target, "mse", self._luma_share)


def load_teacher(
    params: TeacherParams | None, scale: int
) -> tuple[SRResNet | None, dict[str, str]]:
    """The network that params.yaml names, and what the training depends on with it.

    Args:
        params: None for no teacher.
        scale: that it must enlarge by.

    Raises:
        SrlabError: there is no such model, or it enlarges by another factor.
    """
    if params is None:
        return None, {}
    key = "srresnet.teacher.model"
    network, _, sha256 = load_released(params.model, key, "srresnet")
    assert isinstance(network, SRResNet)
    if network.scale != scale:
        raise SrlabError(
            f"{key}: {params.model} enlarges by {network.scale}, srresnet.scale is {scale}; "
            "name another model, or teacher: null"
        )
    return network.eval().requires_grad_(False), {"teacher_sha256": sha256}
