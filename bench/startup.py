"""How fast srlab starts, and `dvc repro` where there is nothing to do."""

import shutil
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from bench import ROOT
from bench.alternation import alternate, seconds
from bench.commands import MAIN, run
from bench.results import Row, unmeasured
from bench.settings import Settings
from srlab.errors import SrlabError
from srlab.machine import available_cores

_OWN_WORK = "dvc repro with nothing to do: what make repro does beyond dvc status"
_WHOLE = "dvc repro with nothing to do: all of it, against dvc status"


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds, interpreter included. Plain code imports what it uses at the top of its files."""
    rounds = 2 if settings.quick else 7
    for name, code, *arguments in (
        ("import srlab", "import srlab"),
        ("srlab --help", MAIN, "--help"),
    ):
        plain, ours = (
            partial(_seconds, ROOT, sys.executable, "-c", text, *arguments)
            for text in (f"import torch; {code}", code)
        )
        yield alternate(plain, ours, rounds).of_costs(name, "s")
    with TemporaryDirectory() as folder:
        yield _small_picture(Path(folder), rounds)
    if not settings.quick:
        try:
            yield from _nothing_to_do()
        except SrlabError as error:
            yield from (unmeasured(name, str(error)) for name in (_OWN_WORK, _WHOLE))


def _small_picture(folder: Path, rounds: int) -> Row:
    """Enlarging one that is enlarged in no time. Plain code has torchvision beside torch."""
    picture = folder / "picture.png"
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(picture)
    command = ("upscale", str(picture), "--overwrite")
    plain, ours = (
        partial(_seconds, ROOT, sys.executable, "-c", code, *command)
        for code in (f"import torch, torchvision; {MAIN}", MAIN)
    )
    return alternate(plain, ours, rounds).of_costs("srlab upscale, a picture of 64x48", "s")


def _nothing_to_do() -> Iterator[Row]:
    """In a clone, in which the smoke profile has run through."""
    with TemporaryDirectory() as name:
        clone = Path(name) / "srlab"
        run(ROOT, "git", "clone", "--quiet", str(ROOT), str(clone), threads=available_cores())
        shutil.copyfile(clone / "profiles" / "smoke.yaml", clone / "params.yaml")

        take = partial(_seconds, clone)
        take("dvc", "repro", "--quiet")
        pairs = alternate(partial(take, "dvc", "status"), partial(take, "dvc", "repro"), 3)
        mending = statistics.median(take(sys.executable, "-c", MAIN, "mend") for _ in range(3))
    yield pairs.of_costs(_WHOLE, "s")
    beyond = statistics.median(o - p for p, o in zip(pairs.plain, pairs.ours, strict=True))
    yield Row(_OWN_WORK, "s", ours=max(0.0, beyond) + mending)


def _seconds(folder: Path, *command: str) -> float:
    return seconds(lambda: run(folder, *command, threads=available_cores()))
