"""The quick form of benchmarks/trial_statistics.py: few trials, with bounds that chance does not pass."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from histoquant.phantoms.trial_tables import TableTrial


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "trial_statistics.py"
    spec = importlib.util.spec_from_file_location("trial_statistics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trial_statistics"] = module
    spec.loader.exec_module(module)
    return module


def test_planted_changes_lie_in_their_intervals(bench: ModuleType) -> None:
    found = [inside for seed in (1, 2) for inside in bench.recovered(TableTrial(seed=seed)).values()]
    assert len(found) == 2 * 24
    # markers are drawn apart: at 95 % each, fewer than 41 of 48 happen once in a thousand
    assert sum(found) >= 41


def test_tests_reject_and_intervals_miss_as_rarely_as_they_say(bench: ModuleType) -> None:
    null, held = bench.Tally(), bench.Tally()
    for seed in range(24):
        bench.simulate(seed, null, held)
    assert len(null.tries) >= 11
    assert len(held.tries) >= 17
    # of 24 at 5 %, six or more happen less than once in a thousand
    assert all(null.hits[name] <= 5 for name in null.tries)
    assert all(held.tries[name] - held.hits[name] <= 5 for name in held.tries)


def test_power_grows_with_the_effect(bench: ModuleType) -> None:
    lines = [line for line in bench.power(0).splitlines() if line.startswith("| Wilcoxon | 20")]
    shares = [int(line.split("|")[-2]) for line in lines]
    assert shares == sorted(shares)
    assert shares[2] > 80
