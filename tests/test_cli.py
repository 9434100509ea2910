import json
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ROOT, make_photo

from srlab import cli
from srlab.data.images import pixel_hash, read_pixels, write_png
from srlab.params import load_params


def srlab(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line; its exit code."""
    monkeypatch.setattr("sys.argv", ["srlab", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_version_is_that_of_the_installed_package(monkeypatch, capsys) -> None:
    assert srlab(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"srlab {version('srlab')}\n"


def test_check_says_good_or_what_is_wrong(monkeypatch, tmp_path: Path, capsys) -> None:
    assert srlab(monkeypatch, "params", "check", str(ROOT / "params.yaml")) == 0
    assert capsys.readouterr().out.endswith("good\n")
    bad = tmp_path / "params.yaml"
    bad.write_text((ROOT / "params.yaml").read_text().replace("features:", "featurs:"))
    assert srlab(monkeypatch, "params", "check", str(bad)) == 2
    err = capsys.readouterr().err
    assert "memnet.featurs: unknown key; did you mean 'features'?" in err
    assert "Traceback" not in err


def test_use_switches_the_profile(monkeypatch, tmp_path: Path, capsys) -> None:
    (tmp_path / "profiles").mkdir()
    for name in ("quick", "paper"):
        text = (ROOT / "profiles" / f"{name}.yaml").read_text()
        (tmp_path / "profiles" / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert srlab(monkeypatch, "params", "use", "paper") == 0
    assert load_params().memnet.memory_blocks == 6
    assert srlab(monkeypatch, "params", "use", "papr") == 2
    assert "known: paper, quick" in capsys.readouterr().err


def test_schema_prints_json(monkeypatch, capsys) -> None:
    assert srlab(monkeypatch, "params", "schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Params"


def test_describe_prints_what_a_catalog_entry_needs(monkeypatch, tmp_path: Path, capsys) -> None:
    write_png(tmp_path / "a.png", make_photo(8, 8))
    assert srlab(monkeypatch, "datasets", "describe", str(tmp_path)) == 0
    assert f'"a": [{pixel_hash(make_photo(8, 8))}]' in capsys.readouterr().out


def test_strip_puts_results_side_by_side(monkeypatch, tmp_path: Path, capsys) -> None:
    write_png(tmp_path / "hr.png", make_photo(66, 81))
    write_png(tmp_path / "sr.png", make_photo(64, 80))
    sr, hr, out = (str(tmp_path / name) for name in ("sr.png", "hr.png", "out.png"))
    assert srlab(monkeypatch, "strip", hr, f"a=b={sr}", f"ours={sr}", "-o", out) == 0
    assert read_pixels(Path(out)).shape[1] == 4 * 246 - 6  # lr, two results, hr
    assert srlab(monkeypatch, "strip", hr, sr, "-o", out) == 2
    assert "write NAME=PICTURE" in capsys.readouterr().err
    assert srlab(monkeypatch, "strip", hr, f"ours={hr}", "-o", out) == 2
    assert "has 81x66 pixels, not 80x64" in capsys.readouterr().err
