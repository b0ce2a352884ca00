"""Every code of a study's tables in words: why an estimate is missing, and the way out."""

from __future__ import annotations

from typing import Final

STUDY_WORDS: Final[dict[str, tuple[str, str]]] = {
    "NO_BIOPSY": (
        "There is no biopsy of this tract at this timepoint.",
        "Record why in the table of missing biopsies.",
    ),
    "NO_BASELINE": ("Nothing can be evaluated at the first timepoint.", "See the slides' own reasons."),
    "NOTHING_EVALUABLE": (
        "No biopsy of this timepoint has a usable value.",
        "See the slides' own reasons.",
    ),
    "NO_PATIENTS_TABLE": (
        "Who was enrolled is not known, so only patients with a biopsy are counted.",
        "Name the patients table in study.toml: [tables] patients.",
    ),
    "NOT_RECORDED": (
        "Whether these patients completed the trial is not recorded.",
        "Fill the column completed of the patients table.",
    ),
    "IMPLAUSIBLE": ("The value is above what this measure plausibly reaches.", "Look at the slide."),
    "NOT_MISSING": (
        "A biopsy listed as missing has slides; the slides are used.",
        "Correct the table of missing biopsies.",
    ),
    "UNKNOWN_PATIENT": (
        "The patient has biopsies and is not in the patients table; counted all the same.",
        "Add the patient.",
    ),
    "UNKNOWN_TRACT": (
        "The tract has biopsies and is not in the tracts table; counted all the same.",
        "Add the tract.",
    ),
    "BATCH_DIFFERS": (
        "Visits that are compared were stained in different batches.",
        "Check the controls of the batches.",
    ),
    "NO_MONTHS": (
        "The timepoints have no months, so nothing can be drawn or modelled over time.",
        "Declare [[timepoints]] with months in study.toml.",
    ),
    "FEW_PATIENTS": ("Too few patients for this estimate.", ""),
    "FEW_TRACTS": ("Too few tracts for this estimate.", ""),
    "FEW_TIMEPOINTS": ("Too few timepoints for this estimate.", ""),
    "FEW_READINGS": ("Too few readings of both readers for this estimate.", ""),
    "FEW_CLASSES": ("The readings fall into too few classes for this estimate.", ""),
    "NO_VARIATION": ("The values do not differ, so there is nothing to estimate from.", ""),
    "NO_INTERVAL": ("An estimate without an interval that can be trusted.", "Read it as a description."),
    "NO_STANDARD_ERROR": (
        "The uncertainty of the estimate cannot be computed, often because one patient sets it alone.",
        "Read it as a description.",
    ),
    "NO_FIT": ("The model could not be fitted.", "Read the paired change."),
    "SLOPE_NOT_IDENTIFIABLE": (
        "Two timepoints with one tract per patient cannot tell patients' slopes from noise.",
        "Read the paired change.",
    ),
    "ALL_ZERO": ("A timepoint without a single count has no ratio to another.", "Read the difference."),
    "NOT_CONNECTED": ("The timepoints share no patient.", "Read pairs of timepoints."),
    "NOTHING_OBSERVED": ("Too few patients that differ to reason about missing ones.", ""),
    "NOTHING_MISSING": ("Nothing is missing that could be filled in.", ""),
    "NOT_SIGNIFICANT": ("The change is not significant, so there is nothing to tip.", ""),
    "NO_TIPPING_POINT": ("No plausible value of the missing ones would overturn the change.", ""),
    "NO_RESPONSE": ("The outcomes do not say whether this patient responded.", "Add it to the outcomes."),
    "NO_TRACT_RESPONSE": (
        "No tract with a change has a response of its own.",
        "Add a response per tract to the outcomes.",
    ),
    "NO_ARMS": ("The outcomes name no treatment arm.", "Add the column arm."),
    "ONE_ARM": ("There is one treatment arm, so nothing to compare with.", ""),
    "NO_SITE": (
        "The tracts table does not name the site of every tract.",
        "Add the column site to adjust for it.",
    ),
    "ONE_SITE": ("All patients are of one site, so there is nothing to adjust for.", ""),
}
