"""Text between two markers of a Markdown file, which a program writes."""

import os
from pathlib import Path

from srlab.errors import SrlabError


def markers(name: str) -> tuple[str, str]:
    """The lines around a text of this name.

    >>> markers("bench")
    ('<!-- bench -->', '<!-- /bench -->')
    """
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def has_markers(text: str, name: str) -> bool:
    """Whether there is a place for it."""
    return all(marker in text for marker in markers(name))


def with_text(text: str, name: str, content: str) -> str:
    """The file's text with the content between the markers.

    Raises:
        SrlabError: a marker is missing.
    """
    begin, end = markers(name)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SrlabError(f"the lines {begin} and {end} are missing; put them where it belongs")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def write_text(path: Path, contents: dict[str, str]) -> None:
    """Put contents into a file, by the names of their markers.

    Raises:
        SrlabError: the file or a marker is missing.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise SrlabError(f"{path}: cannot be read ({error.strerror})") from None
    for name, content in contents.items():
        try:
            text = with_text(text, name, content)
        except SrlabError as error:
            raise SrlabError(f"{path}: {error}") from None
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
