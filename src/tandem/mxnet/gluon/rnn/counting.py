"""What a cell counts: its steps and its first states, after which MXNet's cells name operators and states."""

import inspect

from tandem.core import graph
from tandem.mxnet.gluon.rnn import sequences


class _Count:
    """The numbers of the last step and of the last first state, from 0; -1 before there was one."""

    __slots__ = ("begun", "stepped")


class Counting:
    """What cells of users call and read, under MXNet's names: `"t%d_" % self._counter`, `_get_activation`.

    They lie in an object that stays the same, since to a recording an attribute that is set would be a change.
    """

    def _count_anew(self):
        count = self.__dict__.setdefault("_count", _Count())
        count.stepped = count.begun = -1

    def _count_step(self):
        if not graph.on_meta():  # a run for shapes alone is no step
            self.__dict__["_count"].stepped += 1

    @property
    def _counter(self):
        return self.__dict__["_count"].stepped

    @_counter.setter
    def _counter(self, number):
        self.__dict__["_count"].stepped = number

    @property
    def _init_counter(self):
        return self.__dict__["_count"].begun

    @_init_counter.setter
    def _init_counter(self, number):
        self.__dict__["_count"].begun = number

    def _get_activation(self, F, inputs, activation, **kwargs):
        return sequences.activate(F, inputs, activation, **kwargs)

    def _make_state(self, func, info):
        """An array, or a symbol, for one state: `func(shape=..., ...)`, by its name too where `func` takes one."""
        self.__dict__["_count"].begun += 1
        info = {key: value for key, value in info.items() if not key.startswith("__")}
        try:
            named = "name" in inspect.signature(func).parameters
        except ValueError:  # a function of C
            named = False
        if named:
            info.setdefault("name", f"{self._prefix}begin_state_{self._init_counter}")
        return func(**info)
