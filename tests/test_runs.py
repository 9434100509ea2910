import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT
from made_store import all_runs, client, only_run, points

from srlab import cli, tracking
from srlab.models.memnet import MemNet
from srlab.params import load_params
from srlab.tracking.store import unsent_folder
from srlab.training.on_patches import sections
from srlab.weights import Card, load_card, make_card, save_weights

HYPERPARAMETERS = {"memory_blocks": 1, "residual_units": 1, "features": 4}
PIPELINE = {
    "stages": {
        "patches": {"cmd": "true", "outs": ["data/patches"]},
        "train_memnet": {
            "cmd": "true",
            "params": ["trainer", "data.train", "patches.memnet", "memnet"],
            "outs": ["models/memnet.safetensors", "metrics/curves/memnet"],
            "metrics": [{"metrics/costs/train_memnet.json": {"cache": False}}],
        },
    }
}


def srlab(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command line; its exit code."""
    monkeypatch.setattr("sys.argv", ["srlab", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def losses(steps: int, *, seed: int = 1) -> dict[int, float]:
    return {step: seed / (step + 7) for step in range(steps)}


def trained_sections(seed: int) -> dict:
    tree = sections(
        load_params(ROOT / "profiles" / "smoke.yaml"), network="memnet", patches="memnet"
    )
    tree["trainer"]["seed"] = seed
    return tree


def write_outputs(
    folder: Path, *, seed: int = 1, run_id: str | None = "1" * 32, steps: int = 20
) -> Card:
    """What a training leaves, as a stage would write it."""
    profile = (ROOT / "profiles" / "smoke.yaml").read_text()
    (folder / "params.yaml").write_text(profile.replace("seed: 1", f"seed: {seed}"))
    (folder / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    trained_by = trained_sections(seed)
    torch.manual_seed(seed)
    card = make_card("memnet", HYPERPARAMETERS, [2], trained_by, "d" * 64, f"f00d{seed}")
    save_weights(MemNet(**HYPERPARAMETERS), card, folder / "models" / "memnet.safetensors")
    curves = folder / "metrics" / "curves" / "memnet"
    curves.mkdir(parents=True)
    with (curves / "losses.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss/total", "learning_rate"])
        writer.writerows(
            [step, f"{loss:.6g}", 0.1] for step, loss in losses(steps, seed=seed).items()
        )
    (curves / "validation.csv").write_text("step,validation/psnr\n0,30.5\n19,31.25\n")
    cost = folder / "metrics" / "costs" / "train_memnet.json"
    cost.parent.mkdir(parents=True)
    cost.write_text(json.dumps({"mlflow_run_id": run_id, "fingerprint": card.fingerprint}))
    return card


def track(folder: Path, *, seed: int = 1, steps: int = 20, end: str | None = None) -> str:
    """Tell MLflow of a training; its run's id."""
    trained_by = trained_sections(seed)
    with tracking.run("memnet", trained_by, "d" * 64, fingerprint=f"f00d{seed}") as run:
        for step, loss in losses(steps, seed=seed).items():
            run.log_metrics({"loss/total": loss, "learning_rate": 0.1}, step=step)
        weights = folder / "models" / "memnet.safetensors"
        if weights.exists():
            run.log_file(weights)
    assert run.id is not None
    if end:
        client(folder).set_terminated(run.id, end)
    return run.id


def test_sync_makes_the_run_of_a_network_that_dvc_brought(store: Path, monkeypatch, capsys):
    card = write_outputs(store)
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert f"from {'1' * 32}" in capsys.readouterr().out
    run = only_run(store)
    assert run.info.status == "FINISHED"
    assert run.data.tags["restored_from"] == "1" * 32
    assert run.data.tags["fingerprint"] == "f00d1"
    assert run.data.tags["dvc_stage"] == "train_memnet"
    assert run.data.tags["params_sha256"] == card.params_sha256
    assert "params_known" not in run.data.tags
    assert run.data.params["memnet.features"] == "4"
    assert run.data.params["trainer.seed"] == "1"
    found = points(client(store), run.info.run_id, "loss/total")
    assert found == [(step, float(f"{loss:.6g}")) for step, loss in losses(20).items()]
    assert points(client(store), run.info.run_id, "validation/psnr") == [(0, 30.5), (19, 31.25)]
    files = {item.path for item in client(store).list_artifacts(run.info.run_id)}
    assert files == {"memnet.safetensors", "train_memnet.json"}
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert "nothing is missing" in capsys.readouterr().out
    only_run(store)


def test_sync_leaves_alone_what_the_store_has(store: Path, monkeypatch, capsys) -> None:
    run_id = track(store)
    write_outputs(store, run_id=run_id)
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert "nothing is missing" in capsys.readouterr().out
    only_run(store)


def test_sync_completes_a_run_that_was_broken_off_here(store: Path, monkeypatch, capsys) -> None:
    run_id = track(store, steps=5, end="KILLED")
    write_outputs(store)
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert f"completed run {run_id}" in capsys.readouterr().out
    assert only_run(store).info.status == "FINISHED"
    assert [step for step, _ in points(client(store), run_id, "loss/total")] == list(range(20))


def test_sync_takes_params_from_where_dvc_has_them(store: Path, monkeypatch) -> None:
    card = write_outputs(store)
    # params.yaml was changed since; dvc.lock has what the outputs were made by.
    tree = yaml.safe_load((store / "params.yaml").read_text())
    locked = {
        "trainer": tree["trainer"],
        "data.train": tree["data"]["train"],
        "patches.memnet": tree["patches"]["memnet"],
        "memnet": tree["memnet"],
    }
    lock = {"stages": {"train_memnet": {"params": {"params.yaml": locked}}}}
    (store / "dvc.lock").write_text(yaml.safe_dump(lock))
    changed = (store / "params.yaml").read_text().replace("seed: 1", "seed: 2")
    (store / "params.yaml").write_text(changed)
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert only_run(store).data.params["trainer.seed"] == "1"
    assert only_run(store).data.tags["params_sha256"] == card.params_sha256


def test_sync_says_where_params_are_not_known(store: Path, monkeypatch) -> None:
    write_outputs(store)
    (store / "params.yaml").unlink()
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert only_run(store).data.tags["params_known"] == "of the network only"
    assert only_run(store).data.params["memnet.features"] == "4"


def test_sync_names_what_is_not_here_or_does_not_fit(store: Path, monkeypatch, capsys) -> None:
    write_outputs(store)
    cost = store / "metrics" / "costs" / "train_memnet.json"
    cost.write_text(json.dumps({"mlflow_run_id": "2" * 32, "fingerprint": "of another"}))
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert "are of different trainings" in capsys.readouterr().out
    cost.write_text("{}")
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert "does not name its run" in capsys.readouterr().out
    (store / "models" / "memnet.safetensors").unlink()
    assert srlab(monkeypatch, "runs", "sync") == 0
    assert "models/memnet.safetensors is not here; fetch it: dvc pull" in capsys.readouterr().out
    assert all_runs(store) == []


def test_sync_sends_what_a_run_could_not(store: Path, monkeypatch, capsys) -> None:
    def lost(*arguments: object, **named: object) -> None:
        raise ConnectionError("gone")

    with monkeypatch.context() as away, tracking.run("memnet", {"a": 1}, "abc") as run:
        for call in ("log_batch", "log_artifact", "set_terminated"):
            away.setattr(run._store.client, call, lost)
        run.log_metrics({"loss": 0.5}, step=1)
        run._store.client.log_metric(run.id, "loss", 0.5, step=1)  # it was obeyed, unheard
        run.log_metrics({"loss": 0.25}, step=2)
    (unsent_folder() / f"{'2' * 32}.jsonl").write_text("")
    assert only_run(store).info.status == "RUNNING"
    assert srlab(monkeypatch, "runs", "sync") == 0
    said = capsys.readouterr().out
    assert f"run {run.id} got 2 values, 0 images and 0 files" in said
    assert f"run {'2' * 32} is not in" in said
    assert only_run(store).info.status == "FINISHED"
    assert points(client(store), run.id, "loss") == [(1, 0.5), (2, 0.25)]
    assert [path.name for path in unsent_folder().iterdir()] == [f"{'2' * 32}.jsonl"]


def test_sync_without_a_store_or_with_a_damaged_file_is_one_line(store, monkeypatch, capsys):
    run_id = track(store)
    unsent_folder().mkdir(parents=True)
    (unsent_folder() / f"{run_id}.jsonl").write_text('{"metric": ["loss"')
    assert srlab(monkeypatch, "runs", "sync") == 2
    assert "not what a run left to be sent" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert srlab(monkeypatch, "runs", "sync") == 2
    err = capsys.readouterr().err
    assert "MLflow cannot be used" in err
    assert len(err.splitlines()) == 1


def test_equal_runs_are_equal(store: Path, monkeypatch, capsys) -> None:
    write_outputs(store)
    first = track(store)
    client(store).set_tag(first, "repeatable", "false")  # so the next is another
    second = track(store)
    client(store).set_tag(second, "git_commit", "another")
    assert first != second
    assert srlab(monkeypatch, "runs", "diff", first, second) == 0
    said = capsys.readouterr().out
    assert "params   equal" in said
    assert "curves   memnet: equal (40 values)" in said
    assert "weights  memnet: equal" in said
    assert "git_commit: " in said


def test_a_run_equals_its_own_outputs(store: Path, monkeypatch, capsys) -> None:
    write_outputs(store)
    (store / "metrics" / "curves" / "memnet" / "validation.csv").unlink()
    run_id = track(store)
    assert srlab(monkeypatch, "runs", "diff", run_id, store) == 0
    assert "equal to six digits, as files keep them (40 values)" in capsys.readouterr().out
    weights = store / "models" / "memnet.safetensors"
    assert srlab(monkeypatch, "runs", "diff", run_id, weights) == 0
    assert "weights  memnet: equal" in capsys.readouterr().out


def test_different_runs_part_at_a_step(store: Path, monkeypatch, capsys) -> None:
    (store / "other").mkdir()
    write_outputs(store)
    first = track(store)
    shutil.rmtree(store / "models")
    write_outputs(store / "other", seed=2)
    shutil.copytree(store / "other" / "models", store / "models")
    second = track(store, seed=2, steps=15)
    assert srlab(monkeypatch, "runs", "diff", first, second) == 1
    said = capsys.readouterr().out
    assert "trainer.seed: 1 | 2" in said
    assert "part at step 0" in said
    assert "loss/total: step 0: 0.142857143 | 0.285714286, 0.143 apart; 20 of 20" in said
    assert "learning_rate: from step 15 only in A; 5 of 20 steps differ" in said
    assert "tensors differ" in said
    assert len(said.splitlines()) < 30
    assert srlab(monkeypatch, "runs", "diff", store / "other", first) == 1


def test_folders_are_compared_network_by_network(tmp_path: Path, monkeypatch, capsys) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_outputs(tmp_path / name)
    a, b = tmp_path / "a", tmp_path / "b"
    assert srlab(monkeypatch, "runs", "diff", a, b) == 0
    shutil.copyfile(a / "models" / "memnet.safetensors", a / "models" / "second.safetensors")
    assert srlab(monkeypatch, "runs", "diff", a, b) == 1
    assert "weights  only in A: second" in capsys.readouterr().out
    torch.manual_seed(9)
    card = load_card(b / "models" / "memnet.safetensors")
    save_weights(MemNet(**HYPERPARAMETERS), card, b / "models" / "memnet.safetensors")
    assert srlab(monkeypatch, "runs", "diff", *(x / "models" for x in (a, b))) == 1
    assert "apart, " in capsys.readouterr().out


def test_what_cannot_be_compared_is_one_line(store: Path, monkeypatch, capsys) -> None:
    write_outputs(store)
    curves, weights = store / "metrics" / "curves", store / "models" / "memnet.safetensors"
    (store / "empty").mkdir()
    for a, b, said in [
        (curves, weights, "in common"),
        ("3" * 32, weights, "nor a run that MLflow has"),
        (store / "empty", weights, "holds no weights"),
        (store / "params.yaml", weights, "not a .safetensors file"),
    ]:
        assert srlab(monkeypatch, "runs", "diff", a, b) == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.splitlines()) == 1
