"""What `pip install .` puts on a machine; the tests themselves run in an editable installation."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from conftest import ROOT

pytest.importorskip("hatchling", reason="the extra [dev] is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a wheel, as they are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, folder / "dist"], cwd=ROOT, check=True, capture_output=True)
    (built,) = (folder / "dist").iterdir()
    with ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_wheel_holds_the_package_and_the_catalogs(wheel: Path) -> None:
    package = ROOT / "src" / "srlab"
    expected = {
        path.relative_to(package): path
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {
        Path("scoring", "catalogs", name): ROOT / "data" / name
        for name in ("backbones.yaml", "datasets.yaml")
    }
    installed = {path for path in (wheel / "srlab").rglob("*") if path.is_file()}
    assert {path.relative_to(wheel / "srlab") for path in installed} == expected.keys()
    for name, source in expected.items():
        assert (wheel / "srlab" / name).read_bytes() == source.read_bytes()


def test_what_is_installed_knows_the_datasets(wheel: Path, tmp_path: Path) -> None:
    program = """
import srlab.scoring.surroundings as s
from srlab.data.catalog import load_dataset
place = s.surroundings().catalogs
print(s.__file__, place, load_dataset(place / "datasets.yaml", "set14") is not None, sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    scoring = wheel / "srlab" / "scoring"
    assert said.stdout.split("\n")[:3] == [
        str(scoring / "surroundings.py"),
        str(scoring / "catalogs"),
        "True",
    ]
