"""DVC experiments, and push and pull, from fresh clones of a repository with results."""

import json
import time
from pathlib import Path

import pytest
import yaml
from clones import clone, ran, run
from pipeline_outputs import differences, outputs

from srlab.provenance import file_hash
from srlab.studies.queue import ExperimentQueue

MEMNET = {"train_memnet", "evaluate@memnet", "report"}
WIDTHS = {"width-1": 5, "width-2": 6}
LONGEST_QUEUE = 600.0
"""Seconds."""


@pytest.fixture(scope="module")
def pulled(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, with the outputs that its remote has."""
    folder = clone(repository, tmp_path_factory.mktemp("experiments") / "clone")
    run(folder, "dvc", "pull", "-q")
    return folder


@pytest.fixture(scope="module")
def queued(pulled: Path) -> Path:
    """A clone in which two experiments have gone through the queue, side by side."""
    values = ",".join(map(str, WIDTHS.values()))
    sweep = ["--name", "width", "-S", f"memnet.features={values}"]
    said = run(pulled, "dvc", "exp", "run", "--queue", *sweep, "evaluate@memnet")
    assert said.count("Queued experiment") == 2
    run_queue(pulled, list(WIDTHS), jobs=2)
    return pulled


def run_queue(folder: Path, names: list[str], *, jobs: int) -> None:
    """Run what is in the queue, and wait for it to end.

    `dvc exp run --run-all` waits for the workers, which may stay: see `ExperimentQueue.dismiss`.
    """
    run(folder, "dvc", "queue", "start", "-j", str(jobs))
    queue = ExperimentQueue(folder)
    deadline = time.monotonic() + LONGEST_QUEUE
    while set(queue.states(names).values()) & {"queued", "running"}:
        assert time.monotonic() < deadline, run(folder, "dvc", "queue", "status")
        time.sleep(1)
    queue.dismiss()
    assert queue.workers() == []


def tracked(folder: Path, experiment: str) -> list:
    """The MLflow runs that carry the name of a DVC experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = client.get_experiment_by_name("srlab")
    assert found is not None
    return client.search_runs([found.experiment_id], f"tags.dvc_experiment = '{experiment}'")


def shown(folder: Path, experiment: str, path: str) -> str:
    """A file of an experiment."""
    references = run(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (reference,) = (name for name in references if name.endswith(f"/{experiment}"))
    return run(folder, "git", "show", f"{reference}:{path}")


def test_a_clone_that_pulls_has_nothing_to_do(repository: Path, tmp_path: Path) -> None:
    fresh = clone(repository, tmp_path / "clone")
    assert not (fresh / "models").exists()
    run(fresh, "dvc", "pull")
    said = run(fresh, "dvc", "repro")
    assert ran(said) == []
    assert "cached" not in said
    assert "up to date" in said
    assert differences(outputs(repository), outputs(fresh)) == []
    assert run(fresh, "git", "status", "--porcelain") == ""


def test_a_clone_without_a_pull_takes_the_metrics_from_git(repository: Path, tmp_path) -> None:
    fresh = clone(repository, tmp_path / "clone")
    expected = json.loads((repository / "metrics" / "memnet.json").read_text())
    said = json.loads(run(fresh, "dvc", "metrics", "show", "--json", "metrics/memnet.json"))
    found = said[""]["data"]["metrics/memnet.json"]["data"]
    assert found["made_by"] == expected["made_by"]


def test_an_experiment_in_the_work_tree(repository: Path, tmp_path: Path) -> None:
    fresh = clone(repository, tmp_path / "clone")
    run(fresh, "dvc", "pull", "-q")
    said = run(fresh, "dvc", "exp", "run", "-n", "deeper", "-S", "memnet.memory_blocks=2")
    assert set(ran(said)) == MEMNET
    assert yaml.safe_load((fresh / "params.yaml").read_text())["memnet"]["memory_blocks"] == 2
    (of_it,) = tracked(fresh, "deeper")
    made_by = json.loads((fresh / "metrics" / "memnet.json").read_text())["made_by"]
    assert made_by["mlflow_run_id"] == of_it.info.run_id
    assert made_by["weights_sha256"] == file_hash(fresh / "models" / "memnet.safetensors")


def test_an_experiment_in_a_copy_leaves_the_work_tree_alone(pulled: Path) -> None:
    before = outputs(pulled)
    hinge = ["-n", "hinge", "-S", "srgan.adversarial.loss=hinge"]
    said = run(pulled, "dvc", "exp", "run", "--temp", *hinge, "evaluate_srgan")
    assert set(ran(said)) == {"train_srgan", "evaluate_srgan"}
    assert outputs(pulled) == before
    assert run(pulled, "git", "status", "--porcelain", "-uno") == ""
    (of_it,) = tracked(pulled, "hinge")
    assert of_it.data.params["srgan.adversarial.loss"] == "hinge"
    assert of_it.data.tags["dvc_stage"] == "train_srgan"
    made_by = json.loads(shown(pulled, "hinge", "metrics/srgan.json"))["made_by"]
    assert made_by["mlflow_run_id"] == of_it.info.run_id


def test_queued_experiments_have_a_run_each(queued: Path) -> None:
    weights = set()
    for name, features in WIDTHS.items():
        (of_it,) = tracked(queued, name)
        assert of_it.info.status == "FINISHED"
        assert of_it.data.params["memnet.features"] == str(features)
        made_by = json.loads(shown(queued, name, "metrics/memnet.json"))["made_by"]
        assert made_by["mlflow_run_id"] == of_it.info.run_id
        weights.add(made_by["weights_sha256"])
    assert len(weights) == 2


def test_experiments_show_with_params_and_scores(queued: Path) -> None:
    tree = json.loads(run(queued, "dvc", "exp", "show", "--json"))
    found = {
        (experiment["name"], state["data"]["params"]["params.yaml"]["data"]["memnet"]["features"])
        for baseline in tree
        for experiment in baseline["experiments"] or []
        for state in experiment["revs"]
    }
    assert set(WIDTHS.items()) <= found


def test_an_experiment_is_applied(queued: Path) -> None:
    run(queued, "dvc", "exp", "apply", "width-2")
    assert yaml.safe_load((queued / "params.yaml").read_text())["memnet"]["features"] == 6
    made_by = json.loads((queued / "metrics" / "memnet.json").read_text())["made_by"]
    assert made_by["weights_sha256"] == file_hash(queued / "models" / "memnet.safetensors")
    run(queued, "git", "checkout", "-q", ".")
    run(queued, "dvc", "checkout", "-q")


def test_an_experiment_becomes_a_branch(queued: Path) -> None:
    run(queued, "dvc", "exp", "branch", "width-2", "widest")
    params = yaml.safe_load(run(queued, "git", "show", "widest:params.yaml"))
    assert params["memnet"]["features"] == 6


@pytest.mark.parametrize(
    ("change", "complaints"),
    [
        ("memnet.featurs=3", ["Key 'featurs' is not in struct"]),
        (
            "+memnet.featurs=3",
            ["params.yaml: memnet.featurs: unknown key; did you mean 'features'?"],
        ),
        ("report.scale=3", ["report.scale 3 is not one of evaluate.scales"]),
    ],
)
def test_a_wrong_override_is_refused_with_its_key(pulled: Path, change, complaints) -> None:
    said = run(pulled, "dvc", "exp", "run", "--temp", "-S", change, code=255)
    for complaint in complaints:
        assert complaint in said
    assert "Traceback" not in said
    assert len(ran(said)) <= 1
    assert run(pulled, "git", "status", "--porcelain", "-uno") == ""


def test_a_wrong_override_in_the_queue_fails_its_job_with_its_key(pulled: Path) -> None:
    change = ["-S", "memnet.features=many"]
    run(pulled, "dvc", "exp", "run", "--queue", "--name", "wrong", *change)
    run_queue(pulled, ["wrong"], jobs=1)
    assert "Failed" in run(pulled, "dvc", "queue", "status")
    complaint = "params.yaml: memnet.features: input should be a valid integer, found 'many' (str)"
    assert complaint in run(pulled, "dvc", "queue", "logs", "wrong")
    run(pulled, "dvc", "queue", "remove", "wrong")
