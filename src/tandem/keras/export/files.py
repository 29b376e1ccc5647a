"""`model.export`: a model's inference as a file that needs neither Keras nor Tandem."""

import contextlib
import os

from tandem.core import arrays
from tandem.core.errors import Unsupported, explain, suggest
from tandem.engine import exported
from tandem.formats.saving import Patient, atomic_write
from tandem.keras.export import signature
from tandem.keras.utils.messages import print_msg

FORMATS = ("tf_saved_model", "onnx", "openvino", "litert", "torch")
_ELSEWHERE = {
    "tf_saved_model": "TensorFlow's SavedModel",
    "openvino": "OpenVINO's intermediate representation",
    "litert": "LiteRT's (TFLite's) flat buffers",
}


def export(model, filepath, format="tf_saved_model", verbose=None, input_signature=None, **options):
    """Write the inference of a model to a file.

    filepath: of the file; format: "onnx", or "torch" for a `torch.export.ExportedProgram`; the others that Keras has
    are written by tools of other frameworks; input_signature: `InputSpec`s, `KerasTensor`s or tensors, one to each
    argument of the model's call, by default what it was built from; a size of None stays open; verbose: whether a line
    says where the file is (default: yes). opset_version: of "onnx"; dynamic_shapes, strict and others of
    `torch.export.export`: of "torch". Raises ValueError for another format or option and for a model that is not
    built, Unsupported for a format that is not written, RuntimeError for a model that cannot be followed.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unrecognized format={format}. Supported formats are: {list(FORMATS)}. {suggest(format, FORMATS)}".rstrip()
        )
    if format in _ELSEWHERE:
        raise Unsupported(
            explain(
                f"{_ELSEWHERE[format]} is written by tools that have no part in this engine",
                expected="format='onnx', which those tools read, or format='torch'",
                given=f"format={format!r}",
            )
        )
    path = os.fspath(filepath)
    (_export_onnx if format == "onnx" else _export_torch)(model, path, input_signature, options)
    if verbose or verbose is None:
        kind = "artifact" if format == "onnx" else "PyTorch ExportedProgram"
        print_msg(f"Saved {kind} at '{path}'.")


def _only(options, known, format):
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f'Unsupported arguments for `format="{format}"`: {", ".join(unknown)}. '
            f"Supported arguments are: {', '.join(sorted(known))}."
        )


def _export_onnx(model, path, input_signature, options):
    _only(options, ["opset_version"], "onnx")
    slots = signature.of(model, input_signature)
    program, flat, outputs = flat_program(model, slots)
    converted = exported.onnx(program, flat, outputs, options.get("opset_version"))
    if sum(tensor.nbytes for tensor in program.state_dict.values()) >= _LARGEST:
        converted.save(path, external_data=True)
        return
    with atomic_write(path) as file:
        file.write(converted.model_proto.SerializeToString())


# A file of protobuf has no more than 2 GiB; larger models have their weights in a second file beside it.
_LARGEST = 2_000_000_000


def flat_program(model, slots):
    """(the program of a model that takes its tensors one by one, their slots, the names of its outputs)."""
    flat = arrays.leaves(slots)
    names = []

    def call(*values):
        values = iter(values)
        results = model(*arrays.map_tree(lambda _: next(values), slots), training=False)
        names[:] = _output_names(model, results)
        return results

    return exported.program(model, call, flat), flat, names


def _output_names(model, results):
    """One name to each output: the key in a dict, or that of the layer that makes it, or "output_0" and so on."""
    if isinstance(results, dict) and not any(isinstance(value, (dict, list, tuple)) for value in results.values()):
        return [str(key) for key in results]
    count = len(arrays.leaves(results))
    try:
        names = list(model.output_names)
    except AttributeError:  # only a graph of layers knows
        names = []
    return names if len(names) == len(set(names)) == count else [f"output_{number}" for number in range(count)]


def _export_torch(model, path, input_signature, options):
    if not path.endswith(".pt2"):
        raise ValueError(f"The PyTorch export requires the filepath to end with '.pt2'. Got: {path}")
    _only(options, exported.options(), "torch")
    slots = signature.of(model, input_signature)
    if options.get("dynamic_shapes") is not None:
        options["dynamic_shapes"] = _of_arguments(options["dynamic_shapes"], slots)
    with atomic_write(path) as file, Patient(file) as patient:
        exported.save(program_of(model, slots, **options), patient)


def program_of(model, slots, **options):
    """The program of a model that is called as the model is."""
    return exported.program(model, lambda *values: model(*values, training=False), slots, **options)


def _of_arguments(sizes, slots):
    """The user's dynamic_shapes in the structure of the slots, in the one tuple that the traced function takes."""
    inner = sizes[0] if isinstance(sizes, (list, tuple)) and len(sizes) == 1 else None
    for candidate in (sizes, inner, (sizes,), (inner,)):
        with contextlib.suppress(_Misfit):
            return (_like(candidate, slots),)
    shapes = arrays.map_tree(lambda slot: slot.shape, slots)
    raise ValueError(
        explain(
            "`dynamic_shapes` does not fit the model's inputs",
            expected=f"a dict of axis -> torch.export.Dim, or None, to each input, in the structure of {shapes}",
            given=f"dynamic_shapes={sizes}",
        )
    )


class _Misfit(ValueError):
    pass


def _like(sizes, slots):
    if isinstance(slots, exported.Slot):
        if sizes is None or (isinstance(sizes, dict) and all(isinstance(axis, int) for axis in sizes)):
            return sizes
    elif isinstance(slots, dict) and isinstance(sizes, dict) and slots.keys() == sizes.keys():
        return {key: _like(sizes[key], slot) for key, slot in slots.items()}
    elif isinstance(slots, (list, tuple)) and isinstance(sizes, (list, tuple)) and len(sizes) == len(slots):
        return type(slots)([_like(size, slot) for size, slot in zip(sizes, slots)])
    raise _Misfit


def to_torch(model, input_signature=None):
    """The inference of a model as a plain `torch.nn.Module`, without Keras or Tandem in it.

    The module takes the model's inputs as separate tensors, in their order, and gives outputs as the model does. Its
    `state_dict` has the names that the model's has, "dense.kernel" and so on, and copies of its weights. It can be
    trained, pickled and copied; dropout and normalisation are in inference mode in it for good. Torch alone loads what
    ``torch.save(module, path)`` wrote: ``torch.load(path, weights_only=False)``.

    model: a built model; input_signature: as `Model.export` takes it.
    """
    program, _, _ = flat_program(model, signature.of(model, input_signature))
    return exported.module_of(program)
