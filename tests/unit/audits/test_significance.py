from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audits.domain.significance import fisher_exact, holm, score_test

TABLES = st.integers(0, 40).flatmap(
    lambda n: st.integers(0, 40).flatmap(
        lambda n0: st.tuples(st.integers(0, n), st.just(n), st.integers(0, n0), st.just(n0))
    )
)


def enumerated(k: int, n: int, k0: int, n0: int) -> Fraction:
    """The definition: every table with these margins that is no more likely."""
    chosen, everybody = k + k0, comb(n + n0, k + k0)
    likelihood = [comb(n, x) * comb(n0, chosen - x) for x in range(n + 1) if 0 <= chosen - x <= n0]
    observed = comb(n, k) * comb(n0, k0)
    return Fraction(sum(w for w in likelihood if w <= observed), everybody)


@given(TABLES)
def test_fisher_equals_its_definition_to_the_last_bit(table: tuple[int, int, int, int]) -> None:
    assert fisher_exact(*table) == float(enumerated(*table))


@given(TABLES)
def test_fisher_agrees_with_scipy(table: tuple[int, int, int, int]) -> None:
    k, n, k0, n0 = table
    expected = stats.fisher_exact([[k, n - k], [k0, n0 - k0]]).pvalue
    assert fisher_exact(*table) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((3, 8, 16, 25), 0.238),  # Ricci v. DeStefano, Captain
        ((6, 19, 25, 43), 0.097),  # Ricci v. DeStefano, Lieutenant
        ((3, 15, 25, 43), 0.016),
    ],
)
def test_fisher_gives_the_published_values(
    table: tuple[int, int, int, int], expected: float
) -> None:
    assert fisher_exact(*table) == pytest.approx(expected, abs=0.0005)


def test_fisher_is_exact_at_ten_thousand_people() -> None:
    expected = stats.fisher_exact([[2400, 2600], [2500, 2500]]).pvalue
    assert fisher_exact(2400, 5000, 2500, 5000) == pytest.approx(expected, rel=1e-6)


@given(TABLES.filter(lambda t: t[1] > 0 and t[3] > 0 and 0 < t[0] + t[2] < t[1] + t[3]))
def test_score_test_is_the_uncorrected_chi_squared(table: tuple[int, int, int, int]) -> None:
    k, n, k0, n0 = table
    expected = stats.chi2_contingency([[k, n - k], [k0, n0 - k0]], correction=False).pvalue
    assert score_test(*table) == pytest.approx(expected, rel=1e-9)


def test_score_test_stays_finite_for_a_trillion_people() -> None:
    assert score_test(10**12 // 2, 10**12, 10**12 // 2, 10**12) == 1.0
    assert score_test(0, 10**12, 10**12, 10**12) == 0.0


@pytest.mark.parametrize("table", [(0, 0, 3, 5), (0, 4, 0, 5), (4, 4, 5, 5)])
def test_no_contrast_has_a_p_value_of_one(table: tuple[int, int, int, int]) -> None:
    assert fisher_exact(*table) == 1.0
    assert score_test(*table) == 1.0


def test_holm_gives_the_textbook_adjustment() -> None:
    assert holm((0.01, 0.04, 0.03, 0.005)) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm(()) == ()


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_never_lowers_a_p_value_and_ignores_the_order(
    p_values: list[float], random: object
) -> None:
    adjusted = holm(tuple(p_values))
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert sorted(holm(tuple(reversed(p_values)))) == sorted(adjusted)
