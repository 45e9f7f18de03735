"""Right answers to module 5, written as learners write them: at least two for each exercise."""

import math
import random
from collections import defaultdict
from types import MethodType

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import nn


class BlockWithNamedLayers(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.carry = None
        if in_channels != out_channels:
            self.carry = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return y + (x if self.carry is None else self.carry(x))


class BlockFromList(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        layers = []
        for channels in (in_channels, out_channels):
            layers.append(nn.Conv2d(channels, out_channels, 3, padding="same", bias=False))
            layers += [nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
        self.layers = nn.ModuleList(layers)
        self.skip = nn.Sequential()
        if in_channels != out_channels:
            self.skip.append(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        return torch.add(y, self.skip(x))


def shapes_by_ceiling(size, widths):
    return [
        (c, math.ceil(size / 2 ** (i + 1)), math.ceil(size / 2 ** (i + 1)))
        for i, c in enumerate(widths)
    ]


def shapes_by_trying(size, widths):
    x, shapes = torch.zeros(1, 1, size, size), []
    for width in widths:
        x = F.conv2d(x, torch.zeros(width, x.shape[1], 3, 3), stride=2, padding=1)
        shapes.append(list(x.shape[1:]))
    return shapes


def ratio_with_numpy(encoder, shape):
    was_training = encoder.training
    encoder.eval()
    code = encoder(torch.rand(2, *shape)).detach().numpy()
    if was_training:
        encoder.train()
    return np.prod(shape) / code[0].size


@torch.no_grad()
def ratio_in_inference(encoder, shape):
    mode = encoder.training
    try:
        encoder.train(False)
        return torch.Size(shape).numel() / encoder(torch.ones(shape)[None]).flatten().shape[0]
    finally:
        encoder.train(mode)


def subset_with_pandas(labels, groups, share, seed=0):
    scans = pd.DataFrame({"label": labels, "patient": groups})
    classes = scans.groupby("patient").label.first()
    chosen = []
    for _, own in classes.groupby(classes):
        chosen += list(own.sample(max(1, round(share * len(own))), random_state=seed).index)
    return np.where(scans.patient.isin(chosen))[0]


def subset_with_python(labels, groups, share, seed=0):
    rng = random.Random(seed)
    class_of = {}
    for label, patient in zip(labels.tolist(), groups.tolist(), strict=True):
        class_of.setdefault(patient, label)
    by_class = defaultdict(list)
    for patient, label in class_of.items():
        by_class[label].append(patient)
    chosen = set()
    for own in by_class.values():
        chosen |= set(rng.sample(own, max(round(len(own) * share), 1)))
    return [i for i, patient in enumerate(groups.tolist()) if patient in chosen]


def freeze_by_overriding_train(module):
    def stay(self, mode=True):
        return self

    module.eval()
    for part in module.modules():
        part.train = MethodType(stay, part)
    for parameter in module.parameters():
        parameter.requires_grad = False
    return module


def freeze_by_hook(module):
    def back(part, inputs):
        part.training = False

    module.requires_grad_(False).eval()
    for part in module.modules():
        part.register_forward_pre_hook(back)
    return module


def huber_from_torch(x, x_hat, delta=1.0):
    return F.huber_loss(x_hat, x, reduction="none", delta=delta).mean(dim=(1, 2, 3))


def huber_by_clamping(x, x_hat, delta=1.0):
    d = torch.abs(x - x_hat)
    near = d.clamp(max=delta)
    return (near * (d - near / 2)).reshape(len(x), -1).mean(-1)


def z_as_threshold(scores, normal, validation, z=3.0):
    calibration = scores[np.logical_and(normal, validation)]
    return scores >= np.mean(calibration) + z * np.std(calibration)


def z_with_sample_spread(scores, normal, validation, z=3.0):
    calibration = pd.Series(scores)[normal & validation]
    return ((pd.Series(scores) - calibration.mean()) / calibration.std() >= z).to_numpy()


def wilson_from_scipy(successes, trials, confidence=0.95):
    interval = binomtest(int(successes), int(trials)).proportion_ci(confidence, method="wilson")
    return interval.low, interval.high


def wilson_as_roots(successes, trials, confidence=0.95):
    """Where (p - share)² = z²·p·(1 - p) / n."""
    z2, share = norm.ppf((1 + confidence) / 2) ** 2, successes / trials
    roots = np.roots([1 + z2 / trials, -2 * share - z2 / trials, share**2])
    return np.clip(np.sort(roots.real), 0, 1)


def patches_by_broadcasting(bank, features):
    difference = features[:, None] - bank[None, :, :, None, None]
    return difference.square().sum(dim=2).sqrt().amin(dim=1)


def patches_from_scikit_learn(bank, features):
    n, c, h, w = features.shape
    index = NearestNeighbors(n_neighbors=1).fit(bank.numpy())
    distance, _ = index.kneighbors(features.movedim(1, -1).reshape(-1, c).numpy())
    return torch.from_numpy(distance).reshape(n, h, w)


def pixels_from_scikit_learn(maps, masks):
    return roc_auc_score(np.ravel(masks).astype(int), np.ravel(maps))


def pixels_by_counting(maps, masks):
    marked = np.asarray(masks) > 0
    healthy, sick = np.asarray(maps)[~marked], np.asarray(maps)[marked]
    wins = (sick[:, None] > healthy).mean()
    return wins + 0.5 * (sick[:, None] == healthy).mean()


RIGHT = {
    "5.1": [BlockWithNamedLayers, BlockFromList],
    "5.2": [shapes_by_ceiling, shapes_by_trying],
    "5.3": [ratio_with_numpy, ratio_in_inference],
    "5.4": [subset_with_pandas, subset_with_python],
    "5.5": [freeze_by_overriding_train, freeze_by_hook],
    "5.6": [huber_from_torch, huber_by_clamping],
    "5.7": [z_as_threshold, z_with_sample_spread],
    "5.8": [wilson_from_scipy, wilson_as_roots],
    "5.9": [patches_by_broadcasting, patches_from_scikit_learn],
    "5.10": [pixels_from_scikit_learn, pixels_by_counting],
}
