"""Packages that are loaded when they are first used, and may be missing: `keras.src.utils.module_utils`."""

import importlib


class LazyModule:
    """A module that is imported at its first use.

    name: of the module; pip_name: of its package, by default the same; import_error_msg: said where it is missing.
    Using it raises ImportError where it is not installed; `available` says whether it is.
    """

    def __init__(self, name, pip_name=None, import_error_msg=None):
        self.name = name
        self.pip_name = pip_name or name
        self.import_error_msg = import_error_msg or (
            f"This requires the {name} module. You can install it via `pip install {self.pip_name}`"
        )
        self.module = None
        self._available = None

    @property
    def available(self):
        """Whether the module can be imported."""
        if self._available is None:
            try:
                self.initialize()
            except ImportError:
                self._available = False
            else:
                self._available = True
        return self._available

    def initialize(self):
        """Import the module. Raises ImportError where that fails."""
        try:
            self.module = importlib.import_module(self.name)
        except ImportError:
            raise ImportError(self.import_error_msg) from None

    def __getattr__(self, name):
        if name.startswith("__"):  # copying and looking on do not load it
            raise AttributeError(name)
        if self.module is None:
            self.initialize()
        return getattr(self.module, name)

    def __repr__(self):
        return f"LazyModule({self.name})"


class _Elsewhere(LazyModule):
    """A module of another engine: whatever is installed, Tandem has nothing to do with it."""

    def initialize(self):
        """Raises ImportError."""
        raise ImportError(f"Tandem computes with PyTorch and has no use for {self.name}: it is not loaded.")


tensorflow = _Elsewhere("tensorflow")
tensorflow_io = _Elsewhere("tensorflow_io")
gfile = _Elsewhere("tensorflow.io.gfile")
tf2onnx = _Elsewhere("tf2onnx")
torch_xla = _Elsewhere("torch_xla")
jax = _Elsewhere("jax")
h5py = LazyModule("h5py")
scipy = LazyModule("scipy")
optree = LazyModule("optree")
dmtree = LazyModule("tree", pip_name="dm-tree")
grain = LazyModule("grain")
