"""What else can be done with the same pixels: decoders, a textbook pipeline, HistomicsTK where installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage import color, feature, filters, measure, morphology, segmentation

WINDOW_PX = 1024


def decode_all(path: Path) -> float:
    """Decode every tile of level 0 once, straight from the file; returns megapixels."""
    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        tables, offsets, counts = page.jpegtables, page.dataoffsets, page.databytecounts
        handle = os.open(path, os.O_RDONLY)
        try:
            for offset, count in zip(offsets, counts, strict=True):
                data = os.pread(handle, count, offset)
                imagecodecs.jpeg8_decode(data, tables=tables, colorspace="YCBCR", outcolorspace="RGB")
        finally:
            os.close(handle)
        return float(page.imagewidth * page.imagelength / 1e6)


def _windows(path: Path) -> Iterator[NDArray[np.uint8]]:
    with openslide.OpenSlide(str(path)) as slide:
        width, height = slide.dimensions
        for y in range(0, height, WINDOW_PX):
            for x in range(0, width, WINDOW_PX):
                region = slide.read_region((x, y), 0, (WINDOW_PX, WINDOW_PX))
                yield np.asarray(region)[..., :3]


def openslide_all(path: Path) -> float:
    """Read level 0 through OpenSlide in windows of 1024 px; returns megapixels."""
    return sum(window.shape[0] * window.shape[1] for window in _windows(path)) / 1e6


def textbook(path: Path) -> float:
    """Positive cells as scikit-image's documentation teaches it, on one window; returns megapixels."""
    rgb = next(_windows(path))
    stains = color.rgb2hed(rgb)
    blue = filters.gaussian(stains[..., 0], 1.5)
    mask = morphology.opening(blue > filters.threshold_otsu(blue), morphology.disk(2))
    sizes = np.bincount(measure.label(mask).ravel())
    mask &= (sizes >= 30)[measure.label(mask)]
    mask = ndimage.binary_fill_holes(mask)
    distance = ndimage.distance_transform_edt(mask)
    peaks = feature.peak_local_max(distance, min_distance=4, labels=measure.label(mask))
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, seeds, mask=mask)
    measure.regionprops_table(
        labels, stains[..., 2], properties=("area", "centroid", "mean_intensity", "eccentricity")
    )
    return rgb.shape[0] * rgb.shape[1] / 1e6


# Runs under another interpreter: HistomicsTK's requirements are its own.
_HISTOMICSTK = """
import json, sys, time
import numpy as np
from histomicstk.features import compute_intensity_features, compute_morphometry_features
from histomicstk.preprocessing.color_deconvolution import color_deconvolution, stain_color_map
from histomicstk.segmentation.nuclear import detect_nuclei_kofahi
rgb = np.load(sys.argv[1])
vectors = np.array([stain_color_map["hematoxylin"], stain_color_map["dab"], [0, 0, 0]]).T
seconds = []
for _ in range(int(sys.argv[2])):
    start = time.process_time()
    stains = color_deconvolution(rgb, vectors, 240).Stains
    blue = stains[..., 0].astype(float)
    labels = detect_nuclei_kofahi(blue, blue < 170, 6, 12, 30, 8).astype(int)
    compute_morphometry_features(labels)
    compute_intensity_features(labels, stains[..., 0])
    compute_intensity_features(labels, stains[..., 1])
    seconds.append(time.process_time() - start)
print(json.dumps({"seconds": seconds, "cells": int(labels.max())}))
"""


def histomicstk(path: Path, python: str, repeats: int, folder: Path) -> tuple[list[float], str]:
    """Deconvolution, nuclei and features of one window by HistomicsTK.

    Parameters
    ----------
    path : Path
    python : str
        An interpreter that has HistomicsTK; empty for this one.
    repeats : int
    folder : Path
        For the window's pixels.

    Returns
    -------
    seconds : list of float
        Processor seconds per megapixel of each repeat; empty where it does not run.
    said : str
        Why not, or how many cells it found.
    """
    window = folder / "window.npy"
    rgb = next(_windows(path))
    np.save(window, rgb)
    command = [python or sys.executable, "-W", "ignore", "-c", _HISTOMICSTK, str(window), str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [], (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    megapixels = rgb.shape[0] * rgb.shape[1] / 1e6
    return [value / megapixels for value in told["seconds"]], f"{told['cells']} cells in one window"
