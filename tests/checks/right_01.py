"""Right answers to module 1, written as learners write them: at least two for each exercise."""

import math

import numpy as np
import torch
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch import nn


def by_counting_places(size, kernel_size, stride=1, padding=0):
    return len(range(0, size + 2 * padding - kernel_size + 1, stride))


def by_floor(size, kernel_size, stride=1, padding=0):
    return math.floor((size + 2 * padding - kernel_size) / stride + 1)


class WithConvolutions(nn.Module):
    """The source's own network: 7×7 convolutions instead of linear layers, other names."""

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
        for layer in self.down:
            x = torch.relu(layer(x))
        return self.to_code(x.flatten(1))

    def decode(self, z):
        x = self.from_code(z)[:, :, None, None]
        for layer in self.up[:-1]:
            x = torch.relu(layer(x))
        return torch.sigmoid(self.up[-1](x))

    def forward(self, x):
        return self.decode(self.encode(x))


class WithMoreReLUs(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1568, 64),
            nn.ReLU(),
            nn.Linear(64, latent_dim),
        )
        self.lin = nn.Sequential(
            nn.Linear(latent_dim, 64), nn.ReLU(), nn.Linear(64, 1568), nn.ReLU()
        )
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 3, 2, 1, 1)
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.deconv(self.lin(z).view(-1, 32, 7, 7)).sigmoid()

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z)


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


def p_in_a_list(calibration_scores, scores):
    n = len(calibration_scores)
    return [(1 + sum(c >= s for c in calibration_scores)) / (n + 1) for s in scores]


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


RIGHT = {
    "1.1": [by_counting_places, by_floor],
    "1.2": [WithConvolutions, WithMoreReLUs],
    "1.3": [step_clearing_last, step_with_train_mode],
    "1.4": [error_over_axes, error_from_mse_loss],
    "1.5": [rule_with_torch, rule_by_hand],
    "1.6": [p_by_comparing_all, p_in_a_list],
    "1.7": [threshold_walking_down, threshold_with_index],
    "1.8": [auroc_by_pairs, auroc_from_scikit_learn, auroc_from_scipy],
    "1.9": [pca_by_svd, pca_from_scikit_learn],
    "1.10": [path_with_lerp, path_in_a_loop],
    "1.11": [psnr_from_root, psnr_with_natural_log],
}
