"""CD31's definition and the rules it hands to the vessel finder."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from histoquant.markers.cd31 import CD31, VesselMarkerDefinition
from histoquant.metrics.slide import SlideInputs, slide_metrics
from histoquant.metrics.tissue import Tissue
from histoquant.metrics.vessels import vessel_metrics
from histoquant.objects.vessels import SCHEMA, VesselParams


def test_the_definition_and_the_finder_agree_on_every_default():
    assert CD31.vessel_params() == VesselParams()


def test_the_locked_threshold_goes_before_the_definition():
    assert CD31.vessel_params(0.31).threshold_od == 0.31
    assert CD31.model_copy(update={"join_um": 3.0}).vessel_params().join_um == 3.0


def test_readouts_are_columns_the_metrics_fill():
    empty = SCHEMA.empty_table().to_pandas()
    tissue = Tissue(np.ones((60, 60), bool), 16.0, 16.0)
    row = slide_metrics(
        SlideInputs("CD31", CD31.readouts, 0.25, tissue, vessels=empty.assign(x_um=[], y_um=[]))
    )
    assert set(vessel_metrics(empty, 1.0)) < set(CD31.readouts) < set(row)
    unfilled = {name for name, reason in row["reasons"].items() if reason == "NOT_COUNTED"}
    assert not unfilled & set(CD31.readouts)
    assert "vessels" in CD31.readouts
    assert SlideInputs.counts_vessels.fget is not None


@pytest.mark.parametrize("change", [{"join_um": 0.0}, {"lumen_max_um2": -1.0}, {"low_fraction": 1.5}])
def test_impossible_rules_are_refused(change):
    with pytest.raises(ValidationError):
        VesselMarkerDefinition(**{**CD31.model_dump(), **change})
