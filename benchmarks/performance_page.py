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
    "repeats in which everything is measured in turn, ratios taken within each repeat; histoquant runs in a "
    "process of its own and the others in theirs, and a turn before the first is not counted. The slide is "
    "the "
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
    none, one, two = (found.steady[workers] for workers in range(3))
    more = 100 * (one.processor_s / none.processor_s - 1)
    dask = None if found.shares is None else found.shares.percent
    peaks = [row.peak_mib for row in found.law] + [each.more.peak_mib for each in found.steady.values()]
    rows: list[tuple[str, float | None, float, str, bool]] = [
        ("megapixels per second, one core", rate, 30, "", True),
        ("times the textbook pipeline", _ratio(found, "textbook", "histoquant"), 20, "", True),
        ("of the decode limit", None if decode is None else 100 * decode, 12, " %", True),
        ("times HistomicsTK", _ratio(found, "HistomicsTK", "histoquant"), 60, "", True),
        ("40x slide, times OpenSlide's decoding", forty, 1.5, "", True),
        ("two workers, times one (wall, steady)", one.wall_s / two.wall_s, 1.8, "", True),
        ("what Dask adds (processor, by thread)", dask, 3, " %", False),
        ("one worker, more than none (processor, steady)", more, 3, " %", False),
        ("peak memory of one process", max(peaks) * 1.048576, 800, " MB", False),
        ("slope of the cost law, less 1", _off_one(found), 0.05, "", False),
        ("`histoquant --help`, processor", found.runs["histoquant --help"].processor_s, 0.3, " s", False),
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


def _off_one(found: Measured) -> float | None:
    """How far the slope of time against area is from 1, either way."""
    return abs(float(found.said["slope"]) - 1) if "slope" in found.said else None


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
        " `pip install histomicstk` needs GDAL's headers; an environment of its own with `pip install"
        " --no-deps histomicstk==1.4.0 large-image large-image-source-tiff`, then `pip install numpy scipy"
        " scikit-image scikit-learn pandas dask distributed opencv-python-headless pillow imageio nimfa"
        " shapely girder-slicer-cli-web ctk-cli matplotlib tifftools cachetools palettable tqdm`, will do"
        " (`--histomicstk PYTHON` names its interpreter). StarDist and Cellpose were not"
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
        "## Cost law\n\nSlides that are all tissue, each in a process of its own that has quantified it once "
        "before; processor seconds.\n\n"
        "| Mpx | tissue, mm2 | plan, s | tiles, s | commit, s | ms per Mpx | peak, MiB |\n"
        "|---|---|---|---|---|---|---|\n"
    ]
    for row in found.law:
        tasks = f"{row.plan_s:.2f} | {row.tiles_s:.2f} | {row.commit_s:.2f}"
        each = 1e3 * row.seconds / row.mpx
        lines.append(f"| {row.mpx:.1f} | {row.mpx / 4:.2f} | {tasks} | {each:.0f} | {row.peak_mib:.0f} |\n")
    slope = found.said.get("slope", "not known")
    largest = found.said.get("slope of the largest", "not known")
    said = f"Slope of time against area, both as logarithms: {slope}; of the three largest: {largest}."
    return "".join(lines) + f"\n{said}\n\n"


def _commands(found: Measured) -> str:
    lines = [
        "## Command lines\n\nThe same slide, from a cold process, with all it starts.\n\n"
        "| | wall, s | processor, s | peak of the largest process, MiB |\n|---|---|---|---|\n"
    ]
    for name, took in found.runs.items():
        lines.append(f"| `{name}` | {took.wall_s:.2f} | {took.processor_s:.2f} | {took.peak_mib:.0f} |\n")
    few, more = found.steady[0].slides
    lines.append(
        f"\nFolders of {few} and of {more} such slides, the best of three runs each: what one slide more "
        "takes, when all is running, and what a run takes beside its slides (imports, the cluster, tables "
        "and report at the end).\n\n"
        "| workers | wall per slide, s | processor per slide, s | beside: wall, s | beside: processor, s | "
        "peak of the largest process, MiB |\n|---|---|---|---|---|---|\n"
    )
    for workers, runs in found.steady.items():
        named = workers or "0, no Dask"
        wall, processor = runs.start
        lines.append(
            f"| {named} | {runs.wall_s:.2f} | {runs.processor_s:.2f} | {wall:.2f} | {processor:.2f} | "
            f"{runs.more.peak_mib:.0f} |\n"
        )
    if found.shares is not None:
        lines.append(
            f"\nBy thread, while one worker quantified {found.shares.slides} slides: "
            f"{found.shares.tasks_s:.1f} s its tasks, "
            f"{found.shares.others_s:.2f} s its other threads, {found.shares.here_s:.2f} s the process that "
            "hands out tasks and writes down what is done. What tasks take longer in a worker than without "
            "one is in the rows above alone, with all that changed on the machine between four runs.\n"
        )
    lines.append(
        "\nWhat two processes that share only the machine get done while one gets 1 done, which is the "
        "most that two workers can reach:\n\n| both are | times one |\n|---|---|\n"
    )
    lines.extend(f"| {what} | {value:.2f} |\n" for what, value in found.pairs.items())
    return "".join(lines) + "\n"


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
