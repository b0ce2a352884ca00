"""Tables of docs/accuracy.md, as Markdown, from the records of `accuracy_cases` and `accuracy_studies`.

Counts are pooled, shares are never averaged (Reinke 2024).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from eyes import HEAD as EYES_HEAD
from eyes import EyeScore
from eyes import line as eye_line
from eyes import pooled as eyes_pooled

Record = dict[str, Any]
MARKERS = ("CD68", "CD20", "CD31")
GROUPS: tuple[tuple[str, str], ...] = (
    ("normal", r"-normal$"),
    ("pale stain", r"-pale$"),
    ("strong stain", r"-strong$"),
    ("other stain colours", r"-vector-shifted$"),
    ("other glass", r"-white-shifted$"),
    ("unspecific brown", r"-(hazy|haze-uneven)$"),
    ("blurred", r"-blurred$"),
    ("noisy", r"-noisy$"),
    ("scanner B", r"-scanner-B$"),
    ("scanner C", r"-scanner-C$"),
    ("folds", r"-(fold|widefold)$"),
    ("pen, bubble, defocus", r"-(pen|bubble|defocus)$"),
    ("edge DAB, crushed cells", r"-(edge-dab|crush)$"),
    ("debris, pigment", r"-(debris|pigment)$"),
    ("crowded, sheets, tumour", r"-(crowded|sheet|rich|dense|tumour|foamy)$"),
    ("faint, collapsed, decoys", r"-(faint|collapsed|decoys|sparse|diffuse)$"),
    ("biopsies on glass", r"-biopsy$"),
    ("range of densities", r"-density-\d+$"),
    ("negative control", r"-negative-control$"),
)
OTHER = "other"


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; ``head`` has its columns divided by bars."""
    columns = [column.strip() for column in head.split("|")]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float | None, digits: int = 3) -> str:
    """Rounded; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def ratio(part: float, whole: float) -> float | None:
    """A share, or None of nothing."""
    return part / whole if whole else None


def off(found: float, true: float, digits: int = 1) -> str:
    """Deviation from the truth in per cent."""
    return f"{100 * (found / true - 1):+.{digits}f} %" if true else "–"


@dataclass(frozen=True)
class Detected:
    """Pooled counts of nuclei."""

    true: int = 0
    found: int = 0
    found_strict: int = 0
    hits_6um: int = 0
    hits_3um: int = 0

    @classmethod
    def of(cls, records: Iterable[Record], method: str = "nuclei") -> Detected:
        """Sum over records; ``method`` is ``nuclei`` or ``plain``."""
        several = [one[method] for one in records if method in one]
        return cls(*(sum(one[field.name] for one in several) for field in fields(cls)))

    @property
    def f1_6um(self) -> float | None:
        """Within 6 um."""
        return ratio(2 * self.hits_6um, self.true + self.found)

    @property
    def f1_3um(self) -> float | None:
        """Within 3 um."""
        return ratio(2 * self.hits_3um, self.true + self.found)

    @property
    def strict_f1_6um(self) -> float | None:
        """Within 6 um, found shavings counted as errors."""
        return ratio(2 * self.hits_6um, self.true + self.found_strict)

    @property
    def precision(self) -> float | None:
        """Within 6 um."""
        return ratio(self.hits_6um, self.found)

    @property
    def recall(self) -> float | None:
        """Within 6 um."""
        return ratio(self.hits_6um, self.true)


def summed(records: Iterable[Record], key: str) -> float:
    """Sum of a count over the records that have it."""
    return sum(one[key] for one in records if one.get(key) is not None)


def paired(records: Iterable[Record], key: str) -> tuple[float, float]:
    """Found and true, summed over the records that have them."""
    several = [one[key] for one in records if key in one]
    return sum(one[0] for one in several), sum(one[1] for one in several)


def class_accuracy(records: list[Record]) -> float | None:
    """Share of paired nuclei with the right class."""
    return ratio(summed(records, "right"), summed(records, "classed"))


def group_of(name: str) -> str:
    """Group of a phantom family."""
    return next((group for group, pattern in GROUPS if re.search(pattern, name)), OTHER)


_DETECTION = (
    "| nuclei found / true | F1 6 µm | F1 3 µm | strict F1 6 µm | precision | recall | class accuracy "
    "| positive found / true | vessels found / true | plain F1 6 µm | plain F1 3 µm"
)


def _detection_cells(records: list[Record]) -> list[str]:
    ours, plain = Detected.of(records), Detected.of(records, "plain")
    positive = summed(records, "positive_found"), summed(records, "positive_true")
    vessels = paired(records, "vessels")
    return [
        f"{ours.found} / {ours.true}",
        *map(number, (ours.f1_6um, ours.f1_3um, ours.strict_f1_6um, ours.precision, ours.recall)),
        number(class_accuracy(records)),
        f"{positive[0]:.0f} / {positive[1]:.0f}" if any("positive_true" in one for one in records) else "–",
        f"{vessels[0]:.0f} / {vessels[1]:.0f}" if any("vessels" in one for one in records) else "–",
        number(plain.f1_6um),
        number(plain.f1_3um),
    ]


def measured(records: list[Record]) -> list[Record]:
    """Families that were not refused."""
    return [one for one in records if "nuclei" in one]


def group_table(records: list[Record]) -> str:
    """Phantoms, pooled per marker and per difficulty."""
    kept = measured(records)
    rows = []
    for marker in dict.fromkeys(one["marker"] for one in kept):
        of_marker = [one for one in kept if one["marker"] == marker]
        rows.append([marker, str(len(of_marker)), *_detection_cells(of_marker)])
    for group in [*(group for group, _ in GROUPS), OTHER]:
        in_group = [one for one in kept if group_of(one["name"]) == group]
        if in_group:
            rows.append([group, str(len(in_group)), *_detection_cells(in_group)])
    rows.append(["**all**", str(len(kept)), *_detection_cells(kept)])
    return table("phantoms | families" + _DETECTION, rows)


def family_table(records: list[Record], marker: str) -> str:
    """Every family of one marker."""
    rows = []
    for one in records:
        if one["marker"] != marker:
            continue
        if "refused" in one:
            rows.append([one["name"], f"refused: {one['refused']}", *["–"] * 11, ""])
            continue
        also = []
        if one.get("lumen_um2", [0, 0])[1]:
            also.append(f"lumen {off(*one['lumen_um2'])}")
        if "aggregates" in one:
            also.append("aggregates {} of {}".format(*one["aggregates"]))
        also += [flag for flag in one["flags"] if flag != "INSUFFICIENT_TISSUE"]
        rows.append([one["name"], *_detection_cells([one]), off(*one["tissue"]), ", ".join(also)])
    return table("family" + _DETECTION + " | tissue | also", rows)


def annotated_table(records: list[Record]) -> str:
    """Annotated real images."""
    rows = [[one["name"], *_detection_cells([one]), *_percent_cells(one)] for one in records]
    for name, rule in (("**Ki67 fields, pooled**", "nuclear"), ("**all, pooled**", "")):
        several = [one for one in records if rule in ("", one["marker"])]
        rows.append([name, *_detection_cells(several), "–", "–"])
    return table("image" + _DETECTION + " | positive % | true", rows)


def _percent_cells(one: Record) -> list[str]:
    if "percent_found" not in one:
        return ["–", "–"]
    return [number(one["percent_found"], 1), number(100 * one["positive_true"] / one["nuclei"]["true"], 1)]


def counted_table(records: list[Record]) -> str:
    """Real images without marks."""
    rows = []
    for one in records:
        whole = one["tissue_mm2"] + one["excluded_mm2"]
        share = f"{100 * one['excluded_mm2'] / whole:.1f} % {one['excluded_by_kind'] or ''}".strip()
        flags = ", ".join(one["flags"])
        positive = number(one["positive"], 0), number(one["positive_percent"], 1)
        rows.append([one["name"], one["marker"], str(one["nuclei"]), *positive, share, flags, one["note"]])
    return table("image | rule | nuclei | positive | positive % | excluded | flags | others say", rows)


def eye_scores(records: list[Record]) -> list[EyeScore]:
    """Records of the marked images as scores, and the lymphoid ones pooled."""
    scores = [
        EyeScore(**{**one, "pairs": tuple(tuple(row) for row in one["pairs"])})  # type: ignore[arg-type]
        for one in records
    ]
    for marker in dict.fromkeys(one.marker for one in scores if one.name != "colon"):
        lymphoid = [one for one in scores if one.marker == marker]
        scores.append(eyes_pooled("**lymphoid, pooled**", marker, lymphoid))
    return scores


def eyes_table(records: list[Record]) -> str:
    """Images marked by eye."""
    return "\n".join([EYES_HEAD, *(eye_line(one) for one in eye_scores(records))])


def sample_table(records: list[Record]) -> str:
    """Sample slides."""
    rows = []
    for one in records:
        what = "vessels" if one["marker"] == "CD31" else "positive"
        (found, true), (area, area_true) = one["counted"], one["tissue"]
        areas = number(area), number(area_true), off(area, area_true)
        rows.append([one["name"], f"{found} {what}", str(true), off(found, true), *areas])
    return table("slide | counted | true | off by | tissue, mm2 | true | off by", rows)


@dataclass(frozen=True)
class Change:
    """What a shift did to a density, and where the shifted density stands beside the truth."""

    percent: float
    per_mm2: float
    off_truth_percent: float


BASES = {
    "fine scan at 0.25 um/px": "fine scan at 0.5 um/px",
    "fine scan at 1.0 um/px": "fine scan at 0.5 um/px",
}
SHIFTS_SHOWN = (
    "threshold -20 %", "threshold +20 %", "DAB -10 %", "DAB +10 %", "haematoxylin -10 %",
    "haematoxylin +10 %", "blur 0.5 um", "blur 0.75 um", "blur 1.0 um", "JPEG quality 90", "JPEG quality 75",
    "JPEG quality 50", "JPEG quality 30", "fine scan at 0.25 um/px", "fine scan at 1.0 um/px",
)  # fmt: skip


def shift_changes(records: list[Record]) -> dict[tuple[str, str], Change]:
    """By marker and shift, pooled over seeds; a shift without its base is left out."""

    def density(marker: str, shift: str) -> tuple[float, float] | None:
        several = [one for one in records if (one["marker"], one["shift"]) == (marker, shift)]
        if not several:
            return None
        found = summed(several, "counted") / summed(several, "tissue_mm2")
        return found, summed(several, "true") / summed(several, "true_mm2")

    out = {}
    for marker in MARKERS:
        for shift in ("as it is", *SHIFTS_SHOWN):
            base, moved = density(marker, BASES.get(shift, "as it is")), density(marker, shift)
            if base and moved:
                truth = 100 * (moved[0] / moved[1] - 1)
                out[marker, shift] = Change(100 * (moved[0] / base[0] - 1), moved[0], truth)
    return out


def shift_table(records: list[Record]) -> str:
    """Sensitivity of each marker's density."""
    changes = shift_changes(records)
    rows = []
    for shift in ("as it is", *SHIFTS_SHOWN):
        cells = []
        for marker in MARKERS:
            one = changes.get((marker, shift))
            cells += (
                ["–"] * 2 if one is None else [f"{one.percent:+.1f} %", f"{one.off_truth_percent:+.1f} %"]
            )
        rows.append([shift, *cells])
    return table("shift | " + " | ".join(f"{marker} change | {marker} off truth" for marker in MARKERS), rows)
