"""The iterators behind `ImageDataGenerator`: over arrays, over a folder, over a table of file names."""

import os
import threading
from pathlib import Path

import numpy as np

from tandem.core.errors import explain, warn
from tandem.keras import config
from tandem.keras.legacy.keywords import with_old_names
from tandem.keras.utils.image_utils import CHANNELS, MODES, array_to_img, img_to_array, load_img
from tandem.keras.utils.messages import print_msg
from tandem.keras.utils.py_dataset import PyDataset

_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")


class Iterator(PyDataset):
    """Batches of `n` samples, over and over, in an order that is shuffled anew for each pass.

    `len(iterator)` is the number of batches of one pass, `iterator[i]` its i-th batch; `next(iterator)` goes on for
    ever. seed: makes order and transformations repeat.
    """

    white_list_formats = tuple(extension.lstrip(".") for extension in _EXTENSIONS)

    def __init__(self, n, batch_size, shuffle, seed):
        super().__init__()
        self.n = n
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array = None

    def _set_index_array(self):
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def __len__(self):
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, idx):
        if not 0 <= idx < len(self):
            raise ValueError(explain("No such batch", expected=f"an index below {len(self)}", given=idx))
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1
        if self.index_array is None:
            self._set_index_array()
        return self._get_batches_of_transformed_samples(
            self.index_array[self.batch_size * idx : self.batch_size * (idx + 1)]
        )

    def on_epoch_end(self):
        """Shuffle anew."""
        self._set_index_array()

    def reset(self):
        """Begin the next pass now."""
        self.batch_index = 0

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            if self.seed is not None:
                np.random.seed(self.seed + self.total_batches_seen)
            if self.batch_index == 0 or self.index_array is None:
                self._set_index_array()
            start = self.batch_index * self.batch_size % self.n if self.n else 0
            self.batch_index = self.batch_index + 1 if self.n > start + self.batch_size else 0
            self.total_batches_seen += 1
            chosen = self.index_array[start : start + self.batch_size]
        return self._get_batches_of_transformed_samples(chosen)

    next = __next__

    def _transform(self, images):
        """Random transformation and normalisation of a batch of raw images."""
        generator = self.image_data_generator
        parameters = [generator.get_random_transform(image.shape) for image in images]
        return generator.standardize_batch(generator.transform_batch(images, parameters))

    def _save(self, batch, chosen):
        if not self.save_to_dir:
            return
        os.makedirs(self.save_to_dir, exist_ok=True)
        for image, index in zip(batch, chosen, strict=True):
            name = f"{self.save_prefix}_{index}_{np.random.randint(10_000_000)}.{self.save_format}"
            array_to_img(image, self.data_format, scale=True).save(os.path.join(self.save_to_dir, name))

    def _keep_settings(self, generator, data_format, save_to_dir, save_prefix, save_format, subset, dtype):
        self.image_data_generator = generator
        self.data_format = data_format or config.image_data_format()
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        self.dtype = dtype or config.floatx()
        if subset not in (None, "training", "validation"):
            raise ValueError(explain("Unknown subset", expected="training or validation", given=repr(subset)))
        self.subset = subset

    def _part(self, count):
        """The slice of `count` samples that the subset reads: the validation part comes first."""
        split = int(self.image_data_generator.validation_split * count)
        return {None: slice(0, count), "validation": slice(0, split), "training": slice(split, count)}[self.subset]


class NumpyArrayIterator(Iterator):
    """Batches from arrays: images, or images with labels, with sample weights too where they are given.

    x: images of rank 4, or (images, other arrays of the same length): the others pass through unchanged.
    Raises ValueError where lengths or ranks do not fit, or where a subset misses classes that another has.
    """

    @with_old_names
    def __init__(
        self,
        x,
        y,
        image_data_generator,
        batch_size=32,
        shuffle=False,
        sample_weight=None,
        seed=None,
        data_format=None,
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        subset=None,
        ignore_class_split=False,
        dtype=None,
    ):
        self._keep_settings(image_data_generator, data_format, save_to_dir, save_prefix, save_format, subset, dtype)
        misc = []
        if isinstance(x, (tuple, list)):
            others = x[1] if len(x) > 1 else []
            misc = [np.asarray(o) for o in (others if isinstance(others, (tuple, list)) else [others])]
            x = x[0]
        arrays = {"labels": y, "sample weights": sample_weight, **{f"extra input {i}": m for i, m in enumerate(misc)}}
        for name, array in arrays.items():
            if array is not None and len(array) != len(x):
                raise ValueError(explain("Images and " + name + " differ in number", expected=len(x), given=len(array)))
        x = np.asarray(x, dtype=self.dtype)
        y = None if y is None else np.asarray(y)
        sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        part = self._part(len(x))
        if subset is not None and y is not None and not ignore_class_split:
            border = self._part(len(x)).stop if subset == "validation" else part.start
            if not np.array_equal(np.unique(y[:border]), np.unique(y[border:])):
                raise ValueError(
                    explain(
                        "Training and validation subsets have different classes after the split",
                        hint="If your numpy arrays are sorted by the label, you might want to shuffle them.",
                    )
                )
        self.x = x[part]
        self.x_misc = [m[part] for m in misc]
        self.y = None if y is None else y[part]
        self.sample_weight = None if sample_weight is None else sample_weight[part]
        if self.x.ndim != 4:
            raise ValueError(
                explain("Bad input to NumpyArrayIterator", expected="rank 4", given=f"shape {self.x.shape}")
            )
        channels = self.x.shape[3 if self.data_format == "channels_last" else 1]
        if channels not in (1, 3, 4):
            warn(f"Expected 1, 3 or 4 channels ({self.data_format}), given shape {self.x.shape}.")
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array):
        batch = self._transform(self.x[index_array])
        self._save(batch, index_array)
        output = [batch, *(m[index_array] for m in self.x_misc)] if self.x_misc else batch
        if self.y is None:
            return output
        output = (output, self.y[index_array])
        return output if self.sample_weight is None else (*output, self.sample_weight[index_array])


class BatchFromFilesMixin:
    """Reading images from files; a subclass gives `filepaths`, `labels`, `sample_weight` and `class_mode`."""

    def set_processing_attrs(
        self,
        image_data_generator,
        target_size,
        color_mode,
        data_format,
        save_to_dir,
        save_prefix,
        save_format,
        subset,
        interpolation,
        keep_aspect_ratio,
        dtype,
        broken_images,
    ):
        """Keep the settings; color_mode None is "rgb" until a model of one channel asks for grey."""
        self._keep_settings(image_data_generator, data_format, save_to_dir, save_prefix, save_format, subset, dtype)
        if color_mode not in (None, *MODES):
            raise ValueError(explain("Unknown color_mode", expected=", ".join(MODES), given=repr(color_mode)))
        if broken_images not in ("raise", "skip"):
            raise ValueError(explain("Unknown broken_images", expected="raise or skip", given=repr(broken_images)))
        self.target_size = tuple(target_size)
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep_aspect_ratio
        self.broken_images = broken_images
        self._color_mode_given = color_mode is not None
        self._set_color_mode(color_mode or "rgb")

    def _set_color_mode(self, color_mode):
        self.color_mode = color_mode
        channels = CHANNELS[color_mode]
        last = self.data_format == "channels_last"
        self.image_shape = (*self.target_size, channels) if last else (channels, *self.target_size)

    def match_channels(self, channels):
        """Read grey images for a model that takes one channel, unless the colour mode was given."""
        if channels == 1 and not self._color_mode_given and self.color_mode == "rgb":
            self._set_color_mode("grayscale")
            warn(
                "The model takes images of one channel and flow_from_directory() was given no color_mode: "
                'the images are read as grey. Say color_mode="grayscale" (or "rgb") to decide it yourself.'
            )

    def _read(self, path):
        """One file as an array, or None where it is broken and broken ones are to be skipped."""
        try:
            image = load_img(
                path,
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
                keep_aspect_ratio=self.keep_aspect_ratio,
            )
        except OSError as error:
            if self.broken_images == "skip":
                warn(f"Skipped: {error}")
                return None
            hint = 'Say broken_images="skip" to go on without such files.'
            raise type(error)(f"{error} {hint}") from error
        x = img_to_array(image, data_format=self.data_format, dtype=self.dtype)
        if hasattr(image, "close"):
            image.close()
        return x

    def _get_batches_of_transformed_samples(self, index_array):
        read = [(i, self._read(self.filepaths[i])) for i in index_array]
        index_array = np.array([i for i, image in read if image is not None], dtype=int)
        images = [image for _, image in read if image is not None]
        if images:
            batch = self._transform(np.stack(images))
        else:
            batch = np.zeros((0, *self.image_shape), self.dtype)
        self._save(batch, index_array)
        if self.class_mode is None:
            return batch
        result = (batch, self._targets(batch, index_array))
        return result if self.sample_weight is None else (*result, self.sample_weight[index_array])

    def _targets(self, batch, index_array):
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "categorical":
            targets = np.zeros((len(batch), len(self.class_indices)), dtype=self.dtype)
            for row, index in enumerate(index_array):
                targets[row, self.classes[index]] = 1.0
            return targets
        if self.class_mode in ("binary", "sparse"):
            return np.asarray(self.classes)[index_array].astype(self.dtype)
        if self.class_mode == "multi_output":
            return [output[index_array] for output in self.labels]
        return self.labels[index_array]

    @property
    def filepaths(self):
        """The paths of all images."""
        return self._filepaths

    @property
    def labels(self):
        """The labels of all images."""
        return self.classes

    @property
    def sample_weight(self):
        """The weights of all images, or None."""
        return None


class DirectoryIterator(BatchFromFilesMixin, Iterator):
    """Batches from a folder that has one sub-folder to a class.

    class_mode: "categorical" (one-hot), "sparse" or "binary" (numbers), "input" (the images themselves) or None (no
    labels). classes: the sub-folders to read, in this order; all, sorted, where None. `class_indices`, `classes`,
    `filenames`, `samples` and `image_shape` are Keras's. Raises FileNotFoundError where the folder does not exist.
    """

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    @with_old_names
    def __init__(
        self,
        directory,
        image_data_generator,
        target_size=(256, 256),
        color_mode=None,
        classes=None,
        class_mode="categorical",
        batch_size=32,
        shuffle=True,
        seed=None,
        data_format=None,
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        follow_links=False,
        subset=None,
        interpolation="nearest",
        keep_aspect_ratio=False,
        dtype=None,
        broken_images="raise",
    ):
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
            broken_images,
        )
        self.directory = directory
        if class_mode not in self.allowed_class_modes:
            raise ValueError(explain("Unknown class_mode", expected=self.allowed_class_modes, given=repr(class_mode)))
        self.class_mode = class_mode
        if not classes:
            classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        self.num_classes = len(classes)
        self.class_indices = dict(zip(classes, range(len(classes)), strict=True))
        self.filenames, numbers = [], []
        for name in classes:
            found = self._files(name, follow_links)
            found = found[self._part(len(found))]
            self.filenames.extend(found)
            numbers.extend([self.class_indices[name]] * len(found))
        self.classes = np.array(numbers, dtype="int32")
        self.samples = len(self.filenames)
        self._filepaths = [os.path.join(directory, name) for name in self.filenames]
        print_msg(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _files(self, name, follow_links):
        """The images below one class's folder, as paths below `directory`, in a fixed order."""
        top = os.path.join(self.directory, name)
        found = []
        for folder, _, files in sorted(os.walk(top, followlinks=follow_links), key=lambda entry: entry[0]):
            for file in sorted(files):
                if file.lower().endswith(_EXTENSIONS):
                    found.append(os.path.join(name, os.path.relpath(os.path.join(folder, file), top)))
        return found


class DataFrameIterator(BatchFromFilesMixin, Iterator):
    """Batches of images whose file names stand in a pandas table.

    x_col: the column of file names (below `directory`, or whole paths); y_col: the column, or columns, of labels;
    weight_col: of weights; class_mode: "categorical", "binary", "sparse" (classes by name), "raw" (the numbers as they
    stand), "multi_output" (a list, one entry to a column), "input" or None. validate_filenames: leave out, with a
    warning, the rows whose file does not exist. Raises TypeError and ValueError for columns of other types.
    """

    allowed_class_modes = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)

    @with_old_names
    def __init__(
        self,
        dataframe,
        directory=None,
        image_data_generator=None,
        x_col="filename",
        y_col="class",
        weight_col=None,
        target_size=(256, 256),
        color_mode=None,
        classes=None,
        class_mode="categorical",
        batch_size=32,
        shuffle=True,
        seed=None,
        data_format="channels_last",
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        subset=None,
        interpolation="nearest",
        keep_aspect_ratio=False,
        dtype="float32",
        validate_filenames=True,
        broken_images="raise",
    ):
        self.set_processing_attrs(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
            broken_images,
        )
        self.directory = directory or ""
        self.class_mode = class_mode
        self.dtype = dtype
        table = dataframe.copy()
        self._check(table, x_col, y_col, weight_col, classes)
        if validate_filenames:
            table = self._existing(table, x_col)
        if class_mode not in ("input", "multi_output", "raw", None):
            table, classes = self._chosen_classes(table, y_col, classes)
            self.class_indices = {name: number for number, name in enumerate(classes)}
        table = table[self._part(len(table))]
        if class_mode not in ("input", "multi_output", "raw", None):
            self.classes = self._numbers(table[y_col])
        self.filenames = table[x_col].tolist()
        self._sample_weight = table[weight_col].values if weight_col else None
        if class_mode == "multi_output":
            self._targets_table = [np.array(table[column].tolist()) for column in y_col]
        elif class_mode == "raw":
            self._targets_table = table[y_col].values
        self.samples = len(self.filenames)
        kind = f"belonging to {len(classes)} classes" if hasattr(self, "class_indices") else ""
        checked = "validated" if validate_filenames else "non-validated"
        print_msg(f"Found {self.samples} {checked} image filenames {kind}".rstrip() + ".")
        self._filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _check(self, table, x_col, y_col, weight_col, classes):
        if self.class_mode not in self.allowed_class_modes:
            raise ValueError(
                explain("Unknown class_mode", expected=self.allowed_class_modes, given=repr(self.class_mode))
            )
        if self.class_mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(
                explain('class_mode "multi_output" needs several columns', expected="a list", given=repr(y_col))
            )
        if not all(table[x_col].apply(lambda name: isinstance(name, str))):
            raise TypeError(explain(f"Not all values in column x_col={x_col} are file names", expected="strings"))
        labels = () if self.class_mode in ("input", "multi_output", "raw", None) else table[y_col]
        allowed = (str, list, tuple) if self.class_mode == "categorical" else (str,)
        if not all(isinstance(label, allowed) for label in labels):
            names = " or ".join(kind.__name__ for kind in allowed)
            raise TypeError(
                explain(f"Not all values in column y_col={y_col} fit class_mode {self.class_mode!r}", expected=names)
            )
        if self.class_mode == "binary" and len(classes or set(labels)) != 2:
            raise ValueError(explain('class_mode "binary" needs 2 classes', given=len(classes or set(labels))))
        if classes and self.class_mode in ("input", "multi_output", "raw", None):
            warn(f'`classes` will be ignored given the class_mode="{self.class_mode}"')
        if weight_col and not np.issubdtype(table[weight_col].dtype, np.number):
            raise TypeError(explain(f"Column weight_col={weight_col} must be numeric", given=table[weight_col].dtype))

    def _existing(self, table, x_col):
        paths = table[x_col].map(lambda name: os.path.join(self.directory, name))
        good = paths.apply(lambda path: path.lower().endswith(_EXTENSIONS) and Path(path).is_file())
        if (~good).sum():
            warn(f"Found {(~good).sum()} invalid image filename(s) in x_col={x_col!r}. They are left out.")
        return table[good]

    @staticmethod
    def _chosen_classes(table, y_col, classes):
        """The table without the labels that are not among `classes`, and the classes themselves."""
        if classes:
            wanted = set(classes)

            def keep(label):
                return [name for name in label if name in wanted] if isinstance(label, (list, tuple)) else label

            table = table.assign(**{y_col: table[y_col].map(keep)})
            table = table[table[y_col].map(lambda label: bool(label) if isinstance(label, list) else label in wanted)]
            return table, list(dict.fromkeys(classes))
        names = set()
        for label in table[y_col]:
            names.update(label if isinstance(label, (list, tuple)) else (label,))
        return table, sorted(names)

    def _numbers(self, labels):
        """Class numbers of labels; a list of them where a label is a list."""
        return [
            [self.class_indices[name] for name in label]
            if isinstance(label, (list, tuple))
            else self.class_indices[label]
            for label in labels
        ]

    @property
    def labels(self):
        """The labels of all images: class numbers, or the table's values."""
        return self._targets_table if self.class_mode in ("multi_output", "raw") else self.classes

    @property
    def sample_weight(self):
        """The weights of all images, or None."""
        return self._sample_weight
