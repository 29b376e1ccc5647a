"""The progress display that Keras users know."""

import math
import os
import sys
import time

from tandem.keras.utils.messages import print_msg

_BOLD, _GREEN, _WHITE, _PLAIN = "\033[1m", "\033[32m", "\033[37m", "\033[0m"
_FULL = "\u2501"  # ━


class Progbar:
    """A progress bar: steps done, time and values, on one line that is written again and again.

    target: the total number of steps, or None where it is not known; width: of the bar, in characters; verbose: 0
    silent, 1 a bar, 2 one line at the end; interval: the least time between two displays, in seconds;
    stateful_metrics: names of values that are shown as they come (others are shown as the mean since the start);
    stateless_metrics: where given, all values not named in it are shown as they come; unit_name: "step" or "sample".
    """

    def __init__(
        self,
        target,
        width=20,
        verbose=1,
        interval=0.05,
        stateful_metrics=None,
        stateless_metrics=None,
        unit_name="step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "`stateful_metrics` and `stateless_metrics` exclude each other. "
                f"Given: stateful_metrics={stateful_metrics}, stateless_metrics={stateless_metrics}."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.finalized = False
        self._values = {}  # name -> [sum of value * steps, steps], or the value itself where it is stateful
        self._seen_so_far = 0
        self._total_width = 0
        self._start = time.time()
        self._last_update = 0
        self._first_step_at = None
        # Backspaces work in terminals, notebooks and on POSIX altogether; elsewhere every display has its own line.
        stdout = sys.stdout
        self._dynamic_display = (
            (hasattr(stdout, "isatty") and stdout.isatty())
            or "ipykernel" in sys.modules
            or "posix" in sys.modules
            or "PYCHARM_HOSTED" in os.environ
        )

    def due(self, now):
        """Whether an update at time `now` (of `time.time()`) would be displayed."""
        return self.verbose == 1 and now - self._last_update >= self.interval

    def add(self, n, values=None):
        """Count `n` more steps."""
        self.update(self._seen_so_far + n, values)

    def update(self, current, values=None, finalize=None):
        """Show that `current` steps are done.

        values: list of (name, value); finalize: whether this is the last display (None: when `target` is reached);
        the values of the last display are shown as they are given.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        self._take(current, values or (), finalize)
        self._seen_so_far = current
        now = time.time()
        seconds = self._seconds_per_unit(current, now)
        if self.verbose == 1:
            if now - self._last_update < self.interval and not finalize:
                return
            self._show_bar(current, now, seconds, finalize)
        elif self.verbose == 2 and finalize and self.target is not None:
            counted = f"{current:{_digits(self.target)}d}/{self.target}"
            print_msg(f"{counted}{self._format_time(now - self._start, seconds)}{self._format_values()}\n", False)
        self._last_update = now

    def _take(self, current, values, finalize):
        for name, value in values:
            if finalize or self._is_stateful(name):
                self._values[name] = [value, 1]
            else:
                steps = max(current - self._seen_so_far, 1)
                total = self._values.setdefault(name, [0.0, 0])
                self._values[name] = [total[0] + value * steps, total[1] + steps]

    def _is_stateful(self, name):
        if self.stateless_metrics is not None:
            return name not in self.stateless_metrics
        return name in self.stateful_metrics

    def _seconds_per_unit(self, current, now):
        """Time to a step; the first step, in which things are set up, does not count in the later ones' mean."""
        if not current:
            return 0
        if self._first_step_at is not None and current > 1:
            seconds = (now - self._first_step_at) / (current - 1)
        else:
            seconds = (now - self._start) / current
        if current == 1:
            self._first_step_at = now
        return seconds

    def _show_bar(self, current, now, seconds, finalize):
        before = self._total_width
        message = "\b" * before + "\r" if self._dynamic_display else "\n"
        if self.target is None:
            counted, plain = f"{current:7d}/Unknown", 7 + len("/Unknown")
            text = counted
        else:
            counted = f"{current:{_digits(self.target)}d}/{self.target}"
            done = int(self.width * float(current) / self.target)
            left = max(self.width - done, 0)
            text = f"{_BOLD}{counted}{_PLAIN} "
            if done:
                text += f"{_GREEN}{_FULL * done}{_PLAIN}"
            text += f"{_WHITE}{_FULL * left}{_PLAIN}"
            plain = len(counted) + 1 + done + left
        if self.target is None or finalize:
            shown = now - self._start
            clock = f"{shown:.0f}s"
        else:
            clock = _clock(seconds * (self.target - current))
        tail = f" {_BOLD}{clock}{_PLAIN}{_per_unit(seconds, self.unit_name)}{self._format_values()}"
        text += tail
        plain += len(tail) - len(_BOLD) - len(_PLAIN)
        self._total_width = plain
        if before > plain:
            text += " " * (before - plain)
        if finalize:
            text += "\n"
        print_msg(message + text, False)

    def _format_time(self, elapsed, seconds):
        return f" - {elapsed:.0f}s -{_per_unit(seconds, self.unit_name)}"

    def _format_values(self):
        parts = []
        for name, (total, steps) in self._values.items():
            parts.append(f" - {name}:")
            value = _mean(total / max(1, steps))
            parts.append(f" {value:.4f}" if abs(value) > 1e-3 else f" {value:.4e}")
        return "".join(parts)


def _mean(value):
    mean = getattr(value, "mean", None)
    return float(mean()) if mean is not None else float(value)


def _digits(target):
    return 1 + math.floor(math.log10(target)) if target else 1


def _clock(seconds):
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02}:{int(seconds % 60):02}"
    if seconds > 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02}"
    return f"{int(seconds)}s"


def _per_unit(seconds, unit):
    if seconds >= 1 or seconds == 0:
        return f" {seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f" {seconds * 1e3:.0f}ms/{unit}"
    return f" {seconds * 1e6:.0f}us/{unit}"
