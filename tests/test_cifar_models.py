"""The networks of module 4, the scores that come with them, roles and measures."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from helpers.datasets.splits import class_roles
from helpers.metrics import aurc, rank_correlation, risk_coverage
from helpers.models import ColourAutoencoder, SmallResNet, whiten
from helpers.scores import (
    beyond_complexity,
    class_mahalanobis,
    compressed_bits,
    energy,
    mahalanobis,
    max_softmax,
    normalised_knn,
    total_variation,
)

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(("blocks", "stride"), [(1, 1), (1, 2), (2, 2)])
def test_classifier_s_features_are_the_means_after_its_last_stage(blocks, stride):
    net, x = SmallResNet((4, 6, 8), blocks, stride, classes=3).eval(), torch.rand(5, 3, 32, 32)
    stages = net.stage_features(x)
    assert [tuple(s.shape) for s in stages] == [(5, 4), (5, 6), (5, 8)]
    assert torch.equal(net.features(x), stages[-1])
    assert torch.equal(net(x), net.head(net.features(x)))
    y = x
    for stage, side in zip(net.stages, (32, 16, 8), strict=True):
        y = stage(y)
        assert y.shape[2:] == (side // stride, side // stride)
    torch.testing.assert_close(net(x)[1:2], net(x[1:2]))
    assert sum(isinstance(m, torch.nn.ReLU) for m in net.modules()) == 1 + 3 * 2 * blocks


@pytest.mark.parametrize(("channels", "filters"), [(3, 32), (3, 64), (1, 7)])
def test_whitened_filters_give_outputs_that_do_not_correlate_and_the_same_with_the_other_sign(
    channels, filters
):
    convolution = torch.nn.Conv2d(channels, filters, 3, stride=2, padding=1, bias=False)
    before = convolution.weight.detach().clone()
    images = torch.rand(50, channels, 12, 12).cumsum(dim=3) / 12  # neighbours are alike
    whiten(convolution, images)
    k = min(9 * channels, filters // 2)
    assert torch.equal(convolution.weight[k : 2 * k], -convolution.weight[:k])
    assert torch.equal(convolution.weight[2 * k :], before[2 * k :])
    assert convolution.weight.requires_grad and torch.isfinite(convolution.weight).all()
    y = torch.nn.functional.conv2d(images, convolution.weight[:k]).transpose(0, 1).flatten(1)
    covariance = y.cov().detach()
    patches = torch.nn.functional.unfold(images, 3).transpose(1, 2).flatten(end_dim=1)
    v = torch.linalg.eigvalsh(patches.double().T.cov()).flip(0)[:k]  # variances, the largest first
    expected = (v / (v + 0.01)).float().diag()
    torch.testing.assert_close(covariance, expected, atol=2e-3, rtol=0)


def test_source_s_autoencoder_has_its_parameters():
    pairs = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]
    down = sum(9 * i * o + o for i, o in pairs)
    up = sum(9 * i * o + i for i, o in pairs)
    lines = (4096 + 1) * 1000 + (1000 + 1) * 4096
    assert sum(p.numel() for p in ColourAutoencoder().parameters()) == down + up + lines


@pytest.mark.parametrize("widths", [(2, 3, 4), (4, 4, 4)])
def test_autoencoder_comes_back_to_the_picture_s_size(widths):
    ae, x = ColourAutoencoder(widths, latent_dim=7), torch.rand(3, 3, 32, 32)
    assert ae.encode(x).shape == (3, 7)
    assert ae(x).shape == x.shape
    ae(x).square().mean().backward()
    assert all(p.grad is not None for p in ae.parameters())


# --- scores ------------------------------------------------------------------------------------


def test_softmax_and_energy_by_hand():
    logits = torch.tensor([[9.0, 1.0], [1.0, -7.0]])
    torch.testing.assert_close(max_softmax(logits)[0], max_softmax(logits)[1])
    expected = 1 - torch.sigmoid(torch.tensor(8.0))
    torch.testing.assert_close(max_softmax(logits)[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(energy(logits)[1] - energy(logits)[0], torch.tensor(8.0))
    assert (
        torch.isfinite(energy(1e4 * logits)).all()
        and torch.isfinite(max_softmax(1e4 * logits)).all()
    )


def test_energy_of_a_high_temperature_is_the_mean_logit():
    logits = torch.randn(20, 5).double()
    shifted = energy(logits, 1e6) + 1e6 * np.log(5)
    torch.testing.assert_close(shifted, -logits.mean(dim=1), atol=1e-5, rtol=0)


def test_one_class_gives_the_plain_mahalanobis_distance():
    z_train, z = torch.randn(4000, 3) @ torch.randn(3, 3), torch.randn(30, 3)
    one = class_mahalanobis(z_train, torch.zeros(4000, dtype=torch.long), z)
    torch.testing.assert_close(one, mahalanobis(z_train, z), rtol=1e-3, atol=1e-3)


def test_the_distance_between_classes_is_no_spread():
    z_train = torch.randn(6000, 2)
    labels = torch.arange(6000) % 3
    z_train[:, 0] += 100 * labels
    z = torch.tensor([[0.0, 3.0], [50.0, 0.0], [200.0, 0.0]])
    expected = torch.tensor([3.0, 50.0, 0.0])
    torch.testing.assert_close(class_mahalanobis(z_train, labels, z), expected, rtol=0.05, atol=0.1)


def test_neighbours_on_the_sphere():
    z_train, z = torch.randn(60, 4), torch.randn(501, 4)  # more than two chunks
    a, b = (y / y.norm(dim=1, keepdim=True) for y in (z_train, z))
    ordered = np.sort(cdist(b.numpy(), a.numpy()), axis=1)
    for k in (1, 7, 50):
        np.testing.assert_allclose(normalised_knn(z_train, z, k), ordered[:, k - 1], atol=2e-3)
    torch.testing.assert_close(normalised_knn(z_train, 100 * z), normalised_knn(z_train, z))


def test_variation_is_the_mean_of_both_directions():
    x = torch.rand(4, 3, 6, 9)
    across = (x[..., 1:] - x[..., :-1]).abs().mean(dim=(1, 2, 3))
    turned = x.transpose(2, 3)
    torch.testing.assert_close(total_variation(x), total_variation(turned))
    torch.testing.assert_close(
        2 * total_variation(x) - across, (turned[..., 1:] - turned[..., :-1]).abs().mean((1, 2, 3))
    )


def test_a_png_of_colours_and_of_greys():
    flat, noise = np.full((3, 32, 32), 90, np.uint8), rng.integers(0, 256, (3, 32, 32), np.uint8)
    few, many = compressed_bits(np.stack([flat, noise]))
    assert few < 2000 and many > 3 * 32 * 32 * 8
    assert compressed_bits(noise[None, :1])[0] < many / 2
    swapped = compressed_bits(np.stack([noise[:, :, ::-1]]))  # a view with a negative stride
    assert abs(swapped[0] - many) < many / 20


def test_correction_takes_the_complexity_out():
    complexity = rng.uniform(1, 50, 2000)
    errors = 0.01 * complexity**0.7 * rng.lognormal(0, 0.3, 2000)
    left = beyond_complexity(errors[:1000], complexity[:1000], errors[1000:], complexity[1000:])
    assert abs(spearmanr(left, complexity[1000:]).statistic) < 0.1
    assert left.mean() == pytest.approx(0, abs=0.03)
    assert left.std() == pytest.approx(0.3, abs=0.03)


# --- roles and measures ------------------------------------------------------------------------


def test_roles_are_disjoint_balanced_and_leave_the_rest():
    labels = np.random.default_rng(1).integers(0, 4, 1000)
    parts = class_roles(labels, (1, 3), (0.5, 0.25, 0.1))
    together = np.concatenate(parts)
    assert len(np.unique(together)) == len(together)
    assert set(labels[together]) == {1, 3}
    for part, share in zip(parts, (0.5, 0.25, 0.1), strict=True):
        assert (np.diff(part) > 0).all()
        for c in (1, 3):
            assert abs((labels[part] == c).sum() - share * (labels == c).sum()) <= 1
    of_lists = class_roles(labels.tolist(), [1, 3], [0.5, 0.25, 0.1])
    for part, same in zip(parts, of_lists, strict=True):
        assert np.array_equal(part, same)
    assert sum(map(len, class_roles(labels, (1, 3), (0.1,) * 10))) == np.isin(labels, (1, 3)).sum()


@pytest.mark.parametrize(
    ("wanted", "shares", "match"),
    [
        (["0", "1"], (0.5, 0.5), r"no image has the label '0'.* are 0, 1, 2, 3; classes.index"),
        ((0, 7), (0.5, 0.5), "no image has the label 7; the labels are 0, 1, 2, 3$"),
        ((1, 1), (0.5, 0.5), r"each class once; got \[1, 1\]"),
        ((0, 1), (0.5, 0.8), "sum to at most 1 .*; got 0.5, 0.8"),
        ((0, 1), (50, 25), "from 0 to 1 .*; got 50, 25"),
        ((0, 1), (-0.5, 0.5), "from 0 to 1 .*; got -0.5, 0.5"),
    ],
)
def test_roles_that_cannot_be_shared_out_are_refused(wanted, shares, match):
    with pytest.raises(ValueError, match=f"class_roles: .*{match}"):
        class_roles(np.arange(40) % 4, wanted, shares)


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlation_is_scipy_s(ties):
    a, b = rng.normal(size=(2, 60))
    a, b = (np.round(v, 0) for v in (a, a + b)) if ties else (a, a + b)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_risk_at_full_coverage_is_the_error_and_order_plays_no_role():
    confidence, correct = rng.integers(0, 5, 200), rng.random(200) < 0.7
    coverage, risk = risk_coverage(confidence, correct)
    assert coverage[0] == 1 / 200 and coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - correct.mean())
    order = rng.permutation(200)
    np.testing.assert_allclose(risk_coverage(confidence[order], correct[order])[1], risk)


def test_risk_of_ties_is_the_mean_over_their_orders():
    confidence, correct = np.repeat([2, 1], [30, 10]), rng.random(40) < 0.5
    runs = [risk_coverage(confidence + 1e-6 * rng.random(40), correct)[1] for _ in range(3000)]
    np.testing.assert_allclose(risk_coverage(confidence, correct)[1], np.mean(runs, 0), atol=0.05)


def test_area_of_a_perfect_and_of_a_blind_order():
    correct = np.repeat([True, False], [80, 20])
    assert aurc(correct, correct) < 0.025 < aurc(np.zeros(100), correct) == pytest.approx(0.2)
    assert aurc(~correct, correct) > 0.45
