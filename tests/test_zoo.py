"""The registry of released models: releasing into it, loading from it, listing it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import make_photo
from PIL import Image
from test_cli import srlab
from test_upscale_in_memory import weights

from srlab import load, upscale
from srlab.errors import SrlabError
from srlab.evaluation import Score, write_scores
from srlab.provenance import file_hash
from srlab.weights import load_card, load_weights, save_weights
from srlab.zoo import registry as registry_module
from srlab.zoo.registry import BASELINES, RELEASED, load_registry, resolve
from srlab.zoo.release import Candidate, main, release


def candidate(
    folder: Path, name: str, seed: int = 0, start: str | None = None, features: int = 4
) -> Candidate:
    """Weights with scores and a card, as the pipeline leaves them."""
    path = weights(folder / "models", name, seed, features)
    scores = [
        Score("y_rgb8", "made", 2, image, 30.0 + seed + index, 0.9, None, 0.1, 0.0, 0.0)
        for index, image in enumerate(("a", "b"))
    ]
    made_by = dict.fromkeys(("params_sha256", "data_sha256", "git_commit", "mlflow_run_id"))
    write_scores(
        scores,
        {"weights_sha256": file_hash(path), **made_by},
        folder / "metrics" / f"{name}.json",
        folder / "metrics" / "per_image" / f"{name}.csv",
    )
    card = folder / f"{name}.md"
    card.write_text(f"# {name}\n\n- weights (SHA-256): {file_hash(path)}\n")
    return Candidate(
        weights=path,
        name=name,
        metrics=folder / "metrics" / f"{name}.json",
        card=card,
        licence="CC0-1.0",
        good_for=f"what {name} is good for",
        start=start,
    )


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry without models, in the place of the package's."""
    folder = tmp_path / "released"
    folder.mkdir()
    (folder / "models.yaml").write_text("default: null\nmodels: []\n")
    monkeypatch.setattr(registry_module, "RELEASED", folder)
    monkeypatch.setattr("srlab.zoo.listing.RELEASED", folder)
    return folder


@pytest.fixture
def zoo(empty: Path, tmp_path: Path) -> Path:
    """A registry of an SRResNet, the default, and the SRGAN that was trained from it."""
    release(candidate(tmp_path, "srresnet", 1), is_default=True, folder=empty)
    release(candidate(tmp_path, "srgan", 2, start="srresnet"), folder=empty)
    return empty


def test_the_packages_own_registry_is_sound() -> None:
    registry = load_registry()
    for entry in registry.models:
        model = load(entry.name)
        assert model.scales == tuple(sorted(entry.scales))
        assert (RELEASED / entry.card).is_file()
        assert (RELEASED / entry.file).stat().st_size == entry.bytes
        photo = make_photo(24, 30)
        large = model.upscale(photo, max(entry.scales))
        assert np.abs(large.mean(axis=(0, 1)) - photo.mean(axis=(0, 1))).max() < 1
        if entry.start is not None:
            load(entry.name, strength=0.5)


def test_baselines_need_no_weights(empty: Path) -> None:
    photo = make_photo(6, 7)
    for name in BASELINES:
        assert upscale(photo, 3, model=name).shape == (18, 21, 3)
    twice = photo.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(upscale(photo, 2, model="nearest"), twice)


def test_without_a_released_model_it_is_said_what_to_do(empty: Path) -> None:
    with pytest.raises(SrlabError, match=r"no model was released .*--model bicubic"):
        load()
    with pytest.raises(SrlabError, match="no released model has a strength"):
        load(strength=0.5)


def test_released_models_are_loaded_by_name(zoo: Path, tmp_path: Path) -> None:
    photo = make_photo(20, 24)
    for name in ("srresnet", "srgan"):
        expected = upscale(photo, 2, model=tmp_path / "models" / f"{name}.safetensors")
        assert np.array_equal(upscale(photo, 2, model=name), expected)
    assert load().name == "srresnet"
    assert load(strength=0.5).name == "srgan"
    between = upscale(photo, 2, model="srgan", strength=0.5)
    assert not np.array_equal(between, upscale(photo, 2, model="srgan"))
    assert np.array_equal(
        upscale(photo, 2, model="srgan", strength=0), upscale(photo, 2, model="srresnet")
    )
    with pytest.raises(SrlabError, match="srresnet has no strength"):
        load("srresnet", strength=0.5)


def test_an_unknown_name_is_said_with_the_nearest(zoo: Path) -> None:
    with pytest.raises(SrlabError, match="srgam: no such model or file; did you mean 'srgan'"):
        load("srgam")


def test_a_damaged_file_is_refused(zoo: Path) -> None:
    path = zoo / "srgan.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SrlabError, match="missing or damaged; install srlab again"):
        load("srgan")
    path.unlink()
    with pytest.raises(SrlabError, match="missing or damaged"):
        load("srgan")


def test_what_is_listed_is_what_was_released(zoo: Path, tmp_path: Path) -> None:
    registry = load_registry(zoo)
    assert registry.default == "srresnet"
    entry = registry.entry("srgan")
    assert entry is not None
    path = zoo / entry.file
    assert (entry.sha256, entry.bytes) == (file_hash(path), path.stat().st_size)
    assert entry.numbers == "float32"
    assert entry.scales == [2]
    assert entry.start == "srresnet"
    assert entry.scores["y_rgb8"]["made"]["x2"]["psnr"] == 32.5
    network, card = load_weights(path)
    assert card == load_card(tmp_path / "models" / "srgan.safetensors")
    assert entry.parameters == sum(p.numel() for p in network.parameters())
    text = (zoo / entry.card).read_text()
    assert text.startswith("# srgan\n")
    assert f"- SHA-256 of the file: {entry.sha256}\n" in text
    assert sorted(path.name for path in zoo.rglob("*") if path.is_file()) == sorted(
        ["models.yaml", "srgan.md", "srgan.safetensors", "srresnet.md", "srresnet.safetensors"]
    )


def test_releasing_again_replaces(zoo: Path, tmp_path: Path) -> None:
    before = [entry.name for entry in load_registry(zoo).models]
    entry = release(candidate(tmp_path / "later", "srresnet", 5), folder=zoo)
    registry = load_registry(zoo)
    assert [entry.name for entry in registry.models] == before
    assert registry.entry("srresnet") == entry
    assert registry.default == "srresnet"
    assert resolve("srresnet", zoo).path == zoo / "srresnet.safetensors"


def test_a_release_leaves_the_roles_of_the_others(zoo: Path, tmp_path: Path) -> None:
    listing = zoo / "models.yaml"
    text = listing.read_text()
    assert "for_jpeg: null" in text
    listing.write_text(text.replace("for_jpeg: null", "for_jpeg: srresnet"))
    release(candidate(tmp_path, "another", 3), folder=zoo)
    registry = load_registry(zoo)
    assert (registry.default, registry.for_jpeg) == ("srresnet", "srresnet")


def test_weights_are_halved_where_scores_stay(empty: Path, photos: Path, tmp_path: Path) -> None:
    offered = candidate(tmp_path, "srresnet", 1)
    entry = release(offered, images=[photos], folder=empty)
    assert entry.numbers == "float16"
    assert entry.bytes < 0.7 * offered.weights.stat().st_size
    photo = make_photo(20, 24)
    whole = upscale(photo, 2, model=offered.weights).astype(int)
    assert np.abs(upscale(photo, 2, model="srresnet") - whole).max() <= 1


def test_weights_are_not_halved_where_scores_move(
    empty: Path, photos: Path, tmp_path: Path
) -> None:
    offered = candidate(tmp_path, "srresnet", 1)
    network, card = load_weights(offered.weights)
    with torch.no_grad():
        # Beyond the largest number of float16, and taken back by the next layer.
        network.head[0].weight.mul_(1e8)
        network.head[0].bias.mul_(1e8)
        for layer in (network.fusion[0], network.blocks[0].body[0]):
            layer.weight.mul_(1e-8)
    save_weights(network, card, offered.weights)
    offered = brought_up_to_date(offered)
    assert release(offered, images=[photos], folder=empty).numbers == "float32"


def brought_up_to_date(offered: Candidate) -> Candidate:
    """The same, with scores and a card that are of the weights as they are now."""
    sha256 = file_hash(offered.weights)
    tree = json.loads(offered.metrics.read_text())
    tree["made_by"]["weights_sha256"] = sha256
    offered.metrics.write_text(json.dumps(tree))
    offered.card.write_text(f"# {offered.name}\n\n{sha256}\n")
    return offered


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.weights.write_bytes(b""), "not a safetensors file"),
        (lambda c: c.metrics.unlink(), "missing beside"),
        (lambda c: c.card.unlink(), "cannot be read .*dvc repro report"),
        (lambda c: c.card.write_text("# another"), "the card of other weights"),
        (
            lambda c: c.metrics.write_text(
                c.metrics.read_text().replace(file_hash(c.weights), "x")
            ),
            "its scores are of other weights",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(empty: Path, tmp_path: Path, spoil, said) -> None:
    offered = candidate(tmp_path, "srgan")
    spoil(offered)
    with pytest.raises(SrlabError, match=said):
        release(offered, folder=empty)
    assert [path.name for path in empty.iterdir()] == ["models.yaml"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "SRGAN!"}, "cannot be released: name"),
        ({"name": "bicubic"}, "a baseline's name"),
        ({"start": "nobody"}, "start: nobody is none of the models"),
        ({"licence": ""}, "cannot be released: licence"),
    ],
)
def test_what_does_not_fit_the_registry_is_refused(
    empty: Path, tmp_path: Path, changes: dict, said: str
) -> None:
    with pytest.raises(SrlabError, match=said):
        release(replace(candidate(tmp_path, "srgan"), **changes), folder=empty)
    assert [path.name for path in empty.iterdir()] == ["models.yaml"]


def test_a_start_of_another_network_is_refused(zoo: Path, tmp_path: Path) -> None:
    wider = candidate(tmp_path, "wider", start="srresnet", features=5)
    with pytest.raises(
        SrlabError, match=r"wider: start: .* are different networks, .* leave the start"
    ):
        release(wider, folder=zoo)
    assert not (zoo / "wider.safetensors").exists()
    assert load_registry(zoo).entry("wider") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"default": "nobody"}, "default: nobody is none of the models"),
        ({"defaults": None}, "defaults: Extra inputs"),
        ({"models": [{"name": "a"}]}, r"models\.0\.file: Field required"),
    ],
)
def test_a_malformed_registry_is_said(empty: Path, change: dict, said: str) -> None:
    (empty / "models.yaml").write_text(yaml.safe_dump({"default": None, "models": []} | change))
    with pytest.raises(SrlabError, match=said):
        load_registry(empty)


def test_release_from_the_shell(empty: Path, tmp_path: Path, capsys) -> None:
    offered = candidate(tmp_path, "srresnet", 1)
    arguments = {
        "weights": offered.weights,
        "name": "best",
        "metrics": offered.metrics,
        "card": offered.card,
        "licence": "CC0-1.0",
        "good_for": "everything",
        "default": True,
        "folder": empty,
    }
    main(**arguments)
    assert capsys.readouterr().out.startswith(f"best: {empty}/best.safetensors, 0.0 MB, float32")
    assert load_registry(empty).default == "best"
    with pytest.raises(SystemExit) as ended:
        main(**arguments | {"card": tmp_path / "none.md"})
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_models_are_listed(zoo: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert srlab(monkeypatch, "models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["model", "scale", "PSNR", "SSIM", "LPIPS"]
    assert lines[1].split()[:5] == ["srresnet*", "x2", "31.50", "0.9000", "0.100"]
    assert [line.split()[0] for line in lines[2:6]] == ["srgan", *BASELINES]
    purposes = lines[lines.index("", 6) + 1 :]
    assert purposes[0].split() == ["model", "good", "for"]
    assert purposes[2].rstrip() == "srgan     what srgan is good for"
    assert not any("…" in line for line in lines)
    path = zoo / "models.yaml"
    path.write_text(path.read_text().replace("default: srresnet", "default: srgan"))
    assert srlab(monkeypatch, "models") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("srgan* ")


def test_models_for_other_programs(zoo: Path, monkeypatch, capsys) -> None:
    assert srlab(monkeypatch, "models", "--json") == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["default"] == "srresnet"
    assert [model["name"] for model in tree["models"]] == ["srresnet", "srgan"]
    assert [baseline["name"] for baseline in tree["baselines"]] == list(BASELINES)
    assert srlab(monkeypatch, "models", "srgan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["scores"]["y_rgb8"]["made"]["x2"]["psnr"] == 32.5


def test_a_models_card_is_printed(zoo: Path, monkeypatch, capsys) -> None:
    assert srlab(monkeypatch, "models", "srgan") == 0
    assert capsys.readouterr().out == (zoo / "cards" / "srgan.md").read_text()
    assert srlab(monkeypatch, "models", "bicubic") == 0
    assert capsys.readouterr().out.startswith("# bicubic\n")
    assert srlab(monkeypatch, "models", "srgam") == 2
    assert "srgam: no such model; did you mean 'srgan'?" in capsys.readouterr().err


def test_the_default_model_is_used(zoo: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    Image.fromarray(make_photo(12, 16)).save(tmp_path / "p.png")
    out = str(tmp_path / "large.png")
    assert srlab(monkeypatch, "upscale", str(tmp_path / "p.png"), "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "srresnet"
    assert Image.open(out).size == (64, 48)
