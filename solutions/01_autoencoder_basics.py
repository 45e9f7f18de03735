# %% [markdown] id="title"
# # Module 1 · Autoencoder basics
#
# A factory camera sees thousands of good parts and few broken ones, too few to train a classifier for
# "broken". **Anomaly detection** learns what is normal and reports what deviates from it.
#
# An **autoencoder** is a neural network that compresses an image to a few numbers and rebuilds the image
# from them. Trained on normal images only, it rebuilds these well, and other images often badly. You turn this
# error into a detector.
#
# **Afterwards you can**
# - build and train a convolutional autoencoder;
# - give each image an anomaly score, and choose a threshold whose false-alarm rate you know;
# - measure a detector, and compare it with simple alternatives.
#
# **You need** first steps in PyTorch (tensors, `nn.Module`, gradients), mean and standard deviation
# ([self-test](00_self_test.ipynb)).
#
# <!-- time --> Sections 8 to 10 and 12 are optional.
#
# *How it works:* in an exercise you replace a `...` by your own code, and the cell below it checks it.
# If you leave an exercise out, the notebook continues with our solution. `hint("1.2")` gives a hint, with each
# call a clearer one. `solution("1.2")` shows our solution.

# %% id="setup" tags=["setup"]
import sys

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.checks import check, hint, progress, solution
from helpers.datasets import load
from helpers.preload import preload
from helpers.runtime import choose, device, preflight, set_seed, training_length
from helpers.training import adam, apply, as_input, batches, fit, mean_loss

preload("torch._dynamo")  # what the first training waits for

# %% id="preflight" tags=["nbval-ignore-output"]
preflight("01")
preload("seaborn", "helpers.checks.module_01")  # while you read

# %% [markdown] id="data-text"
# ## 1 · Compress and rebuild
#
# Our normal images are handwritten digits of 28×28 pixels, in three parts that share no image. **Training** images
# are for the network, **test** images for the numbers that we report. The third part has its own role:
#
# > **calibration set.** Normal images that the network was not trained on. We use them to watch the training
# > and to choose a threshold.
#
# The **quick profile** uses a part of the data and trains briefly. Where the real data are missing, the course
# makes a small **offline sample**. The folded answers of the exercise notebook show a run on the real data, those of
# the solved one its own run.

# %% id="data"
digits = load("mnist")
available = min(len(digits["train"]), choose(quick=14_400, full=60_000))
train, calibration = digits["train"].draw(available - available // 6, available // 6, seed=0)
test = digits["test"]
print(f"train {len(train):,}, calibration {len(calibration):,}, test {len(test):,}")

# %% id="data-figure"
from helpers import plotting

plotting.use_course_style()
plotting.show(
    plotting.image_rows({"train": train.images[:12]}),
    "Twelve training images, white on black.",
    alt="A row of twelve handwritten digits, white strokes on black, in many styles.",
)

# %% [markdown] id="pca-text"
# The network has two halves. The **encoder** turns the image $x$ into a short list of numbers $z$. The
# **decoder** turns $z$ back into an image $\hat x$, the *reconstruction*. Below is the network that you will build;
# section 2 explains its layers.
#
# > **code.** The numbers $z$ that an encoder makes of an image.
#
# > **latent space.** The space of all codes. With 20 numbers it has 20 dimensions.
#
# > **bottleneck.** The narrowest place of the network, here the code. All that the decoder learns about the
# > image has to pass through it.

# %% id="first-diagram"
from helpers import models

plotting.show(
    plotting.network_diagram(models.ConvAutoencoder(latent_dim=20), (1, 28, 28)),
    "The encoder (blue) leads from 784 pixels to a code of 20 numbers (olive), the decoder (green) back.",
    alt="Boxes for the layers: from 1×28×28 over 16×14×14, 32×7×7 and 64 to 20 numbers, and back.",
)

# %% [markdown] id="objective-text"
# Nobody tells the network which 20 numbers to use. Training changes the weights of encoder and decoder until
# the sum of $(x - \hat x)^2$ over all pixels is small, on average over the training images.

# %% [markdown] id="linear-text" tags=["optional"]
# ### What a linear autoencoder finds
#
# Suppose that encoder and decoder are linear maps (matrices). Then the best solution has been known for a
# long time: it projects the images onto the subspace that **principal component analysis** (PCA) finds,
# which is the subspace with the largest variance (Baldi and Hornik, 1989). Let us train a linear autoencoder
# and see whether gradient descent finds the same subspace. It is not told about PCA.

# %% id="linear-train"
from helpers.models import LinearAutoencoder

set_seed(0)
linear = LinearAutoencoder(latent_dim=4)
steps = training_length(quick=2000, full=6000)
linear_epochs = max(1, round(steps * 64 / len(train)))
optimizer = adam(linear, lr=1e-2, weight_decay=0)
history = fit(linear, train.images, epochs=linear_epochs, optimizer=optimizer)

# %% [markdown] id="angles-text"
# Two subspaces are compared by their **principal angles**. All angles are zero if the subspaces are equal. An
# angle of 90° means that a direction of one subspace is perpendicular to the other. For comparison we
# also measure a random subspace. Do the two agree?

# %% id="angles"
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

pca = PCA(n_components=4).fit(train.images.reshape(len(train), -1) / np.float32(255))
learned = linear.decoder[0].weight.detach().cpu().numpy()  # (784, 4): its columns span the subspace
random = np.random.default_rng(0).normal(size=learned.shape)
for name, columns in {"linear autoencoder": learned, "random subspace": random}.items():
    angles = np.rad2deg(subspace_angles(pca.components_.T, columns))
    print(f"{name:18} principal angles to PCA in degrees: {np.round(angles[::-1], 1)}")
following = PCA(n_components=5).fit(train.images.reshape(len(train), -1) / np.float32(255))
gap = following.explained_variance_[4] / following.explained_variance_[3]
print(f"variance of the fifth component: {gap:.0%} of that of the fourth")

# %% id="linear-errors"
some = test.images
flat = some.reshape(len(some), -1) / np.float32(255)
pca_mse = np.mean((pca.inverse_transform(pca.transform(flat)) - flat) ** 2)
linear_mse = mean_loss(linear, some)
print(f"test error with 4 numbers: PCA {pca_mse:.4f}, linear autoencoder {linear_mse:.4f}")

# %% id="claim-linear" tags=["claim"]
from helpers.claims import claim

to_pca, to_random = (
    np.rad2deg(subspace_angles(pca.components_.T, columns)) for columns in (learned, random)
)
claim("three of the linear autoencoder's angles are a few degrees", np.sort(to_pca)[2] < 15)
claim("the fourth only where the variances are near", to_pca.max() < 15 or gap > 0.8)
claim("those of a random subspace are nearly 90 degrees", to_random.min() > 60)
claim("PCA's error is the smaller one, by little", pca_mse <= linear_mse < 1.05 * pca_mse)

# %% id="seen-linear" tags=["seen"]
from helpers.claims import seen

_angles = {
    _name: np.rad2deg(subspace_angles(pca.components_.T, _columns))
    for _name, _columns in {"learned": learned, "random": random}.items()
}
seen(
    f"The angles between PCA and the linear autoencoder go from {_angles['learned'].min():.0f}° to "
    f"{_angles['learned'].max():.0f}°, those to a random subspace from {_angles['random'].min():.0f}° to "
    f"{_angles['random'].max():.0f}°. The test error of the autoencoder is "
    f"{linear_mse / pca_mse - 1:.1%} larger than that of PCA. "
    + (
        "So gradient descent has found nearly the same subspace. "
        if _angles["learned"].max() < 15
        else "So gradient descent has found a subspace that is nearly as good, and the same but for one direction. "
    )
    + f"The fourth angle can be large without harm: the fifth component has {gap:.0%} of the variance of the fourth, "
    "so one is nearly as good as the other."
)

# %% [markdown] id="linear-lesson" held_by="claim-linear"
# The linear autoencoder finds PCA's subspace, or one that is as good, in small steps and without knowing of it. A smaller training error
# than PCA's, with as many numbers, can come only from **non-linear** layers. **Convolutions** are linear, too: they
# help by using the same few weights everywhere in the image. A convolutional autoencoder that does not beat PCA is not
# worth its training. Section 10 tests a network like ours.

# %% [markdown] id="conv-text"
# ## 2 · The arithmetic of convolutions
#
# A convolution moves a small window of weights, the **kernel**, over the image. At each place it multiplies each
# weight by the pixel under it and adds up, over all input channels. The numbers of one kernel are a **channel** of
# the output. A grey image has one channel.
#
# > **padding.** Rows and columns of zeros that are added on each side of the image, so that the kernel can
# > also stand at the edge.
#
# > **stride.** The step in pixels from one place of the kernel to the next. With the padding of the figure,
# > stride 2 halves the side, rounded up.

# %% id="conv-figure"
plotting.show(
    plotting.convolution_picture(7, kernel_size=3, stride=2, padding=1),
    "A 7×7 input with a padding of one pixel (dotted). Each place of the kernel gives one output pixel.",
    alt="Four panels, each with a 7×7 grid inside a dotted frame and a 4×4 grid below. A 3×3 square moves "
    "over the upper grid in steps of two pixels, and one pixel of the lower grid is marked each time.",
)

# %% [markdown] id="network-text"
# In our encoder two convolutions of stride 2 lead from 28×28 pixels to 14×14 and then to 7×7. Two linear layers
# lead from there to the code. The decoder goes the other way:
#
# > **transposed convolution.** A layer that makes the image larger, as a convolution of stride 2 makes it
# > smaller. Each input pixel adds a weighted copy of the kernel to the output.

# %% [markdown] id="ex-1-2-text"
# ### Exercise 1.2
#
# (Exercise numbers are names, not an order.) The encoder is given below. Write the decoder, also an `nn.Sequential`:
#
# | layers of the decoder | output |
# |---|---|
# | `Linear` latent_dim→64 | 64 |
# | `Linear` 64→1568, ReLU, `Unflatten` | 32×7×7 |
# | `ConvTranspose2d` 32→16 channels, ReLU | 16×14×14 |
# | `ConvTranspose2d` 16→1 channel, `Sigmoid` | 1×28×28 |
#
# No ReLU stands between the linear layers: this is intended. Both transposed convolutions have kernel size 3,
# stride 2, padding 1, and `output_padding=1`, which adds one row and one column: 14 in place of 13.
# `nn.Unflatten(1, (32, 7, 7))` gives 1568 numbers the shape 32×7×7. `nn.Sigmoid()` maps each number into the
# range from 0 to 1. **Done** when shapes, range, number of parameters and the places of the ReLUs are right.


# %% id="ex-1-2" tags=["exercise"] reference="helpers.models.ConvAutoencoder"
class ConvAutoencoder(nn.Module):
    """28×28 images to `latent_dim` numbers and back. (N, 1, 28, 28) -> (N, 1, 28, 28) in [0, 1]"""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1),  # 16×14×14
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),  # 32×7×7
            nn.ReLU(),
            nn.Flatten(),  # 1568
            nn.Linear(32 * 7 * 7, 64),
            nn.Linear(64, latent_dim),
        )
        self.decoder = ...  # the table

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% id="check-1-2" tags=["check", "nbval-check-output"]
ConvAutoencoder = check("1.2", ConvAutoencoder)

# %% [markdown] id="sizes-text" tags=["optional"]
# ### How large is the output?
#
# The stride and the padding decide how large the output of a convolution is. Set size 8, kernel 3, stride 2,
# padding 1 below. You should get 4; in the same way 28 becomes 14. What gives 7?

# %% id="explore-convolution"
from helpers import explorables

explorables.convolution()

# %% [markdown] id="transposed-text"
# A transposed convolution has $(n-1)s - 2p + k$ output pixels for input size $n$, stride $s$, padding $p$ and
# kernel size $k$. Here padding cuts off $p$ rows and columns on each side (dotted). `output_padding` adds one row
# and one column.

# %% id="transposed-figure"
plotting.show(
    plotting.transposed_picture(3, kernel_size=3, stride=2, padding=1, output_padding=1),
    "A side of 3 becomes 6: the formula gives 5, and output_padding adds one (olive).",
    alt="Four panels, each with a 3×3 grid above and a larger grid below. One pixel above is marked, and "
    "a 3×3 square below. The square moves by two pixels when the input pixel moves by one. One row and "
    "one column at the edge are olive.",
)

# %% [markdown] id="linear-layers-text"
# A convolution whose kernel is as large as its input, here 7×7, leads to a single pixel. It does the same as a
# linear layer, so our network uses `nn.Linear` there.

# %% id="network-numbers" tags=["nbval-check-output"]
weights = sum(p.numel() for p in ConvAutoencoder(latent_dim=20).parameters())
print(f"{weights:,} parameters; {28 * 28} pixels squeezed into 20 numbers, 1 : {28 * 28 / 20:.0f}")

# %% [markdown] id="ex-1-1-text" tags=["optional"]
# ### Exercise 1.1
#
# Write `conv_output_size`. It takes four integers in pixels (the size of the input, kernel size, stride, and
# the padding on *each* side) and returns one integer, the length of the output. **Done** when the
# result is also right for a stride that does not divide the length.


# %% id="ex-1-1" tags=["exercise"] reference="helpers.models.conv_output_size"
def conv_output_size(size, kernel_size, stride=1, padding=0):
    """Length of a side after a convolution, in pixels. Four integers -> int"""
    ...  # at how many places can the kernel stand?


# %% id="check-1-1" tags=["check", "nbval-check-output"]
conv_output_size = check("1.1", conv_output_size)

# %% id="conv-sizes" tags=["nbval-check-output"]
after_one = conv_output_size(28, kernel_size=3, stride=2, padding=1)
after_two = conv_output_size(after_one, kernel_size=3, stride=2, padding=1)
after_three = conv_output_size(after_two, kernel_size=7)
print(f"28 -> {after_one} -> {after_two} -> {after_three}")

# %% [markdown] id="loop-text"
# ## 3 · The training loop
#
# Training repeats one step: clear the old gradients, reconstruct a batch, measure the error, compute
# the gradients, and change the weights a little. The loss is the mean squared error (MSE), which is the sum of
# section 1 divided by the number of pixels. The optimizer is Adam, a form of gradient descent.
#
# ### Exercise 1.3
#
# Write this step. `x_hat` is the output of the model, and `loss_fn(x_hat, x)` gives a scalar tensor; return its
# value as a Python `float`. The optimizer has `zero_grad()` and `step()`. The loop sets the mode; do not call
# `model.eval()` here. **Done** when two steps in a row are right, with any loss function.


# %% id="ex-1-3" tags=["exercise"] reference="helpers.training.train_step"
def train_step(model, x, optimizer, loss_fn):
    """One update of the model on the batch x. Returns the loss before the update, as a float."""
    ...  # what should an autoencoder's output look like?


# %% id="check-1-3" tags=["check", "nbval-check-output"]
train_step = check("1.3", train_step)

# %% [markdown] id="loop-plan"
# Now the whole loop. An **epoch** is one pass over all training images. `batches` gives one batch after another,
# `mean_loss` the loss over a whole set. `lr` is the size of a step; `weight_decay` pulls each weight a
# little towards zero.
#
# > **eval mode.** `model.eval()` tells layers that work differently in training that the model
# > is being used. `model.train()` is the opposite.

# %% id="loop-setup"
set_seed(1)
ae = ConvAutoencoder(latent_dim=20).to(device())
optimizer = torch.optim.Adam(ae.parameters(), lr=1e-3, weight_decay=1e-5, fused=True)
batch_size = 64
epochs = max(1, round(training_length(quick=1900, full=15_600) * batch_size / len(train)))
print(f"{epochs} epochs of {-(-len(train) // batch_size)} steps")

# %% id="loop"
history, curve = [], plotting.LiveCurve("epoch", "mean squared error")
watched = np.stack([test.of_class(name).images[0] for name in test.classes[:9]])
stages = [apply(ae, watched)]  # nine digits, rebuilt before the training and after each epoch
for _ in tqdm(range(epochs), file=sys.stdout, ncols=80, unit="epoch"):
    ae.train()
    losses = [
        train_step(ae, x, optimizer, F.mse_loss)
        for x in batches(train.images, batch_size, shuffle=True)
    ]
    ae.eval()
    history.append({"train": np.mean(losses), "validation": mean_loss(ae, calibration.images)})
    stages.append(apply(ae, watched))
    curve.update(history)

# %% id="claim-loop" tags=["claim"]
from helpers.claims import claim

claim("the training loss falls", history[-1]["train"] < history[0]["train"])
claim("the loss on calibration images falls", history[-1]["validation"] < history[0]["validation"])
claim("at first train is higher", history[0]["train"] > history[0]["validation"])

# %% [markdown] id="loop-lesson" held_by="claim-loop"
# *validation* is the loss on the calibration images. At first, *train* is higher: it is the mean over the epoch,
# while the network still improves. If the validation loss rises again, the network is learning its training
# images by heart.

# %% [markdown] id="loop-question" tags=["optional"]
# ### Did the network learn its images by heart?
#
# If the training loss keeps falling while the validation loss rises, the network learns its training images by
# heart. Did that happen here? Compare the errors of images that the network was trained on with errors of new
# images.


# %% id="train-histogram"
from scipy.stats import skew


def image_errors(images):
    """Mean squared error of each image under the trained network. -> array (N,)"""
    return apply(lambda x: (ae(x) - x).square().mean(dim=(1, 2, 3)), images).numpy()


seen_errors = image_errors(train.images[: len(calibration)])
unseen = image_errors(calibration.images)
longer = "left" if skew(np.log(np.concatenate([seen_errors, unseen]))) < 0 else "right"
plotting.show(
    plotting.score_histogram(
        {"training digits": seen_errors, "calibration digits": unseen},
        {},
        colours=(plotting.NORMAL, plotting.SECOND),
    ),
    f"Mean error {seen_errors.mean():.5f} on training digits, {unseen.mean():.5f} on calibration "
    f"digits: {unseen.mean() / seen_errors.mean() - 1:+.0%}.",
    alt="Two histograms of the error of each image, one for training and one for calibration digits, each with a "
    f"peak. On a logarithmic axis the longer tail of both together runs to the {longer}; the largest error is "
    f"{max(seen_errors.max(), unseen.max()):.3f}.",
)

# %% id="seen-histogram" tags=["seen"]
from helpers.claims import seen

_ratio = unseen.mean() / seen_errors.mean()
_flagged = np.mean(unseen > np.quantile(seen_errors, 0.95))
seen(
    f"The mean error of new digits is {_ratio:.2f} times that of training digits. "
    + (
        "So the network has learned at most a little of its training images by heart."
        if _ratio < 1.15
        else "The network has begun to learn its training images by heart: more images would help."
    )
    + (
        f" A threshold that 5 % of these training digits exceed flags {_flagged:.1%} of the new ones, so a threshold "
        "should come from digits that the network has not seen."
        if _flagged > 0.05
        else ""
    )
)

# %% [markdown] id="loader-text" tags=["optional"]
# ### The same with a Dataset and a DataLoader
#
# `batches` cuts batches out of an array in memory. For images in files one writes a `Dataset`, a class that
# says how many images there are and how to get one of them. A *transform* turns a stored image into what the
# network expects. A `DataLoader` chooses the order and builds the batches. If you change the two methods
# below, they read your own folder of images. (`torchvision.datasets.ImageFolder` is such a class for folders
# with one subfolder for each class.)

# %% id="loader"
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Digits(Dataset):
    """The training digits, one at a time."""

    to_float = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    )  # [0, 255] to [0, 1]

    def __len__(self):
        return len(train)

    def __getitem__(self, i):
        return self.to_float(train.images[i].transpose(1, 2, 0))  # a file has its channels last


loader = DataLoader(Digits(), batch_size=batch_size, shuffle=True)
x = next(iter(loader))
print(f"a batch of the loader: {tuple(x.shape)}, {x.dtype}, from {x.min():.0f} to {x.max():.0f}")

# %% id="loader-time"
import time
from itertools import islice

for name, stream in {
    "batches": batches(train.images, batch_size, shuffle=True),
    "DataLoader": loader,
}.items():
    start = time.perf_counter()
    for _ in islice(stream, 50):
        pass
    print(f"{name:10} {(time.perf_counter() - start) / 50 * 1e6:6.0f} µs a batch")

# %% [markdown] id="loader-lesson"
# The loader fetches and converts its images one by one. Files need that; images that are already in memory do
# not. Therefore this course continues with `batches`.

# %% [markdown] id="snapshots-text" tags=["optional"]
# ### What did the network learn first?
#
# During the training we kept how the network rebuilds nine digits: before it, and after each epoch. Which
# features appear first?

# %% id="snapshots"
early = [*range(max(2, epochs // 4 + 1)), epochs]
plotting.show(
    plotting.image_rows({"digit": watched} | {f"epoch {i}": stages[i] for i in early}),
    "Before training: flat grey. Then blurred shapes, later each digit's own strokes.",
    alt="Rows of nine digits. The first row shows the digits, the next grey squares; the rows below "
    "become more and more like the first.",
)

# %% [markdown] id="error-text"
# ## 4 · The error of one image
#
# The loss is a mean over a batch. A detector needs one error for each image: the
# mean of the squared differences over its channels and pixels. If three pixels differ by 0, 0.1 and 0.2, it is
# (0 + 0.01 + 0.04) / 3.
#
# $$\text{score}(x) = \frac{1}{CHW}\sum_{c,h,w}(\hat x_{chw} - x_{chw})^2$$
#
# ### Exercise 1.4
#
# Write `reconstruction_error`. It takes images and reconstructions, both tensors (N, C, H, W): N images of C
# channels, H rows and W columns. It returns a tensor of errors (N,). **Done** when the result is also right for
# N = 1, for C = 3, when the input is float64 (the result is then float64), and when gradients must flow through
# the result.


# %% id="ex-1-4" tags=["exercise"] reference="helpers.scores.reconstruction_error"
def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    ...  # over which dimensions does the formula sum?


# %% id="check-1-4" tags=["check", "nbval-check-output"]
reconstruction_error = check("1.4", reconstruction_error)


# %% id="score-function"
def score(images):
    """Error of each image under the trained autoencoder. uint8 (N, 1, 28, 28) -> array (N,)"""
    # `apply` makes tensors of the images and goes through them in batches
    return apply(lambda x: reconstruction_error(x, ae(x)), images).numpy()


test_errors = score(test.images)
calibration_errors = score(calibration.images)
print(f"mean error: calibration {calibration_errors.mean():.5f}, test {test_errors.mean():.5f}")

# %% [markdown] id="residual-text"
# ### Which digits are hard to rebuild?
#
# Which digits does the network rebuild worst, and where in the image? The **residual** $\hat x - x$ answers
# this. Blue: the reconstruction has too little ink there. Orange: it has too much. What do the worst
# eight have in common? (The **median** below is the middle one of the sorted errors.)

# %% id="residuals" tags=["cover"]
worst = np.argsort(test_errors)[-8:]
plotting.show(
    plotting.residual_rows(test.images[worst], apply(ae, test.images[worst])),
    "The eight test digits with the largest error, their reconstructions, and the residuals.",
    alt="Three rows of eight: digits with unusual or thick strokes, smoother reconstructions of them, and "
    "residuals that are blue and orange along the strokes.",
)

# %% id="seen-residuals" tags=["seen"]
from helpers.claims import seen

_ink, _all = test.images[worst].mean() / 255, test.images.mean() / 255
seen(
    f"Their errors go from {test_errors[worst].min():.3f} to {test_errors[worst].max():.3f}; the median of "
    f"all test digits is {np.median(test_errors):.4f}. On average they have {_ink / _all:.1f} times as "
    "much ink as all test digits. The reconstructions replace unusual strokes by common ones: the decoder can "
    "only draw what it has learned."
)

# %% [markdown] id="per-digit-text" tags=["optional"]
# ### Digit by digit
#
# Are all digits equally hard to rebuild?

# %% id="per-digit"
import pandas as pd

per_digit = pd.DataFrame({"digit": np.array(test.classes)[test.labels], "error": test_errors})
per_digit = per_digit.rename(columns={"error": "error (MSE)"})
order = per_digit.groupby("digit")["error (MSE)"].median().sort_values()
plotting.show(
    plotting.boxes(per_digit, "digit", "error (MSE)", order=order.index, log=True),
    f"Error by digit: lowest for {order.index[0]}, highest for {order.index[-1]}, whose median is "
    f"{order.iloc[-1] / order.iloc[0]:.1f} times as large.",
    alt=f"Box plots of the error on a logarithmic axis, one for each digit, sorted: {', '.join(order.index)}. "
    "The boxes overlap with their neighbours and rise from left to right.",
)

# %% id="claim-digits" tags=["claim"]
from helpers.claims import claim

claim("the errors of digits differ by class", order.iloc[-1] > 1.5 * order.iloc[0])

# %% [markdown] id="per-digit-lesson" held_by="claim-digits"
# All these digits are *normal*, and yet their errors differ by class. Some shapes are easier to draw than
# others. So the score mixes two things: how unusual an image is, and how hard it is to draw. This comes back
# in every module.

# %% [markdown] id="threshold-rule-text"
# ## 5 · From error to decision
#
# A detector flags an image when its score is above a threshold. A flagged normal image is a false alarm.
#
# > **false-positive rate.** The share of normal images that are flagged. Also called false-alarm rate.

# %% [markdown] id="trap-text" tags=["optional"]
# ### The batch-mean trap
#
# Which threshold? A popular rule takes the mean of the scores plus $k$ standard deviations.
# A blog tutorial of 2021 on MNIST applied it to the losses of test *batches* of 64 digits each,
# with $k = 1$. It printed a threshold of 0.008046 and tested it on one digit. We count all digits.
# Your number will differ, because the network is another (and without the real data the digits are, too).

# %% [markdown] id="trap-guess-text" tags=["optional"]
# ### Exercise 1.12
#
# Predict first. Suppose that the error of a single image has the standard deviation 1, and that errors are
# independent and follow a Gaussian distribution. Threshold = mean + 1 × (standard deviation of the *batch means*).
#
# - `"spread"`: what is the standard deviation of the mean of 64 errors?
# - `"flagged"`: what share of normal images lies above the threshold, between 0 and 1 (to within 0.03)?
#
# The mean of n independent numbers has a standard deviation √n times smaller than one number. `norm.sf(z)`
# is the share of a Gaussian that lies more than $z$ standard deviations above its mean. **Done** when both numbers are right.

# %% id="ex-1-12" tags=["exercise"] reference="trap_guess"
from scipy.stats import norm

trap_guess = {
    "spread": ...,
    "flagged": ...,
}

# %% id="check-1-12" tags=["check", "nbval-check-output"]
trap_guess = check("1.12", trap_guess)

# %% id="trap"
from helpers.thresholds import mean_std_threshold

shuffled = np.random.default_rng(0).permutation(test_errors)
batch_means = np.array([part.mean() for part in np.array_split(shuffled, len(test) // 64)])
trap = mean_std_threshold(batch_means)
flagged = test_errors > trap
print(f"standard deviation: batch means {batch_means.std():.5f}, images {test_errors.std():.5f}")
print(f"threshold of the batch-mean rule: {trap:.6f}")
print(f"the batch-mean rule flags {flagged.mean():.1%} of the normal test digits")

# %% id="claim-trap" tags=["claim"]
from helpers.claims import claim

claim("the batch-mean rule flags many normal digits", flagged.mean() > 0.2)
claim("batch means spread several times less", test_errors.std() > 4 * batch_means.std())
claim("fewer are flagged than of a Gaussian", flagged.mean() < 0.45)
claim("fewer than half lie above the mean", (test_errors > test_errors.mean()).mean() < 0.5)

# %% [markdown] id="trap-lesson" held_by="claim-trap"
# This is the batch-mean trap. Batch means have a standard deviation about $\sqrt{64} = 8$ times smaller than single
# errors (with few batches this ratio is uncertain). So the threshold is very close to the mean, and nearly
# everything above the mean is flagged. For a Gaussian, 45 % would be above the threshold. Here it is fewer: a few
# large errors pull the mean up, so fewer than half of the images lie above the mean. Also, the same images
# calibrated and tested the rule.

# %% id="quiz-batch" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01", "batch-means")

# %% [markdown] id="std-exercise-text" tags=["optional"]
# ### Exercise 1.5
#
# It is better to use the errors of single calibration images. Which false-positive rate does the rule then give?
# Write it for any $k$. It takes scores (n,), an array or a list, and returns the threshold as a float. Compute the
# standard deviation of *these* scores, dividing by n. **Done** when lists work, too.


# %% id="ex-1-5" tags=["exercise"] reference="helpers.thresholds.mean_std_threshold"
def mean_std_threshold(scores, k=1.0):
    """Mean of the scores plus k standard deviations. (n,) -> float"""
    ...  # NumPy and torch do not divide by the same number


# %% id="check-1-5" tags=["check", "nbval-check-output"]
mean_std_threshold = check("1.5", mean_std_threshold)

# %% id="trap-histogram"
from scipy.stats import skew

longer = "left" if skew(np.log(test_errors)) < 0 else "right"
plotting.show(
    plotting.score_histogram(
        {"normal test digits": test_errors},
        {"mean": test_errors.mean(), "median": np.median(test_errors), "batch-mean rule": trap},
    ),
    f"{flagged.mean():.0%} of the single digits have an error above the threshold of the rule.",
    alt=f"A histogram of errors with a peak and, on a logarithmic axis, a longer tail to the {longer}. Mean, median "
    "and the threshold of the rule are vertical lines close together in its middle.",
)

# %% id="std-rule"
for k in (1, 2, 3):
    gaussian = 0.5 * torch.erfc(torch.tensor(k / 2**0.5)).item()
    rate = (test_errors > mean_std_threshold(calibration_errors, k)).mean()
    print(f"mean + {k}·std flags {rate:.2%} of the normal test digits (Gaussian: {gaussian:.2%})")

# %% id="seen-std" tags=["seen"]
_rates = [(test_errors > mean_std_threshold(calibration_errors, _k)).mean() for _k in (1, 2, 3)]
_more = _rates[2] > 0.00135
seen(
    f"With k = 3 the rule flags {_rates[2]:.2%} of the normal digits; a Gaussian would give 0.13 %. "
    + (
        "The errors are not Gaussian: on a linear axis a few large errors form a long tail to the right (a "
        "logarithmic axis hides it). "
        if skew(test_errors) > 0.5
        else "On a linear axis these errors have no long tail to the right. "
    )
    + f"Very large errors are {'more' if _more else 'not more'} common here than in a Gaussian. With k = 1 the rule flags "
    f"{_rates[0]:.1%}, where a Gaussian would give 15.9 %. The rule cannot say beforehand how many false alarms it "
    "will cause."
)

# %% [markdown] id="conformal-text" no_result="the rule, with an example on paper"
# ### A threshold with a guaranteed rate
#
# We want to know the false-positive rate beforehand. Take 19 calibration scores and the score of
# a new normal image. Each of these 20 scores is the highest with the same chance, 1 in 20, whatever the
# distribution is. This needs one assumption:
#
# > **exchangeable.** The order of the images tells nothing: every order is equally likely. This holds for images
# > drawn independently from one source. It does not hold if the new images come from another scanner.
#
# > **conformal p-value.** Put the new score among the $n$ calibration scores and count its place from the top
# > (1 = highest). Divide by $n + 1$. A small value means that few normal images score as high.
#
# The highest of 20 scores has $p = 1/20 = 0.05$. So $p \le 0.05$ has a chance of 5 %.
#
# With calibration scores .1, .2, .3, .4 and the new score .25, two are at least as high, so
# $p = (1 + 2) / (4 + 1) = 0.6$. For $n$ calibration scores $s_1, \dots, s_n$ and a new score $s$, where
# $\#\{\dots\}$ means "how many":
#
# $$p(s) = \frac{1 + \#\{i : s_i \ge s\}}{n + 1}$$
#
# Choose $\alpha$, the false-positive rate that you accept, and flag images with $p \le \alpha$. With one
# calibration set the rate can be above $\alpha$; the average over many sets is at most $\alpha$.
#
# ### Exercise 1.6
#
# Write `conformal_p_values`. It takes n calibration scores and m new scores, both NumPy arrays, and returns an array
# of m p-values. A loop over the new scores is fine: collect the p-values in a list, and return `np.array` of it.
# **Done** when equal scores (ties), unsorted calibration scores and an empty calibration set ($p = 1$) are handled
# as the formula says.


# %% id="ex-1-6" tags=["exercise"] reference="helpers.thresholds.conformal_p_values"
def conformal_p_values(calibration_scores, scores):
    """Conformal p-value of each new score. (n,), (m,) -> (m,)"""
    ...  # how many calibration scores are at least as high as one new score?


# %% id="check-1-6" tags=["check", "nbval-check-output"]
conformal_p_values = check("1.6", conformal_p_values)

# %% [markdown] id="promise-text"
# Now $\alpha$ is 5 %. `conformal_threshold` gives the score above which $p \le \alpha$. `false_alarm_interval`
# computes an interval. If both sets come from one source, the rate lies inside it in 95 of 100 cases. Does the
# rate on the test digits lie inside?

# %% id="promise"
from helpers.thresholds import conformal_threshold, false_alarm_interval

n, m = len(calibration_errors), len(test_errors)
threshold = conformal_threshold(calibration_errors, 0.05)
rate = (conformal_p_values(calibration_errors, test_errors) <= 0.05).mean()
rate_low, rate_high = false_alarm_interval(n, m, 0.05)
print(f"flagged: {rate:.2%} of the normal test digits; interval {rate_low:.2%} to {rate_high:.2%}")

# %% id="seen-promise" tags=["seen"]
from helpers.claims import seen

_easier = "calibration" if calibration_errors.mean() < test_errors.mean() else "test"
seen(
    f"The detector flags {rate:.2%} of the normal digits, "
    + (
        "which is inside the interval: chance alone could explain the difference from 5 %. This does not show that "
        "the two sets are alike. "
        if rate_low <= rate <= rate_high
        else "which is below the interval. Chance alone gives so few in at most 2.5 of 100 cases, so perhaps the two sets "
        "are not quite alike. Here this errs on the safe side. "
        if rate < rate_low
        else "which is above the interval. Chance alone gives so many in at most 2.5 of 100 cases, so perhaps the two sets "
        "are not quite alike. "
    )
    + f"The mean errors differ by {abs(calibration_errors.mean() / test_errors.mean() - 1):.1%}; the {_easier} digits "
    "are easier to rebuild. "
    + (
        "Other people wrote the test digits. On the offline sample the two sets come from one source, and a rate "
        "inside the interval is to be expected. "
        if test.source == "real"
        else ""
    )
    + "One calibration set can neither keep nor break the promise, which is about the average over many sets."
)

# %% [markdown] id="rates-text" tags=["optional"]
# ### Other false-positive rates
#
# The same for three values of $\alpha$. `below` means fewer false positives than the interval says. Which of the
# three rates lie inside?

# %% id="rates-table"
import pandas as pd

rows = []
for alpha in (0.01, 0.05, 0.10):
    share = (conformal_p_values(calibration_errors, test_errors) <= alpha).mean()
    lower, upper = false_alarm_interval(len(calibration_errors), len(test_errors), alpha)
    inside = "inside" if lower <= share <= upper else "below" if share < lower else "above"
    rows.append({"alpha": alpha, "flagged": share, "from": lower, "to": upper, "it is": inside})
promise = pd.DataFrame(rows).set_index("alpha")
promise.map(lambda value: value if isinstance(value, str) else f"{value:.2%}")

# %% id="seen-rates" tags=["seen"]
_rates = ", ".join(f"{_row['it is']} at {_alpha:.0%}" for _alpha, _row in promise.iterrows())
seen(
    f"Against its interval the rate is: {_rates}. Chance alone leaves such an interval in 5 of 100 cases, and here are "
    f"{len(promise)} intervals on the same digits. A rate just outside is a hint that the two sets differ, and no proof; a "
    "rate below errs on the safe side. One calibration set can neither keep nor "
    "break a promise about the average over many sets."
)

# %% [markdown] id="threshold-text" tags=["optional"]
# ### Where the threshold comes from
#
# Sometimes one needs the threshold itself, to draw it or to give it to somebody else. This is a good puzzle.
#
# ### Exercise 1.7
#
# Write `conformal_threshold`, so that `score > threshold` holds exactly where `p <= alpha`. With few
# calibration scores no p-value is small enough; then nothing may be flagged, and the threshold is
# infinite. With `alpha = 1` everything is flagged: minus infinity. **Done** when the two rules agree for
# every score.


# %% id="ex-1-7" tags=["exercise"] reference="helpers.thresholds.conformal_threshold"
def conformal_threshold(calibration_scores, alpha):
    """The threshold above which exactly the scores with p <= alpha lie. (n,) -> float"""
    ...  # how many calibration scores may a flagged score leave at or above it?


# %% id="check-1-7" tags=["check", "nbval-check-output"]
conformal_threshold = check("1.7", conformal_threshold)

# %% [markdown] id="ranks-text"
# Move the new score and see how its p-value follows. Where must it lie to be flagged at 5 %?

# %% id="explore-ranks"
from helpers import explorables

explorables.ranks(calibration_errors[:19], alpha=0.05)

# %% id="seen-ranks" tags=["seen"]
seen(
    "Only above all 19 calibration scores is the p-value (1 + 0) / (19 + 1) = 0.05. With 18 scores no score would be "
    "high enough: the smallest possible p-value would be 1/19, which is more than 5 %."
)

# %% id="quiz-count" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01", "smallest-p")

# %% [markdown] id="simulation-text" tags=["optional"]
# ### Is the promise kept on average?
#
# One calibration set gives one threshold, and so one false-positive rate. Another calibration set would give
# another rate.
#
# > **Beta distribution.** A family of distributions on the numbers between 0 and 1. The false-positive rates of
# > conformal thresholds follow one of them, whose mean is at most $\alpha$.
#
# To see this, we put all normal errors together and draw calibration and test sets from them again and again,
# with 20 and with 200 calibration images. (The mean is $k/(n+1)$, where $k$ is the largest whole number with
# $k \le \alpha(n+1)$.) How much do the rates differ?

# %% id="simulation"
pool = np.concatenate([calibration_errors, test_errors])
rng = np.random.default_rng(0)
simulated = {}
for n in (20, 200):
    draws = (rng.permutation(pool) for _ in range(1000))
    simulated[n] = [(d[n:] > conformal_threshold(d[:n], 0.05)).mean() for d in draws]

# %% id="simulation-figure"
means = ", ".join(f"{np.mean(rates):.2%} for n = {n}" for n, rates in simulated.items())
largest = ", ".join(f"{np.max(rates):.0%} for n = {n}" for n, rates in simulated.items())
plotting.show(
    plotting.false_alarm_histogram(simulated, alpha=0.05),
    f"False-positive rates of 1,000 calibrations at alpha = 5 %. Their mean is {means}. The largest rate "
    f"is {largest}.",
    alt="Two histograms of the false-positive rate with the curve of a Beta distribution over each, and the "
    "promised 5 % as a line. With 20 calibration images the rates are spread widely, with 200 they are "
    "closer to 5 %.",
)

# %% id="claim-simulation" tags=["claim"]
for n, rates in simulated.items():
    error = np.std(rates) / len(rates) ** 0.5
    claim(f"with n = {n} the mean rate is at most 5 %", np.mean(rates) < 0.05 + 3 * error)
    claim(f"with n = {n} single calibrations lie above 5 %", np.max(rates) > 0.05)

# %% [markdown] id="simulation-lesson"
# The bars follow the Beta distribution. The promise holds *on average over calibration sets*. How close your
# own threshold comes to it depends on $n$.

# %% [markdown] id="rule-text" tags=["optional"]
# ### Exercise 1.13
#
# You are asked for a rule that flags at most 5 % of the normal images, whatever score is used. Choose one:
#
# - `"mean + std"`: above the mean plus one standard deviation;
# - `"gaussian"`: above the mean plus 1.64 standard deviations, which 5 % of a Gaussian exceed;
# - `"conformal"`: above the conformal threshold with $\alpha = 0.05$.
#
# Choose the reason as well:
#
# - `"A"`: it is the quickest to compute;
# - `"B"`: it uses only the rank of an image among calibration images;
# - `"C"`: it finds the most anomalies at this rate;
# - `"D"`: with enough images, every distribution of scores is close to a Gaussian.
#
# The check tries all three rules, with three different scores, on digits that none of the scores has
# learned from. **Done** when choice and reason are right.

# %% id="ex-1-13" tags=["exercise"] reference="rule"
rule = {
    "choice": ...,  # "mean + std", "gaussian" or "conformal"
    "because": ...,  # "A", "B", "C" or "D"
}

# %% id="check-1-13" tags=["check"]
rule = check("1.13", rule)

# %% id="quiz-promise" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01", "conformal-promise")

# %% [markdown] id="each-digit-text" tags=["optional"]
# ### Does it hold for each digit?
#
# The promise is about all digits together. It says nothing about a single class.

# %% id="promise-per-digit"
import pandas as pd

flagged = conformal_p_values(calibration_errors, test_errors) <= 0.05
share = pd.Series(flagged).groupby(np.array(test.classes)[test.labels]).mean()
plotting.show(
    plotting.share_bars(share.rename_axis("digit"), "share flagged"),
    f"The conformal rule at 5 % flags {share.max():.1%} of the {share.idxmax()}s and only {share.min():.1%} "
    f"of the {'s, '.join(share.index[share == share.min()])}s; {flagged.mean():.1%} of all.",
    alt="A bar for each digit, its height the share flagged: "
    + ", ".join(f"{digit}: {value:.1%}" for digit, value in share.items())
    + ".",
)

# %% id="claim-each-digit" tags=["claim"]
claim("the conformal rule treats digits differently", share.max() > 2 * share.min())

# %% [markdown] id="quantile-text"
# If you need the promise for each class, calibrate on each class separately, provided that you know the
# class beforehand. This is called class-conditional or *Mondrian* conformal prediction.

# %% [markdown] id="quantile-why" tags=["optional"]
# ### Why not simply the quantile?
#
# > **quantile.** The value that a given share of the numbers does not exceed. The 95 % quantile has 95 % of
# > the numbers at or below it.
#
# The 95 % quantile of the calibration scores seems to do the same. It lacks the "+ 1": it
# forgets that the new image is one of $n + 1$ images. Does this matter?

# %% id="quantile"
by_quantile = {}
for n in (20, 200):
    draws = (rng.permutation(pool) for _ in range(1000))
    by_quantile[n] = np.mean([(d[n:] > np.quantile(d[:n], 0.95)).mean() for d in draws])
    print(f"95 % quantile of {n:3} scores: {by_quantile[n]:.2%} false alarms on average")

# %% id="seen-quantile" tags=["seen"]
seen(
    f"With 20 calibration scores the quantile flags {by_quantile[20]:.1%} of the normal images instead of 5 %; "
    f"with 200 scores {by_quantile[200]:.1%}. So the missing '+ 1' matters when calibration images are few."
)

# %% id="claim-quantile" tags=["claim"]
claim("with 20 scores the quantile flags clearly more than 5 %", by_quantile[20] > 0.06)
claim("with 200 scores the excess is small", abs(by_quantile[200] - 0.05) < 0.01)

# %% [markdown] id="rotated-text"
# ## 6 · Does it find anomalies?
#
# Our anomalies are the test digits, rotated by 90°. Look at how much the two histograms overlap.

# %% id="rotated"
rotated = np.rot90(test.images, axes=(2, 3))
rotated_errors = score(rotated)
found = (rotated_errors > threshold).mean()
plotting.show(
    plotting.score_histogram(
        {"normal": test_errors, "rotated by 90°": rotated_errors},
        {"conformal threshold, 5 %": threshold},
    ),
    f"{found:.1%} of the rotated digits have an error above the threshold.",
    alt="Two histograms of the error that overlap; that of the rotated digits lies further to the right.",
)

# %% [markdown] id="auroc-text"
# This rate depends on the threshold. We can look at all thresholds at once:
#
# > **recall.** The share of the anomalies that are flagged. Also called true-positive rate (TPR) or
# > detection rate.
#
# > **ROC curve.** The true-positive rate against the false-positive rate, for all thresholds.
#
# > **AUROC.** The area under the ROC curve. It is the probability that a randomly drawn anomaly has a
# > higher score than a randomly drawn normal image; a tie counts half. 0.5 is chance, 1 is perfect.

# %% [markdown] id="auroc-exercise-text" tags=["optional"]
# ### AUROC from ranks
#
# Only the order of the scores matters, so AUROC can be computed from ranks. Let $r_j$ be the ranks of
# the $m$ anomalies among all $n + m$ scores:
#
# $$\text{AUROC} = \frac{\sum_{j} r_j - m(m+1)/2}{n\,m}$$
#
# ### Exercise 1.8
#
# Write `auroc` by ranks. `rankdata` of SciPy gives tied scores their mean rank. **Done** when the result is
# the same as that of counting all pairs, ties included.

# %% id="ex-1-8" tags=["exercise"] reference="helpers.metrics.auroc"
from scipy.stats import rankdata


def auroc(normal_scores, anomaly_scores):
    """Probability that an anomaly scores above a normal image, ties half. (n,), (m,) -> float"""
    ...  # the ranks are those among all scores


# %% id="check-1-8" tags=["check", "nbval-check-output"]
auroc = check("1.8", auroc)

# %% id="auroc-sklearn"
from sklearn.metrics import roc_auc_score

labels = np.repeat([0, 1], [len(test_errors), len(rotated_errors)])
theirs = roc_auc_score(labels, np.concatenate([test_errors, rotated_errors]))
print(f"AUROC {auroc(test_errors, rotated_errors):.6f}, scikit-learn {theirs:.6f}")

# %% [markdown] id="interval-text"
# ### How sure is this number?
#
# With other test digits AUROC would be a little different.
#
# > **bootstrap.** A way to estimate how much a result varies. Draw as many images as there are, with
# > replacement (an image can come twice), compute the result again, and repeat this some hundred times. An interval
# > that contains 95 % of these results is the 95 % bootstrap interval.
#
# Our anomalies are the test digits themselves, so `paired_interval` draws a digit and its rotated copy *together*.

# %% id="roc-figure"
from sklearn.metrics import roc_curve

from helpers.metrics import auroc, paired_interval

area = auroc(test_errors, rotated_errors)
low, high = paired_interval(test_errors, rotated_errors)
labels = np.repeat([0, 1], [len(test_errors), len(rotated_errors)])
roc = roc_curve(labels, np.concatenate([test_errors, rotated_errors]))[:2]
plotting.show(
    plotting.curves({"rotated by 90°": roc}, "false-positive rate", "true-positive rate"),
    f"AUROC {area:.3f} (95 % bootstrap interval {low:.3f} to {high:.3f}).",
    alt="The ROC curve rises steeply and stays near the upper left corner.",
)

# %% [markdown] id="prevalence-text" tags=["optional"]
# ### How many alarms are right?
#
# > **precision.** The share of the flagged images that are anomalies. Chance is the share of anomalies among all
# > images.
#
# > **FPR at 95 % TPR.** The false-positive rate at the threshold that finds 95 % of the anomalies.

# %% id="precision-figure"
from helpers.metrics import fpr_at_tpr

plotting.show(
    plotting.roc_and_precision(test_errors, {"rotated by 90°": rotated_errors}),
    "Finding 95 % of the rotated digits costs a false-positive rate of "
    f"{fpr_at_tpr(test_errors, rotated_errors):.1%}.",
    alt="Left: the ROC curve rises steeply and stays near the upper left corner. Right: precision against "
    "recall, near 1 at first and falling to one half at full recall.",
)

# %% [markdown] id="rare-text"
# Precision depends on how common anomalies are, their **prevalence**. In the figure every second image is an anomaly;
# in a factory it may be one in a thousand. What share of the alarms would then be right?

# %% id="prevalence"
from helpers.metrics import precision_at_prevalence

false_alarms = (test_errors > threshold).mean()
for prevalence in (0.5, 0.1, 0.01, 0.001):
    precision = precision_at_prevalence(found, false_alarms, prevalence)
    print(f"one anomaly in {1 / prevalence:5.0f}: {precision:6.1%} of the alarms are right")

# %% id="seen-prevalence" tags=["seen"]
_rare = precision_at_prevalence(found, false_alarms, 0.001)
seen(
    f"With one anomaly in a thousand images, only {_rare:.1%} of the alarms are right, although the detector is "
    f"the same and finds {found:.0%} of the anomalies. There are 999 normal images for each anomaly, and "
    f"{false_alarms:.1%} of them cause an alarm."
)

# %% [markdown] id="many-text" no_result="the rule, with its source"
# Many images mean many p-values, and about 5 % of all normal images are flagged.
#
# > **false discovery rate.** The expected share of false alarms among all alarms.
#
# The rule of Benjamini and Hochberg (1995) adjusts the p-values. If all with an adjusted $p \le q$ are flagged, the
# false discovery rate is at most $q$, also for conformal p-values (Bates et al., 2023). How many alarms are
# false among up to 1,000 normal digits and 100 rotated ones?

# %% id="many"
from scipy.stats import false_discovery_control

of_all = np.random.default_rng(0).permutation(len(test))[:1100]
mixed = np.concatenate([test_errors[of_all[100:]], rotated_errors[of_all[:100]]])
p_mixed = conformal_p_values(calibration_errors, mixed)
is_normal = np.arange(len(mixed)) < len(mixed) - 100
alarms = {"p": p_mixed <= 0.05, "adjusted p": false_discovery_control(p_mixed) <= 0.05}
print(f"{is_normal.sum():,} normal digits, {(~is_normal).sum()} rotated")
for name, flags in alarms.items():
    print(f"{name} <= 5 %: {flags.sum()} alarms, {(flags & is_normal).sum()} of them false")

# %% id="seen-many" tags=["seen"]
_plain, _adjusted = alarms["p"], alarms["adjusted p"]
seen(
    f"With p ≤ 5 %, {(_plain & is_normal).sum()} of {_plain.sum()} alarms are false. "
    + (
        f"With adjusted p-values there are {_adjusted.sum()} alarms, {(_adjusted & is_normal).sum()} of them false, and "
        f"{(_adjusted & ~is_normal).sum()} of the 100 rotated digits are found instead of {(_plain & ~is_normal).sum()}."
        if _adjusted.any()
        else f"With adjusted p-values there is no alarm: the smallest p-value that {len(calibration_errors)} "
        "calibration images allow is too large for so few anomalies."
    )
)

# %% id="quiz-own" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01", "own-rate", value=found)

# %% [markdown] id="sweep-text" tags=["optional"]
# ### How much rotation does it take?
#
# We rotate the digits step by step. What do you expect at 180°?

# %% id="angles-sweep"
import pandas as pd
from torchvision.transforms.functional import InterpolationMode, rotate

# a random part: the first digits of the file come from other writers than the last ones
subset = test.draw(min(len(test), choose(quick=1000, full=10_000)), seed=1)[0]
upright = score(subset.images)
angles = list(range(0, 181, 15))
turned = {
    a: score(rotate(torch.tensor(subset.images), a, InterpolationMode.BILINEAR).numpy())
    for a in angles
}
there_and_back = rotate(torch.tensor(subset.images), 15, InterpolationMode.BILINEAR)
there_and_back = rotate(there_and_back, -15, InterpolationMode.BILINEAR)
blurred = auroc(upright, score(there_and_back.numpy()))
rates = pd.DataFrame(
    {"angle": a, "auroc": auroc(upright, s), "low": i[0], "high": i[1]}
    for a, s in turned.items()
    for i in [paired_interval(upright, s, resamples=200)]
)

# %% id="angles-figure"
by_digit = {
    name: auroc(upright, turned[180][subset.labels == i]) for i, name in enumerate(subset.classes)
}
least = min(by_digit, key=by_digit.get)
plotting.show(
    plotting.band(rates, "angle", "auroc", "rotation in degrees", "AUROC", chance=0.5),
    f"AUROC is {rates.auroc[0]:.2f} for digits that were not turned (by definition), "
    f"{rates.auroc[1]:.2f} at {rates.angle[1]}°, {rates.auroc.max():.2f} at "
    f"{rates.angle[rates.auroc.idxmax()]}°, and {rates.auroc.iloc[-1]:.2f} at 180°, where a {least} is "
    f"hardest to tell ({by_digit[least]:.2f}). Turned by 15° and back again: {blurred:.2f}.",
    alt="AUROC against the angle, with a narrow band: "
    + ", ".join(f"{r.auroc:.2f} at {r.angle}°" for r in rates.iloc[::2].itertuples())
    + ".",
)

# %% id="seen-angles" tags=["seen"]
_hardest = sorted(by_digit, key=by_digit.get)[:3]
_error = {name: np.median(upright[subset.labels == i]) for i, name in enumerate(subset.classes)}
_easiest = sorted(_error, key=_error.get)[:3]
seen(
    f"AUROC is highest at {rates.angle[rates.auroc.idxmax()]}° ({rates.auroc.max():.2f}) and "
    f"{rates.auroc.iloc[-1]:.2f} at 180°. Upside down, the three hardest to detect are {', '.join(_hardest)}. "
    "Some digits look like a digit again: a 1 does, and a 9 looks like a 6. But each turned digit is compared with "
    "*all* upright digits, so digits that are easy to rebuild can have small errors when turned, too: the three easiest "
    f"upright digits are {', '.join(_easiest)}. At 15° the AUROC is {rates.auroc[1]:.2f}, "
    + ("below" if rates.auroc[1] < 0.5 else "not below")
    + f" one half. Rotating computes each new pixel from four old ones, which blurs the image, and blurred "
    f"digits are easier to rebuild: digits turned by 15° and back have an AUROC of {blurred:.2f}."
)

# %% id="claim-angles" tags=["claim"]
claim("blur alone lowers the score", blurred < 0.5)
claim("a small turn is hardly found", rates.auroc[1] < rates.auroc.max() - 0.2)
claim(
    "fewer digits are found at 180° than at the best angle", rates.high.iloc[-1] < rates.low.max()
)
claim("unturned digits have AUROC one half, without doubt", rates.low[0] == rates.high[0] == 0.5)

# %% [markdown] id="far-text"
# A digit that is rotated a little is still a digit. At 180° some digits are digits again. So what counts as an
# anomaly depends on the question, not only on the image.

# %% [markdown] id="clothes-text"
# ### Something quite different
#
# Now images of clothes, which the network has never seen. Below are the eight that it rebuilds best. The last row
# is the **residual** $\hat x - x$: orange where the reconstruction is too bright, blue where it is too dark.
# What do the eight have in common?

# %% id="fashion"
clothes = load("fashion_mnist")["test"]
clothes_errors = score(clothes.images)
easiest = np.argsort(clothes_errors)[:8]
plotting.show(
    plotting.residual_rows(clothes.images[easiest], apply(ae, clothes.images[easiest])),
    f"The eight clothes with the smallest errors; AUROC for all {auroc(test_errors, clothes_errors):.3f}.",
    alt="Rows of eight: dark pieces of clothing, faint blobs and rings, orange and blue residuals.",
)

# %% id="seen-fashion" tags=["seen"]
_below = (clothes_errors <= threshold).mean()
seen(
    f"Most clothes have large errors: AUROC {auroc(test_errors, clothes_errors):.3f}. But {_below:.1%} of them are "
    f"not flagged. The eight are dark: their mean grey value is {clothes.images[easiest].mean() / 255:.2f}, that "
    f"of all clothes {clothes.images.mean() / 255:.2f}. Some dark, plain images are easy to rebuild. A small "
    "error does not mean that the image is normal; it can also mean that the image is simple."
)

# %% [markdown] id="patterns-text" tags=["optional"]
# ### Simple patterns
#
# Is every plain image easy? Here are patterns that have nothing to do with digits. Which of them does the network
# rebuild well?

# %% id="patterns"
import pandas as pd

row = np.tile(np.linspace(0, 1, 28), (28, 1))
flat_values = (0, 0.1, 0.5)
patterns = {f"flat {value:g}": np.full((28, 28), value) for value in flat_values}
patterns |= {
    "gradient": row,
    "stripe": np.where(np.abs(np.arange(28) - 14) < 2, 1.0, 0.0) * np.ones((28, 1)),
    "checkerboard": (np.indices((28, 28)) // 4).sum(axis=0) % 2.0,
    "noise": np.random.default_rng(0).random((28, 28)),
}
stack = np.uint8(255 * np.stack(list(patterns.values())))[:, None]
pattern_errors = pd.Series(score(stack), index=list(patterns))
p_values = conformal_p_values(calibration_errors, pattern_errors.to_numpy())
titles = [f"{name}\n{error:.3f}" for name, error in pattern_errors.items()]
plotting.show(
    plotting.residual_rows(stack, apply(ae, stack)),
    "Patterns, reconstructions, residuals. Error: "
    + ", ".join(f"{name} {error:.4f}" for name, error in pattern_errors.items()),
    alt=f"Three rows of {len(patterns)}: {', '.join(patterns)}; what the network makes of them; residuals.",
)

# %% id="seen-patterns" tags=["seen"]
_passed = [name for name, p in zip(patterns, p_values, strict=True) if p > 0.05]
seen(
    f"Not flagged at 5 %: {', '.join(_passed) or 'none'}. Of the patterns, the "
    f"{pattern_errors.idxmax()} has the largest error ({pattern_errors.max():.3f}) and the {pattern_errors.idxmin()} "
    f"the smallest ({pattern_errors.min():.4f}); the median of test digits is {np.median(test_errors):.4f}. "
    + (
        "An image that is easy to draw passes, even if nobody would call it a digit."
        if _passed
        else "All are found here; the dark ones come closest to passing."
    )
)

# %% [markdown] id="similarity-text" tags=["optional"]
# ### A squared error is not similarity
#
# The score compares pixel with pixel. Compare three "reconstructions" of a digit: the digit shifted by two
# pixels, a grey image, and the mean of all digits. Which one would you call the best? Which one has the smallest
# error?

# %% id="similarity"
original = as_input(test.images[:200]).cpu()
grey = original.mean(dim=(1, 2, 3), keepdim=True)
attempts = {
    "shifted by 2 pixels": torch.roll(original, 2, dims=3),
    "flat grey": grey.expand_as(original),
    "mean of all digits": as_input(train.images).cpu().mean(dim=0).expand_as(original),
}
mse = {name: reconstruction_error(original, x).mean().item() for name, x in attempts.items()}
plotting.show(
    plotting.image_rows({"digit": original[:8]} | {name: x[:8] for name, x in attempts.items()}),
    "Mean squared error over 200 digits: "
    + ", ".join(f"{k} {v:.4f}" for k, v in mse.items())
    + ".",
    alt="Four rows: eight digits, the same shifted to the right, flat grey squares, and the same blurred blob "
    "eight times.",
)

# %% id="seen-similarity" tags=["seen"]
_shift = mse["shifted by 2 pixels"]
_worse = [name for name, error in mse.items() if error < _shift]
seen(
    f"The shifted digit is clearly the same digit, yet its error is {_shift:.3f}. Smaller errors have: "
    f"{', '.join(_worse) or 'none of the others'}. "
    + (
        "A thin stroke that moves is wrong twice, where it was and where it is now. Networks that are "
        "trained with a squared error therefore prefer blurred strokes."
        if _worse
        else "The strokes of these digits are broad and soft, so a shift of two pixels leaves much of them in "
        "place. With thin strokes the shifted digit may have the largest error of all."
    )
)

# %% [markdown] id="explore-text" tags=["optional"]
# ### Try it yourself
#
# Choose a digit, change it, and watch its reconstruction and its score. Can you make the score *smaller* by
# damaging the digit? Then move the threshold and watch the two error rates.

# %% id="perturb" tags=["nbval-ignore-output"]
from helpers.widgets import perturb_explorer

perturb_explorer(ae, reconstruction_error, test.images, test.labels, threshold, calibration_errors)

# %% id="explore-threshold"
from helpers import explorables

explorables.threshold(
    test_errors,
    rotated_errors,
    thresholds={"batch-mean rule": trap, "conformal 5 %": threshold},
)

# %% [markdown] id="baseline-text"
# ## 7 · Is it better than something simple?
#
# Four simple scores need no network: **ink** (the mean grey value), the squared distance to the **mean image**, the
# error of **PCA**, and the distance to the **nearest** training image. PCA (principal component analysis) rebuilds
# an image as the mean image plus a sum of 20 fixed images, each times a number.

# %% [markdown] id="pca-exercise-text" tags=["optional"]
# ### Reconstruction by PCA
#
# PCA is a linear autoencoder that needs no training loop. The mean and the directions come from the training
# images. An image is projected onto the first directions and back.
#
# ### Exercise 1.9
#
# Write `pca_reconstruct`. Learn the mean and the directions from `x_train`, project `x` onto the first
# `components` directions (at least one), and come back. It takes and returns images as tensors. **Done** when a
# point outside the subspace is projected onto it, and the result for one image does not depend on the
# other images in `x`.


# %% id="ex-1-9" tags=["exercise"] reference="helpers.latent.pca_reconstruct"
def pca_reconstruct(x_train, x, components):
    """Project x onto the first principal components of x_train, and back.

    (M, C, H, W), (N, C, H, W) -> (N, C, H, W). Everything is learned from x_train alone.
    """
    ...  # torch.linalg.eigh sorts the eigenvalues of a symmetric matrix from small to large


# %% id="check-1-9" tags=["check", "nbval-check-output"]
pca_reconstruct = check("1.9", pca_reconstruct)

# %% [markdown] id="baselines-text"
# ### The comparison
#
# All five scores judge the same test digits. Which one would you bet on for rotated digits?

# %% id="baselines"
from helpers.experiments.module_01 import gains_of, parts, simple_scores

few = parts()[2]
turned_few = np.rot90(few.images, axes=(2, 3))
on_normal = simple_scores(train.images, few.images) | {"autoencoder": score(few.images)}
on_rotated = simple_scores(train.images, turned_few) | {"autoencoder": score(turned_few)}
own_area = auroc(on_normal["autoencoder"], on_rotated["autoencoder"])
print(f"AUROC of the autoencoder on {len(few):,} test digits: {own_area:.3f}")

# %% [markdown] id="gain-text"
# To compare two scores, compute the **difference** of their AUROCs, with a bootstrap interval. Each draw takes
# the same digits for both scores, each with its rotated copy. If the whole interval is above 0, the autoencoder is
# better; if it is below 0, worse; otherwise the data do not decide.

# %% id="gain"
gains = gains_of("autoencoder", on_normal, on_rotated, changed=True)
gains.round(3)

# %% id="seen-baselines" tags=["seen"]
_gain = gains.loc["nearest"]
_which = (
    "better"
    if _gain["95 % low"] > 0
    else "worse"
    if _gain["95 % high"] < 0
    else "not clearly different"
)
_best = "autoencoder" if own_area > gains["AUROC"].max() else gains["AUROC"].idxmax()
seen(
    f"The highest AUROC is that of '{_best}'. Ink cannot detect a rotation at all, because rotating moves ink and adds none. "
    f"Compared with the nearest of {len(train):,} training images, the network is {_which}: the difference is "
    f"{_gain['gain of the autoencoder']:+.3f} ({_gain['95 % low']:+.3f} to {_gain['95 % high']:+.3f})."
    + (
        " On the offline sample, whose digits are others and far fewer, your network wins."
        if few.source == "real"
        else ""
    )
)

# %% id="claim-baselines" tags=["claim"]
from helpers.claims import claim

claim("ink cannot see a rotation", abs(gains["AUROC"]["ink"] - 0.5) < 1e-3)
if few.source == "real":
    claim(
        "on rotated digits the network is not clearly better than the nearest training digit",
        gains["95 % low"]["nearest"] <= 0,
    )
else:
    claim("the network beats the nearest digit on the sample", gains["95 % low"]["nearest"] > 0)
claim(
    "the autoencoder beats ink and the mean image on rotated digits",
    gains["95 % low"][["ink", "mean image"]].min() > 0,
)

# %% [markdown] id="baseline-lesson" held_by="claim-baselines"
# The nearest training image needs no training, and yet the network is *not clearly better* than it at rotated digits.
# On the offline sample, with about 1,000 training digits, the network is better.

# %% [markdown] id="clothes-baselines-text" tags=["optional"]
# ### The comparison for clothes
#
# Which of the five scores finds clothes best? Each dot is an AUROC with its bootstrap interval.

# %% id="clothes-scores"
more = clothes.draw(min(len(few), len(clothes)), seed=0)[0].images
on_clothes = simple_scores(train.images, more) | {"autoencoder": score(more)}

# %% id="baseline-table"
import pandas as pd
from helpers.metrics import bootstrap_interval

groups = {"rotated": (on_rotated, paired_interval), "clothes": (on_clothes, bootstrap_interval)}
compared = pd.DataFrame(
    {
        "score": name,
        "anomaly": anomaly,
        "auroc": auroc(on_normal[name], s[name]),
        "low": i[0],
        "high": i[1],
    }
    for name in on_normal
    for anomaly, (s, interval) in groups.items()
    for i in [interval(on_normal[name], s[name], resamples=200)]
)
best = compared.loc[compared.groupby("anomaly").auroc.idxmax()].set_index("anomaly")
plotting.show(
    plotting.intervals(compared, "score", "anomaly"),
    "Best score for rotated digits: {0.score} ({0.auroc:.3f}); for clothes: {1.score} "
    "({1.auroc:.3f}).".format(best.loc["rotated"], best.loc["clothes"]),
    alt="A dot with an interval for each score, in two panels. "
    + "; ".join(f"{r.score}, {r.anomaly}: {r.auroc:.2f}" for r in compared.itertuples()),
)

# %% id="clothes-gain"
clothes_gains = gains_of("autoencoder", on_normal, on_clothes)
clothes_gains.round(3)

# %% id="seen-clothes-gain" tags=["seen"]
_above = "; ".join(clothes_gains.index[clothes_gains["95 % low"] > 0]) or "none"
_under = "; ".join(clothes_gains.index[clothes_gains["95 % high"] < 0]) or "none"
seen(
    f"For clothes {best.loc['clothes'].score} has the highest AUROC ({best.loc['clothes'].auroc:.3f}). There the "
    f"network is better by more than chance than: {_above}. It is worse by more than chance than: {_under}."
)

# %% [markdown] id="classical-text" tags=["optional"]
# ### Classical detectors on the codes
#
# Codes are short lists of numbers, so any classical detector can work on them. An
# **isolation forest** splits the codes at random and counts how few splits separate one from all others. A
# **one-class SVM** draws a boundary around most of them. The third score, kNN, is the distance to the fifth nearest
# training code. Are they better than the reconstruction error?

# %% id="classical"
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM

from helpers.scores import knn

training_codes = apply(ae.encode, train.images[:3000])
codes_of = {
    group: apply(ae.encode, images)
    for group, images in {"normal": few.images, "rotated": turned_few, "clothes": more}.items()
}
on_codes = {"kNN on codes": {group: knn(training_codes, z, k=5) for group, z in codes_of.items()}}
for detector in (IsolationForest(random_state=0), OneClassSVM(nu=0.05)):
    detector.fit(training_codes.numpy())
    on_codes[type(detector).__name__] = {
        group: -detector.score_samples(z.numpy()) for group, z in codes_of.items()
    }

# %% id="classical-table"
import pandas as pd

detectors = pd.DataFrame(
    {
        name: {anomaly: auroc(s["normal"], s[anomaly]) for anomaly in groups}
        for name, s in on_codes.items()
    }
).T
detectors.loc["autoencoder"] = compared[compared.score == "autoencoder"].set_index("anomaly").auroc
detectors.round(3)

# %% id="seen-classical" tags=["seen"]
_knn, _error = detectors.loc["kNN on codes"], detectors.loc["autoencoder"]
_other = detectors.loc[["IsolationForest", "OneClassSVM"]].max()
_beside = {
    _name: f"is higher by {_gap:.3f}"
    if _gap > 0.02
    else f"is lower by {-_gap:.3f}"
    if _gap < -0.02
    else "is nearly the same (within 0.02)"
    for _name, _gap in (_error - _knn).items()
}
seen(
    "For rotated digits and for clothes, the AUROC of the reconstruction error is "
    f"{_error.rotated:.3f} and {_error.clothes:.3f}, that of kNN on codes {_knn.rotated:.3f} and "
    f"{_knn.clothes:.3f}, and that of the better of the other two {_other.rotated:.3f} and {_other.clothes:.3f}. "
    + (
        "So these two detectors, with settings that were not tuned, miss what the codes hold: the distance to the "
        "nearest training codes has a higher AUROC, from the same numbers. "
        if (_knn > _other + 0.02).all()
        else "So the distance to the nearest training codes does not find clearly more than the other two in both cases. "
    )
    + f"Compared with kNN, the AUROC of the reconstruction error {_beside['rotated']} for rotated digits, and "
    f"{_beside['clothes']} for clothes. Without an interval of the difference we cannot say which is better."
)

# %% [markdown] id="latent-text" tags=["optional"]
# ## 8 · The latent space
#
# Each digit is now a code of 20 numbers. **t-SNE** draws codes in two dimensions, so that neighbours stay
# neighbours. Distances between groups, and the sizes of groups, mean little.
#
# > **perplexity.** A setting of t-SNE: roughly the number of neighbours to which each point pays attention.

# %% id="codes"
drawn = test.draw(min(len(test), choose(quick=1500, full=10_000)), seed=0)[0]
labels = drawn.labels
codes = apply(ae.encode, drawn.images)

# %% id="tsne"
from openTSNE import TSNE

# one thread: the order in which several add up decides where the groups come to lie
embedding = TSNE(perplexity=30, n_jobs=1, random_state=0, negative_gradient_method="bh").fit(
    codes.numpy()
)
figure = plotting.embedding(np.array(embedding), labels, test.classes)

# %% [markdown] id="neighbours-text"
# The figure suggests which digits are close to each other. The codes themselves can be asked: among the ten nearest
# neighbours of each digit, which *other* digits appear?

# %% id="neighbours"
around = torch.cdist(codes, codes).topk(11, largest=False).indices[:, 1:]  # without itself
mixed = np.zeros((10, 10))
np.add.at(mixed, (labels[:, None], labels[around.numpy()]), 1)
own = np.trace(mixed) / mixed.sum()
mixed = np.triu(mixed + mixed.T, k=1)
pairs = [divmod(i, 10) for i in np.argsort(mixed, axis=None)[::-1][:3]]
names = " and ".join(f"{test.classes[a]}/{test.classes[b]}" for a, b in pairs)
plotting.show(
    figure,
    f"Ten digits, coloured and named. {own:.0%} of the nearest neighbours in the code show the "
    f"same digit; the digits most mixed are {names}.",
    alt="A scatter plot of many small dots in ten colours. Dots of one colour lie in clouds, some of which "
    "touch or mix.",
)

# %% [markdown] id="search-text"
# ### Search by image
#
# Neighbours in the latent space make a simple image search. Do codes find better neighbours than pixels?

# %% id="search"
flat_pixels = as_input(drawn.images).cpu().flatten(start_dim=1)
queries = [int(np.flatnonzero(labels == k)[0]) for k in (2, 4, 5, 8)]
found_by, same = {}, {}
for name, points in {"by code": codes, "by pixels": flat_pixels}.items():
    near = torch.cdist(points, points).topk(6, largest=False).indices[:, 1:]
    found_by[name] = drawn.images[near[queries].flatten().numpy()]
    same[name] = (labels[near.numpy()] == labels[:, None]).mean()
rows = {"query (five times)": np.repeat(drawn.images[queries], 5, axis=0)} | found_by
plotting.show(
    plotting.image_rows(rows),
    "The five nearest images to four queries. Of all neighbours, "
    + " and ".join(f"{share:.1%} {name}" for name, share in same.items())
    + " show the same digit.",
    alt="Three rows of twenty digits: each of four queries five times, then its five neighbours by code and by "
    "pixels, most of them the same digit in a similar handwriting.",
)

# %% id="seen-search" tags=["seen"]
_gain = same["by code"] - same["by pixels"]
seen(
    f"{same['by code']:.1%} of the neighbours by code show the same digit, and {same['by pixels']:.1%} of those by "
    f"pixels: {'the codes are better' if _gain > 0.02 else 'the pixels are better' if _gain < -0.02 else 'the two are about equally good'}. "
    f"For each pair the search by code compares {codes.shape[1]} numbers, that by pixels {flat_pixels.shape[1]}."
)

# %% [markdown] id="interpolation-text"
# ### Between two digits
#
# A straight line between two codes, decoded point by point, shows how one digit changes into the other.
#
# > **inference mode.** Inside `torch.inference_mode()` PyTorch stores nothing for gradients. This saves time
# > and memory.
#
# ### Exercise 1.10
#
# Write `interpolate`. It takes two codes (d,) and a number of steps, and returns points (steps, d) on the line
# between them, *both ends included*, as a tensor of the same type as the codes. **Done** when two steps give
# exactly the two ends.


# %% id="ex-1-10" tags=["exercise"] reference="helpers.latent.interpolate"
def interpolate(z_start, z_end, steps):
    """`steps` equally spaced points on the line, both ends included. (d,), (d,) -> (steps, d)"""
    ...  # each point is a weighted mean of the two ends


# %% id="check-1-10" tags=["check", "nbval-check-output"]
interpolate = check("1.10", interpolate)

# %% id="interpolation"
a, b = as_input(np.stack([test.of_class(test.classes[i]).images[1] for i in (3, 7)]))
with torch.inference_mode():
    ends = ae.encode(torch.stack([a, b]))
    through_code = ae.decode(interpolate(*ends, steps=10)).cpu()
through_pixels = interpolate(a.flatten(), b.flatten(), steps=10).view(-1, 1, 28, 28).cpu()
plotting.show(
    plotting.image_rows({"through the code": through_code, "through pixels": through_pixels}),
    "Through the code strokes bend; through pixels one digit fades while the other appears.",
    alt="Two rows of ten images from a 3 to a 7. Above, the strokes bend; below, the 3 fades out while the 7 "
    "fades in.",
)

# %% [markdown] id="generative-text"
# ### Can it draw new digits?
#
# An autoencoder that can also draw new images is called **generative**. Its training does not ask for any
# distribution of the codes, so there is none to draw from. But a distribution can be fitted *afterwards*
# to the codes of the training digits (Ghosh et al., arXiv 1903.12436). We try a single Gaussian with their mean
# and covariance, and a mixture of twenty Gaussians.

# %% id="generative"
from sklearn.mixture import GaussianMixture

from helpers.experiments.baselines import nearest_distance

x_train = as_input(train.images).cpu()
train_codes = apply(ae.encode, train.images[:3000]).double().numpy()
mixtures = {k: GaussianMixture(k, random_state=0).fit(train_codes) for k in (1, 20)}
shuffle = np.random.default_rng(0).permutation(250)  # a mixture gives one Gaussian after the other
drawn_codes = {k: torch.tensor(m.sample(250)[0][shuffle]).float() for k, m in mixtures.items()}
half_way = (codes[:250] + codes[250:500]) / 2
digits_in = as_input(drawn.images[:500]).cpu()
with torch.inference_mode():
    candidates = {
        "test digits": digits_in[:250],
        "half-way codes": ae.decode(half_way.to(device())).cpu(),
        "half-way pixels": (digits_in[:250] + digits_in[250:]) / 2,
        "one Gaussian": ae.decode(drawn_codes[1].to(device())).cpu(),
        "20 Gaussians": ae.decode(drawn_codes[20].to(device())).cpu(),
    }

# %% [markdown] id="generative-measure" no_result="how it is measured"
# We measure two things: the distance to the nearest training digit, and the share of **half-grey** pixels
# (between 0.25 and 0.75) among those with ink. The second measure is needed because a blurred image can be
# close to many others. How many of the ten images in the last two rows would you read as a digit?

# %% id="generative-figure"
import pandas as pd

generated = pd.DataFrame(
    {
        "distance": {
            name: nearest_distance(x_train, x).mean().item() for name, x in candidates.items()
        },
        "half-grey": {
            name: ((x > 0.25) & (x < 0.75)).sum().item() / (x > 0.25).sum().item()
            for name, x in candidates.items()
        },
    }
)
closest = generated.distance.idxmin()
plotting.show(
    plotting.image_rows({name: x[:10] for name, x in candidates.items()}),
    "Distance to the nearest training digit, and share of half-grey pixels: "
    + ", ".join(
        f"{name} {r.distance:.2f}, {r['half-grey']:.0%}" for name, r in generated.iterrows()
    )
    + f". Nearest to the training digits: {closest}.",
    alt="Five rows of ten images: test digits, images decoded half-way between two codes, means of two "
    "digits, and images decoded from one Gaussian and from twenty Gaussians; some of these are no digits.",
)

# %% [markdown] id="generative-lesson"
# A plain autoencoder defines no distribution of its codes, so by itself it is not a generative model. Together
# with a distribution fitted to its codes it is one, and the closer fit gives images nearer to the training digits.
# But nearer is not always better: an image that is smooth or blurred is near to many digits, and a copy of a training
# digit would be nearest of all. The variational autoencoder of module 2 learns both at once.

# %% id="claim-generative" tags=["claim"]
distance, grey = generated.distance, generated["half-grey"]
claim(
    "the mixture fits the codes better",
    mixtures[20].score(train_codes) > mixtures[1].score(train_codes),
)
claim(
    "its digits are nearer to training digits", distance["20 Gaussians"] < distance["one Gaussian"]
)
claim(
    "half-way codes give more half-grey pixels than digits have",
    grey["half-way codes"] > grey["test digits"],
)

# %% id="quiz-generative" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01", "generative")

# %% id="explore-latent"
from helpers.explorables import latent_explorer

latent_explorer(ae, test.images[:500], test.labels[:500], test.classes)

# %% [markdown] id="denoise-text" tags=["optional"]
# ## 9 · Denoising
#
# It is often said that autoencoders remove noise. A blog tutorial of 2021 (the one of section 5) showed one noisy
# digit, rebuilt by a network that had never seen noise, and measured nothing. The usual measure is the **peak
# signal-to-noise ratio** (PSNR) in decibels. It compares the largest possible difference of two pixels, $R$, with the
# mean squared error:
#
# $$\text{PSNR} = 10 \log_{10}\frac{R^2}{\text{MSE}}$$
#
# ### Exercise 1.11
#
# The cell below computes the PSNR of each image. It runs, but one thing in it is wrong. Find the error and
# correct it. `x` and `x_hat` are (N, C, H, W), `data_range` is $R$, and the result is (N,), in decibels. **Done**
# when it is right for colour images and for other ranges, and a reconstruction without error gets infinity.


# %% id="ex-1-11" tags=["exercise"] reference="helpers.metrics.psnr"
def psnr(x, x_hat, data_range=1.0):
    """Peak signal-to-noise ratio of each image in decibels. (N, C, H, W) and the same -> (N,)"""
    ...  # the logarithm is to base 10


# %% id="check-1-11" tags=["check", "nbval-check-output"]
psnr = check("1.11", psnr)

# %% [markdown] id="denoiser-text"
# A network that is meant to remove noise is trained for it: the input is noisy, and the target is the clean image. One
# additional layer before our network does this. It adds noise during training only. The weights start
# from the trained network, so a quarter of the epochs is enough. What removes more noise?

# %% id="denoiser"
import copy

from helpers.models import GaussianNoise

set_seed(2)
denoiser = nn.Sequential(GaussianNoise(sigma=0.2), copy.deepcopy(ae))
history = fit(denoiser, train.images, epochs=max(1, epochs // 4))

# %% id="denoise-compare"
clean = as_input(few.images[: choose(quick=500, full=10_000)])
generator = torch.Generator().manual_seed(0)
noisy = clean + 0.2 * torch.randn(clean.shape, generator=generator).to(clean)
with torch.inference_mode():
    versions = {
        "noisy": noisy,
        "cut to [0, 1]": noisy.clamp(0, 1),
        "plain": ae(noisy),
        "denoiser": denoiser(noisy),
    }
quality = {name: psnr(clean, x).mean().item() for name, x in versions.items()}

# %% id="denoise-figure"
plotting.show(
    plotting.image_rows(
        {"clean": clean[:10].cpu()} | {k: v[:10].cpu() for k, v in versions.items()}
    ),
    "Mean PSNR in dB: " + ", ".join(f"{name} {q:.1f}" for name, q in quality.items()) + ".",
    alt="Five rows of ten digits: clean, with grainy noise, the noise cut to [0, 1], and two rows of clean, "
    "slightly blurred reconstructions.",
)

# %% [markdown] id="denoise-lesson"
# The plain autoencoder removes noise although it has never seen any. Its code of 20 numbers has room for
# strokes and smooth shapes, and none for noise, which differs from pixel to pixel. A network that was trained to remove noise removes more. Compare both with the
# noisy image *cut to [0, 1]*, which costs nothing.

# %% id="claim-denoise" tags=["claim"]
claim("cutting to [0, 1] removes some noise", quality["cut to [0, 1]"] > quality["noisy"])
claim("the plain autoencoder removes more", quality["plain"] > quality["cut to [0, 1]"])
claim("the denoiser removes most", quality["denoiser"] > quality["plain"])

# %% [markdown] id="bottleneck-text" tags=["optional"] held_by="claim-bottleneck"
# ## 10 · How narrow should the bottleneck be?
#
# A wider code rebuilds normal digits better, and anomalies as well. A network that copies every image
# would find nothing. But how wide can *our* code be? Between the 1,568 features and the code there is a layer of 64
# numbers without an activation (a non-linear function such as ReLU).

# %% id="bottleneck-rank"
wide = ConvAutoencoder(latent_dim=128)
first, second = [layer for layer in wide.encoder.modules() if isinstance(layer, nn.Linear)]
into_code = second.weight @ first.weight  # two linear layers are one
rank = torch.linalg.matrix_rank(into_code).item()
print(f"a code of {len(into_code)} numbers, which fill {rank} dimensions")

# %% [markdown] id="bottleneck-plan"
# Whatever its size, this code has at most 64 independent dimensions. For the comparison we therefore leave that
# layer out on both sides of the code (`straight` in `helpers.experiments.module_01`), and the widest code has as
# many numbers as the image has pixels. The table was computed beforehand (`make results`);
# `bottleneck(latent_dim=8)` trains one more. The row with 20 numbers is printed beside your own network from
# section 3. Yours has the additional layer of 64 numbers (and without the real data other digits), so the two need
# not be equal.

# %% id="bottleneck-table"
from helpers.results import over_seeds, read_table
from helpers.experiments.module_01 import bottleneck

table = read_table("01_bottleneck", source=train.source, profile=choose(quick="quick", full="full"))
table.loc[table.pca_mse < 1e-9, "pca_auroc"] = np.nan  # PCA without error gives no score
sweep = over_seeds(table, "latent_dim")
sweep[["seeds", "test_mse", "auroc", "low", "high", "pca_mse", "pca_auroc"]].round(4)

# %% id="bottleneck-live"
twenty = table.query("latent_dim == 20")
print(f"live:  error {on_normal['autoencoder'].mean():.5f}, AUROC {own_area:.4f}")
print(
    f"table: error {twenty.test_mse.mean():.5f}, AUROC {twenty.auroc.min():.4f} to "
    f"{twenty.auroc.max():.4f} over {len(twenty)} seeds ({twenty.source.iloc[0]} data)"
)

# %% id="bottleneck-figure"
narrow, wide, best = sweep.iloc[0], sweep.iloc[-1], sweep.auroc.idxmax()
overlap = [str(d) for d in sweep.index if d != best and sweep.high[d] >= sweep.low[best]]
beaten = [str(d) for d in sweep.index if sweep.test_mse[d] < sweep.pca_mse[d]]
plotting.show(
    plotting.bottleneck(table),
    f"Means over {narrow.seeds:.0f} seeds, a dot each; the band is the interval over images. From {narrow.name} to "
    f"{wide.name} numbers the error falls from {narrow.test_mse:.4f} to {sweep.test_mse.min():.4f}; it is below PCA's "
    f"with {', '.join(beaten)}. AUROC is highest with {best} ({sweep.auroc[best]:.3f}); its interval "
    f"overlaps with that of {', '.join(overlap) or 'no other'}. With {wide.name} AUROC is {wide.auroc:.3f}.",
    alt="Left: test error against the size of the code on logarithmic axes, for the network and for PCA; "
    "both fall, and PCA crosses below the network. Right: AUROC, which rises to a broad maximum and falls for "
    "the widest codes.",
)

# %% id="bottleneck-pictures"
from helpers.experiments.module_01 import from_strip, shown

strips = (
    table.query("seed == 0 and latent_dim in (2, 8, 20, 128, 784)").set_index("latent_dim").pictures
)
rows = {f"{size} numbers": from_strip(strip) for size, strip in strips.items()}
if table.source.iloc[0] == train.source:  # else the table's digits are not here
    upright = shown(parts()[2])
    rows = {"image": np.concatenate([upright, np.rot90(upright, axes=(2, 3))])} | rows
plotting.show(
    plotting.image_rows(rows),
    f"Four {table.source.iloc[0]} digits and the same four rotated, rebuilt from codes of {len(strips)} sizes.",
    alt=f"{len(rows)} rows of eight, four digits and the same rotated by 90°: {', '.join(rows)}. With 2 numbers "
    "all look like common digits; with 784 the rotated ones look like rotated digits.",
)

# %% id="seen-bottleneck" tags=["seen"]
_four = table.query("latent_dim == 4").auroc
_reach = (_four >= sweep.low[best]).sum()
seen(
    f"AUROC is highest with {best} numbers ({sweep.auroc[best]:.3f}); with 2 it is {sweep.auroc[2]:.3f} and with 784 "
    f"{sweep.auroc[784]:.3f}. The intervals of codes with "
    f"{', '.join(overlap) or 'no other number of'} numbers overlap with that of the best. These intervals are over images; seeds differ, too: with 4 numbers the {len(_four)} trainings "
    f"range from {_four.min():.3f} to {_four.max():.3f}, and {_reach} of them "
    f"{'comes' if _reach == 1 else 'come'} as high as the interval of the best. The network's error is below PCA's "
    f"with {', '.join(beaten)} numbers. PCA with 784 components has an error of {sweep.pca_mse[784]:.4f}, the trained "
    f"network {sweep.test_mse[784]:.4f}."
)

# %% [markdown] id="bottleneck-lesson"
# A code that is too narrow cannot rebuild normal digits. A very wide one also copies anomalies. Between these,
# AUROC has its maximum, and it changes little from 8 to 20 numbers. Be careful with "the best size": it was chosen on
# the test digits, so its own AUROC is a little too good. Section 1 announced the comparison with PCA: the error of the
# network is smaller up to 128 numbers, and yet with 64 and 128 numbers its AUROC is below that of PCA: a smaller error
# does not make a better detector. With as many components as pixels PCA makes no error at all, and the trained network
# still does.

# %% id="claim-bottleneck" tags=["claim"]
error, pca_error = sweep.test_mse, sweep.pca_mse
claim("a narrow network beats PCA", (error < pca_error)[[2, 4, 8, 12, 20]].all())
claim("a code as wide as the image does not", error[784] > pca_error[784])
claim("from 8 to 20 numbers AUROC changes little", np.ptp(sweep.auroc[[8, 12, 20]]) < 0.02)
claim(
    "for wide codes AUROC is not above PCA's", (sweep.auroc - sweep.pca_auroc)[[64, 128]].max() < 0
)
claim("2 numbers are too few", sweep.high[2] < sweep.low[best])
claim("784 numbers are too many", sweep.high[784] < sweep.low[best])

# %% [markdown] id="believe" held_by="claim-baselines"
# ## 11 · What to believe, and what not
#
# **Believe**
# - that the detector tells upright digits from rotated ones, as well as its interval says;
# - the conformal false-positive rate, on average over calibration sets, *for images like these*;
# - that the detector is better than a simple score only where the interval of the difference says so.
#
# **Do not believe**
# - that a small error means "normal": some simple images, such as a black one, are easy to rebuild, whatever they show;
# - that a network is good before it is compared with something simple.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

summary = {
    "mean test error (MSE per image)": f"{test_errors.mean():.5f}",
    "AUROC, digits rotated by 90°": f"{area:.3f} (95 % interval {low:.3f} to {high:.3f})",
    "normal digits flagged by the conformal rule at 5 %": f"{rate:.1%}",
    "rotated digits found by the conformal rule at 5 %": f"{found:.1%}",
}
for name in ("autoencoder", "nearest", "PCA, 20"):
    of_name = on_normal[name], on_rotated[name]
    interval_of = "{:.3f} to {:.3f}".format(*paired_interval(*of_name))
    title = f"AUROC, rotated, on {len(few):,} test digits: {name}"
    summary[title] = f"{auroc(*of_name):.3f} ({interval_of})"
table = "\n".join(f"| {name} | {value} |" for name, value in summary.items())
Markdown(f"| {test.name}, {test.source} data | |\n|---|---|\n{table}")

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01")

# %% [markdown] id="progress-text" no_result="what the core asks for"
# The core has 4 exercises: 1.2, 1.3, 1.4 and 1.6. The others are optional.

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="wrap-up-text" tags=["optional"]
# ## 12 · Wrap-up: damaged digits
#
# ### Exercise 1.14
#
# Somebody gives you digits, some of which are damaged in ways that this notebook has not shown. Write a score:
# it takes uint8 images (N, 1, 28, 28) and returns N numbers; a higher number means more anomalous. The method is
# yours. You may use everything from this notebook: `ae`, `train`, `score`, and the functions in `helpers`. The
# score of an image may not depend on the other images in its batch.
#
# The check computes the AUROC on digits of the test file, of which it has damaged some, and shows it beside scores of
# the course. **Done** when your score is better than *unusual ink* and *mean image* by more than chance. Unusual ink
# is the distance of an image's ink from the median ink of training digits (section 7 has the ink itself). Try as often
# as you like. Your best attempts are stored beside the notebook, only for you. The course's *nearest training digit*
# looks at 6,000 training digits at most. If you measure the same distance to the same digits, your AUROC is equal to
# it. That is right, and not better.


# %% id="ex-1-14" tags=["exercise"] reference="anomaly_score"
def anomaly_score(images):
    """Score of each image, higher = more anomalous. uint8 (N, 1, 28, 28) -> (N,)"""
    ...


# %% id="check-1-14" tags=["check"]
anomaly_score = check("1.14", anomaly_score)

# %% [markdown] id="further" tags=["optional"]
# ## Further reading
#
# - P. Baldi and K. Hornik, *Neural networks and principal component analysis*, Neural Networks 1989:
#   why the linear autoencoder is PCA.
# - V. Dumoulin and F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285:
#   animations for section 2.
# - S. Bates et al., *Testing for outliers with conformal p-values*, Annals of Statistics 2023, arXiv 2104.08279.
# - Y. Benjamini and Y. Hochberg, *Controlling the false discovery rate*, Journal of the Royal Statistical Society B
#   1995.
# - T. Fawcett, *An introduction to ROC analysis*, Pattern Recognition Letters 2006.
# - P. Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML
#   2008.
# - M. Wattenberg, F. Viégas and I. Johnson, *How to use t-SNE effectively*, Distill 2016.
#
# **Next:** module 2 gives the codes a distribution. The error becomes a likelihood, and the decoder can draw new
# digits.
