"""What a table says of a score: its AUROC with an interval, and the AUROC of each class."""

from helpers.metrics import auroc, bootstrap_interval, per_class_auroc


def with_interval(name, value, interval):
    """A number and its interval (low, high), as the three entries of a table."""
    low, high = interval
    return {name: value, f"{name}, low": low, f"{name}, high": high}


def judged(scores, n, names, resamples=200):
    """AUROC with interval, and of each class, of {score: n normal scores, then the anomalies'}.

    names : (m,), the class of each anomaly; -> {name, "name, low", "name, high", "name, class"}
    """
    values = {}
    for name, s in scores.items():
        normal, anomaly = s[:n], s[n:]
        interval = bootstrap_interval(normal, anomaly, resamples=resamples)
        values |= with_interval(name, auroc(normal, anomaly), interval)
        classes = per_class_auroc(normal, anomaly, names)
        values |= {f"{name}, {c}": value for c, value in classes.items()}
    return values
