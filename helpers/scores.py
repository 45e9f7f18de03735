"""Anomaly scores: one number for each image; a higher score is more anomalous, always."""


def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).square().flatten(start_dim=1).mean(dim=1)
