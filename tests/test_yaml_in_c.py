"""The project's YAML files mean the same in libyaml, which is stricter, as in Python."""

from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from srlab.strict_yaml import read_yaml

FOLDERS = ("", "data", "pipeline", "profiles", "src/srlab/zoo/released")
FILES = [
    Path("dvc.lock"),
    *sorted(path.relative_to(ROOT) for name in FOLDERS for path in (ROOT / name).glob("*.yaml")),
]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_is_read_in_c_as_in_python(file: Path) -> None:
    text = (ROOT / file).read_text()
    in_c = YAML(typ="safe")  # as DVC reads it
    assert in_c.Parser.__module__.startswith("ruamel.yaml.clib")
    expected = YAML(typ="safe", pure=True).load(text)
    assert repr(in_c.load(text)) == repr(expected)
    assert read_yaml(ROOT / file) == expected
