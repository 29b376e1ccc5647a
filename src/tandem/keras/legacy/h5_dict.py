"""Keras 2.2's `H5Dict`: a group of an HDF5 file, or a dict, behind one interface."""

import numpy as np

from tandem.core.errors import explain


class H5Dict:
    """Named values in an HDF5 file: arrays as datasets, text and numbers as attributes, and groups of such values.

    path: of a file, a group of an open file, or a dict; mode: of the file, "a" to read and write, "r" to read, "w" for
    a new one. Names that are read and are not there are groups, where the file may be written to.
    Raises TypeError for another `path`, ValueError where a file that is read is written to.
    """

    def __init__(self, path, mode="a"):
        import h5py

        self._group = h5py.Group
        self._opened = not isinstance(path, (dict, h5py.Group))
        if isinstance(path, (dict, h5py.Group)):
            self.data = path
            self.read_only = isinstance(path, h5py.Group) and path.file.mode == "r"
        elif self.is_supported_type(path):
            self.data = h5py.File(path, mode)
            self.read_only = mode == "r"
        else:
            raise TypeError(
                explain(
                    "H5Dict takes no such object",
                    expected="a file's path, an h5py.Group or a dict",
                    given=type(path).__name__,
                )
            )

    @staticmethod
    def is_supported_type(path):
        """Whether an object is what `H5Dict` takes."""
        import h5py

        return isinstance(path, (str, dict, h5py.Group)) or hasattr(path, "__fspath__")

    def _of_file(self):
        return isinstance(self.data, self._group)

    def __setitem__(self, attr, val):
        if self.read_only:
            raise ValueError("Cannot set item in read-only mode.")
        if isinstance(val, dict):
            self[attr].update(val)
        elif not self._of_file():
            self.data[attr] = val
        elif isinstance(val, np.ndarray):
            if attr in self.data:
                raise KeyError(f"Cannot set attribute. Group with name {attr!r} exists.")
            self.data.create_dataset(attr, data=val)
        else:
            texts = isinstance(val, (list, tuple)) and val and isinstance(val[0], str)
            self.data.attrs[attr] = [text.encode() for text in val] if texts else val

    def __getitem__(self, attr):
        if not self._of_file():
            if attr not in self.data and not self.read_only:
                self.data[attr] = {}
            value = self.data[attr]
            return H5Dict(value) if isinstance(value, dict) else value
        if attr in self.data.attrs:
            value = self.data.attrs[attr]
            return value.tolist() if isinstance(value, np.ndarray) and value.dtype.kind in "SO" else value
        if attr not in self.data:
            if self.read_only:
                raise ValueError("Cannot create group in read-only mode.")
            return H5Dict(self.data.create_group(attr))
        value = self.data[attr]
        return H5Dict(value) if isinstance(value, self._group) else value[()]

    def __contains__(self, key):
        return key in self.data or (self._of_file() and key in self.data.attrs)

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return iter(self.data)

    def iter(self):
        """The names."""
        return iter(self.data)

    def get(self, key, default=None):
        """A value, or `default` where there is none."""
        return self[key] if self.__contains__(key) else default  # reading what is not there would make a group

    def update(self, *args):
        """Set the values of dicts."""
        for values in args:
            for key, value in values.items():
                self[key] = value

    def close(self):
        """Close the file, if it was opened here."""
        if self._of_file():
            self.data.file.flush()
            if self._opened:
                self.data.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()
