"""Diagrams: the shapes that they show are those of the network, and no text lies on another."""

from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import plotting
from helpers.models import ConvAutoencoder, ConvVAE
from helpers.models.cifar import ColourAutoencoder, SmallResNet
from helpers.models.mednist import DeepAutoencoder, DeepVAE
from helpers.models.oct import OctAutoencoder, OctClassifier, make_decoder, make_encoder
from helpers.plotting import style

WIDTHS = (8, 16, 32, 32)


def oct_autoencoder():
    return OctAutoencoder(make_encoder(WIDTHS), make_decoder(WIDTHS, code_channels=4))


MODELS = {
    "module 1": (lambda: ConvAutoencoder(20), (1, 28, 28)),
    "module 2": (lambda: ConvVAE(20), (1, 28, 28)),
    "module 3": (lambda: DeepAutoencoder(32, (16, 32, 64), 64), (1, 32, 32)),
    "module 3, VAE": (lambda: DeepVAE(32, (16, 32, 64), 64), (1, 32, 32)),
    "module 4": (lambda: ColourAutoencoder((16, 32, 64), 1000), (3, 32, 32)),
    "module 4, classifier": (lambda: SmallResNet(), (3, 32, 32)),
    "module 5": (oct_autoencoder, (1, 64, 64)),
    "module 5, encoder": (lambda: make_encoder(WIDTHS), (1, 64, 64)),
    "module 5, decoder": (lambda: make_decoder(WIDTHS), (32, 4, 4)),
    "module 5, classifier": (lambda: OctClassifier(make_encoder(WIDTHS), 64, 4), (1, 64, 64)),
}


def texts(figure):
    return [text for axis in figure.axes for text in axis.texts if text.get_text()]


def words(figure):
    return [text.get_text() for text in texts(figure)]


def overlaps(figure):
    """Pairs of texts whose boxes meet, and texts that leave the figure."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    page = figure.bbox
    out = [name for name, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > page.x1 or b.y1 > page.y1]
    return out + [(a, b) for (a, x), (b, y) in combinations(boxes, 2) if x.overlaps(y)]


def colours(figure):
    return [patch.get_facecolor() for patch in figure.axes[0].patches]


@pytest.mark.parametrize("name", MODELS)
def test_no_text_of_a_network_lies_on_another(name):
    build, shape = MODELS[name]
    figure = plotting.network_diagram(build(), shape, title=name)
    assert not overlaps(figure)
    assert min(text.get_size() for text in texts(figure)) >= 8


def test_the_shapes_at_the_arrows_are_those_of_the_network():
    model = ConvAutoencoder(latent_dim=12)
    shown = [w for w in words(plotting.network_diagram(model, (1, 28, 28))) if w[0].isdigit()]
    x, expected = torch.zeros(1, 1, 28, 28), ["1×28×28"]
    for layer in [*model.encoder, *model.decoder]:
        x = layer(x)
        kept = isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Unflatten))
        if kept or (isinstance(layer, nn.Linear) and x.shape[1] != 1568):
            expected.append("×".join(map(str, x.shape[1:])))
    # the code is drawn twice: at the end of the encoder, and where the decoder begins
    expected.insert(expected.index("12"), "12")
    assert shown == expected


def test_the_code_is_marked_and_the_halves_have_their_colours():
    from matplotlib.colors import to_rgba

    figure = plotting.network_diagram(ConvAutoencoder(12), (1, 28, 28))
    found = colours(figure)
    assert found.count(to_rgba(style.NORMAL)) == 4 == found.count(to_rgba(style.SECOND))
    assert found.count(to_rgba(style.FOURTH)) == 2 == words(figure).count("code")


def test_a_change_inside_forward_is_shown():
    shown = words(plotting.network_diagram(ConvVAE(20), (1, 28, 28)))
    assert "40\n→ 20" in shown  # mean and log-variance, of which the code is drawn


def test_residual_blocks_are_one_box_with_their_number():
    shown = words(plotting.network_diagram(oct_autoencoder(), (1, 64, 64)))
    assert shown.count("2 × ResidualBlock") == 4
    assert shown.count("Upsample\n2 × ResidualBlock") == 4


def test_a_decoder_alone_has_the_colour_of_a_decoder():
    from matplotlib.colors import to_rgba

    figure = plotting.network_diagram(make_decoder(WIDTHS), (32, 4, 4))
    assert to_rgba(style.NORMAL) not in colours(figure) and "code" not in words(figure)


def test_the_network_stays_what_it_was():
    model = DeepAutoencoder(32, (4, 4, 4), 4).train()
    model.decoder.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    plotting.network_diagram(model, (1, 32, 32))
    assert modes == [part.training for part in model.modules()]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())


def rectangles(axis, colour):
    from matplotlib.colors import to_rgba

    return [p for p in axis.patches if p.get_facecolor()[:3] == to_rgba(colour)[:3]]


@pytest.mark.parametrize("size, kernel_size, stride, padding", [(5, 3, 2, 1), (6, 3, 1, 0)])
def test_a_convolution_has_the_output_that_torch_gives(size, kernel_size, stride, padding):
    figure = plotting.convolution_picture(size, kernel_size, stride, padding)
    x, kernel = torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel_size, kernel_size)
    side = F.conv2d(x, kernel, stride=stride, padding=padding).shape[-1]
    above, below = figure.axes[:4], figure.axes[4:]
    assert below[0].get_ylabel() == f"output {side}×{side}"
    assert len(rectangles(below[0], "#F2F2F2")) == side**2
    last = rectangles(above[-1], style.NORMAL)[0]  # the place of the last output pixel
    assert last.get_x() == (side - 1) * stride and last.get_width() == kernel_size


@pytest.mark.parametrize("output_padding", [0, 1])
def test_a_transposed_convolution_has_the_output_that_torch_gives(output_padding):
    figure = plotting.transposed_picture(3, 3, 2, 1, output_padding)
    x, kernel = torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)
    y = F.conv_transpose2d(x, kernel, stride=2, padding=1, output_padding=output_padding)
    side, below = y.shape[-1], figure.axes[4]
    assert below.get_ylabel() == f"output {side}×{side}"
    assert len(rectangles(below, "#F2F2F2")) == side**2
    assert len(rectangles(below, style.FOURTH)) == (2 * side - 1) * output_padding


def test_a_single_place_is_drawn_once():
    assert len(plotting.convolution_picture(3, 3).axes) == 2
