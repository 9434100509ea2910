"""The whole pipeline, made small, as a user runs it: in a repository, through DVC."""

import json
from pathlib import Path

import yaml
from clones import ran, run
from PIL import Image

STAGE = "PYTHONPATH=src python -m pipeline."


def test_the_pipeline_writes_what_dvc_yaml_names(repository: Path) -> None:
    for method in ("nearest", "bicubic", "memnet", "srresnet", "srgan"):
        tree = json.loads((repository / "metrics" / f"{method}.json").read_text())
        assert tree["y_rgb8"]["sample_test"]["x4"]["psnr"] > 20
        assert (repository / "metrics" / "per_image" / f"{method}.csv").is_file()
    patches = json.loads((repository / "metrics" / "patches_memnet.json").read_text())
    assert patches["patches_in_the_paper"] == 129_518
    assert 0 < patches["patches"] < patches["patches_of_whole_images"]["sample_train"]
    assert "| srgan |" in (repository / "metrics" / "report.md").read_text()
    assert (
        json.loads((repository / "metrics" / "srgan.json").read_text())["made_by"]["strength"] == 1
    )
    with Image.open(repository / "report" / "strips" / "sample_test" / "chelsea.png") as strip:
        assert strip.width > 900


def test_the_metrics_name_the_run_that_made_them(repository: Path) -> None:
    from mlflow import MlflowClient

    made_by = json.loads((repository / "metrics" / "memnet.json").read_text())["made_by"]
    run_of_it = MlflowClient(f"sqlite:///{repository / 'mlflow.db'}").get_run(
        made_by["mlflow_run_id"]
    )
    assert run_of_it.info.status == "FINISHED"
    assert run_of_it.data.tags["dvc_stage"] == "train_memnet"
    for hash_name in ("data_sha256", "params_sha256"):
        assert run_of_it.data.tags[hash_name] == made_by[hash_name]
    assert run_of_it.data.tags["repeatable"] == "true"
    assert run_of_it.data.params["memnet.features"] == "4"
    assert "validation/psnr" in run_of_it.data.metrics


def test_dvc_plots_shows_strips_and_curves(repository: Path, tmp_path: Path) -> None:
    run(repository, "dvc", "plots", "show", "-o", str(tmp_path))
    shown = {path.name for path in (tmp_path / "static").iterdir()}
    assert any("strips_sample_test_chelsea" in name for name in shown)
    assert "Validation PSNR" in (tmp_path / "index.html").read_text()


def test_there_is_nothing_left_to_do(repository: Path) -> None:
    said = run(repository, "dvc", "repro")
    assert ran(said) == []
    assert "up to date" in said


def test_a_stage_imports_the_code_beside_it(repository: Path) -> None:
    # The installed srlab is that of the checkout under test; a stage here must not find it.
    python = yaml.safe_load((repository / "dvc.yaml").read_text())["vars"][0]["python"]
    said = run(repository, "sh", "-c", f"{python} -c 'import srlab; print(srlab.__file__)'")
    assert said.strip() == str(repository / "src" / "srlab" / "__init__.py")


def test_a_mistake_in_a_stage_is_one_line_and_code_two(repository: Path) -> None:
    said = run(
        repository, "sh", "-c", f"{STAGE}download set_5 data/datasets.yaml set_5 cost.json", code=2
    )
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert "did you mean 'set5'?" in said


def test_a_backbone_that_cannot_be_had_names_three_ways(repository: Path) -> None:
    command = f"{STAGE}backbone vgg19 relu5_4 data/backbones.yaml none.safetensors cost.json"
    said = run(repository, "sh", "-c", command, code=2).splitlines()[-1]
    assert said.startswith("error: backbone vgg19: no source gave its weights up to relu5_4")
    for way in ("SRLAB_MIRROR", "torchvision", "package index", "srgan.perceptual.backbone: none"):
        assert way in said
    assert not (repository / "none.safetensors").exists()


def test_metrics_without_their_backbone_are_not_computed(repository: Path) -> None:
    command = (
        f"{STAGE}backbone vgg19 relu5_4 data/backbones.yaml none.safetensors cost.json --optional"
    )
    assert "ALEX and LPIPS will not be computed" in run(repository, "sh", "-c", command)
    outputs = "none.safetensors offline/nearest.json offline/nearest.csv offline/pictures cost.json"
    run(repository, "sh", "-c", f"{STAGE}baseline nearest data/raw/test {outputs}")
    scores = json.loads((repository / "offline" / "nearest.json").read_text())
    cell = scores["y_rgb8"]["sample_test"]["x4"]
    assert cell["psnr"] > 20
    assert (cell["alex"], cell["lpips"]) == (None, None)
