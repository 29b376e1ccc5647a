"""Messages to the user: on standard output, or in the log where that was asked for."""

import logging
import sys

from tandem.keras import config


def print_msg(message, line_break=True):
    """Write a message to standard output, or to the log where `keras.config.disable_interactive_logging()` says so."""
    message = str(message)
    if not config.is_interactive_logging_enabled():
        logging.getLogger("tandem.keras").info(message)
        return
    message = message + "\n" if line_break else message
    try:
        sys.stdout.write(message)
    except UnicodeEncodeError:
        # A terminal without the bar's character: what it cannot show is left out.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(message.encode(encoding, errors="ignore").decode(encoding))
    sys.stdout.flush()


def may_overwrite(path):
    """Whether the user, asked on standard output, lets a file be replaced."""
    answer = input(f"[WARNING] {path} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    if answer == "y":
        print_msg("[TIP] Next time specify overwrite=True!")
    return answer == "y"
