"""Wrong answers to the self-test, with the mistake or a part of what the checker should say."""

import torch
from torch import nn

WRONG = {}


def wrong(id, expected=""):
    def listed(answer):
        WRONG.setdefault(id, []).append((answer, expected))
        return answer

    return listed


WRONG["0.1"] = [
    ({"pixels": 8 * 784, "means": 8, "parameters": 7850}, "everything_flat"),
    ({"pixels": 784, "means": 784, "parameters": 7850}, "mean_over_images"),
    ({"pixels": 784, "means": 8, "parameters": 7840}, "no_biases"),
    ({"pixels": 784, "means": (8,), "parameters": 7850}, "one number"),
    ({"pixels": 28, "means": 8, "parameters": 7850}, "too low"),
]
WRONG["0.4"] = [
    ({"linear": 5, "share": 0.16, "square": 9}, "mean_forgotten"),
    ({"linear": 5, "share": 0.16, "square": 4}, "square_of_the_mean"),
    ({"linear": 5, "share": 0.32, "square": 13}, "both_sides"),
    ({"linear": 5, "share": 0.68, "square": 13}, "within"),
    ({"linear": 5, "share": 0.84, "square": 13}, "below"),
    ({"linear": 4, "share": 0.16, "square": 13}, "multiplied_only"),
    ({"linear": 5, "share": 16, "square": 13}, "percent"),
]


@wrong("0.2", "`forward` still to be written")
class OnlyLayersAreWritten(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)

    def forward(self, x): ...


@wrong("0.2", "no_relu")
class Linear(nn.Sequential):
    def __init__(self, inputs, hidden, outputs):
        super().__init__(nn.Linear(inputs, hidden), nn.Linear(hidden, outputs))


@wrong("0.2", "relu_at_the_end")
class Twice(nn.Sequential):
    def __init__(self, inputs, hidden, outputs):
        layers = nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs), nn.ReLU()
        super().__init__(*layers)


@wrong("0.2", "inherit from `nn.Module`")
class NoModule:
    def __init__(self, inputs, hidden, outputs):
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


@wrong("0.2", "two biases (5,) and (2,)")
class NoBias(nn.Sequential):
    def __init__(self, inputs, hidden, outputs):
        first, second = nn.Linear(inputs, hidden, bias=False), nn.Linear(hidden, outputs)
        super().__init__(first, nn.ReLU(), second)


@wrong("0.3", "value_returned")
def the_value(f, x):
    return f(x)


@wrong("0.3", "downhill")
def against(f, x):
    x = x.clone().requires_grad_()
    return -torch.autograd.grad(f(x), x)[0]


@wrong("0.3", "caller_changed")
def caller_requires_a_gradient(f, x):
    x.requires_grad = True
    f(x).backward()
    return x.grad


@wrong("0.3", "`x.requires_grad` of the caller is False and its `x.grad` is set")
def gradient_left_behind(f, x):
    x.requires_grad_()
    f(x).backward()
    x.requires_grad_(False)
    return x.grad


@wrong("0.3", "It stopped with RuntimeError")
def nothing_recorded(f, x):
    f(x).backward()
    return x.grad


@wrong("0.3", "slope of sum(x²)")
def too_coarse(f, x):
    eye = torch.eye(x.numel()).reshape(-1, *x.shape)
    return torch.stack([f(x + e) - f(x) for e in eye]).reshape(x.shape)


class _Two(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)


@wrong("0.2", "With known weights")
class WithGelu(_Two):
    def forward(self, x):
        return self.second(nn.functional.gelu(self.first(x)))


@wrong("0.2", "The first of these rows alone")
class CentredOverTheBatch(_Two):
    def forward(self, x):
        return self.second(torch.relu(self.first(x - x.mean(dim=0))))


@wrong("0.2", "No gradient reaches first.weight, first.bias")
class HalfFrozen(_Two):
    def forward(self, x):
        with torch.no_grad():
            h = torch.relu(self.first(x))
        return self.second(h)


@wrong("0.3", "The slope of sum(x³)")
def central_difference(f, x):
    slope = torch.zeros_like(x)
    for i in torch.cartesian_prod(*map(torch.arange, x.shape)).view(-1, x.ndim).tolist():
        e = torch.zeros_like(x)
        e[tuple(i)] = 0.5
        slope[tuple(i)] = f(x + e) - f(x - e)
    return slope


@wrong("0.2", "No gradient reaches first.weight, first.bias, second.weight, second.bias")
class Detached(_Two):
    def forward(self, x):
        return self.second(torch.relu(self.first(x))).detach()
