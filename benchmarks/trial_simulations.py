"""Data with known parameters for every test and interval of ``histoquant study`` and ``agreement``.

Drawn and counted by ``trial_statistics.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from histoquant.metrics.density import poisson_interval
from histoquant.phantoms.trial import TIMEPOINTS
from histoquant.statistics.agreement import bland_altman, concordance, icc_absolute, quadratic_kappa
from histoquant.statistics.estimate import Estimate
from histoquant.statistics.gee import clustered_odds, count_model
from histoquant.statistics.mixed import mixed_model
from histoquant.statistics.ordered import jonckheere
from histoquant.statistics.paired import (
    hodges_lehmann,
    mean_change,
    response_mean,
    sign_flip_p,
    signed_rank,
)
from histoquant.statistics.resampled import correlation_limits
from histoquant.statistics.separation import area_under_curve
from histoquant.statistics.trends import skillings_mack, trend
from histoquant.statistics.two_groups import (
    Events,
    adjusted_difference,
    clustered_share,
    compare_events,
    exact_share,
)
from histoquant.study.levels import summary_of_levels
from histoquant.study.sensitivity import imputed
from histoquant.study.timeline import Visit

Floats = NDArray[np.float64]
VISITS = tuple(Visit(label, float(month)) for label, month, _ in TIMEPOINTS)
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
        """Markdown rows; what lies outside the bounds is said, with the interval of counting beside it."""
        for name, tries in self.tries.items():
            value = self.percent(name)
            verdict = "" if low <= value <= high else "outside"
            yield f"| {name} | {value:.1f} | {self.interval(name)} | {tries} | {verdict} |"

    def interval(self, name: str) -> str:
        """Exact 95 % interval of the share, in percent."""
        share = exact_share(self.hits[name], self.tries[name])
        return f"{100 * share.low:.1f}-{100 * share.high:.1f}"


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
    # 20 patients with 1 to 3 tracts each: means of few tracts vary more than means of many
    tracts = rng.integers(1, 4, 20)
    change = rng.normal(0, 0.3, 20) + rng.normal(0, 0.35, 20) / np.sqrt(tracts)
    null.rejected("Wilcoxon, exact", signed_rank(change).p)
    null.rejected("paired t on logs", mean_change(change).p)
    null.rejected("sign flips by patient", sign_flip_p(change, seed))
    rows = rng.normal(0, 1, (20, 3))
    found = trend(rows)
    null.rejected("Friedman", found.p)
    null.rejected("Page, fall (one-sided)", found.fall_p)
    gone = rng.random((20, 3)) < 0.15
    null.rejected("Skillings-Mack, 15 % missing", skillings_mack(np.where(gone, np.nan, rows)).p)
    shifted = change - 0.5
    held.held("Hodges-Lehmann, 20 patients", hodges_lehmann(shifted)[0], -0.5)
    held.held("mean change, t", mean_change(shifted), -0.5)
    held.held("Hodges-Lehmann, 8 patients", hodges_lehmann(shifted[:8])[0], -0.5)
    plain = rng.normal(-0.8, 1, 20)
    held.held("standardised response mean", response_mean(plain), -0.8)
    held.held("all enrolled: 20 patients and 3 imputed", imputed(shifted, 3, 0.0, seed), -0.5)
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
    site = (rng.random((20, 2)).mean(axis=1) > 0.5).astype(float)
    if 0 < site.sum() < 20:
        moved = after + 0.6 * site
        by_site = adjusted_difference(moved, before, arm, site[:, None])
        null.rejected("ANCOVA 10 : 10 with site, HC3", by_site.p)
        by_site = adjusted_difference(moved - 0.7 * arm, before, arm, site[:, None])
        held.held("ANCOVA difference with site, HC3", by_site, -0.7)
    for rate in (0.3, 0.5):
        events = compared(int(rng.binomial(10, rate)), int(rng.binomial(10, rate)))
        null.rejected(f"Boschloo 10 : 10, {rate:.0%} events", events.boschloo_p)
    other = compare_events(int(rng.binomial(10, 0.2)), 10, int(rng.binomial(10, 0.5)), 10)
    held.held("risk difference 10 : 10, Newcombe", other.difference, -0.3)


@cache
def compared(first: int, second: int) -> Events:
    return compare_events(first, 10, second, 10)


def _readers(rng: np.random.Generator, held: Tally) -> None:
    """60 slides of 20 patients, 1 to 7 each; patients, slides and reading errors vary."""
    patient = np.repeat(np.arange(20), 1 + rng.multinomial(40, np.full(20, 0.05)))
    truth = rng.normal(0, 0.8, 20)[patient] + rng.normal(0, 0.6, 60)
    # readers drawn at random: the ICC's absolute agreement counts their bias as variance
    bias = rng.normal(0, 0.2, 2)
    a, b = truth + bias[0] + rng.normal(0, 0.4, 60), truth + bias[1] + rng.normal(0, 0.4, 60)
    icc = icc_absolute(np.column_stack([a, b]), patient)
    held.held("ICC(A,1), 60 slides of 20 patients", icc, 1 / (1 + 0.04 + 0.16))
    alone = np.arange(60)
    for name, cluster in (("of 20 patients", patient), ("of as many patients", alone)):
        x, y = _pair(rng, cluster, 0.85)
        held.held(f"concordance, 60 slides {name}", concordance(x, y + 0.3, cluster), 1.7 / (2 + 0.09))
        grades = _graded(_pair(rng, cluster, 0.7))
        kappa = quadratic_kappa(grades[0], grades[1], cluster)
        held.held(f"quadratic kappa, 60 slides {name}", kappa, _true_kappa())
        spread = np.sqrt([0.04, 0.09]) if cluster is patient else np.sqrt([0.0, 0.13])
        drift = 0.1 + rng.normal(0, spread[0], cluster.size)[cluster] + rng.normal(0, spread[1], 60)
        limits = bland_altman(truth, truth + drift, cluster)
        held.held(f"bias, 60 slides {name}", limits.bias, 0.1)
        reach = float(norm.ppf(0.975)) * math.sqrt(0.13)
        held.held(f"limit of agreement, 60 slides {name}", limits.loa_high, 0.1 + reach)
    x, y = _pair(rng, patient, 0.6)
    low, high = correlation_limits(lambda kept: float(spearmanr(x[kept], y[kept]).statistic), patient)
    truth_of_ranks = 6 / math.pi * math.asin(0.6 / 2)
    held.held("rank correlation, 60 biopsies of 20 patients", Estimate(0.0, low, high), truth_of_ranks)


def _pair(rng: np.random.Generator, cluster: NDArray[np.int64], r: float) -> Floats:
    """Two standard normal readings with correlation r, of which clusters share 60 %."""

    def shared() -> Floats:
        common = rng.normal(size=cluster.max() + 1)[cluster]
        return math.sqrt(0.6) * common + math.sqrt(0.4) * rng.normal(size=cluster.size)

    first = shared()
    return np.vstack([first, r * first + math.sqrt(1 - r * r) * shared()])


def _graded(readings: Floats) -> Floats:
    return np.clip(np.floor(readings + 2), 0, 3)


@cache
def _true_kappa() -> float:
    """Kappa of two million pairs drawn as above."""
    a, b = _graded(_pair(np.random.default_rng(9), np.arange(2_000_000), 0.7))
    return 1 - float(((a - b) ** 2).mean()) / float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)


def simulate_models(seed: int, null: Tally, held: Tally) -> None:
    """Models on trials without change: patients differ in slope by 0, or up to twice as much as elsewhere."""
    rng = np.random.default_rng([seed, 4])
    for slope in (0.0, 0.3, 0.6):
        for name, fit in (("mixed model", mixed_model), ("GEE", count_model)):
            # counts average densities, so what varies between patients adds half its variance to a mean
            tilt = 0.5 if name == "GEE" else 0.0
            found = fit(null_biopsies(rng, slope, tilt), [visit.label for visit in VISITS])
            for visit, change in zip(VISITS[1:], found.changes, strict=False):
                null.rejected(f"{name}, slopes {slope}, {visit.label}", change.p)
                held.held(f"{name}, slopes {slope}, {visit.label}", change, 0.0)
    _closure(np.random.default_rng([seed, 6]), null, held)


def _closure(rng: np.random.Generator, null: Tally, held: Tally) -> None:
    """43 tracts of 20 patients; how patients fare and how far their tracts fall is alike within each."""
    patient = np.repeat(np.arange(20), 1 + rng.multinomial(23, np.full(20, 0.05)))
    names = patient.astype(str).astype(object)
    fall = rng.normal(0, 1, 20)[patient] + rng.normal(0, 1, 43)
    luck = norm.cdf(math.sqrt(0.3) * rng.normal(size=20)[patient] + math.sqrt(0.7) * rng.normal(size=43))
    spread = float(np.std(fall, ddof=1))
    null.rejected("closure of tracts, GEE", clustered_odds(luck < 0.7, fall, names).p)
    chance = 1 / (1 + np.exp(-0.85 - 0.5 * fall))
    odds = clustered_odds(luck < chance, fall, names)
    held.held("odds ratio of closure, GEE", odds, math.exp(0.5 * spread))


def null_biopsies(rng: np.random.Generator, slope_sd: float, tilt: float) -> pd.DataFrame:
    """Draw 43 tracts of 20 patients at three visits without a mean change; 8 % of follow-ups are missing."""
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
    table = pd.concat(parts, ignore_index=True)
    return table[(table["month"] == 0) | (rng.random(len(table)) > 0.08)]
