"""The weights that a training is to keep."""

from typing import Any, Literal

from torch import Tensor

from srlab.data.tensors import to_pixels
from srlab.tracking import Run
from srlab.training.trainee import Trainee


class Best:
    """The best weights so far, or the last ones.

    Args:
        trainee: is validated and gives its weights.
        run: takes scores and pictures.
        keep: the best by validation PSNR, or the last.

    Attributes:
        step: after which the weights were kept.
        weights: a state dict on the CPU.
    """

    def __init__(self, trainee: Trainee, run: Run, keep: Literal["best", "last"]) -> None:
        self._trainee = trainee
        self._run = run
        self._keep = keep
        self._scores: dict[str, float] = {}
        self._psnr = float("-inf")
        self.step = 0
        self.weights: dict[str, Tensor] = {}

    def consider(self, step: int) -> None:
        """Validate after a step, and keep the weights if they are to be kept."""
        self._scores, example = self._trainee.validate()
        self._run.log_metrics(self._scores, step=step)
        if example is not None:
            self._run.log_image("validation", to_pixels(example), step=step)
        psnr = self._scores.get("validation/psnr", float("inf"))
        if psnr >= self._psnr or self._keep == "last":
            self._psnr, self.step = psnr, step
            self.weights = {k: v.detach().cpu().clone() for k, v in self._trainee.weights().items()}

    def describe(self) -> str:
        """The last validation's PSNR by scale."""
        if not self._scores:
            return "skipped: no image is held out"
        psnr = {k: v for k, v in self._scores.items() if k.startswith("validation/psnr_x")}
        parts = [f"{name.rpartition('_')[2]} {value:.2f}" for name, value in psnr.items()]
        return f"{' / '.join(parts)} dB"

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "scores": dict(self._scores),
            "psnr": self._psnr,
            "step": self.step,
            "weights": self.weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._scores, self._psnr = state["scores"], state["psnr"]
        self.step, self.weights = state["step"], state["weights"]
