"""`tf.errors`: the exceptions that scripts catch, and that are raised here where TensorFlow raises them."""


class OpError(Exception):
    """The base of TensorFlow's errors. `OpError(message)` or, as in TensorFlow, `OpError(node, op, message)`."""

    def __init__(self, node_def=None, op=None, message=None, *args):
        if message is None and op is None:
            node_def, message = None, node_def
        super().__init__(message)
        self.node_def, self.op, self.message = node_def, op, message

    error_code = 2
    experimental_payloads = {}


class InvalidArgumentError(OpError, ValueError):
    """A value does not fit."""


class OutOfRangeError(OpError, StopIteration):
    """There is no more."""


class NotFoundError(OpError, FileNotFoundError):
    """A file or name is not there."""


class AlreadyExistsError(OpError, FileExistsError):
    """A file is there already."""


class FailedPreconditionError(OpError, ValueError):
    """Something must be done before."""


class UnimplementedError(OpError, NotImplementedError):
    """This does not exist."""


class ResourceExhaustedError(OpError, MemoryError):
    """There is no memory left."""


class DataLossError(OpError, ValueError):
    """A file is damaged."""


class InternalError(OpError):
    """Something is wrong inside."""


class UnknownError(OpError):
    """Something is wrong."""


class CancelledError(OpError):
    """It was ended."""


class AbortedError(OpError):
    """It was ended."""


class DeadlineExceededError(OpError, TimeoutError):
    """It took too long."""


class PermissionDeniedError(OpError, PermissionError):
    """It is not allowed."""


class UnavailableError(OpError, ConnectionError):
    """A service is not there."""


class UnauthenticatedError(OpError):
    """Nobody says who asks."""


class OperatorNotAllowedInGraphError(TypeError):
    """Python asks for what only a value has."""


NAMES = {name: thing for name, thing in vars().items() if isinstance(thing, type)}
CODES = {
    name: number
    for number, name in enumerate(
        """
        OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
        RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS
        UNAUTHENTICATED
        """.split()  # noqa: SIM905 (one name to a line would be a page)
    )
}
for _name, _code in CODES.items():
    _class = NAMES.get("".join(part.title() for part in _name.split("_")) + "Error")
    if _class is not None:
        _class.error_code = _code
NAMES.update(CODES)
