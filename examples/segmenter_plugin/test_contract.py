"""Run with ``pytest``: the promises every segmenter must keep."""

import pytest
from histoquant_blobs import load

from histoquant.testing import check_segmenter


@pytest.mark.parametrize("seed", range(3))
def test_segmenter_keeps_the_contract(seed):
    """On three pictures."""
    check_segmenter(load(None), seed=seed)
