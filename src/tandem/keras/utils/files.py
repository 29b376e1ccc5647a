"""`get_file`: files from elsewhere, kept in Keras's cache folder."""

import hashlib
import os
import secrets
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from tandem.core.errors import explain, warn
from tandem.formats import keras_downloads
from tandem.keras.utils.messages import print_msg
from tandem.keras.utils.progbar import Progbar

_PIECE = 1 << 16


def keras_home():
    """The folder that Keras keeps its files in: $KERAS_HOME, or ~/.keras."""
    return os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")


def get_file(
    fname=None,
    origin=None,
    untar=False,
    md5_hash=None,
    file_hash=None,
    cache_subdir="datasets",
    hash_algorithm="auto",
    extract=False,
    archive_format="auto",
    cache_dir=None,
    force_download=False,
):
    """The path of a file that is downloaded where it is not in the cache folder.

    fname: the file's name in the folder, by default its name in `origin`; origin: its URL; file_hash: SHA-256 or MD5
    that the file must have: one in the cache that has another is downloaded again; md5_hash: the same, of old;
    hash_algorithm: "sha256", "md5" or "auto"; extract: unpack the archive, and return the folder that it was unpacked
    in (untar: the same, for a tar archive); archive_format: "tar", "zip", "auto", a list of them, or None; cache_dir:
    in place of $KERAS_HOME or ~/.keras; cache_subdir: a folder in it; force_download: also where the file is there.
    The file appears whole or not at all. Members of an archive that lead out of its folder are left out.
    Raises ValueError where the hash is another one, Exception where the URL cannot be read.
    """
    if origin is None:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = _folder(cache_dir, cache_subdir)
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(
            f"Can't parse the file name from the origin provided: '{origin}'. Please specify the `fname` argument."
        )
    if os.sep in name or name in (".", ".."):
        raise ValueError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent directory, use the "
            f"`cache_dir` argument. Received: fname={fname}"
        )
    target = unpacked = os.path.join(folder, name)
    if extract or untar:
        if fname and "." in name:
            unpacked = os.path.join(folder, f"{name[: name.find('.')]}_extracted")
        else:
            target = os.path.join(folder, f"{name}_archive")
    if force_download or not _is_there(target, file_hash, hash_algorithm):
        _download(origin, target, file_hash, hash_algorithm)
    if not (extract or untar):
        return target
    if not extract_archive(target, unpacked, "tar" if untar else archive_format):
        warn("Could not extract archive.")
    return unpacked


def _folder(cache_dir, cache_subdir):
    base = os.path.expanduser(keras_home() if cache_dir is None else os.fspath(cache_dir))
    if cache_dir is None:
        # Keras makes its folder when it is imported.
        try:
            os.makedirs(base, exist_ok=True)
        except OSError:
            pass  # what cannot be made cannot be written to either
    if not os.access(base, os.W_OK):
        base = os.path.join("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    folder = os.path.join(base, cache_subdir)
    os.makedirs(folder, exist_ok=True)
    return folder


def _is_there(path, file_hash, algorithm):
    if not os.path.exists(path):
        return False
    if file_hash is None or validate_file(path, file_hash, algorithm):
        return True
    print_msg(
        f"A local file was found, but it seems to be incomplete or outdated because the {algorithm} file hash does not "
        f"match the original value of {file_hash} so we will re-download the data."
    )
    return False


def _download(origin, target, file_hash, algorithm):
    print_msg(f"Downloading data from {origin}")
    part = f"{target}.{secrets.token_hex(4)}.part"
    try:
        try:
            _fetch(origin, part)
        except urllib.error.HTTPError as error:
            raise Exception(f"URL fetch failure on {origin}: {error.code} -- {error.msg}") from error
        except urllib.error.URLError as error:
            raise Exception(f"URL fetch failure on {origin}: {error.errno} -- {error.reason}") from error
        if file_hash is not None and not validate_file(part, file_hash, algorithm):
            raise ValueError(
                f"Incomplete or corrupted file detected. The {algorithm} file hash does not match the provided value "
                "of "
                f"{file_hash}."
            )
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _fetch(origin, path):
    """Copy what a URL gives into a file, with a bar. Raises URLError where less came than was announced."""
    with urllib.request.urlopen(origin, timeout=60) as answer, open(path, "wb") as file:
        length = answer.headers.get("Content-Length")
        total, done = (int(length) if length and length.isdigit() else None), 0
        bar = Progbar(total)
        while piece := answer.read(_PIECE):
            file.write(piece)
            done += len(piece)
            if total is None or done <= total:
                bar.update(done)
    if total is not None and done < total:
        raise urllib.error.URLError(explain("The file is cut off", expected=f"{total} bytes", given=f"{done} bytes"))


def extract_archive(file_path, path=".", archive_format="auto"):
    """Unpack an archive into a folder; returns whether it is of the form asked for.

    archive_format: "tar", "zip", a list of them, "auto" for both, None for neither.
    """
    if archive_format is None:
        return False
    kinds = ["tar", "zip"] if archive_format == "auto" else archive_format
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return keras_downloads.extract(os.fspath(file_path), os.fspath(path), kinds)


def _hasher(algorithm, file_hash=None):
    if algorithm == "sha256" or (algorithm == "auto" and file_hash is not None and len(file_hash) == 64):
        return hashlib.sha256()
    return hashlib.md5(usedforsecurity=False)


def _digest(path, hasher, chunk_size):
    with open(path, "rb") as file:
        while piece := file.read(chunk_size):
            hasher.update(piece)
    return hasher.hexdigest()


def hash_file(fpath, algorithm="sha256", chunk_size=65535):
    """The SHA-256 or MD5 of a file, in hexadecimal. algorithm: "sha256", or "md5" or "auto" for MD5."""
    return _digest(fpath, _hasher(algorithm), chunk_size)


def validate_file(fpath, file_hash, algorithm="auto", chunk_size=65535):
    """Whether a file has a hash; algorithm: "sha256", "md5", or "auto" to tell by the hash's length."""
    return _digest(fpath, _hasher(algorithm, file_hash), chunk_size) == str(file_hash)
