"""What the page says: HTML, in which names of files are escaped."""

from markupsafe import Markup

from srlab.app.enlarging import Enlarged
from srlab.durations import duration
from srlab.upscaling.formats import Header
from srlab.upscaling.sizes import Sizing


def start_label(header: Header | None, scale: int) -> str:
    """What the button says."""
    if header is None:
        return "Enlarge"
    width, height = Sizing(scale).of(header.size)
    return f"Enlarge to {width:,} × {height:,}"


def facts(name: str, header: Header) -> Markup:
    """What is in a photo, in a line."""
    facts = [f"{header.size[0]:,} × {header.size[1]:,} pixels", header.format.title]
    if header.bits == 16:
        facts.append("16 bits per channel")
    if header.channels in (1, 2):
        facts.append("grey")
    if header.channels in (2, 4):
        facts.append("transparency")
    if header.frames > 1:
        facts.append(f"{header.frames} frames")
    return _line(name, facts)


def jpeg_hint(quality: int | None, better: str) -> Markup:
    """What another model would do for a photo."""
    return Markup(
        "<p>It was saved as JPEG of quality {}, whose squares and fringes would be enlarged, too: "
        "the model <b>{}</b> takes them out.</p>"
    ).format(quality, better)


def report(result: Enlarged) -> Markup:
    """What came of it."""
    (width, height), size = result.size, result.file.stat().st_size
    facts = [f"{width:,} × {height:,} pixels", _bytes(size), duration(result.seconds)]
    report = _line(result.file.name, facts)
    notes = [note[0].upper() + note[1:] + "." for note in result.notes]
    if result.shown.is_part:
        notes.append("You see its most detailed part; the file has all of it.")
    return report + Markup("").join(Markup("<p>{}</p>").format(note) for note in notes)


def _line(name: str, facts: list[str]) -> Markup:
    # Lines break between facts, not in one.
    unbroken = (fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts)
    return Markup("<b>{}</b> {}").format(name, " · ".join(unbroken))


def problem(text: str) -> Markup:
    """What went wrong."""
    return Markup('<p class="problem" role="alert">{}</p>').format(text)


def left(seconds: float) -> str:
    """What stands above the progress bar."""
    return f"Enlarging, {duration(seconds)} left"


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"
