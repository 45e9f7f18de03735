import numpy as np
import pytest
import torch
from hypothesis import given
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
    psnr,
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
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\) scores"):
        paired_interval([1, 2, 3], [1, 2])
