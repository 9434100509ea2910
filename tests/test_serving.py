"""Scored networks are registered once, the best one is the champion, and MLflow serves it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from conftest import ROOT, make_photo
from made_store import client
from PIL import Image
from test_folded import as_if_trained

from srlab import tracking
from srlab.data.images import write_png
from srlab.data.tensors import to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import Score
from srlab.inference.strength import load_blend
from srlab.inference.upscalers import network_upscaler
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.provenance import file_hash
from srlab.serving import pictures, registry
from srlab.serving.pictures import Picture, decode, to_png
from srlab.serving.registry import CHAMPION, register
from srlab.serving.scored import Method, ScoredNetwork
from srlab.weights import load_weights, make_card, save_weights

MEMNET = {"memory_blocks": 1, "residual_units": 1, "features": 4}
SRRESNET = {"scale": 2, "residual_blocks": 1, "features": 4, "batch_norm": False}
PHOTO = make_photo(31, 22)


def weights(folder: Path, name: str, factor: float = 1.0) -> Path:
    """A made network; another factor makes another one."""
    path = folder / f"{name}.safetensors"
    if name.startswith("memnet"):
        network, settings, scales = as_if_trained(MemNet(**MEMNET)), MEMNET, [2, 3]
    else:
        network, settings, scales = as_if_trained(SRResNet(**SRRESNET)), SRRESNET, [2]
    first = next(network.parameters())
    first.data.mul_(factor)
    architecture = name.partition("_")[0].replace("srgan", "srresnet")
    save_weights(network, make_card(architecture, settings, scales, {}, "0" * 64, None), path)
    return path


def scores(value: float, folder: Path) -> list[Score]:
    """The same score for each picture of a dataset, PSNR and LPIPS alike."""
    return [
        Score(protocol, folder.name, 2, path.stem, value, 0.9, None, value, 0.1, 0.2)
        for path in sorted(folder.iterdir())
        for protocol in ("paper", "y_rgb8")
    ]


def scored(
    path: Path, value: float, photos: Path, method: Method = "memnet", **more: Any
) -> ScoredNetwork:
    return ScoredNetwork(method, path, None, "c0ffee", scores(value, photos), [photos], **more)


def champion(store: Path, method: str = "memnet") -> str:
    return str(client(store).get_model_version_by_alias(f"srlab-{method}", CHAMPION).version)


def versions(store: Path, method: str = "memnet") -> list[Any]:
    return list(client(store).search_model_versions(f"name = 'srlab-{method}'"))


def test_a_scored_network_is_registered_with_what_is_known(store, photos, tmp_path, capsys):
    with tracking.run("memnet", {"a": 1}, "abc") as run:
        pass
    network = replace(scored(weights(tmp_path, "memnet"), 30.5, photos), run_id=run.id)
    register(network)
    assert capsys.readouterr().out == "srlab-memnet version 1 is the first champion\n"
    (version,) = versions(store)
    assert version.run_id == run.id
    assert version.tags["weights_sha256"] == file_hash(network.weights)
    assert version.tags["git_commit"] == "c0ffee"
    assert version.tags["data.test"] == "made"
    assert version.tags["y_rgb8.made.x2.psnr"] == "30.5"
    assert "paper.made.x2.psnr" not in version.tags
    assert "y_rgb8.made.x2.alex" not in version.tags
    (model,) = client(store).get_run(run.id).outputs.model_outputs
    assert client(store).get_logged_model(model.model_id).status == "READY"
    assert model.model_id in version.source
    register(network)
    assert capsys.readouterr().out == "srlab-memnet version 1 is the champion already\n"
    assert len(versions(store)) == 1
    assert not os.environ.get("MLFLOW_TRACKING_URI")


@pytest.mark.parametrize(
    ("method", "better", "worse"), [("memnet", 31.0, 30.0), ("srgan", 0.1, 0.3)]
)
def test_the_champion_is_the_best(store, photos, tmp_path, capsys, method, better, worse) -> None:
    name = method
    middle = (better + worse) / 2
    first, second, third = (weights(tmp_path, f"{name}_{i}", 1 + 0.1 * i) for i in range(3))
    register(scored(first, middle, photos, method))
    register(scored(second, worse, photos, method))
    assert champion(store, method) == "1"
    assert f"srlab-{method} version 2 is not better" in capsys.readouterr().out
    register(scored(third, better, photos, method))
    assert champion(store, method) == "3"
    said = capsys.readouterr().out
    assert "version 3 is the champion, before it version 1: " in said
    assert f"{better:.4f} against {middle:.4f} (y_rgb8)" in said
    register(scored(second, middle, photos, method))  # as good as is not better
    assert champion(store, method) == "3"


def test_other_images_prove_nothing(store, photos, tmp_path, capsys) -> None:
    first, second = (weights(tmp_path, f"memnet_{i}", 1 + 0.1 * i) for i in range(2))
    register(scored(first, 30.0, photos))
    others = tmp_path / "others" / "made"  # of the same names
    others.mkdir(parents=True)
    for index in range(3):
        write_png(others / f"photo{index}.png", make_photo(40, 40, seed=9 + index))
    register(scored(second, 99.0, others))
    assert champion(store) == "1"
    assert "cannot be compared with the champion, version 1" in capsys.readouterr().out
    # Scored on them, too, the champion can be beaten.
    register(scored(first, 31.0, others))
    assert champion(store) == "1"
    register(scored(second, 99.0, others))
    assert champion(store) == "2"
    assert len(versions(store)) == 2


def test_what_was_not_scored_is_no_champion(store, photos, tmp_path, capsys) -> None:
    first, second = (weights(tmp_path, f"srgan_{i}", 1 + 0.1 * i) for i in range(2))
    register(scored(first, 0.3, photos, "srgan"))
    unscored = [replace(score, lpips=None) for score in scores(0.1, photos)]
    register(replace(scored(second, 0.1, photos, "srgan"), scores=unscored))
    assert champion(store, "srgan") == "1"
    assert "was not scored by what decides" in capsys.readouterr().out


def test_a_network_of_another_store_needs_no_run(store, photos, tmp_path) -> None:
    register(replace(scored(weights(tmp_path, "memnet"), 30.0, photos), run_id="f" * 32))
    (version,) = versions(store)
    assert not version.run_id
    assert champion(store) == "1"


def test_a_server_that_is_not_there_is_one_warning(store, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("DVC_STAGE", "evaluate@memnet")
    register(scored(weights(tmp_path, "memnet"), 30.0, photos))
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("warning: MLflow cannot be used")
    assert line.endswith("dvc repro --force --single-item evaluate@memnet")


def test_without_mlflow_there_is_one_warning(store, photos, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    register(scored(weights(tmp_path, "memnet"), 30.0, photos))
    assert capsys.readouterr().err.startswith("warning: MLflow is not installed; ")


def test_what_breaks_off_is_made_up_for(store, photos, tmp_path, monkeypatch, capsys) -> None:
    from mlflow import MlflowClient

    network = scored(weights(tmp_path, "memnet"), 30.0, photos)
    with monkeypatch.context() as broken:

        def lost(*arguments: object) -> None:
            raise ConnectionError("gone")

        broken.setattr(MlflowClient, "log_model_artifacts", lost)
        register(network)
    assert "warning: MLflow cannot be used (gone)" in capsys.readouterr().err
    assert versions(store) == []
    register(network)
    assert champion(store) == "1"


AT_ONCE = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_serving import scored
from srlab.serving.registry import register
input()
register(scored(Path({path!r}), {value}, Path({photos!r})))
"""


def test_two_at_once_are_both_registered(store, photos, tmp_path) -> None:
    processes = []
    for index in range(2):
        path = weights(tmp_path, f"memnet_{index}", 1 + 0.1 * index)
        code = AT_ONCE.format(
            tests=str(ROOT / "tests"), path=str(path), value=30.5 + index, photos=str(photos)
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert "warning" not in process.communicate(timeout=240)[1]
        assert process.returncode == 0
    found = versions(store)
    assert sorted(str(version.version) for version in found) == ["1", "2"]
    best = next(version for version in found if str(version.version) == champion(store))
    assert best.tags["y_rgb8.made.x2.psnr"] == "31.5"


def test_a_blend_is_served_at_every_strength(store, photos, tmp_path) -> None:
    import mlflow

    start, end = weights(tmp_path, "srresnet"), weights(tmp_path, "srgan", 1.5)
    for strength in (0.5, 1.0):
        register(scored(end, 0.3, photos, "srgan", blend_from=start, strength=strength))
    assert [version.tags["strength"] for version in versions(store, "srgan")] == ["1.0", "0.5"]
    with registry._used_globally(f"sqlite:///{store / 'mlflow.db'}"):
        model = mlflow.pyfunc.load_model("models:/srlab-srgan@champion")
    defaults = {param.name: param.default for param in model.metadata.signature.params.params}
    assert defaults == {"scale": 2.0, "strength": 0.5}
    lr = to_tensor(PHOTO)

    def expected(strength: float) -> np.ndarray:
        return to_pixels(network_upscaler(*load_blend(start, end, strength))(lr, 2)).astype(int)

    for strength, params in ((0.5, {}), (0.0, {"strength": 0.0}), (1.0, {"strength": 1.0})):
        (answer,) = model.predict([{"pixels": PHOTO}], params=params)
        assert np.abs(np.array(answer.pixels) - expected(strength)).max() <= 1
    assert np.abs(expected(0.0) - expected(1.0)).max() > 5
    (answer,) = model.predict([{"pixels": PHOTO}], params={"strength": 1.5})
    assert answer.error == "a strength of 1.5: choose one from 0 to 1"
    (answer,) = model.predict(model.input_example)
    assert decode(answer).size == (24, 16)


@contextlib.contextmanager
def server(store: Path, uri: str) -> Iterator[str]:
    """`mlflow models serve`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", uri]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}",
    }
    log = store / "server.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{address}/ping", timeout=5).ok:
                    break
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def as_array(image: Image.Image | np.ndarray) -> np.ndarray:
    """(h, w, C) for comparisons that may be negative."""
    pixels = np.asarray(image).astype(int)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def test_mlflow_serves_the_champion_over_http(store, photos, tmp_path) -> None:
    path = weights(tmp_path, "memnet")
    register(scored(path, 30.0, photos))
    upscaler = network_upscaler(*load_weights(path))
    grey = PHOTO[..., 0]
    alpha = np.dstack([PHOTO, grey])
    asked = [
        {"png": to_png(Image.fromarray(PHOTO))},
        {"pixels": PHOTO.tolist()},
        {"png": to_png(Image.fromarray(grey))},
        {"pixels": grey[..., None].tolist()},
        {"png": to_png(Image.fromarray(alpha))},
        {"png": "bm8="},
        {"pixels": [[[0, 0, 0], [1]]]},
    ]
    with server(store, "models:/srlab-memnet@champion") as address:

        def ask(body: dict[str, Any]) -> requests.Response:
            return requests.post(f"{address}/invocations", json=body, timeout=60)

        for scale, params in ((3, {}), (2, {"params": {"scale": 2}})):
            reply = ask({"inputs": asked, **params})
            assert reply.status_code == 200, reply.text
            answers = reply.json()["predictions"]
            sent = [(PHOTO, "png"), (PHOTO, "pixels"), (grey, "png"), (grey, "pixels")]
            for answer, (pixels, kind) in zip(answers, sent, strict=False):
                expected = as_array(to_pixels(upscaler(to_tensor(pixels), scale)))
                assert list(answer) == [kind]
                found = as_array(decode(Picture(**answer)))
                assert found.shape == expected.shape
                assert np.abs(found - expected).max() <= 1
            assert as_array(decode(Picture(**answers[4]))).shape == (31 * scale, 22 * scale, 4)
            assert answers[5:] == [
                {"error": "png: not a PNG file; send one, in base64"},
                {"error": "pixels: rows or pixels differ in length; send (h, w, C)"},
            ]
        answers = ask({"inputs": asked[1:2], "params": {"scale": 2.5}}).json()["predictions"]
        assert np.shape(answers[0]["pixels"]) == (78, 55, 3)
        answers = ask({"inputs": asked[:1], "params": {"scale": 0}}).json()["predictions"]
        assert answers == [{"error": "a scale of 0: choose one above 0, up to 64, such as 4"}]
        assert ask({"inputs": [{"pixels": "no list"}]}).status_code == 400


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ({}, "either png or pixels"),
        ({"png": "YQ==", "pixels": [[[0]]]}, "either png or pixels"),
        ({"png": "a"}, "png: not base64"),
        ({"png": to_png(Image.fromarray(PHOTO[:20]))[:1000]}, "png: damaged"),
        ({"pixels": [[[]]]}, "of shape (1, 1, 0)"),
        ({"pixels": [[[1, 2, 3, 4, 5]]]}, "of shape (1, 1, 5)"),
        ({"pixels": [[[256]]]}, "outside of 0 to 255"),
        ({"pixels": np.zeros((9, 80, 1), np.uint8)}, "80x9 pixels are more than the 681"),
        ({"png": to_png(Image.fromarray(PHOTO))}, "22x31 pixels are more than the 681"),
    ],
)
def test_what_is_no_picture_is_refused(picture, said: str, monkeypatch) -> None:
    monkeypatch.setattr(pictures, "LARGEST", 681)
    with pytest.raises(SrlabError) as refused:
        decode(Picture(**picture))
    assert said in str(refused.value)


def test_a_png_keeps_profile_and_resolution() -> None:
    image = Image.fromarray(PHOTO)
    image.info |= {"dpi": (300.0, 300.0), "icc_profile": b"made up", "comment": "left out"}
    kept = decode(Picture(png=to_png(image)))
    assert isinstance(kept, Image.Image)
    assert kept.info["icc_profile"] == b"made up"
    assert kept.info["dpi"] == pytest.approx((300, 300), abs=0.1)
