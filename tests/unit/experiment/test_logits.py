"""The one softmax: shares that add up to 1, in the logits' own type, without overflow."""

import numpy as np
import pytest

from core.experiment.logits import probabilities


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shares_add_up_to_one_whatever_the_size(dtype: str) -> None:
    logits = np.array([[0.0, np.log(3.0)], [1e4, -1e4], [-1e4, -1e4]], dtype)
    shares = probabilities(logits)
    assert shares.dtype == dtype
    assert shares[0] == pytest.approx([0.25, 0.75])
    assert shares[1:].tolist() == [[1, 0], [0.5, 0.5]]
