"""Right answers to module 5, written as learners write them: at least four for each exercise."""

import copy
import math
import random
from collections import defaultdict
from statistics import NormalDist
from types import MethodType

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, chi2, mannwhitneyu, norm, rankdata, zmap
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers.datasets.splits import patients_of_class
from helpers.experiments.module_05 import another_scanner
from helpers.models import ResidualBlock


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
    awake = [part for part in encoder.modules() if part.training]
    encoder.eval()
    code = encoder(torch.rand(2, *shape)).detach().numpy()
    for part in awake:
        part.training = True
    return np.prod(shape) / code[0].size


@torch.no_grad()
def ratio_of_frozen_norms(encoder, shape):
    """Only BatchNorm minds the mode."""
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    try:
        for norm_layer in norms:
            norm_layer.eval()
        return torch.Size(shape).numel() / encoder(torch.ones(shape)[None]).flatten().shape[0]
    finally:
        for norm_layer in norms:
            norm_layer.train()


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


class BlockWithLinearShortCut(nn.Module):
    """A 1×1 convolution is a linear layer on the channels."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.first = self.conv_norm(in_channels, out_channels)
        self.second = self.conv_norm(out_channels, out_channels)
        self.carry = nn.Linear(in_channels, out_channels) if in_channels != out_channels else None

    @staticmethod
    def conv_norm(before, after):
        conv = nn.Conv2d(before, after, kernel_size=(3, 3), padding=(1, 1), bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(after))

    def forward(self, x):
        found = self.second(self.first(x).relu()).clamp(min=0)
        return found + (self.carry(x.movedim(1, -1)).movedim(-1, 1) if self.carry else x)


class BlockWithoutSequential(nn.Module):
    def __init__(self, in_channels, out_channels, relu=torch.relu):
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, out_channels, 3, padding="same", bias=None)
        self.c2 = nn.Conv2d(out_channels, out_channels, 3, padding="same", bias=None)
        self.n1, self.n2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)
        if in_channels == out_channels:
            self.short = lambda x: x
        else:
            self.short = nn.Conv2d(in_channels, out_channels, 1)
        self.relu = relu

    def forward(self, x):
        out = self.short(x).clone()
        out += self.relu(self.n2(self.c2(self.relu(self.n1(self.c1(x))))))
        return out


def shapes_by_halving(size, widths):
    shapes, side = [], size
    for width in widths:
        side = (side + 1) // 2
        shapes.append((width, side, side))
    return shapes


def shapes_by_recursion(size, widths):
    if len(widths) == 0:
        return ()
    side = (size - 3 + 2) // 2 + 1
    return (torch.Size((widths[0], side, side)), *shapes_by_recursion(side, widths[1:]))


@torch.inference_mode()
def ratio_of_a_copy(encoder, shape):
    channels, height, width = shape
    code = copy.deepcopy(encoder).eval()(torch.empty(1, channels, height, width).fill_(0.5))
    return math.prod(shape) / math.prod(code.shape[1:])


def ratio_with_modes_by_name(encoder, shape):
    x = torch.randn(3, *shape)
    modes = {name: part.training for name, part in encoder.named_modules()}
    encoder.eval()
    code = encoder(x)
    for name, mode in modes.items():
        encoder.get_submodule(name).training = mode
    return float(torch.tensor(x.numel()) / torch.tensor(code.numel()))


def subset_with_choice(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.unique(groups)
    of_class = np.array([np.bincount(labels[groups == patient]).argmax() for patient in ids])
    picked = []
    for c in range(of_class.max() + 1):
        own = ids[of_class == c]
        picked.append(rng.choice(own, size=max(1, int(share * len(own))), replace=False))
    return [i for i, g in enumerate(groups) if g in set(np.concatenate(picked).tolist())]


def subset_with_torch(labels, groups, share, seed=0):
    generator = torch.Generator().manual_seed(seed)
    groups = torch.as_tensor(groups)
    keep = torch.zeros(len(groups), dtype=torch.bool)
    for own in patients_of_class(labels, groups.numpy()).values():
        own = torch.as_tensor(own)
        n = max(1, math.ceil(share * len(own) - 1e-9))
        keep |= torch.isin(groups, own[torch.randperm(len(own), generator=generator)[:n]])
    return keep.nonzero().flatten()


def subset_from_the_given_function(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    chosen = []
    for patients in patients_of_class(labels, groups).values():
        k = max(1, int(share * len(patients)))
        chosen += rng.choice(patients, k, replace=False).tolist()
    return np.where(np.isin(groups, chosen))[0]


def subset_with_scikit_learn(labels, groups, share, seed=0):
    ids, first = np.unique(groups, return_index=True)
    positions = []
    for c in np.unique(labels[first]):
        own = ids[labels[first] == c]
        k = max(1, round(len(own) * share))
        if k < len(own):
            own, _ = train_test_split(own, train_size=k, random_state=seed)
        for patient in own:
            positions.extend(np.where(groups == patient)[0])
    return np.array(positions)


def freeze_only_what_moves(module):
    """BatchNorm is all that depends on the mode here."""

    def before_use(norm, _):
        norm.eval()

    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_pre_hook(before_use)
    return module


def freeze_by_a_subclass(module):
    for part in module.modules():
        part.eval()
        part.requires_grad_(False)
        part.__class__ = type(f"Frozen{type(part).__name__}", (type(part),), {"train": stay})
    return module


def stay(self, mode=True):
    return self


def freeze_with_partial_hooks(module):
    for parameter in module.parameters():
        parameter.requires_grad = False
        parameter.grad = None
    module.apply(lambda part: part.register_forward_pre_hook(lambda m, _: m.train(False) and None))
    return module.eval()


def huber_with_masks(x, x_hat, delta=1.0):
    d = x_hat - x
    inside = (d.abs() <= delta).float()
    h = inside * d**2 / 2 + (1 - inside) * (delta * (d.abs() - delta / 2))
    return h.mean((-1, -2, -3))


def huber_image_by_image(x, x_hat, delta=1.0):
    return torch.stack([F.huber_loss(b, a, delta=delta) for a, b in zip(x, x_hat, strict=True)])


def huber_from_smooth_l1(x, x_hat, delta=1.0):
    loss = nn.SmoothL1Loss(reduction="none", beta=delta)(x_hat.double(), x.double()) * delta
    return torch.einsum("nchw->n", loss) / loss[0].numel()


def z_in_a_loop(scores, normal, validation, z=3.0):
    own = [s for s, n, v in zip(scores, normal, validation, strict=True) if n and v]
    mean = sum(own) / len(own)
    std = (sum((s - mean) ** 2 for s in own) / len(own)) ** 0.5
    return [bool((s - mean) / std >= z) for s in scores]


def z_with_torch(scores, normal, validation, z=3.0):
    scores = torch.as_tensor(scores)
    own = scores[torch.as_tensor(normal) & torch.as_tensor(validation)]
    return (scores - own.mean()) / own.std(unbiased=False) >= z


def z_turned(scores, normal, validation, z=3.0):
    mask = normal * validation
    return ~(scores < scores[mask].mean() + z * np.sqrt(scores[mask].var()))


def wilson_plain(successes, trials, confidence=0.95):
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    p, n = successes / trials, trials
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    centre = (p + z**2 / 2 / n) / (1 + z**2 / n)
    return centre - half, centre + half


def wilson_with_torch(successes, trials, confidence=0.95):
    z = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor((1 + confidence) / 2))
    s, f = float(successes), float(trials - successes)
    middle = (s + z**2 / 2) / (trials + z**2)
    half = z / (trials + z**2) * torch.sqrt(s * f / trials + z**2 / 4)
    return torch.stack([middle - half, middle + half]).clamp(0, 1)


def wilson_by_search(successes, trials, confidence=0.95):
    """The rates whose score test does not refuse what was seen."""
    z, p = norm.isf((1 - confidence) / 2), successes / trials

    def beyond(q):
        return (p - q) ** 2 - z**2 * q * (1 - q) / trials

    low = brentq(beyond, 0, p - 1e-9) if p > 0 else 0.0
    high = brentq(beyond, p + 1e-9, 1) if p < 1 else 1.0
    return [low, high]


def patches_from_a_tree(bank, features):
    distance, _ = cKDTree(bank).query(np.moveaxis(features.numpy(), 1, -1))
    return torch.as_tensor(distance, dtype=features.dtype)


def patches_in_one_go(bank, features):
    n, _, h, w = features.shape
    flat = features.transpose(0, 1).flatten(1).T
    return torch.cdist(flat[None], bank[None])[0].amin(-1).unflatten(0, (n, h, w))


def patches_by_expanding(bank, features):
    x = torch.einsum("nchw->nhwc", features)
    squares = x.square().sum(-1, keepdim=True) - 2 * x @ bank.T + bank.square().sum(-1)
    return squares.clamp(min=0).min(dim=-1)[0].sqrt()


def patches_place_by_place(bank, features):
    n, c, h, w = features.shape
    out = torch.zeros(n, h, w)
    for i in range(n):
        d = cdist(features[i].reshape(c, -1).T.numpy(), bank.numpy())
        out[i] = torch.from_numpy(d.min(axis=1)).reshape(h, w)
    return out


def pixels_by_masks(maps, masks):
    """As the text has it, with the exercise of module 1."""
    healthy, sick = maps[~masks], maps[masks]
    order = np.argsort(np.concatenate([healthy, sick]), kind="stable")
    place = np.empty(len(order))
    place[order] = np.arange(1, len(order) + 1)
    pooled = np.concatenate([healthy, sick])
    ranks = np.array([place[pooled == s].mean() for s in sick])
    return float((ranks.sum() - len(sick) * (len(sick) + 1) / 2) / (len(sick) * len(healthy)))


def pixels_from_scipy(maps, masks):
    test = mannwhitneyu(maps[masks], maps[np.logical_not(masks)])
    return test.statistic / masks.sum() / (~masks).sum()


def pixels_under_the_curve(maps, masks):
    fpr, tpr, _ = roc_curve(masks.flatten(), maps.flatten())
    return np.trapezoid(tpr, fpr)


def pixels_in_a_loop(maps, masks):
    healthy, sick = [], []
    for image, mask in zip(maps, masks, strict=True):
        healthy.extend(image[mask == 0].tolist())
        sick.extend(image[mask == 1].tolist())
    return sum((s > h) + (s == h) / 2 for s in sick for h in healthy) / len(sick) / len(healthy)


class BlockOfParameters(nn.Module):
    """Without layers for the convolutions, and without effect when it is new."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) / 10)
        self.w2 = nn.Parameter(torch.randn(out_channels, out_channels, 3, 3) / 10)
        self.n1, self.n2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)
        nn.init.zeros_(self.n2.weight)
        self.w = None
        if in_channels != out_channels:
            self.w = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))

    def forward(self, x):
        y = F.relu(self.n1(F.conv2d(x, self.w1, padding=1)))
        y = F.relu(self.n2(F.conv2d(y, self.w2, padding=1)))
        return y + (x if self.w is None else F.conv2d(x, self.w))


def ratio_with_a_hook(encoder, shape):
    sizes = []
    twin = copy.deepcopy(encoder)
    handle = twin.register_forward_hook(lambda part, inputs, code: sizes.append(code.numel()))
    twin.eval()(torch.zeros(shape).unsqueeze(0))
    handle.remove()
    return np.float32(np.prod(shape) / sizes[0])


def subset_by_random_numbers(labels, groups, share, seed=0):
    rng = np.random.RandomState(seed)
    ids, of_scan = np.unique(groups, return_inverse=True)
    number, of_class = rng.rand(len(ids)), np.zeros(len(ids), dtype=int)
    of_class[of_scan] = labels  # the last scan's
    keep = np.zeros(len(ids), dtype=bool)
    for c in np.unique(of_class):
        own = np.flatnonzero(of_class == c)
        keep[own[np.argsort(number[own])[: max(1, round(share * len(own)))]]] = True
    return np.nonzero(keep[of_scan])[0].astype(np.int32)


def freeze_from_the_top(module):
    """Each part's use puts the whole into eval mode."""

    def hook(*_):
        module.eval()

    for part in module.modules():
        part.register_forward_pre_hook(hook)
    for name, _ in module.named_parameters():
        module.get_parameter(name).requires_grad = False
    return module


def freeze_by_another_forward(module):
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.forward = lambda x, p=part: F.batch_norm(
                x, p.running_mean, p.running_var, p.weight, p.bias, training=False, eps=p.eps
            )
    return module.requires_grad_(False)


def z_from_scipy(scores, normal, validation, z=3.0):
    return zmap(scores, scores[normal & validation]) >= z


def z_from_scikit_learn(scores, normal, validation, z=3.0):
    scaler = StandardScaler().fit(scores[normal & validation, None])
    return np.ravel(scaler.transform(scores[:, None]) >= z)


def z_by_lengths(scores, normal, validation, z=3.0):
    mean = np.mean(scores, where=normal & validation)
    own = scores[np.flatnonzero(normal * validation)] - mean
    return pd.Series(scores).sub(mean).ge(z * np.linalg.norm(own) / np.sqrt(len(own)))


def wilson_from_chi_squared(successes, trials, confidence=0.95):
    z2 = chi2.ppf(confidence, df=1)
    middle = (2 * successes + z2) / (2 * (trials + z2))
    half = math.sqrt(z2 * (successes * (trials - successes) / trials + z2 / 4)) / (trials + z2)
    return middle - half, middle + half


def patches_code_by_code(bank, features):
    nearest = torch.full_like(features[:, 0], torch.inf)
    for code in bank:
        nearest = torch.minimum(nearest, (features - code[:, None, None]).norm(dim=1))
    return nearest


def pixels_by_ranks(maps, masks):
    ranks, m = rankdata(maps).reshape(maps.shape), np.count_nonzero(masks)
    return (ranks[masks].mean() - (m + 1) / 2) / (masks.size - m)


class BlockWithLazyLayers(nn.Module):
    def __init__(self, *channels):
        super().__init__()
        before, after = channels
        self.conv1 = nn.LazyConv2d(after, 3, padding="same", bias=False)
        self.norm1 = nn.LazyBatchNorm2d()
        self.conv2 = nn.LazyConv2d(after, 3, padding="same", bias=False)
        self.norm2 = nn.LazyBatchNorm2d()
        if before != after:
            self.project = nn.Conv2d(before, after, 1)

    def forward(self, x):
        y = self.norm1(self.conv1(x)).clamp(min=0)
        y = self.norm2(self.conv2(y)).clamp(min=0)
        return y + (self.project(x) if hasattr(self, "project") else x)


def subset_patient_by_patient(labels, groups, share, seed=0):
    """The positions as they come, not in ascending order."""
    rng = np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    found = []
    for c in np.unique(labels[first]):
        own = patients[labels[first] == c]
        for patient in rng.choice(own, max(1, round(len(own) * share)), replace=False):
            found.append(np.flatnonzero(groups == patient))
    return np.concatenate(found)


def freeze_around_forward(module):
    def wrap(part):
        forward = part.forward

        def in_eval(*args, **kwargs):
            part.eval()
            return forward(*args, **kwargs)

        part.forward = in_eval

    module.apply(wrap)
    return module.requires_grad_(False).eval()


def huber_from_vmap(x, x_hat, delta=1.0):
    return torch.vmap(nn.HuberLoss(delta=delta))(x_hat, x)


def patients_in_a_loop(calibration_scores, groups, scores):
    calibration_scores, groups = np.array(calibration_scores), np.array(groups)
    everyone, p = set(groups.tolist()), []
    for s in scores:
        votes = [np.mean(calibration_scores[groups == g] >= s) for g in everyone]
        p.append((1 + sum(votes)) / (1 + len(everyone)))
    return np.array(p)


def patients_by_weights(calibration_scores, groups, scores):
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    above = np.asarray(scores)[:, None] <= np.asarray(calibration_scores)[None]
    return (above @ (1 / counts[place]) + 1) / (len(counts) + 1)


def patients_with_pandas(calibration_scores, groups, scores):
    frame = pd.DataFrame({"score": calibration_scores, "patient": groups})
    k = frame.patient.nunique()
    shares = [(frame.score >= s).groupby(frame.patient).mean().sum() for s in scores]
    return (1 + np.array(shares)) / (1 + k)


def patients_scan_by_scan(calibration_scores, groups, scores):
    own = defaultdict(list)
    for g, s in zip(list(groups), list(calibration_scores), strict=True):
        own[g].append(s)
    total = np.ones(len(scores))
    for values in own.values():
        ordered = np.sort(values)
        total += 1 - np.searchsorted(ordered, scores, side="left") / len(ordered)
    return total / (len(own) + 1)


def pixels_by_cumulated_counts(maps, masks):
    values, place = np.unique(maps, return_inverse=True)
    place, lesion = place.ravel(), masks.ravel()
    sick = np.bincount(place[lesion], minlength=len(values))
    healthy = np.bincount(place[~lesion], minlength=len(values))
    below = np.cumsum(healthy) - healthy / 2
    return float((below * sick).sum() / sick.sum() / healthy.sum())


# --- 5.13 -------------------------------------------------------------------------------------


def decoder_in_a_list(widths=(64, 128, 256, 256), code_channels=0):
    layers, before = [], widths[-1]
    if code_channels:
        layers += [nn.Conv2d(before, code_channels, 1), nn.Conv2d(code_channels, before, 1)]
    for width in [*reversed(widths[:-1]), widths[0]]:
        layers += [nn.UpsamplingNearest2d(scale_factor=2)]
        layers += [ResidualBlock(before, width), ResidualBlock(width, width)]
        before = width
    return nn.Sequential(*layers, nn.Conv2d(before, 1, 3, padding="same"), nn.Tanh())


class Larger(nn.Module):
    def forward(self, x):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def decoder_of_modules(widths=(64, 128, 256, 256), code_channels=0):
    down = list(widths)[::-1]
    decoder = nn.Sequential()
    if code_channels > 0:
        decoder.append(nn.Conv2d(down[0], code_channels, kernel_size=1))
        decoder.append(nn.Conv2d(code_channels, down[0], kernel_size=1))
    for i, width in enumerate(down):
        after = down[i + 1] if i + 1 < len(down) else width
        group = [Larger(), BlockWithNamedLayers(width, after), BlockWithNamedLayers(after, after)]
        decoder.append(nn.Sequential(*group))
    decoder.append(nn.Conv2d(down[-1], 1, 3, 1, 1))
    decoder.append(nn.Tanh())
    return decoder


class NarrowLast(nn.Module):
    """The bottleneck is used first and made last."""

    def __init__(self, groups, narrow):
        super().__init__()
        self.groups, self.narrow = groups, narrow

    def forward(self, z):
        return self.groups(self.narrow(z))


def decoder_made_in_another_order(widths=(64, 128, 256, 256), code_channels=0):
    layers = [*decoder_of_modules(widths, code_channels)]
    ends = 2 if code_channels else 0
    return NarrowLast(nn.Sequential(*layers[ends:]), nn.Sequential(*layers[:ends]))


def decoder_by_index(widths=(64, 128, 256, 256), code_channels=0):
    n, parts = len(widths), []
    for g in range(n - 1, -1, -1):
        goes_to = widths[max(g - 1, 0)]
        parts.append(nn.Upsample(scale_factor=(2, 2)))
        parts.append(ResidualBlock(widths[g], goes_to))
        parts.append(ResidualBlock(goes_to, goes_to))
    parts.extend([nn.Conv2d(widths[0], 1, (3, 3), padding=(1, 1)), nn.Tanh()])
    if code_channels:
        narrow = nn.Conv2d(widths[-1], code_channels, 1)
        parts = [narrow, nn.Conv2d(code_channels, widths[-1], 1), *parts]
    return nn.Sequential(*parts)


# --- 5.15 -------------------------------------------------------------------------------------


def score_of_aligned_rows(images):
    """Columns shifted so that the steepest fall stands at one depth, then 20 directions."""

    def aligned(images):
        x = images[:, 0] / 255
        x = gaussian_filter(x / x.mean(axis=(1, 2), keepdims=True), (0, 1, 2))
        edge = (x[:, :-4] - x[:, 4:]).argmax(axis=1) + 2
        rows = (edge[:, None] + np.arange(-28, 8)[:, None]).clip(0, x.shape[1] - 1)
        return np.take_along_axis(x, rows, axis=1).reshape(len(x), -1)

    pca = PCA(20, random_state=0).fit(aligned(another_scanner().images))
    x = aligned(images)
    return ((x - pca.inverse_transform(pca.transform(x))) ** 2).mean(axis=1)


def score_of_columns(images):
    def columns(images):
        x = gaussian_filter(images[:, 0] / 255, (0, 1, 1))
        x = x / x.mean(axis=(1, 2), keepdims=True)
        found = []
        for scan in x:
            for column in scan.T[::2]:
                edge = np.argmax(column[:-4] - column[4:]) + 2
                found.append(column[(edge + np.arange(-28, 8)).clip(0, len(column) - 1)])
        return np.array(found)

    known = NearestNeighbors(n_neighbors=1).fit(columns(another_scanner().images)[::4])
    return known.kneighbors(columns(images))[0].reshape(len(images), -1).mean(axis=1)


def score_of_both(images):
    return torch.as_tensor(score_of_columns(images)) + 3 * torch.as_tensor(
        score_of_aligned_rows(images)
    )


RIGHT = {
    "5.1": [
        BlockWithLazyLayers,
        BlockWithNamedLayers,
        BlockFromList,
        BlockWithLinearShortCut,
        BlockWithoutSequential,
        BlockOfParameters,
    ],
    "5.2": [shapes_by_ceiling, shapes_by_trying, shapes_by_halving, shapes_by_recursion],
    "5.3": [
        ratio_with_numpy,
        ratio_of_frozen_norms,
        ratio_of_a_copy,
        ratio_with_modes_by_name,
        ratio_with_a_hook,
    ],
    "5.4": [
        subset_patient_by_patient,
        subset_with_pandas,
        subset_with_python,
        subset_with_choice,
        subset_with_torch,
        subset_from_the_given_function,
        subset_with_scikit_learn,
        subset_by_random_numbers,
    ],
    "5.5": [
        freeze_around_forward,
        freeze_by_overriding_train,
        freeze_by_hook,
        freeze_only_what_moves,
        freeze_by_a_subclass,
        freeze_with_partial_hooks,
        freeze_from_the_top,
        freeze_by_another_forward,
    ],
    "5.6": [
        huber_from_vmap,
        huber_from_torch,
        huber_by_clamping,
        huber_with_masks,
        huber_image_by_image,
        huber_from_smooth_l1,
    ],
    "5.7": [
        z_as_threshold,
        z_with_sample_spread,
        z_in_a_loop,
        z_with_torch,
        z_turned,
        z_from_scipy,
        z_from_scikit_learn,
        z_by_lengths,
    ],
    "5.8": [
        wilson_from_scipy,
        wilson_as_roots,
        wilson_plain,
        wilson_with_torch,
        wilson_by_search,
        wilson_from_chi_squared,
    ],
    "5.9": [
        patches_by_broadcasting,
        patches_from_scikit_learn,
        patches_from_a_tree,
        patches_in_one_go,
        patches_by_expanding,
        patches_place_by_place,
        patches_code_by_code,
    ],
    "5.10": [
        pixels_by_cumulated_counts,
        pixels_from_scikit_learn,
        pixels_by_counting,
        pixels_by_masks,
        pixels_from_scipy,
        pixels_under_the_curve,
        pixels_in_a_loop,
        pixels_by_ranks,
    ],
    "5.11": [patients_in_a_loop, patients_by_weights, patients_with_pandas, patients_scan_by_scan],
    "5.12": [36, 36.0, np.int64(36), torch.tensor(36)],
    "5.13": [
        decoder_in_a_list,
        decoder_of_modules,
        decoder_by_index,
        decoder_made_in_another_order,
    ],
    "5.14": [
        {"choice": "by patient", "because": "D"},
        {"because": "d", "choice": " By patient"},
        ("by patient", "D"),
    ],
    "5.15": [score_of_aligned_rows, score_of_columns, score_of_both],
}
