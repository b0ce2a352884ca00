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


def test_the_fast_way_counts_as_the_study_does(load: Callable[[str], ModuleType]) -> None:
    bench = load("trial_statistics")
    for seed in (1, 1004):
        plan = TableTrial(seed=seed, missing_share=0.08)
        whole, direct = bench.recovered(plan), bench.recovered_directly(plan)
        assert len(direct) == 12
        assert direct == {name: whole[name] for name in direct}


def test_counts_are_taken_up_again(load: Callable[[str], ModuleType], tmp_path: Path) -> None:
    bench, path = load("trial_statistics"), tmp_path / "counts.json"
    once, again = bench.Counts(), bench.Counts()
    for _ in range(4):
        once.step("direct")
    for _ in range(2):
        again = bench.Counts.load(path)
        again.step("direct")
        again.step("direct")
        again.save(path)
    assert again == once


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
