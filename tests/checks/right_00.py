"""Right answers to the self-test, written as learners write them."""

import torch
from torch import nn


class Sequential(nn.Sequential):
    def __init__(self, inputs, hidden, outputs):
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class WithClamp(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)])

    def forward(self, x):
        a, b = self.layers
        return b(a(x).clamp(min=0))


class ByHand(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.w1, self.b1 = (
            nn.Parameter(torch.randn(hidden, inputs)),
            nn.Parameter(torch.ones(hidden)),
        )
        self.w2, self.b2 = (
            nn.Parameter(torch.randn(outputs, hidden)),
            nn.Parameter(torch.ones(outputs)),
        )

    def forward(self, x):
        return torch.relu(x @ self.w1.T + self.b1) @ self.w2.T + self.b2


def by_grad(f, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(x), x)[0]


def by_func(f, x):
    return torch.func.grad(f)(x)


def by_jacobian(f, x):
    return torch.autograd.functional.jacobian(f, x)


RIGHT = {
    "0.1": [
        {"pixels": 784, "means": 8, "parameters": 7850},
        {"parameters": 785 * 10.0, "pixels": 28 * 28, "means": 8},
        {
            name: torch.tensor(n)
            for name, n in (("pixels", 784), ("means", 8), ("parameters", 7850))
        },
    ],
    "0.2": [Sequential, WithClamp, ByHand],
    "0.3": [by_grad, by_func, by_jacobian],
    "0.4": [
        {"linear": 5, "share": 0.16, "square": 13},
        {"linear": 5.0, "share": 0.1587, "square": 13.0},
        {"square": 9 + 4, "share": torch.tensor(0.155), "linear": 5},
    ],
}
