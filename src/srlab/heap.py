"""Memory that the C library keeps for the next layer.

glibc gives every freed block of more than 32 MB back to the system at once, and the end of its
heap, too. A network on an image allocates and frees such blocks layer by layer, and the system
clears each anew, page by page: inference waits for that a third to half of its time, training on
some machines a tenth.
"""

import ctypes
import sys

_TRIM_THRESHOLD = -1
_MMAP_MAX = -4  # both from malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for all that it allocates later.

    For programs, not for libraries: it changes the whole process. Where the C library is not glibc
    nothing happens.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, _NEVER)
