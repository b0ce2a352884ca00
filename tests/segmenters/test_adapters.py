"""Adapters of networks: they need weights, keep to the window, and fit their own library."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.segmenters.cellpose import Cellpose
from histoquant.segmenters.instanseg import InstanSeg
from histoquant.segmenters.stardist import StarDist

NAMES = ("stardist", "cellpose", "instanseg")


class _Tensor:
    """As much of a torch tensor as an adapter reads."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def cpu(self) -> _Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self._values


class _Network:
    """Answers like each library's model: bright red is one nucleus."""

    def predict_instances(self, image: np.ndarray, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        assert image.dtype == np.float32
        assert image.max() <= 1
        return (image[..., 0] > 0.9).astype(np.int32), {}

    def eval(self, image: np.ndarray, channel_axis: int) -> tuple[np.ndarray, None, None]:
        assert image.shape[channel_axis] == 3
        return (image[..., 0] > 230).astype(np.uint16), None, None

    def eval_small_image(self, image: np.ndarray, pixel_size: float, **_: Any) -> _Tensor:
        assert image.shape[0] == 3
        assert pixel_size == 0.5
        return _Tensor((image[0] > 230).astype(np.float32)[None, None])


@pytest.mark.parametrize("adapter", [StarDist, Cellpose, InstanSeg])
def test_labels_are_those_of_the_network_where_the_slide_was_scanned(adapter: Any) -> None:
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[10:20, 5:25] = 255
    valid = np.ones((40, 60), bool)
    valid[:, :10] = False
    segmenter = adapter(_Network(), "9.9")
    labels = segmenter.labels(rgb, valid, 0.5)
    assert labels.dtype == np.int32
    assert set(zip(*np.nonzero(labels), strict=True)) == {
        (y, x) for y in range(10, 20) for x in range(10, 25)
    }
    assert not segmenter.exact
    assert segmenter.version == "9.9"


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_never_downloaded(name: str) -> None:
    pytest.importorskip(name, exc_type=ImportError)
    with pytest.raises(UsageError, match="Nothing is downloaded"):
        import_module(f"histoquant.segmenters.{name}").load(None)


def test_stardist_of_its_own_library(tmp_path: Path) -> None:
    models = pytest.importorskip("stardist.models", exc_type=ImportError)
    config = models.Config2D(n_rays=16, n_channel_in=3, grid=(2, 2))
    model = models.StarDist2D(config, name="untrained", basedir=str(tmp_path))
    model.keras_model.save_weights(str(tmp_path / "untrained" / "weights_best.h5"))
    segmenter = import_module("histoquant.segmenters.stardist").load(tmp_path / "untrained")
    _answers(segmenter)


def test_instanseg_of_its_own_library(tmp_path: Path) -> None:
    pytest.importorskip("instanseg", exc_type=ImportError)
    torch = pytest.importorskip("torch")

    class Threshold(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.pixel_size, self.cells_and_nuclei = 0.5, False

        # TorchScript reads annotations, and cannot read those that are text
        def forward(self, image, target_segmentation):
            return (image[:, :1] > 0.5).float()

    path = tmp_path / "untrained.pt"
    torch.jit.script(Threshold()).save(str(path))
    segmenter = import_module("histoquant.segmenters.instanseg").load(path)
    assert _answers(segmenter).any()


def _answers(segmenter: Any) -> np.ndarray:
    rgb = np.full((128, 160, 3), 240, np.uint8)
    rgb[40:60, 50:80] = (90, 90, 160)
    labels = segmenter.labels(rgb, np.ones(rgb.shape[:2], bool), 0.5)
    assert labels.shape == (128, 160)
    assert labels.dtype == np.int32
    return labels
