"""Numbers in the documents are those of the metrics in git."""

import csv
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from srlab.params import load_params
from srlab.strict_yaml import read_yaml
from srlab.upscaling.jpeg_advice import VISIBLE_UP_TO
from srlab.zoo.registry import Entry, load_registry

REPRODUCTION = (ROOT / "docs" / "reproduction.md").read_text()
README = (ROOT / "README.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
RELEASED = ROOT / "metrics" / "released"
STUDIES = ROOT / "metrics" / "studies"
RELEASED_MODELS = ROOT / "src" / "srlab" / "zoo" / "released"
INFERENCE_MODES = ROOT / "metrics" / "inference_modes"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def cell(
    method: str,
    dataset: str,
    scale: int,
    metric: str,
    protocol: str = "paper",
    folder: Path = RELEASED,
) -> float:
    return read(folder / f"{method}.json")[protocol][dataset][f"x{scale}"][metric]


def on_set14(study: str, metric: str, protocol: str = "y") -> list[float]:
    """Of each arm at x4."""
    return [
        arm["scores"][protocol]["set14"]["x4"][metric]
        for arm in read(STUDIES / f"{study}.json")["arms"]
    ]


def difference(study: str, protocol: str) -> float:
    """Of two arms, on Set14 at x4."""
    return next(
        found["mean"]
        for found in read(STUDIES / f"{study}.json")["differences"]
        if (found["protocol"], found["dataset"], found["scale"]) == (protocol, "set14", 4)
    )


def interval(study: str, arm: str, dataset: str) -> str:
    """`+0.08 dB [+0.05, +0.12]`: what an arm gains at x4, as the text gives it."""
    found = next(
        d
        for d in read(STUDIES / f"{study}.json")["differences"]
        if (d["arm"], d["dataset"], d["scale"]) == (arm, dataset, 4)
    )
    mean, low, high = (f"{found[key]:+.2f}" for key in ("mean", "low", "high"))
    return f"{mean} dB [{low}, {high}]"


def decimals(values: list[float], digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in values]


def test_the_interpolations_are_those_that_were_scored() -> None:
    psnr = [cell(method, "set5", 4, "psnr") for method in ("nearest", "bicubic")]
    assert f"| {', '.join(decimals(psnr, 2))} |" in REPRODUCTION
    alex = [cell("bicubic", dataset, 4, "alex") for dataset in ("set5", "set14")]
    assert f"| {', '.join(decimals(alex, 3))} |" in REPRODUCTION
    assert f"ALEX of nearest: {cell('nearest', 'set5', 4, 'alex'):.3f} here" in REPRODUCTION


def test_what_networks_reach_under_the_papers_protocol_is_what_was_scored() -> None:
    text = " ".join(REPRODUCTION.split())
    papers = {2: (32.43, 29.07), 3: (30.37, 26.95), 4: (28.53, 25.44)}
    above = []
    for scale, paper in papers.items():
        bicubic, memnet, aliased = (
            [cell(method, dataset, scale, "psnr") for dataset in ("set5", "set14")]
            for method in ("bicubic", "memnet", "memnet_aliased")
        )
        cells = [" / ".join(decimals(list(pair), 2)) for pair in (bicubic, paper, aliased)]
        assert f"| x{scale} | {' | '.join(cells)} |" in REPRODUCTION
        assert all(m < b < a for m, b, a in zip(memnet, bicubic, aliased, strict=True))
        above.append([a > p for a, p in zip(aliased, paper, strict=True)])
    assert above == [[True, True], [False, False], [False, False]]
    assert "x2 is above the paper, x3 and x4 are below it" in text
    assert f"with {cell('memnet', 'set5', 4, 'psnr'):.2f} dB on Set5 at x4" in text
    own = [cell("memnet_aliased", dataset, 4, "psnr", "y") for dataset in ("set5", "set14")]
    assert f"`memnet_aliased` has {' / '.join(decimals(own, 2))} dB at x4" in text


def test_the_studies_are_those_that_were_run() -> None:
    text = " ".join(REPRODUCTION.split())
    steps = read(STUDIES / "depth.json")["budget"]["steps"]
    minutes = read(STUDIES / "depth_at_equal_time.json")["budget"]["minutes"]
    same_steps, same_time = (
        ", ".join(decimals(on_set14(study, "psnr"), 2))
        for study in ("depth", "depth_at_equal_time")
    )
    expected = (
        f"{same_steps} dB after {steps} steps each, {same_time} after {minutes:g} minutes each"
    )
    assert f"on Set14 under `y`, 32 features: {expected}" in text
    for study in ("depth", "depth_at_equal_time"):
        found = [d for d in read(STUDIES / f"{study}.json")["differences"] if d["protocol"] == "y"]
        assert len(found) == 4
        assert all(d["high"] < 0 for d in found)
    assert f"every memory costs {interval('supervision', 'multi', 'set14')} on Set14" in text
    assert f"instead of 1x1 give {interval('gate_kernel', 'gates3', 'set14')} on Set14" in text
    assert all(d["low"] > 0 for d in read(STUDIES / "dropout.json")["differences"])
    assert all(d["high"] < 0 for d in read(STUDIES / "patch_size.json")["differences"])
    small, large = (arm["seconds"] for arm in read(STUDIES / "patch_size.json")["arms"])
    assert 1.7 < large / small < 2.3
    aliased, nearest, own = (
        f"{difference('resampling', f'y{kernel}'):+.2f}"
        for kernel in ("_bicubic_aliased", "_nearest", "")
    )
    steps = read(STUDIES / "resampling.json")["budget"]["steps"]
    assert (
        f"{aliased} dB on aliased bicubic and {nearest} on nearest on Set14 at x4, "
        f"{own} on bicubic itself, after {steps} steps" in REPRODUCTION
    )


def test_what_the_papers_schedule_leaves_unlearnt_is_what_was_measured() -> None:
    text = " ".join(TRAINING.split())
    study = read(STUDIES / "schedule.json")
    assert study["budget"] == {"epochs": 40}
    for said, arm in (("with a cosine,", "cosine"), ("with AdamW", "adamw")):
        assert f"{interval('schedule', arm, 'set14')} {said}" in text


def test_what_shrunk_copies_are_worth_is_what_was_measured() -> None:
    on = [interval("scaled_copies", "with_copies", dataset) for dataset in ("set5", "set14")]
    assert f"{on[0]} on Set5 and {on[1]} on Set14" in " ".join(TRAINING.split())


def test_a_specialist_reaches_what_was_measured() -> None:
    text = " ".join(REPRODUCTION.split())
    study = read(STUDIES / "specialist.json")
    mix, own = (
        " / ".join(
            f"{arm['scores']['paper'][name]['x4']['psnr']:.2f}" for name in ("set5", "set14")
        )
        for arm in study["arms"]
    )
    assert f"and only that, has {own} dB; the same on the mix has {mix}" in text
    assert f"on Set14 is {interval('specialist', 'specialist', 'set14')}" in text
    papers = (28.53, 25.44)
    for arm in study["arms"]:
        for name, paper in zip(("set5", "set14"), papers, strict=True):
            assert arm["scores"]["paper"][name]["x4"]["psnr"] < paper - 1


def test_the_papers_memnet_fits_antialiased_images_as_the_document_says() -> None:
    text = " ".join(REPRODUCTION.split())
    folder = ROOT / "metrics" / "paper_antialiased"
    psnr = {2: (32.43, 29.07), 3: (30.37, 26.95), 4: (28.53, 25.44)}
    alex = {2: (0.984, 0.976), 3: (0.964, 0.942), 4: (0.938, 0.902)}
    short: dict[str, list[float]] = {"memnet": [], "memnet_deep": []}
    for metric, digits, papers in (("psnr", 2, psnr), ("alex", 3, alex)):
        for scale, paper in papers.items():
            bicubic, memnet, deep = (
                [
                    cell(method, dataset, scale, metric, "paper_antialiased", folder)
                    for dataset in ("set5", "set14")
                ]
                for method in ("bicubic", *short)
            )
            cells = [
                " / ".join(decimals(list(pair), digits)) for pair in (bicubic, paper, memnet, deep)
            ]
            assert f"| x{scale} {metric.upper()} | {' | '.join(cells)} |" in REPRODUCTION
            for name, ours in (("memnet", memnet), ("memnet_deep", deep)):
                pairs = zip(decimals(ours, digits), paper, strict=True)
                short[name] += [round(p - float(o), 3) for o, p in pairs if float(o) <= p]
    assert "exceeds every PSNR of its MemNet, and every ALEX but one, which is 0.001 higher" in text
    assert "`memnet_deep` exceeds every number but that one, which it equals" in text
    assert short == {"memnet": [0.001], "memnet_deep": [0]}
    x4, x3, x2 = (psnr[s][0] - round(cell("bicubic", "set5", s, "psnr"), 2) for s in (4, 3, 2))
    assert f"gain {x4:.2f} dB on Set5 at x4, {x3:.2f} at x3, and lose {-x2:.2f} at x2" in text


def test_the_perceptual_weights_are_those_that_were_run() -> None:
    none, tenth, paper, tenfold = (
        value.lstrip("0") for value in decimals(on_set14("perceptual_weight", "lpips", "y_rgb8"), 3)
    )
    steps = read(STUDIES / "perceptual_weight.json")["budget"]["steps"]
    expected = f"LPIPS on Set14 {none} at 0, {tenth} at .0006, {paper} at .006, after {steps} steps"
    assert expected in REPRODUCTION
    assert f"perceptual loss does, after {steps} steps each" in README
    assert f"perceptual_weight --steps {steps} " in README
    shifts = on_set14("perceptual_weight", "colour_shift", "y_rgb8")
    high, usual = (f"{value:.2f}".lstrip("0") for value in (shifts[3], shifts[2]))
    expected = (
        f"colours shift by {high} grey levels at .06 against {usual}, though LPIPS is {tenfold}"
    )
    assert expected in REPRODUCTION


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split("/")]


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("MemNet x2, PSNR under `y`", (True, False)),
        ("MemNet x3, PSNR under `y`", (None, False)),
        ("MemNet x4, PSNR under `y`", (True, False)),
        ("MemNet_deep x2, PSNR under `y`", (True, True)),
        ("MemNet_deep x3, PSNR under `y`", (None, False)),
        ("MemNet_deep= x3, PSNR under `y`", (None, True)),
        ("MemNet_deep x4, PSNR under `y`", (True, True)),
        ("SRResNet x4, PSNR under `y_rgb8`", (False, False)),
        ("SRResNet_tuned x4, PSNR under `y_rgb8`", (False, False)),
        ("SRResNet_tuned+ x4, PSNR under `y_rgb8`", (True, False)),
        ("SRResNet_distilled x4, PSNR under `y_rgb8`", (False, False)),
        ("SRResNet_distilled= x4, PSNR under `y_rgb8`", (True, False)),
        ("SRResNet_distilled+ x4, PSNR under `y_rgb8`", (True, False)),
        ("SRResNet_grown x4, PSNR under `y_rgb8`", (True, False)),
        ("SRResNet_grown= x4, PSNR under `y_rgb8`", (True, False)),
        ("SRResNet_grown+ x4, PSNR under `y_rgb8`", (True, False)),
        ("SRGAN x4, LPIPS under `y_rgb8`", (True, False)),
        ("SRGAN x4, PSNR under `y_rgb8`", (True, True)),
        ("SRGAN_sharpened x4, LPIPS under `y_rgb8`", (True, True)),
        ("SRGAN_sharpened x4, PSNR under `y_rgb8`", (True, True)),
    ],
)
def test_aims_are_reached_or_missed_as_the_document_says(
    name: str, reached: tuple[bool | None, bool]
) -> None:
    row = next(line for line in TRAINING.splitlines() if line.startswith(f"| {name} |"))
    *aims, here = [part.strip() for part in row.strip("|").split("|")][1:]
    method, scale = name.split()[0].lower(), int(name.split()[1][1])
    metric, protocol = ("lpips" if "LPIPS" in name else "psnr"), name.split("`")[1]
    folder = INFERENCE_MODES if method.endswith(("+", "=")) else RELEASED
    scores = [
        cell(method, dataset, scale, metric, protocol, folder) for dataset in ("set5", "set14")
    ]
    digits = 3 if metric == "lpips" else 2
    assert here == " / ".join(value.lstrip("0") for value in decimals(scores, digits))
    better = (lambda score, aim: score <= aim) if metric == "lpips" else float.__ge__
    for aim, expected in zip(aims, reached, strict=True):
        met = all(better(s, a) for s, a in zip(scores, numbers(aim), strict=True)) if aim else None
        assert met == expected


def validation(name: str) -> list[tuple[int, float]]:
    """(step, mean PSNR at x4) of a training, from its start to its end."""
    with (RELEASED / "curves" / name / "validation.csv").open() as file:
        return [
            (int(row["step"]), float(row["validation/psnr_x4"])) for row in csv.DictReader(file)
        ]


def test_what_came_of_the_plan_is_in_the_curves() -> None:
    text = " ".join(TRAINING.split())
    profile = read_yaml(ROOT / "profiles" / "released.yaml")
    memnet, srresnet = (
        validation(name)[-1][0] * profile[name]["batch"] for name in ("memnet", "srresnet")
    )
    assert f"It became {memnet:,} and {srresnet:,}." in text
    curve = validation("srresnet")
    step, top = max(curve, key=lambda point: point[1])
    fell = f"after {step} steps: its validation fell from {top:.2f} to {curve[-1][1]:.2f} dB"
    assert fell in text
    steps, paper = validation("memnet_paper")[-1]
    first = validation("memnet")[1][1]
    said = f"{steps} steps, to {paper:.2f} dB at x4 in validation, where M4R4 had {first:.2f} dB"
    assert said in text


def released(name: str) -> Entry:
    """A model's entry in the registry."""
    return next(entry for entry in load_registry().models if entry.name == name)


def wall_time(name: str) -> str:
    """Of a released model's training, as its card has it."""
    card = (RELEASED_MODELS / "cards" / f"{name}.md").read_text()
    return card.partition("- wall time: ")[2].splitlines()[0]


def test_what_the_networks_for_jpeg_took_and_gave_is_in_their_cards_and_scores() -> None:
    text = " ".join(TRAINING.split())
    profile = load_params(ROOT / "profiles" / "jpeg.yaml")
    assert profile.patches.srgan.degradations == ["bicubic_jpeg", "bicubic"]
    lowest, highest = profile.patches.srgan.jpeg_quality
    assert f"at a quality between {lowest} and {highest}" in text
    assert profile.srresnet.start == "srresnet_distilled"
    curve = validation("srresnet_jpeg")
    assert curve[-1][0] == profile.srresnet.budget.steps
    assert validation("srgan_jpeg")[-1][0] == profile.srgan.budget.steps
    took = wall_time("srresnet_jpeg"), wall_time("srgan_jpeg")
    assert f"{curve[-1][0]} steps of {profile.srresnet.batch} patches, {took[0]} on two" in text
    assert f"{profile.srgan.budget.steps} steps of {profile.srgan.batch}, {took[1]}." in text
    minutes = [time.partition(" min")[0] for time in took]
    assert (
        f"45 minutes, and `srresnet_jpeg` for {minutes[0]} and from it `srgan_jpeg` for "
        f"{minutes[1]} " in " ".join(README.split())
    )
    first, top = curve[0][1], max(psnr for _, psnr in curve)
    assert f"on such pictures, rose from {first:.2f} to {top:.2f} dB. PSNR" in text

    protocols = ["y_rgb8", *(f"y_rgb8_jpeg{quality}" for quality in (90, 75, 40))]
    folder = ROOT / "metrics" / "jpeg"
    usual, own = (
        ("bicubic", "srresnet_distilled", "srgan_sharpened"),
        ("srresnet_jpeg", "srgan_jpeg"),
    )
    for metric, digits in (("psnr", 2), ("lpips", 3)):
        for name in (*usual, *own):
            cells = []
            for protocol in protocols:
                both = [cell(name, d, 4, metric, protocol, folder) for d in ("set5", "set14")]
                cells.append(" / ".join(value.lstrip("0") for value in decimals(both, digits)))
            assert f"| {name} | {' | '.join(cells)} |" in TRAINING
    gains, looks_better = [], set()
    for dataset, protocol in product(("set5", "set14"), protocols):
        (resnet, plain), (gan, sharp) = (
            [
                {
                    metric: cell(name, dataset, 4, metric, protocol, folder)
                    for metric in ("psnr", "lpips")
                }
                for name in pair
            ]
            for pair in (("srresnet_jpeg", "srresnet_distilled"), ("srgan_jpeg", "srgan_sharpened"))
        )
        if gan["lpips"] < sharp["lpips"]:
            looks_better.add((dataset, protocol))
        if protocol != "y_rgb8":
            assert resnet["psnr"] > plain["psnr"]
            gains.append(gan["psnr"] - sharp["psnr"])
    assert f"`srgan_jpeg` has {min(gains):.1f} to {max(gains):.1f} dB more" in text
    jpegs = {("set5", protocol) for protocol in protocols[1:]}
    assert looks_better == jpegs | {("set14", "y_rgb8_jpeg40")}
    assert f"at a quality of {VISIBLE_UP_TO} or less." in text
    assert load_registry().for_jpeg == "srresnet_jpeg"


def test_what_growing_took_and_gave_is_in_the_curves_and_the_card() -> None:
    text = " ".join(TRAINING.split())
    profile = load_params(ROOT / "profiles" / "deep.yaml")
    assert profile.memnet.start == "memnet"
    with (RELEASED / "curves" / "memnet_deep" / "validation.csv").open() as file:
        x2 = [float(row["validation/psnr_x2"]) for row in csv.DictReader(file)]
    x4 = validation("memnet_deep")
    steps, last = x4[-1]
    top = max(x4, key=lambda point: point[1])
    size = profile.patches.memnet.patch_size
    assert steps == profile.memnet.budget.steps
    assert f"{steps} steps of {profile.memnet.batch} patches of {size}x{size}" in text
    assert f"Validation rose from {x4[0][1]:.2f} to {top[1]:.2f} dB at x4." in text
    assert (
        f"validation was at step {top[0]}, and from there to the end, where the learning rate "
        f"falls to zero, it fell to {last:.2f} dB, while x2 stayed at {x2[-1]:.2f}" in text
    )
    assert f"{max(x2):.2f}" == f"{x2[-1]:.2f}"
    gained = {}
    for scale in (2, 3, 4):
        deep, small = (
            [cell(name, dataset, scale, "psnr", "y") for dataset in ("set5", "set14")]
            for name in ("memnet_deep", "memnet")
        )
        both = [after - before for after, before in zip(deep, small, strict=True)]
        gained[scale] = " / ".join(decimals(both, 2))
    assert f"gained {gained[2]} dB at x2, {gained[3]} at x3 and {gained[4]} at x4." in text
    before, after = released("memnet"), released("memnet_deep")
    assert (
        "- trained on from: memnet\n" in (RELEASED_MODELS / "cards" / "memnet_deep.md").read_text()
    )
    assert f"{after.parameters / before.parameters:.1f} times the weights" in text
    assert f"{wall_time('memnet_deep')} on one H200" in text


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("tuned", "srresnet"),
        ("distilled", "srresnet_tuned"),
        ("grown", "srresnet_distilled"),
    ],
)
def test_what_going_on_took_and_gave_is_in_the_curves_and_the_card(name: str, start: str) -> None:
    text = " ".join(TRAINING.split())
    profile = load_params(ROOT / "profiles" / f"{name}.yaml").srresnet
    assert profile.start == start
    ours = f"srresnet_{name}"
    curve = validation(ours)
    assert curve[-1][0] == profile.budget.steps
    assert f"{profile.budget.steps} steps of {profile.batch} patches" in text
    first, top = curve[0][1], max(psnr for _, psnr in curve)
    gains = [
        cell(ours, dataset, 4, "psnr", "y_rgb8") - cell(start, dataset, 4, "psnr", "y_rgb8")
        for dataset in ("set5", "set14")
    ]
    assert (
        f"Validation rose from {first:.2f} to {top:.2f} dB. "
        f"Set5 gained {gains[0]:.2f} dB, Set14 {gains[1]:.2f} dB." in text
    )
    assert f", {wall_time(ours)} on two cores" in text


def test_what_the_sharpened_srgan_took_and_gave_is_in_the_card_and_the_scores() -> None:
    text = " ".join(TRAINING.split())
    profile = load_params(ROOT / "profiles" / "sharpened.yaml").srgan
    before = load_params(ROOT / "profiles" / "released.yaml").srgan
    assert profile.start == "srgan"
    assert profile.schedule.name == "constant"
    weights = (profile.adversarial, before.adversarial), (profile.perceptual, before.perceptual)
    assert (
        f"lambda2 at {weights[0][0].lambda2} instead of {weights[0][1].lambda2} and "
        f"lambda1 at {weights[1][0].lambda1} instead of {weights[1][1].lambda1}:" in text
    )
    card = (RELEASED_MODELS / "cards" / "srgan_sharpened.md").read_text()
    assert "- trained on from: srgan\n" in card
    took = wall_time("srgan_sharpened")
    steps = validation("srgan_sharpened")[-1][0]
    assert steps == profile.budget.steps
    assert f"{steps} steps of {profile.batch} patches, {took} on two cores" in text
    assert "`srgan_sharpened` for half of one" in " ".join(README.split())
    assert 25 <= int(took.partition(" min")[0]) <= 35
    assert f"the first {profile.discriminator.head_start} steps" in text
    assert f"(`ema_ramp` is {profile.ema_ramp})" in text
    assert f"there are {profile.rounds} rounds" in text
    assert f"{profile.start_share} of the start is left in that mean" in text

    def both(metric: str, dataset: str) -> list[float]:
        return [cell(name, dataset, 4, metric, "y_rgb8") for name in ("srgan", "srgan_sharpened")]

    lpips, psnr, grid = (
        [both(metric, dataset) for dataset in ("set5", "set14")]
        for metric in ("lpips", "psnr", "grid")
    )
    fell, rose = (
        [[f"{value:.3f}".lstrip("0") for value in pair] for pair in scores]
        for scores in (lpips, grid)
    )
    assert (
        f"LPIPS fell from {fell[0][0]} to {fell[0][1]} on Set5 and from {fell[1][0]} to "
        f"{fell[1][1]} on Set14; PSNR fell by {psnr[0][0] - psnr[0][1]:.2f} and "
        f"{psnr[1][0] - psnr[1][1]:.2f} dB." in text
    )
    assert f"the metric `grid` rose from {rose[0][0]} to {rose[0][1]} on Set5" in text
    ahead = f"{0.0882 - lpips[0][1]:.4f}".lstrip("0")
    assert f"by `srgan_sharpened`, on Set5 by {ahead} in LPIPS" in text


def test_what_the_networks_for_aliased_pictures_took_and_gave_is_in_cards_and_scores() -> None:
    text, reproduction, readme = (" ".join(t.split()) for t in (TRAINING, REPRODUCTION, README))
    profile = load_params(ROOT / "profiles" / "aliased.yaml")
    usual = load_params(ROOT / "profiles" / "released.yaml").srgan
    assert profile.patches.srgan.degradations == ["bicubic_aliased"]
    assert profile.srresnet.start == "srresnet_distilled"
    for part in ("content", "grid", "perceptual", "adversarial"):
        assert getattr(profile.srgan, part) == getattr(usual, part)

    times = []
    for section in ("srresnet", "srgan"):
        assert validation(f"{section}_aliased")[-1][0] == getattr(profile, section).budget.steps
        card = (RELEASED_MODELS / "cards" / f"{section}_aliased.md").read_text()
        times.append(card.partition("- wall time: ")[2].splitlines()[0])
    assert (
        f"{profile.srresnet.budget.steps} steps of {profile.srresnet.batch} patches, {times[0]} "
        f"on two cores, and {profile.srgan.budget.steps} steps of {profile.srgan.batch}, {times[1]}"
        in text
    )
    assert "shrunk without smoothing, for 45 minutes" in readme
    minutes = [int(time.partition(" min")[0]) for time in times]
    assert 43 <= sum(minutes) < 46
    curve = [psnr for _, psnr in validation("srresnet_aliased")]
    assert f"on such pictures, rose from {curve[0]:.2f} to {max(curve):.2f} dB" in text

    def both(name: str, metric: str, protocol: str = "paper") -> list[str]:
        scores = [cell(name, dataset, 4, metric, protocol) for dataset in ("set5", "set14")]
        digits = 2 if metric == "psnr" else 3
        return [value.lstrip("0") for value in decimals(scores, digits)]

    others = ("bicubic", "srresnet_distilled", "memnet_aliased")
    for name in (*others, "srresnet_aliased", "srgan_aliased"):
        cells = [" / ".join(both(name, metric)) for metric in ("psnr", "alex", "lpips")]
        assert f"| {name} | {' | '.join(cells)} |" in TRAINING
    theirs, usual_psnr = (
        " / ".join(both(name, "psnr", "y_rgb8"))
        for name in ("srresnet_aliased", "srresnet_distilled")
    )
    assert (
        f"`srresnet_aliased` has {theirs} dB, where `srresnet_distilled` has {usual_psnr}." in text
    )

    columns = read_yaml(ROOT / "data" / "published.yaml")["paper"]["columns"]
    srgan = next(column["scores"] for column in columns if column["method"] == "srgan")
    memnet = next(c["scores"] for c in columns if (c["method"], c["scale"]) == ("memnet", 4))
    for dataset in ("set5", "set14"):
        for metric in ("psnr", "alex"):
            assert cell("srgan_aliased", dataset, 4, metric) > srgan[dataset][metric]
        missing = memnet[dataset]["psnr"] - cell("srresnet_aliased", dataset, 4, "psnr")
        assert 1 < missing < 2
    ours = "; ".join(
        ", ".join(decimals([cell("srgan_aliased", d, 4, m) for d in ("set5", "set14")], digits))
        for m, digits in (("psnr", 2), ("alex", 3))
    )
    assert f"`srgan_aliased`: {ours} |" in reproduction
    large = " / ".join(both("srresnet_aliased", "psnr"))
    assert f"`srresnet_aliased`, has {large} dB" in reproduction
    assert "more than 1 dB below the paper's MemNet" in reproduction


def test_what_memnet_reaches_and_misses_is_in_its_scores() -> None:
    text = " ".join(TRAINING.split())
    original = [
        entry
        for entry in read_yaml(ROOT / "data" / "published.yaml")["results"]
        if (entry["method"], entry["protocol"]) == ("MemNet", "y")
    ]
    goals = {
        entry["scale"]: [entry["scores"][dataset]["psnr"] for dataset in ("set5", "set14")]
        for entry in original
    }
    assert 0 < goals[3][0] - cell("memnet_deep", "set5", 3, "psnr", "y") < 0.01
    assert "without it, less than a hundredth of a dB is missing" in text
    memnet, deeper = released("memnet"), released("memnet_deep")
    assert memnet.parameters < deeper.parameters / 2
    assert "`memnet`, with less than half of the operations" in text
    assert original[0]["parameters"] < deeper.parameters / 4
    assert "so has less than a quarter of them" in text
    missing = [
        goal - cell("memnet", dataset, scale, "psnr", "y")
        for scale, both in goals.items()
        for dataset, goal in zip(("set5", "set14"), both, strict=True)
    ]
    assert [f"{min(missing):.1f}", f"{max(missing):.1f}"] == ["0.1", "0.2"]
    assert "lacks a tenth to two tenths of a dB" in text
    deep = {
        scale: [
            cell("memnet_deep", dataset, scale, "psnr", "y") > goal
            for dataset, goal in zip(("set5", "set14"), both, strict=True)
        ]
        for scale, both in goals.items()
    }
    assert deep == {2: [True, True], 3: [False, True], 4: [True, True]}
    assert "At x2 and x4 `memnet_deep` is above what MemNet's authors give" in README


def test_what_the_grown_network_reaches_and_misses_is_in_its_scores() -> None:
    set5, set14 = (
        cell("srresnet_grown", dataset, 4, "psnr", "y_rgb8") for dataset in ("set5", "set14")
    )
    text = " ".join(TRAINING.split())
    assert set5 >= 31.85
    assert 0 <= set14 - 28.3 < 0.01
    assert "SRResNet's by `srresnet_grown`, on Set14 by less than a hundredth of a dB." in text
    lacks = f"SRResNet lacks {32.16 - set5:.1f} dB on Set5 and {28.61 - set14:.1f} on Set14."
    assert lacks in text

    profile = load_params(ROOT / "profiles" / "grown.yaml")
    before = load_params(ROOT / "profiles" / "distilled.yaml")
    blocks = [params.srresnet.residual_blocks for params in (profile, before)]
    assert "with {} residual blocks instead of {}.".format(*blocks) in text
    copies = [len(params.patches.srgan.augment_scales) for params in (profile, before)]
    assert copies == [8, 4]
    assert profile.srresnet.teacher is not None
    assert profile.srresnet.teacher.model == "srresnet_distilled"
    entry = released("srresnet_grown")
    assert f"{entry.parameters / released('srresnet_distilled').parameters:.2f}" == "1.31"
    assert "`srresnet_grown`, a larger one, for an hour and a half" in " ".join(README.split())
    card = (RELEASED_MODELS / "cards" / "srresnet_grown.md").read_text()
    minutes = card.partition("- wall time: 1 h ")[2].partition(" min")[0]
    assert 25 <= int(minutes) <= 35


def test_what_the_study_of_teaching_tells_is_its_result() -> None:
    text = " ".join(TRAINING.split())
    luma, all_three = (interval("teaching", arm, "set14") for arm in ("luma", "luma_log_teacher"))
    assert f"Set14 has {luma} with luma, and {all_three} with all three." in text
    steps = read(STUDIES / "teaching.json")["budget"]["steps"]
    assert f"so few steps do not tell: after {steps} of them" in text
    separated = [
        (d["arm"], d["dataset"])
        for d in read(STUDIES / "teaching.json")["differences"]
        if d["low"] > 0 or d["high"] < 0
    ]
    assert separated == [("luma", "set14")]


@pytest.mark.parametrize("name", ["srresnet_again", "srresnet_again_large"])
def test_what_going_on_once_more_gave_is_in_the_curves(name: str) -> None:
    curve = validation(name)
    first, top = curve[0][1], max(psnr for _, psnr in curve)
    gain = f"{first:.2f} to {top:.2f} dB after {curve[-1][0]}"
    assert gain in " ".join(TRAINING.split())
    assert top - first < 0.02


def test_what_going_on_with_memnet_gave_is_in_the_curves() -> None:
    text = " ".join(TRAINING.split())
    ends, tops = {}, []
    for name in ("memnet_again", "memnet_again_gently"):
        with (RELEASED / "curves" / name / "validation.csv").open() as file:
            start, *looks = csv.DictReader(file)
        for scale in (2, 3, 4):
            key = f"validation/psnr_x{scale}"
            assert all(float(look[key]) < float(start[key]) for look in looks)
        ends[name] = f"{float(looks[-1]['validation/psnr_x3']):.2f}", looks[-1]["step"]
        begun = f"{float(start['validation/psnr_x3']):.2f}"
        assert f"where it had begun with {begun};" in text
        with (RELEASED / "curves" / name / "losses.csv").open() as file:
            top = max(float(row["learning_rate"]) for row in csv.DictReader(file))
        tops.append(f"{top:.1e}".replace("e-0", "e-").replace(".0", ""))
    (end, steps), (gentle_end, gentle_steps) = ends.values()
    assert f"at {tops[1]} instead of {tops[0]}, after" in text
    assert f"ended after {steps} steps of 16 patches at {end} dB at x3" in text
    assert f"after {gentle_steps} steps, at {gentle_end}." in text


@pytest.mark.parametrize("section", ["srresnet", "srgan", "memnet"])
def test_the_steps_are_those_of_the_profile(section: str) -> None:
    steps = read_yaml(ROOT / "profiles" / "released.yaml")[section]["budget"]["steps"]
    names = {"srresnet": "SRResNet", "srgan": "SRGAN", "memnet": "MemNet"}
    row = next(line for line in TRAINING.splitlines() if line.startswith(f"| {names[section]} |"))
    assert row.endswith(f"| {steps} |")


def is_compiled_memnet(name: str) -> bool:
    return name.startswith("torch.compile, training MemNet")


def test_what_compiling_gives_is_in_the_benchmarks() -> None:
    ratios = {row["name"]: row["ratio"] for row in read(ROOT / "bench" / "results.json")}
    gains = [ratio for name, ratio in ratios.items() if name.startswith("torch.compile, training")]
    assert len(gains) == 5
    assert max(gains) < 1
    lost = 1 - min(ratio for name, ratio in ratios.items() if is_compiled_memnet(name))
    text = " ".join(README.split())
    assert "`trainer.compile` gains nothing on a processor" in text
    assert f"MemNet is slower by {lost:.0%}".replace("%", " % at most") in text


def test_how_long_scoring_takes_is_in_the_benchmarks() -> None:
    rows = {row["name"]: row for row in read(ROOT / "bench" / "results.json")}
    row = rows["scoring five methods on Set5 and Set14 at x2, x3, x4"]
    name, _, family, *_ = row["machine"].split(", ")
    assert name.startswith("AMD EPYC")
    assert row["machine"].endswith("bf16")
    text = f"an {name} of {family} needs {row['ours']:.0f} s,"
    assert text in " ".join(README.split())
    assert row["ours"] < 120


def test_how_long_the_pipeline_takes_is_in_its_cost_cards() -> None:
    cards = (ROOT / "metrics" / "costs").glob("*.json")
    minutes = sum(read(card)["seconds"] for card in cards) / 60
    # The first where the run in git is of a processor that computes in bf16.
    assert 4 < minutes < 11 or 27 < minutes < 33
    text = " ".join(README.split())
    assert (
        "four to ten minutes on two cores that compute in bf16, half an hour on two that do not"
        in text
    )


def test_what_kept_memory_gives_training_is_in_the_benchmarks() -> None:
    rows = read(ROOT / "bench" / "results.json")
    gains = [row["ratio"] for row in rows if row["name"].startswith("freed memory kept, training")]
    first, second = (f"{gain - 1:.0%}".rstrip("%") for gain in gains)
    text = " ".join(README.split())
    assert f"gains {first} and {second} % (`python -m bench heap`)" in text


def test_what_the_native_loops_give_is_in_the_benchmarks() -> None:
    rows = {row["name"]: row for row in read(ROOT / "bench" / "results.json")}
    gains = [row["ratio"] for name, row in rows.items() if name.startswith("native loops,")]
    m3r3, m2r2, srresnet, m6r6, of_paper = (f"{gain - 1:.0%}".rstrip("%") for gain in gains)
    text = " ".join(README.split())
    assert f"MemNet gains {m3r3}, {m2r2} and {m6r6} % by both, SRResNet {srresnet}" in text
    assert f"and {of_paper} % by the second (`python -m bench native`)" in text
    large = rows["gradient of 3x3 weights, 64 to 64 maps"]
    gate = rows["gradient of 1x1 weights, 768 to 64 maps"]
    assert (
        f"oneDNN computes {large['plain']:.0f} GFLOP/s for 3x3 convolutions and "
        f"{gate['plain']:.0f} for a gate's, come at {large['ours']:.0f} and {gate['ours']:.0f},"
    ) in text


def test_what_convolutions_alone_reach_is_in_the_benchmarks() -> None:
    shares = {row["name"]: row["limit_share"] for row in read(ROOT / "bench" / "results.json")}
    networks = [
        "MemNet M3R3, 64 features",
        "MemNet M2R2, 32 features",
        "MemNet M6R6, 64 features, 3x3 gates",
    ]
    alone = [shares[f"convolutions alone: {network}"] for network in networks]
    first, second, third = (f"{share:.0%}".rstrip("%") for share in alone)
    text = " ".join(README.split())
    assert f"of M3R3, M2R2 and M6R6 alone reach {first}, {second} and {third} % (the" in text
    assert alone[1] < 0.85 < min(alone[0], alone[2])
    trained = [shares[f"training {network}"] for network in networks]
    compiled = [shares[f"training {network}, compiled"] for network in networks]
    first, second, third = (f"{share:.0%}".rstrip("%") for share in trained)
    assert f"M6R6 reaches {third} % of it, M3R3 {first} and M2R2 {second}, where 85 are" in text
    assert trained[2] > 0.85 > trained[0] > trained[1]
    assert max(c - t for c, t in zip(compiled, trained, strict=True)) < 0.03


def test_what_a_gpu_reaches_is_in_the_benchmarks() -> None:
    rows = {row["name"]: row for row in read(ROOT / "bench" / "results.json")}
    network = "MemNet M6R6, 64 features, 3x3 gates"
    recorded = rows[f"training on a GPU, {network}"]
    compiled = rows[f"80 epochs of 129,518 patches on a GPU, {network}"]["ours"]
    uncompiled = 80 * 129_518 / recorded["ours"] / 60
    text = " ".join(README.split())
    assert f"M6R6 take {compiled:.0f} minutes on an H200 so" in text
    assert f"where uncompiled they take {uncompiled:.0f}." in text
    assert f"M6R6 reaches {recorded['limit_share']:.0%}".replace("%", " % of it, recorded") in text
    assert 1.15 < rows[f"compiling on a GPU, {network}"]["ratio"] < 1.25
    assert "which gains a fifth" in text
    other = "SRResNet, 16 blocks of 64 with BN"
    share = rows[f"training on a GPU, {other}"]["limit_share"]
    graphs = rows[f"CUDA graphs, {other}"]["ratio"]
    assert f"they reach {100 * share:.0f} % of it, and {graphs:.1f} times as many a second" in text


def test_a_third_of_the_gpus_time_is_bns() -> None:
    profile = (ROOT / "bench" / "profiles" / "gpu-memnet.txt").read_text()
    of_norms = re.findall(r"batch_norm_\w+\.\.\. .*?us +([\d.]+)ms +[\d.]+%", profile)
    (total,) = re.findall(r"Self CUDA time total: ([\d.]+)ms", profile)
    assert len(of_norms) == 4
    assert 0.3 < sum(map(float, of_norms)) / float(total) < 0.36
    assert "A third of the GPU's time is BN's" in " ".join(README.split())
