"""`mx.profiler`: how long operators take, over torch's profiler; and tasks, frames, counters and markers of one's own.

The section "operator" has MXNet's operators that were called by name, "aten" torch's, of which they and the programs
of hybridized blocks are made, "kernel" those of a GPU.

`set_config(aggregate_stats=True, …)`, `set_state('run')`, …, `print(dumps())`, or `dump()` into a file that Chrome's
chrome://tracing shows.
"""

import atexit
import json
import os
import threading
import time

import torch

from tandem.core.errors import Unsupported, explain, suggest, warn
from tandem.formats.saving import atomic_write
from tandem.mxnet import profiled
from tandem.mxnet.base import MXNetError

__all__ = [
    "Counter",
    "Domain",
    "Event",
    "Frame",
    "Marker",
    "Task",
    "dump",
    "dump_profile",
    "dumps",
    "pause",
    "profiler_set_config",
    "profiler_set_state",
    "resume",
    "set_config",
    "set_kvstore_handle",
    "set_state",
]

_DEFAULTS = {
    "profile_all": False,
    "profile_symbolic": True,
    "profile_imperative": True,
    "profile_memory": True,
    "profile_api": True,
    "filename": "profile.json",
    "gpu_memory_profile_filename_prefix": "gpu_memory_profile",
    "continuous_dump": False,
    "dump_period": 1.0,
    "aggregate_stats": False,
    "profile_process": "worker",
}
_SORT_BY = {"total": 1, "avg": 4, "min": 2, "max": 3, "count": 0}
_SCOPES = {"global": "g", "process": "p", "thread": "t", "task": "t", "marker": "t"}


class _Profile:
    """What has been measured so far."""

    def __init__(self):
        self.config = dict(_DEFAULTS)
        self.running = False  # between set_state('run') and 'stop'
        self.ever = False
        self.written = True
        self.profiler = None  # torch's, while it measures
        self.trace = []
        self.clear()

    def clear(self):
        """Forget the statistics, not what `dump` writes."""
        # section -> name -> [count, total, min, max]; times in milliseconds, memory in kB, counters as they are
        self.times, self.memory, self.counters = {}, {}, {}

    def measuring(self):
        """Whether what happens now is measured."""
        return self.profiler is not None

    def begin(self):
        """Start torch's profiler."""
        if self.profiler is not None:
            return
        self.written = False
        config = self.config
        operators = config["profile_all"] or config["profile_symbolic"] or config["profile_imperative"]
        activities = [torch.profiler.ProfilerActivity.CPU] if operators else []
        if torch.cuda.is_available():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        self.start = time.time() * 1e6
        self.profiler = torch.profiler.profile(
            activities=activities or None,
            profile_memory=config["profile_all"] or config["profile_memory"],
            acc_events=True,
        )
        self.profiler.start()
        profiled.turn(operators)

    def end(self):
        """Stop torch's profiler and take over what it measured."""
        profiler, self.profiler = self.profiler, None
        if profiler is None:
            return
        profiled.turn(False)
        profiler.stop()
        events = list(profiler.events() or ())
        for event in events:
            self._note_memory(event)
        events = [event for event in events if event.name != "[memory]"]
        first = min((event.time_range.start for event in events), default=0)
        for event in events:
            name, section = event.name, "aten"
            # MXNet's operators with all that they call, torch's without.
            taken = event.self_cpu_time_total
            if event.device_type != torch.profiler.DeviceType.CPU:
                section, taken = "kernel", event.self_device_time_total
            if name.startswith(profiled.PREFIX):
                if section == "kernel":
                    continue  # the same mark once more, around the kernels
                name, section, taken = name[len(profiled.PREFIX) :], "operator", event.cpu_time_total
            add(self.times, section, name, taken / 1e3)
            self.trace.append(
                {
                    "name": name,
                    "cat": section,
                    "ph": "X",
                    "ts": round(self.start + event.time_range.start - first, 3),
                    "dur": round(event.time_range.elapsed_us(), 3),
                    "pid": os.getpid(),
                    "tid": event.thread,
                }
            )
        if self.config["continuous_dump"]:
            write(self.config["filename"], self.trace)

    def _note_memory(self, event):
        for device, kind in (("cpu/0", "cpu"), ("gpu/0", "device")):
            used = getattr(event, f"self_{kind}_memory_usage", 0)
            if used > 0:
                add(self.memory, "Device Storage", f"Memory: {device}", used / 1024)


_profile = _Profile()


def add(table, section, name, value):
    """Count a value in a table of statistics."""
    entry = table.setdefault(section, {}).setdefault(name, [0, 0.0, float("inf"), float("-inf")])
    entry[0] += 1
    entry[1] += value
    entry[2], entry[3] = min(entry[2], value), max(entry[3], value)


def write(name, trace):
    """Write a file for chrome://tracing."""
    with atomic_write(name, "w") as file:
        json.dump({"traceEvents": trace, "displayTimeUnit": "ms"}, file)


def _check_process(profile_process):
    if profile_process not in ("worker", "server"):
        raise KeyError(profile_process)
    if profile_process == "server":
        raise MXNetError(
            explain(
                "There are no server processes to profile", expected="profile_process='worker'", given=profile_process
            )
        )


def set_config(**kwargs):
    """What is measured, and into which file `dump` writes.

    filename; profile_all, profile_symbolic, profile_imperative (operators), profile_memory; profile_api: MXNet's C
    interface, which is not there: no table has it; aggregate_stats: tables for `dumps`; continuous_dump: the file is
    written whenever measuring pauses or ends, so that dump_period, MXNet's seconds between two writes, has nothing to
    say; profile_process ('worker').
    Raises MXNetError for another name, Unsupported for gpu_memory_profile_filename_prefix.
    """
    for name in kwargs:
        if name not in _DEFAULTS:
            raise MXNetError(
                explain(
                    f"Cannot find argument '{name}'",
                    expected=f"one of {', '.join(_DEFAULTS)}",
                    given=f"{name}={kwargs[name]!r}",
                    hint=suggest(name, _DEFAULTS),
                )
            )
    if "gpu_memory_profile_filename_prefix" in kwargs:
        raise Unsupported(
            explain(
                "Profiles of a GPU's memory in files of their own are not there",
                expected="profile_memory=True, whose numbers `dumps` has",
                given=f"gpu_memory_profile_filename_prefix={kwargs['gpu_memory_profile_filename_prefix']!r}",
            )
        )
    _check_process(kwargs.get("profile_process", "worker"))
    _profile.config.update(kwargs)


def set_state(state="stop", profile_process="worker"):
    """Begin measuring ('run') or end it ('stop').

    Raises KeyError for another state.
    """
    if state not in ("run", "stop"):
        raise KeyError(state)
    _check_process(profile_process)
    _profile.running = state == "run"
    if state == "run":
        if not _profile.ever:
            atexit.register(_leave)
        _profile.ever = True
        _profile.begin()
    else:
        _profile.end()


def _leave():
    """At the end of the process: stop torch's profiler, which must not outlive it, and write what nobody has."""
    if not _profile.written:
        dump()


def pause(profile_process="worker"):
    """Leave out what follows, until `resume`."""
    _check_process(profile_process)
    _profile.end()


def resume(profile_process="worker"):
    """Measure again after `pause`."""
    _check_process(profile_process)
    if _profile.running:
        _profile.begin()


def _gathered():
    """Take over what has been measured, and go on measuring."""
    measuring = _profile.measuring()
    _profile.end()
    if measuring:
        _profile.begin()


def dump(finished=True, profile_process="worker"):
    """Write what was measured to the file of `set_config`, for chrome://tracing.

    finished: whether measuring ends with it.
    Raises MXNetError where nothing has been measured.
    """
    _check_process(profile_process)
    if not _profile.ever:
        raise MXNetError(explain("Profiler hasn't been run", hint="Config and start profiler first."))
    if finished:
        _profile.running = False
        _profile.end()
    else:
        _gathered()
    write(_profile.config["filename"], _profile.trace)
    _profile.written = True


def dumps(reset=False, format="table", sort_by="total", ascending=False):
    """Tables of what was measured, as text; '' without aggregate_stats.

    reset: begin anew afterwards; format: 'table' or 'json'; sort_by: 'total', 'avg', 'min', 'max' or 'count';
    ascending: whether the smallest comes first.
    Raises AssertionError for other words.
    """
    if format not in ("table", "json"):
        raise AssertionError(explain("Invalid value provided for format", expected="'table', 'json'", given=format))
    if sort_by not in _SORT_BY:
        raise AssertionError(explain("Invalid value provided for sort_by", expected=list(_SORT_BY), given=sort_by))
    if not _profile.config["aggregate_stats"]:
        return ""
    _gathered()
    tables = [_ordered(table, sort_by, ascending) for table in (_profile.memory, _profile.times, _profile.counters)]
    if reset:
        _profile.clear()
    return _as_json(*tables) if format == "json" else _as_text(*tables)


def _ordered(table, sort_by, ascending):
    """section -> [(name, count, total, min, max, avg)], sorted."""
    found = {}
    for section, entries in sorted(table.items()):
        rows = [(name, *entry, entry[1] / entry[0]) for name, entry in entries.items()]
        found[section] = sorted(rows, key=lambda row: row[1 + _SORT_BY[sort_by]], reverse=not ascending)
    return found


def _as_json(memory, times, counters):
    keys = ("Count", "Total", "Min", "Max", "Avg")

    def plain(table):
        return {
            section: {
                name: dict(zip(keys, (count, *(round(value, 4) for value in values)))) for name, count, *values in rows
            }
            for section, rows in table.items()
        }

    tables = {"Time": plain(times), "Memory": plain(memory), "Counter": plain(counters)}
    return json.dumps({**tables, "Unit": {"Time": "ms", "Memory": "kB"}}, indent=4)


def _as_text(memory, times, counters):
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    for table, heads in (
        (memory, ("Min Use (kB)", "Max Use (kB)", "Avg Use (kB)")),
        (times, ("Time (ms)", "Min Time (ms)", "Max Time (ms)", "Avg Time (ms)")),
        (counters, ("Min Value", "Max Value", "Avg Value")),
    ):
        for section, rows in table.items():
            titles = ("Name", "Total Count", *heads)
            lines += [section, "=================", _line(titles), _line(["-" * len(title) for title in titles])]
            for name, count, *values in rows:
                shown = values if len(heads) == 4 else values[1:]
                lines.append(_line((name, count, *(f"{value:.4f}" for value in shown))))
            lines.append("")
    return "\n".join([*lines, ""])


def _line(cells):
    name, count, *values = cells
    return f"{name:<30} {count:>14} " + " ".join(f"{value:>16}" for value in values)


def set_kvstore_handle(handle):
    """Raises MXNetError: there are no server processes."""
    raise MXNetError(explain("There are no server processes to profile", given=repr(handle)))


def profiler_set_config(mode="symbolic", filename="profile.json"):
    """`set_config` under its old name; mode: 'symbolic' or 'all'."""
    warn("profiler.profiler_set_config() is deprecated. Please use profiler.set_config() instead")
    set_config(profile_symbolic=mode == "symbolic" or mode == "all", profile_all=mode == "all", filename=filename)


def profiler_set_state(state="stop"):
    """`set_state` under its old name."""
    warn("profiler.profiler_set_state() is deprecated. Please use profiler.set_state() instead")
    set_state(state)


def dump_profile():
    """`dump` under its old name."""
    warn("profiler.dump_profile() is deprecated. Please use profiler.dump() instead")
    dump()


# --- what is one's own ---------------------------------------------------------------------------------------------


class Domain:
    """A name under which tasks, frames, counters and markers stand together."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return self.name

    def new_task(self, name):
        """A `Task` of this domain."""
        return Task(self, name)

    def new_frame(self, name):
        """A `Frame` of this domain."""
        return Frame(self, name)

    def new_counter(self, name, value=None):
        """A `Counter` of this domain."""
        return Counter(self, name, value)

    def new_marker(self, name):
        """A `Marker` of this domain."""
        return Marker(self, name)


def _event(name, section, phase, **fields):
    """An entry of the file for chrome://tracing, now."""
    fields = {"ts": round(time.time() * 1e6, 3), **fields}
    return {"name": name, "cat": section, "ph": phase, "pid": os.getpid(), "tid": threading.get_ident(), **fields}


class _Span:
    """Something with a start and a stop."""

    _section = ""

    def __init__(self, name):
        self.name = name
        self._started = None

    def __str__(self):
        return self.name

    def start(self):
        """Begin."""
        if _profile.measuring():
            self._started = time.perf_counter(), time.time()

    def stop(self):
        """End; what was not begun is left out."""
        if self._started is None:
            return
        (begun, at), self._started = self._started, None
        taken = time.perf_counter() - begun
        add(_profile.times, self._section, self.name, taken * 1e3)
        _profile.trace.append(_event(self.name, self._section, "X", ts=round(at * 1e6, 3), dur=round(taken * 1e6, 3)))


def _of_domain(domain):
    if not isinstance(domain, Domain):
        raise AttributeError(explain("A domain is a profiler.Domain", given=repr(domain)))
    return domain.name


class Task(_Span):
    """A piece of work of a domain, that may overlap others."""

    def __init__(self, domain, name):
        super().__init__(name)
        self._section = _of_domain(domain)


class Frame(_Span):
    """One of the rounds of a domain."""

    def __init__(self, domain, name):
        super().__init__(name)
        self._section = f"{_of_domain(domain)},frame"


class Event(_Span):
    """A piece of work of a thread."""

    _section = "event"


class Counter:
    """A number whose changes are measured.

    domain; name; value: what it begins with, not measured where None.
    """

    def __init__(self, domain, name, value=None):
        self._section, self.name = _of_domain(domain), name
        self._value = 0
        if value is not None:
            self.set_value(value)

    def __str__(self):
        return self.name

    def set_value(self, value):
        """Set the number."""
        self._value = value
        if _profile.measuring():
            add(_profile.counters, self._section, self.name, float(value))
            _profile.trace.append(_event(self.name, self._section, "C", args={self.name: value}))

    def increment(self, delta=1):
        """Add to the number."""
        self.set_value(self._value + delta)

    def decrement(self, delta=1):
        """Subtract from the number."""
        self.set_value(self._value - delta)

    def __iadd__(self, delta):
        self.increment(delta)
        return self

    def __isub__(self, delta):
        self.decrement(delta)
        return self


class Marker:
    """A moment that is marked."""

    def __init__(self, domain, name):
        self.name = name
        self._section = f"{_of_domain(domain)},instant_marker"

    def __str__(self):
        return self.name

    def mark(self, scope="process"):
        """Mark this moment.

        scope: what it concerns: 'global', 'process', 'thread', 'task' or 'marker'.
        Raises MXNetError for another word.
        """
        if scope not in _SCOPES:
            raise MXNetError(explain("Invalid scope of a marker", expected=sorted(_SCOPES), given=repr(scope)))
        if _profile.measuring():
            _profile.trace.append(_event(self.name, self._section, "i", s=_SCOPES[scope]))
