"""srlab: MemNet and SRGAN for single-image super-resolution, as a pipeline."""

__version__ = "0.1.0"
