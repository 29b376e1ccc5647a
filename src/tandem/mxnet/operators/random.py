"""Operators that draw random numbers, and dropout."""

import torch

from tandem.core.errors import explain
from tandem.mxnet import failed
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import log_uniform, random


def _check(holds, name, expected, **given):
    if not holds:
        values = ", ".join(f"{key}={value}" for key, value in given.items())
        raise MXNetError(explain(f"The parameters of {name} are out of range", expected=expected, given=values))


def _uniform(shape, low, high, **place):
    _check(high >= low, "uniform", "low <= high", low=low, high=high)
    return random.uniform(shape, low, high, **place)


def _normal(shape, loc, scale, **place):
    _check(scale > 0, "normal", "scale > 0", scale=scale)
    return random.normal(shape, loc, scale, **place)


def _gamma(shape, alpha, beta, **place):
    _check(alpha > 0 and beta > 0, "gamma", "alpha > 0 and beta > 0", alpha=alpha, beta=beta)
    return random.gamma(shape, alpha, beta, **place)


def _exponential(shape, lam, **place):
    _check(lam > 0, "exponential", "lam > 0", lam=lam)
    return random.exponential(shape, 1 / lam, **place)


def _poisson(shape, lam, **place):
    _check(lam >= 0, "poisson", "lam >= 0", lam=lam)
    return random.poisson(shape, lam, **place)


def _negative_binomial(shape, k, p, **place):
    _check(k > 0 and 0 < p <= 1, "negative_binomial", "k > 0 and 0 < p <= 1", k=k, p=p)
    return random.negative_binomial(shape, k, p, **place)


def _generalized_negative_binomial(shape, mu, alpha, **place):
    _check(mu >= 0 and alpha >= 0, "generalized_negative_binomial", "mu >= 0 and alpha >= 0", mu=mu, alpha=alpha)
    return random.generalized_negative_binomial(shape, mu, alpha, **place)


def dtype_among(*dtypes):
    """How a dtype, or None, is read that must be one of some."""

    def read(value):
        if value is None or value == "None":
            return None
        found = a.dtype().parse(value)
        if found not in dtypes:
            raise ValueError
        return found

    return read


_FLOAT = a.Attribute(
    dtype_among(torch.float16, torch.float32, torch.float64), None, "None, float16, float32 or float64"
)
_SHAPE = a.optional_sizes(None)
_PLACE = {"shape": _SHAPE, "ctx": a.text(""), "dtype": _FLOAT}

# Name: (sampler, its parameters with their defaults).
_DISTRIBUTIONS = {
    "uniform": (_uniform, {"low": a.real(0.0), "high": a.real(1.0)}),
    "normal": (_normal, {"loc": a.real(0.0), "scale": a.real(1.0)}),
    "gamma": (_gamma, {"alpha": a.real(1.0), "beta": a.real(1.0)}),
    "exponential": (_exponential, {"lam": a.real(1.0)}),
    "poisson": (_poisson, {"lam": a.real(1.0)}),
    "negative_binomial": (_negative_binomial, {"k": a.integer(1), "p": a.real(1.0)}),
    "generalized_negative_binomial": (_generalized_negative_binomial, {"mu": a.real(1.0), "alpha": a.real(1.0)}),
}


def _drawn(sampler, shape, dtype, device, parameters):
    """Samples; parameters out of range are told of when somebody looks at the samples, as MXNet does."""
    try:
        return sampler(shape, dtype=dtype, device=device, **parameters)
    except MXNetError as error:
        return failed.values(shape, error, dtype=dtype, device=device)


def _of_numbers(sampler, doc):
    def sample(*, shape, dtype, device, **parameters):
        return _drawn(sampler, (1,) if shape is None else shape, dtype or torch.float32, device, parameters)

    sample.__doc__ = doc
    return sample


def _like(sampler, doc):
    def sample(data, **parameters):
        return _drawn(sampler, data.shape, data.dtype, data.device, parameters)

    sample.__doc__ = doc
    return sample


for _name, (_sampler, _parameters) in _DISTRIBUTIONS.items():
    _doc = f"Numbers of the {_name.replace('_', ' ')} distribution."
    register(
        f"_random_{_name}",
        _of_numbers(_sampler, _doc),
        (),
        {**_parameters, **_PLACE},
        aliases=(f"random_{_name}", _name) if _name in ("uniform", "normal") else (f"random_{_name}",),
        creates=True,
        random=True,
    )
    register(
        f"_random_{_name}_like",
        _like(_sampler, _doc + " In data's shape and dtype."),
        attributes=_parameters,
        random=True,
        differentiable=False,
    )


def _randint(*, low, high, shape, dtype, device):
    """Whole numbers from low up to high, which is not included."""
    _check(high > low, "randint", "low < high", low=low, high=high)
    return random.randint((1,) if shape is None else shape, low, high, dtype=dtype or torch.int32, device=device)


register(
    "_random_randint",
    _randint,
    (),
    {
        "low": a.integer(),
        "high": a.integer(),
        "shape": _SHAPE,
        "ctx": a.text(""),
        "dtype": a.Attribute(dtype_among(torch.int32, torch.int64), None, "None, int32 or int64"),
    },
    aliases=("random_randint",),
    creates=True,
    random=True,
)

# --- one distribution to each element of the parameters --------------------------------------------------------------


def _of_arrays(sampler, doc):
    def sample(*parameters, shape, dtype):
        first = parameters[0]
        shape = shape or ()
        spread = [value.reshape(*value.shape, *[1] * len(shape)) for value in parameters]
        return sampler((*first.shape, *shape), *spread, dtype=dtype or first.dtype, device=first.device)

    sample.__doc__ = doc
    return sample


_SAMPLE = {
    "shape": a.optional_sizes(()),
    "dtype": _FLOAT,
}
for _name, _sampler, _inputs in (
    ("uniform", random.uniform, ("low", "high")),
    ("normal", random.normal, ("mu", "sigma")),
    ("gamma", random.gamma, ("alpha", "beta")),
    ("exponential", random.exponential_of_rate, ("lam",)),
    ("poisson", random.poisson, ("lam",)),
    ("negative_binomial", random.negative_binomial, ("k", "p")),
    ("generalized_negative_binomial", random.generalized_negative_binomial, ("mu", "alpha")),
):
    register(
        f"_sample_{_name}",
        _of_arrays(_sampler, f"Numbers of a {_name.replace('_', ' ')} distribution to each element of the parameters."),
        _inputs,
        _SAMPLE,
        aliases=(f"sample_{_name}",),
        random=True,
        differentiable=False,
    )


def _multinomial(data, *, shape, get_prob, dtype):
    """Class numbers drawn with the probabilities in data's last axis; with get_prob also their log-probabilities."""
    count = 1
    for size in shape or ():
        count *= size
    draws = random.multinomial(data.detach(), count, dtype=dtype)
    wanted = (*data.shape[:-1], *(shape or ()))
    if not get_prob:
        return (draws.reshape(wanted or (1,)),)
    return draws.reshape(wanted or (1,)), random.log_likelihood(data, draws).reshape(wanted or (1,))


register(
    "_sample_multinomial",
    _multinomial,
    attributes={"shape": a.optional_sizes(()), "get_prob": a.flag(False), "dtype": a.dtype("int32")},
    aliases=("sample_multinomial",),
    random=True,
)


def _unique_zipfian(*, range_max, shape, device):
    """(Rows of different numbers of the log-uniform distribution below range_max, the draws that each took)."""
    if shape is None or len(shape) != 2:
        raise MXNetError(
            explain("_sample_unique_zipfian makes a matrix", expected="shape=(rows, columns)", given=shape)
        )
    if not 0 < shape[1] <= range_max:
        raise MXNetError(
            explain(
                "Number of samples cannot exceed the number of possible classes",
                expected=f"1 to {range_max} in a row",
                given=shape[1],
            )
        )
    rows = [log_uniform.distinct(shape[1], range_max, device=device) for _ in range(shape[0])]
    return torch.stack([row[0] for row in rows]), torch.cat([row[1] for row in rows])


register(
    "_sample_unique_zipfian",
    _unique_zipfian,
    (),
    {"range_max": a.integer(), "shape": _SHAPE},
    creates=True,
    random=True,
)


def _shuffle(data):
    """data with its first axis in random order."""
    return random.shuffle(data, 0)


register("_shuffle", _shuffle, aliases=("shuffle",), random=True)


def _dropout(data, *, p, mode, axes, cudnn_off, training):
    """Elements set to 0 with probability p, the others divided by ``1 - p``, in training (or always); one draw along
    axes."""
    _check(0 <= p <= 1, "Dropout", "0 <= p <= 1", p=p)
    if p == 0 or not (training or mode == "always"):
        return data
    return random.dropout(data, p, axes=axes or None)


register(
    "Dropout",
    _dropout,
    attributes={
        "p": a.real(0.5),
        "mode": a.choice("always", "training", default="training"),
        "axes": a.sizes(()),
        "cudnn_off": a.optional_flag(False),
    },
    modal=True,
    random=True,
    aliases_input=True,
)
