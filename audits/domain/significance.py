"""Is a gap between two rates more than chance? Fisher's exact test, the score test, Holm."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=4096)
def fisher_exact(k: int, n: int, k0: int, n0: int) -> float:
    """Return the two-sided p-value of Fisher's exact test for k of n against k0 of n0.

    The sum of the probabilities of every table with the same margins that is no more likely than
    the observed one, in exact integers: ties count, and there is no tolerance to choose. 1.0 where
    either group is empty or everybody had the same outcome.

    Source: R. A. Fisher (1935); the two-sided definition of R's ``fisher.test`` and of scipy.
    """
    chosen = k + k0
    lowest, highest = max(0, chosen - n0), min(n, chosen)
    observed = math.comb(n, k) * math.comb(n0, k0)
    weight = math.comb(n, lowest) * math.comb(n0, chosen - lowest)
    as_extreme = 0
    for x in range(lowest, highest + 1):
        if weight <= observed:
            as_extreme += weight
        # The next hypergeometric weight; the division is exact.
        weight = weight * ((n - x) * (chosen - x)) // ((x + 1) * (n0 - chosen + x + 1))
    return as_extreme / math.comb(n + n0, chosen)


def score_test(k: int, n: int, k0: int, n0: int) -> float:
    """Return the two-sided p-value of the score test that k of n and k0 of n0 share one rate.

    Pearson's chi-squared without continuity correction. 1.0 where either group is empty or
    everybody had the same outcome.
    """
    chosen, people = k + k0, n + n0
    if n == 0 or n0 == 0 or chosen in (0, people):
        return 1.0
    # chi-squared = (kN - Kn)^2 people / (n n0 chosen (people - chosen)): exact until the division.
    squared = ((k * n0 - k0 * n) ** 2 * people) / (n * n0 * chosen * (people - chosen))
    return math.erfc(math.sqrt(squared / 2))


def holm(p_values: tuple[float, ...]) -> tuple[float, ...]:
    """Return the Holm-adjusted p-values, in the order given, each at most 1.

    Source: S. Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)
