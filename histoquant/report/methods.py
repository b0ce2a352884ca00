"""The methods in words, with the parameters of this run in their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from histoquant.report.figures.common import is_true, measure_name, records, timepoint_words
from histoquant.report.numbers import as_number, as_text, number_text
from histoquant.report.study_words import Tables


def methods(
    run: Mapping[str, Any], analysis: Mapping[str, Any], slides: pd.DataFrame, tables: Tables
) -> list[str]:
    """Say how the numbers of a report were made.

    Parameters
    ----------
    run : mapping
        ``run.json``.
    analysis : mapping
        ``study/analysis.json``; may be empty.
    slides : DataFrame
        ``slides.csv``.
    tables : dict of str to DataFrame
        Of the study; may be empty.

    Returns
    -------
    list of str
        Paragraphs. The full parameters stand in the table of the run; what is said here is read from the same
        place.
    """
    said = [_slides(run, slides), _stains(run, slides), *_markers(run), _areas()]
    if tables:
        said += [_change(tables, analysis), _models(tables), _index(analysis)]
    if "response" in tables or "arms" in tables:
        said.append(_outcomes(tables))
    if "agreement" in tables:
        said.append(_agreement())
    return [text for text in said if text]


def _slides(run: Mapping[str, Any], slides: pd.DataFrame) -> str:
    working = _short((run.get("parameters") or {}).get("working_mpp_um"))
    mpp = sorted({text for value in slides.get("mpp", ()) if (text := _short(value))})
    scanned = f" The slides were scanned at {_listed(mpp)} µm per pixel." if mpp else ""
    blind = (
        " Slides were read under masks, with parameters frozen before, and joined to their identity "
        "afterwards."
        if run.get("unblinding")
        else ""
    )
    return (
        f"Whole-slide images were quantified with histoquant {as_text(run.get('version'))}"
        + (f" at {working} µm per pixel, averaged from the full resolution." if working else ".")
        + scanned
        + blind
        + " Tissue and artefacts (folds, blur, pigment, pen, bubbles, stained edges) were mapped on the "
        "whole slide and artefacts were left out of counts and area alike."
    )


def _stains(run: Mapping[str, Any], slides: pd.DataFrame) -> str:
    sources = sorted({text for value in slides.get("stain_source", ()) if (text := as_text(value))})
    rules = sorted({text for value in slides.get("threshold_source", ()) if (text := as_text(value))})
    calibration = run.get("calibration")
    locked = (
        f" Both were locked beforehand from control slides ({as_text(calibration.get('file'))})."
        if isinstance(calibration, Mapping)
        else ""
    )
    thresholds = [v for value in slides.get("dab_threshold_od", ()) if (v := as_number(value)) is not None]
    span = f", {min(thresholds):.3f} to {max(thresholds):.3f} OD over the slides" if thresholds else ""
    return (
        "Optical density was taken against each slide's white point and unmixed into haematoxylin and DAB"
        + (f" (stain vectors: {_listed(sources)})" if sources else "")
        + ". White point, vectors and threshold were fixed for the whole slide before any field was segmented"
        + (f" (threshold: {_listed(rules)}{span})" if rules else "")
        + f".{locked}"
    )


def _markers(run: Mapping[str, Any]) -> list[str]:
    """One sentence per marker with every setting of its definition."""
    defined = (run.get("parameters") or {}).get("markers") or {}
    said = []
    for name, definition in sorted(defined.items()):
        if isinstance(definition, Mapping):
            settings = "; ".join(
                f"{key.replace('_', ' ')} {_setting(value)}"
                for key, value in definition.items()
                if key != "name"
            )
            said.append(f"{name}: {settings}.")
    return said


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return _short(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_setting(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(_setting(one) for one in value) or "none"
    return as_text(value) or "none"


def _short(value: Any) -> str:
    """A setting without trailing zeros; empty where it is no number."""
    number = as_number(value)
    return "" if number is None else f"{number:.6g}"


def _areas() -> str:
    return (
        "A biopsy's density is the sum of counts over the sum of evaluable tissue area of its sections. Its "
        "interval is exact Poisson, widened by the dispersion between blocks of tissue; it covers sampling "
        "within the section and nothing else."
    )


def _change(tables: Tables, analysis: Mapping[str, Any]) -> str:
    words = timepoint_words(tables)
    changes = records(tables.get("changes"))
    primary = next((row for row in changes if is_true(row["primary"])), None)
    named = ""
    if primary is not None:
        what = measure_name(as_text(primary["measure"]), as_text(primary["marker"]))
        when = words.get(as_text(primary["timepoint"]), as_text(primary["timepoint"]))
        named = f" The primary comparison, named beforehand, is {what} at {when}."
    seed = number_text(analysis.get("seed"))
    return (
        "Estimand: mean log ratio of densities of a tract, later timepoint over baseline, whatever treatment "
        "was taken, in tracts with evaluable tissue (at least 0.25 mm²) at both. The analysed value is ln((N "
        "+ 0.5) / A). A patient's change is the unweighted mean over tracts; patients are the units of every "
        "test. Exact Wilcoxon signed-rank test (zeros by Pratt) with the Hodges-Lehmann estimate; paired t "
        "test and sign-flip permutation beside it; Friedman and Page over all timepoints, Skillings-Mack "
        "where some are missing."
        + named
        + " Holm's adjustment runs over the main measure of each marker, Benjamini-Hochberg over further "
        "ones." + (f" Seed of permutations and resampling: {seed}." if seed else "")
    )


def _models(tables: Tables) -> str:
    if not records(tables.get("models")):
        return ""
    return (
        "Supportive: mixed model with patient intercept and slope and tract within patient (REML, errors and "
        "degrees of freedom by Kenward and Roger), and a negative binomial GEE with area as offset, bias-"
        "reduced covariance times K / (K - 1) for K patients and degrees of freedom by Pan and Wall. Missing "
        "biopsies are never carried forward; what they could change, also over all enrolled patients, is "
        "shown by imputation."
    )


def _index(analysis: Mapping[str, Any]) -> str:
    reference, weights = as_text(analysis.get("reference_sha256")), _weights(analysis)
    if not reference:
        return "No inflammation index was formed: there is no frozen reference to scale it by."
    return (
        "The inflammation index (0 to 100, exploratory) is the weighted mean of scaled components: ln CD68+ "
        "density, ln CD20+ density outside aggregates, and the root of the aggregates' area share"
        + (f" (weights {weights})" if weights else "")
        + f", against a reference frozen beforehand (SHA-256 {reference[:12]}…). It has no clinical "
        "validation, and CD31 takes no part in it."
    )


def _weights(analysis: Mapping[str, Any]) -> str:
    section = analysis.get("inflammation")
    weights = section.get("weights") if isinstance(section, Mapping) else None
    if not isinstance(weights, Mapping):
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in weights.items())


def _outcomes(tables: Tables) -> str:
    arms = (
        " Arms are compared by ANCOVA on the baseline (HC3), and on baseline and site."
        if "arms" in tables
        else ""
    )
    return (
        "Outcomes were joined after every number above was fixed. Ordered response: Jonckheere-Terpstra; AUC "
        "with Newcombe's interval; tracts by GEE clustered on patients. All of it is association: without "
        "randomisation and an untreated group, treatment, healing and regression to the mean cannot be told "
        "apart." + arms
    )


def _agreement() -> str:
    return (
        "Agreement: ICC(A,1), two-way, absolute agreement, single reader; Bland-Altman limits on logs; Lin's "
        "concordance; quadratic-weighted kappa for grades. All intervals allow for several readings of one "
        "patient: the bias by a cluster-robust t, the others by leaving out one patient at a time."
    )


def _listed(words: list[str], most: int = 6) -> str:
    shown = [*words[:most], *(["…"] if len(words) > most else [])]
    return ", ".join(shown)
