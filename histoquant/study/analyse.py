"""From a study's slides to all tables of change, in one pure step that knows no arm and no outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from histoquant.errors import StudyError
from histoquant.study.arms import arm_table, event_table
from histoquant.study.biopsy_table import biopsies as pool
from histoquant.study.change import patient_changes, tract_changes
from histoquant.study.contrasts import Primary, change_table
from histoquant.study.design import StudyDesign
from histoquant.study.flow import flow_table
from histoquant.study.layout import BLIND_TABLES, UNBLINDED_TABLES, shaped
from histoquant.study.levels import level_table, trend_table
from histoquant.study.measures import measure_table, measures_of
from histoquant.study.model_table import model_table
from histoquant.study.outcomes import Outcomes
from histoquant.study.partial_index import partial_changes
from histoquant.study.remarks import remarks
from histoquant.study.response import proportion_table, response_groups, response_points, response_table
from histoquant.study.rules import did_you_mean
from histoquant.study.scores import score_table
from histoquant.study.sensitivity import missing_table
from histoquant.study.study_file import Study
from histoquant.study.timeline import Visit, timeline
from histoquant.study.trial_tables import TrialTables


@dataclass(frozen=True)
class Analysis:
    """All blind tables of a study, by the names of `histoquant.study.layout.BLIND_TABLES`.

    Attributes
    ----------
    tables : Mapping of str to DataFrame
    visits : tuple of Visit
        The first is the baseline.
    primary : Primary
    working : Mapping of str to DataFrame
        measures, tract_changes and patient_changes as plain floats and texts, with what is not written.
    """

    tables: Mapping[str, pd.DataFrame]
    visits: tuple[Visit, ...]
    primary: Primary
    working: Mapping[str, pd.DataFrame]


def analyse(slides: pd.DataFrame, study: Study | None = None, tables: TrialTables | None = None) -> Analysis:
    """Analyse change from baseline.

    Parameters
    ----------
    slides : DataFrame
        Rows of ``slides.csv``.
    study : Study, optional
        Months, reference and weights of the index, the primary comparison. Without it timepoints come in the
        order of their labels, and there is no index and no mixed model.
    tables : TrialTables, optional
        Patients, tracts and missing biopsies.

    Returns
    -------
    Analysis

    Raises
    ------
    StudyError
        If no slide has a patient and a timepoint, or ``[analysis]`` names what is not there.
    """
    pooled = pool(slides, study)
    if pooled.empty:
        raise StudyError(
            "no slide has a patient and a timepoint, so there is nothing to compare. Name them in the slide "
            "table or in the file names (P01_T1_V1_CD68), and run again."
        )
    return analyse_biopsies(pooled, slides, study, tables or TrialTables())


def analyse_biopsies(
    pooled: pd.DataFrame, slides: pd.DataFrame, study: Study | None, tables: TrialTables
) -> Analysis:
    """Do the same from biopsies that are pooled already."""
    design = study.design if study is not None else StudyDesign()
    visits = timeline(pooled, study)
    primary = _primary(design, pooled, visits)
    seed = design.analysis.seed
    scores = score_table(
        pooled, study.reference if study is not None else None, design.inflammation.weights, seed
    )
    measures = measure_table(pooled, visits, tables, scores)
    tracts = tract_changes(measures, visits)
    partial = partial_changes(pooled, visits, study)
    if not partial.empty:
        tracts = pd.concat([tracts, partial[tracts.columns]], ignore_index=True)
    patients = patient_changes(tracts)
    found = {
        "flow": flow_table(measures, tracts, visits, tables),
        "measures": measures,
        "timepoints": level_table(measures, visits),
        "tract_changes": tracts,
        "patient_changes": patients,
        "changes": change_table(tracts, patients, primary, seed),
        "trends": trend_table(measures, visits),
        "models": model_table(measures, visits),
        "missing": missing_table(tracts, visits, [row.patient for row in tables.patients], seed),
        "scores": scores,
        "notes": remarks(slides, pooled, measures, visits, tables),
    }
    tables_out = {name: shaped(name, found[name]) for name in BLIND_TABLES}
    return Analysis(tables_out, visits, primary, {name: found[name] for name in _WORKING})


_WORKING = ("measures", "tract_changes", "patient_changes")


def _primary(design: StudyDesign, pooled: pd.DataFrame, visits: tuple[Visit, ...]) -> Primary:
    named = design.analysis
    known = [measure.name for measure in measures_of(pooled)]
    if named.primary not in known:
        raise StudyError(
            f"study.toml: [analysis] primary: {named.primary!r} is not measured."
            f"{did_you_mean(named.primary, known)} Measured: {', '.join(known)}."
        )
    later = [visit.label for visit in visits[1:]]
    if named.primary_timepoint is None:
        return Primary(named.primary, later[-1] if later else None)
    if named.primary_timepoint not in later:
        raise StudyError(
            f"study.toml: [analysis] primary_timepoint: {named.primary_timepoint!r} is not after the "
            f"baseline. Later ones: {', '.join(later) or 'none'}."
        )
    return Primary(named.primary, named.primary_timepoint)


def unblinded(
    analysis: Analysis, outcomes: Outcomes, tables: TrialTables, seed: int
) -> dict[str, pd.DataFrame]:
    """Join arms and outcomes to a finished analysis; the analysis itself stays as it is.

    Parameters
    ----------
    analysis : Analysis
    outcomes : Outcomes
    tables : TrialTables
        Enrolled patients, sites of tracts.
    seed : int

    Returns
    -------
    dict of str to DataFrame
        By the names of `histoquant.study.layout.UNBLINDED_TABLES`.

    Raises
    ------
    StudyError
        If the outcomes are of other patients than the slides, or of patients or tracts that the study's
        tables do not list.
    """
    measures, tracts = analysis.working["measures"], analysis.working["tract_changes"]
    patients = analysis.working["patient_changes"]
    _same_patients(set(measures["patient"]), outcomes)
    _only_enrolled(outcomes, tables)
    points = response_points(patients, outcomes)
    enrolled = [row.patient for row in tables.patients] or sorted(set(measures["patient"]))
    found = {
        "response_points": points,
        "response_groups": response_groups(points),
        "response": response_table(points, tracts, outcomes, seed),
        "proportions": proportion_table(outcomes, enrolled),
        "arms": arm_table(measures, tracts, outcomes, tables),
        "events": event_table(outcomes),
    }
    return {name: shaped(name, found[name]) for name in UNBLINDED_TABLES}


def _same_patients(measured: set[str], outcomes: Outcomes) -> None:
    if measured.isdisjoint(outcomes.patients):
        example = sorted(outcomes.patients)[0] if outcomes.patients else "none"
        raise StudyError(
            f"the outcomes name none of the patients of the slides (outcomes: {example}; slides: "
            f"{sorted(measured)[0]}). If the slides were read under masked names, run `histoquant unblind` "
            "first; else correct the patient column."
        )


def _only_enrolled(outcomes: Outcomes, tables: TrialTables) -> None:
    """Refuse strangers: a name spelt otherwise would lose its own response and be one patient more."""
    patients = {row.patient for row in tables.patients}
    tracts = {(row.patient, row.tract) for row in tables.tracts}
    if patients and (strange := sorted(outcomes.patients - patients)):
        raise StudyError(
            f"the outcomes name {', '.join(strange[:5])}, not in the patients table."
            f"{did_you_mean(strange[0], sorted(patients))} Correct the outcomes, or add the patient."
        )
    if tracts and (unlisted := sorted(outcomes.tract_response.keys() - tracts)):
        named = ", ".join(" ".join(key) for key in unlisted[:5])
        raise StudyError(
            f"the outcomes name {named}, not in the tracts table. Correct the outcomes, or add the tract."
        )
