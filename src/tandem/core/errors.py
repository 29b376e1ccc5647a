"""Messages in three parts: what is wrong, what was expected, what was given."""

import difflib
import os
import sys
import warnings

_HERE = os.path.dirname(os.path.dirname(__file__))


def explain(wrong, *, expected=None, given=None, hint=None):
    """Join the parts of an error message, leaving out those that are not known.

    wrong: one sentence; expected, given: what should have come and what came (any object; shown with `str`);
    hint: what to do instead, a sentence.
    """
    parts = [wrong.rstrip(".") + "."]
    if expected is not None:
        parts.append(f"Expected: {expected}.")
    if given is not None:
        parts.append(f"Given: {given}.")
    if hint:
        parts.append(hint)
    return " ".join(parts)


def suggest(name, choices):
    """A sentence that names the nearest of `choices`, or "" where none is near."""
    names = {str(choice).lower(): str(choice) for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.6)
    return f"Did you mean {names[near[0]]!r}?" if near else ""


def warn(message, category=UserWarning):
    """Warn at the user's line: the innermost one that is not Tandem's own."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class Unsupported(NotImplementedError):
    """A public name or argument of a mimicked framework that Tandem does not have yet."""
