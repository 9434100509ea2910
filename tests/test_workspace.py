from pathlib import Path

import pytest

from srlab import workspace


def test_paths_of_the_environment_are_anchored_to_the_project(monkeypatch, tmp_path: Path) -> None:
    # DVC runs queued experiments in a copy of the project, and names the project in DVC_ROOT.
    project, copy = tmp_path / "project", tmp_path / "project" / ".dvc" / "tmp" / "copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("SRLAB_MIRROR", "../shared")
    assert Path(workspace.mirror() or "").resolve() == tmp_path / "shared"
    assert workspace.downloads_folder() == project / ".srlab" / "downloads"
    assert workspace.by_hand_folder() == project / "data" / "mirror"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("https://example.org/m", "https://example.org/m"), ("/mirror", "/mirror")],
)
def test_a_mirror_is_a_url_or_a_folder(monkeypatch, value: str, expected: str | None) -> None:
    monkeypatch.setenv("SRLAB_MIRROR", value)
    assert workspace.mirror() == expected
