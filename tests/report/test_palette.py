from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from histoquant.report import palette

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB
_DEFICIENCY = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_CLASSES = {
    "positive": palette.POSITIVE,
    "negative": palette.NEGATIVE,
    "vessel": palette.VESSEL,
    "aggregate": palette.AGGREGATE,
}


def _seen(color: palette.RGB, matrix: np.ndarray) -> np.ndarray:
    srgb = np.asarray(color, float) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(matrix @ linear, 0, 1)
    back = np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None, None])[0, 0]


@pytest.mark.parametrize("sight", _DEFICIENCY)
def test_classes_stay_apart_for_every_sight(sight: str) -> None:
    for (name, a), (other, b) in combinations(_CLASSES.items(), 2):
        distance = float(deltaE_ciede2000(_seen(a, _DEFICIENCY[sight]), _seen(b, _DEFICIENCY[sight])))
        assert distance > 20, f"{name} against {other}: {distance:.1f}"


@pytest.mark.parametrize("tissue", [(120, 72, 40), (80, 45, 25), (70, 80, 130), (200, 195, 205)])
@pytest.mark.parametrize("name", ["positive", "vessel", "aggregate"])
def test_classes_stand_out_on_stained_tissue(name: str, tissue: palette.RGB) -> None:
    sight = _DEFICIENCY["none"]
    assert float(deltaE_ciede2000(_seen(_CLASSES[name], sight), _seen(tissue, sight))) > 20


def test_exclusion_reasons_differ_in_pattern_not_only_in_colour() -> None:
    known = [palette.hatch_for(r).pattern for r in ("fold", "blur", "pigment", "pen", "bubble")]
    assert len(set(known)) == len(known)
    assert palette.hatch_for("something new") == palette.hatch_for("something new")
