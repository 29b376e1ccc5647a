"""`ExportArchive`: several functions of some layers, exported side by side."""

import os

import torch

from tandem.core import arrays
from tandem.core.errors import Unsupported, explain
from tandem.engine import exported
from tandem.formats.saving import atomic_write
from tandem.keras.export import signature
from tandem.keras.layers.base import Layer
from tandem.keras.utils.messages import print_msg
from tandem.keras.variables import Variable

_ENDPOINT = """export_archive.add_endpoint(
    name="call",
    fn=model.call,
    input_signature=[keras.InputSpec(shape=(None, 224, 224, 3), dtype="float32")],
)"""


class ExportArchive:
    """Functions ("endpoints") of layers and models, written to a folder that needs neither Keras nor Tandem.

    Keras writes TensorFlow's SavedModel, with TensorFlow. Here each endpoint is a `torch.export.ExportedProgram`:
    `write_out("folder")` makes `folder/<endpoint>.pt2`, which `torch.export.load` reads, and
    `folder/<collection>.safetensors` for each collection of variables.
    """

    def __init__(self):
        self._tracked = []
        self._programs = {}
        self._slots = {}
        self._collections = {}

    @property
    def variables(self):
        """The variables of what is tracked."""
        return list({id(variable): variable for layer in self._tracked for variable in layer.variables}.values())

    @property
    def trainable_variables(self):
        """Those of `variables` that optimizers change."""
        return [variable for variable in self.variables if variable.trainable]

    @property
    def non_trainable_variables(self):
        """Those of `variables` that optimizers do not change."""
        return [variable for variable in self.variables if not variable.trainable]

    def track(self, resource):
        """Take note of a layer or model: its weights are in endpoints under their names.

        Raises ValueError for what is no layer, and for one that is not built.
        """
        if not isinstance(resource, Layer):
            raise ValueError(
                explain(
                    "Invalid resource type",
                    expected="a Keras `Layer` or `Model`",
                    given=f"{resource!r} of type '{type(resource)}'",
                )
            )
        if not resource.built:
            raise ValueError("The layer provided has not yet been built. It must be built before export.")
        if not any(layer is resource for layer in self._tracked):
            self._tracked.append(resource)

    def add_endpoint(self, name, fn, input_signature=None, **kwargs):
        """Add a function under a name.

        fn: of tensors, or trees of them, one to each entry of `input_signature`: `InputSpec`s, `KerasTensor`s or
        tensors. Returns the function as it will be in the archive, a `torch.nn.Module`.
        Raises ValueError for a name that is taken and where there is no signature, RuntimeError for a function that
        cannot be followed.
        """
        if kwargs:
            raise Unsupported(explain("Options of other back ends have no meaning here", given=", ".join(kwargs)))
        if name in self._programs:
            raise ValueError(f"Endpoint name '{name}' is already taken.")
        _check_name(name)
        if not input_signature:
            raise ValueError(
                "You must provide an `input_signature` argument to specify the shape and dtype of the function "
                f"arguments. Example:\n\n{_ENDPOINT}"
            )
        slots = signature.named(input_signature)
        program = exported.program(self._root(fn), fn, slots)
        self._programs[name], self._slots[name] = program, slots
        return program.module()

    def track_and_add_endpoint(self, name, resource, input_signature, **kwargs):
        """`track` a layer and add its call as an endpoint."""
        self.track(resource)
        return self.add_endpoint(name, resource, input_signature, **kwargs)

    def _root(self, fn):
        """The module whose weights have names in a program."""
        layers = list(self._tracked)
        if isinstance(fn, Layer) or isinstance(getattr(fn, "__self__", None), Layer):
            layers = [fn if isinstance(fn, Layer) else fn.__self__]
        if len(layers) == 1:
            return layers[0]
        root = torch.nn.Module()
        for layer in layers:
            root.add_module(layer.name.replace(".", "_"), layer)
        return root

    def add_variable_collection(self, name, variables):
        """Add a list of variables under a name, with which they are written. Raises ValueError for anything else."""
        if not isinstance(variables, (list, tuple, set)):
            raise ValueError(
                f"Expected `variables` to be a list/tuple/set. Received instead object of type '{type(variables)}'."
            )
        wrong = [type(variable) for variable in variables if not isinstance(variable, Variable)]
        if wrong:
            raise ValueError(
                f"Expected all elements in `variables` to be `Variable` instances. Found instead the following types: "
                f"{wrong}"
            )
        _check_name(name)
        self._collections[name] = list(variables)

    def write_out(self, filepath, options=None, verbose=True):
        """Write the folder.

        filepath: of the folder, which is made; verbose: whether the endpoints are listed on standard output.
        Raises ValueError where there is no endpoint, Unsupported for SavedModel's options.
        """
        if options is not None:
            raise Unsupported(explain("`options` belongs to TensorFlow's SavedModel", expected="None", given=options))
        if not self._programs:
            raise ValueError("No endpoints have been set yet. Call add_endpoint().")
        from tandem.keras.saving import tensor_files

        folder = os.fspath(filepath)
        os.makedirs(folder, exist_ok=True)
        for name, program in self._programs.items():
            with atomic_write(os.path.join(folder, f"{name}.pt2")) as file:
                exported.save(program, file)
        for name, variables in self._collections.items():
            tensor_files.write(variables, os.path.join(folder, f"{name}.safetensors"))
        if verbose:
            lines = [f"* Endpoint '{name}': {_shown(slots)}" for name, slots in self._slots.items()]
            text = "\n".join(lines)
            print_msg(f"Saved artifact at '{folder}'. The following endpoints are available:\n\n{text}")


def _check_name(name):
    if not isinstance(name, str) or not name or os.path.basename(name) != name or name in (".", ".."):
        raise ValueError(explain("A name becomes that of a file", expected="a text without '/'", given=repr(name)))


def _shown(slots):
    return ", ".join(
        f"{slot.name} {slot.shape} of {str(slot.dtype).removeprefix('torch.')}" for slot in arrays.leaves(slots)
    )
