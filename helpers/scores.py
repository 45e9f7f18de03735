"""Anomaly scores: one number for each image; a higher score is more anomalous, always."""

from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from helpers.losses import gaussian_log_likelihood, reparameterize


def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).square().flatten(start_dim=1).mean(dim=1)


def absolute_error(x, x_hat):
    """Mean absolute error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).abs().flatten(start_dim=1).mean(dim=1)


def ssim_residual(x, x_hat):
    """1 - SSIM at each pixel, from 7×7 windows. (N, 1, H, W) in [0, 1] twice -> the same shape

    0 where the structure is the same, up to 2 where it is reversed [Wang et al. 2004].
    """
    from skimage.metrics import structural_similarity

    a, b = (y[:, 0].detach().cpu().numpy() for y in (x, x_hat))
    _, similarity = structural_similarity(a, b, data_range=1, channel_axis=0, full=True)
    return 1 - torch.from_numpy(similarity).to(x).unsqueeze(1)


def mahalanobis(z_train, z):
    """Mahalanobis distance of each code from the training codes. (M, d), (N, d) -> (N,)

    Mean and covariance are those of z_train; the covariance is shrunk towards a sphere, so that it
    has an inverse even where M < d [Ledoit and Wolf 2004].
    """
    from sklearn.covariance import LedoitWolf

    normal = LedoitWolf().fit(z_train.detach().cpu().numpy())
    squared = normal.mahalanobis(z.detach().cpu().numpy())
    return torch.from_numpy(squared).sqrt().to(z)


def knn(z_train, z, k=5):
    """Distance of each code to its k-th nearest training code. (M, d), (N, d) -> (N,)

    The score of Sun et al. (arXiv 2204.06507), without their normalisation of the codes.
    """
    return torch.cat([torch.cdist(part, z_train).kthvalue(k).values for part in z.split(250)])


def reconstruction_probability(vae, x, samples=16):
    """Minus the mean of log p(x given z) over z ~ q(z given x), in nats. (N, C, H, W) -> (N,)

    The score of An and Cho (2015), turned so that higher is more anomalous. Pixels are Gaussian
    around the decoder's output with spread vae.sigma. Put the model into eval mode first.
    """
    gaussian = vae.encode(x)  # mu and logvar
    total = 0
    for _ in range(samples):
        x_hat = vae.decode(reparameterize(*gaussian))
        total = total + gaussian_log_likelihood(x, x_hat, vae.sigma)
    return -total / samples


def error_per_ink(x, x_hat):
    """Squared error after a 3×3 mean, divided by the picture's ink. (N, 1, H, W) twice -> (N,)

    The mean forgives strokes that are a pixel off; the ink is the picture's mean brightness.
    """
    smooth = F.avg_pool2d(x_hat - x, kernel_size=3, stride=1, padding=1)
    ink = x.flatten(start_dim=1).mean(dim=1).clamp(min=1e-3)  # a blank picture has none
    return smooth.square().flatten(start_dim=1).mean(dim=1) / ink


def compressed_bits(images):
    """Bits that each picture takes as a PNG file. uint8 (N, C, H, W), grey or RGB -> list of N ints

    A measure of complexity, as in Serrà et al. (arXiv 1909.11480).
    """
    bits = []
    for picture in images:
        page = BytesIO()
        picture = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(picture)).save(page, format="png", optimize=True)
        bits.append(8 * len(page.getvalue()))
    return bits


def total_variation(x):
    """Mean absolute difference between neighbouring pixels. (N, C, H, W) -> (N,)

    A measure of complexity: edges and texture raise it, smooth regions do not [Rudin et al. 1992].
    """
    across = (x[..., :, 1:] - x[..., :, :-1]).abs().flatten(start_dim=1).mean(dim=1)
    down = (x[..., 1:, :] - x[..., :-1, :]).abs().flatten(start_dim=1).mean(dim=1)
    return (across + down) / 2


def beyond_complexity(errors_fit, complexity_fit, errors, complexity):
    """How far log(error) lies above what a picture's complexity leads one to expect. -> (N,)

    errors_fit, complexity_fit : (M,), positive; a straight line is fitted to their logarithms
    errors, complexity : (N,), positive, of the pictures to be scored
    """
    slope, intercept = np.polyfit(np.log(complexity_fit), np.log(errors_fit), 1)
    return np.log(errors) - (intercept + slope * np.log(complexity))


def max_softmax(logits):
    """1 - the largest probability. (N, K) -> (N,)   [Hendrycks and Gimpel, arXiv 1610.02136]"""
    return 1 - logits.softmax(dim=1).amax(dim=1)


def energy(logits, temperature=1.0):
    """-T·log(sum of exp(logits / T)) of each picture. (N, K) -> (N,)

    Low where some logit is large [Liu et al., arXiv 2010.03759].
    """
    return -temperature * torch.logsumexp(logits / temperature, dim=1)


def class_mahalanobis(z_train, labels, z):
    """Mahalanobis distance to the nearest class mean. (M, d), (M,), (N, d) -> (N,)

    Each class has its own mean, all share one covariance: that of the features around the mean of
    their class, shrunk as in `mahalanobis` [Lee et al., arXiv 1807.03888].
    """
    from sklearn.covariance import LedoitWolf

    classes, place = labels.unique(return_inverse=True)
    means = torch.stack([z_train[labels == c].mean(dim=0) for c in classes])
    around = (z_train - means[place]).cpu().numpy()
    precision = LedoitWolf(assume_centered=True).fit(around).precision_
    step = z.unsqueeze(1) - means  # (N, K, d)
    squared = torch.einsum("nki,ij,nkj->nk", step, torch.from_numpy(precision).to(z), step)
    return squared.amin(dim=1).sqrt()


def normalised_knn(z_train, z, k=50):
    """Distance to the k-th nearest training features, all of length 1. (M, d), (N, d) -> (N,)

    Sun et al., arXiv 2204.06507.
    """
    z_train, z = F.normalize(z_train), F.normalize(z)
    return torch.cat([torch.cdist(part, z_train).kthvalue(k).values for part in z.split(250)])


def huber_error(x, x_hat, delta=1.0):
    """Huber loss of each image, mean over its pixels. (N, C, H, W) and the same -> (N,)

    d²/2 where |d| <= delta, else delta·(|d| - delta/2)   [Huber 1964]
    """
    d = (x_hat - x).abs()
    loss = torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))
    return loss.flatten(start_dim=1).mean(dim=1)


def patch_features(groups, x):
    """Features of the second and third group around each place, at the size of the former.

    groups : of an encoder, (N, 1, H, W) -> (N, c, h, w). Each feature is the mean of 3×3 places, as
    in PatchCore (Roth et al., arXiv 2106.08265).
    """
    maps = []
    for group in groups[:3]:
        x = group(x)
        maps.append(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
    return torch.cat([maps[1], F.interpolate(maps[2], maps[1].shape[2:])], dim=1)


def patch_distance(bank, features):
    """Distance of each place to the nearest of the bank. (M, c), (N, c, h, w) -> (N, h, w)

    The bank holds features of normal pictures; the score of a picture is its largest distance.
    """
    n, c, h, w = features.shape
    patches = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
    nearest = [torch.cdist(picture, bank).min(dim=1).values for picture in patches]
    return torch.stack(nearest).view(n, h, w)
