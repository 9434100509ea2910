"""A network that another one learns from, besides the truth.

A picture's lost detail can only be guessed, so the truth pulls a network in another direction at
every step; what a better network makes of the same picture does so far less. The better network is
the self-ensemble of a released one (Timofte et al. 2016, section 3.5), the mean over the ways to
turn and mirror an image. It takes eight times as long; what learns from it does not.

Source: Hinton, Vinyals, Dean 2015, "Distilling the knowledge in a neural network".
"""

import torch
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.losses import content
from srlab.params import TeacherParams
from srlab.symmetries import SYMMETRIES, transform, undo
from srlab.training.start import load_released


class Teacher:
    """What a network is to come near to.

    Args:
        network: where the training computes, as the training lays out its own.
        weight: of the loss.
        luma_share: of the loss, that is of luma alone; see `srlab.losses.content`.
    """

    def __init__(self, network: nn.Module, weight: float, luma_share: float = 0.0) -> None:
        self._network = network.eval().requires_grad_(False)
        self._weight = weight
        self._luma_share = luma_share

    def loss(self, seen: Tensor, sr: Tensor) -> Tensor:
        """The squared distance of sr (N, C, H, W) to what the network makes of what it sees.

        Of one symmetry, drawn for each call: the mean over all of them is, but for a constant, the
        distance to the self-ensemble, and its gradient is the same.
        """
        symmetry = SYMMETRIES[int(torch.randint(len(SYMMETRIES), ()))]
        with torch.no_grad():
            target = undo(self._network(transform(seen, symmetry)), symmetry)
        return self._weight * content(sr, target, "mse", self._luma_share)


def load_teacher(
    params: TeacherParams | None, section: str, scale: int | None = None
) -> tuple[nn.Module | None, dict[str, str]]:
    """The network that params.yaml names, and what the training depends on with it.

    Args:
        params: None for no teacher.
        section: of params.yaml that names it: the architecture.
        scale: that it must enlarge by, where a network enlarges.

    Raises:
        SrlabError: there is no such model, or it enlarges by another factor.
    """
    if params is None:
        return None, {}
    key = f"{section}.teacher"
    network, card, sha256 = load_released(params.model, key, section)
    if scale is not None and scale not in card.scales:
        raise SrlabError(
            f"{key}: {params.model} enlarges by {', '.join(map(str, card.scales))}, "
            f"{section}.scale is {scale}; name another model, or teacher: null"
        )
    return network, {"teacher_sha256": sha256}
