"""The networks and training loops that the five sources describe, with torch's defaults.

Nothing here is the course's, so this file imports nothing of it: what `helpers` sets for torch may
not reach a source. Where a source says nothing, the cheaper choice was made.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

SIGNED = (transforms.ToTensor(), transforms.Normalize(0.5, 0.5))  # pixels in [-1, 1]


class Pictures(Dataset):
    """Pictures in memory, turned into PIL images one by one, as torchvision's data sets do."""

    def __init__(self, images, transform):
        self.images, self.transform = np.asarray(images), transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        picture = self.images[i].transpose(1, 2, 0)  # PIL wants no axis for the one grey channel
        return self.transform(Image.fromarray(picture.squeeze()))


class Files(Dataset):
    """Grey pictures that are opened when they are asked for."""

    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return self.transform(Image.open(self.paths[i]).convert("L"))


def widening(module, in_channels, out_channels):
    """A convolution that doubles the side, between whole numbers of pixels."""
    return module(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)


def digits_autoencoder():
    """Module 1: 7×7 convolutions around the code of 20 numbers. (N, 1, 28, 28) -> the same"""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 7),
        nn.Flatten(),
        nn.Linear(64, 20),
        nn.Linear(20, 64),
        nn.Unflatten(1, (64, 1, 1)),
        nn.ConvTranspose2d(64, 32, 7),
        nn.ReLU(),
        widening(nn.ConvTranspose2d, 32, 16),
        nn.ReLU(),
        widening(nn.ConvTranspose2d, 16, 1),
        nn.Sigmoid(),
    )


class DigitsVAE(nn.Module):
    """Module 2: BatchNorm, 100 latents. (N, 1, 28, 28) -> x_hat, mu, logvar"""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.mu, self.logvar = nn.Linear(1568, 100), nn.Linear(1568, 100)
        self.decoder = nn.Sequential(
            nn.Linear(100, 1568),
            nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )
        xavier(self)

    def forward(self, x):
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return self.decoder(z), mu, logvar


def hands_autoencoder():
    """Module 3: blocks of 32, 64 and 128 channels, 128 latents. (N, 1, 64, 64) -> the same"""

    def down(before, width):
        conv = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
        return conv, nn.BatchNorm2d(width), nn.LeakyReLU()

    def up(before, width):
        conv = nn.ConvTranspose2d(
            before, width, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        return conv, nn.BatchNorm2d(width), nn.LeakyReLU()

    return nn.Sequential(
        *down(1, 32),
        *down(32, 64),
        *down(64, 128),
        nn.Flatten(),
        nn.Linear(128 * 64, 128),
        nn.Linear(128, 128 * 64),
        nn.Unflatten(1, (128, 8, 8)),
        *up(128, 64),
        *up(64, 32),
        *up(32, 32),
        nn.Conv2d(32, 1, 1),
    )


def colour_autoencoder():
    """Module 4: 1,000 latents, linear output, Xavier weights. (N, 3, 32, 32) -> the same"""
    encoder, before = [], 3
    for width, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        encoder += [nn.Conv2d(before, width, 3, stride, padding=1), nn.ReLU()]
        before = width
    decoder = []
    for width, stride in ((64, 1), (32, 2), (32, 1), (16, 2), (16, 1), (3, 1)):
        padding = {"padding": 1, "output_padding": stride - 1}
        decoder += [nn.ReLU(), nn.ConvTranspose2d(before, width, 3, stride, **padding)]
        before = width
    code = (nn.Flatten(), nn.Linear(4096, 1000), nn.Linear(1000, 4096))
    return xavier(nn.Sequential(*encoder, *code, nn.Unflatten(1, (64, 8, 8)), *decoder))


def xavier(network):
    """Xavier weights and biases of 0.01, as sources 2 and 4 start. -> the network"""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.01)
    return network


class Residual(nn.Module):
    """Two convolutions with BatchNorm and ReLU, and a 1×1 skip where the channels change."""

    def __init__(self, before, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.skip = nn.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x):
        return self.skip(x) + self.body(x)


def scans_autoencoder(widths=(64, 128, 256, 256)):
    """Module 5: the encoder without gradients, but in train mode. (N, 1, 128, 128) -> the same"""
    encoder, before = [], 1
    for width in widths:
        half = nn.Conv2d(width, width, 3, stride=2, padding=1)
        encoder += [Residual(before, width), Residual(width, width), half]
        before = width
    decoder = []
    for width in (*widths[-2::-1], widths[0]):
        decoder += [nn.Upsample(scale_factor=2), Residual(before, width), Residual(width, width)]
        before = width
    decoder += [nn.Conv2d(before, 1, 3, padding=1), nn.Tanh()]
    return nn.Sequential(nn.Sequential(*encoder).requires_grad_(False), nn.Sequential(*decoder))


def negative_elbo(output, x):
    """Source 2's loss: squared error averaged, KL summed over batch and latents."""
    x_hat, mu, logvar = output
    return F.mse_loss(x_hat, x) + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()


class Source(NamedTuple):
    """What a source says of its training."""

    network: Callable
    batch_size: int
    adam: dict
    transform: tuple
    suffix: str = ""  # of its files; none where its pictures are in memory
    loss: Callable = F.mse_loss  # of the network's output and the picture
    max_norm: float | None = None  # to which the gradient is clipped


SOURCES = {
    "01": Source(
        digits_autoencoder, 64, {"lr": 1e-3, "weight_decay": 1e-5}, (transforms.ToTensor(),)
    ),
    "02": Source(DigitsVAE, 256, {"lr": 1e-4}, SIGNED, loss=negative_elbo),
    "03": Source(hands_autoencoder, 128, {"lr": 1e-3}, (transforms.ToTensor(),), ".jpeg"),
    "04": Source(colour_autoencoder, 64, {"lr": 1e-3}, SIGNED),
    "05": Source(
        scans_autoencoder,
        32,
        {"lr": 5e-4},
        (transforms.RandomHorizontalFlip(), *SIGNED),
        ".png",
        F.huber_loss,
        1.0,
    ),
}


class Loop:
    """A source's training: a DataLoader without workers, and the loop in which torch is taught."""

    def __init__(self, module, images, folder):
        self.source = SOURCES[module]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        self.model = self.source.network().to(self.device)
        learned = (p for p in self.model.parameters() if p.requires_grad)
        self.optimizer = torch.optim.Adam(learned, **self.source.adam)
        self.images, self.batch_size = images, self.source.batch_size
        suffix = self.source.suffix
        self.paths = suffix and sorted(Path(folder).glob(f"*{suffix}"))

    def take(self, places):
        """The data set of the pictures at these places."""
        transform = transforms.Compose(self.source.transform)
        if self.paths:
            return Files([self.paths[i] for i in places], transform)
        return Pictures(self.images[places], transform)

    def train(self, data, clock=None):
        """One pass over the data; `clock`, where given, wraps the fetching of each batch."""
        self.model.train()
        batches = iter(DataLoader(data, self.batch_size, shuffle=True))
        fetch = clock(next) if clock else next
        while (x := fetch(batches, None)) is not None:
            x = x.to(self.device)
            self.optimizer.zero_grad()
            loss = self.source.loss(self.model(x), x)
            loss.backward()
            if self.source.max_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.source.max_norm)
            self.optimizer.step()
            loss.item()
