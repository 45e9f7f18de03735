import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from torch import nn

from helpers.latent import interpolate, pca_reconstruct
from helpers.models import ConvAutoencoder, GaussianNoise, LinearAutoencoder, conv_output_size
from helpers.scores import reconstruction_error
from helpers.training import apply, as_input, batches, fit, fit_classifier, mean_loss


@given(
    size=st.integers(1, 40),
    kernel_size=st.integers(1, 9),
    stride=st.integers(1, 5),
    padding=st.integers(0, 4),
)
def test_conv_output_size_is_what_torch_does(size, kernel_size, stride, padding):
    if size + 2 * padding < kernel_size:
        return  # torch refuses
    out = nn.Conv1d(1, 1, kernel_size, stride, padding)(torch.zeros(1, 1, size))
    assert conv_output_size(size, kernel_size, stride, padding) == out.shape[-1]


@pytest.mark.parametrize("model", [ConvAutoencoder(5), LinearAutoencoder(5)])
def test_autoencoders_give_back_the_shape(model):
    x = torch.rand(3, 1, 28, 28)
    assert model.encoder(x).shape == (3, 5)
    assert model(x).shape == x.shape


def test_conv_autoencoder_decodes_into_the_unit_interval():
    y = ConvAutoencoder(5).decode(50 * torch.randn(20, 5))
    assert y.min() >= 0 and y.max() <= 1


def test_noise_only_while_training():
    x, layer = torch.zeros(1000), GaussianNoise(0.2)
    assert layer(x).std() == pytest.approx(0.2, rel=0.15)
    assert torch.equal(layer.eval()(x), x)


def test_pca_reconstruct_is_that_of_scikit_learn():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 1, 4, 5)))
    pca = PCA(3, svd_solver="full").fit(x.flatten(1))
    expected = pca.inverse_transform(pca.transform(x[:7].flatten(1)))
    np.testing.assert_allclose(pca_reconstruct(x, x[:7], 3).flatten(1), expected, atol=1e-9)


def test_interpolate_holds_both_ends_exactly():
    a, b = torch.randn(7), torch.randn(7)
    path = interpolate(a, b, 9)
    assert torch.equal(path[0], a) and torch.equal(path[-1], b)
    torch.testing.assert_close(path[4], (a + b) / 2)


def test_reconstruction_error_does_not_mix_images():
    x, x_hat = torch.rand(6, 3, 5, 4), torch.rand(6, 3, 5, 4)
    order = torch.randperm(6)
    torch.testing.assert_close(
        reconstruction_error(x[order], x_hat[order]), reconstruction_error(x, x_hat)[order]
    )


# --- the loop -----------------------------------------------------------------------------------


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (50, 1, 28, 28), dtype=np.uint8)


def test_batches_hold_every_image_once(images):
    sizes = [len(x) for x in batches(images, 16)]
    assert sizes == [16, 16, 16, 2]
    together = torch.cat(list(batches(images, 16, shuffle=True))).flatten(1).sum(1).sort().values
    expected = as_input(images).flatten(1).sum(1).sort().values
    torch.testing.assert_close(together, expected)


def test_mean_loss_does_not_depend_on_the_batch_size(images):
    model = ConvAutoencoder(3)
    whole = F.mse_loss(model.eval()(as_input(images)), as_input(images)).item()
    assert mean_loss(model, images, batch_size=7) == pytest.approx(whole, rel=1e-4)


def test_fit_learns_and_repeats_itself(images):
    histories = []
    for _ in range(2):
        torch.manual_seed(0)
        model = ConvAutoencoder(3)
        histories.append(fit(model, images, epochs=8, validation=images, progress=False))
    first, second = ([row["validation"] for row in h] for h in histories)
    assert first == second
    assert first[-1] < first[0]
    assert not model.training


def test_a_schedule_takes_a_step_after_each_update(images):
    model = ConvAutoencoder(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda updates: 0.5**updates)
    few = images[:10]
    options = {"batch_size": 4, "optimizer": optimizer, "schedule": schedule}
    fit(model, few, epochs=2, progress=False, **options)
    assert optimizer.param_groups[0]["lr"] == 0.5**6  # three batches, the last with two images


def test_images_divided_by_255_are_not_divided_again(images):
    for wrong in (images / 255, images > 127, images[0], torch.from_numpy(images).float()):
        with pytest.raises(ValueError, match=r"uint8 \(N, C, H, W\).*before any division"):
            as_input(wrong)


def test_images_may_be_a_tensor_or_a_list(images):
    expected = as_input(images[:2])
    for own in (torch.from_numpy(images[:2]), list(images[:2])):
        assert torch.equal(as_input(own), expected)


def test_no_images_are_said_to_be_none(images):
    with pytest.raises(ValueError, match="one image at least"):
        apply(lambda x: x, images[:0])


def test_labels_of_a_classifier_may_be_of_any_whole_type(images):
    images, labels = images[:6], np.arange(6) % 2
    for own in (labels.astype(np.int32), labels.tolist(), torch.from_numpy(labels), labels == 1):
        model = nn.Sequential(nn.Flatten(), nn.Linear(images[0].size, 2))
        (row,) = fit_classifier(
            model, images, own, epochs=1, validation=(images, own), progress=False
        )
        assert row["accuracy"] in np.arange(7) / 6
    for wrong in (labels[:5], labels / 2, labels[:, None]):
        with pytest.raises(ValueError, match="one for each of 6 images"):
            fit_classifier(model, images, wrong, epochs=1, progress=False)


def test_read_only_images_are_fine(images):
    images.setflags(write=False)
    assert apply(lambda x: x.mean(dim=(1, 2, 3)), images[:4]).shape == (4,)
