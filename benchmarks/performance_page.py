"""The page of speed and its chart, from what was measured."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from performance import Measured

_HEAD = (
    "# Speed\n\n"
    "This page is written by `python benchmarks/performance.py`; every number on it was measured in one run. "
    "Processor seconds, because other programs on the machine change them least; medians of {repeats} "
    "repeats in which everything is measured in turn, ratios taken within each repeat. The slide is the "
    "colon DAB image of scikit-image mirrored to {side}, JPEG quality 85 in tiles of 256 px, all of it "
    "tissue: as dense as a slide can be, and no good for accuracy. `histoquant` is all of it: plan, tiles "
    "with every column and "
    "outline, pictures, tables and manifest on disk, CD68 with its stained area.\n\n"
    "Machine: {machine}; load average {load} while it was measured. Where the load is above the number of "
    "cores, other programs took caches and memory bandwidth, and everything here is slower than on an idle "
    "machine, each by another factor; wall times then say little.\n\n"
)


# Kept beside the script, because it is judgement and not measured.
_WHY = Path(__file__).parent / "performance_limits.md"


def write_page(path: Path, found: Measured) -> None:
    """Write the page; its chart goes to ``images/performance`` beside it.

    Parameters
    ----------
    path : Path
    found : Measured
    """
    repeats = len(found.per_mpx["histoquant"])
    head = _HEAD.format(repeats=repeats, **{name: found.said[name] for name in ("side", "machine", "load")})
    parts = [head, _claims(found), _contenders(found), _stages(found), _law(found), _commands(found)]
    chart = path.parent / "images" / "performance" / "speed.png"
    chart.parent.mkdir(parents=True, exist_ok=True)
    _draw(found, chart)
    path.write_text("".join(parts) + "\n" + _WHY.read_text())


def _ratio(found: Measured, slower: str, faster: str) -> float | None:
    """Median over repeats of one contender's time over another's."""
    if slower not in found.per_mpx or faster not in found.per_mpx:
        return None
    pairs = zip(found.per_mpx[slower], found.per_mpx[faster], strict=True)
    return statistics.median(a / b for a, b in pairs)


def _claims(found: Measured) -> str:
    """What must be shown, beside what was measured."""
    rate = 1 / statistics.median(found.per_mpx["histoquant"])
    decode = _ratio(found, "decode", "histoquant")
    forty = _ratio(found, "OpenSlide, 40x", "histoquant, 40x")
    none, one, two = (found.runs[f"histoquant run, --workers {k}"] for k in range(3))
    rows: list[tuple[str, float | None, float, str, bool]] = [
        ("megapixels per second, one core", rate, 30, "", True),
        ("times the textbook pipeline", _ratio(found, "textbook", "histoquant"), 20, "", True),
        ("of the decode limit", None if decode is None else 100 * decode, 12, " %", True),
        ("times HistomicsTK", _ratio(found, "HistomicsTK", "histoquant"), 60, "", True),
        ("40x slide, times OpenSlide's decoding", forty, 1.5, "", True),
        ("two workers, times one (wall)", one[0] / two[0], 1.8, "", True),
        ("what Dask adds (processor)", 100 * (one[1] - none[1]) / none[1], 3, " %", False),
        ("peak memory of one process", none[2], 800, " MiB", False),
        ("`histoquant --help`, processor", found.runs["histoquant --help"][1], 0.3, " s", False),
        ("from start to first tile, processor", float(found.said["first tile"]), 1.5, " s", False),
    ]
    lines = ["## What must be shown\n\n| | must | measured | holds |\n|---|---|---|---|\n"]
    for what, value, bound, unit, least in rows:
        sign = ">=" if least else "<="
        holds = value is not None and (value >= bound if least else value <= bound)
        measured = "not measured" if value is None else f"{value:.3g}{unit}"
        said = "open" if value is None else "yes" if holds else "**no**"
        lines.append(f"| {what} | {sign} {bound:g}{unit} | {measured} | {said} |\n")
    return "".join(lines) + "\n"


def _contenders(found: Measured) -> str:
    told = {
        "decode": "every tile decoded once: tifffile's index, imagecodecs' JPEG",
        "OpenSlide": "read_region in windows of 1024 px",
        "textbook": "scikit-image: rgb2hed, Otsu, opening, distances, watershed, regionprops, one window",
        "histoquant": "all of it",
        "OpenSlide, 40x": "the same at 0.25 um/px, per Mpx at 0.5 um/px",
        "histoquant, 40x": "level 0 decoded in full and averaged, per Mpx at 0.5 um/px",
        "HistomicsTK": "color_deconvolution, detect_nuclei_kofahi, morphometry and intensity, one window, "
        "no reading",
    }
    lines = [
        "## On the same pixels\n\n| | ms per Mpx | Mpx/s | least to most ms | |\n|---|---|---|---|---|\n"
    ]
    for name, values in sorted(found.per_mpx.items(), key=lambda pair: statistics.median(pair[1])):
        ms = [1e3 * value for value in values]
        middle = statistics.median(ms)
        spread = f"{min(ms):.1f} to {max(ms):.1f}"
        lines.append(f"| {name} | {middle:.1f} | {1e3 / middle:.3g} | {spread} | {told[name]} |\n")
    said = found.said["HistomicsTK"]
    if "HistomicsTK" in found.per_mpx:
        note = f"HistomicsTK found {said}; its mask was a fixed threshold, nothing was tuned."
    else:
        note = f"HistomicsTK did not run here: `{said}`."
    note += (
        " `pip install histomicstk` needs GDAL's headers; `--no-deps` and its imports by hand will do"
        " (`--histomicstk PYTHON` names the interpreter that has it). StarDist and Cellpose were not"
        " measured: their weights are a download."
    )
    return "".join(lines) + f"\n{note}\n\n![Speed and stages](images/performance/speed.png)\n\n"


def _stages(found: Measured) -> str:
    total = sum(found.stages.values())
    lines = ["## Where the time goes\n\n| stage | ms per Mpx | share |\n|---|---|---|\n"]
    for name, seconds in found.stages.most_common():
        lines.append(f"| {name} | {1e3 * seconds / found.stages_mpx:.2f} | {100 * seconds / total:.1f} % |\n")
    lines.append(f"| all | {1e3 * total / found.stages_mpx:.1f} | |\n\n")
    return "".join(lines)


def _law(found: Measured) -> str:
    lines = [
        "## Cost law\n\nOne process, slides that are all tissue.\n\n"
        "| Mpx | tissue, mm2 | plan, s | tiles, s | commit, s | ms per Mpx |\n|---|---|---|---|---|---|\n"
    ]
    for mpx, plan, tiles, commit in found.law:
        each = 1e3 * (plan + tiles + commit) / mpx
        lines.append(
            f"| {mpx:.1f} | {mpx / 4:.2f} | {plan:.2f} | {tiles:.2f} | {commit:.2f} | {each:.0f} |\n"
        )
    slope = found.said.get("slope", "not known")
    return "".join(lines) + f"\nSlope of time against area, both as logarithms: {slope}.\n\n"


def _commands(found: Measured) -> str:
    lines = [
        "## Command lines\n\nThe same slide, from a cold process, with all it starts.\n\n"
        "| | wall, s | processor, s | peak of the largest process, MiB |\n|---|---|---|---|\n"
    ]
    for name, (wall, seconds, peak) in found.runs.items():
        lines.append(f"| `{name}` | {wall:.2f} | {seconds:.2f} | {peak:.0f} |\n")
    return "".join(lines)


def _draw(found: Measured, path: Path) -> None:
    """Two bar charts: contenders on a logarithmic axis, stages of histoquant."""
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(10.0, 5.2), dpi=110, layout="constrained")
        left, right = figure.subplots(1, 2)
        named = sorted(found.per_mpx.items(), key=lambda pair: -statistics.median(pair[1]))
        rates = [1 / statistics.median(values) for _, values in named]
        colours = ["#1b6ca8" if name.startswith("histoquant") else "#b0b7bd" for name, _ in named]
        bars = left.barh([name for name, _ in named], rates, color=colours)
        left.bar_label(bars, [f"{rate:.3g}" for rate in rates], padding=3)
        left.set_xscale("log")
        left.set_xlim(min(rates) / 2, max(rates) * 4)
        left.set_xlabel("Mpx/s at 0.5 um/px, one core (logarithmic)")
        shown = found.stages.most_common(14)[::-1]
        each = [1e3 * seconds / found.stages_mpx for _, seconds in shown]
        bars = right.barh([name for name, _ in shown], each, color="#1b6ca8")
        right.bar_label(bars, [f"{value:.1f}" for value in each], padding=3)
        right.set_xlim(0, max(each) * 1.2)
        right.set_xlabel("histoquant: ms per Mpx")
        for axis in (left, right):
            axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(path)
