"""Noticing that adversarial training has collapsed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from srlab.params import CollapseParams

_STEPS_BETWEEN_LOOKS = 10
_CONSTANT = 0.05


class CollapseWatch:
    """Looks for the three ways in which adversarial training ends.

    - The discriminator is certain for many steps in a row: it teaches nothing any more.
    - The generator's images are constant: their deviation over the pixels is below a twentieth of
      that of photographs.
    - Validation PSNR is far below the pre-trained generator's: the images have left the truth.

    Args:
        params: the bounds.
        mean: over the ranks, so that all of them see the same.
    """

    def __init__(
        self, params: CollapseParams, mean: Callable[[Tensor], Tensor] = lambda value: value
    ) -> None:
        self._params = params
        self._mean = mean
        self._pending: list[Tensor] = []
        self._certain = 0
        self._psnr_at_start: float | None = None

    def after_step(self, real: Tensor, fake: Tensor, sr: Tensor, hr: Tensor) -> str | None:
        """Take a step in.

        Args:
            real, fake: the discriminator's answers in [0, 1], (N,) each.
            sr, hr: the step's images (N, C, H, W).

        Returns:
            What was seen; None where all is well. On a GPU, reading a value waits for it, so ten
            steps are looked at together.
        """
        spread = sr.std(dim=(2, 3)).mean() / hr.std(dim=(2, 3)).mean().clamp(min=1e-6)
        row = torch.stack([real.mean(), fake.mean(), spread]).detach()
        self._pending.append(self._mean(row))
        if len(self._pending) < _STEPS_BETWEEN_LOOKS:
            return None
        # Those of a checkpoint lie in the processor's memory.
        rows = torch.stack([step.to(row.device) for step in self._pending]).tolist()
        self._pending.clear()
        for real_mean, fake_mean, step_spread in rows:
            certainty = self._params.certainty
            certain = real_mean > certainty and fake_mean < 1 - certainty
            self._certain = self._certain + 1 if certain else 0
            if self._certain >= self._params.certain_steps:
                return (
                    f"the discriminator has been certain for {self._certain} steps "
                    f"(real {real_mean:.3f}, fake {fake_mean:.3f})"
                )
            if step_spread < _CONSTANT:
                return "the generator's images are constant"
        return None

    def after_validation(self, psnr: float | None) -> str | None:
        """Take a validation's PSNR in dB; the first is the pre-trained generator's."""
        if psnr is None:
            return None
        if self._psnr_at_start is None:
            self._psnr_at_start = psnr
        drop = self._psnr_at_start - psnr
        if drop > self._params.psnr_drop:
            return f"validation PSNR is {drop:.2f} dB below the pre-trained generator's"
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "pending": list(self._pending),
            "certain": self._certain,
            "psnr_at_start": self._psnr_at_start,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._pending = list(state["pending"])
        self._certain, self._psnr_at_start = state["certain"], state["psnr_at_start"]

    def reset(self) -> None:
        """Forget the steps so far, as after a return to an earlier state."""
        self._pending.clear()
        self._certain = 0
