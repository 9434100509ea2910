import numpy as np
import pytest

from srlab.report.bootstrap import Difference, paired_difference


def test_the_mean_is_that_of_the_differences() -> None:
    found = paired_difference([30.0, 28.0, 35.0], [29.0, 28.5, 33.0])
    assert found.mean == pytest.approx((1 - 0.5 + 2) / 3)
    assert found.images == 3
    assert found.low is not None
    assert found.high is not None
    assert -0.5 <= found.low < found.mean < found.high <= 2


def test_the_interval_of_two_images_is_worked_out_by_hand() -> None:
    # The mean of two draws from {0, 1} is 0, 0.5, 1 with probabilities 1/4, 1/2, 1/4.
    wide = paired_difference([1.0, 2.0], [0.0, 2.0], level=0.95)
    assert (wide.low, wide.high) == (0, 1)
    narrow = paired_difference([1.0, 2.0], [0.0, 2.0], level=0.4)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_equal_arguments_give_equal_intervals() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 14)).tolist()
    assert paired_difference(a, b) == paired_difference(a, b)
    assert paired_difference(a, b, seed=1) != paired_difference(a, b)


def test_swapping_the_methods_turns_the_interval_round() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(2, 14)).tolist()
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.mean == -back.mean
    assert there.low == pytest.approx(-back.high, abs=1e-12)
    assert there.high == pytest.approx(-back.low, abs=1e-12)
    assert there.certain == back.certain


def test_what_makes_an_image_hard_falls_out() -> None:
    hardness = np.random.default_rng(0).normal(28, 4, 14)
    found = paired_difference((hardness + 0.1).tolist(), hardness.tolist())
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    assert found.certain


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        b = random.normal(28, 3, 40)
        a = b + random.normal(0.3, 1, 40)
        found = paired_difference(a.tolist(), b.tolist(), draws=1000, seed=seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.3 <= found.high
    assert 0.90 <= held / 300 <= 0.98


def test_more_images_than_fit_a_batch_give_the_same_kind_of_interval(monkeypatch) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 20)).tolist()
    whole = paired_difference(a, b)
    monkeypatch.setattr("srlab.report.bootstrap._BATCH", 50)
    parts = paired_difference(a, b)
    assert (parts.low, parts.high) == (whole.low, whole.high)


def test_one_image_has_no_interval() -> None:
    found = paired_difference([30.0], [29.0])
    assert found == Difference(mean=1.0, low=None, high=None, images=1)
    assert not found.certain


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        ([1.0], [1.0, 2.0], {}, "of 1 and of 2 images"),
        ([], [], {}, "no scores"),
        ([1.0, float("inf")], [1.0, 2.0], {}, "not finite"),
        ([1.0, 2.0], [1.0, 2.0], {"level": 1.0}, "level"),
        ([1.0, 2.0], [1.0, 2.0], {"draws": 0}, "draws"),
    ],
)
def test_impossible_arguments_are_refused(a, b, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_difference(a, b, **options)
