"""The networks of module 3, the scores that look inside them, and the corruptions."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from skimage.metrics import structural_similarity
from torch.nn.functional import mse_loss

from helpers.corruptions import CORRUPTIONS, blur, invert, lesion, turn
from helpers.datasets.samples.lesions import paint_lesion
from helpers.datasets.splits import split_by_content
from helpers.losses import elbo, gaussian_log_likelihood, kl_divergence
from helpers.models import DeepAutoencoder, DeepVAE, down_block, up_block
from helpers.scores import absolute_error, knn, mahalanobis, ssim_residual

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("size", [32, 64])
def test_blocks_halve_and_double(size):
    x = torch.rand(2, 3, size, size // 2)
    assert down_block(3, 5)(x).shape == (2, 5, size // 2, size // 4)
    assert up_block(3, 5)(x).shape == (2, 5, 2 * size, size)


@pytest.mark.parametrize(("size", "widths"), [(32, (4, 6, 8)), (64, (2, 3, 4))])
def test_autoencoder_comes_back_to_the_size_of_the_picture(size, widths):
    ae = DeepAutoencoder(size, widths, latent_dim=7).eval()
    x = torch.rand(3, 1, size, size)
    assert ae.features(x).shape == (3, widths[2], size // 8, size // 8)
    assert ae.encode(x).shape == (3, 7)
    assert ae(x).shape == x.shape
    torch.testing.assert_close(ae(x)[1:2], ae(x[1:2]))  # no image depends on another


def test_source_s_network_has_its_parameters():
    blocks = 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 64 + 64 * 32 + 32 * 32)
    norms = 2 * (32 + 64 + 128 + 64 + 32 + 32)
    lines = (128 * 64 + 1) * 128 + (128 + 1) * 128 * 64 + 32 + 1
    assert sum(p.numel() for p in DeepAutoencoder().parameters()) == blocks + norms + lines


def test_vae_draws_in_training_mode_and_decodes_mu_in_eval_mode():
    vae, x = DeepVAE(32, (4, 6, 8), latent_dim=5), torch.rand(6, 1, 32, 32)
    assert not torch.equal(vae(x)[0], vae(x)[0])
    vae.eval()
    x_hat, mu, logvar = vae(x)
    assert mu.shape == logvar.shape == (6, 5)
    assert torch.equal(x_hat, vae.decode(mu))


def test_every_weight_takes_part():
    x = torch.rand(4, 1, 32, 32)
    ae, vae = (cls(32, (4, 6, 8), latent_dim=5) for cls in (DeepAutoencoder, DeepVAE))
    mse_loss(ae(x), x).backward()
    x_hat, mu, logvar = vae(x)
    elbo(gaussian_log_likelihood(x, x_hat), kl_divergence(mu, logvar)).sum().backward()
    for model in (ae, vae):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_absolute_error_is_a_mean_over_one_picture():
    x, x_hat = torch.zeros(2, 1, 2, 3), torch.zeros(2, 1, 2, 3)
    x_hat[0], x_hat[1, 0, 0, 0] = -0.5, 3.0
    torch.testing.assert_close(absolute_error(x, x_hat), torch.tensor([0.5, 0.5]))


def test_mahalanobis_does_not_see_a_change_of_units_where_there_are_many_codes():
    z_train, z = torch.randn(20_000, 3), torch.randn(5, 3)
    mix = torch.tensor([[2.0, 0.3, 0], [0, 1.0, -0.4], [0.2, 0, 0.7]])
    plain, mixed = mahalanobis(z_train, z), mahalanobis(z_train @ mix, z @ mix)
    torch.testing.assert_close(plain, mixed, rtol=0.02, atol=0)
    torch.testing.assert_close(plain, z.norm(dim=1), rtol=0.05, atol=0)


def test_knn_is_the_distance_to_the_kth():
    z_train, z = torch.randn(50, 4), torch.randn(203, 4)
    ordered = np.sort(cdist(z.numpy(), z_train.numpy()), axis=1)
    for k in (1, 5, 50):
        np.testing.assert_allclose(knn(z_train, z, k), ordered[:, k - 1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(knn(z_train, z), knn(z_train, z, 5))
    assert (
        knn(z_train, z).dtype == torch.float32 and knn(z_train, z.double()).dtype == torch.float64
    )


def test_ssim_residual_is_the_library_s_picture_by_picture():
    x, x_hat = torch.rand(3, 1, 12, 20), torch.rand(3, 1, 12, 20)
    maps = ssim_residual(x, x_hat)
    assert maps.dtype == torch.float32
    for a, b, seen in zip(x, x_hat, maps, strict=True):
        _, full = structural_similarity(a[0].numpy(), b[0].numpy(), data_range=1, full=True)
        np.testing.assert_allclose(1 - seen[0], full, atol=1e-5)


# --- the split ---------------------------------------------------------------------------------


@pytest.fixture
def pictures():
    contents = rng.integers(0, 256, (3000, 1, 4, 4), dtype=np.uint8)
    return contents[np.concatenate([np.arange(3000), rng.integers(0, 3000, 500)])]


def contents(images, part):
    return {images[i].tobytes() for i in part}


def test_every_picture_in_one_part_and_no_content_in_two(pictures):
    parts = split_by_content(pictures)
    assert sorted(np.concatenate(parts)) == list(range(3500))
    train, calibration, test = (contents(pictures, part) for part in parts)
    assert not train & calibration and not train & test and not calibration & test
    assert len(train) / 3000 == pytest.approx(0.8, abs=0.03)
    assert len(test) / 3000 == pytest.approx(0.1, abs=0.02)


def test_the_split_is_the_same_in_any_order_and_stays_when_pictures_come(pictures):
    test = contents(pictures, split_by_content(pictures)[2])
    order = rng.permutation(len(pictures))
    assert contents(pictures[order], split_by_content(pictures[order])[2]) == test
    fewer = contents(pictures[:1000], split_by_content(pictures[:1000])[2])
    assert fewer == test & contents(pictures, range(1000))


def test_the_split_is_this_one_on_every_machine():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    assert split_by_content(images)[2].tolist() == FINGERPRINT
    assert split_by_content(images, seed=1)[2].tolist() != FINGERPRINT


@pytest.mark.parametrize("shares", [(80, 10, 10), (0.8, 0.1, 0.3), (0.8, 0.1), (1.2, -0.2), ()])
def test_shares_that_do_not_share_out_everything_are_refused(pictures, shares):
    with pytest.raises(ValueError, match=r"numbers from 0 to 1 that sum to 1 \(10 % is 0.1\); got"):
        split_by_content(pictures, shares)


def test_shares_sum_to_one_but_for_rounding(pictures):
    for shares in ((0.7, 0.2, 0.1), [1 / 3] * 3, np.float32([0.8, 0.1, 0.1]), (1,), (1, 0)):
        assert sum(map(len, split_by_content(pictures, shares))) == len(pictures)


FINGERPRINT = [1, 9, 14, 16, 21, 24, 25, 30, 33]


# --- corruptions and lesions -------------------------------------------------------------------

HANDS = np.zeros((4, 1, 32, 32), dtype=np.uint8)
HANDS[:, :, 8:28, 10:18] = rng.integers(120, 220, (4, 1, 20, 8))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_grows_with_its_severity_and_leaves_the_input(name):
    before = HANDS.copy()
    changes = []
    for severity in (0, 0.5, 1):
        spoiled = CORRUPTIONS[name](HANDS, severity)
        assert spoiled.dtype == np.uint8 and spoiled.shape == HANDS.shape
        changes.append(np.abs(spoiled.astype(int) - HANDS).mean())
    assert changes[0] < changes[1] < changes[2]
    assert np.array_equal(HANDS, before)


def test_severity_zero_changes_nothing_but_a_lesion_s_texture():
    for corruption in (blur, turn, invert):
        assert np.array_equal(corruption(HANDS, 0), HANDS)
    assert abs(lesion(HANDS, 0).mean() - HANDS.mean()) < 0.1


def test_severity_one_is_a_quarter_turn_and_the_negative():
    assert np.array_equal(
        turn(HANDS, 1)[..., 1:-1, 1:-1], np.rot90(HANDS, 1, (2, 3))[..., 1:-1, 1:-1]
    )
    assert np.array_equal(invert(HANDS, 1), 255 - HANDS)
    assert np.ptp(invert(HANDS, 0.5)) <= 1


def test_painted_lesion_keeps_the_mean_grey_without_contrast():
    image = rng.integers(0, 256, (3, 9, 9)).astype(float)
    cover = rng.random((9, 9))
    lesioned, mask = paint_lesion(image, cover, 0)
    assert lesioned.dtype == np.uint8 and mask.dtype == bool
    assert (np.ptp(lesioned.reshape(3, -1), axis=1) <= np.ptp(image.reshape(3, -1), axis=1)).all()
    whole, _ = paint_lesion(image, np.ones((9, 9)), 0)
    np.testing.assert_allclose(
        whole, np.rint(image.mean((1, 2)))[:, None, None] + np.zeros((3, 9, 9))
    )
    assert np.array_equal(mask, cover >= 0.5)
