"""What tracking says to people: it never stops a training."""

import sys


def warn(message: str) -> None:
    """One line on stderr."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def brief(error: Exception) -> str:
    """The first line of an error, cut to a line's length.

    >>> brief(ValueError("bad\\nand more"))
    'bad'
    """
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
