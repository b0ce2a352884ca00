"""Reading control slides: their stains first, then their cells under what all of them lock together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histoquant.calibration import ControlSlide, Lock
from histoquant.calibration.decide import BINS, Evidence, counts_of, quantile_od, share_over
from histoquant.calibration.model import rounded
from histoquant.run.controls import Control
from histoquant.run.intake import Intake
from histoquant.run.job import SlideJob
from histoquant.run.plan import SlidePlan, plan_of
from histoquant.run.slide_stains import purity_needed
from histoquant.slides import open_slide, slide_files, working_plane
from histoquant.stains import (
    H_DAB,
    StainHistogram,
    estimate_vectors,
    level_scale,
    sample_blocks,
    stain_histogram,
    tissue_tint,
)
from histoquant.store.atomic import file_sha256
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import read_parquet
from histoquant.tiling.survey import survey


@dataclass(frozen=True)
class Look:
    """What a control's stains are like, before anything is counted.

    Attributes
    ----------
    control : Control
    plan : SlidePlan
        As a run without calibration would make it: the slide's own strengths and threshold.
    histogram : StainHistogram
        Of its quantifiable tissue.
    """

    control: Control
    plan: SlidePlan
    histogram: StainHistogram


def look_at(control: Control, job: SlideJob) -> Look:
    """Plan a control as a run would, and keep its stain histogram.

    Raises
    ------
    SlideError
        If the slide cannot be read or shows no tissue.
    """
    with open_slide(job.path, mpp=job.mpp, study_mpp=job.study_mpp) as slide:
        planned = plan_of(slide, job.marker, job.parameters.working_mpp_um)
        plane = working_plane(slide, job.parameters.working_mpp_um)
        surveyed = survey(plane)
        white = planned.plan.white_point
        blocks = sample_blocks(planned.tissue, surveyed)
        tint = tissue_tint(surveyed, white)
        scale = level_scale(surveyed, white, tint)
        histogram = stain_histogram(plane, blocks, planned.tissue, white, tint, scale)
    return Look(control, planned.plan, histogram)


def pooled(histograms: Sequence[StainHistogram]) -> StainHistogram:
    """One histogram of several slides: directions of density, each from its own slide's white and tint."""
    counts = np.sum([histogram.counts for histogram in histograms], axis=0)
    return replace(histograms[0], counts=counts, total=sum(histogram.total for histogram in histograms))


def provisional_lock(looks: Sequence[Look]) -> Lock:
    """What the stains of one marker's and batch's controls lock; the threshold is still the adapted one.

    Parameters
    ----------
    looks : sequence of Look
        Of one marker and batch.

    Returns
    -------
    Lock
        Vectors from all controls' tissue together; haematoxylin's strength the median over all controls, of
        DAB over the positive ones.
    """
    first = looks[0].control
    histogram = pooled([look.histogram for look in looks])
    estimate = estimate_vectors(histogram, H_DAB, purity_needed(looks[0].plan.marker))
    positive = [look.plan for look in looks if look.control.kind == "positive"]
    adapted = _median([plan.threshold_od for plan in positive])
    reasons = list(dict.fromkeys(plan.threshold_reason for plan in positive if plan.threshold_reason))
    threshold = looks[0].plan.marker.threshold_od if adapted is None else adapted
    said = (
        f"median of {len(positive)} positive controls: {threshold:.3f} OD"
        if positive
        else "no positive control"
    )
    own = "; ".join(reasons[:3]) or "the marker's default"
    clones = {look.control.clone for look in looks if look.control.clone}
    strength_reasons = dict.fromkeys(look.plan.strength_reason for look in looks if look.plan.strength_reason)
    hematoxylin = _median([look.plan.hematoxylin_strength_od for look in looks])
    dab = _median([plan.dab_strength_od for plan in positive])
    return Lock(
        marker=first.marker,
        batch=first.batch,
        clone=clones.pop() if len(clones) == 1 else None,
        hematoxylin=rounded(estimate.vectors.matrix[0]),
        dab=rounded(estimate.vectors.matrix[1]),
        vectors_source=estimate.source,
        vectors_reason=estimate.reason,
        hematoxylin_od=hematoxylin,
        dab_od=dab,
        dab_background_od=_median([plan.dab_background_od for plan in positive]) or 0.0,
        strength_reason="" if hematoxylin and dab else "; ".join(strength_reasons),
        threshold_od=threshold,
        threshold_source="positive controls" if positive else "marker default",
        threshold_reason=f"{said} ({own})",
    )


def _median(values: Sequence[float | None]) -> float | None:
    """Median with four decimals, of what is known."""
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 4) if known else None


@dataclass(frozen=True)
class Reading:
    """A control read under its batch's vectors.

    Attributes
    ----------
    look : Look
    compared : ndarray of int64, shape (BINS,)
        What the marker compares with its threshold, cells or pixels, as counts per thousandth of OD.
    objects : ndarray of int64, shape (BINS,)
        Positive cells, or vessels by the mean of their wall, found at the provisional threshold.
    pixels : ndarray of int64, shape (BINS,)
        DAB of quantifiable tissue.
    nuclei : int
    tissue_mm2 : float
    sha256 : str
        Of the slide.
    """

    look: Look
    compared: NDArray[np.int64]
    objects: NDArray[np.int64]
    pixels: NDArray[np.int64]
    nuclei: int
    tissue_mm2: float
    sha256: str

    def under(self, lock: Lock) -> ControlSlide:
        """The control as the final lock reads it."""
        plan, control = self.look.plan, self.look.control
        positive = at_least(self.compared, lock.threshold_od)
        return ControlSlide(
            slide=control.path.name,
            marker=control.marker,
            batch=control.batch,
            kind=control.kind,
            clone=control.clone,
            sha256=self.sha256,
            mpp=round((plan.mpp_xy[0] + plan.mpp_xy[1]) / 2, 6),
            tissue_mm2=round(self.tissue_mm2, 6),
            nuclei=self.nuclei,
            positive_area_percent=round(100 * share_over(self.pixels, lock.threshold_od), 4),
            positive_dab_od=quantile_od(positive, 0.5) if positive.sum() else None,
            hematoxylin_od=_median([plan.hematoxylin_strength_od]),
        )


def reading_of(look: Look, lock: Lock, out: OutputFolder, intake: Intake) -> Reading:
    """Take a control's cells and pixels from the folder it was quantified into."""
    slide_id = look.control.slide_id
    manifest = out.manifest(slide_id)
    assert manifest is not None
    pixels = np.zeros(BINS, np.int64)
    counted = manifest["dab_histogram_mod"][:BINS]
    pixels[: len(counted)] = counted
    if intake.markers[slide_id].rule != "none":
        cells = read_parquet(out.slide(slide_id) / "cells.parquet", columns=["dab_od"])
        compared = counts_of(cells["dab_od"].to_numpy(np.float64))
        objects = at_least(compared, lock.threshold_od)
    else:
        vessels = read_parquet(out.slide(slide_id) / "vessels.parquet", columns=["vessel", "dab_od"])
        walls = vessels.loc[vessels["vessel"].to_numpy(bool), "dab_od"].to_numpy(np.float64)
        compared, objects = pixels, counts_of(walls)
    row = manifest["row"]
    return Reading(
        look,
        compared,
        objects,
        pixels,
        int(row["nuclei"] or 0),
        float(row["tissue_mm2"]),
        joined_sha256([file_sha256(file) for file in slide_files(look.control.path)]),
    )


def joined_sha256(digests: Sequence[str]) -> str:
    """Of the slide's file; of its files' digests in order where it has several."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def at_least(counts: NDArray[np.int64], threshold_od: float) -> NDArray[np.int64]:
    """The counts at or above a threshold, zero below it."""
    kept = counts.copy()
    kept[: round(threshold_od * 1000)] = 0
    return kept


def evidence_of(readings: Sequence[Reading], lock: Lock) -> Evidence:
    """What all controls of one marker and batch show together."""
    empty = np.zeros(BINS, np.int64)
    negative = [r.compared for r in readings if r.look.control.kind == "negative"]
    positive = [r for r in readings if r.look.control.kind == "positive"]
    by_cells = readings[0].look.plan.marker.rule != "none"
    return Evidence(
        what="cells" if by_cells else "pixels",
        objects_what="cells" if by_cells else "vessels",
        adapted_od=lock.threshold_od,
        adapted_reason=lock.threshold_reason,
        negative=np.sum([empty, *negative], axis=0),
        positive=np.sum([empty, *(at_least(r.compared, lock.threshold_od) for r in positive)], axis=0),
        objects=np.sum([empty, *(r.objects for r in positive)], axis=0),
    )
