import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, make_photo

from srlab import tracking
from srlab.tracking import SilentRun

PARAMS = {"memnet": {"features": 4, "optimizer": {"learning_rate": 0.1}}, "trainer": {"seed": 1}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def client(store: Path):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{store / 'mlflow.db'}")


def only_run(store: Path):
    runs = client(store).search_runs([client(store).get_experiment_by_name("srlab").experiment_id])
    assert len(runs) == 1
    return runs[0]


def test_a_run_keeps_everything(store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train_memnet")
    monkeypatch.setenv("DVC_EXP_NAME", "deep-fish")
    file = tmp_path / "weights.txt"
    file.write_text("weights")
    with tracking.run("memnet", PARAMS, "abc") as run:
        for step in range(5):
            run.log_metrics({"loss/content": 1 / (step + 1)}, step=step)
        run.log_image("validation", make_photo(8, 8), step=4)
        run.log_image("validation", np.zeros((8, 8), np.uint8), step=5)
        run.log_file(file)
        run_id = run.id
    kept = only_run(store)
    assert kept.info.run_id == run_id
    assert kept.info.status == "FINISHED"
    assert kept.data.params["memnet.optimizer.learning_rate"] == "0.1"
    assert kept.data.tags["dvc_stage"] == "train_memnet"
    assert kept.data.tags["dvc_experiment"] == "deep-fish"
    assert kept.data.tags["data_sha256"] == "abc"
    assert len(kept.data.tags["params_sha256"]) == 64
    history = client(store).get_metric_history(run_id, "loss/content")
    assert [(point.step, point.value) for point in history] == [
        (step, 1 / (step + 1)) for step in range(5)
    ]
    artifacts = {item.path for item in client(store).list_artifacts(run_id)}
    assert {"weights.txt", "images"} <= artifacts
    assert (store / "mlartifacts").is_dir()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_ends_as_it_ended(store: Path, error: type[BaseException], status: str) -> None:
    def fail() -> None:
        with tracking.run("memnet", PARAMS, "abc") as run:
            run.log_metrics({"loss": 1.0})
            raise error

    with pytest.raises(error):
        fail()
    assert only_run(store).info.status == status
    assert only_run(store).data.metrics["loss"] == 1.0


def test_without_mlflow_there_is_one_warning(store: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with tracking.run("memnet", PARAMS, "abc") as run:
        run.log_metrics({"loss": 1.0})
        run.log_image("validation", make_photo(8, 8))
        assert isinstance(run, SilentRun)
        assert run.id is None
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == ["warning: MLflow is not installed; this run is not tracked"]


def test_a_server_that_is_not_there_is_one_warning(store: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with tracking.run("memnet", PARAMS, "abc") as run:
        run.log_metrics({"loss": 1.0})
        assert run.id is None
    err = capsys.readouterr().err
    assert err.count("warning: MLflow cannot be used") == 1


def test_a_store_that_is_lost_on_the_way_does_not_stop_the_run(store, monkeypatch, capsys) -> None:
    with tracking.run("memnet", PARAMS, "abc") as run:

        def lost(*arguments: object, **named: object) -> None:
            raise ConnectionError("gone")

        monkeypatch.setattr(run._client, "log_batch", lost)
        run.log_metrics({"loss": 1.0})
        run.flush()
        run.log_metrics({"loss": 2.0})
        run.flush()
    assert capsys.readouterr().err.count("MLflow stopped answering (gone)") == 1


def test_processes_that_start_at_once_all_succeed(store: Path) -> None:
    code = (
        "from srlab import tracking\n"
        "with tracking.run('memnet', {'a': 1}, 'abc') as run:\n"
        "    assert run.id is not None\n"
    )
    environment = {**os.environ, "DVC_ROOT": str(store), "PYTHONPATH": str(ROOT / "src")}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    experiment = client(store).get_experiment_by_name("srlab").experiment_id
    assert len(client(store).search_runs([experiment])) == 4


def test_a_terminated_stage_ends_killed(store: Path, tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text(
        "import time\n"
        "from pipeline.stage import start\n"
        "from srlab import tracking\n"
        "def main() -> None:\n"
        "    with tracking.run('memnet', {'a': 1}, 'abc'):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "start(main)\n"
    )
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "DVC_ROOT": str(store), "PYTHONPATH": path}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 20
    assert only_run(store).info.status == "KILLED"
