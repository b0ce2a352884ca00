"""Reason codes and flags as plain sentences, each with the way out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from histoquant.report.slide_words import SLIDE_WORDS
from histoquant.report.study_code_words import STUDY_WORDS


@dataclass(frozen=True)
class Explanation:
    """One code in words."""

    code: str
    meaning: str
    way_out: str


_WORDS: Final = SLIDE_WORDS | STUDY_WORDS
_SENTENCE_WORDS: Final = 5  # a detail this long stands for itself, a shorter one is an aside


def _spoken(code: str) -> str:
    text = code.replace("_", " ").lower()
    return text[:1].upper() + text[1:] + "."


def known_codes() -> list[str]:
    """Every code that `explain` has words for."""
    return sorted(_WORDS)


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
    match = re.match(r"^([A-Z][A-Z0-9_]{2,})(?:\s*[:=]\s*(.*)|\s*\((.*)\))?$", text, re.S)
    if match is None:
        return Explanation("", text, "")
    code, detail = match.group(1), (match.group(2) or match.group(3) or "").strip()
    meaning, way_out = _WORDS.get(code, (_spoken(code), "See this slide's entries in log.jsonl."))
    if len(detail.split()) >= _SENTENCE_WORDS:  # a message of ours: it names file and way out itself
        return Explanation(code, detail[:1].upper() + detail[1:], "")
    return Explanation(code, f"{meaning} ({detail})" if detail else meaning, way_out)


# Short forms inside a sentence that names several codes.
_SHORT: Final[dict[str, str]] = {
    "MISSING": "no slide",
    "NO_MPP": "resolution unknown",
    "NO_REFERENCE": "no frozen reference",
    "MIXED_CLONES": "different antibody clones",
    "DUPLICATE_SECTION": "same section twice",
    "INSUFFICIENT_TISSUE": "little tissue, not for inference",
    "FAILED": "slide failed:",
    "REFUSED": "slide refused:",
}


def speak(text: str) -> str:
    """Replace every code inside a status text by lower-case words: ``FAILED NO_MPP`` becomes readable."""

    def words(match: re.Match[str]) -> str:
        code = match.group(0)
        if code in _SHORT:
            return _SHORT[code]
        return code.replace("_", " ").lower() if code in _WORDS or "_" in code else code

    return re.sub(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b", words, text).replace("mm2", "mm²").rstrip(": ")


def split_flags(text: str) -> list[str]:
    """Return the entries of a ``flags`` cell, which joins them with semicolons."""
    return [part.strip() for part in text.split(";") if part.strip()]
