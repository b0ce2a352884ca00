"""Tables turned into the plain words and strings the page shows; nothing is computed here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from histoquant.report.numbers import as_number, as_text, interval_text
from histoquant.report.pictures import Embedded
from histoquant.report.reasons import Explanation, explain, split_flags
from histoquant.report.series import KEYS
from histoquant.report.slide_words import IN_DOUBT

Row = Mapping[str, Any]

_STATES: Final = {
    "OK": ("ok", "OK"),
    "OK_WITH_FLAGS": ("flagged", "Flagged"),
    "FAILED": ("failed", "Failed"),
    "REFUSED": ("refused", "Refused"),
}
# (column, label, unit) of the per-slide numbers, in reading order; absent columns are skipped
_FACTS: Final = (
    ("positive_per_mm2", "{marker}+ cells", "/mm²"),
    ("positive_percent", "{marker}+ of nuclei", "%"),
    ("positive_area_percent", "{marker}+ area", "%"),
    ("positive", "{marker}+ cells counted", ""),
    ("positive_by_area", "{marker}+ cells by area", ""),
    ("clusters", "{marker}+ clusters", ""),
    ("diffuse_per_mm2", "{marker}+ outside aggregates", "/mm²"),
    ("aggregates", "aggregates", ""),
    ("aggregate_area_percent", "aggregate area", "%"),
    ("vessels_per_mm2", "vessels", "/mm²"),
    ("vessels", "vessels counted", ""),
    ("endothelial_area_percent", "endothelial area", "%"),
    ("lumen_area_percent", "lumen area", "%"),
    ("median_diameter_um", "median vessel diameter", "µm"),
    ("diameter_p10_um", "vessel diameter, 10 % are smaller", "µm"),
    ("diameter_p90_um", "vessel diameter, 10 % are larger", "µm"),
    ("capillary_percent", "capillaries below 10 µm", "%"),
    ("hotspot_per_mm2", "densest field", "/mm²"),
    ("hotspot_three_per_mm2", "mean of the three densest fields", "/mm²"),
    ("hotspot_p", "p of the densest field by chance", ""),
    ("hotspot_field_mm2", "area of a hotspot field", "mm²"),
    ("hotspot_fields", "hotspot fields compared", ""),
    ("nearest_median_um", "distance to the nearest {marker}+ cell, median", "µm"),
    ("nearest_ratio", "that distance over random labels (below 1: gathered)", ""),
    ("chalkley", "Chalkley count", "of 25"),
    ("nuclei", "nuclei", ""),
    ("tissue_mm2", "tissue measured", "mm²"),
    ("excluded_mm2", "tissue excluded", "mm²"),
    ("positive_per_mm2_unexcluded", "density with artefacts left in", "/mm²"),
    ("exclusion_effect_percent", "change had they been left in", "%"),
    ("dab_threshold_od", "DAB threshold", "OD"),
    ("threshold_elasticity", "threshold elasticity", ""),
    ("mpp", "resolution", "µm/px"),
)
_WORDS_PER_SLIDE: Final = (
    ("excluded_by_kind", "excluded, mm² by kind"),
    ("mpp_source", "resolution from"),
    ("stain_source", "stain vectors from"),
)
_HIDDEN_FOR: Final = {"CD31": {"positive_per_mm2", "positive_percent", "positive"}}


@dataclass(frozen=True)
class Fact:
    """One labelled number; ``text`` is empty where it was not measured."""

    label: str
    text: str


@dataclass(frozen=True)
class SlideView:
    """One slide as the page shows it."""

    number: int
    slide_id: str
    file: str
    state: str
    state_word: str
    identity: tuple[str, str, str]
    marker: str
    headline: str
    facts: tuple[Fact, ...]
    flags: tuple[Explanation, ...]
    reason: Explanation | None
    pictures: Mapping[str, Embedded | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the slide has numbers."""
        return self.state in {"ok", "flagged"}


def _density_of(row: Row) -> tuple[str, str]:
    """Return the slide's leading number and its name."""
    marker = as_text(row.get("marker"))
    if as_number(row.get("vessels_per_mm2")) is not None:
        return _fact_text(row, "vessels_per_mm2", "/mm²"), "vessels"
    name = f"{marker}+ cells" if marker else "positive cells"
    return _fact_text(row, "positive_per_mm2", "/mm²"), name


def _fact_text(row: Row, column: str, unit: str) -> str:
    # vessels are what a CD31 slide counts, so the interval of its main density is theirs
    bounded = "positive_per_mm2" if column == "vessels_per_mm2" else column
    low, high = row.get(f"{bounded}_low"), row.get(f"{bounded}_high")
    return interval_text(row.get(column), low, high, unit) or ""


def _facts(row: Row, marker: str) -> tuple[Fact, ...]:
    hidden = _HIDDEN_FOR.get(marker.upper(), set()) if as_number(row.get("vessels")) is not None else set()
    facts = []
    for column, label, unit in _FACTS:
        text = _fact_text(row, column, unit) if column not in hidden else ""
        if text:
            facts.append(Fact(label.format(marker=marker or "marker"), text))
    for column, label in _WORDS_PER_SLIDE:
        word = as_text(row.get(column))
        if word:
            facts.append(Fact(label, word))
    return tuple(facts)


def slide_view(
    number: int,
    row: Row,
    pictures: Mapping[str, Embedded | None],
    links: Mapping[str, str] | None = None,
) -> SlideView:
    """Return one row of ``slides.csv`` in words; ``links`` leads to pictures that are not embedded."""
    status = as_text(row.get("status")) or "FAILED"
    state, word = _STATES.get(status.upper(), ("failed", status))
    marker = as_text(row.get("marker"))
    reason = as_text(row.get("reason"))
    headline, _ = _density_of(row)
    flags = split_flags(as_text(row.get("flags")))
    if state == "flagged" and any(flag in IN_DOUBT for flag in flags):
        word, headline = "Doubtful", f"{headline}, in doubt" if headline else ""
    return SlideView(
        number=number,
        slide_id=as_text(row.get("slide_id")) or f"slide {number}",
        file=as_text(row.get("file")),
        state=state,
        state_word=word,
        identity=(as_text(row.get(KEYS[0])), as_text(row.get(KEYS[1])), as_text(row.get(KEYS[2]))),
        marker=marker,
        headline=headline,
        facts=_facts(row, marker) if state in {"ok", "flagged"} else (),
        flags=tuple(explain(flag) for flag in flags),
        reason=explain(reason) if reason else None,
        pictures=pictures,
        links=links or {},
    )


def tally(slides: Sequence[SlideView]) -> dict[str, int]:
    """Count slides by state; every state is present."""
    counts = Counter(s.state for s in slides)
    return {state: counts.get(state, 0) for state, _ in _STATES.values()}


def glossary(slides: Sequence[SlideView]) -> list[tuple[Explanation, int]]:
    """Return every code met, in words, with the number of slides it concerns; the most frequent first."""
    seen: dict[str, Explanation] = {}
    count: Counter[str] = Counter()
    for slide in slides:
        met = {
            e.code: explain(e.code)
            for e in (*slide.flags, *([slide.reason] if slide.reason else []))
            if e.code
        }
        seen.update(met)
        count.update(met.keys())
    return [(seen[code], n) for code, n in sorted(count.items(), key=lambda item: (-item[1], item[0]))]


def parameter_rows(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested parameters into (dotted name, text) rows."""
    if isinstance(value, Mapping):
        return [
            row for k, v in value.items() for row in parameter_rows(v, f"{prefix}.{k}" if prefix else str(k))
        ]
    if isinstance(value, (list, tuple)):
        return [(prefix, ", ".join(as_text(v) for v in value))]
    if isinstance(value, bool):
        return [(prefix, "yes" if value else "no")]
    number = f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else None
    return [(prefix, number or as_text(value))]
