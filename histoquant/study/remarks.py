"""Remarks on a study's data: what does not fit together, and what a reader of the numbers should know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from histoquant.study.measures import DIFFERENCE
from histoquant.study.timeline import Visit
from histoquant.study.trial_tables import TrialTables

Remark = dict[str, str]
# Bounds of what is plausible in granulation tissue, for warnings only.
_MOST = {"cd68_per_mm2": 3000.0, "cd20_per_mm2": 8000.0, "cd31_vessels_per_mm2": 800.0}
_MOST_PERCENT = 60.0


def _remark(code: str, where: str, says: str) -> Remark:
    return {"code": code, "where": where, "says": says}


def remarks(
    slides: pd.DataFrame,
    biopsies: pd.DataFrame,
    measures: pd.DataFrame,
    visits: Sequence[Visit],
    tables: TrialTables,
) -> pd.DataFrame:
    """Collect all remarks (columns of ``notes.csv``), sorted."""
    found = [
        *_strangers(biopsies, visits, tables),
        *_present_but_missing(biopsies, tables),
        *_several(measures, "clone", "CLONE_DIFFERS", "their change is left out"),
        *_several_batches(slides),
        *_implausible(measures),
    ]
    rows = sorted(found, key=lambda row: (row["code"], row["where"], row["says"]))
    return pd.DataFrame(rows, columns=["code", "where", "says"])


def _strangers(biopsies: pd.DataFrame, visits: Sequence[Visit], tables: TrialTables) -> Iterator[Remark]:
    patients = {row.patient for row in tables.patients}
    tracts = {(row.patient, row.tract) for row in tables.tracts}
    labels = {visit.label for visit in visits}
    for patient in dict.fromkeys(biopsies["patient"]):
        if patients and patient not in patients:
            says = "has biopsies and is not in the patients table; counted all the same. Add the patient."
            yield _remark("UNKNOWN_PATIENT", str(patient), says)
    for patient, tract in dict.fromkeys(zip(biopsies["patient"], biopsies["tract"], strict=True)):
        if tracts and isinstance(tract, str) and (patient, tract) not in tracts:
            says = "has biopsies and is not in the tracts table; counted all the same. Add the tract."
            yield _remark("UNKNOWN_TRACT", f"{patient} {tract}", says)
    for label in dict.fromkeys(biopsies["timepoint"]):
        if label not in labels:
            says = "is not declared in study.toml, so its biopsies are in no comparison. Add [[timepoints]]."
            yield _remark("TIMEPOINT_NOT_DECLARED", str(label), says)


def _present_but_missing(biopsies: pd.DataFrame, tables: TrialTables) -> Iterator[Remark]:
    keys = {
        (patient, "" if pd.isna(tract) else tract, timepoint)
        for patient, tract, timepoint in zip(
            biopsies["patient"], biopsies["tract"], biopsies["timepoint"], strict=True
        )
    }
    for row in tables.missing:
        if row.tract is not None and (row.patient, row.tract, row.timepoint) in keys:
            says = (
                f"is listed as missing ({row.reason}) and has slides; the slides are used. Correct the table."
            )
            yield _remark("NOT_MISSING", f"{row.patient} {row.tract} {row.timepoint}", says)


def _several(measures: pd.DataFrame, column: str, code: str, then: str) -> Iterator[Remark]:
    known = measures[measures["evaluable"] & measures[column].notna()]
    for key, group in known.groupby(["patient", "tract", "marker"], sort=False):
        values = sorted(set(group[column]))
        if len({value.casefold() for value in values}) > 1:
            yield _remark(code, _place(key), f"timepoints differ in {column} ({', '.join(values)}); {then}")


def _several_batches(slides: pd.DataFrame) -> Iterator[Remark]:
    if not {"batch", "patient", "tract", "marker"} <= set(slides.columns):
        return
    known = slides[slides["batch"].notna() & slides["patient"].notna() & slides["marker"].notna()]
    for key, group in known.assign(tract=known["tract"].fillna("")).groupby(["patient", "tract", "marker"]):
        values = sorted({str(value) for value in group["batch"]})
        if len(values) > 1:
            says = (
                f"was stained in batches {', '.join(values)}; a shift of stain shifts the density. "
                "Check the controls of the batches."
            )
            yield _remark("BATCH_DIFFERS", _place(key), says)


def _implausible(measures: pd.DataFrame) -> Iterator[Remark]:
    for row in measures[measures["evaluable"]].to_dict("records"):
        percent = row["scale"] == DIFFERENCE and row["unit"] == "%"
        most = _MOST_PERCENT if percent else _MOST.get(str(row["measure"]))
        if most is not None and row["value"] > most:
            place = _place((row["patient"], row["tract"], row["timepoint"]))
            says = f"{row['measure']} is {row['value']:.4g}, above {most:g}. Look at the slide."
            yield _remark("IMPLAUSIBLE", place, says)


def _place(key: object) -> str:
    return " ".join(str(part) for part in key if part) if isinstance(key, tuple) else str(key)
