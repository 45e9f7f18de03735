"""Scores at the edges of what a computer can tell apart."""

import numpy as np
import pytest
import torch

from helpers.scores import beyond_complexity, knn, mahalanobis, max_softmax, ssim_residual


def test_distances_of_codes_with_a_large_common_offset():
    """torch.cdist's matrix product alone is 22 % off here (offset 1000, more than 25 rows)."""
    torch.manual_seed(0)
    train, new = torch.randn(300, 16), torch.randn(100, 16)
    for score in (knn, mahalanobis):
        far = score(train + 1000, new + 1000)
        torch.testing.assert_close(far, score(train, new), rtol=1e-3, atol=1e-3)


def test_very_sure_answers_still_have_an_order():
    """A gap of 30 is surer than one of 20; in float32 both softmaxes are exactly 1."""
    sure, surer = max_softmax(torch.tensor([[20.0, 0.0], [30.0, 0.0]])).tolist()
    assert surer < sure < -1 + 1e-6 or 0 < surer < sure < 1e-6


def test_ssim_looks_at_every_channel():
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x_hat = x.clone()
    x_hat[:, 2] = 1 - x_hat[:, 2]
    assert ssim_residual(x, x).abs().max() < 1e-6
    assert ssim_residual(x, x_hat).max() > 0.1


def test_zero_is_refused_where_denormal_numbers_are_flushed():
    """As in a notebook: 5e-324 is 0 there, also as a constant in code that is compiled there."""
    torch.set_flush_denormal(True)
    try:
        with pytest.raises(ValueError, match="above 0"):
            beyond_complexity(np.array([0.0, 1, 2]), np.array([1.0, 2, 3]), [1.0], [2.0])
    finally:
        torch.set_flush_denormal(False)
