"""Anomaly scores: one number for each image; a higher score is more anomalous, always.

A NaN or infinite pixel makes the score of its own image NaN or infinite, and no other's; codes
and features must be finite. Distances are computed in float64: in float32 the short way over
products of matrices loses all digits where the codes lie far from 0 beside their spread.
"""

from functools import wraps
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from helpers.arrays import bytes_of, classes, number, numbers, reads, tensor, whole
from helpers.losses import gaussian_log_likelihood, reparameterize

CODES = tensor("finite codes (M, d), M at least 1", ndim=2, rows=1, finite=True)
FIXED_CODES = tensor("finite codes (M, d), M at least 1", ndim=2, rows=1, finite=True, fixed=True)
NEW_CODES = tensor("finite codes (N, d)", ndim=2, finite=True)
LOGITS = tensor("logits (N, K)", ndim=2)
GREY = tensor("images (N, 1, H, W)", ndim=4)
WINDOWS = tensor("finite images (N, C, H, W) of 7×7 pixels or more", ndim=4, side=7, finite=True)
# not the smallest number of all: where denormal numbers are flushed, as in a notebook, that is 0
TINY = np.finfo(np.float64).tiny
POSITIVE = numbers("one finite number above 0 for each image, shape (n,)", finite=True, low=TINY)


def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).square().flatten(start_dim=1).mean(dim=1)


reconstruction_error = reads(reconstruction_error, x=tensor(), x_hat=tensor(), alike=("x", "x_hat"))


def absolute_error(x, x_hat):
    """Mean absolute error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).abs().flatten(start_dim=1).mean(dim=1)


absolute_error = reads(absolute_error, x=tensor(), x_hat=tensor(), alike=("x", "x_hat"))


def _each_channel(residual):
    """The residual of grey images, for each channel by itself."""

    @wraps(residual)
    def of_colours(x, x_hat):
        channels = (y.flatten(end_dim=1).unsqueeze(1) for y in (x, x_hat))
        return residual(*channels).view(x.shape) if len(x) else x

    return of_colours


def ssim_residual(x, x_hat):
    """1 - SSIM at each pixel, from 7×7 windows. (N, 1, H, W) in [0, 1] twice -> the same shape

    0 where the two windows are equal, up to 2 where the structure is reversed [Wang et al. 2004].
    """
    from skimage.metrics import structural_similarity

    a, b = (y[:, 0].detach().cpu().numpy() for y in (x, x_hat))
    _, similarity = structural_similarity(a, b, data_range=1, channel_axis=0, full=True)
    return 1 - torch.from_numpy(similarity).to(x).unsqueeze(1)


ssim_residual = reads(
    _each_channel(ssim_residual), x=WINDOWS, x_hat=WINDOWS, alike=("x", "x_hat"), precise="x"
)


def mahalanobis(z_train, z):
    """Mahalanobis distance of each code from the training codes. (M, d), (N, d) -> (N,)

    Mean and covariance are those of z_train; the covariance is shrunk towards a sphere, so that it
    has an inverse even where M < d [Ledoit and Wolf 2004].
    """
    from sklearn.covariance import LedoitWolf

    normal = LedoitWolf().fit(z_train.detach().cpu().numpy())
    squared = normal.mahalanobis(z.detach().cpu().numpy())
    return torch.from_numpy(squared).sqrt().to(z)


def _codes_that_fit(z_train, z, k=1, **_):
    if z_train.shape[1:] != z.shape[1:]:
        return f"z_train {tuple(z_train.shape)} and z {tuple(z.shape)} are codes of two networks"
    if k > len(z_train):
        return f"k = {k}, but there are only {len(z_train)} training codes"


def _codes_that_differ(z_train, z, labels=None):
    """Without a spread every distance would be 0, however far a code lies."""
    groups = [z_train] if labels is None else [z_train[labels == c] for c in labels.unique()]
    if not any((group != group[:1]).any() for group in groups):
        return "all training codes are the same (of a class): their distances have no unit"
    return _codes_that_fit(z_train, z)


mahalanobis = reads(mahalanobis, z_train=CODES, z=CODES, check=_codes_that_differ, precise="z")


def knn(z_train, z, k=5):
    """Distance of each code to its k-th nearest training code. (M, d), (N, d) -> (N,)

    The score of Sun et al. (arXiv 2204.06507), without their normalisation of the codes.
    """
    from sklearn.neighbors import NearestNeighbors

    known = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(z_train.detach().cpu().numpy())
    distances, _ = known.kneighbors(z.detach().cpu().numpy())
    return torch.from_numpy(distances[:, -1]).to(z)


knn = reads(knn, z_train=CODES, z=CODES, k=whole(1), check=_codes_that_fit)


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


reconstruction_probability = reads(
    reconstruction_probability, x=tensor(), samples=whole(1), model="vae"
)


def error_per_ink(x, x_hat):
    """Squared error after a 3×3 mean, divided by the image's ink. (N, 1, H, W) twice -> (N,)

    The mean forgives strokes that are a pixel off; the ink is the image's mean brightness.
    """
    smooth = F.avg_pool2d(x_hat - x, kernel_size=3, stride=1, padding=1)
    ink = x.flatten(start_dim=1).mean(dim=1).clamp(min=1e-3)  # a blank image has none
    return smooth.square().flatten(start_dim=1).mean(dim=1) / ink


error_per_ink = reads(error_per_ink, x=GREY, x_hat=GREY, alike=("x", "x_hat"))


def compressed_bits(images):
    """Bits that each image takes as a PNG file. uint8 (N, C, H, W), grey or RGB -> list of N ints

    A measure of complexity, as in Serrà et al. (arXiv 1909.11480).
    """
    bits = []
    for picture in images:
        page = BytesIO()
        picture = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(picture)).save(page, format="png", optimize=True)
        bits.append(8 * len(page.getvalue()))
    return bits


compressed_bits = reads(compressed_bits, images=bytes_of())


def total_variation(x):
    """Mean absolute difference between neighbouring pixels. (N, C, H, W) -> (N,)

    A measure of complexity: edges and texture raise it, smooth regions do not [Rudin et al. 1992].
    """
    across = (x[..., :, 1:] - x[..., :, :-1]).abs().flatten(start_dim=1).mean(dim=1)
    down = (x[..., 1:, :] - x[..., :-1, :]).abs().flatten(start_dim=1).mean(dim=1)
    return (across + down) / 2


total_variation = reads(
    total_variation, x=tensor("images (N, C, H, W) of 2×2 pixels or more", ndim=4, side=2)
)


def beyond_complexity(errors_fit, complexity_fit, errors, complexity):
    """How far log(error) lies above what an image's complexity leads one to expect. -> (N,)

    errors_fit, complexity_fit : (M,), positive; a straight line is fitted to their logarithms
    errors, complexity : (N,), positive, of the images to be scored
    """
    slope, intercept = np.polyfit(np.log(complexity_fit), np.log(errors_fit), 1)
    return np.log(errors) - (intercept + slope * np.log(complexity))


def _line_can_be_fitted(errors_fit, complexity_fit, errors, complexity):
    if len(errors_fit) != len(complexity_fit) or len(errors) != len(complexity):
        return "each image has one error and one complexity, but their numbers differ"
    if (complexity_fit == complexity_fit[0]).all():
        return "all images to fit are equally complex: no line can be fitted"


beyond_complexity = reads(
    beyond_complexity,
    errors_fit=POSITIVE,
    complexity_fit=POSITIVE,
    errors=POSITIVE,
    complexity=POSITIVE,
    check=_line_can_be_fitted,
)


def max_softmax(logits):
    """1 - the largest probability. (N, K) -> (N,)   [Hendrycks and Gimpel, arXiv 1610.02136]"""
    # from the other classes beside the largest: 1 - p would be 0 in float32 beyond a gap of 17
    odds = (logits - logits.amax(dim=1, keepdim=True)).exp().sort(dim=1).values[:, :-1].sum(dim=1)
    return odds / (1 + odds)


max_softmax = reads(max_softmax, logits=LOGITS)


def energy(logits, temperature=1.0):
    """-T·log(sum of exp(logits / T)) of each image. (N, K) -> (N,)

    Low where some logit is large [Liu et al., arXiv 2010.03759].
    """
    return -temperature * torch.logsumexp(logits / temperature, dim=1)


energy = reads(energy, logits=LOGITS, temperature=number("a number above 0", above=0))


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


def _labels_that_fit(z_train, labels, z):
    if len(labels) != len(z_train):
        return f"{len(labels)} labels for {len(z_train)} training codes"
    return _codes_that_differ(z_train, z, labels)


class_mahalanobis = reads(
    class_mahalanobis,
    z_train=FIXED_CODES,
    labels=classes(),
    z=NEW_CODES,
    check=_labels_that_fit,
    precise="z",
)


def normalised_knn(z_train, z, k=50):
    """Distance to the k-th nearest training features, all of length 1. (M, d), (N, d) -> (N,)

    Sun et al., arXiv 2204.06507.
    """
    z_train, z = F.normalize(z_train), F.normalize(z)
    return torch.cat([torch.cdist(part, z_train).kthvalue(k).values for part in z.split(250)])


normalised_knn = reads(
    normalised_knn, z_train=CODES, z=NEW_CODES, k=whole(1), check=_codes_that_fit, precise="z"
)


def huber_error(x, x_hat, delta=1.0):
    """Huber loss of each image, mean over its pixels. (N, C, H, W) and the same -> (N,)

    d²/2 where |d| <= delta, else delta·(|d| - delta/2)   [Huber 1964]
    """
    d = (x_hat - x).abs()
    loss = torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))
    return loss.flatten(start_dim=1).mean(dim=1)


huber_error = reads(
    huber_error,
    delta=number("a number above 0", above=0),
    x=tensor(),
    x_hat=tensor(),
    alike=("x", "x_hat"),
)


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


def _three_groups(groups, x):
    if len(groups) < 3:
        return f"the second and third group are wanted, and there are {len(groups)}"


patch_features = reads(patch_features, x=tensor(ndim=4), check=_three_groups, model="groups")


def patch_distance(bank, features):
    """Distance of each place to the nearest of the bank. (M, c), (N, c, h, w) -> (N, h, w)

    The bank holds features of normal images; the score of an image is its largest distance.
    """
    n, c, h, w = features.shape
    patches = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
    nearest = [torch.cdist(image, bank).min(dim=1).values for image in patches]
    return torch.stack(nearest).view(n, h, w)


def _features_that_fit(bank, features):
    if bank.shape[1] != features.shape[1]:
        return f"{bank.shape[1]} features in the bank, {features.shape[1]} in the maps"


patch_distance = reads(
    patch_distance,
    bank=tensor("features (M, c), M at least 1", ndim=2, rows=1, finite=True),
    features=tensor("maps (N, c, h, w), N at least 1", ndim=4, rows=1, finite=True),
    check=_features_that_fit,
    precise="features",
)
