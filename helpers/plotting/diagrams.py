"""Diagrams of networks and convolutions, made from the model itself, so that they cannot drift."""

from dataclasses import dataclass, field
from math import log2, prod

from matplotlib.patches import FancyArrowPatch, Rectangle

from helpers.plotting.style import FOURTH, NORMAL, SECOND, THRESHOLD, Picture

SIZE = 8.5  # points, of all text
PITCH = 1.35  # inches from box to box
TALLEST, WIDEST = 1.0, 0.5  # inches, of a box
PER_ROW = 5  # boxes
FAINT, GREY = "#F2F2F2", "#BBBBBB"
JOINS_NEXT = ("Flatten", "Upsample", "MaxPool2d")  # other layers without weights join the last


@dataclass
class Box:
    """A layer with weights and its company: its lines of text, the shapes in and out."""

    decoder: bool
    shape_in: tuple
    shape_out: tuple = ()
    lines: list = field(default_factory=list)


def network_diagram(model, shape, title=None):
    """Draw a network from left to right, in the order in which its layers are used. -> Picture

    model : nn.Module; one blank image goes through it in eval mode; its modes stay as they were
    shape : (C, H, W) of an image, or (d,) of a code, for a decoder alone
    A box is a layer with weights, with its activation and batch normalization. Its height follows
    the side of its output in pixels, its width the number of channels. An arrow carries the shape
    that passes there, "a → b" where `forward` itself changes it. What lies below an attribute
    `decoder` stands in rows of its own, after the code.
    """
    boxes, shape_out = network_boxes(model, shape)
    rows = [row for decoder in (False, True) for row in _rows(boxes, decoder)]
    decoders = [box for box in boxes if box.decoder]
    code = decoders[0] if 0 < len(decoders) < len(boxes) else None
    largest = max(_side(s) for box in boxes for s in (box.shape_in, box.shape_out))
    heights = [TALLEST + 0.35 + 0.15 * max(len(box.lines) for box in row) for row in rows]
    top = 0.4 if title else 0.1
    figure, axis = _sheet(PITCH * (max(map(len, rows)) + 2), sum(heights) + top)
    bottom = sum(heights)
    if title:
        axis.text(0.15, bottom + 0.15, title, size=SIZE + 1.5, weight="bold")
    for row, height in zip(rows, heights, strict=True):
        bottom -= height
        y = bottom + height - 0.05 - TALLEST / 2
        after = boxes.index(row[-1]) + 1
        following = boxes[after].shape_in if after < len(boxes) else shape_out
        begin = "input" if row[0] is boxes[0] else "code" if row[0] is code else None
        end = "output" if after == len(boxes) else "code" if boxes[after] is code else None
        places = [(row[0].shape_in, GREY if begin else None, begin)]
        places += [(box.shape_out, _colour(box), "\n".join(box.lines)) for box in row]
        places += [(following, GREY if end else None, end)]
        needed = [box.shape_in for box in row] + [following]
        right = 0.0
        for i, (form, colour, text) in enumerate(places):
            x = PITCH * (i + 0.5)
            width, tall = _extent(form, largest) if colour else (0, 0)
            if colour:
                colour = FOURTH if text == "code" else colour
                axis.add_patch(
                    Rectangle((x - width / 2, y - tall / 2), width, tall, color=colour, lw=0)
                )
                below = y - TALLEST / 2 - 0.06
                axis.text(x, below, text, size=SIZE, ha="center", va="top", linespacing=1.15)
            if i:
                passes = _words(places[i - 1][0], needed[i - 1])
                _arrow(axis, right, x - width / 2, y, passes)
            right = x + width / 2
    return figure


def network_boxes(model, shape):
    """Layers with weights, in the order of their use. -> list of Box, shape of the output"""
    import torch  # heavy, and other figures need none
    from torch import nn

    boxes, waiting, hooks = [], [], []
    modes = [(part, part.training) for part in model.modules()]
    names = {part: name for name, part in model.named_modules()}
    decodes = not any("decoder" in name.split(".") for name in names.values())

    def watch(part, inputs, output):
        form = tuple(inputs[0].shape[1:])
        if next(part.parameters(), None) is None or isinstance(part, nn.BatchNorm2d):
            if type(part).__name__ in JOINS_NEXT or not boxes:
                waiting.append((type(part).__name__, form))
                return
            box = boxes[-1]
        else:
            box = Box("decoder" in names[part].split("."), waiting[0][1] if waiting else form)
            boxes.append(box)
            box.lines += [name for name, _ in waiting]
            waiting.clear()
        box.lines += _describe(part)
        box.shape_out = tuple(output.shape[1:])

    for part in _layers(model):
        hooks.append(part.register_forward_hook(watch))
    try:
        with torch.no_grad():
            device = next(model.parameters()).device
            output = model.eval()(torch.zeros(1, *shape, device=device))
    finally:
        for hook in hooks:
            hook.remove()
        for part, training in modes:
            part.training = training
    output = output[0] if isinstance(output, tuple) else output  # of a VAE: the reconstruction
    shape_out = tuple(output.shape[1:])
    if decodes and _numbers(shape_out) > _numbers(shape):  # a decoder alone
        for box in boxes:
            box.decoder = True
    return _merged(boxes), shape_out


def _layers(module):
    """What is drawn as one layer: parts without parts, and blocks that are drawn as a whole."""
    children = list(module.children())
    if not children or type(module).__name__.endswith("Block"):
        return [module]
    return [layer for child in children for layer in _layers(child)]


def _merged(boxes):
    """Residual blocks after each other become one box, with their number."""
    kept = []
    for box in boxes:
        block = box.lines[-1].endswith("Block") and len(box.lines) == 1
        if block and kept and kept[-1].lines[-1].endswith(box.lines[-1]):
            count = kept[-1].lines[-1].removesuffix(box.lines[-1]).removesuffix(" × ") or 1
            kept[-1].lines[-1] = f"{int(count) + 1} × {box.lines[-1]}"
            kept[-1].shape_out = box.shape_out
        else:
            kept.append(box)
    return kept


def _describe(part):
    from torch import nn

    name = type(part).__name__
    if isinstance(part, nn.Linear):
        return [name, f"{part.in_features:,}→{part.out_features:,}"]
    if not isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
        return [name]
    lines = [name, f"{part.in_channels}→{part.out_channels}, kernel {part.kernel_size[0]}"]
    if part.stride[0] > 1 or part.padding[0]:
        lines.append(f"stride {part.stride[0]}, padding {part.padding[0]}")
    if any(part.output_padding):
        lines.append(f"output padding {part.output_padding[0]}")
    return lines


def _rows(boxes, decoder):
    half = [box for box in boxes if box.decoder == decoder]
    count = -(-len(half) // PER_ROW)
    length = -(-len(half) // count) if count else 1
    return [half[i : i + length] for i in range(0, len(half), length)]


def _colour(box):
    return SECOND if box.decoder else NORMAL


def _side(shape):
    return shape[-1] if len(shape) == 3 else 1


def _numbers(shape):
    return prod(shape)


def _extent(shape, largest):
    """Width and height of a box in inches."""
    width = 0.06 + (WIDEST - 0.06) * min(1, log2(shape[0]) / 11)
    return width, max(0.1, TALLEST * _side(shape) / largest)


def _words(shape, needed):
    forms = (shape,) if shape == needed else (shape, needed)
    return "\n→ ".join("×".join(map(str, form)) for form in forms)


def _sheet(width, height):
    """A figure whose coordinates are inches."""
    figure = Picture(figsize=(width, height))
    axis = figure.add_axes([0, 0, 1, 1], xlim=(0, width), ylim=(0, height))
    axis.set_axis_off()
    return figure, axis


def _arrow(axis, start, end, y, text):
    axis.add_patch(
        FancyArrowPatch(
            (start + 0.04, y), (end - 0.04, y), arrowstyle="-|>", mutation_scale=9, color=THRESHOLD
        )
    )
    axis.text((start + end) / 2, y + 0.05, text, size=SIZE, ha="center", va="bottom")


def convolution_picture(size, kernel_size, stride=1, padding=0):
    """Draw where the kernel of a convolution stands for four pixels of its output. -> Picture

    size : side of the input in pixels; kernel_size, stride, padding : as in nn.Conv2d
    Above, the input with its padding (dashed) and the place of the kernel; below, the output.
    """
    output = (size + 2 * padding - kernel_size) // stride + 1
    steps = _steps(output)
    figure, axes = _panels(len(steps), size + 2 * padding, output)
    for i, (above, below) in enumerate(zip(*axes, strict=True)):
        row, column = steps[i]
        _grid(above, size, offset=padding)
        _grid(above, size + 2 * padding, dashed=True)
        _mark(above, column * stride, row * stride, kernel_size, NORMAL)
        _grid(below, output)
        _mark(below, column, row, 1, NORMAL)
        above.set_title(f"output pixel ({row}, {column})", size=SIZE)
    axes[0][0].set_ylabel(f"input {size}×{size}", size=SIZE)
    axes[1][0].set_ylabel(f"output {output}×{output}", size=SIZE)
    return figure


def transposed_picture(size, kernel_size, stride=1, padding=0, output_padding=0):
    """Draw what four pixels of the input of a transposed convolution are spread over. -> Picture

    size : side of the input in pixels; the rest as in nn.ConvTranspose2d
    Above, the input; below, the output: each input pixel adds a kernel to it, `stride` pixels from
    that of its neighbour. `padding` cuts off a rim (dashed); `output_padding` adds a row below and
    a column at the right (olive).
    """
    whole = (size - 1) * stride + kernel_size
    output = whole - 2 * padding + output_padding
    steps = _steps(size)
    figure, axes = _panels(len(steps), size, whole + max(0, output_padding - padding))
    for i, (above, below) in enumerate(zip(*axes, strict=True)):
        row, column = steps[i]
        _grid(above, size)
        _mark(above, column, row, 1, SECOND)
        _grid(below, whole, dashed=True)
        _grid(below, output, offset=padding)
        first = padding + output - output_padding  # of the rows and columns that are added
        for k in range(padding, padding + output):
            for m in range(first, padding + output):
                _mark(below, m, k, 1, FOURTH)
                if k < first:
                    _mark(below, k, m, 1, FOURTH)
        _mark(below, column * stride, row * stride, kernel_size, SECOND)
        above.set_title(f"input pixel ({row}, {column})", size=SIZE)
    axes[0][0].set_ylabel(f"input {size}×{size}", size=SIZE)
    axes[1][0].set_ylabel(f"output {output}×{output}", size=SIZE)
    return figure


def _steps(side):
    """Up to four places of a grid: the first two, the first of the second row, the last."""
    places = [(0, 0), (0, 1), (1, 0), (side - 1, side - 1)]
    return list(dict.fromkeys(p for p in places if max(p) < side))


def _panels(count, above, below):
    figure = Picture(figsize=(1.9 * count, 0.4 + 1.9 * (1 + min(above, below) / max(above, below))))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2, count, squeeze=False, height_ratios=(above + 0.6, below + 0.6))
    largest = max(above, below)
    for row, side in zip(axes, (above, below), strict=True):
        for axis in row:
            rim = (largest - side) / 2 + 0.3  # one scale for all grids
            axis.set(xlim=(-rim, side + rim), ylim=(side + 0.3, -0.3), aspect="equal")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    return figure, axes


def _grid(axis, side, offset=0, dashed=False):
    look = {"ls": ":", "fc": "none", "ec": GREY} if dashed else {"fc": FAINT, "ec": GREY}
    for row in range(side):
        for column in range(side):
            axis.add_patch(
                Rectangle((column + offset, row + offset), 1, 1, lw=0.8, zorder=1 + dashed, **look)
            )


def _mark(axis, x, y, side, colour, alpha=0.55):
    axis.add_patch(Rectangle((x, y), side, side, fc=colour, ec=colour, alpha=alpha, zorder=3))
