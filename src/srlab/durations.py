"""Durations as people read them."""


def duration(seconds: float) -> str:
    """In seconds, minutes and seconds, or hours and minutes.

    >>> duration(7.25), duration(128), duration(7380)
    ('7.2 s', '2 min 8 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
