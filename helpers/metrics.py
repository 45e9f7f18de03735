"""How good a detector is. Scores are arrays of shape (n,); a higher score is more anomalous.

Scores come as lists, arrays, Series or tensors. They may be infinite; NaN has no place in an order
and is refused, as are groups without an image.
"""

from functools import wraps

import numpy as np
import pandas as pd
import torch

from helpers.arrays import flags, groups, names, number, numbers, reads, tensor, whole

CONFIDENCE = number("between 0 and 1", above=0, below=1)
SHARE = number("from 0 to 1", 0, 1)
SHARES = numbers("from 0 to 1", ndim=None, low=0, high=1)
SHARES_RIGHT = numbers("True or False for each image, shape (n,)", low=0, high=1)
MAPS = numbers("maps, (N, H, W)", ndim=None)
MASK = flags("a mask of True and False", ndim=None, least=0)
MASKS = flags("masks, (N, H, W)", ndim=None)


def auroc(normal_scores, anomaly_scores):
    """Probability that an anomaly scores above a normal image, ties half. (n,), (m,) -> float

    The Mann-Whitney statistic divided by n·m, from the ranks of all scores [Fawcett 2006].
    """
    from scipy.stats import rankdata

    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata(np.concatenate([normal_scores, anomaly_scores]))  # ties share their mean rank
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


auroc = reads(auroc, normal_scores=numbers(), anomaly_scores=numbers())


def fpr_at_tpr(normal_scores, anomaly_scores, tpr=0.95):
    """False-positive rate of the strictest threshold that still finds `tpr` of the anomalies."""
    from sklearn.metrics import roc_curve

    is_anomaly = np.repeat([0, 1], [len(normal_scores), len(anomaly_scores)])
    scores = np.concatenate([normal_scores, anomaly_scores])
    false_alarms, found, _ = roc_curve(is_anomaly, scores, drop_intermediate=False)
    return float(false_alarms[found >= tpr][0])


def _finite(rate):
    """scikit-learn refuses infinite scores, though only the order counts: they get large ones."""

    @wraps(rate)
    def of_any(normal_scores, anomaly_scores, tpr):
        # below half of the largest, so that their differences are numbers as well
        groups = (np.clip(scores, -8e307, 8e307) for scores in (normal_scores, anomaly_scores))
        return rate(*groups, tpr)

    return of_any


fpr_at_tpr = reads(
    _finite(fpr_at_tpr), normal_scores=numbers(), anomaly_scores=numbers(), tpr=SHARE
)


def bootstrap_interval(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    """Percentile interval of `statistic`, each group resampled by itself. -> (low, high)

    The groups are redrawn with replacement, each at its own size ("stratified"), so that the
    interval speaks of other test sets of the same composition [Efron and Tibshirani 1993].
    """
    rng = np.random.default_rng(seed)
    normal, anomaly = np.asarray(normal_scores), np.asarray(anomaly_scores)
    values = [
        statistic(rng.choice(normal, len(normal)), rng.choice(anomaly, len(anomaly)))
        for _ in range(resamples)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


bootstrap_interval = reads(
    bootstrap_interval,
    normal_scores=numbers(),
    anomaly_scores=numbers(),
    confidence=CONFIDENCE,
    resamples=whole(1),
)


def paired_interval(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    """Percentile interval of `statistic` where anomalies are changed normal images. -> (low, high)

    normal_scores, anomaly_scores : (n,) twice, of an image and of the same image, changed
    Images are redrawn, each with both of its scores: two groups redrawn one by one would say that
    they differ by chance where they cannot.
    """
    rng = np.random.default_rng(seed)
    normal, anomaly = np.asarray(normal_scores), np.asarray(anomaly_scores)
    draws = (rng.integers(len(normal), size=len(normal)) for _ in range(resamples))
    tail = (1 - confidence) / 2
    low, high = np.quantile([statistic(normal[i], anomaly[i]) for i in draws], [tail, 1 - tail])
    return float(low), float(high)


def _two_of_each(normal_scores, anomaly_scores, **_):
    if len(normal_scores) != len(anomaly_scores):
        return (
            f"there must be two scores of each image, plain and changed; there are "
            f"{len(normal_scores)} and {len(anomaly_scores)}"
        )


paired_interval = reads(
    paired_interval,
    normal_scores=numbers(),
    anomaly_scores=numbers(),
    confidence=CONFIDENCE,
    resamples=whole(1),
    check=_two_of_each,
)


def paired_difference(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    """Percentile interval of statistic(a) - statistic(b) on the same images. -> (low, high)

    Each resample draws images, each group by itself, and judges both detectors on them.
    """
    rng = np.random.default_rng(seed)
    normal, anomaly = np.stack([normal_a, normal_b]), np.stack([anomaly_a, anomaly_b])
    values = []
    for _ in range(resamples):
        i = rng.integers(normal.shape[1], size=normal.shape[1])
        j = rng.integers(anomaly.shape[1], size=anomaly.shape[1])
        a, b = (statistic(n[i], m[j]) for n, m in zip(normal, anomaly, strict=True))
        values.append(a - b)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _pairs(normal_a, anomaly_a, normal_b, anomaly_b, **_):
    if len(normal_a) != len(normal_b) or len(anomaly_a) != len(anomaly_b):
        return (
            f"both detectors must have scored the same images; the first has {len(normal_a)} and "
            f"{len(anomaly_a)} scores, the second {len(normal_b)} and {len(anomaly_b)}"
        )


paired_difference = reads(
    paired_difference,
    normal_a=numbers(),
    anomaly_a=numbers(),
    normal_b=numbers(),
    anomaly_b=numbers(),
    confidence=CONFIDENCE,
    resamples=whole(1),
    check=_pairs,
)


def per_class_auroc(normal_scores, anomaly_scores, names):
    """AUROC of the normal images against each class of anomalies, the worst first. -> Series

    names : (m,), the class of each anomaly
    """
    anomaly_scores, names = np.asarray(anomaly_scores), np.asarray(names)
    table = {str(name): auroc(normal_scores, anomaly_scores[names == name]) for name in set(names)}
    return pd.Series(table, dtype=float).sort_values()


def _ties_by_name(worst_first):
    """Classes that are found equally well in the order of their names, not in that of a set."""

    @wraps(worst_first)
    def ordered(normal_scores, anomaly_scores, names):
        table = worst_first(normal_scores, anomaly_scores, names)
        return table.sort_index().sort_values(kind="stable")

    return ordered


per_class_auroc = reads(
    _ties_by_name(per_class_auroc),
    normal_scores=numbers(),
    anomaly_scores=numbers(),
    names=names("the class of each anomaly, shape (m,)"),
    alike=("anomaly_scores", "names"),
)


def balanced_accuracy(normal_scores, anomaly_scores, threshold):
    """Mean of detection rate and correct-rejection rate, flagged where score > threshold. -> float

    It is the AUROC of the scores after thresholding, where most pairs are ties.
    """
    found = (np.asarray(anomaly_scores) > threshold).mean()
    left_alone = (np.asarray(normal_scores) <= threshold).mean()
    return float((found + left_alone) / 2)


balanced_accuracy = reads(
    balanced_accuracy,
    normal_scores=numbers(),
    anomaly_scores=numbers(),
    threshold=number("a number"),
)


def wilson_interval(successes, trials, confidence=0.95):
    """Interval of a proportion that stays in [0, 1] near its ends. -> (low, high)

    Wilson's score interval [Wilson 1927; Brown, Cai and DasGupta 2001].
    """
    from scipy.stats import norm

    z = norm.ppf(0.5 + confidence / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    half /= 1 + z**2 / trials
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def _some_of_them(successes, trials, **_):
    if successes > trials:
        return f"{successes:g} successes of {trials:g} trials"


wilson_interval = reads(
    wilson_interval,
    successes=number("a number from 0", 0),
    trials=number("a number above 0", above=0),
    confidence=CONFIDENCE,
    check=_some_of_them,
)


def precision_at_prevalence(tpr, fpr, prevalence):
    """Share of true anomalies among the flagged images, where `prevalence` of all are anomalies.

    Bayes' rule: tpr·prevalence / (tpr·prevalence + fpr·(1 - prevalence)).
    """
    found, false_alarms = tpr * prevalence, fpr * (1 - prevalence)
    return found / (found + false_alarms)


def _something_flagged(tpr, fpr, prevalence):
    if np.any(tpr * prevalence + fpr * (1 - prevalence) == 0):
        return "nothing is flagged at these rates, and a share of nothing is no number"


precision_at_prevalence = reads(
    precision_at_prevalence, tpr=SHARES, fpr=SHARES, prevalence=SHARES, check=_something_flagged
)


def psnr(x, x_hat, data_range=1.0):
    """Peak signal-to-noise ratio of each image in decibels. (N, C, H, W) and the same -> (N,)"""
    mse = (x_hat - x).square().flatten(start_dim=1).mean(dim=1)
    return 10 * torch.log10(data_range**2 / mse)


psnr = reads(
    psnr,
    x=tensor(),
    x_hat=tensor(),
    data_range=number("a number above 0", above=0),
    alike=("x", "x_hat"),
)


def dice(a, b):
    """Overlap of two masks: twice what they share over the sum of their sizes. bool twice -> float

    Two empty masks agree: 1. [Dice 1945]
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    sizes = a.sum() + b.sum()
    return float(2 * (a & b).sum() / sizes) if sizes else 1.0


dice = reads(dice, a=MASK, b=MASK, alike=("a", "b"))


def pixel_metrics(maps, masks, threshold):
    """How well anomaly maps find the pixels of lesions, over all images together. -> dict

    maps (N, H, W), higher is more anomalous; masks bool (N, H, W)
    auroc, average_precision; dice and false_alarms (share of pixels) of maps > threshold
    """
    from scipy.stats import rankdata
    from sklearn.metrics import average_precision_score

    flagged = maps > threshold
    ranks = rankdata(maps).ravel()  # scikit-learn refuses infinite values
    return {
        "auroc": auroc(maps[~masks], maps[masks]),
        "average_precision": float(average_precision_score(masks.ravel(), ranks)),
        "dice": dice(flagged, masks),
        "false_alarms": float(flagged[~masks].mean()),
    }


def _both_kinds(maps, masks, **_):
    if masks.all() or not masks.any():
        kind = "healthy" if masks.all() else "lesion's"
        return f"the masks hold no {kind} pixel, so there is nothing to compare"


pixel_metrics = reads(
    pixel_metrics,
    maps=MAPS,
    masks=MASKS,
    threshold=number("a number"),
    alike=("maps", "masks"),
    check=_both_kinds,
)


def rank_correlation(a, b):
    """Spearman's correlation: Pearson's, of the ranks, ties at their mean. (n,), (n,) -> float

    1 where one grows whenever the other does, -1 where it falls [Spearman 1904].
    """
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _some_order(a, b):
    if (a == a[0]).all() or (b == b[0]).all():
        return "all numbers of a group are equal: they have no order to compare"


rank_correlation = reads(
    rank_correlation, a=numbers(), b=numbers(), alike=("a", "b"), check=_some_order
)


def risk_coverage(confidence, correct):
    """Share of wrong answers among the k most confident ones, k = 1 to N. -> coverage, risk

    confidence, correct : (N,), higher is more sure; whether the answer is right
    coverage : k / N, (N,); risk : (N,); images of equal confidence count with their mean
    [El-Yaniv and Wiener 2010; Geifman and El-Yaniv, arXiv 1705.08500]
    """
    wrong = 1 - np.asarray(correct, dtype=float)
    confidence = np.asarray(confidence, dtype=float)
    _, place = np.unique(-confidence, return_inverse=True)  # 0: the most confident
    wrong = (np.bincount(place, wrong) / np.bincount(place))[place]  # ties have no order
    answered = np.arange(1, len(wrong) + 1)
    return answered / len(wrong), np.cumsum(wrong[np.argsort(place)]) / answered


risk_coverage = reads(
    risk_coverage, confidence=numbers(), correct=SHARES_RIGHT, alike=("confidence", "correct")
)


def aurc(confidence, correct):
    """Area under the risk-coverage curve: the mean risk over all coverages. -> float"""
    return float(risk_coverage(confidence, correct)[1].mean())


def answered(probability, refused):
    """Confidence of a screened system: refused images come last, in order of probability. (N,)

    probability, refused : (N,), of the classifier's answer in [0, 1], and bool
    """
    return np.asarray(probability) - np.asarray(refused)


answered = reads(
    answered,
    probability=numbers(
        "one number from 0 to 1 for each image, refused or not", low=0, high=1 + 1e-6
    ),
    refused=flags(),
    alike=("probability", "refused"),
)


def by_patient(scores, patients):
    """Scores of each patient's scans, as a list of arrays. (n,), (n,) -> one array a patient"""
    scores, patients = np.asarray(scores), np.asarray(patients)
    return [scores[patients == patient] for patient in np.unique(patients)]


by_patient = reads(
    by_patient,
    scores=numbers(least=0),
    patients=names("the patient of each scan, shape (n,)"),
    alike=("scores", "patients"),
)


def patient_interval(normal, anomaly, statistic=auroc, confidence=0.95, resamples=200, seed=0):
    """Interval of `statistic` over other patients: whole patients are redrawn. -> (low, high)

    normal, anomaly : lists of arrays, the scores of each patient, as from `by_patient`
    Scans of one patient are alike; redrawing scans would make the interval too narrow.
    """
    groups = normal, anomaly

    def over(*drawn):
        pairs = zip(groups, drawn, strict=True)
        together = ([group[int(i)] for i in which] for group, which in pairs)
        return statistic(*map(np.concatenate, together))

    places = (np.arange(len(group)) for group in groups)
    return bootstrap_interval(*places, over, confidence, resamples, seed)


patient_interval = reads(
    patient_interval,
    normal=groups(),
    anomaly=groups(),
    confidence=CONFIDENCE,
    resamples=whole(1),
)


def pixel_auroc(maps, masks):
    """Probability that a lesion's pixel scores above a healthy one. (N, H, W) twice -> float

    masks : bool. All pixels of all images together, those of healthy images as well.
    """
    maps, masks = np.asarray(maps), np.asarray(masks, dtype=bool)
    return auroc(maps[~masks], maps[masks])


pixel_auroc = reads(pixel_auroc, maps=MAPS, masks=MASKS, alike=("maps", "masks"), check=_both_kinds)


def pro(maps, masks, limit=0.3):
    """Per-region overlap, averaged over false-alarm rates up to `limit`. (N, H, W) twice -> float

    At a threshold, the share of each connected lesion that is flagged, averaged over lesions, so
    that small ones count as much as large ones; 1 is perfect, limit/2 chance [Bergmann 2020].
    Pixels of equal value are flagged together, and the curve is straight between two steps.
    """
    from skimage.measure import label

    share = np.zeros(maps.shape)  # that a pixel is of its lesion
    lesions = 0
    for own, regions in zip(share, map(label, masks), strict=True):
        sizes = np.bincount(regions.ravel())
        own[regions > 0] = 1 / sizes[regions[regions > 0]]
        lesions += len(sizes) - 1
    order = np.argsort(-maps, axis=None)
    values = maps.ravel()[order]
    last = np.append(values[1:] != values[:-1], True)  # pixels that tie are flagged together
    rate, overlap = (
        np.append(0, np.cumsum(part.ravel()[order])[last] / all_of)
        for part, all_of in ((~masks, (~masks).sum()), (share, lesions))
    )
    end = np.searchsorted(rate, limit)  # the step on which the limit is reached
    overlap[end] = np.interp(limit, rate[end - 1 : end + 1], overlap[end - 1 : end + 1])
    rate[end] = limit
    return float(np.trapezoid(overlap[: end + 1], rate[: end + 1]) / limit)


pro = reads(
    pro,
    maps=numbers("maps (N, H, W)", ndim=3),
    masks=flags("masks (N, H, W)", ndim=3),
    limit=number("above 0, 1 at most", 0, 1, above=0),
    alike=("maps", "masks"),
    check=_both_kinds,
)
