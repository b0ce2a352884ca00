from __future__ import annotations

import numpy as np

from histoquant.objects.lookup import mix
from histoquant.objects.places import FOUR, place_in


def test_a_word_holds_four_places_from_below() -> None:
    places = np.array([0, 1, 65535, 300, 4000, 32767, 32768, 7], np.uint16)
    words = places.view(np.uint64)
    assert [int(place_in(word, k)) for word in words for k in range(FOUR)] == places.tolist()


def test_rows_of_any_length_are_looked_up_to_their_end() -> None:
    compressed = (3 * np.arange(4001)).astype(np.int16)
    for width in range(1, 14):
        blue = np.random.default_rng(width).integers(0, 4001, (5, width)).astype(np.int16)
        assert (mix(blue, np.zeros_like(blue), 0, 0, compressed) == compressed[blue]).all()
