"""How often the tests reject when nothing is there, intervals hold what is there, and effects are found.

Virtual trials as tables (20 patients, 43 tracts, 3 visits, 3 markers) go through the same functions as real
ones. Prints Markdown: recovery of planted changes, type I error and coverage of every test and interval that
``histoquant study`` and ``histoquant agreement`` report, and power.

    python benchmarks/trial_statistics.py [--keep counts.json]
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from trial_simulations import ALPHA, VISITS, Tally, compared, simulate, simulate_models

from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.statistics.ordered import jonckheere
from histoquant.statistics.paired import hodges_lehmann, mean_change, signed_rank
from histoquant.statistics.two_groups import adjusted_difference
from histoquant.study.biopsy_table import biopsies
from histoquant.study.change import patient_changes, tract_changes
from histoquant.study.contrasts import Primary, change_table
from histoquant.study.measures import MAIN, measure_table
from histoquant.study.model_table import model_table
from histoquant.study.scores import score_table
from histoquant.study.trial_tables import TrialTables

_MAIN_OF = {"cd68_per_mm2": "CD68", "cd20_diffuse_per_mm2": "CD20", "cd31_vessels_per_mm2": "CD31"}
_PARTS = ("recovery", "direct", "models", "tests")
_FIRST = 100
_ROUND = 10  # seeds of each part in turn
_HEAD = "| {} | % | 95 % interval | trials | |\n|---|---|---|---|---|\n"


@dataclass
class Counts:
    """What was counted so far, by seed from ``begin`` up; kept in a file, so a run can be taken up again."""

    begin: int = 0
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_PARTS, 0))
    null: Tally = field(default_factory=Tally)
    held: Tally = field(default_factory=Tally)
    planted: Tally = field(default_factory=Tally)
    first: Tally = field(default_factory=Tally)
    direct: Tally = field(default_factory=Tally)

    @classmethod
    def load(cls, path: Path | None, begin: int = 0) -> Counts:
        """Take up what is kept, or begin; counts of other seeds are refused."""
        if path is None or not path.exists():
            return cls(begin)
        told = json.loads(path.read_text("utf-8"))
        kept = told.pop("begin", 0)
        if kept != begin:
            raise SystemExit(
                f"{path}: counted from seed {kept}, not {begin}. Pass --from-seed {kept}, or another --keep."
            )
        return cls(kept, told.pop("done"), **{name: Tally(**tally) for name, tally in told.items()})

    def save(self, path: Path | None) -> None:
        """Keep."""
        if path is not None:
            path.write_text(json.dumps(asdict(self)), "utf-8")

    def step(self, part: str) -> None:
        """Draw and count one more seed."""
        seed = self.begin + self.done[part]
        if part == "tests":
            simulate(seed, self.null, self.held)
        elif part == "models":
            simulate_models(seed, self.null, self.held)
        elif part == "direct":
            for name, inside in recovered_directly(_plan(seed)).items():
                self.direct.add(name, inside)
        else:
            for name, inside in recovered(_plan(seed)).items():
                self.planted.add(name, inside)
                if self.done[part] < _FIRST:
                    self.first.add(name, inside)
        self.done[part] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recovery", type=int, default=400, help="trials with planted changes")
    parser.add_argument("--direct", type=int, default=3000, help="more of them, over patients only")
    parser.add_argument("--tests", type=int, default=3000, help="of each quick test and interval")
    parser.add_argument("--models", type=int, default=1000, help="of each model")
    parser.add_argument("--only", nargs="*", default=(*_PARTS, "power"))
    parser.add_argument("--keep", type=Path, help="file of counts, taken up again when the run is repeated")
    parser.add_argument(
        "--from-seed", type=int, default=0, help="first seed: data that no choice was made on"
    )
    given = parser.parse_args()
    counts = Counts.load(given.keep, given.from_seed)
    wanted = {part: getattr(given, part) for part in _PARTS if part in given.only}
    while any(counts.done[part] < trials for part, trials in wanted.items()):
        for part, trials in wanted.items():
            for _ in range(min(_ROUND, trials - counts.done[part])):
                counts.step(part)
        counts.save(given.keep)
    print(recovery(counts), flush=True)
    print("### Type I error at nominal 5 %\n\n" + _HEAD.format("test") + "\n".join(counts.null.rows(3, 7)))
    rows = "\n".join(counts.held.rows(93, 97))
    print("\n### Coverage of 95 % intervals\n\n" + _HEAD.format("interval") + rows)
    if "power" in given.only:
        print("\n" + power(1000))


def _plan(seed: int) -> TableTrial:
    return TableTrial(seed=1000 + seed, missing_share=0.08)


def recovery(counts: Counts) -> str:
    """Trials in which the planted changes lie in their intervals, as Markdown."""
    first = counts.first
    lines = []
    for name in counts.planted.tries:
        tally = counts.direct if name in counts.direct.tries else counts.planted
        share = f"{tally.percent(name):.1f} | {tally.interval(name)} | {tally.tries[name]}"
        lines.append(f"| {name} | {first.hits[name]} of {first.tries[name]} | {share} |")
    return (
        "### Planted changes inside their intervals\n\n"
        "| estimate | first trials | % | 95 % interval | trials |\n|---|---|---|---|---|\n"
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


def recovered_directly(plan: TableTrial) -> dict[str, bool]:
    """The same for the two estimates over patients, from counts and areas alone; fast, for many trials."""
    slides, _ = table_trial(plan)
    outside = 1 - slides["aggregate_area_percent"].fillna(0) / 100
    area = slides["tissue_mm2"] * outside
    diffuse = (slides["diffuse_per_mm2"] * area).round()
    count = slides["vessels"].fillna(diffuse).fillna(slides["positive"])
    log = slides.assign(y=np.log((count + 0.5) / area))
    wide = log.pivot(index=["marker", "patient", "tract"], columns="timepoint", values="y")
    change = wide.sub(wide["V1"], axis=0).groupby(level=["marker", "patient"]).mean()
    inside: dict[str, bool] = {}
    for marker, path in plan.changes:
        for label, truth in zip(("V2", "V3"), path, strict=True):
            values = change.loc[marker][label].dropna().to_numpy(float)
            for name, found in (
                ("Hodges-Lehmann", hodges_lehmann(values)[0]),
                ("mean with t", mean_change(values)),
            ):
                inside[f"{marker} {label}, {name}"] = found.low <= truth <= found.high
    return inside


def main_measures(slides: pd.DataFrame) -> pd.DataFrame:
    """Lay out the main measures of a trial."""
    pooled = biopsies(slides)
    none = score_table(pooled.head(0), None, None, 1)  # type: ignore[arg-type]
    measures = measure_table(pooled, VISITS, TrialTables(), none)
    return measures[measures["role"] == MAIN]


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
        pairs = [compared(*(int(rng.binomial(10, rate)) for rate in rates)) for _ in range(count)]
        share = np.mean([pair.boschloo_p < ALPHA for pair in pairs])
        lines.append(f"| Boschloo | 10 : 10 | {rates[0]:.0%} against {rates[1]:.0%} | {100 * share:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
