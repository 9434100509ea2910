"""The benchmarks measure what they say, and their verdicts are right."""

import json
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
import typer
from conftest import ROOT
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from bench import limits, precision, streaming
from bench.__main__ import BENCHMARKS, _compared, main
from bench.alternation import Pairs, alternate
from bench.cases import (
    MEMNET_EPOCHS,
    MEMNET_PATCHES,
    Case,
    StepTimes,
    paper_memnet,
    paper_srresnet,
    quick_memnet,
    quick_srresnet,
)
from bench.child import in_child
from bench.comparison import better, worse
from bench.convolutions import compare as alone
from bench.convolutions import convolutions, take
from bench.docs import sections
from bench.estimate import (
    H200,
    Facts,
    imagenet_store,
    patch_bytes,
    read_facts,
    store_table,
    training_table,
)
from bench.formulas import Device, Link, Work, exchange_seconds, loaders, step, steps_of, store
from bench.goals import GOALS, verdict
from bench.gpu import rate_name
from bench.marked import has_markers, with_text, write_text
from bench.power_law import fitted_exponent, growth_of
from bench.processes import Shared, link_of
from bench.results import (
    NO_GPU,
    Row,
    kept_in_order,
    merged,
    read_growths,
    read_rows,
    signed,
    unmeasured,
    write,
)
from bench.settings import Settings
from bench.store import make_store, read_randomly
from bench.table import growth_table, results_table
from bench.training import compare
from bench.work import supervised_work
from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

RESULTS = ROOT / "bench" / "results.json"
FIELDS = {"name", "plain", "ours", "ratio", "unit", "limit_share", "machine", "command"}


def row(name: str = "walk", ratio: float | None = 2.0, **changes) -> Row:
    return replace(Row(name, "s", 4.0, 2.0, ratio, None, "a machine", "python -m bench"), **changes)


def small_case() -> Case:
    return quick_memnet().with_params(memory_blocks=1, residual_units=1, features=4, batch=4)


def test_results_are_written_and_read_again(tmp_path: Path) -> None:
    rows = [row(plain=123.456, ours=0.00123456), unmeasured("fly", "no wings")]
    write(rows, tmp_path / "results.json")
    trees = json.loads((tmp_path / "results.json").read_text())
    assert all(set(tree) == FIELDS for tree in trees)
    assert read_rows(tmp_path / "results.json") == [
        replace(rows[0], plain=123.5, ours=0.001235),
        rows[1],
    ]
    table = growth_of("size", "walking", ["near", "far"], [1, 10], "km", [600.0, 600.0])
    write([table], tmp_path / "scaling.json")
    assert read_growths(tmp_path / "scaling.json") == [table]
    assert list(tmp_path.glob("*.partial")) == []


def test_no_results_are_none_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.json") == []
    path = tmp_path / "results.json"
    for text in ("{", '[{"name": "walk"}]', "[1]", json.dumps([{**vars(row()), "more": 1}])):
        path.write_text(text)
        with pytest.raises(SrlabError, match=r"results\.json: no results of a benchmark .* run:"):
            read_rows(path)


def test_measured_rows_take_the_place_of_those_of_their_names() -> None:
    before = [row("a"), row("b"), row("c")]
    measured = [row("d"), row("b", ratio=3.0)]
    assert merged(before, measured) == [row("a"), row("b", ratio=3.0), row("c"), row("d")]
    order = ["x", "y"]
    old = [row(name, command=f"python -m bench {of}") for name, of in (("a", "y"), ("b", "x"))]
    new = [row("c", command="python -m bench x")]
    assert [r.name for r in kept_in_order(old, new, order, replacing=None)] == ["b", "c", "a"]
    assert [r.name for r in kept_in_order(old, new, order, replacing="x")] == ["c", "a"]
    assert signed([Row("a", "s")], "m", "c") == [Row("a", "s", machine="m", command="c")]


def test_a_ratio_that_is_worse_by_more_than_15_percent_is_named() -> None:
    committed = [row("a", 2.0), row("b", 2.0), row("c", 2.0), row("d", None), row("e", 9.0)]
    measured = [row("a", 1.71), row("b", 1.69), row("c", 5.0), row("d", 0.1), row("new", 0.1)]
    (complaint,) = worse(committed, measured)
    assert complaint.startswith("b: 1.69 times plain, -16% against the committed 2.00")
    (complaint,) = worse([row("a", 2.0)], [unmeasured("a", "no compiler")])
    assert complaint == "a: was 2.00 times, now not measured: no compiler"
    assert worse([row("a", 2.0)], [unmeasured("a", NO_GPU)]) == []
    assert worse([row("a", 2.0)], [row("a", 1.0, machine="b")])[0].endswith("2.00 on a machine")


def test_what_is_worse_is_measured_again_before_it_counts(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    settings = Settings(quick=True, threads=1, store_gb=1)
    with pytest.raises(SrlabError, match=r"results\.json: no results to compare with; run:"):
        _compared(["data"], settings, path)
    write([row("a", 2.0), row("b", 2.0)], path)
    given: list[list[Row]] = []
    monkeypatch.setattr("bench.__main__._measured", lambda *_: (given.pop(0), []))
    given[:] = [[row("a", 1.0), row("b", 2.0)], [row("a", 2.0), row("b", 1.0)]]
    assert _compared(["data"], settings, path) == 0
    given[:] = [[row("a", 1.0), row("b", 2.0)], [row("a", 1.1), row("b", 2.0)]]
    assert _compared(["data"], settings, path) == 1
    given[:] = [[row("a", 1.9), row("b", 2.0)]]
    assert _compared(["data"], settings, path) == 0
    assert better([row("a", 1.0)], [row("a", 2.0)]) == [row("a", 2.0)]


def test_plain_and_ours_take_turns_and_the_median_ratio_counts() -> None:
    order: list[str] = []
    rates = iter([1.0, 3.0, 2.0, 4.0, 1.0, 9.0])

    def measured(name: str) -> float:
        order.append(name)
        return next(rates)

    pairs = alternate(lambda: measured("A"), lambda: measured("B"), 3, limit=lambda: 6.0)
    assert order == ["A", "B"] * 3
    found = pairs.of_rates("walk", "km/h")
    assert (found.plain, found.ours, found.ratio, found.limit_share) == (1.0, 4.0, 3.0, 4 / 6)
    assert Pairs([4.0], [2.0]).of_costs("walk", "s").ratio == 2.0


def test_exponents_are_found_in_spite_of_noise() -> None:
    work = [10.0 * 2**k for k in range(6)]
    noise = [1.05, 0.96, 1.02, 0.97, 1.03, 0.98]
    for exponent in (0.0, 0.5, 1.0, 2.0):
        seconds = [3 * w**exponent * n for w, n in zip(work, noise, strict=True)]
        assert fitted_exponent(work, seconds) == pytest.approx(exponent, abs=0.03)


def test_the_formulas_give_what_is_worked_out_by_hand() -> None:
    # 8 processes send 7/4 of 19 MB at 450 GB/s, behind 20 microseconds.
    assert exchange_seconds(19e6, Link(450e9, 2e-5), 8) == pytest.approx(2e-5 + 7.3889e-5, rel=1e-4)
    work = Work(flops=3e9, traffic=2e7, operations=100, gradient_bytes=4e6)
    device = Device("d", flops=1e12, bandwidth=1e10, launch=1e-4)
    found = step(work, device, 0.5, Link(1e9, 0), n=4, batch=64)
    # 16 patches each: 48 GFLOP at 0.5 TFLOP/s, 320 MB at 10 GB/s, 100 starts, 3/2 of 4 MB.
    assert found.compute == pytest.approx(0.096)
    assert found.traffic == pytest.approx(0.032)
    assert found.launch == pytest.approx(0.01)
    assert found.exchange == pytest.approx(0.006)
    assert found.seconds == pytest.approx(0.102)
    assert steps_of(MEMNET_PATCHES, MEMNET_EPOCHS, 128) == 80_949  # 10,361,440 / 128 = 80,948.75
    assert loaders(consumed=1001, supplied=500) == 3
    needs = store(images=10, patches_per_image=20, patch_bytes=30, images_per_second=5)
    assert (needs.patches, needs.disk_bytes, needs.order_bytes) == (200, 6000, 1600)
    assert needs.packing_seconds == 2


def test_the_link_is_what_reproduces_its_measurement() -> None:
    shared = Shared(2, 32, 0.1, 1000, 0.002, 10**7, 0.012)
    link = link_of(shared)
    assert (link.latency, link.bandwidth) == (0.002, pytest.approx(1e9))
    assert exchange_seconds(10**7, link, 2) == pytest.approx(0.012)


def test_imagenets_patches_are_counted_by_hand() -> None:
    memnet, srgan = quick_memnet().patches, quick_srresnet().patches
    assert patch_bytes(memnet) == 31 * 31 * 4
    assert patch_bytes(srgan) == 3 * (96 * 96 + 24 * 24)
    # 350x400 pixels: 16 rows and 18 columns of patches of 31 at every 21st pixel.
    assert imagenet_store(memnet, 1.0).patches == 350_000 * 16 * 18


def test_work_is_counted_on_the_network_itself() -> None:
    network = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    work = supervised_work(network, channels=1, side=4)
    # Forward, and backward to the weights alone: the image needs no gradient.
    assert work.flops == 2 * (2 * 18 * 16)
    assert work.gradient_bytes == 4 * 18
    # At least what the convolution reads and writes, 2 bytes each: image, weights, features.
    assert work.traffic > 2 * (16 + 18 / 2 + 32)
    case = small_case()
    assert supervised_work(case.network(), 1, 31).flops == case.flops_per_patch()


@pytest.mark.parametrize("case", [small_case(), quick_srresnet()], ids=["memnet", "srresnet"])
@torch.no_grad()
def test_plain_networks_compute_what_srlabs_do(case: Case) -> None:
    torch.manual_seed(1)
    network, plain = case.network(), case.plain()
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    plain.load_state_dict(network.state_dict())
    images = torch.rand(2, 1 if isinstance(network, MemNet) else 3, 12, 9)
    for mode in (True, False):
        ours, theirs = network.train(mode)(images), plain.train(mode)(images)
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert (ours - ours.mean()).abs().max() > 0.01


@torch.no_grad()
def test_the_plain_srresnet_of_the_paper_is_srlabs() -> None:
    settings = {
        "residual_blocks": 2,
        "features": 4,
        "batch_norm": True,
        "bicubic_skip": False,
        "outer_kernel": 9,
        "upsampler": "stages",
    }
    case = quick_srresnet().with_params(**settings)
    network, plain = case.network(), case.plain()
    assert isinstance(network, SRResNet)
    plain.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 7, 5)
    assert torch.allclose(network(images), plain(images), atol=1e-6)


def test_a_training_is_measured(tmp_path: Path) -> None:
    case = small_case()
    pairs = compare(case, tmp_path, rounds=1, longest=3)
    found = pairs.of_rates("training", "patches/s")
    assert found.ratio == pytest.approx(found.ours / found.plain)
    assert min(found.plain, found.ours, found.limit_share) > 0
    _, times = case.train(tmp_path / "packed", 5)
    assert len(times.ends) == len(times.losses) == 5
    assert times.ends == sorted(times.ends)


@pytest.mark.parametrize("case", [small_case(), quick_srresnet()], ids=["memnet", "srresnet"])
def test_convolutions_alone_are_all_that_a_step_multiplies(case: Case, monkeypatch) -> None:
    # torch counts what it computes itself.
    monkeypatch.setattr("srlab.models.convolution.library", lambda loops: None)
    case = case.with_params(batch=2)
    for kind, layout in (
        (torch.float32, torch.contiguous_format),
        (torch.bfloat16, torch.channels_last),
    ):
        step = convolutions(case, kind, layout)
        with FlopCounterMode(display=False) as counter:
            results = take(step)
        assert counter.get_total_flops() == 2 * case.flops_per_patch()
        outputs, gradients = results[: len(step)], results[len(step) :]
        for convolution, output, of in zip(step, outputs, reversed(gradients), strict=True):
            assert output.shape == convolution.gradient.shape
            assert output.dtype == kind
            expected = [
                convolution.weight,
                *([] if convolution.bias is None else [convolution.bias]),
            ]
            expected += [convolution.seen] if convolution.gives_gradient else []
            assert [one.shape for one in of] == [one.shape for one in expected]
            assert [one.dtype for one in of] == [one.dtype for one in expected]
        assert [one.gives_gradient for one in step] == [False] + [True] * (len(step) - 1)


def test_a_trainings_convolutions_are_measured_against_the_limit(monkeypatch) -> None:
    # Of so small a network two seconds would take tens of thousands of steps.
    monkeypatch.setattr(Case, "round_steps", lambda self: 2)
    row = alone(small_case(), rounds=1)
    assert row.name == f"convolutions alone: {small_case().name}"
    assert row.ratio == pytest.approx(row.ours / row.plain)
    assert row.limit_share > 0


def test_steps_are_timed_by_their_losses() -> None:
    times = StepTimes()
    times.log_metrics({"validation/psnr": 30.0})
    times.log_metrics({"loss/content": 1.0, "loss/total": 2.0}, step=3)
    assert times.losses == [2.0]


def reserve(count: int) -> int:
    """Bytes that were resident before."""
    before = psutil.Process().memory_info().rss
    bytearray(b"x") * count
    return before


def test_a_childs_memory_is_its_own() -> None:
    spent = in_child(reserve, 2**28, threads=1)
    assert 2**28 <= spent.peak_bytes - spent.value + 2**20 < 2**28 + 2**26


def test_a_store_is_read_without_taking_it_into_memory(tmp_path: Path) -> None:
    folder = make_store(quick_memnet().patches, tmp_path, 8_000_000)
    written = sum(path.stat().st_size for path in folder.glob("*.npy"))
    assert 7_900_000 < written < 8_010_000
    grown, rate = read_randomly(folder)
    assert grown < 4_000_000
    assert rate > 0
    with pytest.raises(SrlabError, match=r"does not fit into the .* that are free; name"):
        make_store(quick_memnet().patches, tmp_path, 10**18)


def test_verdicts_and_tables() -> None:
    name = "training MemNet M3R3, 64 features"
    missed = row(name, 2.5, limit_share=0.8)
    assert verdict(missed) == "≥ 2 times: met; ≥ 0.85 of the limit: missed"
    assert verdict(unmeasured(name, "no")).count("not measured") == 2
    assert verdict(row()) == ""
    text = results_table([row(), missed, unmeasured("fly", "no wings")]).to_markdown()
    assert "| walk | 4 | 2 | s | 2.00 | – |  | a machine | `python -m bench` |" in text
    assert "| 80% | **≥ 2 times: met; ≥ 0.85 of the limit: missed** |" in text
    assert "| fly | – | – | not measured: no wings | – | – |" in text
    table = growth_of("size", "walking", ["near", "far"], [1, 10], "km", [600.0, 6000.0])
    text = growth_table(table).to_markdown()
    assert text.startswith("Walking: seconds grow with work to the power of 1.00:")
    assert "| far | 10 | 6000 | 0.001667 |" in text


def test_text_goes_between_its_markers(tmp_path: Path) -> None:
    text = "a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n"
    new = with_text(text, "bench", "new")
    assert new == "a\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\nb\n"
    assert with_text(new, "bench", "new") == new
    path = tmp_path / "file.md"
    path.write_text("none")
    with pytest.raises(SrlabError, match=r"file\.md: the lines <!-- bench --> and .* are missing"):
        write_text(path, {"bench": "new"})
    with pytest.raises(SrlabError, match="cannot be read"):
        write_text(tmp_path / "none.md", {"bench": "new"})
    assert path.read_text() == "none"


@pytest.fixture
def facts() -> Facts:
    """What a measurement may give."""
    rows = [
        row("matrix product: bf16 against float32", ours=200.0),
        row("memory: triad", ours=20.0),
        row("training MemNet M3R3, 64 features", limit_share=0.9),
        row("loader against PNG and Pillow, MemNet M2R2, 32 features", ours=50_000.0),
        row("loader against PNG and Pillow, SRResNet, 8 blocks of 48", ours=20_000.0),
        row("training in two processes against one, a core each"),
        row("store of 20 GB: anonymous memory"),
    ]
    images = ["2 images", "4 images"]
    packing = growth_of("number of images", "packing", images, [2, 4], "images", [0.5, 1.0])
    return Facts({r.name: r for r in rows}, {packing.name: packing})


def test_estimates_are_made_of_what_was_measured(facts: Facts) -> None:
    table = training_table(facts)
    here, one, eight, many, larger = (row for row in table.rows if row[0] == "MemNet M6R6")
    # 27.5 GFLOP a patch, 128 patches, 0.9 of 200 GFLOP/s; 80,949 steps of 19.6 s are 18.3 days.
    assert 19.3e3 < float(here[3]) < 19.8e3
    assert here[8] in ("18.1 days", "18.2 days", "18.3 days", "18.4 days")
    assert [r[1] for r in (one, eight, many, larger)] == ["1 H200", "8 H200", "64 H200", "64 H200"]
    assert float(one[3]) == pytest.approx(8 * float(eight[3]), rel=0.02)
    assert int(larger[2]) == 64 * int(many[2])
    assert any("Not measured on a GPU: MemNet M6R6, " in note for note in table.notes)
    rate = 0.45 * H200.flops / paper_memnet().flops_per_patch()
    name = "training on a GPU, MemNet M6R6, 64 features, 3x3 gates"
    measured = Row(name, "patches/s", 1.0, rate, rate, 0.45)
    with_gpu = Facts({**facts.rows, measured.name: measured}, facts.growths)
    slower = next(r for r in training_table(with_gpu).rows if r[1] == "1 H200")
    assert float(slower[3]) == pytest.approx(2 * float(one[3]), rel=0.01)


def test_an_adversarial_training_borrows_what_its_generator_reaches(facts: Facts) -> None:
    rows = [
        Row(rate_name(case), "patches/s", 1.0, 1000.0, 1000.0, 0.25)
        for case in (paper_memnet(), paper_srresnet())
    ]
    measured = Facts({**facts.rows, **{r.name: r for r in rows}}, facts.growths)
    notes = [n for n in training_table(measured).notes if n.startswith("Not measured on a GPU")]
    assert len(notes) == 1
    assert notes[0].startswith("Not measured on a GPU: SRGAN. It is taken to reach the share")
    (memnet, _) = store_table(facts).rows
    assert memnet[1:4] == ["100.8 million", "387 GB", "806 MB"]
    assert memnet[4] == "24.3 h"  # 350,000 images at 4 a second


def test_estimates_without_measurements_say_what_to_run() -> None:
    with pytest.raises(SrlabError, match=r"has not been measured; run: python -m bench"):
        training_table(Facts({}, {}))
    with pytest.raises(SrlabError, match=r"has not been measured; run: python -m bench growth"):
        store_table(Facts({}, {}))


def test_bf16_is_not_measured_where_it_is_emulated(monkeypatch) -> None:
    quick = Settings(quick=True, threads=1, store_gb=1)
    asked: list[torch.dtype] = []
    for name in ("limits", "precision", "streaming"):
        monkeypatch.setattr(f"bench.{name}.computes_bf16", lambda device: False)
    monkeypatch.setattr(limits, "matrix_rate", asked.append)
    monkeypatch.setattr(limits, "_BYTES", 2**20)
    rows = {row.name: row for row in limits.measure(quick)}
    assert rows[limits.MATRIX_PRODUCT].unit == "not measured: the processor emulates bf16"
    assert rows[limits.TRIAD].ours is not None
    assert asked == []
    for row in (*precision.measure(quick), streaming.by_default(1, quick.threads)):
        assert row.unit == "not measured: the processor emulates bf16"


def test_an_unknown_benchmark_is_refused() -> None:
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["trainin"])
    assert isinstance(result.exception, SrlabError)
    assert "trainin: no such benchmark; did you mean 'training'?" in str(result.exception)


def test_every_benchmark_is_there() -> None:
    for name in BENCHMARKS:
        assert (ROOT / "bench" / f"{name}.py").is_file()


committed = pytest.mark.skipif(not RESULTS.is_file(), reason="nothing measured yet")


@committed
def test_every_goal_is_of_a_row() -> None:
    rows = read_rows(RESULTS)
    if any("--quick" in row.command for row in rows):
        pytest.skip("a quick run does not have all rows")
    assert set(GOALS) <= {row.name for row in rows}


@committed
def test_the_readmes_table_is_that_of_the_results() -> None:
    text = (ROOT / "README.md").read_text()
    if not has_markers(text, "bench"):
        pytest.skip("README.md has no markers for it")
    table = results_table(read_rows(RESULTS)).to_markdown()
    assert with_text(text, "bench", table) == text, "run: python -m bench --readme"


@committed
def test_the_tables_of_the_docs_are_those_of_the_results() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    new = text
    for name, content in sections(read_facts(ROOT / "bench")).items():
        new = with_text(new, name, content)
    assert new == text, "run: python -m bench --docs"
