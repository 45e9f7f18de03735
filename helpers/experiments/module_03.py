"""Module 3: hands against the rest, other normal classes, and where a training step's time goes."""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from helpers.datasets import ImageSet, load
from helpers.datasets.splits import split_by_content
from helpers.experiments import baselines
from helpers.experiments.judging import judged
from helpers.losses import (
    effective_beta,
    elbo,
    gaussian_log_likelihood,
    kl_divergence,
    reparameterize,
)
from helpers.metrics import auroc, paired_difference
from helpers.models import DeepAutoencoder, DeepVAE
from helpers.runtime import choose, device, set_seed, training_length
from helpers.scores import (
    absolute_error,
    knn,
    mahalanobis,
    reconstruction_error,
    ssim_residual,
)
from helpers.training import (
    Order,
    adam,
    apply,
    as_input,
    batches,
    epochs_for,
    fit,
    mean_loss,
    reconstruction,
    train_step,
    vae_error,
)


class Task(NamedTuple):
    """One class is normal and split by content; images of the others are the anomalies."""

    train: ImageSet
    calibration: ImageSet
    normal: ImageSet
    anomalies: ImageSet


def task(normal="Hand", factor=None):
    """The roles of MedNIST's images where the class `normal` is normal. -> Task

    factor : by which the images are made smaller; the profile's without
    """
    factor = factor or choose(quick=2, full=1)
    pictures = load("mednist")["all"]
    own = pictures.of_class(normal)
    places, own = split_by_content(own.images), own.shrink(factor)
    parts = [own.take(part) for part in places]
    others = [np.flatnonzero(pictures.labels == i) for i in range(len(pictures.classes))]
    del others[pictures.classes.index(normal)]
    each = min(len(parts[2]) // 5, *map(len, others))
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.choice(part, each, replace=False)) for part in others]
    return Task(*parts, pictures.take(np.concatenate(drawn)).shrink(factor))


def network(cls, size):
    """A DeepAutoencoder or DeepVAE in the profile's width."""
    widths = choose(quick=(16, 32, 64), full=(32, 64, 128))
    return cls(size, widths, latent_dim=choose(quick=64, full=128))


def steps():
    """Training steps in the profile."""
    return training_length(quick=500, full=1000)


def batch_size():
    """Images a training step takes. In the quick profile half as many, so that it is quicker."""
    return choose(quick=64, full=128)


def train(model, images, objective, seed=0, progress=False):
    """Train for the profile's steps. Returns the history of `fit`."""
    set_seed(seed)
    return fit(
        model,
        images,
        epochs=epochs_for(steps(), batch_size(), images),
        batch_size=batch_size(),
        optimizer=adam(model, weight_decay=0),
        objective=objective,
        mixed=True,
        progress=progress,
    )


def nats(vae, x):
    """Minus the ELBO in nats, mean over the batch; the spread of a pixel is the batch's own.

    The best spread for given reconstructions is their root mean square error (Rybkin et al.,
    arXiv 2006.13202), so no weight is left to choose.
    """
    mu, logvar = (part.float() for part in vae.encode(x))  # in mixed precision as well
    x_hat = vae.decode(reparameterize(mu, logvar)).float()
    sigma = (x_hat - x).square().mean().sqrt().detach()
    return -elbo(gaussian_log_likelihood(x, x_hat, sigma), kl_divergence(mu, logvar)).mean()


def autoencoder(train_images, seed=0):
    """The trained autoencoder, in eval mode."""
    set_seed(seed)
    model = network(DeepAutoencoder, train_images.shape[-1])
    train(model, train_images, reconstruction, seed)
    return model


def vae(train_images, calibration_images, seed=0):
    """The trained VAE, in eval mode, its sigma set on the calibration images."""
    set_seed(seed)
    model = network(DeepVAE, train_images.shape[-1])
    train(model, train_images, nats, seed)
    model.sigma = mean_loss(model, calibration_images, vae_error) ** 0.5
    return model


def pixel_scores(x, x_hat):
    """The scores that compare an image with its reconstruction, as {name: (N,)}."""
    return {
        "MAE": absolute_error(x, x_hat),
        "MSE": reconstruction_error(x, x_hat),
        "SSIM": ssim_residual(x, x_hat).flatten(start_dim=1).mean(dim=1),
    }


def pooled(model, x):
    """Mean and spread of each channel of the encoder's blocks. (N, 1, H, W) -> (N, 2·channels)"""
    parts = []
    for block in model.features:
        x = block(x)
        parts += [x.mean(dim=(2, 3)), baselines.standard_deviation(x, dim=(2, 3))]
    return torch.cat(parts, dim=1)


def feature_scores(features, train_images, images):
    """Mahalanobis and nearest-neighbour distance of features(x), as {name: (N,)}."""
    z_train, z = apply(features, train_images), apply(features, images)
    return {"Mahalanobis": mahalanobis(z_train, z), "kNN": knn(z_train, z)}


def model_scores(model, train_images, images):
    """Every score of an AE or VAE, as {name: array (N,)}. uint8 (M, 1, H, W), (N, 1, H, W)"""
    model.eval()
    is_vae = isinstance(model, DeepVAE)

    def columns(x):
        x_hat, *code = model(x) if is_vae else (model(x),)
        scores = pixel_scores(x, x_hat)
        if is_vae:
            kl = kl_divergence(*code)
            scores["KL"] = kl
            scores["-ELBO"] = -elbo(gaussian_log_likelihood(x, x_hat, model.sigma), kl)
        columns.names = list(scores)
        return torch.stack(list(scores.values()), dim=1)

    values = apply(columns, images).T
    scores = dict(zip(columns.names, values, strict=True))
    code = (lambda x: model.encode(x)[0]) if is_vae else model.encode
    for name, features in {"code": code, "features": lambda x: pooled(model, x)}.items():
        found = feature_scores(features, train_images, images)
        scores |= {f"{score}, {name}": values for score, values in found.items()}
    return {name: values.numpy() for name, values in scores.items()}


def baseline_scores(train_images, images):
    """Scores without a network, as {name: array (N,)}. uint8 (M, 1, H, W), (N, 1, H, W)"""
    x_train, x = as_input(train_images).cpu(), as_input(images).cpu()
    some = train_images[:1000]
    traits = {
        "brightness": baselines.brightness,
        "background": baselines.background,
        "bytes": baselines.png_bytes,
    }
    scores = baselines.from_median(traits, some, images)
    scores["mean image"] = baselines.mean_image_error(x_train, x).numpy()
    scores["PCA"] = baselines.pca_error(x_train, x, choose(quick=64, full=128)).numpy()
    scores["nearest image"] = baselines.nearest_distance(x_train, x).numpy()
    return scores


def compared(pair, scores, n, part=slice(None)):
    """How far apart the AUROCs of two scores are, on the same images.

    pair : "a − b", names of two scores; scores : {name: (n + m,)}, those of n normal images first;
    part : a slice of the normal images and of the anomalies, all of them without
    Returns the AUROC of a minus that of b and its 95 % interval, as one row of a table:
    {"pair", "difference", "low", "high"}.
    """
    (na, aa), (nb, ab) = ((scores[k][:n][part], scores[k][n:][part]) for k in pair.split(" − "))
    low, high = paired_difference(na, aa, nb, ab)
    return {"pair": pair, "difference": auroc(na, aa) - auroc(nb, ab), "low": low, "high": high}


def cached_weights():
    """The file with the weights of torchvision's ResNet-18, or None where torch's cache has none.

    It looks into the cache alone and downloads nothing.
    """
    from torchvision.models import ResNet18_Weights

    name = Path(ResNet18_Weights.IMAGENET1K_V1.url).name
    file = Path(torch.hub.get_dir(), "checkpoints", name)
    return file if file.exists() else None


def backbone_scores(weights, train_images, images):
    """Mahalanobis and nearest-neighbour distance of ResNet-18 features, as {name: array (N,)}.

    weights : file of a state dict, as `cached_weights` finds it; images : uint8 (M, 1, H, W) and
    (N, 1, H, W). Features are the 512 numbers before the last layer, of images of 64×64 pixels.
    """
    from torchvision.models import resnet18

    backbone = resnet18()
    backbone.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    backbone.fc = torch.nn.Identity()
    backbone = backbone.eval().to(device())

    def features(x):
        x = F.interpolate(x.expand(-1, 3, -1, -1), 64, mode="bilinear")
        mean, std = x.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])  # of ImageNet
        return backbone((x - mean.view(3, 1, 1)) / std.view(3, 1, 1))

    found = feature_scores(features, train_images, images)
    return {name: values.numpy() for name, values in found.items()}


def normal_class(normal, seed=0):
    """AUROC of every score, against each other class and all of them, with `normal` as normal."""
    roles = task(normal)
    images = np.concatenate([roles.normal.images, roles.anomalies.images])
    names = np.array(roles.anomalies.classes)[roles.anomalies.labels]
    ae = autoencoder(roles.train.images, seed)
    variational = vae(roles.train.images, roles.calibration.images, seed)
    scores = baseline_scores(roles.train.images, images)
    for prefix, model in {"AE": ae, "VAE": variational}.items():
        found = model_scores(model, roles.train.images, images)
        scores |= {f"{prefix} {name}": values for name, values in found.items()}
    values = judged(scores, len(roles.normal), names)
    return {"source": roles.normal.source, "normal images": len(roles.normal)} | values


def hands(seed):
    """The same with hands as normal, for one seed of the training."""
    return normal_class("Hand", seed)


def longer_training(model, seed):
    """A network of `hands`, trained on for as many epochs, as its learning rate rises and falls.

    model : "AE" or "VAE"
    -> lists: "error", the mean squared error on calibration images before and after each further
    epoch; for each score the AUROC before and after all of them
    """
    roles = task()
    train_images, calibration = roles.train.images, roles.calibration.images
    images = np.concatenate([roles.normal.images, roles.anomalies.images])
    if model == "AE":
        network, objective, error = autoencoder(train_images, seed), reconstruction, reconstruction
    else:
        network, objective, error = vae(train_images, calibration, seed), nats, vae_error
    kept = {"error": [mean_loss(network, calibration, error)]}

    def note_areas():
        scores, n = model_scores(network, train_images, images), len(roles.normal)
        for name in [s for s in ("MAE", "SSIM", "KL") if s in scores]:
            kept.setdefault(name, []).append(auroc(scores[name][:n], scores[name][n:]))

    def note_error(history):
        kept["error"].append(mean_loss(network, calibration, error))

    note_areas()
    set_seed(seed)
    epochs = epochs_for(steps(), batch_size(), train_images)
    updates = epochs * len(Order(len(train_images), batch_size()).sizes)
    optimizer = adam(network, weight_decay=0)
    fit(
        network,
        train_images,
        epochs=epochs,
        batch_size=batch_size(),
        optimizer=optimizer,
        schedule=torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=updates),
        objective=objective,
        mixed=True,
        on_epoch=note_error,
        progress=False,
    )
    note_areas()
    return {"source": roles.train.source} | kept


def source_loss(seed):
    """A VAE of `hands` with its source's loss: mean squared error plus twice the mean of the KL.

    That is minus the ELBO, up to a factor, of pixels of standard deviation 1 and with a beta.
    -> the beta, the AUROCs of MAE and KL, the median KL of a normal image in nats, and the
    standard deviation of a pixel over the normal images and over their reconstructions
    """
    roles = task()
    train_images, normal = roles.train.images, roles.normal
    set_seed(seed)
    model = network(DeepVAE, train_images.shape[-1]).to(device())
    latents = model.encode(as_input(train_images[:2]))[0].shape[1]
    sizes = batch_size(), train_images[0].size, latents
    beta = effective_beta(*sizes, error="mean", kl="mean", kl_weight=2)

    def objective(vae, x):
        mu, logvar = (part.float() for part in vae.encode(x))
        x_hat = vae.decode(reparameterize(mu, logvar)).float()
        log_likelihood = gaussian_log_likelihood(x, x_hat)
        return -elbo(log_likelihood, kl_divergence(mu, logvar), beta=beta).mean()

    train(model, train_images, objective, seed)
    images = np.concatenate([normal.images, roles.anomalies.images])
    scores, n = model_scores(model, train_images, images), len(normal)
    rebuilt = apply(lambda x: model(x)[0], normal.images)
    return {
        "source": roles.train.source,
        "beta": beta,
        **{name: auroc(scores[name][:n], scores[name][n:]) for name in ("MAE", "KL")},
        "median KL": float(np.median(scores["KL"][:n])),
        "deviation": as_input(normal.images).std(dim=0).mean().item(),
        "deviation rebuilt": rebuilt.std(dim=0).mean().item(),
    }


def loop(pictures):
    """Seconds for 1,000 training steps of batch 128, and how many of them went into reading.

    pictures : "in memory", sliced from an array by the course's loop; or "JPEG files", each opened
        by a DataLoader when its turn comes, in this process, as the source does
    """
    roles = task(factor=1)
    images = roles.train.images
    set_seed(0)
    model = network(DeepAutoencoder, images.shape[-1]).to(device())
    optimizer = adam(model, weight_decay=0)
    spent, count = {"reading": 0.0, "network": 0.0}, 1000
    with tempfile.TemporaryDirectory() as folder:
        source = {"in memory": from_memory, "JPEG files": from_files}[pictures]
        stream = source(images, Path(folder))
        for _ in range(count):
            start = time.perf_counter()
            x = next(stream)
            middle = time.perf_counter()
            train_step(model, x, optimizer, F.mse_loss)
            spent["reading"] += middle - start
            spent["network"] += time.perf_counter() - middle
    return {"steps": count, "seconds": sum(spent.values()), **spent, "source": roles.train.source}


def from_memory(images, folder):
    """Batches of 128, epoch after epoch."""
    while True:
        yield from batches(images, 128, shuffle=True)


def from_files(images, folder):
    """The same from JPEG files, which are written first."""
    paths = [folder / f"{i:06}.jpeg" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[0]).save(path)
    loader = DataLoader(Files(paths), batch_size=128, shuffle=True)
    while True:
        yield from (x.to(device()) for x in loader)


class Files(Dataset):
    """Images that are opened when they are asked for."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        with Image.open(self.paths[i]) as picture:
            return torch.from_numpy(np.array(picture)).float()[None] / 255
