import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_photo
from markupsafe import Markup
from PIL import Image

from srlab.data.images import read_pixels, write_png
from srlab.errors import SrlabError
from srlab.report.html import html_figure, html_table, svg_figure
from srlab.report.page import Comparison, Page, Section, write_page

METHODS = ("bicubic", "memnet", "srgan")


def compare(folder: Path, image: str, seed: int, methods: tuple[str, ...] = METHODS) -> Comparison:
    """A photo, and methods that add more and more noise to it."""
    folder.mkdir(parents=True, exist_ok=True)
    hr = make_photo(60, 96, seed)
    random = np.random.default_rng(seed)
    pictures, scores = {}, {}
    for level, method in enumerate(methods):
        noisy = hr + random.normal(0, 30 / (level + 1), hr.shape)
        pictures[method] = folder / f"{method}.png"
        write_png(pictures[method], noisy.clip(0, 255).astype(np.uint8))
        scores[method] = {"psnr": 20.0 + level, "ssim": None, "lpips": 0.25 + level / 10}
    pictures["hr"] = folder / "hr.png"
    write_png(pictures["hr"], hr)
    return Comparison("made", image, pictures, scores)


def page(comparisons: list[Comparison], **changes: Any) -> Page:
    table = html_table(
        ["method", *(f"metric {index}" for index in range(20))],
        [["bicubic", *["28.10"] * 20]],
        caption="A wide table",
    )
    fields: dict[str, Any] = {
        "title": "A report",
        "subtitle": "of a test",
        "scale": 4,
        "protocol": "y_rgb8",
        "comparisons": comparisons,
        "before": [Section("results", "Results", table)],
        "after": [Section("end", "The end", Markup("<p>Nothing more.</p>"))],
        "notes": ["Some scores are missing."],
    }
    return Page(**(fields | changes))


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> list[Comparison]:
    folder = tmp_path_factory.mktemp("pictures")
    return [compare(folder / name, name, seed) for seed, name in enumerate(["first", "second"])]


def embedded(html: str) -> list[Image.Image]:
    blocks = re.findall(r'<script type="text/plain" id="picture-\d+-\d+">([^<]*)</script>', html)
    return [Image.open(io.BytesIO(base64.b64decode(block))) for block in blocks]


def test_every_picture_is_in_the_page_without_loss(comparisons, tmp_path: Path) -> None:
    output = tmp_path / "new" / "report.html"
    write_page(page(comparisons), output)
    html = output.read_text()
    pictures = embedded(html)
    paths = [path for each in comparisons for path in each.pictures.values()]
    assert len(pictures) == len(paths) == 8
    for picture, path in zip(pictures, paths, strict=True):
        assert np.array_equal(np.asarray(picture.convert("RGB")), read_pixels(path))
    assert "embedded without loss" in html
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


def test_grey_pictures_are_welcome(comparisons, tmp_path: Path) -> None:
    pictures = {}
    for method, path in comparisons[0].pictures.items():
        pictures[method] = tmp_path / path.name
        write_png(pictures[method], read_pixels(path)[..., 0])
    write_page(page([Comparison("made", "grey", pictures, {})]), tmp_path / "report.html")
    assert len(embedded((tmp_path / "report.html").read_text())) == 4


def test_names_cannot_become_markup(comparisons, tmp_path: Path) -> None:
    evil = '</script><script>alert("pwned")</script><img src=x onerror=alert(1)>'
    pictures = {evil: comparisons[0].pictures["bicubic"], "hr": comparisons[0].pictures["hr"]}
    one = Comparison(evil, evil, pictures, {evil: {evil: 1.0}})
    output = tmp_path / "report.html"
    write_page(page([one], title=evil, subtitle=evil, protocol=evil, notes=[evil]), output)
    html = output.read_text()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    shown = json.loads(re.search(r'id="shown">(.*?)</script>', html, re.S)[1])
    assert shown["comparisons"][0]["image"] == evil
    table = html_table([evil], [[evil]], caption=evil, note=evil)
    figure = html_figure(evil, evil, {evil: pictures["hr"]}, caption=evil)
    assert "<script" not in table + figure
    assert "<img src=x" not in table + figure


def test_quality_gives_way_to_the_limit(comparisons, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    write_page(page(comparisons), output)
    lossless = output.stat().st_size
    write_page(page(comparisons), output, limit=lossless)
    assert "embedded without loss" in output.read_text()
    write_page(page(comparisons), output, limit=lossless - 2000)
    assert output.stat().st_size <= lossless - 2000
    assert "embedded as WebP of quality 95" in output.read_text()
    with pytest.raises(SrlabError, match=r"does not fit 50,000 bytes even with .* quality 60"):
        write_page(page(comparisons), tmp_path / "small.html", limit=50_000)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_missing_and_wrong_pictures_are_named(comparisons, tmp_path: Path) -> None:
    lost = tmp_path / "lost.png"
    pictures = comparisons[0].pictures | {"memnet": lost}
    with pytest.raises(SrlabError, match=r"lost\.png: no such picture; make it: dvc repro"):
        write_page(page([Comparison("made", "first", pictures, {})]), tmp_path / "report.html")
    write_png(lost, make_photo(60, 95))
    with pytest.raises(SrlabError, match=r"lost\.png: has 95x60 pixels, not 96x60 as .*hr\.png"):
        write_page(page([Comparison("made", "first", pictures, {})]), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["lost.png"]
    with pytest.raises(ValueError, match="needs hr and one method"):
        Comparison("made", "first", {"bicubic": lost}, {})


def test_best_scores_are_marked_and_missing_ones_left_out(comparisons, tmp_path: Path) -> None:
    write_page(page(comparisons), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    shown = json.loads(re.search(r'id="shown">(.*?)</script>', html, re.S)[1])
    scores = shown["comparisons"][0]["scores"]
    assert scores["srgan"]["psnr"] == {"text": "22.00", "best": True}
    assert scores["bicubic"]["lpips"] == {"text": "0.250", "best": True}
    assert not scores["srgan"]["lpips"]["best"]
    assert "ssim" not in scores["srgan"]
    assert list(shown["comparisons"][0]["methods"]) == [*METHODS, "hr"]


def test_without_comparisons_a_sentence_takes_their_place(tmp_path: Path) -> None:
    write_page(page([], notes=[]), tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "no pictures to compare" in html
    assert 'id="viewer"' not in html
    assert '<a href="#end">The end</a>' in html


def test_tables_align_numbers_and_name_rows() -> None:
    table = html_table(
        ["method", "psnr", "commit", "lpips"],
        [["a<b", Markup("<b>{}</b>").format("28.1 dB"), "0123abcd", None], ["c", 3.5, "x", 1]],
        caption="Scores",
        note="small",
    )
    assert '<th scope="row">a&lt;b</th><td class="number"><b>28.1 dB</b></td>' in table
    assert '<td>0123abcd</td><td class="number"><abbr title="not computed">' in table
    assert '<th scope="col" class="number">psnr</th><th scope="col">commit</th>' in table
    assert '<p class="note">small</p>' in table
    with pytest.raises(ValueError, match="a row of 1 cells under a head of 2"):
        html_table(["a", "b"], [["c"]], caption="")


def test_figures_embed_pictures_and_drawings(comparisons) -> None:
    figure = html_figure("Figure 1", "A photo", comparisons[0].pictures, caption="Seen.")
    assert figure.count('<img class="crop" src="data:image/webp;base64,') == 4
    assert 'width="96" height="60" alt="A photo: hr" loading="lazy" decoding="async"' in figure
    assert '<figure id="figure-1">' in figure
    svg = (
        '<?xml version="1.0"?><svg width="9"><g id="a"/><use href="#a" clip-path="url(#b)"/></svg>'
    )
    drawing = svg_figure("Figure 2", "A line", svg, caption="Drawn.")
    assert '<svg role="img" aria-label="Figure 2: A line" width="9">' in drawing
    assert '<g id="figure-2-a"/><use href="#figure-2-a" clip-path="url(#figure-2-b)"/>' in drawing
    assert "<?xml" not in drawing
    with pytest.raises(ValueError, match="Figure 3: no <svg>"):
        svg_figure("Figure 3", "", "<p>", caption="")


# In a browser


@pytest.fixture(scope="module")
def address(comparisons, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("page") / "report.html"
    write_page(page(comparisons), output)
    return output.as_uri()


@pytest.fixture
def view(browser) -> Iterator[Any]:
    """Opens pages; at the end, none of them may have complained or asked for anything."""
    troubles: list[str] = []
    contexts = []

    def listen(tab: Any) -> None:
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else troubles.append(request.url)
            ),
        )

    def open_page(address: str, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(60_000)
        tab = contexts[-1].new_page()
        listen(tab)
        tab.goto(address)
        if tab.locator("#viewer").count():
            settle(tab)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def wait_until(tab: Any, expression: str) -> None:
    # wait_for_function() evaluates text inside the page, which the page's policy forbids.
    for _ in range(1000):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def settle(tab: Any) -> None:
    """Wait until every pane shows what was last asked of it."""
    panes = "[...document.querySelectorAll('.pane')]"
    wait_until(tab, f"{panes}.length && {panes}.every((p) => p.dataset.shown === p.dataset.wish)")


def painted(tab: Any, method: str) -> np.ndarray:
    """The pixels of a method's pane, (H, W, 3)."""
    values, height, width = tab.evaluate(
        """(method) => {
            const pane = [...document.querySelectorAll(".pane")]
                .find((each) => each.dataset.method === method);
            const canvas = pane.querySelector("canvas");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [Array.from(data), height, width];
        }""",
        method,
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def screenshot(tab: Any) -> np.ndarray:
    picture = tab.locator(".stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def test_the_divider_moves_by_mouse_and_keys_and_changes_the_picture(view, address) -> None:
    tab = view(f"{address}#compare?a=bicubic&b=hr")
    divider = tab.get_by_role("slider")
    assert divider.get_attribute("aria-valuenow") == "50"
    before = screenshot(tab)
    box = divider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 150, y, steps=3)
    tab.mouse.up()
    assert 10 < int(divider.get_attribute("aria-valuenow")) < 45
    after = screenshot(tab)
    middle = before.shape[1] // 2
    assert np.abs(after - before)[:, middle - 120 : middle - 30].max() > 20
    assert np.abs(after - before)[:, middle + 60 :].max() <= 2
    at = int(divider.get_attribute("aria-valuenow"))
    divider.press("ArrowRight")
    assert int(divider.get_attribute("aria-valuenow")) in (at + 1, at + 2, at + 3)
    divider.press("Home")
    assert divider.get_attribute("aria-valuetext") == "0% bicubic, 100% hr"
    divider.press("End")
    assert divider.get_attribute("aria-valuenow") == "100"


def test_embedded_pixels_are_those_of_the_files(view, address, comparisons) -> None:
    tab = view(f"{address}#compare?image=made/second&a=memnet&b=hr")
    for method in ("memnet", "hr"):
        assert np.array_equal(painted(tab, method), read_pixels(comparisons[1].pictures[method]))


def test_panes_zoom_and_move_in_step(view, address) -> None:
    tab = view(f"{address}#compare")
    tab.get_by_role("button", name="Side by side").click()
    settle(tab)
    assert tab.locator(".pane").count() == 4
    assert tab.locator(".divider").is_hidden()

    def transforms() -> list[str]:
        return tab.evaluate(
            "[...document.querySelectorAll('.pane canvas')].map((c) => c.style.transform)"
        )

    whole = transforms()
    box = tab.locator(".pane").nth(1).bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    tab.mouse.move(x - 5, y)
    tab.mouse.move(x, y)
    under = "([x, y]) => { const box = document.querySelectorAll('.pane canvas')[1]"
    under += ".getBoundingClientRect(); return [(x - box.x) / box.width, (y - box.y) / box.height]}"
    pointed = tab.evaluate(under, [x, y])
    tab.mouse.wheel(0, -600)
    transform = "document.querySelector('.pane canvas').style.transform"
    wait_until(tab, f"{transform} !== {json.dumps(whole[0])}")
    zoomed = transforms()
    assert len(set(zoomed)) == 1
    assert zoomed != whole
    assert tab.evaluate(under, [x, y]) == pytest.approx(pointed, abs=0.01)
    assert (
        tab.locator(".pane canvas").first.evaluate("(c) => c.style.imageRendering") == "pixelated"
    )
    tab.mouse.down()
    tab.mouse.move(x - 30, y - 20, steps=2)
    tab.mouse.up()
    moved = transforms()
    assert len(set(moved)) == 1
    assert moved != zoomed
    tab.mouse.dblclick(x, y)
    assert transforms() == whole


def test_error_maps_show_the_distance_to_the_truth(view, address, comparisons) -> None:
    tab = view(f"{address}#compare?mode=panes")
    tab.keyboard.press("e")
    settle(tab)
    assert tab.locator(".legend").is_visible()
    assert not painted(tab, "hr").any()
    pictures = comparisons[0].pictures
    truth = read_pixels(pictures["hr"]).astype(int)
    for method in ("bicubic", "srgan"):
        map_ = painted(tab, method).astype(int).sum(axis=-1)
        error = np.abs(read_pixels(pictures[method]) - truth).mean(axis=-1)
        assert np.corrcoef(map_.ravel(), error.ravel().clip(0, 32))[0, 1] > 0.9
        shown = tab.locator(f'.pane[data-method="{method}"] .tag span').inner_text()
        assert shown == f"mean error {error.mean():.2f}"
    tab.keyboard.press("e")
    settle(tab)
    assert np.array_equal(painted(tab, "hr"), truth)


def test_the_address_holds_the_view(view, address) -> None:
    tab = view(address)
    tab.locator("#viewer").scroll_into_view_if_needed()
    tab.locator(".stage").focus()
    for key in ("n", "a", "x", "+", "e", "ArrowLeft"):
        tab.keyboard.press(key)
    wait_until(tab, "location.hash.includes('split=0.48')")
    link = tab.url
    settle(tab)
    other = view(link)
    for one in (tab, other):
        assert one.locator(".facts h3").inner_text() == "second"
        assert one.locator(".pane b").all_inner_texts() == ["srgan", "memnet"]
        assert one.locator("[data-action=error]").get_attribute("aria-pressed") == "true"
    same = ".pane canvas"
    assert other.locator(same).first.get_attribute("style") == (
        tab.locator(same).first.get_attribute("style")
    )
    other.evaluate("location.hash = '#compare?image=made/first&mode=panes'")
    wait_until(other, "document.querySelectorAll('.pane').length === 4")
    assert other.locator(".facts h3").inner_text() == "first"
    assert view(f"{address}#compare?image=nowhere&a=none&zoom=x").locator(".pane").count() == 2


def test_scores_are_shown_with_the_best_in_bold(view, address) -> None:
    tab = view(address)
    rows = tab.locator(".scores tbody tr")
    assert rows.count() == 4
    assert rows.nth(2).locator("b").all_inner_texts() == ["22.00"]
    assert rows.nth(0).locator("b").all_inner_texts() == ["0.250"]
    assert rows.nth(0).locator("i").all_inner_texts() == ["A"]


def test_help_opens_and_theme_switches(view, address) -> None:
    tab = view(f"{address}#compare")
    tab.locator(".stage").focus()
    tab.keyboard.press("?")
    assert tab.get_by_role("dialog").is_visible()
    tab.keyboard.press("Escape")
    assert tab.get_by_role("dialog").is_hidden()

    def background() -> str:
        return tab.evaluate("getComputedStyle(document.body).backgroundColor")

    light = background()
    tab.locator("#theme").click()
    assert background() != light
    assert tab.evaluate("localStorage.getItem('theme')") == "dark"
    # When a page's storage reaches the next page is the browser's affair, and has been too late.
    tab.context.add_init_script("localStorage.setItem('theme', 'dark')")
    tab.reload()
    assert background() != light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", ["slider", "panes"])
def test_a_phone_shows_all_without_sideways_scrolling(view, address, scheme, mode) -> None:
    tab = view(
        f"{address}#compare?mode={mode}&error=32",
        width=360,
        height=740,
        color_scheme=scheme,
        device_scale_factor=2,
        has_touch=True,
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    assert tab.locator(".table-frame").first.evaluate("(f) => f.scrollWidth > f.clientWidth")
    right = "[...document.querySelectorAll('#viewer :is(button, select, .pane)')]"
    right += ".filter((e) => !e.closest('.picker') && e.offsetParent)"
    right += ".map((e) => e.getBoundingClientRect().right)"
    assert max(tab.evaluate(right)) <= 360


def test_evil_names_and_scripts_of_sections_do_not_run(view, comparisons, tmp_path: Path) -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\">"
    pictures = {evil: comparisons[0].pictures["bicubic"], "hr": comparisons[0].pictures["hr"]}
    write_page(page([Comparison(evil, evil, pictures, {})]), tmp_path / "report.html")
    tab = view((tmp_path / "report.html").as_uri())
    assert tab.locator(".pane b").first.inner_text() == evil
    assert tab.title() == "A report"


@pytest.mark.parametrize("count", [0, 1, 7])
def test_no_two_or_eight_pictures(view, tmp_path: Path, count: int) -> None:
    methods = tuple(f"method{index}" for index in range(count))
    shown = [compare(tmp_path, "one", 0, methods)] if count else []
    write_page(page(shown), tmp_path / "report.html")
    tab = view((tmp_path / "report.html").as_uri() + "#compare?mode=panes")
    assert tab.locator(".pane").count() == (count + 1 if count else 0)


def test_pictures_of_five_methods_and_the_truth_stand_in_one_row(view, tmp_path: Path) -> None:
    shown = compare(tmp_path, "one", 0, tuple(f"method{index}" for index in range(5)))
    figure = html_figure("Figure 1", "A photo", shown.pictures, caption="Seen.")
    report = page([], after=[Section("figures", "Figures", figure)])
    write_page(report, tmp_path / "report.html")
    tops = (
        "[...document.querySelectorAll('#figure-1 img')].map((i) => i.getBoundingClientRect().top)"
    )
    for width, rows in ((1100, 1), (360, 3)):
        tab = view((tmp_path / "report.html").as_uri(), width=width)
        assert len(set(tab.evaluate(tops))) == rows
