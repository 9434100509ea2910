import csv
import io
import json

import pytest
from conftest import ROOT
from made_scores import MADE_BY, method

from srlab.errors import SrlabError
from srlab.report.intervals import compare_methods, intervals_table
from srlab.report.literature import literature_table
from srlab.report.origins import origins_table
from srlab.report.published import read_published
from srlab.report.summary import report_markdown
from srlab.report.table import result_tables
from srlab.report.table1 import make_table1, table1_csv, table1_json, table1_markdown
from srlab.report.tables import Strong, Table

PUBLISHED = read_published(ROOT / "data" / "published.yaml")
NOT_COMPUTED = "not computed"


def row_of(table: Table, *first: str) -> list[str]:
    (row,) = [list(row) for row in table.rows if tuple(row[: len(first)]) == first]
    return row[len(first) :]


def markdown(tables: list[Table]) -> str:
    return "\n\n".join(table.to_markdown() for table in tables)


@pytest.fixture
def scores():
    """Bicubic and MemNet on Set5 and Set14, SRGAN without ALEX, nearest not run."""
    return {
        "nearest": None,
        "bicubic": method(
            {
                ("paper", "set5", 4): {"psnr": [20.0, 32.0], "alex": [0.8, 0.9]},
                ("paper", "set14", 4): {"psnr": [23.1], "alex": [0.79]},
                ("y", "set5", 4): {"psnr": [28.0, 28.84], "ssim": [0.8, 0.82]},
            },
            MADE_BY.model_copy(update={"weights_sha256": None, "data_sha256": None}),
        ),
        "memnet": method(
            {
                ("paper", "set5", 4): {"psnr": [27.0, 30.0], "alex": [0.9, 0.98]},
                ("y", "set5", 4): {"psnr": [31.0, 32.0], "ssim": [0.88, 0.89]},
            }
        ),
        "srresnet": method(
            {("y_rgb8", "set5", 4): {"psnr": [32.0, 32.0], "lpips": [0.1, 0.3]}},
        ),
        "srgan": method(
            {
                ("paper", "set5", 4): {"psnr": [25.0, 26.0]},
                ("y_rgb8", "set5", 4): {"psnr": [29.0, 31.0], "lpips": [0.05, 0.2]},
            },
            MADE_BY.model_copy(update={"strength": 0.5, "git_commit": "fedcba9876543210+changes"}),
        ),
    }


def test_table_1_is_ours_beside_the_papers(scores) -> None:
    table = make_table1(scores, PUBLISHED).tables[0]
    assert list(table.head[2:]) == [
        "nearest x4", "bicubic x4", "srgan x4", "memnet x4", "memnet x3", "memnet x2",
        "srresnet x4",
    ]  # fmt: skip
    no_x3, no_x2 = (f"not scored: evaluate.scales or the network lacks x{s}" for s in (3, 2))
    not_run = "not run: dvc repro baseline@nearest"
    no_protocol = "not scored: evaluate.protocols lacks paper"
    assert row_of(table, "Set5 PSNR", "ours") == [
        not_run, "26.00", "25.50", "28.50", no_x3, no_x2, no_protocol,
    ]  # fmt: skip
    assert row_of(table, "Set5 PSNR", "paper's") == [
        "23.46", "25.93", "25.89", "28.53", "30.37", "32.43", "–",
    ]  # fmt: skip
    assert row_of(table, "Set5 PSNR", "difference") == [
        "–", "+0.07", "-0.39", "-0.03", "–", "–", "–",
    ]  # fmt: skip
    alex = row_of(table, "Set5 ALEX²", "ours")
    assert alex[1] == "0.850"
    assert alex[2].startswith("not computed: dvc repro --force --single-item backbone@metrics")
    assert row_of(table, "Set5 ALEX²", "difference")[3] == "+0.002"
    assert row_of(table, "Set14 PSNR¹", "difference")[1] == "+0.32"
    assert row_of(table, "Set14 PSNR¹", "ours")[3] == "not scored: data.test lacks set14"


def test_the_quirks_of_the_paper_stand_where_the_numbers_are(scores) -> None:
    notes = make_table1(scores, PUBLISHED).tables[0].notes
    assert notes[0].startswith("¹ The paper did not crop Set14 to a multiple of 4.")
    assert "22.76" in notes[0]
    assert "23.10" in notes[0]
    assert notes[1].startswith("² ALEX is of the images as they are")
    assert "25.51 and 25.52" in notes[2]


def test_without_the_papers_datasets_only_ours_are_there() -> None:
    scores = {"bicubic": method({("paper", "mine", 4): {"psnr": [30.0], "alex": [0.9]}})}
    table1 = make_table1(scores, PUBLISHED)
    table = table1.tables[0]
    assert [row[:2] for row in table.rows] == [["mine PSNR", "ours"], ["mine ALEX¹", "ours"]]
    assert row_of(table, "mine PSNR", "ours")[3] == "not run: dvc repro evaluate@memnet"
    assert len(table.notes) == 1
    assert "Lal & Javid, Image" not in table.title
    assert table.title not in report_markdown(scores, table1, PUBLISHED)


def test_the_summary_ends_with_table_1_where_there_is_something_to_compare(scores) -> None:
    text = report_markdown(scores, make_table1(scores, PUBLISHED), PUBLISHED)
    assert text.startswith(markdown(result_tables(scores)))
    assert "| Set14 PSNR¹ | paper's | 21.44 | 22.78 | 23.07 |" in text


def test_the_literature_stands_below_ours(scores) -> None:
    table = literature_table(scores, PUBLISHED, "y")
    assert list(table.head) == [
        "scale", "method", "Set5 PSNR", "Set5 SSIM", "parameters", "trained on", "from",
    ]  # fmt: skip
    ours = row_of(table, "x4", "memnet")
    assert ours == ["31.50", "0.8850", "–", "patches 44445555", "ours, 01234567"]
    theirs = row_of(table, "x4", "MemNet")
    assert theirs[:4] == ["31.74", "0.8893", "0.677M", "T91 and BSDS200"]
    assert row_of(table, "x2", "VDSR")[:2] == ["37.53", "–"]
    methods = [row[1] for row in table.rows if row[0] == "x4"]
    assert methods == ["bicubic", "memnet", "bicubic", "SRCNN", "VDSR", "DRRN", "MemNet"]
    perceptual = literature_table(scores, PUBLISHED, "y_rgb8")
    assert row_of(perceptual, "x4", "SRGAN")[:3] == ["29.40", "–", "0.088"]
    assert row_of(perceptual, "x4", "srgan")[:3] == ["30.00", NOT_COMPUTED, "0.125"]


def test_every_pair_of_methods_is_compared_where_both_have_all_scores(scores) -> None:
    found = {
        (one.protocol, one.metric, one.method, one.against): one.difference
        for one in compare_methods(scores)
    }
    assert found.keys() == {
        ("paper", "psnr", "memnet", "bicubic"),
        ("paper", "psnr", "srgan", "bicubic"),
        ("paper", "psnr", "srgan", "memnet"),
        ("y", "psnr", "memnet", "bicubic"),
        ("y_rgb8", "psnr", "srgan", "srresnet"),
        ("y_rgb8", "lpips", "srgan", "srresnet"),
    }
    difference = found["paper", "psnr", "memnet", "bicubic"]
    assert (difference.mean, difference.low, difference.high) == (2.5, -2, 7)
    assert not difference.certain
    table = intervals_table(compare_methods(scores))
    uncertain = row_of(table, "paper", "x4", "memnet - bicubic")[0]
    assert uncertain == "+2.50 [-2.00, +7.00]"
    assert not isinstance(uncertain, Strong)
    certain = row_of(table, "y_rgb8", "x4", "srgan - srresnet")
    assert certain == ["-2.00 [-3.00, -1.00]", "-0.075 [-0.100, -0.050]"]
    assert all(isinstance(cell, Strong) for cell in certain)


def test_methods_scored_on_different_images_are_not_compared() -> None:
    scores = {
        "bicubic": method({("y", "set5", 4): {"psnr": [28.0, 29.0]}}),
        "memnet": method({("y", "set5", 4): {"psnr": [28.0]}}),
    }
    with pytest.raises(SrlabError, match=r"memnet and bicubic were scored on different images"):
        make_table1(scores, PUBLISHED)


def test_one_image_has_no_interval() -> None:
    scores = {
        name: method({("y", "set5", 4): {"psnr": [value]}})
        for name, value in (("bicubic", 28.0), ("memnet", 30.0))
    }
    table = intervals_table(compare_methods(scores))
    assert table.rows[0][3] == "+2.00 (one image: no interval)"


def test_the_origins_say_weights_params_data_commit_and_run(scores) -> None:
    table = origins_table(scores)
    assert row_of(table, "memnet") == ["a1b2c3d4", "11112222", "44445555", "01234567", "run1"]
    assert row_of(table, "bicubic")[:3] == ["–", "11112222", "–"]
    assert row_of(table, "srgan")[0] == "a1b2c3d4 at strength 0.5"
    assert row_of(table, "srgan")[3] == "fedcba98+changes"
    assert "nearest" not in {row[0] for row in table.rows}


def test_json_and_csv_hold_what_the_table_shows(scores) -> None:
    table1 = make_table1(scores, PUBLISHED)
    tree = json.loads(table1_json(table1))
    rows = list(csv.DictReader(io.StringIO(table1_csv(table1))))
    assert len(tree["entries"]) == len(rows) == 2 * 2 * 7
    entry = next(e for e in tree["entries"] if (e["dataset"], e["method"]) == ("set5", "memnet"))
    assert (entry["ours"], entry["paper"], entry["difference"]) == (28.5, 28.53, -0.03)
    row = next(row for row in rows if (row["dataset"], row["method"]) == ("set5", "memnet"))
    assert (row["ours"], row["difference"], row["missing"]) == ("28.5", "-0.03", "")
    assert rows[0]["ours"] == ""
    assert rows[0]["missing"] == "not run: dvc repro baseline@nearest"
    assert tree["made_by"]["nearest"] is None
    assert tree["made_by"]["memnet"]["mlflow_run_id"] == "run1"
    assert {"method", "against", "mean", "low", "high", "images"} <= tree["intervals"][0].keys()


def test_nothing_scored_at_all_is_a_table_without_rows() -> None:
    table1 = make_table1({"nearest": None, "memnet": None}, PUBLISHED)
    assert table1_markdown(table1).startswith("# Table 1\n\n")
    assert table1.tables[0].rows == []
    assert report_markdown({"nearest": None}, table1, PUBLISHED) == "\n"


def test_the_result_tables_mark_the_best_and_say_what_is_missing() -> None:
    scores = {
        "nearest": None,
        "bicubic": method(
            {
                ("y_rgb8", "a", 2): {"psnr": [30.0], "ssim": [0.5], "lpips": [0.3]},
                ("y_rgb8", "a", 4): {"psnr": [25.0], "ssim": [0.5]},
                ("y_rgb8", "b", 2): {"psnr": [20.0], "ssim": [0.5]},
            }
        ),
        "memnet": method(
            {("y_rgb8", "a", 2): {"psnr": [31.239], "ssim": [0.5], "lpips": [0.4]}},
        ),
    }
    table = markdown(result_tables(scores))
    heads = " | ".join(f"{d} {m}" for d in "ab" for m in ("PSNR", "SSIM", "ALEX", "LPIPS"))
    none = NOT_COMPUTED
    assert f"| scale | method | {heads} | commit |" in table
    assert (
        f"| x2 | bicubic | 30.00 | **0.5000** | {none} | **0.300** "
        f"| **20.00** | **0.5000** | {none} | {none} | 01234567 |"
    ) in table
    assert f"| x2 | memnet | **31.24** | **0.5000** | {none} | 0.400 | {none} |" in table
    assert "| x4 | bicubic | **25.00** |" in table
    assert "| x4 | memnet |" not in table
    assert "nearest" not in table


def test_a_protocol_of_luma_made_by_another_kernel_has_its_own_table() -> None:
    scores = {"bicubic": method({("y_box", "a", 2): {"psnr": [30.0], "ssim": [0.5]}})}
    (table,) = result_tables(scores)
    assert table.title == "Protocol `y_box`: `box` on 8-bit luma, scored on luma"
    assert list(table.head) == ["scale", "method", "a PSNR", "a SSIM", "commit"]


def test_a_table_is_checked_and_escaped() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells under 2"):
        Table("title", ["a", "b"], [["1"]])
    text = Table("Title", ["a"], [["x|y"], [Strong("z")]], ["A note.", "Another."]).to_markdown()
    assert text == "Title:\n\n| a |\n|---|\n| x\\|y |\n| **z** |\n\nA note.\n\nAnother."


def test_published_numbers_are_those_of_the_papers() -> None:
    assert PUBLISHED.paper.score("memnet", 3, "set14", "alex") == 0.942
    assert PUBLISHED.paper.score("srresnet", 4, "set14", "psnr") is None
    assert {"SRCNN", "VDSR", "DRRN", "MemNet", "EDSR-baseline", "SRGAN"} <= {
        result.method for result in PUBLISHED.results
    }
    for result in PUBLISHED.results:
        assert result.scores.keys() <= PUBLISHED.datasets.keys()
        for scores in result.scores.values():
            assert scores.psnr is None or 20 < scores.psnr < 40
            assert scores.ssim is None or 0.6 < scores.ssim < 1
            assert scores.lpips is None or 0 < scores.lpips < 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("method: SRCNN", "methd: SRCNN", r"results\.3\.method: Field required; correct it there"),
        ("protocol: y_rgb8", "protocol: y_rgb9", r"results\.\d+\.protocol: Input should be 'y'"),
        ("psnr: 30.48", "psnr: high", r"results\.3\.scores\.set5\.psnr: Input should be a valid"),
    ],
)
def test_malformed_published_numbers_are_named(tmp_path, old: str, new: str, message: str) -> None:
    path = tmp_path / "published.yaml"
    path.write_text((ROOT / "data" / "published.yaml").read_text().replace(old, new, 1))
    with pytest.raises(SrlabError, match=rf"published\.yaml: {message}"):
        read_published(path)
