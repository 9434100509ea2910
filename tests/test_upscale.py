"""`srlab upscale`: what it takes, what it writes, what it says, and what it leaves alone."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photo
from PIL import Image
from test_cli import srlab
from test_upscale_in_memory import weights

from srlab.data.images import read_pixels, write_png
from srlab.upscaling import in_memory

FAST = ("-m", "bicubic", "-s", "2")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def photo(path: str, height: int = 12, width: int = 16, seed: int = 0) -> np.ndarray:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = make_photo(height, width, seed)
    Image.fromarray(pixels).save(target)
    return pixels


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


# What is taken, and where it goes.


def test_beside_the_input_with_the_scale_in_its_name(monkeypatch, capsys) -> None:
    pixels = photo("a/photo.png")
    assert srlab(monkeypatch, "upscale", "a/photo.png", *FAST) == 0
    assert files() == ["a/photo.png", "a/photo_x2.png"]
    expected = in_memory.upscale(pixels, 2, model="bicubic")
    assert np.array_equal(read_pixels(Path("a/photo_x2.png")), expected)
    err = capsys.readouterr().err
    assert err.startswith("a/photo.png -> a/photo_x2.png (32x24, ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["p.png", "-o", "big.png"], ["big.png"]),
        (["p.png", "-o", "big.jpg"], ["big.jpg"]),
        (["p.png", "-o", "new/"], ["new/p.png"]),
        (["p.png", "-o", "new"], ["new/p.png"]),
        (["p.png", "-o", "new/big.webp"], ["new/big.webp"]),
        (["p.png", "-f", "jpg"], ["p_x2.jpg"]),
        (["p.png", "q.JPG", "-o", "out"], ["out/p.png", "out/q.JPG"]),
        (["p.png", "q.JPG", "-o", "out", "-f", "tif"], ["out/p.tif", "out/q.tif"]),
        (["in", "-o", "out"], ["out/a.png", "out/b/c.png"]),
        (["in"], ["in_x2/a.png", "in_x2/b/c.png"]),
        (["in", "p.png", "-o", "out"], ["out/in/a.png", "out/in/b/c.png", "out/p.png"]),
        (["in/**/*.png", "-o", "out"], ["out/a.png", "out/b/c.png"]),
        (["in/*.png"], ["in/a_x2.png"]),
        (["p.png", "p.png", "-o", "out"], ["out/p.png"]),
    ],
)
def test_where_results_go(monkeypatch, arguments: list[str], written: list[str]) -> None:
    photo("p.png")
    photo("q.JPG")
    photo("in/a.png")
    photo("in/b/c.png")
    Path("in/notes.txt").write_text("no picture")
    before = files()
    assert srlab(monkeypatch, "upscale", *arguments, *FAST) == 0
    assert sorted(set(files()) - set(before)) == written


def test_sizes_instead_of_a_scale(monkeypatch, capsys) -> None:
    photo("p.png")
    for arguments, size in (
        (["--width", "40"], (40, 30)),
        (["--height", "60"], (80, 60)),
        (["--width", "40", "--height", "21"], (28, 21)),
        (["-s", "2.5"], (40, 30)),
        (["-s", "0.5"], (8, 6)),
        ([], (64, 48)),
    ):
        out = ["-o", "out.png", "--overwrite", "-m", "bicubic"]
        assert srlab(monkeypatch, "upscale", "p.png", *arguments, *out) == 0
        assert Image.open("out.png").size == size


def through_pipes(data: bytes, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from srlab.cli import main; main()", "upscale", "-", *FAST]
    return subprocess.run([*command, *arguments], input=data, capture_output=True, check=False)


def test_from_standard_input_to_standard_output() -> None:
    file = io.BytesIO()
    Image.fromarray(make_photo(12, 16)).save(file, "png")
    for arguments, form in (((), "PNG"), (("-o", "-", "-f", "tiff"), "TIFF")):
        done = through_pipes(file.getvalue(), *arguments)
        image = Image.open(io.BytesIO(done.stdout))
        assert (image.format, image.size, done.returncode) == (form, (32, 24), 0)
    assert files() == []


def test_nothing_goes_to_standard_output_where_there_is_no_picture() -> None:
    done = through_pipes(b"nothing")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: standard input: not a picture")


def test_a_file_is_what_it_holds_not_what_it_is_called(monkeypatch) -> None:
    photo("p.png")
    Path("p.png").rename("p.jpg")
    assert srlab(monkeypatch, "upscale", "p.jpg", "-o", "out", *FAST) == 0
    assert Image.open("out/p.png").format == "PNG"


def test_hidden_files_and_links_that_lead_out_are_left_alone(monkeypatch) -> None:
    photo("out_of_it/secret.png")
    photo("in/a.png")
    photo("in/._a.png")
    photo("in/.cache/b.png")
    Path("in/link.png").symlink_to(Path("out_of_it/secret.png").resolve())
    Path("in/folder").symlink_to(Path("out_of_it").resolve(), target_is_directory=True)
    Path("in/inner.png").symlink_to("a.png")
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", *FAST) == 0
    assert sorted(os.listdir("out")) == ["a.png", "inner.png"]


def test_results_inside_of_the_folder_are_not_enlarged_again(monkeypatch) -> None:
    photo("in/a.png")
    for _ in range(2):
        assert srlab(monkeypatch, "upscale", "in", "-o", "in/large", "--overwrite", *FAST) == 0
    assert files() == ["in/a.png", "in/large/a.png"]


# What is refused before anything is computed.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'INPUT'"),
        (["none.png"], "none.png: no such file or folder"),
        (["none*.png"], "none*.png: no picture in it"),
        (["empty"], "empty: no picture in it"),
        (["p.png", "-s", "abc"], "Invalid value for '--scale'"),
        (["p.png", "-s", "0"], "a scale of 0: choose one above 0"),
        (["p.png", "-s", "2", "--width", "9"], "contradict one another"),
        (["p.png", "--tile", "0"], "--tile 0: choose auto or a number"),
        (["p.png", "--tile", "many"], "--tile many: choose auto or a number"),
        (["p.png", "--device", "tpu"], "tpu: no such device here"),
        (["p.png", "--precision", "fp8"], "fp8: no such precision"),
        (["p.png", "--strength", "0.5"], "has no strength"),
        (["p.png", "-f", "heic"], "heic: no format that can be written; choose png"),
        (["p.png", "-q", "0"], "a quality of 0: choose one from 1 to 100"),
        (["p.png", "-f", "png", "-q", "80"], "PNG loses nothing"),
        (["p.png", "-o", "x.xyz"], "x.xyz: no format is called .xyz"),
        (["p.png", "-o", "x.png", "-f", "jpeg"], "PNG by its name, not JPEG; change one"),
        (["p.png", "q.png", "-o", "x.png"], "one file for several pictures; name a folder"),
        (["in", "-o", "x.png"], "one file for several pictures; name a folder"),
        (["p.png", "in/p.png", "-o", "out"], "would both be written to out/p.png"),
        (["in", "-o", "in"], "would overwrite the input in/p.png"),
        (["p.png", "-o", "p.png", "--overwrite"], "would overwrite the input p.png"),
        (["p.png", "-o", "link.png", "--overwrite"], "would overwrite the input p.png"),
        (["-", "p.png"], "- is standard input; give it alone"),
        (["p.png", "--max-megapixels", "0"], "leaves nothing; raise it"),
        (["p.png", "-o", "-", "--json"], "cannot both go to standard output"),
        (["p.png", "--what"], "No such option: --what"),
    ],
)
def test_usage_errors_are_one_line(monkeypatch, capsys, arguments: list[str], said: str) -> None:
    for name in ("p.png", "q.png", "in/p.png"):
        photo(name)
    Path("empty").mkdir()
    os.link("p.png", "link.png")
    before = files()
    model = ["-m", "bicubic"]
    assert srlab(monkeypatch, "upscale", *arguments, *model) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert files() == before


def test_an_unknown_model_is_said_with_the_nearest(monkeypatch, capsys) -> None:
    photo("p.png")
    for model, said in (
        ("bicubik", "bicubik: no such model or file; did you mean 'bicubic'?"),
        ("none.safetensors", "none.safetensors: no such weights file"),
    ):
        assert srlab(monkeypatch, "upscale", "p.png", "-m", model) == 2
        assert said in capsys.readouterr().err


# What goes wrong on the way.


def test_what_is_there_is_refused_and_counted(monkeypatch, capsys) -> None:
    for name in ("in/a.png", "in/b.png"):
        photo(name)
    photo("out/a.png", 3, 3)
    before = Path("out/a.png").read_bytes()
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", *FAST) == 1
    err = capsys.readouterr().err
    assert "in/a.png: out/a.png is there already; --overwrite replaces it\n" in err
    assert "1 enlarged, 1 already there (" in err
    assert Path("out/a.png").read_bytes() == before
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", "--overwrite", *FAST) == 0
    assert Image.open("out/a.png").size == (32, 24)


def test_a_bad_file_does_not_stop_the_others(monkeypatch, capsys) -> None:
    photo("in/a.png")
    photo("in/z.png")
    Path("in/b.png").write_bytes(Path("in/a.png").read_bytes()[:200])
    Path("in/c.jpg").write_text("no picture")
    Path("in/d.png").touch()
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", *FAST) == 1
    err = capsys.readouterr().err
    assert "error: in/b.png: damaged" in err
    assert "error: in/c.jpg: not a picture that can be read" in err
    assert "error: in/d.png: the file is empty" in err
    assert "2 enlarged, 3 failed (" in err
    assert files() == sorted(
        [*(f"in/{name}" for name in ("a.png", "b.png", "c.jpg", "d.png", "z.png")),
         "out/a.png", "out/z.png"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("emulated", "model", "warned"),
    [(True, "srresnet", True), (True, "bicubic", False), (False, "srresnet", False)],
)
def test_emulated_bf16_is_said(monkeypatch, capsys, emulated: bool, model: str, warned) -> None:
    monkeypatch.setattr("srlab.upscaling.command.computes_bf16", lambda device: not emulated)
    photo("a.png")
    assert srlab(monkeypatch, "upscale", "a.png", "-m", model, "--precision", "bf16") == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("warning: --precision bf16 is emulated here") == warned


def test_a_mistake_in_srlab_does_not_stop_the_others(monkeypatch, capsys) -> None:
    from srlab.upscaling import batch

    def failing(*args, **kwargs):
        if not calls:
            calls.append(1)
            raise ZeroDivisionError("by\nzero")
        return whole(*args, **kwargs)

    calls, whole = [], batch.write_enlarged
    monkeypatch.setattr(batch, "write_enlarged", failing)
    photo("in/a.png")
    photo("in/b.png")
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", *FAST) == 1
    assert "error: in/a.png: unexpected ZeroDivisionError: by zero\n" in capsys.readouterr().err
    assert os.listdir("out") == ["b.png"]


def test_a_place_that_cannot_be_written_is_said(monkeypatch, capsys) -> None:
    photo("p.png")
    Path("file").touch()
    assert srlab(monkeypatch, "upscale", "p.png", "-o", "file/x.png", *FAST) == 1
    assert "cannot be written" in capsys.readouterr().err
    Path("out/p.png").mkdir(parents=True)
    assert srlab(monkeypatch, "upscale", "p.png", "-o", "out", *FAST) == 1
    assert "out/p.png is a folder" in capsys.readouterr().err


def test_transparency_is_not_lost_silently(monkeypatch, capsys) -> None:
    Image.fromarray(make_photo(8, 8)).convert("RGBA").save("logo.png")
    assert srlab(monkeypatch, "upscale", "logo.png", "-f", "jpeg", *FAST) == 1
    assert "it has transparency, which JPEG cannot hold; use png" in capsys.readouterr().err
    assert files() == ["logo.png"]


def test_a_failure_while_writing_leaves_nothing(monkeypatch, capsys) -> None:
    from srlab.upscaling import writing

    def failing(file, *args) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    photo("p.png")
    photo("out/p.png", 3, 3)
    before = Path("out/p.png").read_bytes()
    monkeypatch.setattr(writing, "write_png", failing)
    assert srlab(monkeypatch, "upscale", "p.png", "-o", "out", "--overwrite", *FAST) == 1
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert files() == ["out/p.png", "p.png"]
    assert Path("out/p.png").read_bytes() == before


def test_ctrl_c_leaves_no_half_written_file(tmp_path: Path) -> None:
    model = weights(tmp_path, "srgan")
    write_png(tmp_path / "large.png", make_photo(900, 900))
    command = [sys.executable, "-c", "from srlab.cli import main; main()", "upscale"]
    options = ["large.png", "-m", str(model), "--tile", "48", "-o", "out", "--ensemble"]
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, cwd=tmp_path)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("out/.srlab-*.partial")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert list(tmp_path.glob("out/*")) == []
        assert list(tmp_path.glob("out/.*")) == []
        assert b"Traceback" not in err
        if number == signal.SIGINT:
            assert err.startswith(b"stopped: 1 not done (")


# What is said.


def test_json_says_everything(monkeypatch, capsys) -> None:
    photo("in/a.png")
    Path("in/b.png").touch()
    photo("in/c.png")
    photo("out/c.png")
    assert srlab(monkeypatch, "upscale", "in", "-o", "out", "--json", *FAST) == 1
    tree = json.loads(capsys.readouterr().out)
    assert (tree["model"], tree["dry_run"], tree["interrupted"]) == ("bicubic", False, False)
    assert (tree["written"], tree["exists"], tree["failed"]) == (1, 1, 1)
    good, bad, there = tree["files"]
    assert good["seconds"] > 0
    del good["seconds"]
    assert good == {
        "input": "in/a.png",
        "output": "out/a.png",
        "status": "written",
        "format": "png",
        "size": [32, 24],
        "notes": [],
        "reason": None,
    }
    assert (bad["status"], bad["output"]) == ("failed", None)
    assert "empty" in bad["reason"]
    assert (there["status"], there["output"]) == ("exists", "out/c.png")


def test_a_picture_is_enlarged_without_what_takes_long_to_load(tmp_path: Path) -> None:
    photo("a.png")
    code = (
        "import sys; from srlab.cli import main\n"
        "try: main()\nfinally: print(*{'torch', 'torch._dynamo', 'torchvision', 'mlflow', "
        "'skimage'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "upscale", "a.png"],
        capture_output=True, check=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.split() == ["torch"]


def test_a_dry_run_writes_nothing_and_needs_no_torch(tmp_path: Path) -> None:
    photo("in/a.png")
    Path("in/b.png").touch()
    Image.fromarray(make_photo(8, 9)[..., 0].astype(np.uint16) * 257).save("in/deep.png")
    code = (
        "import sys; from srlab.cli import main\n"
        "try: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    )
    options = ["in", "-o", "out", "--dry-run", "-f", "webp", "-m", "bicubic"]
    done = subprocess.run(
        [sys.executable, "-c", code, "upscale", *options],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "would write in/a.png -> out/a.webp (64x48)"
    assert lines[1].startswith("error: in/b.png: the file is empty")
    assert lines[2].endswith("(36x32; 16 bits per channel became 8)")
    assert lines[3].startswith("2 would be enlarged, 1 failed (")
    assert lines[4] == "False"
    assert not Path("out").exists()


def test_what_changed_is_said(monkeypatch, capsys) -> None:
    Image.fromarray(make_photo(8, 8)).convert("P").save("p.png")
    assert srlab(monkeypatch, "upscale", "p.png", "-o", "out", *FAST) == 0
    assert "; a palette became colours)" in capsys.readouterr().err


def test_quality_is_that_of_the_file(monkeypatch) -> None:
    photo("p.png", 40, 40)
    sizes = []
    for quality in ("20", "60", "100"):
        arguments = ["p.png", "-o", f"{quality}.jpg", "-q", quality]
        assert srlab(monkeypatch, "upscale", *arguments, *FAST) == 0
        sizes.append(Path(f"{quality}.jpg").stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_a_webp_without_loss_stays_without_loss(monkeypatch) -> None:
    pixels = make_photo(12, 16)
    Image.fromarray(pixels).save("exact.webp", lossless=True)
    Image.fromarray(pixels).save("lossy.webp", quality=90)
    for name in ("exact", "lossy"):
        arguments = [f"{name}.webp", "-o", "out", "-m", "nearest", "-s", "2"]
        assert srlab(monkeypatch, "upscale", *arguments) == 0
    twice = pixels.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(np.asarray(Image.open("out/exact.webp")), twice)
    assert Path("out/lossy.webp").read_bytes()[12:16] == b"VP8 "


def test_a_network_with_all_options(monkeypatch, tmp_path: Path) -> None:
    photo("p.png", 40, 50)
    weights(tmp_path, "srresnet", 1)
    model = weights(tmp_path, "srgan", 2)
    options = ["-m", str(model), "--strength", "0.3", "--ensemble", "--consistent", "--tile", "96"]
    options += ["--device", "cpu", "--precision", "float32", "-s", "3", "-o", "out.png"]
    assert srlab(monkeypatch, "upscale", "p.png", *options) == 0
    expected = in_memory.upscale(
        read_pixels(Path("p.png")), 3, model=model, strength=0.3, ensemble=True, consistent=True
    )
    assert np.abs(read_pixels(Path("out.png")).astype(int) - expected).max() <= 1


def test_a_terminal_gets_no_picture(monkeypatch, capsys) -> None:
    photo("p.png")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert srlab(monkeypatch, "upscale", "p.png", "-o", "-", *FAST) == 2
    assert "a terminal shows no pictures" in capsys.readouterr().err
