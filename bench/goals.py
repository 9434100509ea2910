"""What the measurements should give."""

from dataclasses import dataclass
from typing import Literal

from bench.results import Row


@dataclass(frozen=True)
class Goal:
    """A bound on one of a row's numbers."""

    column: Literal["ratio", "ours", "limit_share"]
    least: float | None = None
    most: float | None = None

    def met_by(self, row: Row) -> bool | None:
        """Whether a row meets it; None where the number was not measured."""
        value = getattr(row, self.column)
        if value is None:
            return None
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        bound = f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"
        return {"ratio": f"{bound} times", "ours": bound, "limit_share": f"{bound} of the limit"}[
            self.column
        ]


_LINEAR = Goal("ours", most=1.1)
"""An exponent of 1, and what measuring it errs by."""

_TRAINING: dict[str, tuple[Goal, ...]] = {
    "MemNet M3R3, 64 features": (Goal("ratio", 2.0), Goal("limit_share", 0.85)),
    "MemNet M2R2, 32 features": (Goal("ratio", 2.0), Goal("limit_share", 0.85)),
    "MemNet M6R6, 64 features, 3x3 gates": (Goal("ratio", 2.0), Goal("limit_share", 0.85)),
    "SRResNet, 8 blocks of 48": (Goal("ratio", 2.0),),
    "SRResNet, 16 blocks of 64 with BN": (Goal("ratio", 2.0),),
}
"""By the network; without `trainer.compile` and with it."""

GOALS: dict[str, tuple[Goal, ...]] = {
    **{
        f"training {network}{compiled}": goals
        for compiled in ("", ", compiled")
        for network, goals in _TRAINING.items()
    },
    "80 epochs of 129,518 patches on a GPU, MemNet M6R6, 64 features, 3x3 gates": (
        Goal("ours", most=30.0),
    ),
    "bf16, loss before the first step: MemNet M2R2, 32 features": (Goal("ours", most=1e-4),),
    "bf16, loss before the first step: SRResNet, 8 blocks of 48": (Goal("ours", most=1e-4),),
    "bf16, distance from float32's loss: MemNet M2R2, 32 features": (Goal("ours", most=1.0),),
    "bf16, distance from float32's loss: SRResNet, 8 blocks of 48": (Goal("ours", most=1.0),),
    "loader against PNG and Pillow, MemNet M2R2, 32 features": (Goal("ratio", 20.0),),
    "loader against PNG and Pillow, SRResNet, 8 blocks of 48": (Goal("ratio", 20.0),),
    "loader against training, MemNet M2R2, 32 features": (Goal("ratio", 10.0),),
    "loader against training, SRResNet, 8 blocks of 48": (Goal("ratio", 10.0),),
    "inference M6R6, 64 features, 512x512: time": (Goal("ratio", 2.5),),
    "inference M6R6, 64 features, 512x512: memory of the whole process": (Goal("ratio", 2.0),),
    "inference MemNet M2R2, 32 features: folded in float32 against plain": (
        Goal("ours", most=1e-4),
    ),
    "inference MemNet M2R2, 32 features: PSNR lost by bf16": (Goal("ours", most=0.01),),
    "inference M6R6, 64 features: folded in float32 against plain": (Goal("ours", most=1e-4),),
    "inference M6R6, 64 features: PSNR lost by bf16": (Goal("ours", most=0.01),),
    "enlarging a photo of 12 megapixels by 4: memory of the whole process": (
        Goal("ours", most=1500),
    ),
    "enlarging a JPEG photo of 12 megapixels by 4: memory of the whole process": (
        Goal("ours", most=1500),
    ),
    "import srlab": (Goal("ours", most=0.2),),
    "srlab --help": (Goal("ours", most=0.5),),
    "dvc repro with nothing to do: what make repro does beyond dvc status": (
        Goal("ours", most=3.0),
    ),
    "scoring five methods on Set5 and Set14 at x2, x3, x4": (Goal("ours", most=120.0),),
    "growth with image size": (_LINEAR,),
    "growth with depth of the network": (_LINEAR,),
    "growth with batch": (_LINEAR,),
    "growth with number of images": (_LINEAR,),
    "growth with number of processes": (_LINEAR,),
    "growth with store": (_LINEAR,),
}
"""By the row's name."""


def verdict(row: Row) -> str:
    """The goals of a row and whether it meets them, in a few words; empty where it has none.

    >>> verdict(Row("import srlab", "s", ours=0.3))
    '≤ 0.2: missed'
    """
    words = {True: "met", False: "missed", None: "not measured"}
    return "; ".join(f"{goal}: {words[goal.met_by(row)]}" for goal in GOALS.get(row.name, ()))
