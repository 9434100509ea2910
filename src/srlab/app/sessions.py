"""A folder and a way to stop for each open tab, gone when the tab is closed."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from srlab.errors import SrlabError
from srlab.upscaling.formats import Header


class Stopped(BaseException):
    """Somebody wants no result any more. No error, so that nothing takes it for one."""


@dataclass
class Session:
    """What belongs to a tab."""

    folder: Path
    """Its files."""
    photo: Path | None = None
    """What was dropped last."""
    upload: Path | None = None
    """The same as it arrived; the browser may still be fetching it."""
    header: Header | None = None
    """What is in it."""
    result: Path | None = None
    """The folder of the last result."""
    stop: Event = field(default_factory=Event)
    """Set when the result that was asked for last is not wanted any more."""

    def clear(self) -> None:
        """Forget the photo and every result."""
        self.stop.set()
        self.photo = self.header = self.result = None
        for path in self.folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def new_folder(self) -> Path:
        """An empty folder for one result."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def keep(self, result: Path) -> None:
        """A new result takes the place of the one before."""
        if self.result is not None:
            shutil.rmtree(self.result, ignore_errors=True)
        self.result = result

    def begin(self) -> None:
        """A new result is wanted, and none that was wanted before."""
        self.stop.set()
        self.stop = Event()


class Sessions:
    """Every open tab's session.

    Args:
        root: a folder for their files.
        uploads: the folder in which uploaded files arrive.
    """

    def __init__(self, root: Path, uploads: Path) -> None:
        self._root, self.uploads = root, uploads.resolve()
        self._open: dict[str, Session] = {}
        self._lock = Lock()

    def of(self, tab: str) -> Session:
        """The session of a tab, which begins with the first call."""
        with self._lock:
            if tab not in self._open:
                self._open[tab] = Session(Path(tempfile.mkdtemp(dir=self._root)))
            return self._open[tab]

    def take(self, session: Session, upload: Path) -> Path:
        """Give an uploaded file to a session; what it had before goes.

        Raises:
            SrlabError: it is no uploaded file.
        """
        if not upload.resolve().is_relative_to(self.uploads) or not upload.is_file():
            raise SrlabError(f"{upload.name}: did not arrive; drop it again")
        session.clear()
        photo = session.new_folder() / upload.name
        # Not the file itself: tabs that get the same photo get the same file.
        shutil.copyfile(upload, photo)
        if session.upload is not None and session.upload != upload:
            session.upload.unlink(missing_ok=True)
        session.photo, session.upload = photo, upload
        return photo

    def end(self, tab: str) -> None:
        """Stop what a tab computes and remove its files."""
        with self._lock:
            session = self._open.pop(tab, None)
        if session is not None:
            session.stop.set()
            shutil.rmtree(session.folder, ignore_errors=True)
            if session.upload is not None:
                session.upload.unlink(missing_ok=True)

    def end_all(self) -> None:
        """End every session."""
        for tab in list(self._open):
            self.end(tab)
