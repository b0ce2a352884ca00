"""The checks of a segmenter: the template passes them, and each broken promise is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.testing import check_segmenter, nuclei_picture

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "segmenter_plugin"))
from histoquant_blobs import Blobs


class _Otsu(Blobs):
    """A threshold of the window: the usual way to depend on the tiling."""

    def labels(self, rgb, valid, mpp):
        grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (5, 5), 0)
        _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
        # blank glass has no two classes
        return cv2.connectedComponents(dark if np.ptp(grey) > 30 else np.zeros_like(dark), connectivity=4)[1]


def _but(change: Callable[[np.ndarray], np.ndarray]) -> Blobs:
    class Broken(Blobs):
        def labels(self, rgb, valid, mpp):
            return change(super().labels(rgb, valid, mpp))

    return Broken()


def test_the_template_passes() -> None:
    check_segmenter(Blobs(), seed=7)


def test_what_depends_on_the_window_passes_only_if_it_says_so() -> None:
    lying = _Otsu()
    noisy = nuclei_picture(0)
    assert lying.labels(noisy, np.ones(noisy.shape[:2], bool), 0.5).max() > 300
    honest = _Otsu()
    honest.exact = False
    check_segmenter(honest)
    with pytest.raises(UsageError, match="says it is exact"):
        check_segmenter(lying)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels.astype(float), "float64"),
        (lambda labels: labels[:-1], "of shape"),
        (lambda labels: labels - 1, "whole numbers from 0"),
        (lambda labels: labels + 1, "blank glass"),
        (lambda labels: np.zeros_like(labels), "0 % of plain nuclei"),
        (lambda labels: labels * (np.random.default_rng().random(labels.shape) < 0.9), "two answers"),
    ],
)
def test_a_broken_promise_is_named(change: Callable[[np.ndarray], np.ndarray], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_segmenter(_but(change))


def test_a_changed_window_is_named() -> None:
    class Painter(Blobs):
        def labels(self, rgb, valid, mpp):
            found = super().labels(rgb, valid, mpp)
            rgb[0, 0] = 0
            return found

    with pytest.raises(UsageError, match="changes the window"):
        check_segmenter(Painter())
