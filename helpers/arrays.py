"""Arguments as people have them: lists, Series, arrays and tensors, of any number type and device.

`reads` puts one reader before each argument of a function. So the functions themselves stay as
short as a learner's answer, and what cannot be read is refused in one way: a ValueError or
TypeError that says which argument of which function, what it expects, and what it got.
"""

import inspect
from functools import reduce, wraps

import numpy as np
import torch


def as_numpy(values):
    """Values as a numpy array: a tensor from any device, with gradient or in bfloat16 as well.

    What a masked array hides is NaN.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if isinstance(values, np.ma.MaskedArray):
        return values.astype(float).filled(np.nan)
    if isinstance(values, (list, tuple)):
        values = [as_numpy(v) if isinstance(v, torch.Tensor) else v for v in values]
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError("rows of different lengths") from None


def as_floats(values):
    """Numbers or truth values as float64. TypeError for text, dates and what else is no number."""
    array = as_numpy(values)
    if array.dtype.kind == "O":  # pandas' nullable columns, fractions, lists with None
        if any(isinstance(value, str) for value in array.flat):  # "1.5" would be read
            raise TypeError("text")
        try:
            return array.astype(float)
        except (TypeError, ValueError, OverflowError):
            raise TypeError("values that are no numbers") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"values of type {array.dtype}")
    return array.astype(float)


def reads(function, *, alike=(), check=None, model=None, precise=None, **readers):
    """The function behind readers of its arguments; its own source stays what `inspect` shows.

    readers : parameter=reader, which returns the argument in the form that the function computes
        with, or raises an error that says what it got
    alike : parameters that must have one shape, or be one picture for all the others
    check : called with all arguments by name, returns what is wrong with them, or None
    model : parameter whose number type the tensors take; precise : parameter whose number type the
        result has, where all is computed in float64
    """
    signature = inspect.signature(function)

    @wraps(function)
    def read(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        for name, reader in readers.items():
            try:
                given[name] = reader(given[name])
            except (TypeError, ValueError) as error:
                text = f"{function.__name__}: {name} should be {reader.expected}; got {error}"
                raise type(error)(text) from None
        shapes = {name: tuple(given[name].shape) for name in alike}
        if alike and (shape := _common(list(shapes.values()))) is None:
            seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(f"{function.__name__}: these should have the same shape; got {seen}")
        for name in (name for name, own in shapes.items() if own != shape):
            spread_out = torch.Tensor.expand if torch.is_tensor(given[name]) else np.broadcast_to
            given[name] = spread_out(given[name], shape)
        if check and (wrong := check(**given)):
            raise ValueError(f"{function.__name__}: {wrong}")
        result = given[precise].dtype if precise else None
        _in_one_type(given, readers, given.get(model), precise)
        answer = function(*bound.args, **bound.kwargs)
        return answer.to(result) if precise else answer

    return read


def _common(shapes):
    """The shape of all, or None. One picture may be compared with many, as the mean image is."""
    many = next((s for s in shapes if len(s) != 4 or s[0] != 1), shapes[0])
    fits = all(s == many or (len(s) == 4 and s == (1, *many[1:])) for s in shapes)
    return many if fits else None


def _in_one_type(given, readers, model, precise):
    """Promote the tensors to one type, that of the model's weights if there is one; on one device.

    In float64 where all is to be precise, but for Apple's GPUs, which have none.
    """
    floats = {name: given[name] for name, reader in readers.items() if reader.gives == "floats"}
    if not floats:
        return
    wanted = reduce(torch.promote_types, (t.dtype for t in floats.values()))
    place = next((t.device for t in floats.values() if t.device.type != "cpu"), torch.device("cpu"))
    if isinstance(model, torch.nn.Module):
        weights = (p.dtype for p in model.parameters() if p.is_floating_point())
        wanted = next(weights, wanted)
    if precise and place.type != "mps":
        wanted = torch.float64
    given.update({name: t.to(place, wanted) for name, t in floats.items()})
    labels = [name for name, reader in readers.items() if reader.gives == "labels"]
    given.update({name: given[name].to(place) for name in labels})


# --- readers ------------------------------------------------------------------------------------


def _reader(expected, gives=None):
    """Notes on a reader what it expects, and of which kind the tensors are that it gives."""

    def named(read):
        read.expected, read.gives = expected, gives
        return read

    return named


def numbers(
    expected="one number for each picture, shape (n,)",
    *,
    ndim=1,
    least=1,
    finite=False,
    nan=None,
    low=-np.inf,
    high=np.inf,
):
    """Reader of float64 arrays with at least `least` entries, all from low to high.

    ndim : how many dimensions, or None for any; nan : what NaN is read as, where it is not refused
    """

    @_reader(expected)
    def read(values):
        array = as_floats(values)
        if ndim is not None and array.ndim != ndim:
            raise ValueError(f"shape {array.shape}")
        if array.size < least:
            raise ValueError(f"{array.size} of them")
        if nan is not None:
            array[np.isnan(array)] = nan
        elif wrong := np.count_nonzero(~np.isfinite(array) if finite else np.isnan(array)):
            says = "not finite" if finite else "NaN"
            raise ValueError(f"{wrong} {says} of {array.size}: look at what computes them")
        if wrong := np.count_nonzero((array < low) | (array > high)):
            raise ValueError(
                f"{wrong} of {array.size} outside, from {array.min()} to {array.max()}"
            )
        return array

    return read


def number(expected, low=-np.inf, high=np.inf, *, above=None, below=None):
    """Reader of one number from low to high, or strictly between above and below, as a float."""

    @_reader(expected)
    def read(value):
        array = as_floats(value)
        if array.size != 1:
            raise ValueError(f"an array of shape {array.shape}")
        value = array.item()
        inside = low <= value <= high  # NaN is nowhere
        if not inside or (above is not None and value <= above):
            raise ValueError(f"{value}")
        if below is not None and value >= below:
            raise ValueError(f"{value}")
        return value

    return read


def whole(least, what="number"):
    """Reader of a whole number, at least `least`, as Python's own int, which never overflows."""

    @_reader(f"a whole {what}, {least} or more")
    def read(value):
        array = as_floats(value)
        if array.size != 1 or not np.isfinite(array).all() or array.item() % 1:
            raise ValueError(f"{value}")
        if array.item() < least:
            raise ValueError(f"{value}")
        return int(array.item())

    return read


def spread(expected="a spread above 0"):
    """Reader of a standard deviation: a positive number, or a tensor of them with its gradient."""
    alone = number(expected, above=0)

    @_reader(expected)
    def read(value):
        if not isinstance(value, torch.Tensor) or value.numel() < 2:
            alone(value)
        elif not (value > 0).all():
            raise ValueError(f"{value.min().item()} among them")
        return value

    return read


def one_of(*choices):
    """Reader of a word out of several."""

    @_reader(" or ".join(map(repr, choices)))
    def read(value):
        if value not in choices:
            raise ValueError(f"{value!r}")
        return value

    return read


def names(expected="one for each picture, shape (n,)"):
    """Reader of labels, names or patients: a numpy array (n,) of any type."""

    @_reader(expected)
    def read(values):
        array = as_numpy(values)
        if array.ndim != 1:
            raise ValueError(f"shape {array.shape}")
        from pandas import isna  # loaded by whoever has names: importing this room stays light

        if missing := isna(array).sum():
            raise ValueError(f"{missing} of {array.size} missing")
        return array

    return read


def classes(expected="the class of each picture, shape (n,)"):
    """Reader of class labels, as a tensor of whole numbers from 0 in the order of the labels."""
    any_type = names(expected)

    @_reader(expected, "labels")
    def read(values):
        return torch.from_numpy(np.unique(any_type(values), return_inverse=True)[1])

    return read


def positions(expected):
    """Reader of whole numbers, as of the columns of the right classes: a tensor (n,)."""

    @_reader(expected, "labels")
    def read(values):
        array = as_floats(values)
        if array.ndim != 1 or not array.size:
            raise ValueError(f"shape {array.shape}")
        if not (np.abs(array) < 2**53).all() or (array % 1).any():
            raise ValueError("other numbers than whole ones")
        return torch.from_numpy(array.astype(np.int64))

    return read


def bytes_of(expected="uint8 pictures (N, 1, H, W) or (N, 3, H, W)"):
    """Reader of pictures that must be bytes."""

    @_reader(expected)
    def read(values):
        array = as_numpy(values)
        if array.dtype != np.uint8:
            raise TypeError(f"values of type {array.dtype}")
        if array.ndim != 4 or array.shape[1] not in (1, 3) or 0 in array.shape[2:]:
            raise ValueError(f"shape {array.shape}")
        return array

    return read


def groups(expected="a list with the scores of each patient, (n,) each"):
    """Reader of several groups of numbers: a list of float64 arrays without NaN, none empty."""
    one = numbers()

    @_reader(expected)
    def read(values):
        found = [one(group) for group in values]
        if not found:
            raise ValueError("no patient")
        return found

    return read


def flags(expected="True or False for each picture, shape (n,)", *, ndim=1, least=1):
    """Reader of bool arrays: truth values, whole numbers (0 is False), or floats that are 0 or 1.

    Other floats are refused: a map that nobody has cut at a threshold would be True everywhere.
    """

    @_reader(expected)
    def read(values):
        given = as_numpy(values)
        array = as_floats(given)
        if ndim is not None and array.ndim != ndim:
            raise ValueError(f"shape {array.shape}")
        if array.size < least:
            raise ValueError(f"{array.size} of them")
        if given.dtype.kind not in "biu" and not np.isin(array, (0, 1)).all():
            raise ValueError("other numbers than 0 and 1: compare with a threshold first")
        return array != 0

    return read


def tensor(
    expected="pictures (N, C, H, W)",
    *,
    least_ndim=2,
    ndim=None,
    rows=0,
    side=0,
    finite=False,
    fixed=False,
):
    """Reader of float tensors: arrays, lists, bytes and half precision become tensors as well.

    float32 and float64 stay, with their gradient; half precision, whole numbers and truth values
    take torch's default type, in which their sums are right.
    rows : at least so many; side : height and width are at least so long; fixed : no gradient
    """

    @_reader(expected, "floats")
    def read(values):
        if not isinstance(values, torch.Tensor):
            values = as_numpy(values)
            if values.dtype.kind not in "biuf":
                values = as_floats(values)
            if values.dtype.itemsize > 8:  # torch has no longer ones
                values = values.astype(float)
            values = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), order="C"))
        if values.is_complex():
            raise TypeError(f"values of type {values.dtype}")
        if values.dtype not in (torch.float32, torch.float64):
            values = values.to(torch.get_default_dtype())
        shape = tuple(values.shape)
        if len(shape) < least_ndim or (ndim is not None and len(shape) != ndim):
            raise ValueError(f"shape {shape}")
        if (rows and shape[0] < rows) or 0 in shape[1:] or (side and min(shape[-2:]) < side):
            raise ValueError(f"shape {shape}")
        if finite:
            limit = torch.finfo(values.dtype).max ** 0.5 / 1e3  # squares must be finite as well
            if wrong := int((~(values.abs() <= limit)).sum()):
                raise ValueError(f"{wrong} not finite, or beyond ±{limit:.0e}, of {values.numel()}")
        if len(shape) != 4:  # pictures keep the layout that convolutions are fastest in
            values = values.contiguous()  # a seed draws the same numbers in every layout
        return values.detach() if fixed else values

    return read
