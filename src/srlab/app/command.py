"""The command `srlab app`: the page's server, until Ctrl-C."""

import ipaddress
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from srlab.errors import SrlabError

if TYPE_CHECKING:
    import gradio as gr

_SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
_UPLOAD = "1gb"
_ICON = (
    '<link rel="icon" href="data:image/svg+xml,'
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect x='1' y='8' width='7' height='7' rx='1' fill='%231d5a96'/%3E"
    "%3Cpath d='M4 5V2h10v10h-3' fill='none' stroke='%238fbdf0' stroke-width='2'/%3E%3C/svg%3E\">"
)
_STYLE = Path(__file__).parent / "page.css"


def serve(
    *,
    models: Sequence[Path],
    host: str,
    port: int | None,
    megapixels: float,
    is_opened: bool,
) -> None:
    """Serve the page until Ctrl-C; then remove every file that was uploaded or made.

    Args:
        models: weights that are offered beside the released models.
        host: the address to listen at; 127.0.0.1 is reached from this computer alone.
        port: None: the first free one from 7860 on.
        megapixels: that a photo may have.
        is_opened: open the page in the browser.

    Raises:
        SrlabError: the extra [app] is missing, a model is not there, or the port is taken.
    """
    if megapixels <= 0:
        raise SrlabError(f"a limit of {megapixels:g} megapixels leaves nothing; raise it")
    _check_address(host, port)
    signal.signal(signal.SIGTERM, _terminated)
    with tempfile.TemporaryDirectory(prefix="srlab-", ignore_cleanup_errors=True) as folder:
        uploads, results = (Path(folder) / name for name in ("uploads", "results"))
        uploads.mkdir()
        results.mkdir()
        # Gradio reads these when it is imported.
        os.environ |= _SETTINGS | {"GRADIO_TEMP_DIR": str(uploads)}
        # torch's profiler makes this folder, and nothing would remove it.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(folder) / "compiled"))
        # It asks its own server for a sign of life, and no proxy knows that one.
        for name in ("no_proxy", "NO_PROXY"):
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), host, "localhost")))
        try:
            import gradio as gr
        except ImportError:
            raise SrlabError("the page needs Gradio; run: pip install 'srlab[app]'") from None
        from srlab.app.choices import model_choices
        from srlab.app.page import Page
        from srlab.app.sessions import Sessions

        sessions = Sessions(results, uploads)
        page = Page(model_choices(models), sessions, megapixels, is_local=_is_local(host))
        _start_profiler()
        # Results are served as they lie there, and not copied first.
        gr.set_static_paths(results)
        address = _launch(page.blocks, host, port, is_opened)
        print(f"The page is at {address} (Ctrl-C ends it).", flush=True)
        if not _is_local(host):
            print("Everybody who reaches this computer can use it.", file=sys.stderr)
        try:
            while page.blocks.is_running:
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        finally:
            sessions.end_all()
            page.blocks.close(verbose=False)


def _launch(blocks: "gr.Blocks", host: str, port: int | None, is_opened: bool) -> str:
    """Start the server; gives the page's address."""
    from srlab.app.theme import make_theme

    _, address, _ = blocks.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        inbrowser=is_opened,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=_UPLOAD,
        theme=make_theme(),
        head=_ICON,
        css_paths=_STYLE,
    )
    return address


def _check_address(host: str, port: int | None) -> None:
    """Refuse an address now, since Gradio tries a hundred ports before it gives up."""
    try:
        family = socket.getaddrinfo(host, port)[0][0]
        socket.create_server((host, port or 0), family=family).close()
    except OSError as error:
        where = host if port is None else f"{host}:{port}"
        reason = str(error.strerror or error).partition(" (")[0]
        raise SrlabError(
            f"{where}: cannot listen there ({reason}); choose another --port or --host"
        ) from None


def _start_profiler() -> None:
    """Once in the main thread: begun in another, by the measuring of tiles, it complains."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]):
        pass


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
