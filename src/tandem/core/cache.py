"""Whether a file in a framework's cache folder is the one that was published."""

import hashlib
import os
import warnings

from tandem.core.errors import explain

# Worker processes inherit the environment, not this module's state.
_VARIABLE = "TANDEM_RUN_TRUST_CACHE"
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256"}


def trust(flag=True):
    """Use cached files whose hash differs from the published one, in this process and the workers it starts."""
    if flag:
        os.environ[_VARIABLE] = "1"
    else:
        os.environ.pop(_VARIABLE, None)


def trusted():
    """Whether a file is used although its hash differs."""
    return os.environ.get(_VARIABLE) == "1"


def file_hash(path, algorithm="sha256"):
    """The hash of the file's bytes in hexadecimal digits, read a piece at a time; algorithm: sha256, sha1 or md5."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def verify(path, expected_hash, algorithm="auto", *, error=ValueError):
    """Compare the file's hash with the published one.

    expected_hash: hexadecimal digits; algorithm: "sha256", "sha1", "md5", or "auto", by the number of digits.
    Raises `error` where they differ; warns instead while the cache is trusted.
    """
    expected = expected_hash.lower()
    if algorithm == "auto":
        algorithm = _BY_LENGTH.get(len(expected))
    if algorithm not in _BY_LENGTH.values():
        raise ValueError(
            explain(
                f"The hash of {os.fspath(path)!r} cannot be checked",
                expected="an algorithm of sha256, sha1, md5, or a hash of 64, 40 or 32 digits",
                given=f"a hash of {len(expected)} digits",
            )
        )
    found = file_hash(path, algorithm)
    if found == expected:
        return
    wrong = f"The file {os.fspath(path)!r} is not the published one: its hash differs"
    parts = {"expected": f"{algorithm} {expected}", "given": f"{algorithm} {found}"}
    if trusted():
        warnings.warn(explain(wrong, **parts, hint="It is used all the same: the cache is trusted."), stacklevel=2)
    else:
        hint = "Delete the file to have it fetched again, or use it as it is with `tandem run --trust-cache`."
        raise error(explain(wrong, **parts, hint=hint))
