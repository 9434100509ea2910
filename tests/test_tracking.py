import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, make_photo
from made_store import all_runs, client, images, make_store, only_run, points

from srlab import tracking
from srlab.tracking import SilentRun, opening
from srlab.tracking.mlflow_run import MlflowRun
from srlab.tracking.outbox import Outbox
from srlab.tracking.owners import TAG
from srlab.tracking.store import open_store, runs_folder, tracking_uri, unsent_folder
from srlab.training.curves import Curves

PARAMS = {"memnet": {"features": 4, "optimizer": {"learning_rate": 0.1}}, "trainer": {"seed": 1}}
PYTHONPATH = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
PHOTO = make_photo(8, 8)


def training(fingerprint: str | None = "f00d"):
    return tracking.run("memnet", PARAMS, "abc", fingerprint=fingerprint)


def log(run, steps: range) -> None:
    for step in steps:
        run.log_metrics({"loss": 1 / (step + 1), "learning_rate": 0.1}, step=step)


def curve(steps: range) -> list[tuple[int, float]]:
    return [(step, 1 / (step + 1)) for step in steps]


def lost(*arguments: object, **named: object) -> None:
    raise ConnectionError("gone")


def test_a_run_keeps_everything(store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train_memnet")
    monkeypatch.setenv("DVC_EXP_NAME", "deep-fish")
    file = tmp_path / "weights.txt"
    file.write_text("weights")
    with training() as run:
        log(run, range(5))
        run.log_image("validation", PHOTO, step=4)
        run.log_image("validation", np.zeros((8, 8), np.uint8), step=5)
        run.log_file(file)
        run.set_tags({"repeatable": "true"})
        run_id = run.id
    kept = only_run(store)
    assert kept.info.run_id == run_id
    assert kept.info.run_name == "memnet"
    assert kept.info.status == "FINISHED"
    assert f"/#/experiments/{kept.info.experiment_id}?" in (ROOT / "Makefile").read_text()
    assert kept.data.params["memnet.optimizer.learning_rate"] == "0.1"
    assert kept.data.tags["dvc_stage"] == "train_memnet"
    assert kept.data.tags["dvc_experiment"] == "deep-fish"
    assert kept.data.tags["data_sha256"] == "abc"
    assert kept.data.tags["fingerprint"] == "f00d"
    assert kept.data.tags["repeatable"] == "true"
    assert len(kept.data.tags["params_sha256"]) == 64
    assert points(client(store), run_id, "loss") == curve(range(5))
    assert images(client(store), run_id) == ["validation+step+4", "validation+step+5"]
    assert "weights.txt" in {item.path for item in client(store).list_artifacts(run_id)}
    assert (store / "mlartifacts").is_dir()
    assert [path.name for path in runs_folder().iterdir()] == ["opening.lock"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_ends_as_it_ended(store: Path, error: type[BaseException], status: str) -> None:
    def fail() -> None:
        with training() as run:
            run.log_metrics({"loss": 1.0})
            raise error

    with pytest.raises(error):
        fail()
    assert only_run(store).info.status == status
    assert only_run(store).data.metrics["loss"] == 1.0
    assert "SystemMetricsMonitor" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("end", [None, ValueError, SystemExit])
def test_the_same_training_goes_on_in_its_run(store: Path, end) -> None:
    with contextlib.suppress(ValueError, SystemExit), training() as run:
        log(run, range(5))
        run.log_image("validation", PHOTO, step=4)
        state = run.state_dict()
        log(run, range(5, 8))
        run.log_image("validation", PHOTO, step=7)
        if end:
            raise end
    # From the checkpoint, it computes again what was there already.
    with training() as run:
        run.load_state_dict(state)
        log(run, range(5, 12))
        run.log_image("validation", PHOTO, step=7)
        run.log_image("validation", PHOTO, step=10)
    again = only_run(store)
    assert again.info.status == "FINISHED"
    for metric in ("loss", "learning_rate"):
        steps = [step for step, _ in points(client(store), again.info.run_id, metric)]
        assert steps == list(range(12))
    kept = images(client(store), again.info.run_id)
    assert sorted(kept) == [f"validation+step+{step}" for step in (10, 4, 7)]
    with training(fingerprint="cafe"):
        pass
    assert len(all_runs(store)) == 2


def test_an_image_that_was_cut_off_is_made_whole(store: Path) -> None:
    with training() as run:
        run.log_image("validation", PHOTO, step=4)
    (small,) = store.glob("mlartifacts/*/artifacts/images/*.webp")
    small.write_bytes(b"")
    with training() as run:
        run.log_image("validation", PHOTO, step=4)
    assert images(client(store), only_run(store).info.run_id) == ["validation+step+4"]
    assert small.stat().st_size > 0


def test_a_finished_run_that_counted_minutes_is_not_opened_again(store: Path) -> None:
    for _ in range(2):
        with training() as run:
            run.set_tags({"repeatable": "false"})
    assert len(all_runs(store)) == 2


def test_params_that_a_run_has_are_kept(store: Path, capsys) -> None:
    for seed in (1, 2):
        changed = {**PARAMS, "trainer": {"seed": seed}, "added": seed}
        with tracking.run("memnet", changed, "abc", fingerprint="f00d") as run:
            assert run.id
    assert only_run(store).data.params["trainer.seed"] == "1"
    assert "keeps param trainer.seed=1, not 2" in capsys.readouterr().err


def test_two_at_once_do_not_share_a_run(store: Path) -> None:
    with training() as first, training() as second:
        log(first, range(3))
        log(second, range(3))
        assert first.id != second.id
    assert [run.info.status for run in all_runs(store)] == ["FINISHED"] * 2


def test_a_run_of_others_is_left_alone(store: Path) -> None:
    tags = {"fingerprint": "f00d", TAG: "another folder's"}
    theirs = client(store).create_run("1", tags=tags).info.run_id
    with training() as run:
        assert run.id != theirs
    assert client(store).get_run(theirs).info.status == "RUNNING"


KILLED = """
import os, signal
from srlab import tracking
opened = [tracking.run("memnet", {"a": 1}, "abc", fingerprint=known_by)
          for known_by in (None, "f00d")]
runs = [one.__enter__() for one in opened]
run = runs[1]
for step in range(9):
    run.log_metrics({"loss": 1 / (step + 1), "learning_rate": 0.1}, step=step)
    if step == 6:
        run.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_told_so_and_goes_on(store: Path, capsys) -> None:
    process = python(KILLED, store)
    assert process.wait(timeout=240) == -signal.SIGKILL
    assert {run.info.status for run in all_runs(store)} == {"RUNNING"}
    with tracking.run("memnet", {"a": 1}, "abc", fingerprint="f00d") as run:
        assert run.id in {run.info.run_id for run in all_runs(store)}
        log(run, range(4, 12))  # from the checkpoint of step 3
    assert points(client(store), run.id, "loss") == curve(range(12))
    assert sorted(run.info.status for run in all_runs(store)) == ["FINISHED", "KILLED"]
    assert capsys.readouterr().err.count("ended without saying so") == 2


def test_a_new_store_gets_what_the_checkpoint_knows(store: Path) -> None:
    with training() as run:
        curves = Curves(run)
        log(curves, range(5))
        state = curves.state_dict()
    make_store(store)
    with training() as run:
        curves = Curves(run)
        curves.load_state_dict(state)
        log(curves, range(5, 8))
    assert points(client(store), only_run(store).info.run_id, "loss") == curve(range(8))


def opened(store: Path, clock) -> MlflowRun:
    """A run whose clock the test moves."""
    there = open_store()
    with opening.one_at_a_time():
        run = opening.open_run(
            there, "memnet", PARAMS, {}, known_by=None, owner=opening.Owner(there.uri)
        )
    run._clock = clock
    run._last_send = clock()
    return run


def test_a_store_that_is_away_for_a_while_gets_all_later(store: Path, monkeypatch, capsys) -> None:
    now = [0.0]
    run = opened(store, lambda: now[0])
    tried = []
    with monkeypatch.context() as away:
        for call in ("log_batch", "log_artifact", "set_tag"):
            away.setattr(run._store.client, call, lambda *a, **k: tried.append(now[0]) or lost())
        for step in range(400):
            log(run, range(step, step + 1))
            now[0] += 1
        run.log_image("validation", PHOTO, step=399)
        run.set_tags({"device": "made up"})
        # Ever longer pauses: training is held up ever more rarely.
        assert tried == [10, 20, 40, 80, 160, 320]
        buffer = io.BytesIO()
        torch.save(run.state_dict(), buffer)
        buffer.seek(0)
        state = torch.load(buffer, weights_only=True)
    assert state == run.state_dict()
    assert len(state["metrics"]) == 800
    assert capsys.readouterr().err.count("MLflow stopped answering (gone)") == 1
    now[0] += 300
    log(run, range(400, 401))
    run.end("FINISHED")
    assert "answers again" in capsys.readouterr().err
    kept = only_run(store)
    assert kept.info.status == "FINISHED"
    assert kept.data.tags["device"] == "made up"
    assert points(client(store), run.id, "loss") == curve(range(401))
    assert images(client(store), run.id) == ["validation+step+399"]
    assert not unsent_folder().exists()


def test_an_answer_that_is_lost_doubles_nothing(store: Path, monkeypatch) -> None:
    with training() as run:
        obeyed = run._store.client.log_batch
        with monkeypatch.context() as away:
            away.setattr(run._store.client, "log_batch", lambda *a, **k: obeyed(*a, **k) or lost())
            log(run, range(3))
            run.flush()
        time.sleep(0.01)
        run.load_state_dict({"metrics": [["loss", 1.0, 5, 0]]})
        log(run, range(5))
    assert points(client(store), run.id, "loss") == curve(range(5))


def test_what_mlflow_refuses_is_said_once_and_left_out(store: Path, capsys) -> None:
    with training() as run:
        for step in range(3):
            run.log_metrics({"loss": 1 / (step + 1), "what?!": 1.0}, step=step)
            run.flush()
        run.log_metrics({"loss": "many"}, step=3)  # type: ignore[dict-item]
        run.set_tags({"": "nameless"})
    assert points(client(store), run.id, "loss") == curve(range(3))
    assert only_run(store).info.status == "FINISHED"
    err = capsys.readouterr().err
    assert err.count("MLflow refuses metric what?!") == 1
    assert err.count("metrics of step 3 are no numbers") == 1
    assert err.count("MLflow refuses tag") == 1


def test_what_cannot_be_sent_in_the_end_is_in_a_file(store: Path, monkeypatch, capsys) -> None:
    weights = store / "weights.txt"
    weights.write_text("trained")
    with training() as run:
        for call in ("log_batch", "log_artifact", "set_terminated"):
            monkeypatch.setattr(run._store.client, call, lost)
        log(run, range(3))
        run.log_file(weights)
    weights.write_text("trained anew")
    path = unsent_folder() / f"{run.id}.jsonl"
    err = capsys.readouterr().err
    assert str(path) in err
    assert "srlab runs sync" in err
    left = Outbox.read(path)
    assert len(left.metrics) == 6
    assert left.ended is not None
    assert left.ended[0] == "FINISHED"
    assert Path(left.files[0]).read_text() == "trained"
    # The same training, run again, does not need the command.
    monkeypatch.undo()
    monkeypatch.setenv("DVC_ROOT", str(store))
    with training() as again:
        log(again, range(3))
    assert again.id == run.id
    assert points(client(store), run.id, "loss") == curve(range(3))
    assert not path.exists()


def test_without_mlflow_there_is_one_warning(store: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with training() as run:
        run.log_metrics({"loss": 1.0})
        run.log_image("validation", PHOTO)
        run.load_state_dict({"metrics": [["loss", 1.0, 5, 0]]})
        assert isinstance(run, SilentRun)
        assert run.id is None
        assert run.state_dict() == {"metrics": [["loss", 1.0, 5, 0]]}
    warnings = capsys.readouterr().err.splitlines()
    assert warnings == ["warning: MLflow is not installed; this run is not tracked"]


def test_a_server_that_is_not_there_is_one_warning(store: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with training() as run:
        run.log_metrics({"loss": 1.0})
        assert run.id is None
    err = capsys.readouterr().err
    assert err.count("warning: MLflow cannot be used") == 1


def test_a_relative_store_lies_in_the_project(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    make_store(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path / 'mlflow.db'}"


def python(code: str, store: Path, **more: str) -> subprocess.Popen:
    environment = {**os.environ, "DVC_ROOT": str(store), "PYTHONPATH": PYTHONPATH, **more}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_eight_processes_that_start_at_once_all_succeed(tmp_path: Path) -> None:
    code = (
        "from srlab import tracking\n"
        "with tracking.run('memnet', {'a': 1}, 'abc', fingerprint='f00d') as run:\n"
        "    assert run.id is not None\n"
        "    run.log_metrics({'loss': 1.0})\n"
        "    print('logged', flush=True)\n"
        "    input()\n"
    )
    processes = []
    for _ in range(8):
        environment = {**os.environ, "DVC_ROOT": str(tmp_path), "PYTHONPATH": PYTHONPATH}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "logged\n"
        for process in processes:  # all have their run at the same time
            process.communicate("\n", timeout=120)
        assert [process.returncode for process in processes] == [0] * 8
    finally:
        for process in processes:
            process.kill()
    runs = all_runs(tmp_path)
    assert len(runs) == 8
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [run.data.metrics["loss"] for run in runs] == [1.0] * 8


def test_a_terminated_stage_ends_killed(store: Path, tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from pipeline.stage import start\n"
        "from srlab import tracking\n"
        "def main() -> None:\n"
        "    with tracking.run('memnet', {'a': 1}, 'abc'):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "start(main)\n"
    )
    process = python(code, store)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert only_run(store).info.status == "KILLED"


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    """A real MLflow server; at the end it is killed as a power cut would."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "mlartifacts")]
    with (folder / "server.log").open("a") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5),
            ):
                break
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_dies_and_comes_back_has_all_once(store: Path, tmp_path_factory, monkeypatch):
    folder = make_store(tmp_path_factory.mktemp("server"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # the test's machine may be busy
    with contextlib.ExitStack() as stack:
        with server(folder, port):
            run = stack.enter_context(training())
            assert run.id
            log(run, range(10))
            assert run.flush()
            run.log_image("validation", PHOTO, step=9)
            log(run, range(10, 15))
        begun = time.monotonic()
        log(run, range(15, 20))
        run.log_image("validation", PHOTO, step=19)
        assert not run.flush()
        assert time.monotonic() - begun < 10
        with server(folder, port):
            log(run, range(20, 25))
            assert run.flush()
            stack.close()
    kept = only_run(folder)
    assert kept.info.run_id == run.id
    assert kept.info.status == "FINISHED"
    assert points(client(folder), run.id, "loss") == curve(range(25))
    assert not unsent_folder().exists()
