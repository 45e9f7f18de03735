# %% [markdown] id="title"
# # Self-test · Are you ready for module 1?
#
# The course presumes first steps in PyTorch (tensors, `nn.Module`, a gradient), and a mean, a standard
# deviation and a Gaussian. Four small exercises show whether you have them. They are
# checked as everywhere in the course, so you also see how a check, a hint and a solution look.
#
# <!-- time -->

# %% id="setup" tags=["setup"]
import sys

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import torch
from torch import nn

from helpers.checks import check, hint, progress, solution
from helpers.preload import preload

preload("helpers.checks.module_00", "ipywidgets")  # while you read

# %% [markdown] id="shapes-text"
# ## 1 · Tensors
#
# ### Exercise 0.1
#
# `x` is a batch of 8 grey images of 28×28 pixels, `torch.rand(8, 1, 28, 28)`. Write down, without running
# anything:
#
# - `"pixels"`: the length of axis 1 of `flat = x.flatten(start_dim=1)`;
# - `"means"`: how many numbers `flat.mean(dim=1)` holds;
# - `"parameters"`: how many parameters `nn.Linear(784, 10)` has.
#
# Replace each `...`, run the cell, then run the check below it. **Done** when all three are right.
# Stuck? Write `hint("0.1")` in a new cell.

# %% id="ex-0-1" tags=["exercise"] reference="shapes"
shapes = {
    "pixels": ...,
    "means": ...,
    "parameters": ...,
}

# %% id="check-0-1" tags=["check", "nbval-check-output"]
shapes = check("0.1", shapes)

# %% [markdown] id="shapes-run"
# The next cell runs it: compare.

# %% id="shapes-seen" tags=["nbval-check-output"]
flat = torch.rand(8, 1, 28, 28).flatten(start_dim=1)
layer = nn.Linear(784, 10)
print(flat.shape, flat.mean(dim=1).shape, sum(p.numel() for p in layer.parameters()))

# %% [markdown] id="network-text"
# ## 2 · A network
#
# ### Exercise 0.2
#
# Write a network of two linear layers with a ReLU between them: from `inputs` to `hidden` numbers, and from
# `hidden` to `outputs`. A batch (N, inputs) gives (N, outputs). **Done** when the check passes.


# %% id="ex-0-2" tags=["exercise"] reference="helpers.self_test.TwoLayers"
class TwoLayers(nn.Module):
    """Two linear layers with a ReLU between them. (N, inputs) -> (N, outputs)"""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first = ...
        self.second = ...

    def forward(self, x): ...


# %% id="check-0-2" tags=["check", "nbval-check-output"]
TwoLayers = check("0.2", TwoLayers)

# %% [markdown] id="gradient-text"
# ## 3 · A gradient
#
# ### Exercise 0.3
#
# Write a function that gives the gradient of a single number `f(x)` with respect to the tensor `x`, by
# PyTorch's automatic differentiation. `x` itself stays as it is. **Done** when the check passes.


# %% id="ex-0-3" tags=["exercise"] reference="helpers.self_test.slope"
def slope(f, x):
    """Gradient of the single number f(x) with respect to x. tensor -> tensor of the same shape"""
    ...


# %% id="check-0-3" tags=["check", "nbval-check-output"]
slope = check("0.3", slope)

# %% id="slope-seen" tags=["nbval-check-output"]
print(
    "the slope of sum(x²) at (1, -2, 3):", slope(lambda x: (x**2).sum(), torch.tensor([1.0, -2, 3]))
)

# %% [markdown] id="gaussian-text"
# ## 4 · A Gaussian
#
# ### Exercise 0.4
#
# $X$ follows a Gaussian with mean 2 and standard deviation 3. Write down:
#
# - `"linear"`: $E[2X + 1]$, the mean of $2X + 1$;
# - `"share"`: the share of draws above 5, between 0 and 1 (to within 0.01);
# - `"square"`: $E[X^2]$, the mean of the square.
#
# **Done** when all three are right.

# %% id="ex-0-4" tags=["exercise"] reference="gaussian"
gaussian = {
    "linear": ...,
    "share": ...,
    "square": ...,
}

# %% id="check-0-4" tags=["check", "nbval-check-output"]
gaussian = check("0.4", gaussian)

# %% [markdown] id="gaussian-run"
# A million draws agree, up to chance:

# %% id="gaussian-seen"
x = 2 + 3 * torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
print(f"{(2 * x + 1).mean():.2f}, {(x > 5).float().mean():.3f}, {x.square().mean():.2f}")

# %% [markdown] id="quiz-text"
# ## 5 · Three questions

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("00")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="learn"
# ## What to do now
#
# All passed, with a hint or two: go on to [module 1](01_autoencoder_basics.ipynb). If something was new:
#
# | what was hard | where to learn it | time |
# |---|---|---|
# | tensors and shapes | [Tensors](https://docs.pytorch.org/tutorials/beginner/basics/tensorqs_tutorial.html), PyTorch tutorials | half an hour |
# | a network as a class | [Build the neural network](https://docs.pytorch.org/tutorials/beginner/basics/buildmodel_tutorial.html), the same | half an hour |
# | gradients, training | [Automatic differentiation](https://docs.pytorch.org/tutorials/beginner/basics/autogradqs_tutorial.html) and [Optimization](https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html), the same | an hour |
# | mean, variance, Gaussian | Chapters 1 to 3 of [Seeing Theory](https://seeing-theory.brown.edu/), pictures that move | an hour |
# | probability with code | Chapter 2.6 of [Dive into Deep Learning](https://d2l.ai/chapter_preliminaries/probability.html) | an hour |
# | Python and NumPy | [Python Numpy tutorial](https://cs231n.github.io/python-numpy-tutorial/) of CS231n | two hours |
