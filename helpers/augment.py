"""Random changes of training images that leave their class as it is. Float batches in and out."""

import torch
import torch.nn.functional as F


def flip(x):
    """Each image mirrored left to right with probability one half. (N, C, H, W) -> the same"""
    mirrored = torch.rand(len(x), 1, 1, 1) < 0.5  # drawn on the CPU: alike on all devices
    return torch.where(mirrored.to(x.device), x.flip(3), x)


def flip_and_shift(x, pixels=4):
    """Mirror half of the images, and shift each by up to `pixels` either way.

    (N, C, H, W) -> the same; the margins repeat the image mirrored
    """
    n, _, height, width = x.shape
    padded = F.pad(x, [pixels] * 4, mode="reflect")
    down, right = torch.randint(2 * pixels + 1, (2, n, 1), device=x.device)
    rows = down + torch.arange(height, device=x.device)
    columns = right + torch.arange(width, device=x.device)
    columns = torch.where(torch.rand(n, 1, device=x.device) < 0.5, columns.flip(1), columns)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None]].permute(
        0, 3, 1, 2
    )


def cut_out(x, side=8, grey=0.5):
    """Put a grey square into each image, its middle anywhere. (N, C, H, W) -> the same

    DeVries and Taylor, arXiv 1708.04552.
    """
    n, _, height, width = x.shape
    row, column = (torch.randint(size, (n, 1), device=x.device) for size in (height, width))
    down = torch.arange(height, device=x.device) - row + side // 2
    right = torch.arange(width, device=x.device) - column + side // 2
    rows, columns = ((place >= 0) & (place < side) for place in (down, right))
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], grey)
