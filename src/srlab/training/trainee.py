"""What a training trains."""

from typing import Any, Protocol

from torch import Tensor


class Trainee(Protocol):
    """Networks with their optimizers."""

    def update(self, batch: Any, learning_rate: float) -> dict[str, Tensor]:
        """Steps of the optimizers on a batch.

        Returns:
            Scalars to log, by name. The first whose name ends in `/total` is shown.
        """

    def validate(self) -> tuple[dict[str, float], Tensor | None]:
        """Scores of the present weights and an example picture (1, C, H, W).

        `validation/psnr` decides which weights are best.
        """

    def weights(self) -> dict[str, Tensor]:
        """The weights to keep: a state dict."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as a checkpoint keeps it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
