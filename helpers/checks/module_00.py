"""Probes of the self-test."""

import torch
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import behaviour, form, shape, value


def probe_two_layers(cls):
    net = cls(3, 5, 2)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    yield shape("Seven rows of three numbers, with outputs=2,", net(torch.rand(7, 3)), (7, 2))
    other = cls(4, 6, 1)(torch.rand(1, 4))
    yield shape("One row of four numbers, with hidden=6 and outputs=1,", other, (1, 1))
    shapes = sorted(tuple(p.shape) for p in net.parameters())
    says = "The parameters should be two weights (5, 3) and (2, 5) and two biases (5,) and (2,); "
    says += f"yours are {', '.join(map(str, shapes)) or 'none'}."
    yield form(shapes == [(2,), (2, 5), (5,), (5, 3)], says, seen=shapes)
    numbers = {
        (5, 3): [[0.1] * 3, [-0.1] * 3, [0.1] * 3, [-0.1] * 3, [0.1] * 3],
        (5,): [0.2] * 5,
        (2, 5): [[-1.0] * 5, [2.0] * 5],
        (2,): [0.5, -0.5],
    }
    for p in net.parameters():
        p.data.copy_(torch.tensor(numbers[tuple(p.shape)]))
    # a tenth of 1 + 2 + 3: hidden .8, -.4, .8, -.4, .8, of which the ReLU leaves 2.4; with a minus
    # .8 + .8 = 1.6. So small, since other activations are like a ReLU on large numbers
    x = torch.tensor([[1.0, 2, 3], [-1, -2, -3]])
    what = "With known weights, the rows (1, 2, 3) and (-1, -2, -3)"
    yield value(what, net(x), [[-1.9, 4.3], [-1.1, 2.7]])
    yield value("The first of these rows alone", net(x[:1]), [[-1.9, 4.3]])
    out = net(x)
    if out.requires_grad:
        out.sum().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    says = f"No gradient reaches {', '.join(silent)}, so it would not learn."
    yield behaviour(not silent, says, seen=len(silent))


def probe_slope(f):
    x = torch.tensor([1.0, -2, 3])
    yield shape("The slope of sum(x²) at a tensor of 3 numbers", f(squares, x), (3,))
    yield value("The slope of sum(x²) at (1, -2, 3)", f(squares, x), [2, -4, 6])
    yield value("The same once more, at the same tensor,", f(squares, x), [2, -4, 6])
    table = torch.tensor([[2.0, 5], [-1, 3]])
    product = f(lambda x: x[0, 0] * x[1, 1], table)
    yield value("The slope of x[0, 0]·x[1, 1] at ((2, 5), (-1, 3))", product, [[3, 0], [0, 2]])
    cubes = f(lambda x: x.pow(3).sum(), x)
    yield value("The slope of sum(x³) at (1, -2, 3)", cubes, [3, 12, 27])
    own = torch.tensor([1.0, -2, 3])
    f.__wrapped__(squares, own)  # the function itself: a watched one is handed a copy
    left = own.requires_grad, own.grad is not None
    says = f"After your function, `x.requires_grad` of the caller is {left[0]} and its `x.grad` is "
    yield behaviour(not any(left), f"{says}{'set' if left[1] else 'None'}.", seen=left)


def squares(x):
    return x.square().sum()


EXERCISES = declared("00", [probe_two_layers, probe_slope])
