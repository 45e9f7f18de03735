import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from helpers.metrics import (
    auroc,
    balanced_accuracy,
    bootstrap_interval,
    dice,
    fpr_at_tpr,
    paired_difference,
    paired_interval,
    per_class_auroc,
    pixel_metrics,
    precision_at_prevalence,
    pro,
    psnr,
    rank_correlation,
    wilson_interval,
)

scores = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30)


@given(normal=scores, anomaly=scores)
def test_auroc_is_that_of_scikit_learn_ties_included(normal, anomaly):
    labels = np.repeat([0, 1], [len(normal), len(anomaly)])
    assert auroc(normal, anomaly) == pytest.approx(roc_auc_score(labels, normal + anomaly))


@given(normal=scores, anomaly=scores)
def test_auroc_of_swapped_groups_is_the_complement(normal, anomaly):
    assert auroc(normal, anomaly) + auroc(anomaly, normal) == pytest.approx(1)


@given(normal=scores, anomaly=scores, tpr=st.floats(0.05, 1))
def test_fpr_at_tpr_is_the_strictest_threshold_that_finds_enough(normal, anomaly, tpr):
    normal, anomaly = np.array(normal), np.array(anomaly)
    cuts = [c for c in np.unique(np.r_[normal, anomaly]) if (anomaly >= c).mean() >= tpr]
    assert fpr_at_tpr(normal, anomaly, tpr) == pytest.approx((normal >= max(cuts)).mean())


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    # AUROC of N(0, 1) against N(1, 1) is Phi(1/sqrt 2) = 0.7602
    rng, covered = np.random.default_rng(0), 0
    for trial in range(200):
        normal, anomaly = rng.normal(0, 1, 60), rng.normal(1, 1, 60)
        low, high = bootstrap_interval(normal, anomaly, resamples=200, seed=trial)
        covered += low <= 0.7602 <= high
    assert 0.90 <= covered / 200 <= 0.98


def test_bootstrap_interval_is_seeded_and_takes_any_statistic():
    normal, anomaly = np.arange(50.0), np.arange(20.0, 70.0)
    assert bootstrap_interval(normal, anomaly) == bootstrap_interval(normal, anomaly)
    gap = bootstrap_interval(normal, anomaly, statistic=lambda n, a: a.mean() - n.mean())
    assert gap[0] < 20 < gap[1]


def test_wilson_interval_against_a_published_value():
    # 10 of 20 at 95 %: 0.299 to 0.701 (Brown, Cai and DasGupta 2001, by their formula)
    assert wilson_interval(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson_interval(0, 20)[0] == 0
    assert wilson_interval(20, 20)[1] == 1


def test_precision_by_counting():
    # of 1,000 images 10 are anomalies; 9 of them and 99 of 990 normal ones are flagged
    assert precision_at_prevalence(0.9, 0.1, 0.01) == pytest.approx(9 / (9 + 99))


def test_psnr_per_image():
    x = torch.zeros(2, 1, 4, 4)
    noise = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    torch.testing.assert_close(psnr(x, x + noise), torch.tensor([20.0, 40.0]))


@given(normal=scores, anomaly=scores, threshold=st.integers(-1, 10))
def test_balanced_accuracy_is_that_of_scikit_learn_and_the_auroc_of_the_flags(
    normal, anomaly, threshold
):
    labels = np.repeat([0, 1], [len(normal), len(anomaly)])
    flags = np.concatenate([normal, anomaly]) > threshold
    seen = balanced_accuracy(normal, anomaly, threshold)
    assert seen == pytest.approx(balanced_accuracy_score(labels, flags))
    assert seen == pytest.approx(auroc(flags[labels == 0], flags[labels == 1]))


def test_paired_difference_cancels_what_is_hard_for_both():
    rng = np.random.default_rng(0)
    hard_n, hard_a = rng.normal(size=300), rng.normal(1, size=300)
    better = hard_n, hard_a + 0.1
    low, high = paired_difference(*better, hard_n, hard_a)
    assert 0 < low < auroc(*better) - auroc(hard_n, hard_a) < high
    apart = [bootstrap_interval(*pair) for pair in (better, (hard_n, hard_a))]
    assert apart[0][0] < apart[1][1]  # their own intervals overlap
    assert paired_difference(hard_n, hard_a, hard_n, hard_a) == (0, 0)


def test_paired_difference_changes_sign_with_the_order():
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=50), rng.normal(1, size=40)), (rng.normal(size=50), rng.normal(size=40))
    low, high = paired_difference(*a, *b)
    other = paired_difference(*b, *a)
    assert other == pytest.approx((-high, -low))


def test_per_class_auroc_averages_to_the_whole():
    rng = np.random.default_rng(0)
    normal, scores = rng.normal(size=80), rng.normal(1, size=60)
    names = np.repeat(["b", "c", "a"], 20)
    table = per_class_auroc(normal, scores, names)
    assert table.is_monotonic_increasing and set(table.index) == {"a", "b", "c"}
    assert table.mean() == pytest.approx(auroc(normal, scores))
    assert table["c"] == pytest.approx(auroc(normal, scores[20:40]))


def test_dice_is_the_f1_of_pixels():
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 7, 9)) < 0.3, rng.random((5, 7, 9)) < 0.4
    assert dice(a, b) == pytest.approx(f1_score(a.ravel(), b.ravel()))
    assert dice(a, b) == dice(b, a)
    assert dice(a, a) == 1 and dice(a & False, b & False) == 1 and dice(a, a & False) == 0


def test_pixel_metrics_of_a_perfect_and_of_a_random_map():
    rng = np.random.default_rng(0)
    masks = rng.random((20, 16, 16)) < 0.05
    perfect = pixel_metrics(masks * 1.0, masks, threshold=0.5)
    assert perfect == {"auroc": 1, "average_precision": 1, "dice": 1, "false_alarms": 0}
    noise = pixel_metrics(rng.random(masks.shape), masks, threshold=0.9)
    assert noise["auroc"] == pytest.approx(0.5, abs=0.05)
    assert noise["average_precision"] == pytest.approx(masks.mean(), abs=0.02)
    assert noise["false_alarms"] == pytest.approx(0.1, abs=0.02)


def test_paired_interval_knows_that_the_same_scores_do_not_differ():
    """Two groups redrawn one by one would: bootstrap_interval gives about ±0.03 here."""
    scores = np.random.default_rng(0).normal(size=500)
    assert paired_interval(scores, scores) == (0.5, 0.5)
    low, high = bootstrap_interval(scores, scores)
    assert low < 0.49 and high > 0.51


def test_paired_interval_of_independent_scores_is_about_the_unpaired_one():
    rng = np.random.default_rng(0)
    normal, anomaly = rng.normal(size=400), rng.normal(1, size=400)
    paired, unpaired = (f(normal, anomaly) for f in (paired_interval, bootstrap_interval))
    assert paired == pytest.approx(unpaired, abs=0.01)
    assert paired[0] < auroc(normal, anomaly) < paired[1]


def test_paired_interval_wants_two_scores_of_each_image():
    with pytest.raises(
        ValueError, match="two scores of each image, plain and changed; there are 3 and 2"
    ):
        paired_interval([1, 2, 3], [1, 2])


# --- per-region overlap -------------------------------------------------------------------------


def lesions():
    """Two pictures of 20×20 pixels with a lesion of 40 and one of 10 pixels."""
    masks = np.zeros((2, 20, 20), dtype=bool)
    masks[0, 2:10, 2:7] = masks[1, 15:17, 5:10] = True
    return masks


def straight(points, limit=0.3):
    """Area up to the limit below straight lines between (false alarms, overlap), by its share."""
    rates, overlaps = zip(*points, strict=True)
    fine = np.linspace(0, limit, 300_001)
    return np.trapezoid(np.interp(fine, rates, overlaps), fine) / limit


def noisy():
    """Numbers that look random, and are the same in every version of numpy."""
    noise = np.arange(800).reshape(2, 20, 20) * 7919 % 1009 / 1009
    return noise + 0.2 * lesions()


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (np.ones((2, 20, 20)), 0.15000),
        (noisy() > 0.9, 0.31394),
        (noisy() > 0.5, 0.20669),  # its first false alarms are more than the limit
        (noisy().clip(0, 0.8), 0.29050),
        (np.floor(3 * noisy()) / 3, 0.35502),
        (noisy(), 0.35939),
    ],
    ids=["constant", "binary", "binary, many false", "clipped", "three levels", "continuous"],
)
def test_pro_is_that_of_anomalib(maps, expected):
    """Computed with AUPRO of anomalib 2.7.0 (fpr_limit 0.3) on these maps, 29 November 2026."""
    assert pro(maps, lesions()) == pytest.approx(expected, abs=1e-5)


@given(levels=st.integers(1, 300), seed=st.integers(0, 999), limit=st.sampled_from([0.05, 0.3, 1]))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_pro_is_that_of_its_curve_at_every_threshold(levels, seed, limit):
    rng, masks = np.random.default_rng(seed), lesions()
    maps = rng.integers(0, levels, masks.shape) + 0.3 * levels * masks
    big, small = maps[0][masks[0]], maps[1][masks[1]]
    points = [(0, 0)] + [
        ((maps[~masks] >= t).mean(), ((big >= t).mean() + (small >= t).mean()) / 2)
        for t in np.unique(maps)[::-1]
    ]
    assert pro(maps, masks, limit) == pytest.approx(straight(points, limit), abs=1e-4)
    assert pro(maps.astype(np.float32), 255 * masks.astype(np.uint8), limit) == pytest.approx(
        pro(maps, masks, limit), abs=1e-6
    )


def test_pro_without_lesions_healthy_pixels_or_with_nan_is_refused():
    masks, maps = lesions(), np.zeros((2, 20, 20))
    with pytest.raises(ValueError, match="pro: the masks hold no lesion's pixel"):
        pro(maps, masks & False)
    with pytest.raises(ValueError, match="pro: the masks hold no healthy pixel"):
        pro(maps, masks | True)
    maps[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"pro: maps .* 1 NaN of 800"):
        pro(maps, masks)


# --- edges --------------------------------------------------------------------------------------


def test_wilson_interval_does_not_overflow():
    exact = wilson_interval(6000, 60_000)
    assert exact == pytest.approx((0.097625, 0.102426), abs=1e-6)
    assert wilson_interval(np.int32(6000), np.int32(60_000)) == exact
    assert wilson_interval(np.uint8(20), np.uint8(200)) == wilson_interval(20, 200)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: wilson_interval(0, 0), "wilson_interval: trials should be a number above 0"),
        (lambda: wilson_interval(3, 2), "3 successes of 2 trials"),
        (lambda: wilson_interval(1, 2, 95), "confidence should be between 0 and 1; got 95"),
        (lambda: precision_at_prevalence(0, 0, 0.1), "nothing is flagged"),
        (lambda: precision_at_prevalence(0.5, 95, 0.1), "fpr should be from 0 to 1"),
        (lambda: fpr_at_tpr([1.0], []), "fpr_at_tpr: anomaly_scores .*; got 0 of them"),
        (lambda: auroc([1.0, np.nan], [2.0]), "normal_scores .* 1 NaN of 2"),
        (lambda: auroc([[1.0], [2.0]], [2.0]), r"normal_scores .* got shape \(2, 1\)"),
        (lambda: dice(np.ones((2, 2)), np.ones(2)), r"same shape; got a \(2, 2\), b \(2,\)"),
        (lambda: dice([0.2, 0.9], [0, 1]), "compare with a threshold first"),
        (lambda: pixel_metrics([[0.5]], [[True]], 0.1), "no healthy pixel"),
        (lambda: rank_correlation([1, 1], [1, 2]), "all numbers of a group are equal"),
        (lambda: paired_difference([1], [2], [1, 2], [2]), "the same images"),
        (lambda: psnr(torch.ones(2, 1, 2, 2), torch.ones(2, 2)), "psnr: these should have"),
    ],
)
def test_what_has_no_right_number_is_refused_by_name(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_pixel_metrics_takes_masks_of_bytes():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((3, 8, 8)), rng.random((3, 8, 8)) < 0.3
    expected = pixel_metrics(maps, masks, 0.5)
    assert pixel_metrics(maps, 255 * masks.astype(np.uint8), 0.5) == expected
    assert pixel_metrics(torch.tensor(maps), masks.astype(float), 0.5) == expected


def test_classes_that_tie_come_by_name():
    names = list("hgfedcba")
    table = per_class_auroc([0.0, 1.0], [2.0] * 8, names)
    assert table.index.tolist() == sorted(names)


def test_one_mask_may_be_compared_with_many():
    many = np.random.default_rng(0).random((3, 1, 4, 4)) < 0.5
    one = many[:1]
    assert dice(many, one) == dice(many, np.repeat(one, 3, axis=0))
