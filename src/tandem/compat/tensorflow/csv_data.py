"""`tf.data.experimental.CsvDataset` and `make_csv_dataset`: the columns of CSV files, read when the dataset is made."""

import csv

import numpy as np

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import dataset_sources as sources
from tandem.compat.tensorflow import datasets, records
from tandem.compat.tensorflow._strings import as_strings
from tandem.core.errors import explain

_ORDER = ("int32", "int64", "float32", "float64", "string")  # each holds what those before it do


def _columns(lines, defaults, delimiter, quoted, missing, chosen):
    return tuple(records.decode_csv(as_strings(lines), defaults, delimiter, quoted, missing, chosen))


def _lines(names, compression, header):
    """The lines of all files, each without its first one where that says what the columns are called."""
    found = []
    for name in sources._names(names):
        lines = [one.numpy() for one in sources.lines(name, compression) if one.numpy()]
        found += lines[1:] if header else lines
    return found


def _fields(line, delimiter, quoted):
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return next(csv.reader([line.decode()], delimiter=delimiter, quoting=quoting))


class CsvDataset(datasets.Dataset):
    """The rows of CSV files, a tuple of the fields.

    record_defaults: a dtype for each column that must be filled, or the value that an empty field stands for;
    header: whether each file begins with the columns' names; select_cols, exclude_cols: numbers of columns.
    """

    def __init__(
        self,
        filenames,
        record_defaults,
        compression_type=None,
        buffer_size=None,
        header=False,
        field_delim=",",
        use_quote_delim=True,
        na_value="",
        select_cols=None,
        exclude_cols=None,
    ):
        if select_cols is not None and exclude_cols is not None:
            raise ValueError("Only one of `select_cols` and `exclude_cols` may be given.")
        lines = _lines(filenames, compression_type, header)
        if exclude_cols is not None and lines:
            count = len(_fields(lines[0], field_delim, use_quote_delim))
            select_cols = [number for number in range(count) if number not in exclude_cols]
        defaults = [one if isinstance(one, (str, list, tuple)) else _default(one) for one in record_defaults]
        columns = _columns(lines, defaults, field_delim, use_quote_delim, na_value, select_cols)
        rows = datasets.Dataset.from_tensor_slices(columns)
        super().__init__(rows._make, datasets.UNKNOWN, rows._spec, rows._rows)


def _default(value):
    """A type, as Python and NumPy have it, as a dtype; a value as it is."""
    return dtypes.as_dtype(value) if isinstance(value, (type, np.dtype)) else value


def _inferred(fields, missing):
    """The first dtype in which all fields can be read."""
    filled = [field for field in fields if field not in ("", missing)]
    for name in _ORDER[:-1]:
        try:
            values = [int(field) if name.startswith("int") else float(field) for field in filled]
        except ValueError:
            continue
        if name == "float64" or all(_fits(value, name) for value in values):
            return dtypes.as_dtype(name)
    return dtypes.string


def _fits(value, name):
    if name.startswith("int"):
        return -(2 ** (int(name[3:]) - 1)) <= value < 2 ** (int(name[3:]) - 1)
    return not np.isfinite(value) or abs(value) <= np.finfo(name).max


def make_csv_dataset(
    file_pattern,
    batch_size,
    column_names=None,
    column_defaults=None,
    label_name=None,
    select_columns=None,
    field_delim=",",
    use_quote_delim=True,
    na_value="",
    header=True,
    num_epochs=None,
    shuffle=True,
    shuffle_buffer_size=10000,
    shuffle_seed=None,
    prefetch_buffer_size=None,
    num_parallel_reads=None,
    sloppy=False,
    num_rows_for_inference=100,
    compression_type=None,
    ignore_errors=False,
    encoding="utf-8",
):
    """Batches of the rows of CSV files: dicts of columns by name, or (dict, label) where `label_name` is given.

    column_names: those of the first line if not given; column_defaults: a dtype or default value for each column that
    is read, found from `num_rows_for_inference` rows if not given; select_columns: names or numbers of the columns to
    read; num_epochs: how often the files are gone through, None for ever; ignore_errors: lines that
    do not fit are left out. Raises NotImplementedError for encodings that are not UTF-8.
    """
    if encoding.lower().replace("-", "") != "utf8":
        raise NotImplementedError(explain("make_csv_dataset reads UTF-8", given=f"encoding={encoding}"))
    files = sources.matching(file_pattern)
    if column_names is None:
        if not header:
            raise ValueError("Cannot infer column names without a header line.")
        first = next(sources.lines(files, compression_type)).numpy()
        column_names = _fields(first, field_delim, use_quote_delim)
    if len(set(column_names)) != len(column_names):
        raise ValueError("Cannot have duplicate column names.")
    chosen = list(range(len(column_names)))
    if select_columns is not None:
        chosen = sorted(one if isinstance(one, int) else _place(one, column_names) for one in select_columns)
    names = [column_names[number] for number in chosen]
    if label_name is not None and label_name not in names:
        raise ValueError(explain("`label_name` provided must be one of the columns", expected=names, given=label_name))
    lines = _lines(files, compression_type, header)
    if column_defaults is None:
        looked_at = lines if num_rows_for_inference is None else lines[:num_rows_for_inference]
        rows = [_fields(line, field_delim, use_quote_delim) for line in looked_at]
        kinds = [_inferred([row[number] for row in rows], na_value) for number in chosen]
        column_defaults = ["" if kind == "string" else np.zeros((), kind.as_numpy_dtype) for kind in kinds]
    else:
        column_defaults = [_default(one) for one in column_defaults]
    if ignore_errors:
        arguments = column_defaults, field_delim, use_quote_delim, na_value, chosen
        lines = [line for line in lines if _readable(line, *arguments)]
    columns = dict(zip(names, _columns(lines, column_defaults, field_delim, use_quote_delim, na_value, chosen)))
    found = datasets.Dataset.from_tensor_slices(columns)
    if shuffle:
        found = found.shuffle(shuffle_buffer_size, shuffle_seed)
    found = found.repeat(num_epochs).batch(batch_size, drop_remainder=num_epochs is None)
    if label_name is None:
        return found

    def split(columns):
        label = columns.pop(label_name)
        return columns, label

    return found.map(lambda columns: split(dict(columns)))


def _readable(line, *arguments):
    try:
        list(_columns([line], *arguments))
    except (ValueError, IndexError):
        return False
    return True


def _place(name, names):
    if name not in names:
        raise ValueError(explain("`select_columns` has a name that no column has", expected=names, given=name))
    return names.index(name)
