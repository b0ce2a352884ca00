"""How often the tests reject when nothing is there, intervals hold what is there, and effects are found.

Virtual trials as tables (20 patients, 43 tracts, 3 visits, 3 markers) go through the same functions as real
ones. Prints Markdown: recovery of planted changes, type I error and coverage of every test and interval that
``histoquant study`` and ``histoquant agreement`` report, and power.

    python benchmarks/trial_statistics.py [--trials 100] [--simulations 1000] [--models 400]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from histoquant.metrics.density import poisson_interval
from histoquant.phantoms.trial import TIMEPOINTS
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.statistics.agreement import bland_altman, concordance, icc_absolute, quadratic_kappa
from histoquant.statistics.estimate import Estimate
from histoquant.statistics.models import clustered_odds, count_model, mixed_model
from histoquant.statistics.ordered import jonckheere
from histoquant.statistics.paired import (
    hodges_lehmann,
    mean_change,
    response_mean,
    sign_flip_p,
    signed_rank,
)
from histoquant.statistics.separation import area_under_curve
from histoquant.statistics.trends import trend
from histoquant.statistics.two_groups import (
    Events,
    adjusted_difference,
    clustered_share,
    compare_events,
    exact_share,
)
from histoquant.study.biopsies import biopsies
from histoquant.study.change import patient_changes, tract_changes
from histoquant.study.contrasts import Primary, change_table
from histoquant.study.levels import summary_of_levels
from histoquant.study.measures import MAIN, measure_table
from histoquant.study.model_table import model_table
from histoquant.study.scores import score_table
from histoquant.study.timeline import Visit
from histoquant.study.trial_tables import TrialTables

Floats = NDArray[np.float64]
VISITS = tuple(Visit(label, float(month)) for label, month, _ in TIMEPOINTS)
_MAIN_OF = {"cd68_per_mm2": "CD68", "cd20_diffuse_per_mm2": "CD20", "cd31_vessels_per_mm2": "CD31"}
ALPHA = 0.05


@dataclass
class Tally:
    """How often something happened, by name, in order of first appearance."""

    hits: dict[str, int] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, hit: bool) -> None:
        """Count one try."""
        self.hits[name] = self.hits.get(name, 0) + int(hit)
        self.tries[name] = self.tries.get(name, 0) + 1

    def rejected(self, name: str, p: float) -> None:
        """Count a test, where there was one."""
        if math.isfinite(p):
            self.add(name, p < ALPHA)

    def held(self, name: str, found: Estimate, truth: float) -> None:
        """Count an interval, where there was one."""
        if math.isfinite(found.low):
            self.add(name, found.low <= truth <= found.high)

    def percent(self, name: str) -> float:
        """Share of tries that hit."""
        return 100 * self.hits[name] / self.tries[name]

    def rows(self, low: float, high: float) -> Iterator[str]:
        """Markdown rows; what lies outside the bounds is said, with the error of counting beside it."""
        for name, tries in self.tries.items():
            value = self.percent(name)
            error = 196 * math.sqrt(max(self.hits[name], 1) * max(tries - self.hits[name], 1)) / tries**1.5
            verdict = "" if low <= value <= high else "outside"
            yield f"| {name} | {value:.1f} | {error:.1f} | {tries} | {verdict} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="of the recovery of planted changes")
    parser.add_argument("--simulations", type=int, default=1000, help="of each quick test and interval")
    parser.add_argument("--models", type=int, default=200, help="of each model")
    parser.add_argument("--first", type=int, default=0, help="first seed of the models, to share them out")
    parser.add_argument("--only", nargs="*", default=("recovery", "tests", "models", "power"))
    given = parser.parse_args()
    if "recovery" in given.only:
        print(recovery(given.trials), flush=True)
    null, held = Tally(), Tally()
    for seed in range(given.simulations if "tests" in given.only else 0):
        simulate(seed, null, held)
    for seed in range(given.first, given.first + (given.models if "models" in given.only else 0)):
        simulate_models(seed, null, held)
    head = "| {} | % | +- | trials | |\n|---|---|---|---|---|\n"
    print("### Type I error at nominal 5 %\n\n" + head.format("test") + "\n".join(null.rows(3, 7)))
    print("\n### Coverage of 95 % intervals\n\n" + head.format("interval") + "\n".join(held.rows(93, 97)))
    if "power" in given.only:
        print("\n" + power(given.simulations))


def recovery(trials: int) -> str:
    """Count trials in which the planted changes lie in their intervals."""
    tally = Tally()
    for seed in range(trials):
        for name, inside in recovered(TableTrial(seed=1000 + seed, missing_share=0.08)).items():
            tally.add(name, inside)
    lines = [f"| {name} | {tally.hits[name]} of {tries} |" for name, tries in tally.tries.items()]
    return (
        "### Planted changes inside their intervals\n\n| estimate | trials |\n|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


def recovered(plan: TableTrial) -> dict[str, bool]:
    """Run one trial through the study's own functions; whether each planted change is in each interval."""
    slides, _ = table_trial(plan)
    measures = main_measures(slides)
    tracts = tract_changes(measures, VISITS)
    changes = change_table(tracts, patient_changes(tracts), Primary("cd68_per_mm2", "V3"), 1)
    models = model_table(measures, VISITS)
    planted = {marker: dict(zip(("V2", "V3"), path, strict=True)) for marker, path in plan.changes}
    inside: dict[str, bool] = {}
    for row in changes.to_dict("records"):
        truth = planted[_MAIN_OF[row["measure"]]][row["timepoint"]]
        about = f"{_MAIN_OF[row['measure']]} {row['timepoint']}"
        inside[f"{about}, Hodges-Lehmann"] = row["hl_low"] <= truth <= row["hl_high"]
        inside[f"{about}, mean with t"] = row["mean_low"] <= truth <= row["mean_high"]
    for row in models.to_dict("records"):
        truth = planted[_MAIN_OF[row["measure"]]][row["timepoint"]]
        if row["model"] == "gee":
            # a ratio of means, not of geometric means: patients' spread adds half its variance
            truth += (plan.slope_sd * {"V2": 0.5, "V3": 1.0}[row["timepoint"]]) ** 2 / 2
        about = f"{_MAIN_OF[row['measure']]} {row['timepoint']}"
        inside[f"{about}, {row['model']}"] = row["low"] <= truth <= row["high"]
    return inside


def main_measures(slides: pd.DataFrame) -> pd.DataFrame:
    """Lay out the main measures of a trial."""
    pooled = biopsies(slides)
    none = score_table(pooled.head(0), None, None, 1)  # type: ignore[arg-type]
    measures = measure_table(pooled, VISITS, TrialTables(), none)
    return measures[measures["role"] == MAIN]


def simulate(seed: int, null: Tally, held: Tally) -> None:
    """One set of data without any effect, and one with known parameters, for everything that is quick."""
    rng = np.random.default_rng([seed, 5])
    _paired(rng, seed, null, held)
    _groups(rng, seed, null, held)
    _arms(rng, null, held)
    _readers(rng, held)
    middle = summary_of_levels(rng.normal(5, 0.4, 20), True)
    median = Estimate(middle["median"], middle["median_low"], middle["median_high"])
    held.held("median of 20 levels, order statistics", median, math.exp(5))


def _paired(rng: np.random.Generator, seed: int, null: Tally, held: Tally) -> None:
    # 20 patients with 1 to 3 tracts each: the mean of few is as good as the mean of many in expectation
    tracts = rng.integers(1, 4, 20)
    change = rng.normal(0, 0.3, 20) + rng.normal(0, 0.35, 20) / np.sqrt(tracts)
    null.rejected("Wilcoxon, exact", signed_rank(change).p)
    null.rejected("paired t on logs", mean_change(change).p)
    null.rejected("sign flips by patient", sign_flip_p(change, seed))
    rows = rng.normal(0, 1, (20, 3))
    found = trend(rows)
    null.rejected("Friedman", found.p)
    null.rejected("Page, fall (one-sided)", found.fall_p)
    shifted = change - 0.5
    held.held("Hodges-Lehmann, 20 patients", hodges_lehmann(shifted)[0], -0.5)
    held.held("mean change, t", mean_change(shifted), -0.5)
    held.held("Hodges-Lehmann, 8 patients", hodges_lehmann(shifted[:8])[0], -0.5)
    plain = rng.normal(-0.8, 1, 20)
    held.held("standardised response mean", response_mean(plain), -0.8)
    area, rate = 2.0, 40.0
    interval = poisson_interval(int(rng.poisson(area * rate)), area)
    held.add("density, Poisson", bool(interval.low <= rate <= interval.high))  # type: ignore[operator]


def _groups(rng: np.random.Generator, seed: int, null: Tally, held: Tally) -> None:
    resistant, improved, closed = rng.normal(size=4), rng.normal(size=4), rng.normal(size=12)
    null.rejected("Jonckheere-Terpstra 12 : 4 : 4, exact", jonckheere([resistant, improved, closed], seed).p)
    tied = [np.round(values) for values in (resistant, improved, closed)]
    if seed % 10 == 0:
        null.rejected("Jonckheere-Terpstra, tied, permutation", jonckheere(tied, seed).p)
    null.rejected("Mann-Whitney 12 : 8, exact", area_under_curve(closed, np.r_[resistant, improved], seed).p)
    for true in (0.6, 0.8, 0.9):
        shift = math.sqrt(2) * float(norm.ppf(true))
        found = area_under_curve(rng.normal(shift, 1, 12), rng.normal(0, 1, 8), seed)
        held.held(f"AUC {true}, 12 : 8", found, true)
    held.held("share of patients, Clopper-Pearson", exact_share(int(rng.binomial(20, 0.6)), 20), 0.6)
    cluster = np.repeat(np.arange(20), 1 + rng.multinomial(23, np.full(20, 0.05)))
    chance = rng.beta(0.7 * 1.5, 0.3 * 1.5, 20)[cluster]
    held.held("share of tracts, Korn-Graubard", clustered_share(rng.random(43) < chance, cluster), 0.7)


def _arms(rng: np.random.Generator, null: Tally, held: Tally) -> None:
    arm = np.arange(20) % 2 == 0
    before = rng.normal(0, 1, 20)
    after = 0.6 * before + rng.normal(0, 0.8, 20) - 0.4
    null.rejected("ANCOVA 10 : 10, HC3", adjusted_difference(after, before, arm).p)
    held.held("ANCOVA difference, HC3", adjusted_difference(after - 0.7 * arm, before, arm), -0.7)
    counts = int(rng.binomial(10, 0.3)), int(rng.binomial(10, 0.3))
    events = _compared(*counts)
    null.rejected("Fisher 10 : 10, 30 % events", events.fisher_p)
    null.rejected("Boschloo 10 : 10, 30 % events", events.boschloo_p)
    other = compare_events(int(rng.binomial(10, 0.2)), 10, int(rng.binomial(10, 0.5)), 10)
    held.held("risk difference 10 : 10, Newcombe", other.difference, -0.3)


@cache
def _compared(first: int, second: int) -> Events:
    return compare_events(first, 10, second, 10)


def _readers(rng: np.random.Generator, held: Tally) -> None:
    """60 slides of 20 patients; patients, slides and reading errors vary; the second reader reads higher."""
    patient = np.repeat(np.arange(20), 3)
    truth = rng.normal(0, 0.8, 20)[patient] + rng.normal(0, 0.6, 60)
    # readers drawn at random: the ICC's absolute agreement counts their bias as variance
    bias = rng.normal(0, 0.2, 2)
    a, b = truth + bias[0] + rng.normal(0, 0.4, 60), truth + bias[1] + rng.normal(0, 0.4, 60)
    held.held("ICC(A,1), 60 slides", icc_absolute(np.column_stack([a, b])), 1 / (1 + 0.04 + 0.16))
    x, y = _pair(rng, 60, 0.85, 0.3)
    held.held("concordance, 60 slides", concordance(x, y), 2 * 0.85 / (2 + 0.09))
    drift = rng.normal(0.1, 0.2, 20)[patient] + rng.normal(0, 0.3, 60)
    held.held("bias over 20 patients", bland_altman(truth, truth + drift, patient).bias, 0.1)
    grades = np.clip(np.floor(_pair(rng, 80, 0.7, 0.0) + 2), 0, 3).astype(int)
    table = np.zeros((4, 4), np.int64)
    np.add.at(table, (grades[0], grades[1]), 1)
    held.held("quadratic kappa, 80 slides", quadratic_kappa(table), _true_kappa())


def _pair(rng: np.random.Generator, n: int, r: float, shift: float) -> Floats:
    """Two standard normal readings with correlation r, the second shifted."""
    common = rng.normal(size=(2, n))
    return np.vstack([common[0], r * common[0] + math.sqrt(1 - r * r) * common[1] + shift])


@cache
def _true_kappa() -> float:
    """Kappa of two million pairs drawn as above."""
    grades = np.clip(np.floor(_pair(np.random.default_rng(9), 2_000_000, 0.7, 0.0) + 2), 0, 3).astype(int)
    table = np.zeros((4, 4), np.int64)
    np.add.at(table, (grades[0], grades[1]), 1)
    return quadratic_kappa(table).value


def simulate_models(seed: int, null: Tally, held: Tally) -> None:
    """Models on trials without change: patients differ in slope by 0, or as much as planted elsewhere."""
    rng = np.random.default_rng([seed, 4])
    for slope in (0.0, 0.3, 0.6):
        for name, fit in (("mixed model", mixed_model), ("GEE", count_model)):
            # counts average densities, so what varies between patients adds half its variance to a mean
            tilt = 0.5 if name == "GEE" else 0.0
            found = fit(null_biopsies(rng, slope, tilt), [visit.label for visit in VISITS])
            if found.changes:
                null.rejected(f"{name}, slopes {slope}", found.changes[-1].p)
                held.held(f"{name}, slopes {slope}", found.changes[-1], 0.0)
    rng = np.random.default_rng([seed, 6])
    patient = np.repeat(np.arange(20), 1 + rng.multinomial(23, np.full(20, 0.05)))
    fall = rng.normal(0, 1, 20)[patient] + rng.normal(0, 1, 43)
    closed = rng.random(43) < rng.beta(3.5, 1.5, 20)[patient]
    null.rejected(
        "closure of tracts, GEE", clustered_odds(closed, fall, patient.astype(str).astype(object)).p
    )


def null_biopsies(rng: np.random.Generator, slope_sd: float, tilt: float) -> pd.DataFrame:
    """Draw 43 tracts of 20 patients at three visits without a mean change, in the columns of the models."""
    patient = np.repeat(np.arange(20), 1 + rng.multinomial(23, np.full(20, 0.05)))
    level = rng.normal(0, 0.35, 20)[patient] + rng.normal(0, 0.25, patient.size)
    slope = rng.normal(0, slope_sd, 20)[patient]
    parts = []
    for visit in VISITS:
        share = visit.month / VISITS[-1].month
        area = rng.uniform(0.6, 3.0, patient.size)
        log_density = math.log(330) + level + slope * share - tilt * (slope_sd * share) ** 2
        count = rng.poisson(np.exp(log_density + rng.normal(0, 0.2, patient.size)) * area).astype(float)
        part = pd.DataFrame({"count": count, "area_mm2": area, "y": np.log((count + 0.5) / area)})
        part["patient"] = [f"P{number:02d}" for number in patient]
        part["tract"] = [f"{number}" for number in range(patient.size)]
        parts.append(part.assign(visit=visit.label, month=visit.month))
    return pd.concat(parts, ignore_index=True)


def power(simulations: int) -> str:
    """Share of trials in which an effect is found, by size of the effect."""
    count = max(200, simulations // 2)
    lines = ["### Power at two-sided 5 %", "", "| test | patients | effect | % found |", "|---|---|---|---|"]
    rng = np.random.default_rng(11)
    for n in (10, 16, 18, 20):
        for srm in (0.5, 0.66, 0.8, 1.0):
            found = [signed_rank(rng.normal(srm, 1, n)).p < ALPHA for _ in range(count)]
            lines.append(f"| Wilcoxon | {n} | SRM {srm} | {100 * np.mean(found):.0f} |")
    for shift in (0.5, 0.75, 1.0):
        draws = ([rng.normal(at * shift, 1, n) for at, n in enumerate((4, 4, 12))] for _ in range(count))
        share = np.mean([jonckheere(groups, 1).p < ALPHA for groups in draws])
        lines.append(f"| Jonckheere-Terpstra | 4 : 4 : 12 | {shift} sd per class | {100 * share:.0f} |")
    arm = np.arange(20) % 2 == 0
    for d in (0.8, 0.95, 1.15, 1.33):
        hits = 0
        for _ in range(count):
            before = rng.normal(size=20)
            after = 0.5 * before + math.sqrt(0.75) * rng.normal(size=20) + d * arm
            hits += adjusted_difference(after, before, arm).p < ALPHA
        lines.append(f"| ANCOVA, r = 0.5 | 10 : 10 | {d} sd | {100 * hits / count:.0f} |")
    for rates in ((0.1, 0.4), (0.1, 0.6)):
        pairs = [_compared(*(int(rng.binomial(10, rate)) for rate in rates)) for _ in range(count)]
        share = np.mean([pair.boschloo_p < ALPHA for pair in pairs])
        lines.append(f"| Boschloo | 10 : 10 | {rates[0]:.0%} against {rates[1]:.0%} | {100 * share:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
