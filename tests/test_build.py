"""The report, from a small run that was made up: one image, untrained networks."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, make_photo

from srlab.costs import measured
from srlab.data.images import write_png
from srlab.errors import SrlabError
from srlab.evaluation import evaluate, write_scores
from srlab.inference.upscalers import Interpolation, network_upscaler
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import Params, TeacherParams
from srlab.report.build import Sources, build_report
from srlab.tracking import SilentRun
from srlab.training.curves import Curves
from srlab.weights import make_card, save_weights

MEMNET = {"memory_blocks": 1, "residual_units": 1, "features": 2}
SRRESNET = {"scale": 4, "residual_blocks": 1, "features": 2, "bicubic_skip": True}


@pytest.fixture(scope="module")
def params(smoke: Params) -> Params:
    data = smoke.data.model_copy(update={"test": ["made"]})
    evaluated = smoke.evaluate.model_copy(update={"protocols": ["y", "y_rgb8", "paper"]})
    return smoke.model_copy(update={"data": data, "evaluate": evaluated})


@pytest.fixture(scope="module")
def run(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Everything that the stages before the report leave."""
    root = tmp_path_factory.mktemp("run")
    images = root / "images" / "made"
    images.mkdir(parents=True)
    for name in ("page", "photo"):
        write_png(images / f"{name}.png", make_photo(70, 90, seed=len(name)))
    metrics = root / "metrics"
    (metrics / "studies").mkdir(parents=True)
    networks = {
        "memnet": (MemNet(**MEMNET), "memnet", MEMNET, [4]),
        "srresnet": (SRResNet(**SRRESNET), "srresnet", SRRESNET, [4]),
        "srgan": (SRResNet(**SRRESNET), "srresnet", SRRESNET, [4]),
    }
    upscalers = {name: lambda _, n=name: Interpolation(n) for name in ("nearest", "bicubic")}
    for name, (network, architecture, hyperparameters, scales) in networks.items():
        card = make_card(architecture, hyperparameters, scales, {}, "d" * 64, "f" * 16)
        save_weights(network, card, root / "models" / f"{name}.safetensors")
        upscalers[name] = lambda _, n=network, c=card: network_upscaler(n, c)
        curves = Curves(SilentRun())
        curves.log_metrics({"loss/content": 0.5, "loss/total": 0.5}, step=0)
        curves.write(metrics / "curves" / name)
        with measured(metrics / "costs" / f"train_{name}.json") as cost:
            cost |= {"parameters": 1234, "mlflow_run_id": f"run-{name}"}
    for name, upscaler in upscalers.items():
        scores = evaluate(
            upscaler, params.evaluate, [images], root / "results" / name, PerceptualMetrics(None)
        )
        made_by = dict.fromkeys(
            ("weights_sha256", "params_sha256", "data_sha256", "git_commit", "mlflow_run_id")
        )
        table = metrics / "per_image" / f"{name}.csv"
        write_scores(scores, made_by, metrics / f"{name}.json", table)
    for name in ("memnet", "srgan"):
        (metrics / f"patches_{name}.json").write_text(json.dumps({"patches": 4321}))
    return Sources(
        metrics=metrics,
        images=root / "images",
        results=root / "results",
        models=root / "models",
        published=ROOT / "data" / "published.yaml",
        studies=ROOT / "pipeline" / "studies.yaml",
    )


@pytest.fixture
def sources(run: Sources, tmp_path: Path) -> Sources:
    """A copy, to take things out of."""
    root = tmp_path / "run"
    shutil.copytree(run.metrics.parent, root)
    folders = {name: root / name for name in ("metrics", "images", "results", "models")}
    return Sources(**folders, published=run.published, studies=run.studies)


def built(params: Params, sources: Sources, output: Path) -> str:
    build_report(params, sources, output)
    return (output / "index.html").read_text()


def test_everything_is_in_the_report(params: Params, sources: Sources, tmp_path: Path) -> None:
    html = built(params, sources, tmp_path / "report")
    for heading in ("Results", "Table 1", "Figures", "Studies", "Training", "Costs", "Model cards"):
        assert heading in html
    for number in range(1, 8):
        assert f"Figure {number}" in html
    assert "python -m pipeline.study perceptual_weight" in html  # Figure 5 was not run
    assert "4,321 patches" in html
    assert "1,234" in html
    for name in ("strips/made/photo.png", "cards/memnet.md", "cards/srgan.md"):
        assert (tmp_path / "report" / name).is_file()
    assert list((tmp_path / "report" / "figures" / "figure2").glob("made_*_srgan.png"))
    for name in ("table1.json", "table1.csv", "table1.md", "report.md"):
        assert (sources.metrics / name).is_file()


def test_the_report_is_not_wider_than_a_phone(params, sources, tmp_path, browser) -> None:
    built(params, sources, tmp_path / "report")
    tab = browser.new_page(viewport={"width": 360, "height": 740})
    tab.goto((tmp_path / "report" / "index.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    tab.close()


def test_srgans_card_warns_of_invented_texture(params, sources, tmp_path) -> None:
    built(params, sources, tmp_path / "report")
    cards = tmp_path / "report" / "cards"
    assert "invents texture" in (cards / "srgan.md").read_text()
    assert "invents texture" not in (cards / "srresnet.md").read_text()
    assert "[" in (cards / "memnet.md").read_text().partition("## Limits")[0]  # intervals


def test_a_card_says_what_a_training_went_on_from(params, sources, tmp_path) -> None:
    teacher = TeacherParams(model="srresnet_tuned", weight=1.0)
    srresnet = params.srresnet.model_copy(update={"start": "srresnet", "teacher": teacher})
    cut = params.patches.srgan.model_copy(update={"augment_scales": [0.9, 0.75]})
    patches = params.patches.model_copy(update={"srgan": cut})
    changes = {"srresnet": srresnet, "patches": patches}
    built(params.model_copy(update=changes), sources, tmp_path / "report")
    cards = tmp_path / "report" / "cards"
    text = (cards / "srresnet.md").read_text()
    assert "4,321 patches of the images and of copies at 0.9, 0.75 of their size; factors" in text
    assert "- trained on from: srresnet" in text
    assert "- taught by: srresnet_tuned+" in text
    assert "trained on from" not in (cards / "srgan.md").read_text()
    assert "taught by" not in (cards / "srgan.md").read_text()
    assert "4,321 patches; factors" in (cards / "memnet.md").read_text()


def test_what_is_missing_is_said_with_its_remedy(params, sources, tmp_path) -> None:
    for path in (
        sources.metrics / "srgan.json",
        sources.metrics / "per_image" / "srgan.csv",
        sources.models / "srgan.safetensors",
    ):
        path.unlink()
    shutil.rmtree(sources.metrics / "curves" / "srgan")
    shutil.rmtree(sources.metrics / "costs")
    html = built(params, sources, tmp_path / "report")
    assert "srgan was not run; run: dvc repro" in html
    assert "set5 and set14 were not scored" in html
    assert "ALEX and LPIPS were not computed" in html
    assert "No stage has left a cost card yet" in html
    assert "dvc repro selfcheck" in html


def test_an_empty_project_has_a_report_that_says_so(params, sources, tmp_path) -> None:
    shutil.rmtree(sources.metrics)
    shutil.rmtree(sources.models)
    html = built(params, sources, tmp_path / "report")
    assert "Nothing was scored yet" in html


@pytest.mark.parametrize(
    "name",
    [
        "memnet.json",
        "per_image/srgan.csv",
        "costs/train_memnet.json",
        "curves/memnet/losses.csv",
        "patches_memnet.json",
        "selfcheck.json",
        "studies/depth.json",
    ],
)
def test_a_corrupt_file_is_named(params, sources, tmp_path, name: str) -> None:
    (sources.metrics / name).write_text("{\n")
    with pytest.raises(SrlabError, match=Path(name).name.replace(".", r"\.")) as refused:
        built(params, sources, tmp_path / "report")
    assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "report" / "index.html").exists()
