"""`KerasFileEditor`: look at the weights in a file, change them, write them anew."""

import os
import pprint

from tandem.core.errors import explain
from tandem.formats import keras_archive, keras_hdf5, keras_weights
from tandem.keras.saving import state


class KerasFileEditor:
    """The weights of a `.keras` or `.weights.h5` file as nested dicts, for a model that was changed since.

    `weights_dict` has them by path, "layers" -> "dense" -> "0"; `config` and `metadata` are those of a `.keras` file.
    Raises ValueError for a file of another kind.
    """

    def __init__(self, filepath):
        import rich.console

        self.filepath = os.fspath(filepath)
        self.config = self.metadata = self.model = None
        self.console = rich.console.Console(highlight=False)
        self.object_metadata = {}
        if self.filepath.endswith(".keras"):
            with keras_archive.Archive(self.filepath) as archive, archive.weights() as weights:
                self.config, self.metadata = archive.config(), archive.metadata()
                if weights is None:
                    raise ValueError(explain("The file holds no weights", given=f"filepath={self.filepath}"))
                with keras_hdf5.reading(weights) as root:
                    self.weights_dict = self._read(root)
        elif self.filepath.endswith(".weights.h5"):
            with keras_hdf5.reading(self.filepath) as root:
                self.weights_dict = self._read(root)
        else:
            raise ValueError(
                f"Invalid filename: expected a `.keras` `.weights.h5` extension. Received: filepath={self.filepath}"
            )
        self.console.print(f"Keras model file '{self.filepath}'")
        if self.metadata:
            version, date = self.metadata.get("keras_version"), self.metadata.get("date_saved")
            self.console.print(f"Saved with Keras {version} - date: {date}")

    def _read(self, group, path=""):
        if group.attributes:
            self.object_metadata[path] = group.attributes
        result = {}
        for key in group:
            inner = group[key]
            if isinstance(inner, keras_hdf5.Dataset):
                result[key] = keras_weights.array_of(group, key)
                continue
            if "vars" in list(inner):
                # What an object holds stands beside what is inside it.
                own = inner.group("vars")
                found = self._read(own, f"{path}/{key}")
                found.update(
                    {name: part for name, part in self._read(inner, f"{path}/{key}").items() if name != "vars"}
                )
            else:
                found = self._read(inner, f"{path}/{key}")
            if found:
                result[key] = found
        return result

    # --- looking -----------------------------------------------------------------------------------------------------

    def summary(self):
        """Print the objects and their weights as a tree."""
        self.console.print("Weights structure")
        self._print(self.weights_dict, "  ", "", True)

    def _print(self, weights, prefix, path, first):
        for number, (key, value) in enumerate(weights.items()):
            last = number == len(weights) - 1
            mark = "> " if first and not number else "└─ " if last else "├─ "
            if isinstance(value, dict):
                name = self.object_metadata.get(f"{path}/{key}", {}).get("name")
                label = f" ('{name}')" if name else ""
                self.console.print(f"{prefix}{mark}[bold]{key}[/]{label}")
                self._print(value, prefix + ("    " if last else "│   "), f"{path}/{key}", False)
            else:
                self.console.print(f"{prefix}{mark}[bold]{key}[/]: shape={tuple(value.shape)}, dtype={value.dtype}")

    def compare(self, reference_model):
        """Print what a model and the file do not have in common.

        Returns {"status": "success" or "error", "error_count", "match_count"}.
        """
        self.console.print("Running comparison")
        wanted, checked = _shapes(reference_model), set()
        errors, matches = self._compare(self.weights_dict, wanted, "", ("reference model", "saved file"), 0, 0, checked)
        errors += self._compare(wanted, self.weights_dict, "", ("saved file", "reference model"), 0, 0, checked)[0]
        if errors:
            self.console.print(f"Found {errors} error(s): saved file is not compatible with the reference model")
        else:
            self.console.print("Comparison successful: saved file is compatible with the reference model")
            self.console.print(f"    Found {matches} matching weight(s)")
        return {"status": "error" if errors else "success", "error_count": errors, "match_count": matches}

    def _compare(self, target, reference, path, names, errors, matches, checked):
        """(errors, matches) of the counts so far and what is below `path`: the counts are Keras 3.15's, which adds what
        came before an object to what is in it.
        """
        here, there = names
        for key, value in reference.items():
            inner = f"{path}/{key}"
            if inner in checked:
                continue
            if key not in target or isinstance(target[key], dict) != isinstance(value, dict):
                errors += 1
                checked.add(inner)
                self.console.print(f"[color(160)]...{inner} present in {here}, missing from {there}[/]")
            elif isinstance(value, dict):
                found = self._compare(target[key], value, inner, names, errors, matches, checked)
                errors, matches = errors + found[0], matches + found[1]
            elif tuple(target[key].shape) != tuple(value.shape):
                errors += 1
                checked.add(inner)
                shapes = f"{tuple(value.shape)} in {here}, {tuple(target[key].shape)} in {there}"
                self.console.print(f"[color(160)]...Weight shape mismatch for {inner}: {shapes}[/]")
            else:
                matches += 1
        return errors, matches

    # --- changing ----------------------------------------------------------------------------------------------------

    def _holders(self, name):
        """(the dict that holds an object or weight, its key there), of a path or a name that stands in one place."""
        *parents, key = name.split("/")
        if parents:
            place = self.weights_dict
            for part in [*parents, key]:
                if not isinstance(place, dict) or part not in place:
                    raise ValueError(f"Path '{name}' not found in model.")
                holder, place = place, place[part]
            return holder, key
        found, stack = [], [self.weights_dict]
        while stack:
            place = stack.pop()
            found += [place] if key in place else []
            stack += [value for value in place.values() if isinstance(value, dict)]
        if len(found) > 1:
            raise ValueError(f"Name '{name}' occurs more than once in the model; try passing a complete path")
        if not found:
            raise ValueError(
                f"Source name '{name}' does not appear in the model. Use `editor.summary()` to list all objects."
            )
        return found[0], key

    def rename_object(self, object_name, new_name):
        """Give an object, said by its name or whole path, another name in its place. Raises ValueError for a path."""
        if "/" in new_name:
            raise ValueError(
                "Argument `target_name` should be a leaf name, not a full path name. "
                f"Received: target_name='{new_name}'"
            )
        place, key = self._holders(object_name)
        place[new_name] = place.pop(key)

    def delete_object(self, object_name):
        """Take out an object, said by its name or whole path."""
        place, key = self._holders(object_name)
        del place[key]

    def add_object(self, object_path, weights):
        """Add an object under a path. weights: a dict of keys ("0", "1", …) and arrays."""
        _check(weights)
        *parents, key = object_path.split("/")
        place = self.weights_dict
        for part in parents:
            if part not in place:
                raise ValueError(f"Path '{'/'.join(parents)}' not found in model.")
            place = place[part]
        place[key] = weights

    def delete_weight(self, object_name, weight_name):
        """Take a weight out of an object."""
        place, key = self._holders(object_name)
        if weight_name not in place[key]:
            raise ValueError(
                f"Weight {weight_name} not found in object {object_name}. Weights found: {list(place[key])}"
            )
        del place[key][weight_name]

    def add_weights(self, object_name, weights):
        """Add weights to an object. weights: a dict of keys ("0", "1", …) and arrays."""
        _check(weights)
        place, key = self._holders(object_name)
        place[key].update(weights)

    def save(self, filepath):
        """Write the weights to a file whose name ends in ".weights.h5"."""
        path = os.fspath(filepath)
        if not path.endswith(".weights.h5"):
            raise ValueError(
                f"Invalid `filepath` argument: expected a `.weights.h5` extension. Received: filepath={path}"
            )
        with keras_weights.writing(path) as writer:
            self._write(writer, self.weights_dict, "")

    def resave_weights(self, filepath):
        """`save`, under its other name."""
        self.save(filepath)

    def _write(self, writer, weights, path):
        own = {key: value for key, value in weights.items() if not isinstance(value, dict)}
        # What belongs to the model itself was read from its own "vars".
        if own:
            store = writer.make(path.removesuffix("vars").rstrip("/") if path == "vars" else path)
            for key, value in own.items():
                store[key] = value
        for key, value in weights.items():
            if isinstance(value, dict):
                self._write(writer, value, f"{path}/{key}" if path else key)

    def show_config(self):
        """Print the config of a `.keras` file."""
        self.console.print(pprint.pformat(self.config))


def _check(weights):
    if not isinstance(weights, dict):
        raise ValueError(
            "Argument `weights` should be a dict where keys are weight names (usually '0', '1', etc.) and values are "
            f"NumPy arrays. Received: type(weights)={type(weights)}"
        )


def _shapes(model):
    """The weights of a model as nested dicts of arrays, as a file would have them."""
    tree = {}

    class Writer:
        def make(self, path, name=None):
            return _Into(tree, path)

    state.save(model, Writer())
    return tree


class _Into(dict):
    """A store that puts what it gets under a path of a tree."""

    def __init__(self, tree, path):
        super().__init__()
        self._tree, self._path = tree, path

    def __setitem__(self, key, value):
        place = self._tree
        for part in (self._path or "vars").split("/"):
            place = place.setdefault(part, {})
        place[key] = value
