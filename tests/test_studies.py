"""Studies: their YAML, their arms, what they are compared by, and one run through DVC's queue."""

import contextlib
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import yaml
from clones import ENVIRONMENT, clone, commit, run
from conftest import ROOT, make_photo

from srlab.data.color import luma, quantize
from srlab.data.images import read_pixels
from srlab.data.kernels import Kernel
from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import evaluate
from srlab.inference.upscalers import EnlargedLuma, EnlargingRgb, Interpolation
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.metrics.protocols import PROTOCOLS
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import EvaluateParams
from srlab.strict_yaml import read_yaml
from srlab.studies import load_study, running
from srlab.studies.arms import Arm, budget_overrides, make_arms, parse_override, with_overrides
from srlab.studies.collect import differences
from srlab.studies.fingerprint import experiment_name, source_hashes
from srlab.studies.plan import Plan, load_plan
from srlab.studies.queue import State
from srlab.studies.result import ArmResult, Study, write_study
from srlab.studies.running import run_arms

STUDIES = ROOT / "pipeline" / "studies.yaml"
NAMES = list(yaml.safe_load(STUDIES.read_text()))
QUICK = read_yaml(ROOT / "profiles" / "quick.yaml")
MADE_BY_KERNEL: list[tuple[str, Kernel]] = [
    ("y_bilinear", "bilinear"),
    ("y_box", "box"),
    ("y_lanczos", "lanczos"),
    ("y_nearest", "nearest"),
    ("y_bicubic_aliased", "bicubic_aliased"),
]


def test_the_studies_of_the_paper_are_there() -> None:
    assert set(NAMES) == {
        "depth", "supervision", "resampling", "perceptual_weight", "patch_size", "dropout",
        "gate_kernel", "bicubic_skip", "schedule", "depth_at_equal_time", "specialist",
        "scaled_copies", "teaching",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_every_arm_is_a_valid_change_of_the_params(name: str, profile: str) -> None:
    plan = load_plan(STUDIES, name)
    tree = read_yaml(ROOT / "profiles" / f"{profile}.yaml")
    # The paper's schedule counts epochs.
    unit = "epochs" if name == "schedule" else "steps"
    arms = make_arms(plan, tree, budget_overrides(plan, **{unit: 300}), source=name)
    assert [arm.name for arm in arms] == list(plan.arms)
    for arm in arms:
        for section in plan.budget:
            budget = getattr(arm.params, section).budget
            assert budget.model_dump(exclude_none=True) == {unit: 300}
    assert len({json.dumps(arm.params.model_dump()) for arm in arms}) == len(arms)


@pytest.mark.parametrize("name", NAMES)
def test_the_target_is_a_stage_that_writes_the_scores(name: str) -> None:
    plan = load_plan(STUDIES, name)
    stage, _, item = plan.target.partition("@")
    text = json.dumps(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage])
    for file in ("metrics/{}.json", "metrics/per_image/{}.csv", "results/{}"):
        assert file.format("${item}" if item else plan.method) in text
    assert item in ("", plan.method)


def plan_of(**changes: object) -> dict:
    return {
        "title": "Width",
        "question": "Is wider better?",
        "paper": "It says nothing.",
        "target": "evaluate@memnet",
        "method": "memnet",
        "budget": ["memnet"],
        "arms": {"four": {"memnet.features": 4}, "five": {"memnet.features": 5}},
        "against": "four",
        "decision": {"metric": "psnr", "protocols": ["y_rgb8"], "scales": [4]},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"agianst": "four"}, "width: agianst: unknown key; did you mean 'against'?"),
        ({"against": "fuor"}, "'fuor' is no arm; did you mean 'four'?"),
        ({"arms": {"a/b": {}, "b": {}}}, "arms.a/b"),
        ({"arms": {"truth": {}, "four": {}}}, "'truth'"),
        (
            {"decision": {"metric": "psmr", "protocols": ["y"], "scales": [4]}},
            "did you mean 'psnr'?",
        ),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(tmp_path: Path, changes, complaint) -> None:
    path = tmp_path / "studies.yaml"
    path.write_text(yaml.safe_dump({"width": plan_of(**changes)}))
    with pytest.raises(SrlabError) as refused:
        load_plan(path, "width")
    assert len(str(refused.value).splitlines()) == 1
    assert complaint in str(refused.value)


def test_an_unknown_study_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SrlabError, match=r"no study 'dept'; did you mean 'depth'\?"):
        load_plan(STUDIES, "dept")


@pytest.mark.parametrize(
    ("shared", "complaint"),
    [
        ({"memnet.featurs": 3}, r"arm four: memnet.featurs: unknown key; did you mean 'features'"),
        ({"memnet.features": 3}, r"memnet.features is what the arms differ in"),
        ({"memnet.batch": "many"}, r"arm four: memnet.batch: .*'many' \(str\)"),
        ({"memnet.batch.size": 3}, r"memnet.batch.size: batch has no keys"),
        ({"evaluate.scales": [4], "evaluate.protocols": ["y"]}, "y_rgb8"),
        ({"report.scale": 2, "evaluate.scales": [2]}, r"decides by 4, which is not in"),
    ],
)
def test_a_wrong_change_is_refused_with_its_key(shared, complaint) -> None:
    with pytest.raises(SrlabError, match=complaint):
        make_arms(Plan.model_validate(plan_of()), QUICK, shared, source="width")


def test_overrides_are_read_as_dvc_reads_params() -> None:
    assert parse_override("a.b=1e-4") == ("a.b", 1e-4)
    assert parse_override("a=[x, 2]") == ("a", ["x", 2])
    for text, value in (("null", None), ("0", 0), ("false", False), ("", None), ("x y", "x y")):
        assert parse_override(f"a={text}") == ("a", value)
    assert with_overrides({"a": {"b": 1}}, {"a.b": 2}, source="x") == {"a": {"b": 2}}
    with pytest.raises(SrlabError, match="key=value"):
        parse_override("memnet.features")
    with pytest.raises(SrlabError, match="no YAML"):
        parse_override("a=[1")
    with pytest.raises(SrlabError, match="exclude each other"):
        budget_overrides(Plan.model_validate(plan_of()), steps=3, minutes=1.0)


def test_an_experiment_is_the_same_for_what_it_depends_on_only() -> None:
    plan = Plan.model_validate(plan_of())

    def names(shared: dict, sources: dict, device: str = "a processor") -> list[str]:
        arms = make_arms(plan, QUICK, shared, source="width")
        return [experiment_name("width", arm, sources, device) for arm in arms]

    same = names({}, {"code": "1"})
    assert len(set(same)) == 2
    assert same[0].startswith("width-four-")
    assert names({"report.crop": 32}, {"code": "1"}) == same
    assert not set(names({"trainer.seed": 2}, {"code": "1"})) & set(same)
    assert not set(names({}, {"code": "2"})) & set(same)
    assert not set(names({}, {"code": "1"}, "another")) & set(same)


def test_sources_are_the_code_and_catalogs_of_the_stages_and_nothing_else() -> None:
    with contextlib.chdir(ROOT):
        sources = source_hashes(ROOT, "evaluate@memnet")
    assert {"data/datasets.yaml", "src/srlab/training/memnet.py", "pipeline/evaluate.py"} <= set(
        sources
    )
    assert not {"params.yaml", "src/srlab/training/srgan.py", "pipeline/report.py"} & set(sources)
    assert not [name for name in sources if name.startswith(("data/raw", "models", "metrics"))]
    with (
        contextlib.chdir(ROOT),
        pytest.raises(SrlabError, match="stage evaluate@memnat cannot be run"),
    ):
        source_hashes(ROOT, "evaluate@memnat")


@pytest.mark.parametrize(("name", "kernel"), MADE_BY_KERNEL)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_protocol_makes_its_image_with_its_kernel(name, kernel, scale) -> None:
    image = to_tensor(make_photo(50, 61)).double()
    lr, hr = PROTOCOLS[name].pair(image, scale)
    truth = quantize(luma(image[..., : 50 // scale * scale, : 61 // scale * scale]))
    assert torch.equal(hr, truth)
    assert torch.equal(lr, resample(truth, scale=1 / scale, kernel=kernel))
    assert not PROTOCOLS[name].round_lr
    assert lr.shape[-2:] == (50 // scale, 61 // scale)


def test_under_every_kernel_an_untrained_memnet_is_bicubic(photos: Path, tmp_path: Path) -> None:
    params = EvaluateParams(
        scales=[2, 4], protocols=[name for name, _ in MADE_BY_KERNEL], strength=1.0
    )
    network = MemNet(memory_blocks=1, residual_units=1, features=2)
    scored = [
        evaluate(method, params, [photos], tmp_path, PerceptualMetrics(None))
        for method in (lambda _: EnlargedLuma(network), lambda p: Interpolation(p.kernel))
    ]
    assert len(scored[0]) == 5 * 2 * 3
    for ours, bicubic in zip(*scored, strict=True):
        assert (ours.protocol, ours.image, ours.scale) == (
            bicubic.protocol, bicubic.image, bicubic.scale,
        )  # fmt: skip
        assert ours.psnr == pytest.approx(bicubic.psnr, abs=0.01)
    rgb = EnlargingRgb(SRResNet(scale=4, residual_blocks=1, features=2), 4)
    assert evaluate(lambda _: rgb, params, [photos], tmp_path, PerceptualMetrics(None)) == []


def arm_result(name: str, values: dict[str, float | None]) -> ArmResult:
    return ArmResult(
        name=name, overrides={"memnet.features": 4}, experiment=f"width-{name}-0", commit="0",
        mlflow_run_id=None, weights_sha256=None, params_sha256=None, data_sha256=None,
        git_commit=None, seconds=None, scores={"y": {"made": {"x4": {"psnr": 30.0, "alex": None}}}},
        per_image={"y": {"made": {"x4": values}}}, pictures={},
    )  # fmt: skip


def study(arms: list[ArmResult]) -> Study:
    return Study(
        study="width", title="Width", question="?", paper="-", metric="psnr",
        budget={"steps": 3}, overrides={"memnet.batch": 2}, params_sha256="0", git_commit=None,
        device="a processor", arms=arms, differences=differences(arms, arms[0].name, "psnr"),
        truth={},
    )  # fmt: skip


def test_arms_are_compared_image_by_image() -> None:
    base = arm_result("four", {"a": 30.0, "b": 20.0, "c": None})
    (difference,) = differences([base, arm_result("five", {"c": 1.0, "b": 21.0, "a": 33.0})],
                                "four", "psnr")  # fmt: skip
    assert (difference.arm, difference.against, difference.images) == ("five", "four", 2)
    assert difference.mean == pytest.approx(2.0)
    assert (difference.low, difference.high) == (1.0, 3.0)
    assert differences([base, arm_result("five", dict.fromkeys("abc"))], "four", "psnr") == []
    with pytest.raises(SrlabError, match="different images of made"):
        differences([base, arm_result("five", {"a": 1.0})], "four", "psnr")


def test_a_result_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "width.json"
    ours = study([arm_result("four", {"a": 30.0, "b": 1.0}), arm_result("five", {"a": 1, "b": 2})])
    write_study(ours, path)
    assert load_study(path) == ours
    assert load_study(path).arm("five").experiment == "width-five-0"
    assert [file.name for file in path.parent.iterdir()] == ["width.json"]


@pytest.mark.parametrize("damage", [lambda text: text[:40], lambda text: "{}", lambda text: "[1]"])
def test_a_corrupt_result_is_named_in_one_line(tmp_path: Path, damage) -> None:
    path = tmp_path / "width.json"
    write_study(study([arm_result("four", {"a": 30.0}), arm_result("five", {"a": 1.0})]), path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(SrlabError) as refused:
        load_study(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "python -m pipeline.study width" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(SrlabError, match=r"gone\.json: not a study's result"):
        load_study(tmp_path / "gone.json")


class FakeQueue:
    """Experiments that end as they are told to, one look after they were put in."""

    def __init__(self, failing: list[str], waiting: list[str] | None = None) -> None:
        self.failing, self.waiting = failing, waiting or []
        self.entries: list[str] = []
        self.done: dict[str, str] = {}
        self.stopped = self.dismissed = False

    def put(self, name: str, target: str, overrides: list[str]) -> None:
        self.entries.append(name)

    def start(self, jobs: int) -> None:
        self.done = {name: f"commit of {name}" for name in self.entries if name not in self.failing}

    def states(self, names: list[str]) -> dict[str, State]:
        return {name: "failed" if name in self.failing else "absent" for name in names}

    def others(self, names: list[str]) -> list[str]:
        return self.waiting

    def log(self, name: str) -> list[str]:
        return ["starting", "error: no disk"]

    def workers(self) -> list[int]:
        return [1]

    def forget(self, names: list[str]) -> None: ...

    def stop(self, names: list[str]) -> None:
        self.stopped = True

    def dismiss(self) -> None:
        self.dismissed = True


@pytest.fixture
def two_arms(smoke) -> dict[str, Arm]:
    return {f"width-{name}-0": Arm(name, {}, {}, smoke) for name in ("four", "five")}


def run_faked(queue: FakeQueue, arms, monkeypatch, **options) -> tuple[dict[str, str], list[str]]:
    said: list[str] = []
    monkeypatch.setattr(running, "finished", lambda names: queue.done)
    options = {"jobs": 1, "with_others": False, **options}
    return run_arms(arms, "target", queue, say=said.append, **options), said  # type: ignore[arg-type]


def test_a_failed_arm_is_named_with_the_end_of_its_log(two_arms, monkeypatch) -> None:
    queue = FakeQueue(failing=["width-five-0"])
    with pytest.raises(SrlabError, match=r"1 of 2 arms failed: width-five-0"):
        run_faked(queue, two_arms, monkeypatch)


def test_others_experiments_are_not_started_unasked(two_arms, monkeypatch) -> None:
    queue = FakeQueue(failing=[], waiting=["somebody"])
    with pytest.raises(SrlabError, match="DVC's queue holds somebody"):
        run_faked(queue, two_arms, monkeypatch)
    assert queue.entries == []
    commits, said = run_faked(queue, two_arms, monkeypatch, with_others=True)
    assert set(commits) == set(two_arms)
    assert any(line.startswith("five: done") for line in said)
    assert queue.dismissed


STUDY = ["python", "-m", "pipeline.study", "width"]
NEEDED = [
    "download_train@sample_train", "patches@memnet", "download_test@sample_test",
    "backbone@metrics", "selfcheck",
]  # fmt: skip
"""The stages that the arms build on."""


@pytest.fixture(scope="module")
def studied(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which a tiny study has run, on patches and images that were there."""
    folder = clone(repository, tmp_path_factory.mktemp("study") / "clone")
    run(folder, "dvc", "pull", "-q", *NEEDED)
    plan = plan_of(pictures={"images": ["coffee", "butterfly"], "scale": 4, "side": 48})
    (folder / "pipeline" / "studies.yaml").write_text(
        yaml.safe_dump({"width": plan}, sort_keys=False)
    )
    commit(folder, "a tiny study")
    said = run(folder, *STUDY, "--steps", "4", "-S", "memnet.batch=2")
    for arm in ("four", "five"):
        assert f"{arm}: queued as width-{arm}-" in said
        assert f"{arm}: done" in said
    return folder


def experiments(folder: Path) -> list[str]:
    references = run(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps")
    return sorted(line for line in references.splitlines() if "/width-" in line)


def test_the_study_writes_its_result(studied: Path) -> None:
    result = load_study(studied / "metrics" / "studies" / "width.json")
    assert [arm.name for arm in result.arms] == ["four", "five"]
    assert [arm.overrides for arm in result.arms] == [{"memnet.features": n} for n in (4, 5)]
    assert result.budget == {"steps": 4}
    assert result.overrides["memnet.batch"] == 2
    for arm in result.arms:
        cell = arm.scores["y_rgb8"]["sample_test"]["x4"]
        per_image = arm.per_image["y_rgb8"]["sample_test"]["x4"]
        values = [value for value in per_image.values() if value is not None]
        assert cell["psnr"] == pytest.approx(sum(values) / 4, abs=1e-5)
        assert arm.seconds is not None
        picture = read_pixels(studied / "metrics" / "studies" / "width" / arm.pictures["coffee"])
        assert picture.shape == (48, 48, 3)
        kept = yaml.safe_load(run(studied, "git", "show", f"{arm.commit}:params.yaml"))
        assert kept["memnet"]["features"] == arm.overrides["memnet.features"]
        assert kept["memnet"]["budget"] == {"epochs": None, "steps": 4, "minutes": None}
    assert len({arm.weights_sha256 for arm in result.arms}) == 2
    assert set(result.truth) == {"coffee"}
    (difference,) = result.differences
    assert (difference.arm, difference.against, difference.images) == ("five", "four", 4)


def test_only_the_stages_that_the_target_needs_have_run(studied: Path) -> None:
    result = load_study(studied / "metrics" / "studies" / "width.json")
    ran = set()
    for arm in result.arms:
        log = run(studied, "dvc", "queue", "logs", arm.experiment)
        ran |= {line.split("'")[1] for line in log.splitlines() if "Running stage" in line}
    assert ran == {"train_memnet", "evaluate@memnet"}
    assert not (studied / "models").exists()


def test_a_second_run_runs_nothing_and_writes_the_same(studied: Path) -> None:
    path = studied / "metrics" / "studies" / "width.json"
    before, there = path.read_bytes(), experiments(studied)
    said = run(studied, *STUDY, "--steps", "4", "-S", "memnet.batch=2")
    assert said.count("there already") == 2
    assert "queued" not in said
    assert path.read_bytes() == before
    assert experiments(studied) == there


def test_ctrl_c_ends_the_workers_and_empties_the_queue(studied: Path) -> None:
    there = experiments(studied)
    process = subprocess.Popen(
        [*STUDY, "--steps", "1000000"],
        cwd=studied, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "four: started" in line:
            break
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    status = run(studied, "dvc", "queue", "status")
    assert "Running" not in status
    assert "Queued" not in status
    assert "Worker status: 0 active, 0 idle" in status
    assert experiments(studied) == there
    assert not list((studied / ".dvc" / "tmp" / "exps").glob("tmp*"))


def test_files_that_git_does_not_know_are_refused(studied: Path) -> None:
    run(studied, "git", "rm", "-q", "--cached", "src/srlab/models/memnet.py")
    try:
        said = run(studied, *STUDY, "--steps", "5", code=2)
    finally:
        run(studied, "git", "reset", "-q")
    assert "run: git add src/srlab/models/memnet.py" in said


def test_what_git_knows_of_the_clone_is_unchanged(studied: Path) -> None:
    assert run(studied, "git", "status", "--porcelain", "--untracked-files=no") == ""
