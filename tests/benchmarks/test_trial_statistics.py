"""The quick form of benchmarks/trial_statistics.py: few trials, with bounds that chance does not pass."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from histoquant.phantoms.trial_tables import TableTrial


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module


def test_planted_changes_lie_in_their_intervals(load: Callable[[str], ModuleType]) -> None:
    bench = load("trial_statistics")
    found = [inside for seed in (1, 2) for inside in bench.recovered(TableTrial(seed=seed)).values()]
    assert len(found) == 2 * 24
    # markers are drawn apart: at 95 % each, fewer than 41 of 48 happen once in a thousand
    assert sum(found) >= 41


def test_tests_reject_and_intervals_miss_as_rarely_as_they_say(load: Callable[[str], ModuleType]) -> None:
    bench = load("trial_simulations")
    null, held = bench.Tally(), bench.Tally()
    for seed in range(24):
        bench.simulate(seed, null, held)
        if seed % 4 == 0:
            bench.simulate_models(seed, null, held)
    assert len(null.tries) >= 24
    assert len(held.tries) >= 36
    # of 24 at 5 %, six or more happen less than once in a thousand
    assert all(null.hits[name] <= 5 for name in null.tries)
    assert all(held.tries[name] - held.hits[name] <= 5 for name in held.tries)


def test_power_grows_with_the_effect(load: Callable[[str], ModuleType]) -> None:
    found = load("trial_statistics").power(0)
    lines = [line for line in found.splitlines() if line.startswith("| Wilcoxon | 20")]
    shares = [int(line.split("|")[-2]) for line in lines]
    assert shares == sorted(shares)
    assert shares[2] > 80
