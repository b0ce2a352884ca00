"""Run with ``pytest``: the promises every marker rule must keep."""

import pytest
from histoquant_cd163 import CD163

from histoquant.testing import check_marker


@pytest.mark.parametrize("seed", range(5))
def test_rule_keeps_the_contract(seed):
    """For five draws of cells."""
    check_marker(*CD163, seed=seed)
