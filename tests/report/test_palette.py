from __future__ import annotations

import re
from importlib.resources import files
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


def _colours(sheet: str, dark: bool) -> dict[str, palette.RGB]:
    """Variables of the page's style sheet."""
    light, _, night = sheet.partition("prefers-color-scheme: dark")
    found = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-fA-F]{3,6});", light))
    if dark:
        found |= dict(re.findall(r"--([a-z0-9]+): (#[0-9a-fA-F]{3,6});", night))
    full = {
        name: value if len(value) == 7 else "#" + "".join(c * 2 for c in value[1:])
        for name, value in found.items()
    }
    return {name: (int(v[1:3], 16), int(v[3:5], 16), int(v[5:7], 16)) for name, v in full.items()}


def _contrast(a: palette.RGB, b: palette.RGB) -> float:
    """Contrast ratio of WCAG 2.1."""
    lums = []
    for color in (a, b):
        srgb = np.asarray(color, float) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        lums.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(lums) + 0.05) / (min(lums) + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_and_marks_of_the_page_can_be_read(dark: bool) -> None:
    sheet = (files("histoquant.report") / "templates" / "report.css").read_text("utf-8")
    colours = _colours(sheet, dark)
    for name in ("ink", "soft", "accent", "ok", "flag", "bad", "none"):
        for ground in ("paper", "tint"):
            assert _contrast(colours[name], colours[ground]) >= 4.5, f"{name} on {ground}"
    for name in ("m1", "m2", "m3", "m4", "m5", "axis"):
        assert _contrast(colours[name], colours["paper"]) >= 3, name


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("sight", _DEFICIENCY)
def test_markers_keep_colours_of_their_own_for_every_sight(sight: str, dark: bool) -> None:
    """They are also told apart by their titles and labels; responses, besides, by their shapes."""
    sheet = (files("histoquant.report") / "templates" / "report.css").read_text("utf-8")
    colours = _colours(sheet, dark)
    for a, b in combinations(("m1", "m2", "m3"), 2):
        apart = deltaE_ciede2000(_seen(colours[a], _DEFICIENCY[sight]), _seen(colours[b], _DEFICIENCY[sight]))
        assert float(apart) > 12, f"{a} against {b}: {float(apart):.1f}"


def test_figures_fall_back_to_the_colours_of_the_light_page() -> None:
    folder = files("histoquant.report") / "templates"
    light = _colours((folder / "report.css").read_text("utf-8"), dark=False)
    used = dict(
        re.findall(r"var\(--([a-z0-9]+), (#[0-9a-fA-F]{3,6})\)", (folder / "figures.css").read_text("utf-8"))
    )
    for name, value in used.items():
        full = value if len(value) == 7 else "#" + "".join(c * 2 for c in value[1:])
        assert (int(full[1:3], 16), int(full[3:5], 16), int(full[5:7], 16)) == light[name], name
