"""Explorables about what a number is worth: logits and energy, resampled AUROCs."""

import numpy as np

from helpers import plotting
from helpers.arrays import as_floats
from helpers.explorables.page import Explorable
from helpers.metrics import auroc
from helpers.plotting.style import legend_beside


def logits(a=4.0, b=1.0, temperature=1.0):
    """Move two logits: the largest softmax probability and the energy follow. -> Explorable"""
    grid = np.linspace(-6, 10, 81)
    first, second = np.meshgrid(grid, grid)
    energy = -temperature * np.logaddexp(first / temperature, second / temperature)
    probability = 1 / (1 + np.exp(-np.abs(first - second) / temperature))
    figure, axes = plotting.new_figure(7, 3, ncols=2)
    for axis, values, name in zip(
        axes, (probability, energy), ("largest probability", "energy"), strict=True
    ):
        # matplotlib would dash the lines of negative values
        axis.contour(grid, grid, values, levels=8, colors=plotting.NORMAL, linestyles="solid")
        axis.plot(a, b, "o", color=plotting.SECOND)
        axis.set(
            title=f"{name}, equal along a line",
            xlabel="logit of class A",
            ylabel="logit of class B",
        )
    alt = (
        "Contours over two logits. The largest probability is the same along lines parallel to the "
        "diagonal; the energy falls as either logit grows."
    )
    data = {"start": {"a": a, "b": b, "temperature": temperature}}
    return Explorable("logits", "Softmax and energy over two logits", data, figure, alt, height=500)


def reliability(n=500, temperature=1.0):
    """Draw images for a simulated classifier: how far from the diagonal chance leads. -> Explorable

    n : number of images; temperature : 1 for a calibrated classifier, below 1 it is too sure
    """
    figure, axis = plotting.new_figure(4, 3)
    axis.plot([0.5, 1], [0.5, 1], "--", color=plotting.THRESHOLD)
    axis.set(xlabel="confidence that the classifier reports", ylabel="accuracy")
    alt = "The diagonal of a reliability diagram, on which accuracy equals confidence."
    start = {"n": n, "temperature": temperature}
    title = "Calibration error by chance"
    return Explorable("reliability", title, {"start": start}, figure, alt, 450)


def bootstrap(first, second, names=("first", "second")):
    """Resample the images of two detectors, paired or not: the AUROC's difference. -> Explorable

    first, second : each (normal scores, anomaly scores) of one detector on the same images
    names : of the two detectors
    """
    first, second = ([as_floats(scores) for scores in groups] for groups in (first, second))
    shapes = [[scores.shape for scores in groups] for groups in (first, second)]
    if shapes[0] != shapes[1] or any(len(shape) != 1 or not shape[0] for shape in shapes[0]):
        raise ValueError(
            f"both detectors must have scored the same images, (n,) normals and (m,) anomalies; "
            f"got {shapes[0]} and {shapes[1]}"
        )
    figure, axis = plotting.new_figure(4, 3)
    for groups, name, colour in zip(
        (first, second), names, (plotting.NORMAL, plotting.SECOND), strict=True
    ):
        steps = np.sort(np.concatenate(groups))[::-1]
        rates = [[np.mean(scores > t) for t in steps] for scores in groups]
        axis.plot(*rates, color=colour, label=name)
    axis.set(xlabel="false-positive rate", ylabel="true-positive rate")
    legend_beside(axis)
    alt = (
        f"ROC curves of two detectors: {names[0]} with AUROC {auroc(*first):.3f}, {names[1]} with "
        f"{auroc(*second):.3f}."
    )
    data = {
        "first": [np.float64([f"{s:.6g}" for s in scores]) for scores in first],
        "second": [np.float64([f"{s:.6g}" for s in scores]) for scores in second],
        "names": list(names),
    }
    return Explorable("bootstrap", "Resampled AUROCs, paired and unpaired", data, figure, alt, 450)
