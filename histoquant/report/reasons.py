"""Reason codes and flags as plain sentences, each with the way out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Explanation:
    """One code in words."""

    code: str
    meaning: str
    way_out: str


_WORDS: Final[dict[str, tuple[str, str]]] = {
    "NO_MPP": (
        "The file does not say how many micrometres a pixel measures, so no density can be given.",
        "Pass --mpp, or add an mpp column to the slide table.",
    ),
    "MPP_IMPLAUSIBLE": (
        "The resolution in the file is outside what a slide scanner produces.",
        "Check the scanner's export and state the true value with --mpp or in the mpp column.",
    ),
    "NOT_SQUARE": (
        "The pixels are clearly not square.",
        "Export the slide again with square pixels; areas and shapes would be distorted.",
    ),
    "TRUNCATED": ("The file ends before its last tile.", "Copy or export the slide again."),
    "UNREADABLE": (
        "The file could not be decoded.",
        "Open it in the scanner's viewer; copy or export it again.",
    ),
    "EMPTY_FILE": ("The file has no bytes.", "Copy the slide again."),
    "NOT_AN_IMAGE": ("The file is not an image this version can read.", "Export as SVS, OME-TIFF or DICOM."),
    "CODEC": (
        "The pixels are compressed in a way that cannot be decoded here.",
        "Export with JPEG or JPEG 2000 compression.",
    ),
    "PIXEL_TYPE": ("The picture is not 8-bit colour bright-field.", "Export as 8-bit RGB."),
    "TOO_LARGE": (
        "The picture's stated size is beyond what can be a slide.",
        "Check the file; export it again.",
    ),
    "NOT_FOUND": ("The file is not there.", "Check the path and the slide table."),
    "Z_STACK": ("The slide holds several focal planes.", "Export one plane."),
    "NO_TISSUE": ("No tissue was found.", "Look at the thumbnail; rescan if the tissue is there."),
    "LITTLE_TISSUE": (
        "The tissue area is too small for a stable density.",
        "Read the interval; the biopsy is left out of inference.",
    ),
    "INSUFFICIENT": (
        "The tissue area is below the minimum for inference.",
        "Shown for information; use another section of the block.",
    ),
    "NO_MARKER": (
        "It is not known which marker this slide carries.",
        "Name it in the slide table, the file name, or with --marker.",
    ),
    "UNKNOWN_MARKER": (
        "The marker named for this slide is not one this version knows.",
        "Use a built-in marker or define it in the study file.",
    ),
    "MARKER_CONFLICT": (
        "Slide table and file name disagree about the marker.",
        "Correct one of them; the slide table was not overruled.",
    ),
    "IDENTITY_CONFLICT": (
        "Slide table and file name disagree about patient, tract or timepoint.",
        "Correct one of them.",
    ),
    "TIMEPOINT_NOT_DECLARED": (
        "The timepoint is not among those the study file declares.",
        "Add it to the study file or correct the slide table.",
    ),
    "NAME_UNREADABLE": (
        "Patient, tract and timepoint could not be read from the file name.",
        "List the slide in the slide table.",
    ),
    "WORKER_DIED": (
        "A worker process ended while it read this slide.",
        "Run again to resume; if it ends again, the file or the memory is at fault (log.jsonl).",
    ),
    "BATCH_LOST": ("Part of the slide was computed but not kept.", "Run again to resume."),
}


def _spoken(code: str) -> str:
    text = code.replace("_", " ").lower()
    return text[:1].upper() + text[1:] + "."


def explain(entry: str) -> Explanation:
    """Put one reason or flag in words.

    Parameters
    ----------
    entry : str
        A code (``NO_MPP``), a code with detail (``CODEC:JPEG XR``) or a plain sentence.

    Returns
    -------
    Explanation
        Never empty: an unknown code is spelt out and pointed to the log.
    """
    text = entry.strip()
    match = re.match(r"^([A-Z][A-Z0-9_]{2,})(?:\s*[:=(]\s*(.*?)\)?)?$", text, re.S)
    if match is None:
        return Explanation("", text, "")
    code, detail = match.group(1), (match.group(2) or "").strip()
    meaning, way_out = _WORDS.get(code, (_spoken(code), "See this slide's entries in log.jsonl."))
    if detail and any(c.isalpha() for c in detail) and " " in detail:
        return Explanation(code, detail, way_out if code in _WORDS else "")
    return Explanation(code, f"{meaning} ({detail})" if detail else meaning, way_out)


def split_flags(text: str) -> list[str]:
    """Return the entries of a ``flags`` cell, which joins them with semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]
