"""Every public function of losses, scores, thresholds, metrics and latent, on all that people have.

The same numbers as lists, Series, arrays of other types or tensors give the same result as float64
arrays; what has no right result is refused by a ValueError or TypeError that names the function.
"""

import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers import calibration, latent, losses, metrics, scores, thresholds

MODULES = calibration, latent, losses, metrics, scores, thresholds
few = settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a failure names its seed and form: nothing to make smaller
    suppress_health_check=list(HealthCheck),
)
# drawn once for all functions, since hypothesis takes longer to begin than they do
drawn = {"seed": st.integers(0, 2**32 - 1), "n": st.integers(1, 6)}


class Model:
    """A VAE whose numbers are of the type that comes in."""

    sigma = 0.5

    def encode(self, x):
        flat = x.flatten(start_dim=1)[:, :2]
        return flat, flat / 4 - 1

    def decode(self, z):
        return z.sum(dim=1).view(-1, 1, 1, 1).expand(-1, 1, 8, 8) / 4

    decoder = decode


GROUPS = [lambda x: x, lambda x: 2 * x, lambda x: x[..., ::2, ::2]]


class Draw:
    """Arguments of n pictures. Numbers are eighths, which every type but whole numbers holds."""

    def __init__(self, seed, n):
        self.rng, self.n = np.random.default_rng(seed), n

    def values(self, *shape):
        return self.rng.integers(1, 17, shape) / 8

    def many(self, more=0):
        return self.values(self.n + more)

    def shares(self, n=None):
        return self.rng.integers(0, 9, n or self.n) / 8

    def flags(self, *shape):
        return self.rng.random(shape or self.n) < 0.5

    def both(self, *shape):
        """A mask with both kinds of pixels."""
        mask = self.flags(*shape)
        mask.flat[:2] = True, False
        return mask

    def pictures(self, n=None):
        return self.values(n or self.n, 1, 8, 8)

    def codes(self, n=None):
        return self.values(n or self.n, 3)

    def spread_codes(self):
        return np.concatenate([[[1.0, 0.5, 2.0], [2.0, 1.5, 0.125]], self.codes(6)])


def screened(calibration_scores, scores):
    return thresholds.Screen(0.25).fit(calibration_scores).p_values(scores)


# name: draw -> arguments. Arrays among them are what a caller may hold in other forms.
CASES = {
    "calibration.reliability": lambda d: {"confidence": d.shares(), "correct": d.flags()},
    "calibration.expected_calibration_error": lambda d: {
        "confidence": d.shares(),
        "correct": d.flags(),
    },
    "calibration.fit_temperature": lambda d: {
        "logits": d.codes(),
        "labels": d.rng.integers(0, 3, d.n),
    },
    "latent.interpolate": lambda d: {"z_start": d.many(), "z_end": d.many(), "steps": 3},
    "latent.pca_reconstruct": lambda d: {
        "x_train": d.pictures(6),
        "x": d.pictures(),
        "components": 64,
    },
    "latent.active_units": lambda d: {"mu": d.spread_codes(), "threshold": 0.3},
    "losses.reparameterize": lambda d: {"mu": d.codes(), "logvar": d.codes()},
    "losses.kl_divergence": lambda d: {"mu": d.codes(), "logvar": d.codes()},
    "losses.monte_carlo_kl": lambda d: {"mu": d.codes(), "logvar": d.codes(), "samples": 4},
    "losses.gaussian_log_likelihood": lambda d: {
        "x": d.pictures(),
        "x_hat": d.pictures(),
        "sigma": 0.5,
    },
    "losses.bernoulli_log_likelihood": lambda d: {"x": d.pictures(), "logits": d.pictures()},
    "losses.elbo": lambda d: {"log_likelihood": d.many(), "kl": d.many(), "beta": 2.0},
    "losses.elbo_terms": lambda d: {"vae": Model(), "x": d.pictures()},
    "losses.log_weights": lambda d: {"vae": Model(), "x": d.pictures(), "samples": 2},
    "losses.iwae_bound": lambda d: {"log_w": d.values(4, d.n)},
    "losses.effective_beta": lambda d: {"batch_size": d.n, "pixels": 64, "latent_dim": 3},
    "metrics.auroc": lambda d: {"normal_scores": d.many(2), "anomaly_scores": d.many()},
    "metrics.fpr_at_tpr": lambda d: {"normal_scores": d.many(2), "anomaly_scores": d.many()},
    "metrics.bootstrap_interval": lambda d: {
        "normal_scores": d.many(2),
        "anomaly_scores": d.many(),
        "resamples": 5,
    },
    "metrics.paired_interval": lambda d: {
        "normal_scores": d.many(),
        "anomaly_scores": d.many(),
        "resamples": 5,
    },
    "metrics.paired_difference": lambda d: {
        "normal_a": d.many(),
        "anomaly_a": d.many(1),
        "normal_b": d.many(),
        "anomaly_b": d.many(1),
        "resamples": 5,
    },
    "metrics.per_class_auroc": lambda d: {
        "normal_scores": d.many(2),
        "anomaly_scores": d.many(),
        "names": d.rng.integers(0, 3, d.n),
    },
    "metrics.balanced_accuracy": lambda d: {
        "normal_scores": d.many(2),
        "anomaly_scores": d.many(),
        "threshold": 1.0,
    },
    "metrics.wilson_interval": lambda d: {"successes": d.n // 2, "trials": d.n},
    "metrics.precision_at_prevalence": lambda d: {"tpr": 0.5, "fpr": 0.25, "prevalence": 0.1},
    "metrics.psnr": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "metrics.dice": lambda d: {"a": d.flags(d.n, 4, 4), "b": d.flags(d.n, 4, 4)},
    "metrics.pixel_metrics": lambda d: {
        "maps": d.values(d.n, 4, 4),
        "masks": d.both(d.n, 4, 4),
        "threshold": 1.0,
    },
    "metrics.rank_correlation": lambda d: {
        "a": np.append(d.many(), [0, 1]),
        "b": np.append(d.many(), [1, 0]),
    },
    "metrics.risk_coverage": lambda d: {"confidence": d.shares(), "correct": d.flags()},
    "metrics.aurc": lambda d: {"confidence": d.shares(), "correct": d.flags()},
    "metrics.answered": lambda d: {"probability": d.shares(), "refused": d.flags()},
    "metrics.by_patient": lambda d: {"scores": d.many(), "patients": d.rng.integers(0, 3, d.n)},
    "metrics.patient_interval": lambda d: {
        "normal": [d.many(), d.many(1)],
        "anomaly": [d.many(), d.many(1)],
        "resamples": 5,
    },
    "metrics.pixel_auroc": lambda d: {"maps": d.values(d.n, 4, 4), "masks": d.both(d.n, 4, 4)},
    "metrics.pro": lambda d: {"maps": d.values(d.n, 4, 4), "masks": d.both(d.n, 4, 4)},
    "scores.reconstruction_error": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "scores.absolute_error": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "scores.huber_error": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "scores.error_per_ink": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "scores.ssim_residual": lambda d: {"x": d.pictures(), "x_hat": d.pictures()},
    "scores.mahalanobis": lambda d: {"z_train": d.spread_codes(), "z": d.codes()},
    "scores.class_mahalanobis": lambda d: {
        "z_train": d.spread_codes(),
        "labels": np.array([0, 0, 1, 1, 2, 2, 2, 2]),
        "z": d.codes(),
    },
    "scores.knn": lambda d: {"z_train": d.codes(6), "z": d.codes()},
    "scores.normalised_knn": lambda d: {"z_train": d.codes(6), "z": d.codes(), "k": 2},
    "scores.reconstruction_probability": lambda d: {"vae": Model(), "x": d.pictures()},
    "scores.compressed_bits": lambda d: {
        "images": d.rng.integers(0, 256, (d.n, 3, 5, 4), dtype=np.uint8)
    },
    "scores.total_variation": lambda d: {"x": d.pictures()},
    "scores.beyond_complexity": lambda d: {
        "errors_fit": d.values(5),
        "complexity_fit": np.append(d.values(3), [1, 2]),
        "errors": d.many(),
        "complexity": d.many(),
    },
    "scores.max_softmax": lambda d: {"logits": d.codes()},
    "scores.energy": lambda d: {"logits": d.codes()},
    "scores.patch_features": lambda d: {"groups": GROUPS, "x": d.pictures()},
    "scores.patch_distance": lambda d: {"bank": d.codes(6), "features": d.values(d.n, 3, 2, 2)},
    "thresholds.mean_std_threshold": lambda d: {"scores": d.many()},
    "thresholds.conformal_p_values": lambda d: {
        "calibration_scores": d.many(2),
        "scores": d.many(),
    },
    "thresholds.patient_p_values": lambda d: {
        "calibration_scores": d.many(),
        "groups": d.rng.integers(0, 3, d.n),
        "scores": d.many(1),
    },
    "thresholds.conformal_threshold": lambda d: {"calibration_scores": d.many(), "alpha": 0.2},
    "thresholds.as_scores": lambda d: {"scores": d.many()},
    "thresholds.Screen": lambda d: {"calibration_scores": d.many(5), "scores": d.many()},
    "thresholds.false_alarm_interval": lambda d: {"n": d.n, "m": 5, "alpha": 0.2},
    "thresholds.z_rule": lambda d: {
        "scores": np.append(d.many(), [1, 2]),
        "normal": np.append(d.flags(), [True, True]),
        "validation": np.append(d.flags(), [True, True]),
    },
}
DRAWING = {"reparameterize", "monte_carlo_kl", "elbo_terms", "log_weights"}
DRAWING |= {"reconstruction_probability"}
BYTES = {"scores.compressed_bits"}  # the size of a file: of no other type

FORMS = {
    "list": lambda a: a.tolist(),
    "nested tuple": lambda a: tuple(map(tuple, a)) if a.ndim == 2 else tuple(a),
    "Series": lambda a: pd.Series(a, index=range(7, 7 + len(a))) if a.ndim == 1 else a,
    "nullable Series": lambda a: pd.Series(a).convert_dtypes() if a.ndim == 1 else a,
    "object": lambda a: a.astype(object),
    "backwards": lambda a: a[::-1].copy()[::-1],
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "Fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "masked array": np.ma.array,
    "longdouble": lambda a: a.astype(np.longdouble),
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "tensor": lambda a: torch.tensor(a),
    "tensor float16": lambda a: torch.tensor(a).half(),
    "tensor float32": lambda a: torch.tensor(a).float(),
    "tensor bfloat16": lambda a: torch.tensor(a).bfloat16(),
    "tensor with gradient": lambda a: torch.tensor(a, dtype=torch.float64).requires_grad_() * 1,
    "tensor, transposed": lambda a: torch.tensor(a.T.copy()).T if a.ndim == 2 else torch.tensor(a),
    "list of tensors": lambda a: list(torch.tensor(a)),
}
WHOLE = {
    "uint8": lambda a: a.astype(np.uint8),
    "int64": lambda a: a.astype(np.int64),
    "tensor uint8": lambda a: torch.tensor(a.astype(np.uint8)),
    "bool": lambda a: a.astype(bool),
}


def public(module):
    return {
        name
        for name, found in vars(module).items()
        if name[0] != "_"
        and (inspect.isfunction(found) or inspect.isclass(found))
        and found.__module__ == module.__name__
    }


def function_of(case):
    module, name = case.split(".")
    if name == "Screen":
        return screened
    return getattr(next(m for m in MODULES if m.__name__ == f"helpers.{module}"), name)


def run(case, arguments):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*refuses nothing")  # a screen that says so
        warnings.filterwarnings("ignore", "fit_temperature: ")  # few labels may have no best one
        return function_of(case)(**arguments)


def flat(result):
    """All numbers of a result, as one float64 array."""
    if isinstance(result, dict):
        return flat(list(result.values()))
    if isinstance(result, pd.DataFrame):
        return np.concatenate([result.index, *(result[c] for c in result)]).astype(float)
    if isinstance(result, (list, tuple)):
        return np.concatenate([np.zeros(0), *map(flat, result)])
    if isinstance(result, torch.Tensor):
        result = result.detach().double().numpy()
    return np.asarray(result, dtype=float).ravel()


def in_form(arguments, form, only=None):
    """The arguments with each array in a form, or only one of them."""
    changed = {}
    for name, value in arguments.items():
        if only not in (None, name):
            changed[name] = value
        elif isinstance(value, np.ndarray):
            changed[name] = form(value)
        elif isinstance(value, list) and isinstance(value[0], np.ndarray):
            changed[name] = [form(part) for part in value]
        else:
            changed[name] = value
    return changed


def arrays_of(arguments):
    return [name for name, value in arguments.items() if isinstance(value, np.ndarray)]


def as_type(result, arguments):
    """For functions that draw: the arguments as tensors of the type that the result came in."""
    kind = (result[0] if isinstance(result, tuple) else result).dtype
    return in_form(arguments, lambda a: torch.tensor(a, dtype=kind))


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_every_public_function_has_a_property(module):
    room = module.__name__.removeprefix("helpers.")
    assert {f"{room}.{name}" for name in public(module)} == {
        case for case in CASES if case.startswith(f"{room}.")
    }


@pytest.mark.parametrize("case", CASES)
@few
@given(**drawn, mixed=st.booleans())
def test_every_form_gives_the_number_of_float64_arrays(case, seed, n, mixed):
    forms = FORMS | WHOLE
    if case in BYTES:
        forms = {
            name: forms[name] for name in ("tensor", "list of tensors", "backwards", "Fortran")
        }
    for name, form in forms.items():
        arguments = CASES[case](Draw(seed, n))
        arrays = arrays_of(arguments)
        if name in WHOLE:
            arguments = in_form(arguments, np.rint)
        if name == "bool":
            arguments = in_form(arguments, lambda a: (a > np.median(a)).astype(float))
        only = arrays[seed % len(arrays)] if mixed and arrays else None
        changed = in_form(arguments, form, only)
        try:
            expected = flat(run(case, arguments))
        except ValueError as error:
            with pytest.raises(ValueError) as other:
                run(case, changed)
            assert str(other.value) == str(error)
            continue
        result = run(case, changed)
        if case.split(".")[1] in DRAWING:
            expected = flat(run(case, as_type(result, arguments)))
        np.testing.assert_allclose(flat(result), expected, rtol=2e-4, atol=2e-5, err_msg=name)


def spoil(array, how, rng):
    """The array with something in it that no function expects; None where it cannot be."""
    array = array.copy()
    place = rng.integers(array.size)
    if how == "empty":
        return array[:0]
    if how == "one":
        return array[:1]
    if how == "shorter":
        return array[:-1]
    if how == "a dimension more":
        return array[None]
    if how == "flat":
        return array.ravel()
    if how == "one number":
        return array.ravel()[0]
    if how == "None":
        return None
    if how == "text":
        return np.full(array.shape, "a")
    if how == "digits":
        return np.full(array.shape, "1").tolist()
    if how == "complex":
        return array * 1j
    if how == "dates":
        return np.full(array.shape, "2026-11-28", dtype="datetime64[D]")
    if how == "ragged":
        return [[1.0], [1.0, 2.0]]
    if how == "a hole":
        values = array.astype(object)
        values.flat[place] = None
        return values.tolist()
    if how == "ties":
        return np.full_like(array, array.flat[place])
    if how == "all true":
        return np.ones_like(array)
    if how == "all false":
        return np.zeros_like(array)
    if how == "a dict":
        return {"a": 1}
    array = array.astype(float)
    number = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e300, "tiny": 5e-324}[how]
    array.flat[place] = number
    return array


HOW = [
    "empty",
    "one",
    "shorter",
    "a dimension more",
    "flat",
    "one number",
    "None",
    "text",
    "digits",
]
HOW += ["complex", "dates", "ragged", "a hole", "ties", "all true", "all false", "a dict"]
HOW += ["NaN", "inf", "-inf", "huge", "tiny"]
# Each picture by itself: NaN or infinity stays with its own picture, as the modules say.
PICTURES = {
    "reconstruction_error",
    "absolute_error",
    "huber_error",
    "error_per_ink",
    "total_variation",
    "max_softmax",
    "energy",
    "psnr",
    "kl_divergence",
    "reparameterize",
    "gaussian_log_likelihood",
    "bernoulli_log_likelihood",
    "elbo",
    "elbo_terms",
    "log_weights",
    "iwae_bound",
    "reconstruction_probability",
    "patch_features",
    "pca_reconstruct",
}


@pytest.mark.parametrize("case", CASES)
@few
@given(**drawn)
def test_what_is_spoilt_has_a_right_number_or_a_named_error(case, seed, n):
    arrays = arrays_of(CASES[case](Draw(seed, n)))
    for how in HOW if arrays else ():
        arguments = CASES[case](Draw(seed, n))
        only = arrays[seed % len(arrays)]
        spoilt = spoil(arguments[only], how, np.random.default_rng(seed))
        try:
            result = run(case, arguments | {only: spoilt})
        except (ValueError, TypeError) as error:
            # of torch's distributions: a model whose codes leave the range of their type
            assert re.match(r"\w+: |Expected parameter", str(error)), f"{how}: {error}"
            assert len(str(error)) < 300 or case.endswith("log_weights")
            continue
        except Exception as error:
            raise AssertionError(f"{only}, {how}") from error
        if case.split(".")[1] not in PICTURES:
            assert not np.isnan(flat(result)).any(), how
        elif how in ("NaN", "inf", "-inf", "huge") and isinstance(result, torch.Tensor):
            batch = 1 if case.endswith(("log_weights", "iwae_bound")) else 0
            result = result.movedim(batch, 0) if result.ndim > batch else result
            wrong = ~torch.isfinite(result).reshape(len(result), -1)
            assert wrong.any(dim=1).sum() <= 1, how


def test_infinite_scores_count_by_their_order():
    normal, anomaly = [-np.inf, 1.0, 2.0, 3.0], [2.5, np.inf, np.inf]
    finite = [-9.0, 1.0, 2.0, 3.0], [2.5, 9.0, 9.0]
    for function in (metrics.auroc, metrics.fpr_at_tpr):
        assert function(normal, anomaly) == function(*finite)
    masks = np.array([[[True, True], [False, False]]])
    maps = np.array([[[np.inf, 1.0], [2.0, -np.inf]]])
    cut = np.clip(maps, -9, 9)
    assert metrics.pixel_metrics(maps, masks, 1.5) == metrics.pixel_metrics(cut, masks, 1.5)
    assert metrics.pro(maps, masks) == metrics.pro(cut, masks)
