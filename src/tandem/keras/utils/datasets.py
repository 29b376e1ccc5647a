"""Datasets out of folders and series: `image_dataset_from_directory`, `text_dataset_from_directory`,
`audio_dataset_from_directory`, `timeseries_dataset_from_array`.

They give batches of tensors, read anew each time that they are iterated over; `fit`, `evaluate`, `predict` and `adapt`
take them.
"""

import os

import numpy as np
import torch

from tandem.core.errors import Unsupported, explain
from tandem.formats import wav
from tandem.keras.utils.messages import print_msg

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


class Batches:
    """A dataset in batches. It has `class_names` and `file_paths` where it was made from a folder."""

    def __init__(self, count, read, batch_size, shuffle=False, seed=None):
        self._count, self._read, self._shuffle = count, read, shuffle
        self._batch_size = batch_size
        self._seed = seed
        self._random = np.random.RandomState(seed)

    def __iter__(self):
        order = self._random.permutation(self._count) if self._shuffle else np.arange(self._count)
        if self._batch_size is None:
            for index in order:
                yield _first(self._read([index]))
            return
        for start in range(0, self._count, self._batch_size):
            yield self._read(order[start : start + self._batch_size])

    @property
    def rows(self):
        """How many samples there are."""
        return self._count

    def part(self, rows):
        """The dataset of some of the samples, by number."""

        def read(places):
            return self._read([rows[place] for place in places])

        part = Batches(len(rows), read, self._batch_size, self._shuffle, self._seed)
        for name in ("class_names", "file_paths"):
            if hasattr(self, name):
                value = getattr(self, name)
                setattr(part, name, [value[row] for row in rows] if name == "file_paths" else value)
        return part

    def __len__(self):
        return self._count if self._batch_size is None else -(-self._count // self._batch_size)


def _first(batch):
    return tuple(part[0] for part in batch) if isinstance(batch, tuple) else batch[0]


def _only_here(format):
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')
    if format == "grain":
        raise Unsupported(
            explain("Datasets are not made as Grain's", expected='format="tf"', given=f"format={format!r}")
        )


def _check_split(validation_split, subset, shuffle, seed):
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, received: {validation_split}")
    if (validation_split is None) != (subset is None):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f'`subset` must be either "training", "validation" or "both", received: {subset}')
    if validation_split and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make sure that "
            "there is no overlap between the training and validation subset."
        )


def _files(folder, formats, follow_links):
    """The files in and below a folder, in the order of their names."""
    for root, folders, names in os.walk(folder, followlinks=follow_links):
        folders.sort()
        yield from (os.path.join(root, name) for name in sorted(names) if name.lower().endswith(formats))


def _index(directory, labels, formats, class_names, follow_links):
    """(paths, labels or None, class names)."""
    if labels is None:
        return list(_files(directory, formats, follow_links)), None, None
    found = sorted(name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))
    if labels != "inferred":
        if class_names is not None:
            raise ValueError(
                "You can only pass `class_names` if `labels` is inferred from the subdirectory names in the target "
                f"directory (`labels='inferred'`). Received: labels={labels}, and class_names={class_names}"
            )
        paths = list(_files(directory, formats, follow_links))
        if len(labels) != len(paths):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the target directory. len(labels) is "
                f"{len(labels)} while we found {len(paths)} files in directory {directory}."
            )
        return paths, np.asarray(labels), [str(label) for label in sorted(set(labels))]
    names = found if class_names is None else list(class_names)
    if set(names) - set(found):
        raise ValueError(
            "The `class_names` passed did not match the names of the subdirectories of the target directory. "
            f"Expected: {found}, but received: {class_names}"
        )
    paths, numbers = [], []
    for number, name in enumerate(names):
        of_class = list(_files(os.path.join(directory, name), formats, follow_links))
        paths += of_class
        numbers += [number] * len(of_class)
    return paths, np.asarray(numbers, "int32"), names


def _labelled(labels, label_mode, classes):
    """The labels as arrays with one entry, or row, to a file."""
    if label_mode is None or labels is None:
        return None
    if label_mode == "binary":
        return labels.astype("float32")[:, None]
    return labels.astype("int32") if label_mode == "int" else np.eye(classes, dtype="float32")[labels]


def _from_directory(
    read_file,
    directory,
    labels,
    label_mode,
    class_names,
    formats,
    batch_size,
    shuffle,
    seed,
    split,
    subset,
    follow_links,
    verbose,
    join=torch.stack,
):
    """The dataset of the files of a folder, or the two parts of it; `read_file` gives one file as a tensor or text,
    `join` makes a batch of tensors.
    """
    _check_split(split, subset, shuffle, seed)
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or None. '
            f"Received: label_mode={label_mode}"
        )
    if labels is None or label_mode is None:
        labels = label_mode = None
    paths, numbers, names = _index(directory, labels, formats, class_names, follow_links)
    if not paths:
        raise ValueError(f"No files found in directory {directory}. Allowed formats: {formats}")
    if label_mode == "binary" and len(names or ()) != 2:
        raise ValueError(
            f'When passing `label_mode="binary"`, there must be exactly 2 class_names. Received: class_names={names}'
        )
    if verbose:
        print_msg(f"Found {len(paths)} files" + (f" belonging to {len(names)} classes." if names else "."))
    seed = np.random.randint(1_000_000) if seed is None else seed
    if shuffle:
        order = np.random.RandomState(seed).permutation(len(paths))
        paths = [paths[index] for index in order]
        numbers = None if numbers is None else numbers[order]
    targets = _labelled(numbers, label_mode, len(names or ()))
    tail = len(paths) - int(split * len(paths)) if split else len(paths)

    def part(first, last, kind):
        if verbose and kind:
            print_msg(f"Using {last - first} files for {kind}.")
        chosen = paths[first:last]
        marks = None if targets is None else torch.as_tensor(targets[first:last])

        def read(rows):
            x = [read_file(chosen[row]) for row in rows]
            x = join(x) if isinstance(x[0], torch.Tensor) else np.array(x, dtype=object)
            return x if marks is None else (x, marks[torch.as_tensor(np.asarray(rows))])

        dataset = Batches(len(chosen), read, batch_size, shuffle and kind != "validation", seed)
        dataset.class_names, dataset.file_paths = names, chosen
        return dataset

    if subset == "both":
        return part(0, tail, "training"), part(tail, len(paths), "validation")
    return part(tail, len(paths), "validation") if subset == "validation" else part(0, tail, subset)


def image_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    color_mode="rgb",
    batch_size=32,
    image_size=(256, 256),
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    interpolation="bilinear",
    follow_links=False,
    crop_to_aspect_ratio=False,
    pad_to_aspect_ratio=False,
    data_format=None,
    format="tf",
    verbose=True,
):
    """Batches of (images, labels) from a folder with one folder to a class.

    labels: "inferred", None, or a list in the order of the files; label_mode: "int", "categorical", "binary" or None;
    class_names: the classes in another order; color_mode: "rgb", "rgba" or "grayscale"; image_size: (height, width) to
    resize to, with `interpolation`, cropped or padded to its proportions first where asked; shuffle, seed: the order;
    validation_split, subset: "training", "validation" or "both" of the shares. Raises ValueError for what does not fit.
    """
    from tandem.keras import config, ops
    from tandem.keras.utils.image_utils import img_to_array, load_img

    _only_here(format)
    if color_mode not in ("rgb", "rgba", "grayscale"):
        raise ValueError(f'`color_mode` must be one of "rgb", "rgba", "grayscale". Received: color_mode={color_mode}')
    layout = data_format or config.image_data_format()
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` and `crop_to_aspect_ratio` can be set to `True`.")

    def read(path):
        pixels = img_to_array(load_img(path, color_mode=color_mode), data_format=layout, dtype="float32")
        return ops.image.resize(
            torch.as_tensor(np.ascontiguousarray(pixels)),
            image_size,
            interpolation=interpolation,
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            pad_to_aspect_ratio=pad_to_aspect_ratio,
            data_format=layout,
        )

    return _from_directory(
        read, directory, labels, label_mode, class_names, _IMAGES, batch_size, shuffle, seed, validation_split, subset,
        follow_links, verbose,
    )  # fmt: skip


def text_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    max_length=None,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    format="tf",
    verbose=True,
):
    """Batches of (texts, labels) from a folder of `.txt` files with one folder to a class.

    max_length: how many bytes of a text are read; the rest as for `image_dataset_from_directory`. The texts come as an
    array of str. Raises ValueError for what does not fit.
    """
    _only_here(format)

    def read(path):
        with open(path, "rb") as file:
            return file.read(-1 if max_length is None else max_length).decode("utf-8", errors="replace")

    return _from_directory(
        read, directory, labels, label_mode, class_names, (".txt",), batch_size, shuffle, seed, validation_split,
        subset, follow_links, verbose,
    )  # fmt: skip


def audio_dataset_from_directory(
    directory,
    labels="inferred",
    label_mode="int",
    class_names=None,
    batch_size=32,
    sampling_rate=None,
    output_sequence_length=None,
    ragged=False,
    shuffle=True,
    seed=None,
    validation_split=None,
    subset=None,
    follow_links=False,
    verbose=True,
):
    """Batches of (samples, labels) from a folder of `.wav` files with one folder to a class.

    The samples are (batch, time, channels), from -1 to 1, with zeros after the shorter ones of a batch;
    output_sequence_length: how many of a file are taken, with zeros after a shorter one; sampling_rate: of all files;
    the rest as for `image_dataset_from_directory`. Raises ValueError for what does not fit and for damaged files,
    Unsupported for `ragged=True`, for sounds that are no 16-bit PCM, and for a file of another sampling rate: no file
    is resampled.
    """
    if ragged:
        if output_sequence_length is not None:
            raise ValueError("Cannot set both `ragged` and `output_sequence_length`")
        raise Unsupported("Ragged tensors are not supported by the torch backend. Given: ragged=True.")
    if sampling_rate is not None and (not isinstance(sampling_rate, int) or sampling_rate <= 0):
        raise ValueError(f"`sampling_rate` should be an integer higher than 0. Received: sampling_rate={sampling_rate}")

    def read(path):
        samples, rate = wav.read(path)
        if sampling_rate not in (None, rate):
            raise Unsupported(
                explain(
                    "A sound file has another sampling rate, and sounds are not resampled",
                    expected=f"sampling_rate={sampling_rate}",
                    given=f"{rate} in {path}",
                )
            )
        return torch.from_numpy(samples[:output_sequence_length])

    def join(sounds):
        longest = output_sequence_length or max(len(sound) for sound in sounds)
        batch = sounds[0].new_zeros((len(sounds), longest, sounds[0].shape[1]))
        for row, sound in zip(batch, sounds):
            row[: len(sound)] = sound
        return batch

    return _from_directory(
        read, directory, labels, label_mode, class_names, (".wav",), batch_size, shuffle, seed, validation_split,
        subset, follow_links, verbose, join,
    )  # fmt: skip


def timeseries_dataset_from_array(
    data,
    targets,
    sequence_length,
    sequence_stride=1,
    sampling_rate=1,
    batch_size=128,
    shuffle=False,
    seed=None,
    start_index=None,
    end_index=None,
    format="tf",
):
    """Batches of windows of a series, with the targets of their first steps.

    data: array, time first; targets: None or an array whose entry i belongs to the window that begins at i;
    sequence_length: steps to a window; sequence_stride: between windows; sampling_rate: between a window's steps;
    start_index, end_index: the part of the data to use. Raises ValueError for figures out of range.
    """
    _only_here(format)
    count = len(data)
    for name, value in (("start_index", start_index), ("end_index", end_index)):
        if value is not None and (value < 0 or value >= count):
            raise ValueError(
                f"`{name}` must be at least 0 and lower than the length of the data. Received: {name}={value}"
            )
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0 or value >= count:
            raise ValueError(
                f"`{name}` must be higher than 0 and lower than the length of the data. Received: {name}={value}"
            )
    first, last = start_index or 0, count if end_index is None else end_index
    windows = last - first - (sequence_length - 1) * sampling_rate
    if targets is not None:
        windows = min(windows, len(targets) - first)
    starts = np.arange(0, max(0, windows), sequence_stride)
    if shuffle:
        seed = np.random.randint(1_000_000) if seed is None else seed
        np.random.RandomState(seed).shuffle(starts)
    series = torch.as_tensor(np.asarray(data)[first:last])
    wanted = None if targets is None else torch.as_tensor(np.asarray(targets)[first:last])
    steps = torch.as_tensor(np.arange(sequence_length) * sampling_rate)

    def read(rows):
        begin = torch.as_tensor(starts[np.asarray(rows)])
        x = series[begin[:, None] + steps]
        return x if wanted is None else (x, wanted[begin])

    return Batches(len(starts), read, batch_size)
