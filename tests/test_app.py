"""`srlab app`: a photo through the web page, as people would do it."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import make_photo
from PIL import Image
from test_compare import SRGB, release, tiny_weights
from typer.testing import CliRunner

from srlab import upscale
from srlab.app import before_after as before_after_module
from srlab.app.before_after import before_after, thumbnail
from srlab.app.choices import AS_THE_PHOTO, format_choices, model_choices
from srlab.app.enlarging import Order, enlarge, look
from srlab.app.sessions import Session, Sessions, Stopped
from srlab.cli import app
from srlab.data.images import read_pixels, write_png
from srlab.errors import SrlabError
from srlab.upscaling.model import load
from srlab.zoo.registry import load_registry

needs_gradio = pytest.mark.skipif(
    importlib.util.find_spec("gradio") is None, reason="the extra [app] is not installed"
)
BICUBIC = Order("bicubic", 2, None, AS_THE_PHOTO)
LIMIT = 1.0
"""Megapixels that the served page takes."""
_COMMAND = "from srlab.cli import main; main()"


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    for name in ("results", "uploads"):
        (tmp_path / name).mkdir()
    return Sessions(tmp_path / "results", tmp_path / "uploads")


def dropped(
    sessions: Sessions, name: str = "photo.png", size: tuple[int, int] = (60, 80)
) -> Session:
    """The session of a tab in which somebody dropped a photo."""
    upload = sessions.uploads / name
    Image.fromarray(make_photo(*size)).save(upload)
    session = sessions.of("tab")
    sessions.take(session, upload)
    session.begin()
    return session


def untold(share: float, seconds: float) -> None:
    """Progress that nobody looks at."""


def test_a_photo_becomes_a_file_and_a_view_of_it(sessions: Sessions) -> None:
    session = dropped(sessions)
    shares: list[float] = []
    result = enlarge(BICUBIC, session, LIMIT, lambda share, seconds: shares.append(share))
    assert result.file.name == "photo_x2.png"
    assert result.size == (160, 120)
    assert shares == [1.0]
    photo = read_pixels(session.photo)
    assert np.array_equal(read_pixels(result.file), upscale(photo, 2, model="bicubic"))
    assert not result.shown.is_part
    for path in (result.shown.before, result.shown.after):
        assert Image.open(path).size == (160, 120)
    again = enlarge(Order("nearest", 3, None, "webp"), session, LIMIT, untold)
    assert again.file.name == "photo_x3.webp"
    assert not result.file.exists()


def test_of_a_large_result_a_part_is_shown_as_it_is_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(before_after_module, "LARGEST", 1000)
    monkeypatch.setattr(before_after_module, "_SIDE", 64)
    seen: dict[str, np.ndarray] = {}
    monkeypatch.setattr(
        before_after_module,
        "on_screen",
        lambda pixels, icc: seen.setdefault(str(len(seen)), pixels[..., :3]),
    )
    pixels = np.dstack([make_photo(90, 120), np.full((90, 120), 255, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    model = load(tiny_weights(tmp_path, "tiny", seed=1))
    for scale in (2, 3):
        seen.clear()
        shown = before_after(
            tmp_path / "photo.png", tmp_path, scale, model, tmp_path, lambda done: None
        )
        assert shown.is_part
        after, before = seen["0"], seen["1"]
        side = -(-64 // scale) * scale
        assert after.shape == before.shape == (side, side, 3)
        whole = model.upscale(pixels[..., :3], scale)
        views = np.lib.stride_tricks.sliding_window_view(whole, (side, side, 3))
        same = (views[::scale, ::scale, 0] == after).all(axis=(2, 3, 4))
        assert same.sum() == 1


def test_what_runs_is_stopped_and_leaves_nothing(sessions: Sessions) -> None:
    session = dropped(sessions, size=(560, 700))
    told: list[float] = []

    def stop(share: float, seconds: float) -> None:
        told.append(share)
        session.stop.set()

    with pytest.raises(Stopped):
        enlarge(BICUBIC, session, LIMIT, stop)
    assert len(told) == 1
    assert told[0] < 1
    assert [path.name for path in session.folder.rglob("*") if path.is_file()] == ["photo.png"]
    # Asked for again, it is made.
    session.begin()
    assert enlarge(BICUBIC, session, LIMIT, untold).size == (1400, 1120)
    # Another photo ends what is made of the first.
    with pytest.raises(Stopped):
        enlarge(BICUBIC, session, LIMIT, lambda share, seconds: session.clear())
    assert not any(session.folder.iterdir())


def test_sessions_end_with_their_files(sessions: Sessions, tmp_path: Path) -> None:
    session = dropped(sessions)
    assert sessions.of("tab") is session
    another = sessions.take(sessions.of("another"), session.upload)
    sessions.end("tab")
    assert another.exists()
    assert not session.upload.exists()
    assert session.stop.is_set()
    assert not session.folder.exists()
    sessions.end("tab")
    sessions.end_all()
    assert not any((tmp_path / "results").iterdir())
    foreign = tmp_path / "foreign.png"
    write_png(foreign, make_photo(8, 8))
    with pytest.raises(SrlabError, match=r"foreign.png: did not arrive"):
        sessions.take(sessions.of("tab"), sessions.uploads / ".." / "foreign.png")
    assert foreign.exists()


def test_what_cannot_be_enlarged_is_said_before_it_is_tried(
    sessions: Sessions, tmp_path: Path
) -> None:
    with pytest.raises(SrlabError, match="no photo yet"):
        enlarge(BICUBIC, sessions.of("empty"), LIMIT, untold)
    session = dropped(sessions, size=(60, 80))
    with pytest.raises(SrlabError, match=r"photo.png is too large: 80 × 60 pixels are 0.0 mega"):
        look(session.photo, 0.004)
    with pytest.raises(SrlabError, match=r"would have 640 × 480 pixels.*Choose a smaller scale"):
        enlarge(Order("bicubic", 8, None, AS_THE_PHOTO), session, 0.0048, untold)
    film = [Image.fromarray(make_photo(20, 20, seed)) for seed in range(5)]
    film[0].save(tmp_path / "film.gif", save_all=True, append_images=film[1:])
    with pytest.raises(SrlabError, match=r"20 × 20 pixels in 5 frames are"):
        look(tmp_path / "film.gif", 0.001)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SrlabError, match=r"text.png: not a picture"):
        look(tmp_path / "text.png", LIMIT)
    cut = tmp_path / "cut.png"
    cut.write_bytes(session.photo.read_bytes()[:2000])
    with pytest.raises(SrlabError, match=r"cut.png: damaged"):
        thumbnail(cut, tmp_path / "thumbnail.jpg")
    Image.fromarray(make_photo(9, 9)).convert("RGBA").save(sessions.uploads / "logo.png")
    sessions.take(session, sessions.uploads / "logo.png")
    with pytest.raises(SrlabError, match=r"logo.png: it has transparency, which JPEG cannot hold"):
        enlarge(Order("bicubic", 2, None, "jpeg"), session, LIMIT, untold)


def test_own_weights_come_first_then_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "released"
    folder.mkdir()
    monkeypatch.setattr("srlab.zoo.registry.RELEASED", folder)
    release(folder, ["faithful", "inventive"])
    own = tiny_weights(tmp_path, "mine", seed=3)
    choices = model_choices([own])
    titles = ["mine", "faithful", "inventive", "bicubic", "lanczos", "nearest"]
    assert [choice.title for choice in choices] == titles
    assert [choice.title for choice in choices if choice.has_strength] == ["inventive"]
    assert choices[0].model == str(own)
    assert choices[0].about == "Your own weights: srresnet, trained for ×2."
    # Weights beside those they may have been trained from have a strength.
    tiny_weights(tmp_path, "srresnet", seed=4)
    assert model_choices([own])[0].has_strength
    with pytest.raises(SrlabError, match="no such weights file"):
        model_choices([tmp_path / "nowhere.safetensors"])
    assert format_choices()[0] == ("As the photo", AS_THE_PHOTO)


def test_without_gradio_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    with monkeypatch.context() as context:
        context.setattr(os, "environ", dict(os.environ))
        with pytest.raises(SrlabError, match=re.escape("run: pip install 'srlab[app]'")):
            CliRunner().invoke(app, ["app"], catch_exceptions=False)


@dataclass(frozen=True)
class Served:
    """A page that `srlab app` serves."""

    address: str
    process: subprocess.Popen[str]
    temporary: Path
    """Where its temporary files are."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page with an SRGAN of a few weights, until Ctrl-C."""
    folder = tmp_path_factory.mktemp("app")
    temporary = folder / "temporary"
    temporary.mkdir()
    tiny_weights(folder, "srresnet", seed=0)
    weights = tiny_weights(folder, "srgan", seed=1)
    limit = ["--max-megapixels", str(LIMIT)]
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "app", "--model", str(weights), *limit],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"The page is at (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\.\n", line)
    assert found, line
    yield Served(found[1], process, temporary)
    process.kill()
    process.wait()


@pytest.fixture
def view(browser: Any, served: Served) -> Iterator[Callable[..., Any]]:
    """Opens the page; in the end no console error and no request to another host was seen."""
    contexts, troubles = [], []

    def open_page(*, width: int = 1280, height: int = 900, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        own = (served.address, "data:", f"blob:{served.address}")
        tab.on(
            "request", lambda request: request.url.startswith(own) or troubles.append(request.url)
        )
        tab.goto(served.address)
        tab.locator("#start").wait_for()
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def drop(tab: Any, photo: Path, said: str) -> None:
    tab.locator("#photo input[type=file]").set_input_files(photo)
    tab.locator("#said").get_by_text(said).wait_for()


def choose(tab: Any, dropdown: str, option: str) -> None:
    tab.locator(f"{dropdown} input").click()
    tab.get_by_role("option", name=option, exact=True).click()


def run(tab: Any) -> None:
    """Returns when there is another result than before, if there was one."""
    shown = tab.locator("#slider img")
    before = shown.first.get_attribute("src") if shown.count() else None
    tab.locator("#start").click()
    wait_until(lambda: shown.count() > 0 and shown.first.get_attribute("src") != before)


def download(tab: Any, folder: Path) -> Path:
    tab.locator("#download").wait_for()
    with tab.expect_download() as waiting:
        tab.locator("#download").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


@needs_gradio
def test_a_phone_photo_keeps_its_metadata(view, served: Served, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    photo = tmp_path / "holiday in März.jpg"
    Image.fromarray(make_photo(60, 90)).save(photo, exif=exif, icc_profile=SRGB, dpi=(72, 72))
    tab = view()
    assert tab.locator("#start").is_disabled()
    drop(tab, photo, "60 × 90 pixels".replace(" ", "\N{NO-BREAK SPACE}"))
    tab.locator("#scale").get_by_text("×2").click()
    tab.get_by_role("button", name="Enlarge to 120 × 180").click()
    large = Image.open(download(tab, tmp_path))
    assert (large.format, large.size) == ("JPEG", (120, 180))
    assert large.getexif()[0x010F] == "Phone"
    assert large.getexif().get(0x0112, 1) == 1
    assert large.info["icc_profile"] == SRGB
    pictures = tab.locator("#slider img")
    assert pictures.count() == 2
    for index in range(2):
        size = "image => [image.naturalWidth, image.naturalHeight]"
        assert pictures.nth(index).evaluate(size) == [120, 180]
    # Closing the tab takes its files away.
    assert photos_in(served.temporary)
    tab.close()
    wait_until(lambda: not photos_in(served.temporary))


@needs_gradio
def test_depth_and_transparency_are_kept(view, tmp_path: Path) -> None:
    scan = make_photo(30, 40)[..., 0].astype(np.uint16) * 257
    Image.fromarray(scan).save(tmp_path / "scan.png")
    logo = np.dstack([make_photo(30, 40), np.full((30, 40), 255, np.uint8)])
    logo[:10, :, 3] = 0
    Image.fromarray(logo).save(tmp_path / "logo.png")
    tab = view(width=390, height=844)
    drop(tab, tmp_path / "scan.png", "16\N{NO-BREAK SPACE}bits")
    choose(tab, "#model", "bicubic")
    tab.locator("#strength").wait_for(state="hidden")
    tab.locator("#start").click()
    large = np.asarray(Image.open(download(tab, tmp_path)))
    assert np.array_equal(large, upscale(scan, 4, model="bicubic"))
    tab.get_by_role("button", name="Another photo").click()
    drop(tab, tmp_path / "logo.png", "transparency")
    choose(tab, "#format", "JPEG")
    tab.locator("#start").click()
    alert = tab.get_by_role("alert")
    alert.wait_for()
    assert "logo.png: it has transparency, which JPEG cannot hold" in alert.inner_text()
    assert tab.locator("#download").is_hidden()
    choose(tab, "#format", "WebP")
    tab.locator("#start").click()
    kept = download(tab, tmp_path)
    assert kept.name == "logo_x4.webp"
    alpha = np.asarray(Image.open(kept))[..., 3]
    assert not alpha[:36].any()
    assert (alpha[44:] == 255).all()


@needs_gradio
def test_strength_changes_the_result(view, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_png(photo, make_photo(30, 40))
    tab = view()
    drop(tab, photo, "photo.png")
    tab.locator("#scale").get_by_text("×2").click()
    results = []
    for strength in ("1", "0"):
        tab.locator("#strength input[type=number]").fill(strength)
        run(tab)
        results.append(read_pixels(download(tab, tmp_path)))
    assert not np.array_equal(*results)


@needs_gradio
def test_a_jpeg_is_said_to_have_a_model_of_its_own(view, tmp_path: Path) -> None:
    photo, released = tmp_path / "photo.jpg", load_registry()
    Image.fromarray(make_photo(30, 40)).save(photo, quality=40)
    tab = view()
    choose(tab, "#model", released.default)
    drop(tab, photo, "It was saved as JPEG of quality 40")
    assert f"the model {released.for_jpeg} takes them out" in tab.locator("#said").inner_text()
    tab = view()
    choose(tab, "#model", released.for_jpeg)
    drop(tab, photo, "photo.jpg")
    assert "quality" not in tab.locator("#said").inner_text()


@needs_gradio
def test_what_is_too_large_is_refused_before_anything_is_computed(view, tmp_path: Path) -> None:
    write_png(tmp_path / "large.png", np.zeros((1000, 1001, 3), np.uint8))
    tab = view()
    drop(tab, tmp_path / "large.png", "large.png is too large")
    said = tab.get_by_role("alert").inner_text()
    assert "1001 × 1000 pixels are 1.0 megapixels, and at most 1 are taken here" in said
    assert "srlab app --max-megapixels 2" in said
    assert tab.locator("#start").is_disabled()
    (tmp_path / "text.png").write_text("no picture")
    drop(tab, tmp_path / "text.png", "not a picture that can be read")
    assert tab.locator("#start").is_disabled()


@needs_gradio
def test_stop_ends_it_and_the_photo_is_still_there(view, tmp_path: Path) -> None:
    write_png(tmp_path / "photo.png", make_photo(560, 1000))
    tab = view()
    drop(tab, tmp_path / "photo.png", "photo.png")

    def stop() -> None:
        choose(tab, "#model", "srresnet_distilled")  # slow enough to be stopped
        tab.locator("#start").click()
        tab.get_by_text("left").wait_for()
        assert tab.locator("#download").is_hidden()
        tab.locator("#stop").click()
        tab.locator("#said").get_by_text("Stopped").wait_for()

    stop()
    assert tab.locator("#download").is_hidden()
    assert tab.locator("#photo img").is_visible()
    # One that was there before is not lost.
    choose(tab, "#model", "bicubic")
    tab.locator("#scale").get_by_text("×2").click()
    tab.get_by_role("button", name="Enlarge to 2,000 × 1,120").wait_for()
    run(tab)
    tab.locator("#scale").get_by_text("×4").click()
    stop()
    assert "What was made before is still here." in tab.locator("#said").inner_text()
    kept = download(tab, tmp_path)
    assert kept.name == "photo_x2.png"
    assert Image.open(kept).size == (2000, 1120)


@needs_gradio
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_sideways_scrolling(view, scheme: str) -> None:
    tab = view(width=390, height=844, color_scheme=scheme, has_touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    right = "[...document.querySelectorAll('button, label, input, h1, p')]"
    right += ".filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().right)"
    assert max(tab.evaluate(right)) <= 390
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in re.findall(r"\d+", background)[:3]]
    assert min(levels) > 240 if scheme == "light" else max(levels) < 40


@needs_gradio
def test_only_this_computer_reaches_it_and_nothing_is_left(served: Served) -> None:
    connections = psutil.Process(served.process.pid).net_connections(kind="inet")
    listening = [one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(timeout=30) == 0
    assert not list(served.temporary.iterdir())


def photos_in(folder: Path) -> list[str]:
    # Folders may go while one looks.
    names = (name for _, _, names in os.walk(folder) for name in names)
    return [name for name in names if name.endswith(".jpg")]


def wait_until(is_true: Callable[[], bool]) -> None:
    for _ in range(300):
        if is_true():
            return
        time.sleep(0.1)
    raise AssertionError("never true")
