"""`mx.log`: loggers with MXNet's short, coloured lines."""

import logging
import warnings

__all__ = ["CRITICAL", "DEBUG", "ERROR", "INFO", "NOTSET", "WARNING", "getLogger", "get_logger"]

CRITICAL = logging.CRITICAL
DEBUG = logging.DEBUG
ERROR = logging.ERROR
INFO = logging.INFO
NOTSET = logging.NOTSET
WARNING = logging.WARNING

_COLOURS = {DEBUG: "34", INFO: "32"}  # blue, green; the rest is red


class _Formatter(logging.Formatter):
    """`LMMDD HH:MM:SS process path:function:line] message`, L being the level's first letter."""

    def __init__(self, colored=True):
        super().__init__(datefmt="%m%d %H:%M:%S")
        self.colored = colored

    def format(self, record):
        """The line for a record."""
        # A level of one's own has no name in logging; MXNet marks it so.
        letter = record.levelname[0] if not record.levelname.startswith("Level") else "U"
        head = (
            f"{letter}{self.formatTime(record, self.datefmt)} {record.process}"
            f" {record.pathname}:{record.funcName}:{record.lineno}]"
        )
        if self.colored:
            head = f"\x1b[{_COLOURS.get(record.levelno, '31')}m{head}\x1b[0m"
        line = f"{head} {record.getMessage()}"
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return f"{line}\n{record.exc_text}" if record.exc_text else line


def get_logger(name=None, filename=None, filemode=None, level=WARNING):
    """A logger; the first time that a name is asked for, it gets a handler and the level.

    name: None for the root logger, which stays as it is; filename: a file that is written to, the standard error
    stream where None; filemode: 'a' where None.
    """
    logger = logging.getLogger(name)
    if name is not None and not getattr(logger, "_init_done", False):
        logger._init_done = True
        if filename:
            handler = logging.FileHandler(filename, filemode or "a")
        else:
            handler = logging.StreamHandler()
            handler.setFormatter(_Formatter())
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger


def getLogger(name=None, filename=None, filemode=None, level=WARNING):
    """`get_logger` under its old name."""
    warnings.warn("getLogger is deprecated, Use get_logger instead.", DeprecationWarning, stacklevel=2)
    return get_logger(name, filename, filemode, level)
