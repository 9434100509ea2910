"""The whole pipeline, made small, as a user runs it: in a clone, through DVC."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from PIL import Image

ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "OMP_NUM_THREADS": "1",
}


def run(folder: Path, *command: str, code: int = 0) -> str:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the work tree's files, in which the smoke profile has run through."""
    folder = tmp_path_factory.mktemp("srlab") / "clone"
    folder.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    run(folder, "srlab", "params", "use", "smoke")
    run(folder, "git", "init", "-q")
    run(folder, "git", "config", "user.name", "test")
    run(folder, "git", "config", "user.email", "test@example.org")
    run(folder, "dvc", "repro")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "-qm", "start")
    return folder


def test_the_pipeline_writes_what_dvc_yaml_names(clone: Path) -> None:
    for method in ("nearest", "bicubic", "memnet", "srresnet", "srgan"):
        tree = json.loads((clone / "metrics" / f"{method}.json").read_text())
        assert tree["y_rgb8"]["sample_test"]["x4"]["psnr"] > 20
        assert (clone / "metrics" / "per_image" / f"{method}.csv").is_file()
    patches = json.loads((clone / "metrics" / "patches_memnet.json").read_text())
    assert patches["patches_in_the_paper"] == 129_518
    assert 0 < patches["patches"] < patches["patches_of_whole_images"]["sample_train"]
    assert "| srgan |" in (clone / "metrics" / "report.md").read_text()
    assert json.loads((clone / "metrics" / "srgan.json").read_text())["made_by"]["strength"] == 1
    with Image.open(clone / "report" / "strips" / "sample_test" / "chelsea.png") as strip:
        assert strip.width > 900


def test_the_metrics_name_the_run_that_made_them(clone: Path) -> None:
    from mlflow import MlflowClient

    made_by = json.loads((clone / "metrics" / "memnet.json").read_text())["made_by"]
    run_of_it = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}").get_run(made_by["mlflow_run_id"])
    assert run_of_it.info.status == "FINISHED"
    assert run_of_it.data.tags["dvc_stage"] == "train_memnet"
    for hash_name in ("data_sha256", "params_sha256"):
        assert run_of_it.data.tags[hash_name] == made_by[hash_name]
    assert run_of_it.data.tags["repeatable"] == "true"
    assert run_of_it.data.params["memnet.features"] == "4"
    assert "validation/psnr" in run_of_it.data.metrics


def test_there_is_nothing_left_to_do(clone: Path) -> None:
    said = run(clone, "dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said


def test_an_experiment_runs_and_shows(clone: Path) -> None:
    from mlflow import MlflowClient

    said = run(clone, "dvc", "exp", "run", "--temp", "-n", "deeper", "-S", "memnet.memory_blocks=3")
    ran = {line.split("'")[1] for line in said.splitlines() if "Running stage" in line}
    assert ran == {"train_memnet", "evaluate@memnet", "report"}
    said = run(clone, "dvc", "exp", "run", "--temp", "-S", "srgan.adversarial.loss=hinge")
    ran = {line.split("'")[1] for line in said.splitlines() if "Running stage" in line}
    assert ran == {"train_srgan", "evaluate_srgan", "report"}
    shown = run(clone, "dvc", "exp", "show", "--csv", "--no-pager")
    assert "deeper" in shown
    client = MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("srlab")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.dvc_experiment = 'deeper'")
    assert [run.data.params["memnet.memory_blocks"] for run in found] == ["3"]


def test_a_wrong_override_is_refused_with_its_key(clone: Path) -> None:
    said = run(clone, "dvc", "exp", "run", "--temp", "-S", "memnet.features=many", code=255)
    assert "memnet.features" in said
    assert "'many'" in said
    assert "Traceback" not in said


def test_a_stage_imports_the_code_beside_it(clone: Path) -> None:
    # The installed srlab is that of the checkout under test; the clone's commands must not find it.
    python = yaml.safe_load((clone / "dvc.yaml").read_text())["vars"][0]["python"]
    said = run(clone, "sh", "-c", f"{python} -c 'import srlab; print(srlab.__file__)'")
    assert said.strip() == str(clone / "src" / "srlab" / "__init__.py")


def test_a_mistake_in_a_stage_is_one_line_and_code_two(clone: Path) -> None:
    said = run(
        clone, "sh", "-c",
        "PYTHONPATH=src python -m pipeline.download set_5 data/datasets.yaml data/raw/test/set_5",
        code=2,
    )  # fmt: skip
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert "did you mean 'set5'?" in said


OFFLINE = "PIP_NO_INDEX=1 https_proxy=http://127.0.0.1:9 PYTHONPATH=src python -m pipeline."


def test_a_backbone_that_cannot_be_had_names_three_ways(clone: Path) -> None:
    command = f"{OFFLINE}backbone vgg19 relu5_4 data/backbones.yaml none.safetensors"
    said = run(clone, "sh", "-c", command, code=2).splitlines()[-1]
    assert said.startswith("error: backbone vgg19: no source gave its weights up to relu5_4")
    for way in ("SRLAB_MIRROR", "torchvision", "package index", "srgan.perceptual.backbone: none"):
        assert way in said
    assert not (clone / "none.safetensors").exists()


def test_metrics_without_their_backbone_are_not_computed(clone: Path) -> None:
    command = f"{OFFLINE}backbone vgg19 relu5_4 data/backbones.yaml none.safetensors --optional"
    assert "ALEX and LPIPS will not be computed" in run(clone, "sh", "-c", command)
    outputs = "none.safetensors offline/nearest.json offline/nearest.csv offline/pictures"
    run(clone, "sh", "-c", f"{OFFLINE}baseline nearest data/raw/test {outputs}")
    scores = json.loads((clone / "offline" / "nearest.json").read_text())
    cell = scores["y_rgb8"]["sample_test"]["x4"]
    assert cell["psnr"] > 20
    assert (cell["alex"], cell["lpips"]) == (None, None)
