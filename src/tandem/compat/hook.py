"""The import hook: one module object under today's name and under the names that scripts use.

A finder in front of all others answers for the front ends' names. `keras.layers` is not a second copy of
`tandem.keras.layers` but the same object, so that a class has one identity whichever way it was imported; the paths of
older releases (`keras.layers.core`) are small facades over today's modules.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from opcode import opmap
from types import ModuleType
from typing import NamedTuple

from tandem.core.errors import explain, suggest

_IMPORT_FROM = opmap["IMPORT_FROM"]
# TensorBoard leaves TensorFlow alone where this module of its own exists; it must not find our stand-in for it.
_EMPTY = ("tensorboard.compat.notf",)
_KEPT = ("__spec__", "__loader__", "__package__", "__path__", "__file__", "__cached__")


def _import(name):
    __import__(name)
    return sys.modules[name]


# The names that a module has so far: looked into itself, one may make all that it can.
_names_of = ModuleType.__dict__["__dict__"].__get__


def _public(module):
    names = getattr(module, "__all__", None)
    return list(names) if names is not None else [name for name in dir(module) if not name.startswith("_")]


def _raise_missing(message, name, caller):
    """Raise the error for a missing attribute; for `from … import name`, whose own message has no room, ImportError."""
    # IMPORT_FROM asks for the attribute and swallows an AttributeError.
    if caller.f_code.co_code[caller.f_lasti] == _IMPORT_FROM:
        raise ImportError(message, name=name) from None
    # With `name` given Python adds no second suggestion of its own.
    raise AttributeError(message, name=name) from None


class Source(NamedTuple):
    """One of today's modules behind a `Facade`, and which of its names are shown: theirs -> ours, or None for all."""

    module: str
    names: dict | None

    def get(self, name):
        """The object of a name of the facade. Raises AttributeError."""
        if self.names is None:
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(_import(self.module), name)
        if name not in self.names:
            raise AttributeError(name)
        return getattr(_import(self.module), self.names[name])

    def list(self):
        """The facade's names."""
        return _public(_import(self.module)) if self.names is None else self.names


class Facade(ModuleType):
    """A module path of an older release or of a framework's own file: its names are looked up in today's modules, in
    order. children: paths below it that are modules too."""

    def __init__(self, name, sources, children, missing):
        super().__init__(name, f"What `{name}` holds elsewhere.")
        self.__path__ = []
        self._sources, self._children, self._missing = sources, children, missing

    def __getattr__(self, name):
        if name == "__all__":
            return [name for name in dir(self) if not name.startswith("_")]
        if name in self._children:
            return _import(f"{self.__name__}.{name}")
        for source in self._sources:
            if sys.modules.get(source.module) is not self:
                try:
                    return source.get(name)
                except AttributeError:
                    continue
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _raise_missing(self._missing(name, dir(self)), name, sys._getframe(1))

    def __dir__(self):
        return sorted({*self._children, *(name for source in self._sources for name in source.list())})


class Namespace(ModuleType):
    """A package of which only the front end inside is there, as `tensorflow` with `tensorflow.keras`."""

    def __init__(self, name, children, version):
        super().__init__(name, f"Tandem stands in for `{name}`: it has {', '.join(children)} and nothing else.")
        self.__path__ = []
        self._children = children
        if version:
            self.__version__ = version

    def __getattr__(self, name):
        if name in self._children:
            return _import(f"{self.__name__}.{name}")
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _raise_missing(_not_in_namespace(self.__name__, name, self._children), name, sys._getframe(1))

    def __dir__(self):
        return [*super().__dir__(), *self._children]


def _not_in_namespace(package, name, children):
    framework = {"tensorflow": "TensorFlow"}.get(package.partition(".")[0], package)
    return explain(
        f"{package}.{name} is not supported: Tandem runs Keras code, and of {framework} it has Keras only",
        expected=" or ".join(f"{package}.{child}" for child in children),
        given=f"{package}.{name}",
        hint="The support table in Tandem's README lists what works.",
    )


def _absent(package, instead):
    return explain(
        f"{package} stands on the real TensorFlow, which this process does not have: Tandem is in its place",
        hint=instead,
    )


class _Loader:
    """Gives importlib a module that `make` finds or builds, and leaves the module's own attributes as they were."""

    def __init__(self, make):
        self._make = make

    def create_module(self, spec):
        module = self._make()
        if isinstance(module, (Facade, Namespace)):
            return module
        self._kept = {name: module.__dict__[name] for name in _KEPT if name in module.__dict__}
        return module

    def exec_module(self, module):
        if isinstance(module, (Facade, Namespace)):
            return
        for name in _KEPT:
            if name in self._kept:
                setattr(module, name, self._kept[name])
            else:
                module.__dict__.pop(name, None)
        # importlib asks for paths below a module only if it calls itself a package.
        if not hasattr(module, "__path__"):
            module.__path__ = []


class Finder:
    """A finder for sys.meta_path that puts `front_ends` (old name -> FrontEnd) under their old names."""

    def __init__(self, front_ends, versions=()):
        from tandem.compat import names

        self.front_ends = dict(front_ends)
        self.versions = dict(versions)
        # Where TensorFlow is ours, what stands on the real one cannot be.
        self.absent = names.ABSENT if "tensorflow" in self.front_ends else {}
        self._tables = {}
        self._canonical = {}
        self._namespaces = {}
        for old, front in self.front_ends.items():
            self._canonical.setdefault(front.module, old)
            parts = old.split(".")
            for i in range(1, len(parts)):
                package = ".".join(parts[:i])
                if package in self.front_ends:
                    continue
                children = self._namespaces.setdefault(package, [])
                if parts[i] not in children:
                    children.append(parts[i])

    def find_spec(self, fullname, path=None, target=None):
        front = self._below(fullname, self._canonical)
        if front:
            return self._find_own(fullname, path, target)
        if fullname in _EMPTY and self.owns("tensorflow"):
            return self._spec(fullname, lambda: ModuleType(fullname))
        if fullname in self._namespaces:
            return self._spec(fullname, lambda: self._namespace(fullname))
        old = self._below(fullname, self.front_ends)
        if old and fullname.endswith(".__main__"):
            return self._program(fullname)
        if old:
            return self._spec(fullname, self._locate(fullname, old))
        if fullname in self.absent:
            raise ModuleNotFoundError(_absent(fullname, self.absent[fullname]), name=fullname)
        package = self._below(fullname, self._namespaces)
        if package:
            name = fullname[len(package) + 1 :]
            raise ModuleNotFoundError(_not_in_namespace(package, name, self._namespaces[package]), name=fullname)
        return None

    def owns(self, fullname):
        """Whether `fullname` is one of the old names or below one."""
        return bool(self._below(fullname, self.front_ends) or self._below(fullname, self._namespaces))

    @staticmethod
    def _below(fullname, roots):
        """The longest of `roots` that `fullname` is or is below, or None."""
        matching = [root for root in roots if fullname == root or fullname.startswith(root + ".")]
        return max(matching, key=len, default=None)

    @staticmethod
    def _spec(fullname, make):
        return ModuleSpec(fullname, _Loader(make), is_package=True)

    @staticmethod
    def _program(fullname):
        """What `python -m` runs of a module; it takes all that are found here for packages, and asks for __main__."""
        file = getattr(_import(fullname.rpartition(".")[0]), "__file__", None)
        if file is None or file.endswith("__init__.py"):
            return None
        return importlib.util.spec_from_file_location(fullname, file)

    def _namespace(self, fullname):
        return Namespace(fullname, self._namespaces[fullname], self.versions.get(fullname))

    def _table(self, reference):
        if reference not in self._tables:
            module, _, name = reference.partition(":")
            self._tables[reference] = getattr(_import(module), name) if reference else {}
        return self._tables[reference]

    def _locate(self, fullname, old):
        """A function without arguments that gives the module for `fullname`, which is `old` or below it."""
        front = self.front_ends[old]
        rest = fullname[len(old) + 1 :]
        if not rest:
            return lambda: _import(front.module)
        _import(front.module)
        private = self._below(rest, self._table(front.private))
        if private:
            hint = self._table(front.private)[private].format(old=old)
            raise ModuleNotFoundError(
                explain(
                    f"{old}.{private} is a private part of {front.framework}, which Tandem does not have", hint=hint
                ),
                name=fullname,
            )
        aliases = self._table(front.aliases)
        seen = set()
        while rest not in seen:
            seen.add(rest)
            if rest in aliases:
                return lambda: self._facade(fullname, front, rest)
            name = f"{front.module}.{rest}"
            if self._importable(name):
                return lambda: _import(name)
            module = _walk(front.module, rest)
            if module is not None:
                return lambda: module
            prefix = self._below(rest, aliases)
            if prefix:
                rest = (aliases[prefix].split() or [""])[0].partition(":")[0] + rest[len(prefix) :]
                rest = rest.lstrip(".")
        raise ModuleNotFoundError(self._no_module(fullname, old), name=fullname)

    def _facade(self, fullname, front, rest):
        aliases = self._table(front.aliases)
        sources = [_source(front.module, target) for target in aliases[rest].split() or [""]]
        sources = [source for source in sources if source.module == front.module or self._importable(source.module)]
        # A front end may keep a file of this very name; what only that has is found too.
        own = f"{front.module}.{rest}"
        if own not in [source.module for source in sources] and self._importable(own):
            sources.append(Source(own, None))
        if not sources:
            raise ModuleNotFoundError(self._no_module(fullname, self._canonical[front.module]), name=fullname)
        children = {path[len(rest) + 1 :].partition(".")[0] for path in aliases if path.startswith(f"{rest}.")}
        public = self._below(sources[0].module, [front.module, *self._public_modules(front)])
        place = f"{self._below(fullname, self.front_ends)}{public[len(front.module) :]}"
        return Facade(
            fullname, sources, children, lambda name, choices: _no_name(front.framework, fullname, name, choices, place)
        )

    def _public_modules(self, front):
        return [f"{front.module}.{name}" for name in _public(_import(front.module))]

    @staticmethod
    def _importable(name):
        if name in sys.modules:
            return True
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError as error:
            if error.name and name.startswith(error.name):
                return False
            raise

    def _no_module(self, fullname, old):
        front = self.front_ends[old]
        parent, _, name = fullname.rpartition(".")
        around = _names_of(sys.modules[parent]) if parent in sys.modules else {}
        choices = [other for other, thing in around.items() if isinstance(thing, ModuleType)]
        return explain(
            f"No module named {fullname!r}: Tandem's {front.framework} has no such module",
            hint=_hint(parent, suggest(name, choices)),
        )

    # -- messages of today's modules -------------------------------------------------------------------------------

    def _find_own(self, fullname, path, target):
        """Today's modules are found as ever; while a script runs, a name that they lack is explained to it."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            loader = spec.loader
            execute = loader.exec_module

            def exec_module(module):
                execute(module)
                self.explain_missing(module)

            loader.exec_module = exec_module
        return spec

    def explain_missing(self, module):
        """Give `module`, one of a front end's, a `__getattr__` that knows older paths and explains what is missing."""
        root = self._below(module.__name__, self._canonical)
        old = self._canonical[root]
        front = self.front_ends[old]
        rest = module.__name__[len(root) + 1 :]
        shown = f"{old}.{rest}".rstrip(".")
        own = _names_of(module).get("__getattr__")

        def is_older(name):
            return not name.startswith("__") and f"{rest}.{name}".lstrip(".") in self._table(front.aliases)

        def __getattr__(name):
            if own is not None:
                try:
                    found = own(name)
                    # An old path is one module, whether it is imported or is an attribute. (What can be called as
                    # well, as `keras.layers.merge` can, only an attribute can be.)
                    if not isinstance(found, ModuleType) or callable(found) or not is_older(name):
                        return found
                    return _import(f"{shown}.{name}")
                except AttributeError as error:
                    message = str(error)
                    if name.startswith("__"):
                        raise
                    # The front end may have more to say than Python's default.
                    if type(error) is not AttributeError or not message.startswith("module "):
                        return _raise_missing(message, name, sys._getframe(1))
            elif name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            half_imported = getattr(module.__spec__, "_initializing", False)
            if not half_imported and is_older(name):
                return _import(f"{shown}.{name}")
            return _raise_missing(_no_name(front.framework, shown, name, _public(module)), name, sys._getframe(1))

        module.__getattr__ = __getattr__


def _walk(root, path):
    """The module that attributes lead to from `root`, where a front end keeps it as an attribute; else None."""
    here = sys.modules[root]
    for part in path.split("."):
        here = _names_of(here).get(part) or getattr(here, part, None)
        if not isinstance(here, ModuleType):
            return None
    return here


def _hint(module, suggestion):
    return (
        f"{suggestion} dir({module}) shows what there is, and the support table in Tandem's README what works.".strip()
    )


def _source(root, target):
    """A target of an alias table, "layers.merging:Add,plus=add", below `root`; "" and "." are `root` itself."""
    path, _, names = target.partition(":")
    module = f"{root}.{path}".rstrip(".")
    if not names:
        return Source(module, None)
    pairs = (name.partition("=") for name in names.split(","))
    return Source(module, {theirs: ours or theirs for theirs, _, ours in pairs})


def _no_name(framework, module, name, choices, place=None):
    return explain(
        f"module {module!r} has no name {name!r}: Tandem's {framework} does not have it",
        hint=_hint(place or module, suggest(name, choices)),
    )


def install(front_ends=None, versions=()):
    """Put the front ends under the names that scripts use, in this process; a second call changes nothing."""
    from tandem.compat import names, workers

    for finder in sys.meta_path:
        if isinstance(finder, Finder):
            return finder
    finder = Finder(names.FRONT_ENDS if front_ends is None else front_ends, versions)
    for name in [name for name in sys.modules if finder.owns(name)]:
        # A real framework that something imported before must not stay in front.
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    for name, module in list(sys.modules.items()):
        if finder._below(name, finder._canonical):
            finder.explain_missing(module)
    workers.follow(finder)
    return finder
