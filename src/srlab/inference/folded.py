"""Networks made ready for inference: the same function, computed with less work and memory."""

from torch import nn

from srlab.inference.folded_memnet import FoldedMemNet
from srlab.inference.folded_srresnet import FoldedSRResNet
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet


def fold(network: nn.Module) -> nn.Module:
    """A network that gives what another gives in evaluation mode, without its BN.

    `fold(network).to(torch.bfloat16)` computes in bf16 and still adds to the image in the image's
    own type.

    Args:
        network: a trained MemNet or SRResNet, on any device; not changed. Any other network, also
            one that is folded already, is returned as it is.

    Returns:
        A network of the same shapes, with copies of the weights.
    """
    if isinstance(network, MemNet):
        return FoldedMemNet(network)
    if isinstance(network, SRResNet):
        return FoldedSRResNet(network)
    return network
