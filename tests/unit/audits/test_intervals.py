from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from audits.domain.intervals import Interval, miettinen_nurminen, score_statistic, wilson

PAIRS = st.integers(1, 60).flatmap(
    lambda n: st.integers(1, 60).flatmap(
        lambda n0: st.tuples(st.integers(0, n), st.just(n), st.integers(1, n0), st.just(n0))
    )
)
Z90 = float(stats.norm.ppf(0.95))


def score_by_likelihood(k: int, n: int, k0: int, n0: int, ratio: float) -> float:
    """The same statistic without its closed form: the constrained likelihood, maximised."""

    def loss(rate: float) -> float:
        terms = [(k, ratio * rate), (n - k, 1 - ratio * rate), (k0, rate), (n0 - k0, 1 - rate)]
        return -sum(count * math.log(max(p, 1e-300)) for count, p in terms if count)

    top = min(1.0, 1 / ratio)
    found = optimize.minimize_scalar(
        loss, bounds=(0, top), method="bounded", options={"xatol": 1e-12}
    )
    rate = min((float(found.x), 0.0, top), key=loss)
    group = ratio * rate
    factor = (n + n0) / (n + n0 - 1)
    variance = (group * (1 - group) / n + ratio**2 * rate * (1 - rate) / n0) * factor
    return (k / n - ratio * k0 / n0) / math.sqrt(variance)


@pytest.mark.parametrize("ratio", [0.5, 0.8, 1.0, 1.3])
@pytest.mark.parametrize("pair", [(7, 20, 30, 50), (1, 9, 8, 9), (15, 40, 2, 31)])
def test_statistic_stands_on_the_most_likely_rates(
    pair: tuple[int, int, int, int], ratio: float
) -> None:
    assert score_statistic(*pair, ratio) == pytest.approx(
        score_by_likelihood(*pair, ratio), abs=1e-5
    )


@pytest.mark.parametrize(
    ("pair", "low", "high"),
    [
        # k = n, where a closed form goes wrong.
        ((10, 10, 660, 694), 0.827, 1.069),
        ((10, 10, 10, 10), 0.778, 1.285),
        # k = 0: no lower end but 0.
        ((0, 10, 5, 10), 0.0, 0.471),
    ],
)
def test_ratio_interval_is_right_at_the_edges(
    pair: tuple[int, int, int, int], low: float, high: float
) -> None:
    interval = miettinen_nurminen(*pair, 0.9)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.0005)


@pytest.mark.parametrize(
    ("pair", "low", "high"),
    [
        ((7, 20, 30, 50), 0.32662088, 0.94236697),
        ((75, 99, 823, 841), 0.69513501, 0.83938662),
        ((49, 55, 825, 841), 0.81795936, 0.96157466),
        ((15, 40, 2, 31), 1.97806797, 18.21518192),
        ((3, 8, 16, 25), 0.24152259, 1.12087093),
    ],
)
def test_ratio_interval_agrees_with_statsmodels_where_that_is_right(
    pair: tuple[int, int, int, int], low: float, high: float
) -> None:
    # confint_proportions_2indep(compare="ratio", method="score", correction=True) of 0.15.0.
    interval = miettinen_nurminen(*pair, 0.9)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-7)


@given(PAIRS)
def test_ratio_interval_inverts_the_test(pair: tuple[int, int, int, int]) -> None:
    k, n, k0, n0 = pair
    interval = miettinen_nurminen(*pair, 0.9)
    assert interval is not None
    observed = (k / n) / (k0 / n0)
    assert interval.low <= observed <= interval.high
    # Just outside, the test at 90% refuses the ratio; just inside, it does not.
    if k > 0:
        assert score_statistic(*pair, interval.low * (1 - 1e-6)) > Z90
        assert score_statistic(*pair, interval.low * (1 + 1e-6)) < Z90
    else:
        assert interval.low == 0
    assert score_statistic(*pair, interval.high * (1 + 1e-6)) < -Z90
    assert score_statistic(*pair, interval.high * (1 - 1e-6)) > -Z90


@given(PAIRS, st.floats(0.01, 20), st.floats(1.001, 3))
def test_statistic_falls_as_the_ratio_grows(
    pair: tuple[int, int, int, int], ratio: float, factor: float
) -> None:
    assert score_statistic(*pair, ratio * factor) <= score_statistic(*pair, ratio) + 1e-9


@settings(max_examples=60)
@given(PAIRS)
def test_lower_end_falls_with_every_refusal_and_with_every_selected_reference(
    pair: tuple[int, int, int, int],
) -> None:
    # What the worst case of the unknown people rests on.
    k, n, k0, n0 = pair
    interval = miettinen_nurminen(*pair, 0.9)
    refused = miettinen_nurminen(k, n + 1, k0, n0, 0.9)
    assert interval is not None
    assert refused is not None
    assert refused.low <= interval.low + 1e-12
    if k0 < n0:
        raised = miettinen_nurminen(k, n, k0 + 1, n0 + 1, 0.9)
        assert raised is not None
        assert raised.low <= interval.low + 1e-12


def test_ratio_interval_holds_the_true_ratio_about_as_often_as_it_says() -> None:
    # Exact coverage, summed over every outcome: rates 0.6 and 0.75 (ratio 0.8) in 40 and 60.
    covered = 0.0
    for k in range(41):
        for k0 in range(1, 61):
            interval = miettinen_nurminen(k, 40, k0, 60, 0.9)
            assert interval is not None
            if interval.low <= 0.8 <= interval.high:
                covered += stats.binom.pmf(k, 40, 0.6) * stats.binom.pmf(k0, 60, 0.75)
    assert covered == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("pair", [(0, 0, 5, 9), (3, 9, 0, 9), (3, 9, 0, 0)])
def test_undefined_ratio_has_no_interval(pair: tuple[int, int, int, int]) -> None:
    assert miettinen_nurminen(*pair, 0.9) is None


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(rate: tuple[int, int]) -> None:
    k, n = rate
    expected = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
    interval = wilson(k, n, confidence=0.9)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= k / n <= interval.high <= 1


def test_wilson_reaches_its_edges_exactly() -> None:
    assert wilson(0, 0, confidence=0.9) is None
    none, everybody = wilson(0, 10, confidence=0.9), wilson(10, 10, confidence=0.9)
    assert none is not None
    assert everybody is not None
    assert none.low == 0.0
    assert everybody == Interval(pytest.approx(1 - none.high), 1.0)
