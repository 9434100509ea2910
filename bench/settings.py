"""What every benchmark is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    quick: bool
    """Fewer rounds, and nothing that takes long. What is measured has the same name and size."""
    threads: int
    """Of the processor."""
    store_gb: float
    """Size of the generated store."""
