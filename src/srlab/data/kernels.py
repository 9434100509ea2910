"""The names of the resampling kernels; what they do is in resample.py.

Apart from it so that params.py can name them without importing torch.
"""

from typing import Literal, get_args

Kernel = Literal["bicubic", "bicubic_aliased", "bilinear", "nearest", "box", "lanczos"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
