"""How large the result becomes."""

from dataclasses import dataclass

from srlab.errors import SrlabError

LARGEST_SCALE = 64.0


@dataclass(frozen=True)
class Sizing:
    """What was asked for: a factor, or a size to fit into.

    >>> Sizing(scale=2.5).of((40, 31))
    (100, 78)
    >>> Sizing(width=100).of((40, 20)), Sizing(width=100, height=30).of((40, 20))
    ((100, 50), (60, 30))
    """

    scale: float = 4.0
    """The factor, where neither width nor height is given."""
    width: int | None = None
    """Pixels of the result; the height follows."""
    height: int | None = None
    """Pixels of the result; with a width, the largest size that fits into both."""

    def __post_init__(self) -> None:
        if not 0 < self.scale <= LARGEST_SCALE:
            raise SrlabError(f"a scale of {self.scale:g}: choose one above 0, up to 64, such as 4")
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None and value < 1:
                raise SrlabError(f"a {name} of {value}: choose 1 pixel at least")

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """(W, H) of the result for a picture of (W, H)."""
        factors = [
            wanted / side
            for wanted, side in zip((self.width, self.height), size, strict=True)
            if wanted is not None
        ]
        factor = min(factors, default=self.scale)
        # Adding a half rounds up from the middle, where round() prefers even numbers.
        width, height = (max(1, int(side * factor + 0.5 + 1e-9)) for side in size)
        return width, height

    @property
    def label(self) -> str:
        """For names of files: x4, or 1920w."""
        if self.width is None and self.height is None:
            return f"x{self.scale:g}"
        sides = ((self.width, "w"), (self.height, "h"))
        return "_".join(f"{side}{letter}" for side, letter in sides if side is not None)
