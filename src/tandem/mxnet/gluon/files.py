"""Parameters to and from MXNet's `.params` files."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon.utils import brief_list


def read_arrays(filename):
    """Name -> array of a file.

    Raises MXNetError where it cannot be read or its arrays have no names.
    """
    from tandem.mxnet import ndarray

    arrays = ndarray.load(filename)
    if isinstance(arrays, dict):
        return arrays
    if not arrays:
        return {}
    raise MXNetError(
        explain(
            f"The arrays in {filename} have no names",
            expected="a file that save_parameters, ParameterDict.save or export wrote",
            given=f"a list of {len(arrays)} arrays",
        )
    )


def _write(filename, arrays):
    from tandem.mxnet import ndarray

    ndarray.save(filename, arrays)


def save_block(block, filename, deduplicate):
    """Write a block's parameters by structural name; see `Block.save_parameters`."""
    parameters = block._collect_params_with_prefix()
    if deduplicate:
        # Of equal ones the last name stays, as in MXNet.
        last = {id(parameter): key for key, parameter in parameters.items()}
        parameters = {key: parameter for key, parameter in parameters.items() if last[id(parameter)] == key}
    _write(filename, {key: parameter._reduce() for key, parameter in parameters.items()})


def load_block(block, filename, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source):
    """Read a block's parameters; see `Block.load_parameters`."""
    loaded = read_arrays(filename)
    parameters = block._collect_params_with_prefix()
    if not loaded and not parameters:
        return
    if loaded and not any("." in key for key in loaded) and not set(loaded) <= set(parameters):
        _load_full_names(block, loaded, filename, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)
        return
    if not allow_missing:
        # A file without duplicates has a shared parameter under one of its names.
        present = {id(parameters[key]) for key in loaded if key in parameters}
        for key, parameter in parameters.items():
            if key not in loaded and id(parameter) not in present:
                raise AssertionError(
                    explain(
                        f"Parameter '{key}' is missing in file '{filename}', which contains parameters:"
                        f" {brief_list(loaded)}",
                        hint="Set allow_missing=True to ignore missing parameters.",
                    )
                )
    for key, array in loaded.items():
        if key not in parameters:
            if not ignore_extra:
                raise ValueError(
                    explain(
                        f"Parameter '{key}' loaded from file '{filename}' is not present in Block, which contains"
                        f" parameters: {brief_list(parameters)}",
                        hint="Set ignore_extra=True to ignore.",
                    )
                )
            continue
        parameters[key]._load_init(array, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)


def _load_full_names(block, loaded, filename, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source):
    """Read a file with full names, with or without the block's prefix, or an exported one ("arg:...", "aux:...")."""
    parameters = block.collect_params()
    names = [_plain(key) for key in loaded]
    prefix = "" if any(name in parameters for name in names) else block.prefix
    parameters.load_dict(loaded, ctx, allow_missing, ignore_extra, prefix, filename, cast_dtype, dtype_source)


def _plain(key):
    """The name without the mark that `export` puts before it."""
    return key[4:] if key.startswith(("arg:", "aux:")) else key


def save_dict(parameters, filename, strip_prefix):
    """Write parameters by full name; see `ParameterDict.save`."""
    arrays = {}
    for parameter in parameters.values():
        if not parameter.name.startswith(strip_prefix):
            raise ValueError(
                explain(
                    f"Prefix '{strip_prefix}' is to be stripped before saving, but Parameter's name '{parameter.name}'"
                    " does not start with it",
                    hint="Perhaps the Block shares parameters with another, or its children were not made inside "
                    "`with name_scope()`.",
                )
            )
        arrays[parameter.name[len(strip_prefix) :]] = parameter._reduce()
    _write(filename, arrays)


def load_dict(parameters, arrays, ctx, allow_missing, ignore_extra, restore_prefix, filename, cast_dtype, dtype_source):
    """Take parameters by full name; see `ParameterDict.load`."""
    source = f"file: {filename}" if filename else "param_dict"
    for name in parameters.keys():  # noqa: SIM118 (a ParameterDict is no dict)
        if not name.startswith(restore_prefix):
            raise AssertionError(
                explain(
                    f"restore_prefix is '{restore_prefix}' but Parameters name '{name}' does not start with it",
                    hint="Files with full names need a network of the same prefix.",
                )
            )
    loaded = {}
    for key, array in arrays.items():
        loaded[restore_prefix + _plain(key)] = array
    if not allow_missing:
        for name in parameters.keys():  # noqa: SIM118
            if name not in loaded:
                raise AssertionError(
                    explain(
                        f"Parameter '{name[len(restore_prefix) :]}' is missing in {source}, which contains parameters:"
                        f" {brief_list(arrays)}",
                        hint="Please make sure source and target networks have the same prefix.",
                    )
                )
    for name, array in loaded.items():
        if name not in parameters:
            if not ignore_extra:
                raise AssertionError(
                    explain(
                        f"Parameter '{name[len(restore_prefix) :]}' loaded from {source} is not present in"
                        f" ParameterDict, which contains parameters: {brief_list(parameters.keys())}",
                        hint="Set ignore_extra=True to ignore.",
                    )
                )
            continue
        parameters[name]._load_init(array, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)
