"""The same names in the worker processes that a script starts with multiprocessing.

A forked worker has the hook already. A spawned one is a new Python: it first unpickles what the parent says of
the script ("preparation data"), and only then imports the script. So the parent puts an object into that
data whose unpickling installs the hook. The server process of "forkserver" may import the script before it has heard of
any data; it gets the hook on its command line. concurrent.futures and torch's DataLoader stand on these, and joblib's
processes are prepared in the same way.
"""

import sys
from importlib.machinery import PathFinder

_PREPARING = ("multiprocessing.spawn", "joblib.externals.loky.backend.spawn", "loky.backend.spawn")
_LAUNCHING = "multiprocessing.forkserver"
_START = "from multiprocessing.forkserver import main; "


def install_here(front_ends, versions):
    """Install the hook in this worker process with the tables that its parent has (plain dicts and tuples)."""
    from tandem.compat import hook, names

    hook.install({old: names.FrontEnd(*front) for old, front in front_ends.items()}, versions)


class _Install:
    """Unpickles to None, and installs the hook on the way."""

    def __init__(self, tables):
        self._tables = tables

    def __reduce__(self):
        return install_here, self._tables


class _Follower:
    """A finder that changes the modules above when the script imports them, and answers for nothing else."""

    def __init__(self, tables):
        self._tables = tables

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in _PREPARING and fullname != _LAUNCHING:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                _change(module, self._tables)

            spec.loader.exec_module = exec_module
        return spec


def _change(module, tables):
    (_change_server if module.__name__ == _LAUNCHING else _change_preparation)(module, tables)


def _change_preparation(module, tables):
    original = module.get_preparation_data

    def get_preparation_data(*args, **kwargs):
        data = original(*args, **kwargs)
        # Pickled in this order: the hook must be there before whatever else in the data could import a framework.
        return {"tandem": _Install(tables), **data}

    module.get_preparation_data = get_preparation_data


def _change_server(module, tables):
    util = module.util
    prefix = f"from tandem.compat.workers import install_here; install_here(*{tables!r}); "

    class Util:
        """multiprocessing.util as its forkserver module sees it."""

        def __getattr__(self, name):
            return getattr(util, name)

        def spawnv_passfds(self, path, args, passfds):
            args = [prefix + arg if isinstance(arg, str) and arg.startswith(_START) else arg for arg in args]
            return util.spawnv_passfds(path, args, passfds)

    module.util = Util()


def follow(finder):
    """Have the worker processes of this process install the hook too."""
    tables = ({old: tuple(front) for old, front in finder.front_ends.items()}, finder.versions)
    for name in (*_PREPARING, _LAUNCHING):
        if name in sys.modules:
            _change(sys.modules[name], tables)
    sys.meta_path.insert(sys.meta_path.index(finder) + 1, _Follower(tables))
