"""Measure everything docs/accuracy.md says and write that page with its pictures.

Figures and drawn phantoms are kept in .cache/accuracy until the sources they hang on change, so that a rerun
measures only what is new.

    python benchmarks/accuracy.py [--data FOLDER] [--quick] [--only NAME] [--jobs N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import accuracy_cases as cases
import accuracy_studies as studies
import pandas as pd
from accuracy_cache import measuring_digest, remembered
from accuracy_page import write_page
from accuracy_pictures import write_pictures

from histoquant.phantoms import VISITS, families

ROOT = Path(__file__).resolve().parents[1]
OS2 = Path("ki67-two-scanners") / "OS-2-vsi.ome.tif"


@dataclass(frozen=True)
class Unit:
    """One measurement of its own, done by any process."""

    group: str
    name: str
    measure: partial[Any]


def _phantom_units() -> list[Unit]:
    units = [Unit("family", one.name, partial(cases.family_record, one)) for one in families()]
    units += [
        Unit("scanner", f"{scene} {seed} {look}", partial(studies.scanner_record, scene, seed, look))
        for scene in studies.SCENES
        for seed in (1, 2)
        for look in studies.LOOKS
    ]
    markers = ("CD68", "CD20", "CD31")
    units += [
        Unit("shift", f"{marker} {shift} {seed}", partial(studies.shift_record, marker, shift, seed))
        for marker in markers
        for shift in studies.SHIFTS
        for seed in studies.SENSITIVITY_SEEDS
    ]
    units += [
        Unit("responder", f"{pair} {n} {visit}", partial(studies.responder_record, pair, n, visit))
        for pair in studies.RESPONDERS
        for n in range(studies.RESPONDER_FIELDS)
        for visit in VISITS
    ]
    controls = dict.fromkeys([*markers, *(marker for marker, _ in studies.NEGATIVES.values())])
    units += [Unit("control", marker, partial(studies.control_record, marker)) for marker in controls]
    units += [
        Unit("negative", f"{name} {look}", partial(studies.negative_record, name, look))
        for name in studies.NEGATIVES
        for look in ("scanner A", "scanner B", "scanner C")
    ]
    kinds = ("glass", "blue", "green", "black", "bubbles", "debris", "coverslip")
    units += [
        Unit("pure", f"{marker} {kind}", partial(studies.pure_record, marker, kind))
        for marker in markers
        for kind in kinds
    ]
    return units


def _real_units(data: Path) -> list[Unit]:
    """Real images that are at hand, and the marks on those that come with the code."""
    here = [one for one in cases.ANNOTATED if (data / one[0]).is_file()]
    units = [Unit("annotated", one[0], partial(cases.annotated_record, data, *one)) for one in here]
    units += [
        Unit("counted", f"{one[0]} {one[1]}", partial(cases.counted_record, data, *one))
        for one in cases.COUNTED
        if one[0].startswith("skimage") or (data / one[0]).exists()
    ]
    if (data / OS2).is_file():
        units += [
            Unit("scan", name, partial(studies.scan_record, data / OS2, name)) for name in studies.SCANS
        ]
    return [*units, Unit("eyes", str(data.is_dir()), partial(studies.eyes_records, data))]


def _sample_units() -> list[Unit]:
    folder = ROOT / "sample_slides"
    truth = pd.read_csv(folder / "truth" / "truth.csv")
    return [
        Unit("sample", row["slide"], partial(cases.sample_record, folder / row["slide"], row))
        for _, row in truth.iterrows()
    ]


def units_of(data: Path, *, quick: bool, only: str) -> list[Unit]:
    """Everything to be measured; ``quick`` takes every eighth phantom unit, ``only`` one group or name."""
    units = _phantom_units()
    units = (units[::8] if quick else units) + _real_units(data) + _sample_units()
    return [unit for unit in units if only.casefold() in f"{unit.group} {unit.name}".casefold()]


def _measure(unit: Unit, digest: str) -> Any:
    return remembered(unit.group, unit.name, unit.measure, digest)


def measure_all(units: list[Unit], jobs: int) -> dict[str, list[Any]]:
    """Records by group, in the order of the units."""
    digest, started, done = measuring_digest(), time.monotonic(), {}
    # fresh processes: a forked one would share the parent's threads
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_measure, unit, digest): i for i, unit in enumerate(units)}
        for future in as_completed(waiting):
            unit = units[waiting[future]]
            done[waiting[future]] = future.result()
            said = (
                f"{len(done)} of {len(units)}, {time.monotonic() - started:.0f} s: {unit.group} {unit.name}"
            )
            print(said, file=sys.stderr, flush=True)
    records: dict[str, list[Any]] = {}
    for i, unit in enumerate(units):
        records.setdefault(unit.group, []).append(done[i])
    return records


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="real images; left out where absent")
    parser.add_argument(
        "--quick", action="store_true", help="every eighth phantom unit; does not touch docs/"
    )
    parser.add_argument("--only", default="", help="group or name to measure; does not touch docs/")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, help="folder for accuracy.md and images/accuracy")
    options = parser.parse_args()
    partly = options.quick or bool(options.only)
    out = options.out or (ROOT / ".cache" / "accuracy" / "page" if partly else ROOT / "docs")
    units = units_of(options.data, quick=options.quick, only=options.only)
    if not units:
        parser.error(f"--only {options.only}: no group and no name contains it")
    records = measure_all(units, options.jobs)
    pictures = [] if partly else write_pictures(out / "images" / "accuracy", records)
    page = write_page(out, records, pictures)
    print(f"wrote {page}")


if __name__ == "__main__":
    main()
