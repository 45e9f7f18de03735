"""Time the course on this machine: python -m helpers.authoring.bench [--epochs 20]

Module 1's network on all 60,000 digits, as its source trained it (batch 64, Adam, 20 epochs), by
the course's loop; and the same network by the ordinary loop, a DataLoader that opens each picture
and turns it into a tensor. Epochs of both are interleaved, since a machine's clock drifts.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_pil_image, to_tensor

from helpers.datasets import load
from helpers.models import ConvAutoencoder
from helpers.runtime import device, limit_threads, set_seed
from helpers.training import adam, fit, mean_loss, train_step


class Pictures(Dataset):
    """One PIL image at a time, as torchvision's data sets give them."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return to_tensor(to_pil_image(torch.from_numpy(self.images[index].copy())))


def ordinary_epoch(model, optimizer, images):
    """One epoch by DataLoader and ToTensor."""
    model.train()
    for x in DataLoader(Pictures(images), batch_size=64, shuffle=True):
        train_step(model, x.to(device()), optimizer, F.mse_loss)


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--ordinary", type=int, default=3, help="epochs of the ordinary loop")
    args = parser.parse_args()
    limit_threads()
    digits = load("mnist")
    train, test = digits["train"].images, digits["test"].images

    set_seed(0)
    ours, theirs = ConvAutoencoder().to(device()), ConvAutoencoder().to(device())
    our_adam = adam(ours)
    their_adam = torch.optim.Adam(theirs.parameters(), lr=1e-3, weight_decay=1e-5)
    seconds = {"course": [], "ordinary": []}
    for epoch in range(args.epochs):
        start = time.perf_counter()
        fit(ours, train, epochs=1, optimizer=our_adam, progress=False)
        seconds["course"].append(time.perf_counter() - start)
        if epoch < args.ordinary:
            start = time.perf_counter()
            ordinary_epoch(theirs, their_adam, train)
            seconds["ordinary"].append(time.perf_counter() - start)
        if epoch in (0, args.epochs - 1):
            print(f"epoch {epoch + 1}: test MSE {mean_loss(ours, test):.6f}", flush=True)
    for name, times in seconds.items():
        print(
            f"{name} loop: {sum(times):.0f} s for {len(times)} epochs of {len(train):,} digits, "
            f"{min(times):.1f} to {max(times):.1f} s an epoch"
        )
    print(f"{device().type}, {torch.get_num_threads()} threads, torch {torch.__version__}")


if __name__ == "__main__":
    main()
