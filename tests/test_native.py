"""The compiler that native loops need, what it says, and which processors they are for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srlab.native import compiled
from srlab.native.compiled import NORM_RELU, WEIGHT_GRADIENT, Loops, library, sources
from srlab.provenance import file_hash


@pytest.fixture
def native() -> None:
    if library(NORM_RELU) is None:
        pytest.skip("no C++ compiler, or SRLAB_NATIVE is 0")


def tried(cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that asks for loops twice."""
    program = (
        "from srlab.native.compiled import NORM_RELU, library\n"
        "print(library(NORM_RELU) is not None, library(NORM_RELU) is not None)"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="compiled on Linux alone")
def test_a_compiler_that_fails_is_named_in_one_line(tmp_path: Path) -> None:
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'error: out of order' >&2\nexit 1\n")
    compiler.chmod(0o755)
    result = tried(tmp_path / "cache", CXX=str(compiler), SRLAB_NATIVE="1")
    assert result.stdout == "False False\n"
    assert result.stderr.splitlines() == [
        "warning: norm_relu stays with PyTorch's own, slower operations: "
        f"{compiler}: error: out of order; SRLAB_NATIVE=0 stops trying"
    ]
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.skipif(shutil.which("clang++") is None, reason="clang++ is not installed")
def test_clang_is_refused_in_one_line(tmp_path: Path) -> None:
    result = tried(tmp_path, CXX="clang++", SRLAB_NATIVE="1")
    assert result.stdout == "False False\n"
    (line,) = result.stderr.splitlines()
    assert "to be compiled by GCC: threads of another OpenMP would stand in the way" in line


@pytest.mark.usefixtures("native")
def test_a_cache_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    result = tried(tmp_path / "cache")
    assert result.stdout == "False False\n"
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: norm_relu stays with PyTorch's own, slower operations: [Errno")
    assert str(tmp_path / "cache") in line


def test_without_a_compiler_and_where_it_is_turned_off_nothing_is_said(tmp_path: Path) -> None:
    for environment in ({"CXX": "/nowhere/g++"}, {"SRLAB_NATIVE": "0"}):
        result = tried(tmp_path / "cache", **environment)
        assert (result.stdout, result.stderr) == ("False False\n", "")
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("native")
def test_it_is_compiled_once(tmp_path: Path) -> None:
    ages = set()
    for _ in range(2):
        assert tried(tmp_path).stdout == "True True\n"
        (kept,) = (tmp_path / "srlab" / "native").iterdir()
        ages.add(kept.stat().st_mtime_ns)
    assert len(ages) == 1


@pytest.mark.parametrize(
    ("flags", "suits"),
    [
        ("sse2 avx2", False),
        ("avx512f avx512_bf16", True),
        ("avx512f avx512_bf16 amx_bf16", False),  # oneDNN has a whole unit for it there
        ("", False),
    ],
)
def test_loops_are_for_some_processors(monkeypatch, flags: str, suits: bool) -> None:
    monkeypatch.setattr(compiled, "processor", lambda: {"flags": flags})
    assert WEIGHT_GRADIENT.suit() == suits
    assert NORM_RELU.suit()


def test_a_training_is_known_by_the_loops_that_it_has() -> None:
    absent = Loops("nothing", needs="an instruction that no processor has")
    assert sources(absent) == {}
    found = sources(NORM_RELU, absent)
    if library(NORM_RELU) is None:
        assert found == {}
    else:
        assert found == {"norm_relu.cpp": file_hash(NORM_RELU.source)}
