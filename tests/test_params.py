import json
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from srlab.data.kernels import KERNELS
from srlab.errors import SrlabError
from srlab.params import Params, load_params, parse_params
from srlab.strict_yaml import read_yaml


@pytest.fixture
def tree() -> dict:
    return read_yaml(ROOT / "profiles" / "smoke.yaml")


def put(tree: dict, key: str, value: object) -> dict:
    *sections, last = key.split(".")
    section = tree
    for name in sections:
        section = section[name]
    section[last] = value
    return tree


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").iterdir()), ids=lambda p: p.stem)
def test_every_profile_is_good(profile: Path) -> None:
    load_params(profile)


def test_params_yaml_is_the_quick_profile() -> None:
    quick = (ROOT / "profiles" / "quick.yaml").read_bytes()
    assert (ROOT / "params.yaml").read_bytes() == quick


def test_the_schema_is_up_to_date() -> None:
    written = json.loads((ROOT / "params.schema.json").read_text())
    assert written == Params.model_json_schema(), "run: srlab params schema > params.schema.json"


def test_every_field_says_what_it_is() -> None:
    schema = Params.model_json_schema()
    for name, section in schema["$defs"].items():
        for key, field in section.get("properties", {}).items():
            described = "$ref" in field or field.get("description")
            assert described, f"{name}.{key} has no docstring"


BAD = [  # key, value, what the message must say
    ("memnet.featurs", 64, ["memnet.featurs", "unknown key", "did you mean 'features'?"]),
    ("memnt", {}, ["memnt", "did you mean 'memnet'?"]),
    ("memnet.optimizer.name", "lion", ["memnet.optimizer.name", "'sgd'", "'adamw'", "'lion'"]),
    ("memnet.optimizer.name", "sdg", ["did you mean 'sgd'?"]),
    ("srresnet.teacher", "srresnet", ["holds keys of its own (model, weight), found 'srresnet'"]),
    ("memnet.budget", None, ["memnet.budget", "(epochs, steps, minutes), found None"]),
    ("srresnet.scale", 2, ["patches.srgan.scales must be [2]"]),
    ("patches.srgan.channels", "luma", ["patches.srgan", "channels: rgb"]),
    ("patches.memnet.augment_scales", [0.9, 1.0], ["augment_scales", "less than 1"]),
    ("patches.memnet.augment_scales", [0.9, 0.9], ["augment_scales names a value twice"]),
    ("patches.srgan.patch_size", 66, ["patch_size 66 is not a multiple of scale 4"]),
    ("srgan.perceptual.backbone", "vgg13", ["srgan.perceptual.backbone", "did you mean 'vgg1"]),
    ("srgan.adversarial.loss", "hinges", ["did you mean 'hinge'?"]),
    ("srgan.discriminator.dropout", 1.0, ["srgan.discriminator.dropout", "less than 1"]),
    ("srgan.adversarial.lambda2", -0.1, ["srgan.adversarial.lambda2", "greater than or equal"]),
    ("srgan.discriminator.head_start", 9999, ["head_start 9999 must be less than budget.steps"]),
    ("srgan.rounds", 9999, ["head_start 0 must be less than budget.steps", "/ rounds 9999"]),
    ("evaluate.strength", 1.5, ["evaluate.strength", "less than or equal to 1"]),
    ("memnet.features", "64", ["memnet.features", "integer", "'64'"]),
    ("memnet.features", 64.5, ["memnet.features", "64.5"]),
    ("memnet.features", 0, ["memnet.features", "greater than or equal to 1", "0"]),
    ("memnet.share_weights", 1, ["memnet.share_weights", "boolean"]),
    ("memnet.optimizer.learning_rate", float("nan"), ["memnet.optimizer.learning_rate", "nan"]),
    ("memnet.optimizer.learning_rate", -1.0, ["greater than 0", "-1.0"]),
    ("memnet.ema_decay", 1.0, ["memnet.ema_decay", "less than 1"]),
    ("memnet.gate_kernel", 2, ["memnet.gate_kernel", "1 or 3", "2"]),
    ("memnet.budget.epochs", 2, ["memnet.budget", "exactly one of", "epochs"]),
    ("memnet.budget.steps", None, ["memnet.budget", "exactly one of"]),
    ("srresnet.budget.steps", 0, ["srresnet", "keeps the weights of start", "must be set"]),
    ("memnet.schedule.name", "step", ["memnet", "epochs", "must be set"]),
    ("patches.memnet.scales", [2, 5], ["patches.memnet.scales.1", "2, 3 or 4", "5"]),
    ("patches.memnet.scales", [2, 2], ["scales names a value twice"]),
    ("patches.memnet.channels", "rgb", ["patches.memnet", "channels: luma"]),
    ("patches.memnet.degradations", ["bicubik"], ["did you mean 'bicubic'?"]),
    ("patches.srgan.jpeg_quality", [0, 90], ["patches.srgan.jpeg_quality.0", "equal to 1"]),
    ("patches.srgan.jpeg_quality", [90, 30], ["patches.srgan", "put the lower one first"]),
    ("patches.srgan.jpeg_quality", [90], ["patches.srgan.jpeg_quality", "at least 2"]),
    ("data.test", ["sample_train"], ["data", "sample_train", "in train and in test"]),
    ("data.train", [], ["data.train", "at least 1"]),
    ("data.train", ["../etc"], ["data.train.0", "pattern"]),
    ("evaluate.protocols", ["y"], ["y_rgb8"]),
    ("report.scale", 2, ["report.scale 2", "evaluate.scales"]),
    ("trainer.seed", -1, ["trainer.seed", "-1"]),
]


@pytest.mark.parametrize(("key", "value", "said"), BAD)
def test_bad_values_are_refused_in_one_line(tree: dict, key: str, value: object, said) -> None:
    with pytest.raises(SrlabError) as refusal:
        parse_params(put(tree, key, value), source="params.yaml")
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith("params.yaml: ")
    for part in said:
        assert part in message


def test_every_mistake_gets_its_line(tree: dict) -> None:
    put(put(tree, "memnet.batch", 0), "trainer.sed", 1)
    with pytest.raises(SrlabError) as refusal:
        parse_params(tree, source="params.yaml")
    assert len(str(refusal.value).splitlines()) == 2


def test_a_missing_key_is_named(tree: dict) -> None:
    del tree["memnet"]["batch"]
    with pytest.raises(SrlabError, match=r"params\.yaml: memnet\.batch: missing"):
        parse_params(tree, source="params.yaml")


@pytest.mark.parametrize("content", ["", "[]", "text"])
def test_a_file_that_holds_no_tree_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(SrlabError, match=r"params\.yaml"):
        load_params(path)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("trainer:\n  seed: 1\n  seed: 2\n")
    with pytest.raises(SrlabError, match="line 3: the key 'seed' stands twice"):
        load_params(path)


def test_an_unknown_dataset_gets_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    catalog = (ROOT / "data" / "datasets.yaml").read_text()
    (tmp_path / "data" / "datasets.yaml").write_text(catalog)
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text.replace("[sample_test]", "[set_5]"))
    with pytest.raises(SrlabError, match=r"data\.test: 'set_5' is not in .*did you mean 'set5'\?"):
        load_params(path)
    path.write_text(text)
    load_params(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="no such file"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.0e-4", "0.0001", ".1e-3"])
def test_numbers_mean_what_they_mean_to_dvc(tmp_path: Path, number: str) -> None:
    text = (ROOT / "profiles" / "smoke.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("learning_rate: 4e-3", f"learning_rate: {number}"))
    assert load_params(path).memnet.optimizer.learning_rate == pytest.approx(1e-4)


@given(
    features=st.integers(1, 512),
    rate=st.floats(1e-8, 10),
    kernels=st.lists(st.sampled_from(KERNELS), min_size=1, unique=True),
)
def test_good_values_survive_a_round_trip(features: int, rate: float, kernels: list[str]) -> None:
    tree = read_yaml(ROOT / "profiles" / "smoke.yaml")
    put(tree, "memnet.features", features)
    put(tree, "memnet.optimizer.learning_rate", rate)
    put(tree, "patches.memnet.degradations", kernels)
    params = parse_params(tree, source="test")
    again = parse_params(json.loads(params.model_dump_json()), source="test")
    assert again == params


def test_patches_that_are_degraded_alone_are_not_saved_as_jpeg(tree: dict) -> None:
    put(tree, "patches.srgan.degrade", "patch")
    put(tree, "patches.srgan.degradations", ["bicubic", "bicubic_jpeg"])
    with pytest.raises(SrlabError, match=r"patches\.srgan.*saves whole images, so set degrade"):
        parse_params(tree, source="params.yaml")


def test_a_layer_that_the_backbone_lacks_is_refused(tree: dict) -> None:
    put(tree, "srgan.perceptual.backbone", "vgg16")
    with pytest.raises(SrlabError) as refusal:
        parse_params(put(tree, "srgan.perceptual.layer", "relu5_4"), source="params.yaml")
    assert "vgg16 has no layer 'relu5_4'; did you mean 'relu" in str(refusal.value)
    put(tree, "srgan.perceptual.backbone", "vgg19")
    parse_params(put(tree, "srgan.perceptual.layer", "relu5_4"), source="params.yaml")
