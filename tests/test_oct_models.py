"""The networks of module 5, freezing, and the scores and metrics that came with it."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from skimage.measure import label
from sklearn.metrics import roc_auc_score
from torch import nn

from helpers.datasets.image_set import ImageSet
from helpers.datasets.splits import patients, subset_by_patient
from helpers.metrics import auroc, by_patient, patient_interval, pixel_auroc, pro
from helpers.models import (
    OctAutoencoder,
    OctClassifier,
    ResidualBlock,
    compression_ratio,
    encoder_shapes,
    freeze,
    make_decoder,
    make_encoder,
    receptive_field,
)
from helpers.scores import huber_error, patch_distance, patch_features
from helpers.thresholds import z_rule


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def tensors(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(module, before):
    return all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("channels", [(3, 5), (4, 4)])
def test_residual_block_adds_something_that_is_not_negative(channels):
    block, x = ResidualBlock(*channels), torch.randn(2, channels[0], 6, 10)
    assert (block(x) - block.skip(x)).min() >= -1e-6
    assert isinstance(block.skip, nn.Identity) == (channels[0] == channels[1])


@pytest.mark.parametrize(("size", "widths"), [(32, (2, 3)), (33, (2, 3, 4)), (64, (2, 3, 4, 4))])
def test_shapes_are_those_of_the_encoder(size, widths):
    x = torch.zeros(1, 1, size, size)
    for group, shape in zip(make_encoder(widths), encoder_shapes(size, widths), strict=True):
        x = group(x)
        assert tuple(x.shape[1:]) == shape


def test_the_source_s_code_has_as_many_numbers_as_the_picture_has_pixels():
    encoder = make_encoder()
    assert compression_ratio(encoder, (1, 128, 128)) == 1
    assert encoder_shapes(128, (64, 128, 256, 256))[-1] == (256, 8, 8)
    assert encoder.training


@pytest.mark.parametrize("training", [True, False])
def test_the_compression_ratio_leaves_each_part_in_its_mode(training):
    encoder = make_encoder((2, 3)).train(training)
    encoder[0].train(not training)  # as a frozen group of an encoder that learns
    before, modes = tensors(encoder), [part.training for part in encoder.modules()]
    assert compression_ratio(encoder, (1, 8, 12)) == 96 / (3 * 2 * 3)
    assert same(encoder, before)
    assert [part.training for part in encoder.modules()] == modes


@pytest.mark.parametrize("code_channels", [0, 2])
def test_autoencoder_comes_back_to_the_size_of_the_picture(code_channels):
    decoder = make_decoder((2, 3, 4), code_channels)
    cae = OctAutoencoder(make_encoder((2, 3, 4)), decoder).eval()
    x = 2 * torch.rand(3, 1, 32, 32) - 1
    assert cae(x).shape == x.shape and cae(x).abs().max() <= 1
    torch.testing.assert_close(cae(x)[1:2], cae(x[1:2]))
    assert (
        (decoder[0].weight.shape[0] == 2)
        if code_channels
        else isinstance(decoder[0][0], nn.Upsample)
    )


def test_classifier_takes_pixels_from_0_to_1():
    encoder = make_encoder((2, 3))
    classifier = OctClassifier(encoder, 32, classes=4).eval()
    x = torch.rand(5, 1, 32, 32)
    assert classifier(x).shape == (5, 4)
    torch.testing.assert_close(classifier(x), classifier.head(encoder(2 * x - 1)))


@pytest.mark.parametrize("widths", [(2,), (2, 3), (2, 2, 2)])
def test_receptive_field_is_where_gradients_come_from(widths):
    encoder = make_encoder(widths).eval()
    for parameter in encoder.parameters():
        parameter.data.abs_()  # no ReLU is closed
    field = receptive_field(encoder)
    side = 8 * (-(-(field + 32) // 8))
    x = torch.ones(1, 1, side, side).requires_grad_()
    code = encoder(x)
    code[0, :, code.shape[2] // 2, code.shape[3] // 2].sum().backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero()
    assert rows.max() - rows.min() + 1 == field


# --- freezing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["train", "eval", "part"])
def test_no_tensor_of_a_frozen_module_changes(mode):
    encoder = make_encoder((2, 3))
    cae = OctAutoencoder(freeze(encoder), make_decoder((2, 3)))
    before, decoder = tensors(encoder), tensors(cae.decoder)
    optimizer = torch.optim.AdamW(cae.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        cae.train(mode != "eval")
        if mode == "part":
            encoder[0][0].body.train()
        x = 3 * torch.rand(4, 1, 16, 16)
        optimizer.zero_grad()
        F.mse_loss(cae(x), x).backward()
        optimizer.step()
    assert same(encoder, before)
    assert not same(cae.decoder, decoder)


def test_frozen_comes_back_is_copied_and_lets_gradients_through():
    encoder = make_encoder((2,))
    assert freeze(encoder) is encoder
    twin = copy.deepcopy(nn.Sequential(encoder)).train()
    before = tensors(twin)
    x = torch.rand(4, 1, 8, 8).requires_grad_()
    twin(x).sum().backward()
    assert same(twin, before) and x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in twin.parameters())
    fresh = make_encoder((2,))
    fresh.load_state_dict(encoder.state_dict())
    assert same(fresh, tensors(encoder))


def test_frozen_batchnorm_by_itself():
    layer = freeze(nn.BatchNorm2d(2))
    before = tensors(layer)
    layer.train()
    layer(5 + torch.rand(4, 2, 3, 3))
    assert same(layer, before)


# --- scores, rules, metrics --------------------------------------------------------------------


def test_huber_is_torch_s_for_each_picture():
    x, x_hat = torch.randn(5, 2, 3, 4), 3 * torch.randn(5, 2, 3, 4)
    for delta in (0.5, 1.0, 2.0):
        expected = F.huber_loss(x_hat, x, delta=delta, reduction="none").mean(dim=(1, 2, 3))
        torch.testing.assert_close(huber_error(x, x_hat, delta), expected)


def test_patch_distance_is_to_the_nearest():
    bank, features = torch.randn(30, 4), torch.randn(3, 4, 5, 6)
    places = features.permute(0, 2, 3, 1).reshape(-1, 4)
    expected = cdist(places.numpy(), bank.numpy()).min(axis=1).reshape(3, 5, 6)
    np.testing.assert_allclose(patch_distance(bank, features), expected, rtol=1e-3, atol=1e-3)


def test_patch_features_join_two_groups_at_the_size_of_the_larger():
    encoder, x = make_encoder((2, 3, 4)).eval(), torch.rand(2, 1, 32, 32)
    features = patch_features(encoder, x)
    assert features.shape == (2, 7, 8, 8)
    second = F.avg_pool2d(encoder[1](encoder[0](x)), 3, 1, 1)
    torch.testing.assert_close(features[:, :3], second)


def test_z_rule_ignores_all_but_validation_normals():
    rng = np.random.default_rng(0)
    scores, normal, validation = rng.normal(size=300), rng.random(300) < 0.5, rng.random(300) < 0.5
    own = scores[normal & validation]
    flags = z_rule(scores, normal, validation, z=1.0)
    np.testing.assert_array_equal(flags, scores >= own.mean() + own.std())
    scores[~(normal & validation)] += 100
    assert z_rule(scores, normal, validation).sum() == (~(normal & validation)).sum()


def test_pixel_auroc_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    maps, masks = rng.integers(0, 20, (4, 5, 6)), rng.random((4, 5, 6)) < 0.2
    masks[2] = False
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))


def test_pro_counts_regions_alike():
    masks = np.zeros((1, 40, 40), dtype=bool)
    masks[0, 2:22, 2:22] = masks[0, 30:32, 30:32] = True
    assert pro(masks.astype(float), masks) == pytest.approx(1)
    large_only = np.zeros((1, 40, 40))
    large_only[0, 2:22, 2:22] = 1
    noise = large_only + 1e-3 * np.random.default_rng(0).random(masks.shape)
    assert pro(noise, masks) == pytest.approx(0.5 + 0.15 / 2, abs=0.1)
    assert pixel_auroc(noise, masks) > 0.98


def test_pro_is_what_counting_by_hand_gives():
    rng = np.random.default_rng(1)
    maps, masks = rng.random((3, 12, 12)), rng.random((3, 12, 12)) < 0.1
    maps[masks] += 0.3
    rates, overlaps = [0], [0]
    for threshold in np.sort(maps, axis=None)[::-1]:
        shares = [
            (m[regions == r] >= threshold).mean()
            for m, regions in zip(maps, map(label, masks), strict=True)
            for r in range(1, regions.max() + 1)
        ]
        rates.append((maps[~masks] >= threshold).mean())
        overlaps.append(np.mean(shares))
    fine = np.linspace(0, 0.3, 100_001)
    by_hand = np.trapezoid(np.interp(fine, rates, overlaps), fine) / 0.3
    assert pro(maps, masks) == pytest.approx(by_hand, abs=1e-4)


def test_patients_redrawn_give_a_wider_interval_than_scans():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 10)
    normal = np.repeat(rng.normal(size=40), 10)  # all scans of a patient score alike
    anomaly = np.repeat(rng.normal(1, 1, 40), 10)
    low, high = patient_interval(by_patient(normal, who), by_patient(anomaly, who))
    assert low < auroc(normal, anomaly) < high
    singles = patient_interval(list(normal[:, None]), list(anomaly[:, None]))
    assert high - low > 2 * (singles[1] - singles[0])


# --- patients ----------------------------------------------------------------------------------


def test_a_smaller_share_is_part_of_a_larger_one():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 400)
    labels = groups % 3
    parts = [set(subset_by_patient(labels, groups, share)) for share in (0.05, 0.2, 1.0)]
    assert parts[0] < parts[1] < parts[2] and len(parts[2]) == 400
    assert {labels[i] for i in parts[0]} == {0, 1, 2}


def test_runs_of_neighbours_stand_in_for_unknown_patients():
    labels = np.array([0] * 25 + [1] * 7)
    images = np.zeros((32, 1, 4, 4), dtype=np.uint8)
    known = ImageSet(images, labels, ("A", "B"), groups=np.arange(32))
    assert patients(known) is known.groups
    runs = patients(ImageSet(images, labels, ("A", "B")))
    assert [int((runs == r).sum()) for r in np.unique(runs)] == [6, 6, 6, 6, 1] + [1] * 7
    runs = patients(ImageSet(np.repeat(images, 2, axis=0), np.array([0] * 45 + [1] * 19), "AB"))
    assert [int((runs == r).sum()) for r in np.unique(runs)] == [10, 10, 10, 10, 5, 4, 4, 4, 4, 3]
