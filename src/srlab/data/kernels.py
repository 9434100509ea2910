"""The names of the resampling kernels, and of what else is done to a low-resolution image.

What they do is in resample.py and jpeg.py; apart from those so that params.py can name them without
importing torch.
"""

from typing import Literal, get_args

Kernel = Literal["bicubic", "bicubic_aliased", "bilinear", "nearest", "box", "lanczos"]
Degradation = Literal[Kernel, "bicubic_jpeg"]
"""What makes a low-resolution image: a kernel, or bicubic and then saving as JPEG."""
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
