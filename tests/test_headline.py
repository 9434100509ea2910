"""The tables that the README begins with, of made-up scores."""

import pytest
from conftest import ROOT

from srlab.report.headline import headline_tables
from srlab.report.published import Published, read_published
from srlab.report.scores import MadeBy, MethodScores
from srlab.report.tables import Strong, Table

NOBODY = MadeBy(
    weights_sha256=None,
    params_sha256=None,
    data_sha256=None,
    git_commit=None,
    mlflow_run_id=None,
)


def scored(psnr: float, lpips: float = 0.5, alex: float = 0.5) -> MethodScores:
    cell = {"psnr": psnr, "lpips": lpips, "alex": alex}
    scales = {f"x{scale}": cell for scale in (2, 3, 4)}
    datasets = {"set5": scales, "set14": scales}
    return MethodScores(dict.fromkeys(("y", "y_rgb8", "paper"), datasets), [], NOBODY)


@pytest.fixture(scope="module")
def published() -> Published:
    return read_published(ROOT / "data" / "published.yaml")


@pytest.fixture
def tables(published: Published) -> list[Table]:
    scores = {
        "nearest": scored(20.0),
        "bicubic": scored(25.934),
        "memnet": scored(31.0),
        "memnet_deep": scored(31.7),
        "srresnet": scored(32.1),
        "srgan": scored(30.0, lpips=0.3),
        "srgan_sharpened": scored(29.0, lpips=0.2),
        "srgan_soft": scored(33.0, lpips=0.4),
    }
    return headline_tables(scores, published)


def rows(table: Table) -> dict[str, list[str]]:
    return {row[0]: list(row[1:]) for row in table.rows}


def test_table_1_shows_the_best_of_a_network_and_marks_what_is_above_the_paper(tables) -> None:
    found = rows(tables[0])
    assert set(found) == {
        "nearest x4", "bicubic x4", "srgan_soft x4",
        "memnet_deep x4", "memnet_deep x3", "memnet_deep x2",
    }  # fmt: skip
    assert found["memnet_deep x4"][:4] == ["28.53", "31.70", "0.938", "0.500"]
    marked = [isinstance(cell, Strong) for cell in found["memnet_deep x4"][:4]]
    assert marked == [False, True, False, False]
    # As printed, 25.93 is not above 25.93.
    assert found["bicubic x4"][:2] == ["25.93", "25.93"]
    assert not isinstance(found["bicubic x4"][1], Strong)


def test_psnr_stands_between_the_published_in_its_order(tables) -> None:
    names = [row[0] for row in tables[1].rows]
    assert names == [
        "bicubic", "SRCNN", "VDSR", "DRRN", "memnet_deep, here", "MemNet",
        "EDSR-baseline", "srresnet, here", "SRResNet, best reproduction",
    ]  # fmt: skip
    assert isinstance(tables[1].rows[4][1], Strong)
    assert not isinstance(tables[1].rows[5][1], Strong)


def test_lpips_is_that_of_the_lowest(tables) -> None:
    found = rows(tables[2])
    assert list(found)[:3] == ["bicubic, here", "srgan, here", "srgan_sharpened, here"]
    assert found["srgan_sharpened, here"] == ["0.200", "0.200", "29.00", "29.00"]
    (theirs,) = [cells for name, cells in found.items() if name.startswith("SRGAN (")]
    assert theirs == ["0.088", "0.166", "29.40", "26.02"]
