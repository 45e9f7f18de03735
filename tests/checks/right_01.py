"""Right answers to module 1, written as learners write them: at least two for each exercise."""

import functools
import heapq
import math

import numpy as np
import torch
from scipy.stats import mannwhitneyu, norm, rankdata
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.metrics import mean_squared_error, roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import nn

from helpers.experiments.module_01 import parts
from helpers.latent import pca_reconstruct
from helpers.scores import reconstruction_error
from helpers.thresholds import conformal_p_values
from helpers.training import as_input


def by_counting_places(size, kernel_size, stride=1, padding=0):
    return len(range(0, size + 2 * padding - kernel_size + 1, stride))


def by_floor(size, kernel_size, stride=1, padding=0):
    return math.floor((size + 2 * padding - kernel_size) / stride + 1)


class WithConvolutions(nn.Module):
    """7×7 convolutions instead of linear layers, other names."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.down = nn.ModuleList(
            [nn.Conv2d(1, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1), nn.Conv2d(32, 64, 7)]
        )
        self.to_code, self.from_code = nn.Linear(64, latent_dim), nn.Linear(latent_dim, 64)
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(64, 32, 7),
                nn.ConvTranspose2d(32, 16, 3, 2, 1, output_padding=1),
                nn.ConvTranspose2d(16, 1, 3, 2, 1, output_padding=1),
            ]
        )

    def encode(self, x):
        for layer in self.down[:-1]:
            x = torch.relu(layer(x))
        return self.to_code(self.down[-1](x).flatten(1))

    def decode(self, z):
        x = self.from_code(z)[:, :, None, None]
        for layer in self.up[:-1]:
            x = torch.relu(layer(x))
        return torch.sigmoid(self.up[-1](x))

    def forward(self, x):
        return self.decode(self.encode(x))


def step_clearing_last(model, x, optimizer, loss_fn):
    x_hat = model(x)
    loss = loss_fn(x_hat, x)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)


def step_with_train_mode(model, x, optimizer, loss_fn):
    model.train()
    optimizer.zero_grad(set_to_none=True)
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.detach().cpu().item()


def step_by_both_halves(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model.decode(model.encode(x)), x)
    loss.backward()
    optimizer.step()
    return loss.item()


def error_over_axes(x, x_hat):
    return ((x - x_hat) ** 2).mean(dim=(1, 2, 3))


def error_from_mse_loss(x, x_hat):
    return nn.functional.mse_loss(x_hat, x, reduction="none").reshape(len(x), -1).mean(-1)


def rule_with_torch(scores, k=1.0):
    scores = torch.as_tensor(scores, dtype=torch.float64)
    return (scores.mean() + k * scores.std(correction=0)).item()


def rule_by_hand(scores, k=1.0):
    mean = sum(scores) / len(scores)
    return mean + k * math.sqrt(sum((s - mean) ** 2 for s in scores) / len(scores))


def p_by_comparing_all(calibration_scores, scores):
    calibration_scores, scores = np.asarray(calibration_scores), np.asarray(scores)
    count = (calibration_scores[None, :] >= scores[:, None]).sum(axis=1)
    return (count + 1) / (len(calibration_scores) + 1)


def p_in_a_loop(calibration_scores, scores):
    n, p_values = len(calibration_scores), []
    for s in scores:
        p_values.append((1 + sum(c >= s for c in calibration_scores)) / (n + 1))
    return np.array(p_values)


def threshold_walking_down(calibration_scores, alpha):
    ordered = sorted(calibration_scores, reverse=True)
    n, threshold = len(ordered), float("inf")
    for place, score in enumerate(ordered, start=1):
        if place / (n + 1) > alpha:
            return threshold
        threshold = score
    return -float("inf") if alpha >= 1 else threshold


def threshold_with_index(calibration_scores, alpha):
    n = len(calibration_scores)
    k = int(np.floor(alpha * (n + 1) + 1e-9))
    if k == 0:
        return np.inf
    return -np.inf if k > n else np.partition(calibration_scores, n - k)[n - k]


def auroc_by_pairs(normal_scores, anomaly_scores):
    normal, anomaly = np.asarray(normal_scores)[:, None], np.asarray(anomaly_scores)[None, :]
    return ((anomaly > normal) + 0.5 * (anomaly == normal)).mean()


def auroc_from_scikit_learn(normal_scores, anomaly_scores):
    labels = [0] * len(normal_scores) + [1] * len(anomaly_scores)
    return roc_auc_score(labels, [*normal_scores, *anomaly_scores])


def auroc_from_scipy(normal_scores, anomaly_scores):
    u = mannwhitneyu(anomaly_scores, normal_scores).statistic
    return u / (len(normal_scores) * len(anomaly_scores))


def pca_by_svd(x_train, x, components):
    mean = x_train.flatten(1).mean(0, keepdim=True)
    v = torch.linalg.svd(x_train.flatten(1) - mean, full_matrices=False).Vh[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).reshape(x.shape)


def pca_from_scikit_learn(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    if components == 0:
        return mean.expand(len(x), -1).reshape(x.shape)
    pca = PCA(components).fit(x_train.flatten(1).numpy())
    back = pca.inverse_transform(pca.transform(x.flatten(1).numpy()))
    return torch.from_numpy(back).reshape(x.shape)


def path_with_weights_in_float32(z_start, z_end, steps):
    """Which torch.lerp takes for float32 codes alone, and a notebook's codes are."""
    return torch.lerp(z_start, z_end, torch.linspace(0, 1, steps, device=z_start.device)[:, None])


def path_with_lerp(z_start, z_end, steps):
    weights = torch.linspace(0, 1, steps, dtype=z_start.dtype)[:, None]
    return torch.lerp(z_start.expand(steps, -1), z_end.expand(steps, -1), weights)


def path_in_a_loop(z_start, z_end, steps):
    return torch.stack([z_start + (z_end - z_start) * i / (steps - 1) for i in range(steps)])


def psnr_from_root(x, x_hat, data_range=1.0):
    rmse = ((x - x_hat) ** 2).mean(dim=(1, 2, 3)).sqrt()
    return 20 * torch.log10(data_range / rmse)


def psnr_with_natural_log(x, x_hat, data_range=1.0):
    mse = (x - x_hat).pow(2).flatten(1).mean(1)
    return 10 / math.log(10) * (2 * math.log(data_range) - mse.log())


def by_integer_steps(size, kernel_size, stride=1, padding=0):
    place, places = -padding, 0
    while place + kernel_size <= size + padding:
        place, places = place + stride, places + 1
    return places


def by_asking_torch(size, kernel_size, stride=1, padding=0):
    side = torch.zeros(1, 1, size)
    return nn.Conv1d(1, 1, kernel_size, stride=stride, padding=padding)(side).shape[-1]


def as_numpy_integer(size, kernel_size, stride=1, padding=0):
    return np.floor_divide(size + 2 * padding - kernel_size, stride) + np.int64(1)


def by_divmod(size, kernel_size, stride=1, padding=0):
    moves, _ = divmod(size - kernel_size + padding + padding, stride)
    return 1 + moves


class LayerByLayer(nn.Module):
    """Own names, no Sequential, functions for what has no weights, a reshape for Unflatten."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1)
        self.fc1, self.fc2 = nn.Linear(1568, 64), nn.Linear(64, latent_dim)
        self.fc3, self.fc4 = nn.Linear(latent_dim, 64), nn.Linear(64, 1568)
        self.up1 = nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1)

    def encode(self, images):
        hidden = nn.functional.relu(self.conv1(images))
        hidden = nn.functional.relu(self.conv2(hidden))
        return self.fc2(self.fc1(torch.flatten(hidden, start_dim=1)))

    def decode(self, codes):
        hidden = torch.relu(self.fc4(self.fc3(codes))).reshape(len(codes), 32, 7, 7)
        return torch.sigmoid(self.up2(torch.relu(self.up1(hidden))))

    def forward(self, images):
        return self.decode(self.encode(images))


def block(layer, *after):
    return nn.Sequential(layer, *after)


class NestedBlocks(nn.Module):
    """Blocks in blocks, the ReLU after Flatten and after Unflatten, and in place."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.decoder = nn.Sequential(
            block(nn.Linear(latent_dim, 64)),
            block(nn.Linear(64, 32 * 7 * 7), nn.Unflatten(1, (32, 7, 7)), nn.ReLU(inplace=True)),
            block(nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU(inplace=True)),
            block(nn.ConvTranspose2d(16, 1, 3, 2, 1, 1), nn.Sigmoid()),
        )
        self.encoder = nn.Sequential(
            block(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(inplace=True)),
            block(nn.Conv2d(16, 32, 3, 2, 1), nn.Flatten(), nn.ReLU(inplace=True)),
            block(nn.Linear(32 * 7 * 7, 64), nn.Linear(64, latent_dim)),
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class PointwiseConvolutions(nn.Module):
    """The two inner linear layers as convolutions of a single pixel."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 7),
            nn.Conv2d(64, latent_dim, 1),
            nn.Flatten(),
        )
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, 64, 1),
            nn.ConvTranspose2d(64, 32, 7),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 3, 2, 1, 1),
            nn.Sigmoid(),
        )

    encode = lambda self, x: self.encoder(x)  # noqa: E731
    decode = lambda self, z: self.decoder(z)  # noqa: E731
    forward = lambda self, x: self.decode(self.encode(x))  # noqa: E731


def step_with_a_closure(model, x, optimizer, loss_fn):
    def closure():
        optimizer.zero_grad()
        loss = loss_fn(model(x), x)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


def step_clearing_the_model(model, x, optimizer, loss_fn):
    model.zero_grad()
    x_hat = model(x)
    error = loss_fn(x_hat, x)
    error.backward()
    optimizer.step()
    return error.detach().numpy().item()


def step_clearing_by_hand(model, x, optimizer, loss_fn):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None
    with torch.enable_grad():
        loss = loss_fn(model(x), x)
    value = float(loss.detach())
    loss.backward()
    optimizer.step()
    return value


def step_with_gradients_set(model, x, optimizer, loss_fn):
    loss = loss_fn(model(x), x)
    weights = list(model.parameters())
    for p, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        p.grad = gradient
    optimizer.step()
    return loss.item()


def error_by_einsum(x, x_hat):
    d = x_hat - x
    return torch.einsum("nchw,nchw->n", d, d) / d[0].numel()


def error_in_a_loop(x, x_hat):
    return torch.stack([nn.functional.mse_loss(b, a) for a, b in zip(x, x_hat, strict=True)])


def error_by_norm(x, x_hat):
    rows = (x - x_hat).flatten(1)
    return torch.linalg.vector_norm(rows, dim=1) ** 2 / rows.shape[1]


def error_by_vmap(x, x_hat):
    return torch.vmap(nn.functional.mse_loss)(x_hat, x)


def error_axis_by_axis(x, x_hat):
    return torch.pow(x - x_hat, 2).mean(-1).mean(-1).mean(-1)


def error_without_gradient_to_x(x, x_hat):
    return (x_hat - x.detach()).square().sum((1, 2, 3)) / math.prod(x.shape[1:])


def rule_with_numpy(scores, k=1.0):
    return np.mean(scores) + k * np.std(scores)


def rule_from_moments(scores, k=1.0):
    scores = np.asarray(scores)
    return scores.mean() + k * ((scores**2).mean() - scores.mean() ** 2).clip(min=0) ** 0.5


def rule_in_float32(scores, k=1.0):
    scores = torch.tensor(scores)
    return (torch.mean(scores) + k * torch.std(scores, unbiased=False)).item()


def rule_with_pandas(scores, k=1.0):
    import pandas as pd

    scores = pd.Series(scores)
    return scores.mean() + k * scores.std(ddof=0)


def p_by_masks(calibration_scores, scores):
    return np.array(
        [(1 + (calibration_scores >= s).sum()) / (len(calibration_scores) + 1) for s in scores]
    )


def p_with_torch(calibration_scores, scores):
    c, s = torch.from_numpy(calibration_scores), torch.from_numpy(scores)
    return ((1 + (c[:, None] >= s).sum(0)) / (len(c) + 1)).numpy()


def p_by_sorting_and_searching(calibration_scores, scores):
    c = -np.sort(-calibration_scores)
    return (1 + np.searchsorted(-c, -scores, side="right")) / (1 + c.size)


def p_by_ranks(calibration_scores, scores):
    n = len(calibration_scores)
    ranks = [rankdata(-np.r_[s, calibration_scores], method="max")[0] for s in scores]
    return np.divide(ranks, n + 1)


def threshold_by_ceil(calibration_scores, alpha):
    n = len(calibration_scores)
    place = math.ceil((n + 1) * (1 - alpha) - 1e-9)
    if place > n:
        return math.inf
    return np.sort(calibration_scores)[place - 1] if place else -math.inf


def threshold_by_trying(calibration_scores, alpha):
    n = len(calibration_scores)
    candidates = [-np.inf, *np.sort(calibration_scores), np.inf]
    above = [np.nextafter(t, np.inf) if np.isfinite(t) else t for t in candidates]
    p = [(1 + sum(calibration_scores >= s)) / (n + 1) for s in above]
    return next(t for t, p_value in zip(candidates, p, strict=True) if p_value <= alpha or t > 1e9)


def threshold_with_quantile(calibration_scores, alpha):
    n = len(calibration_scores)
    level = np.ceil(np.round((n + 1) * (1 - alpha), 9)) / n
    if level > 1:
        return np.inf
    return np.quantile(calibration_scores, level, method="inverted_cdf") if level else -np.inf


def threshold_with_topk(calibration_scores, alpha):
    n = len(calibration_scores)
    k = sum(i / (n + 1) <= alpha for i in range(1, n + 2))
    if k == 0:
        return torch.inf
    return torch.tensor(calibration_scores).topk(k).values[-1].item() if k <= n else -torch.inf


def auroc_in_loops(normal_scores, anomaly_scores):
    wins = 0
    for a in anomaly_scores:
        for n in normal_scores:
            wins += 1 if a > n else 0.5 if a == n else 0
    return wins / len(normal_scores) / len(anomaly_scores)


def auroc_with_torch(normal_scores, anomaly_scores):
    difference = torch.tensor(anomaly_scores)[:, None] - torch.tensor(normal_scores)
    return torch.heaviside(difference, torch.tensor(0.5, dtype=difference.dtype)).mean()


def auroc_under_the_curve(normal_scores, anomaly_scores):
    labels = np.repeat([0, 1], [len(normal_scores), len(anomaly_scores)])
    fpr, tpr, _ = roc_curve(labels, np.concatenate([normal_scores, anomaly_scores]))
    return np.trapezoid(tpr, fpr)


def auroc_by_searching(normal_scores, anomaly_scores):
    ordered = np.sort(normal_scores)
    below = np.searchsorted(ordered, anomaly_scores, side="left")
    up_to = np.searchsorted(ordered, anomaly_scores, side="right")
    return np.mean((below + up_to) / 2) / len(ordered)


def auroc_by_normal_ranks(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata(np.hstack((normal_scores, anomaly_scores)))[:n]
    return 1 - (ranks.sum() - n * (n + 1) / 2) / n / m


def pca_by_covariance(x_train, x, components):
    train, rows = x_train.reshape(len(x_train), -1), x.reshape(len(x), -1)
    mean = train.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(train.T))
    kept = vectors[:, torch.argsort(values, descending=True)[:components]]
    return torch.einsum("nk,dk->nd", (rows - mean) @ kept, kept).add(mean).reshape(x.shape)


def pca_by_last_columns(x_train, x, components):
    train = x_train.flatten(1)
    mean = train.mean(0)
    vectors = torch.linalg.eigh((train - mean).T @ (train - mean) / len(train)).eigenvectors
    kept = vectors[:, -components:]
    return (mean + (x.flatten(1) - mean) @ kept @ kept.T).view_as(x)


def pca_with_numpy(x_train, x, components):
    train, rows = x_train.flatten(1).numpy(), x.flatten(1).numpy()
    mean = train.mean(axis=0)
    _, _, vt = np.linalg.svd(train - mean)
    back = (rows - mean) @ vt[:components].T @ vt[:components] + mean
    return torch.tensor(back).unflatten(1, x.shape[1:])


def pca_by_arpack(x_train, x, components):
    flat = x_train.flatten(1).numpy()
    mean = flat.mean(axis=0)
    svd = TruncatedSVD(components, algorithm="arpack", random_state=0).fit(flat - mean)
    back = svd.inverse_transform(svd.transform(x.flatten(1).numpy() - mean)) + mean
    return torch.from_numpy(back).reshape(x.shape).to(x)


def pca_lowrank(x_train, x, components):
    train = x_train.flatten(1)
    _, _, v = torch.pca_lowrank(train, q=components)
    mean = train.mean(0)
    return ((x.flatten(1) - mean) @ v @ v.T + mean).view(x.shape)


def path_by_broadcasting(z_start, z_end, steps):
    t = torch.linspace(0, 1, steps).to(z_start).view(-1, 1)
    return z_start + t * (z_end - z_start)


def path_from_numpy(z_start, z_end, steps):
    ends = z_start.detach().cpu().numpy(), z_end.detach().cpu().numpy()
    return torch.from_numpy(np.linspace(*ends, num=steps)).to(z_start)


def path_by_outer_products(z_start, z_end, steps):
    t = torch.arange(steps, device=z_start.device, dtype=z_start.dtype) / (steps - 1)
    return torch.outer(1 - t, z_start) + torch.outer(t, z_end)


def path_by_columns(z_start, z_end, steps):
    columns = [
        torch.linspace(a, b, steps, dtype=z_start.dtype)
        for a, b in zip(z_start.tolist(), z_end.tolist(), strict=True)
    ]
    return torch.stack(columns, dim=1)


def path_by_einsum(z_start, z_end, steps):
    t = torch.linspace(0, 1, steps, dtype=z_start.dtype, device=z_start.device)
    weights, ends = torch.stack([1 - t, t], dim=1), torch.stack([z_start, z_end])
    return torch.einsum("se,ed->sd", weights, ends)


def psnr_with_numpy(x, x_hat, data_range=1.0):
    mse = np.square(x.numpy() - x_hat.numpy()).mean(axis=(1, 2, 3))
    return 10 * np.log10(data_range**2 / mse)


def psnr_image_by_image(x, x_hat, data_range=1.0):
    out = []
    for a, b in zip(x, x_hat, strict=True):
        mse = torch.mean((a - b) ** 2)
        out.append(20 * math.log10(data_range) - 10 * torch.log10(mse))
    return torch.stack(out)


def psnr_in_float64(x, x_hat, data_range=1.0):
    mse = (x.double() - x_hat.double()).flatten(1).pow(2).mean(-1)
    return 10 * torch.log10(data_range * data_range / mse)


def psnr_from_scikit_learn(x, x_hat, data_range=1.0):
    mse = mean_squared_error(x.flatten(1).T, x_hat.flatten(1).T, multioutput="raw_values")
    return torch.tensor(-10 * np.log10(mse / data_range**2))


def psnr_from_exercise_4(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / reconstruction_error(x, x_hat))


def threshold_from_p_values(calibration_scores, alpha):
    if alpha < 1 / (len(calibration_scores) + 1):
        return np.inf
    p = conformal_p_values(calibration_scores, calibration_scores)
    return calibration_scores[p > alpha].max(initial=-np.inf)


class SizesOnTheWay(nn.Module):
    """No output_padding: each transposed convolution is told what size to give."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.down = nn.Sequential(
            nn.LazyConv2d(16, 3, 2, 1), nn.ReLU(), nn.LazyConv2d(32, 3, 2, 1), nn.Threshold(0, 0)
        )
        self.to_code = nn.Sequential(nn.Flatten(), nn.LazyLinear(64), nn.LazyLinear(latent_dim))
        self.from_code = nn.Sequential(nn.LazyLinear(64), nn.LazyLinear(1568))
        self.up1, self.up2 = nn.ConvTranspose2d(32, 16, 3, 2, 1), nn.ConvTranspose2d(16, 1, 3, 2, 1)

    def encode(self, x):
        return self.to_code(self.down(x))

    def decode(self, z):
        x = self.from_code(z).relu().unflatten(1, (32, 7, 7))
        x = self.up1(x, output_size=(14, 14)).clamp(min=0)
        return self.up2(x, output_size=(28, 28)).sigmoid()

    def forward(self, x):
        return self.decode(self.encode(x))


def rule_from_a_scaler(scores, k=1.0):
    scaler = StandardScaler().fit(np.asarray(scores).reshape(-1, 1))
    return float(scaler.mean_[0] + k * scaler.scale_[0])


def threshold_from_a_heap(calibration_scores, alpha):
    n, k = len(calibration_scores), 0
    while k <= n and (k + 1) / (n + 1) <= alpha:
        k += 1
    return heapq.nlargest(k, [*calibration_scores, -math.inf])[-1] if k else math.inf


def path_by_interpolating(z_start, z_end, steps):
    ends = torch.stack([z_start, z_end], dim=1)[None]
    path = nn.functional.interpolate(ends, size=steps, mode="linear", align_corners=True)
    return path[0].T


# --- 1.14: on the sample, as in tests/checks/conftest.py -----------------------------------------


@functools.cache
def known_digits():
    return parts()[0].images


def score_of_nearest(images):
    x, known = as_input(images).flatten(1), as_input(known_digits()).flatten(1)
    return torch.cdist(x, known).min(dim=1).values


def score_of_neighbours(images):
    known = known_digits().reshape(len(known_digits()), -1)
    found = NearestNeighbors(n_neighbors=3).fit(known.astype(float))
    return found.kneighbors(images.reshape(len(images), -1).astype(float))[0].mean(axis=1)


def score_of_pieces(images):
    """The error of PCA in the worst of 16 squares."""
    x, known = as_input(images).cpu(), as_input(known_digits()).cpu()
    error = (pca_reconstruct(known, x, 60) - x).square()
    return torch.nn.functional.avg_pool2d(error, 7).flatten(1).max(dim=1).values


def score_of_lists(images):
    return [float(score_of_nearest(image[None])[0]) for image in images]


def score_of_tensors(images):
    """With a graph on them, as of a network outside of `torch.no_grad()`."""
    scale = torch.ones(1, requires_grad=True)
    return [scale.squeeze() * float(score_of_nearest(image[None])[0]) for image in images]


RIGHT = {
    "1.1": [
        by_counting_places,
        by_floor,
        by_integer_steps,
        by_asking_torch,
        as_numpy_integer,
        by_divmod,
    ],
    "1.2": [
        WithConvolutions,
        LayerByLayer,
        NestedBlocks,
        PointwiseConvolutions,
        SizesOnTheWay,
    ],
    "1.3": [
        step_by_both_halves,
        step_clearing_last,
        step_with_train_mode,
        step_with_a_closure,
        step_clearing_the_model,
        step_clearing_by_hand,
        step_with_gradients_set,
    ],
    "1.4": [
        error_over_axes,
        error_from_mse_loss,
        error_by_einsum,
        error_in_a_loop,
        error_by_norm,
        error_by_vmap,
        error_axis_by_axis,
        error_without_gradient_to_x,
    ],
    "1.5": [
        rule_with_torch,
        rule_by_hand,
        rule_with_numpy,
        rule_from_moments,
        rule_in_float32,
        rule_with_pandas,
        rule_from_a_scaler,
    ],
    "1.6": [
        p_by_comparing_all,
        p_in_a_loop,
        p_by_masks,
        p_with_torch,
        p_by_sorting_and_searching,
        p_by_ranks,
    ],
    "1.7": [
        threshold_walking_down,
        threshold_with_index,
        threshold_by_ceil,
        threshold_by_trying,
        threshold_with_quantile,
        threshold_with_topk,
        threshold_from_p_values,
        threshold_from_a_heap,
    ],
    "1.8": [
        auroc_by_pairs,
        auroc_from_scikit_learn,
        auroc_from_scipy,
        auroc_in_loops,
        auroc_with_torch,
        auroc_under_the_curve,
        auroc_by_searching,
        auroc_by_normal_ranks,
    ],
    "1.9": [
        pca_by_svd,
        pca_from_scikit_learn,
        pca_by_covariance,
        pca_by_last_columns,
        pca_with_numpy,
        pca_lowrank,
        pca_by_arpack,
    ],
    "1.10": [
        path_with_weights_in_float32,
        path_with_lerp,
        path_in_a_loop,
        path_by_broadcasting,
        path_from_numpy,
        path_by_outer_products,
        path_by_columns,
        path_by_einsum,
        path_by_interpolating,
    ],
    "1.11": [
        psnr_from_root,
        psnr_with_natural_log,
        psnr_with_numpy,
        psnr_image_by_image,
        psnr_in_float64,
        psnr_from_scikit_learn,
        psnr_from_exercise_4,
    ],
    "1.12": [
        {"spread": 0.125, "flagged": 0.45},
        {"spread": np.float64(1) / math.sqrt(64), "flagged": 1 - norm.cdf(0.125)},
        {"flagged": torch.tensor(0.44), "spread": torch.tensor([0.125])[0]},
        {"spread": 0.13, "flagged": 0.46},
    ],
    "1.13": [
        {"choice": "conformal", "because": "B"},
        {"because": "b", "choice": " Conformal"},
        ("conformal", "B"),
    ],
    "1.14": [
        score_of_nearest,
        score_of_neighbours,
        score_of_pieces,
        score_of_lists,
        score_of_tensors,
    ],
}
