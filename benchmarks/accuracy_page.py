"""docs/accuracy.md: measured tables between the hand-written text of accuracy_template.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accuracy_cache import measuring_digest
from accuracy_claims import (
    THREE,
    must_show,
    negative_shares,
    responder_changes,
    scene_spreads,
    spread,
)
from accuracy_tables import (
    Detected,
    annotated_table,
    counted_table,
    eyes_table,
    family_table,
    group_table,
    measured,
    number,
    off,
    sample_table,
    shift_table,
    table,
)

Records = dict[str, list[Any]]
TEMPLATE = Path(__file__).resolve().parent / "accuracy_template.md"
SEEN = Path(__file__).resolve().parent / "accuracy_seen.md"
NOT_MEASURED = "*not measured in this run*"


def _must_show(records: Records) -> str:
    rows = ([claim.asked, claim.measured, claim.verdict] for claim in must_show(records))
    return table("asked | measured | verdict", rows)


def _verdict(records: Records) -> str:
    claims = must_show(records)
    failing = [claim for claim in claims if claim.holds is False]
    if not failing:
        return f"All {len(claims)} lines measured hold."
    lines = [f"- {claim.asked}: {claim.measured}." for claim in failing]
    return "\n".join([f"**{len(failing)} of {len(claims)} lines do not hold:**", "", *lines])


def _worst(records: Records) -> str:
    kept = measured(records["family"])
    by_f1 = sorted(kept, key=lambda one: Detected.of([one]).f1_6um or 0.0)[:8]
    said = ", ".join(f"{one['name']} {number(Detected.of([one]).f1_6um)}" for one in by_f1)
    lines = [f"- Lowest F1 at 6 µm: {said}."]
    for marker, key in (("CD68", "positive"), ("CD20", "positive"), ("CD31", "vessels")):
        away = []
        for one in kept:
            found, true = one.get("vessels") or (one.get("positive_found", 0), one.get("positive_true", 0))
            if one["marker"] == marker and true >= 20:
                away.append((found / one["tissue"][0], true / one["tissue"][1], one["name"]))
        away.sort(key=lambda pair: -abs(pair[0] / pair[1] - 1))
        said = ", ".join(f"{name} {off(found, true, 0)}" for found, true, name in away[:6])
        lines.append(f"- {marker} density ({key}) furthest from the truth: {said}.")
    return "\n".join(lines)


def _families(records: Records) -> str:
    parts = []
    for marker in dict.fromkeys(one["marker"] for one in records["family"]):
        count = sum(one["marker"] == marker for one in records["family"])
        body = family_table(records["family"], marker)
        head = f"<summary>{marker}: {count} families</summary>"
        parts.append(f"<details>{head}\n\n{body}\n\n</details>")
    return "\n\n".join(parts)


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} points"


def _scanners(records: Records) -> str:
    seen = records["scanner"]
    three = scene_spreads(seen, THREE)
    every = scene_spreads(seen, tuple(dict.fromkeys(one["look"] for one in seen)))
    rows = []
    for scene, (wide, points) in three.items():
        several = [one for one in seen if f"{one['scene']}, seed {one['seed']}" == scene]
        by_look = {one["look"]: one for one in several}
        cells = [f"{by_look[look]['nuclei']} / {number(by_look[look]['percent'], 1)}" for look in THREE]
        whole = every.get(scene, (float("nan"), None))
        rows.append([scene, *cells, f"{wide:.1f} %", _points(points), f"{whole[0]:.1f} %", _points(whole[1])])
    looks = " | ".join(f"{look}: nuclei / positive %" for look in THREE)
    return table(
        f"scene | {looks} | spread: nuclei | positive % | with pale, strong: nuclei | positive %", rows
    )


def _scans(records: Records) -> str:
    rows = [
        [one["scan"], str(one["nuclei"]), number(one["percent"], 2), number(one["threshold_od"])]
        for one in records["scan"]
    ]
    wide, points = spread(records["scan"])
    rows.append(["**spread**", f"{wide:.1f} %", _points(points), ""])
    return table("digitised | nuclei | positive % | threshold, OD", rows)


def _negatives(records: Records) -> str:
    rows = [
        [marker, what, seen, number(per_mm2, 1), "–" if share is None else f"{share:.1f} %"]
        for _, marker, what, seen, per_mm2, share in negative_shares(records)
    ]
    return table("marker | slide | seen as | per mm² | of positive control", rows)


def _responders(records: Records) -> str:
    rows = [
        [f"pair {pair}", f"{mm2:.2f}", f"{found:+.1f} %", f"{true:+.1f} %", f"{found - true:+.1f} points"]
        for pair, (found, true, mm2) in responder_changes(records["responder"]).items()
    ]
    return table("virtual responder | tissue per visit, mm² | change found | true | difference", rows)


# part of the page, group of records it needs, and how it is written
PARTS: dict[str, tuple[str, Callable[[Records], str]]] = {
    "groups": ("family", lambda records: group_table(records["family"])),
    "worst": ("family", _worst),
    "families": ("family", _families),
    "annotated": ("annotated", lambda records: annotated_table(records["annotated"])),
    "eyes": ("eyes", lambda records: eyes_table(records["eyes"][0])),
    "counted": ("counted", lambda records: counted_table(records["counted"])),
    "scanners": ("scanner", _scanners),
    "scans": ("scan", _scans),
    "negatives": ("control", _negatives),
    "responders": ("responder", _responders),
    "shifts": ("shift", lambda records: shift_table(records["shift"])),
    "samples": ("sample", lambda records: sample_table(records["sample"])),
}


def page_text(records: Records, pictures: list[tuple[str, str]]) -> str:
    """The whole page.

    Parameters
    ----------
    records : dict of str to list
        By group, from `accuracy.measure_all`; a part whose group is missing says so.
    pictures : list of (str, str)
        File names in images/accuracy, and what they show.
    """
    parts = {
        name: write(records) if records.get(group) else NOT_MEASURED for name, (group, write) in PARTS.items()
    }
    parts["must_show"], parts["verdict"] = _must_show(records), _verdict(records)
    parts["digest"] = measuring_digest()
    parts["seen"] = SEEN.read_text().strip()
    shown = [f"**{about}**\n\n![{about}](images/accuracy/{file})" for file, about in pictures]
    parts["pictures"] = "\n\n".join(shown) or NOT_MEASURED
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: parts.pop(found[1]), TEMPLATE.read_text())
    if parts:
        raise ValueError(f"{TEMPLATE.name} has no place for {', '.join(parts)}")
    return text


def write_page(folder: Path, records: Records, pictures: list[tuple[str, str]]) -> Path:
    """Write accuracy.md; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "accuracy.md"
    path.write_text(page_text(records, pictures))
    return path
