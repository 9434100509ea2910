"""Where a dataset's images can come from: mirrors, archives, installed packages, the program.

Every source yields (name, content) of the image files that it has, and raises `SourceError` with
one line when it cannot.
"""

import importlib.util
import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
import requests
from PIL import Image

from srlab.data.catalog import ArchiveSource, Dataset, GeneratedSource, PackageSource
from srlab.data.dead_leaves import dead_leaves
from srlab.data.images import SUFFIXES
from srlab.data.printed_pages import printed_page

Files = Iterator[tuple[str, bytes]]

_ATTEMPTS_AFTER_THE_FIRST = 3
_SECONDS_TO_ANSWER = 30
_LARGEST_FILE = 256 * 2**20


class SourceError(Exception):
    """A source cannot give its files; the message says why."""


def from_folder(folder: Path) -> Files:
    """Every image file directly in a folder."""
    if not folder.is_dir():
        raise SourceError("no such folder")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            yield path.name, path.read_bytes()


def from_mirror_url(url: str, name: str, dataset: Dataset, downloads: Path) -> Files:
    """The images that the catalog names, below the URL of a mirror."""
    if dataset.images is None:
        raise SourceError("the catalog has no names to ask a web mirror for; use a folder")
    for image in dataset.images:
        path = _download(f"{url.rstrip('/')}/datasets/{name}/{image}.png", downloads / name)
        yield path.name, path.read_bytes()


def from_archive(source: ArchiveSource, downloads: Path) -> Files:
    """The image files in one folder of a zip archive on the web.

    The archive stays among the downloads, since several datasets come in one; a damaged one is
    removed, so that the next attempt fetches it anew.
    """
    path = _download(source.url, downloads)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts:
                    raise SourceError(f"its member {member.filename!r} points outside; not trusted")
                if name.parent.name != source.folder or name.suffix.lower() not in SUFFIXES:
                    continue
                if member.file_size > _LARGEST_FILE:
                    raise SourceError(f"its member {member.filename!r} is too large for an image")
                yield name.name, archive.read(member)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        path.unlink(missing_ok=True)
        raise SourceError(f"the archive is damaged ({error}) and was removed") from error
    except SourceError:
        path.unlink(missing_ok=True)
        raise


def from_packages(source: PackageSource) -> Files:
    """Files that installed packages carry."""
    for file in source.files:
        package, _, inside = file.partition("/")
        # Finds the folder without running the package's code.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SourceError(f"the package {package} is not installed")
        path = Path(spec.submodule_search_locations[0]) / inside
        if not path.is_file():
            raise SourceError(f"the installed {package} does not carry {inside}")
        yield path.name, path.read_bytes()


_DRAWERS = {"dead_leaves": dead_leaves, "printed_pages": printed_page}


def from_generator(source: GeneratedSource, count: int) -> Files:
    """As many images as the dataset counts, drawn by the program."""
    for seed in range(count):
        file = io.BytesIO()
        Image.fromarray(_DRAWERS[source.model](seed)).save(file, "PNG")
        yield f"{source.model}_{seed:03}.png", file.getvalue()


def _download(url: str, folder: Path) -> Path:
    """Fetch a URL into a folder unless it is there; retried with growing pauses."""
    logging.getLogger("pooch").setLevel(logging.WARNING)
    name = url.rpartition("/")[2]
    store = pooch.create(
        path=folder,
        base_url="",
        registry={name: None},
        urls={name: url},
        retry_if_failed=_ATTEMPTS_AFTER_THE_FIRST,
    )
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=_SECONDS_TO_ANSWER)
    try:
        return Path(store.fetch(name, downloader=downloader))
    except (requests.RequestException, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, requests.ConnectionError):
            reason = f"no connection to {urlsplit(url).hostname}, or it broke off"
        raise SourceError(
            f"cannot be fetched after {_ATTEMPTS_AFTER_THE_FIRST + 1} attempts ({reason})"
        ) from error
