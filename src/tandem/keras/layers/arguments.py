"""Checks of arguments that many layers take."""

from tandem.core.errors import explain
from tandem.keras.config import standardize_data_format

__all__ = ["sizes", "standardize_data_format", "standardize_padding"]


def sizes(value, rank, name, *, allow_zero=False):
    """`value` as a tuple of `rank` positive integers; one integer stands for all. Raises ValueError otherwise."""
    given = value
    if isinstance(value, int) or (hasattr(value, "__index__") and not hasattr(value, "__len__")):
        value = (int(value),) * rank
    wrong = f"The `{name}` argument must be a tuple of {rank} integers. Received {name}={given}"
    try:
        value = tuple(value)
    except TypeError:
        raise ValueError(wrong) from None
    if len(value) != rank or not all(hasattr(size, "__index__") for size in value):
        raise ValueError(wrong)
    value = tuple(int(size) for size in value)
    least = 0 if allow_zero else 1
    bad = {size for size in value if size < least}
    if bad:
        sign = ">=" if allow_zero else ">"
        raise ValueError(f"{wrong}, including values {bad} that do not satisfy `value {sign} 0`")
    return value


def standardize_padding(value, allowed=("valid", "same")):
    """`value` in lower case. Raises ValueError where it is not one of `allowed`."""
    name = str(value).lower()
    if name not in allowed:
        raise ValueError(
            explain(
                f"The `padding` argument must be one of {set(allowed)}. Received: {value}",
                expected=" or ".join(map(repr, allowed)),
                given=f"padding={value!r}",
            )
        )
    return name
