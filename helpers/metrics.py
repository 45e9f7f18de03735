"""How good a detector is. Scores are arrays of shape (n,); a higher score is more anomalous."""

import numpy as np
import pandas as pd
import torch


def auroc(normal_scores, anomaly_scores):
    """Probability that an anomaly scores above a normal image, ties half. (n,), (m,) -> float

    The Mann-Whitney statistic divided by n·m, from the ranks of all scores [Fawcett 2006].
    """
    from scipy.stats import rankdata

    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata(np.concatenate([normal_scores, anomaly_scores]))  # ties share their mean rank
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def fpr_at_tpr(normal_scores, anomaly_scores, tpr=0.95):
    """False-alarm rate of the strictest threshold that still finds `tpr` of the anomalies."""
    from sklearn.metrics import roc_curve

    is_anomaly = np.repeat([0, 1], [len(normal_scores), len(anomaly_scores)])
    scores = np.concatenate([normal_scores, anomaly_scores])
    false_alarms, found, _ = roc_curve(is_anomaly, scores, drop_intermediate=False)
    return float(false_alarms[found >= tpr][0])


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
    if normal.shape != anomaly.shape:
        raise ValueError(
            f"expected two scores of each image, got {normal.shape} and {anomaly.shape} scores"
        )
    draws = (rng.integers(len(normal), size=len(normal)) for _ in range(resamples))
    tail = (1 - confidence) / 2
    low, high = np.quantile([statistic(normal[i], anomaly[i]) for i in draws], [tail, 1 - tail])
    return float(low), float(high)


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


def per_class_auroc(normal_scores, anomaly_scores, names):
    """AUROC of the normal images against each class of anomalies, the worst first. -> Series

    names : (m,), the class of each anomaly
    """
    anomaly_scores, names = np.asarray(anomaly_scores), np.asarray(names)
    table = {str(name): auroc(normal_scores, anomaly_scores[names == name]) for name in set(names)}
    return pd.Series(table, dtype=float).sort_values()


def balanced_accuracy(normal_scores, anomaly_scores, threshold):
    """Mean of detection rate and correct-rejection rate, flagged where score > threshold. -> float

    It is the AUROC of the scores after thresholding, where most pairs are ties.
    """
    found = (np.asarray(anomaly_scores) > threshold).mean()
    left_alone = (np.asarray(normal_scores) <= threshold).mean()
    return float((found + left_alone) / 2)


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


def precision_at_prevalence(tpr, fpr, prevalence):
    """Share of true anomalies among the flagged images, where `prevalence` of all are anomalies.

    Bayes' rule: tpr·prevalence / (tpr·prevalence + fpr·(1 - prevalence)).
    """
    found, false_alarms = tpr * prevalence, fpr * (1 - prevalence)
    return found / (found + false_alarms)


def psnr(x, x_hat, data_range=1.0):
    """Peak signal-to-noise ratio of each image in decibels. (N, C, H, W) and the same -> (N,)"""
    mse = (x_hat - x).square().flatten(start_dim=1).mean(dim=1)
    return 10 * torch.log10(data_range**2 / mse)


def dice(a, b):
    """Overlap of two masks: twice what they share over the sum of their sizes. bool twice -> float

    Two empty masks agree: 1. [Dice 1945]
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    sizes = a.sum() + b.sum()
    return float(2 * (a & b).sum() / sizes) if sizes else 1.0


def pixel_metrics(maps, masks, threshold):
    """How well anomaly maps find the pixels of lesions, over all pictures together. -> dict

    maps (N, H, W), higher is more anomalous; masks bool (N, H, W)
    auroc, average_precision; dice and false_alarms (share of pixels) of maps > threshold
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    maps, masks = np.asarray(maps).ravel(), np.asarray(masks).ravel()
    flagged = maps > threshold
    return {
        "auroc": float(roc_auc_score(masks, maps)),
        "average_precision": float(average_precision_score(masks, maps)),
        "dice": dice(flagged, masks),
        "false_alarms": float(flagged[~masks].mean()),
    }


def rank_correlation(a, b):
    """Spearman's correlation: Pearson's, of the ranks, ties at their mean. (n,), (n,) -> float

    1 where one grows whenever the other does, -1 where it falls [Spearman 1904].
    """
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def risk_coverage(confidence, correct):
    """Share of wrong answers among the k most confident ones, k = 1 to N. -> coverage, risk

    confidence, correct : (N,), higher is more sure; whether the answer is right
    coverage : k / N, (N,); risk : (N,); pictures of equal confidence count with their mean
    [El-Yaniv and Wiener 2010; Geifman and El-Yaniv, arXiv 1705.08500]
    """
    wrong = 1 - np.asarray(correct, dtype=float)
    confidence = np.asarray(confidence, dtype=float)
    _, place = np.unique(-confidence, return_inverse=True)  # 0: the most confident
    wrong = (np.bincount(place, wrong) / np.bincount(place))[place]  # ties have no order
    answered = np.arange(1, len(wrong) + 1)
    return answered / len(wrong), np.cumsum(wrong[np.argsort(place)]) / answered


def aurc(confidence, correct):
    """Area under the risk-coverage curve: the mean risk over all coverages. -> float"""
    return float(risk_coverage(confidence, correct)[1].mean())


def answered(probability, refused):
    """Confidence of a screened system: refused pictures come last, in order of probability. (N,)

    probability, refused : (N,), of the classifier's answer in [0, 1], and bool
    """
    return np.asarray(probability) - np.asarray(refused)


def by_patient(scores, patients):
    """Scores of each patient's pictures, as a list of arrays. (n,), (n,) -> one array a patient"""
    scores, patients = np.asarray(scores), np.asarray(patients)
    return [scores[patients == patient] for patient in np.unique(patients)]


def patient_interval(normal, anomaly, statistic=auroc, confidence=0.95, resamples=200, seed=0):
    """Interval of `statistic` over other patients: whole patients are redrawn. -> (low, high)

    normal, anomaly : lists of arrays, the scores of each patient, as from `by_patient`
    Pictures of one patient are alike; redrawing pictures would make the interval too narrow.
    """
    groups = normal, anomaly

    def over(*drawn):
        together = ([group[i] for i in which] for group, which in zip(groups, drawn, strict=True))
        return statistic(*map(np.concatenate, together))

    places = (np.arange(len(group)) for group in groups)
    return bootstrap_interval(*places, over, confidence, resamples, seed)


def pixel_auroc(maps, masks):
    """Probability that a lesion's pixel scores above a healthy one. (N, H, W) twice -> float

    masks : bool. All pixels of all pictures together, those of healthy pictures as well.
    """
    maps, masks = np.asarray(maps), np.asarray(masks, dtype=bool)
    return auroc(maps[~masks], maps[masks])


def pro(maps, masks, limit=0.3, steps=300):
    """Per-region overlap, averaged over false-alarm rates up to `limit`. (N, H, W) twice -> float

    At a threshold, the share of each connected lesion that is flagged, averaged over lesions, so
    that small ones count as much as large ones; 1 is perfect, limit/2 chance [Bergmann 2020].
    """
    from skimage.measure import label

    maps, masks = np.asarray(maps), np.asarray(masks, dtype=bool)
    rates = np.linspace(0, limit, steps)  # of healthy pixels flagged
    thresholds = np.quantile(maps[~masks], 1 - rates)
    overlaps = []
    for values, regions in zip(maps, map(label, masks), strict=True):
        for region in range(1, regions.max() + 1):
            own = np.sort(values[regions == region])
            overlaps.append(1 - np.searchsorted(own, thresholds, side="right") / len(own))
    return float(np.trapezoid(np.mean(overlaps, axis=0), rates) / limit)
