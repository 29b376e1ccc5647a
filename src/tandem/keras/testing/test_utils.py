"""Data for tests, and combinations of arguments."""

import itertools

import numpy as np


def get_test_data(train_samples, test_samples, input_shape, num_classes, random_seed=None):
    """((x, labels) to train with, (x, labels) to test with): samples scattered around one centre to a class.

    input_shape: of one sample; random_seed: repeats the data. Labels are int64 class numbers, x is float32.
    """
    generator = np.random.default_rng(random_seed)
    count = train_samples + test_samples
    centres = 2 * num_classes * generator.random((num_classes, *input_shape))
    labels = generator.integers(0, num_classes, count)
    samples = (centres[labels] + generator.normal(0, 0.1, (count, *input_shape))).astype("float32")
    return (samples[:train_samples], labels[:train_samples]), (samples[train_samples:], labels[train_samples:])


def named_product(*args, **kwargs):
    """All combinations of arguments, as `parameterized.named_parameters` takes them.

    kwargs: name -> values to choose from; args: lists of dicts of arguments, combined with the others.
    Gives dicts of the arguments with "testcase_name", made of the names and values.
    """
    choices = [[{name: value} for value in values] for name, values in kwargs.items()]
    for chosen in itertools.product(*args, *choices):
        found, words = {}, []
        for part in chosen:
            part = dict(part)
            words.append(part.pop("testcase_name", None) or "_".join(_word(*item) for item in part.items()))
            found.update(part)
        yield {"testcase_name": "_".join(word for word in words if word), **found}


def _word(name, value):
    if value is None or isinstance(value, bool):
        return name if value else f"no_{name}" if value is False else f"{name}_none"
    return str(value)
