"""Batches over several contexts, clipping gradients, downloads (`gluon.utils`)."""

import functools
import hashlib
import math
import os
import shutil
import tempfile
import warnings
from itertools import pairwise

import numpy as np
import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray, util, views
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage
from tandem.ops import updates

__all__ = [
    "HookHandle",
    "check_sha1",
    "clip_global_norm",
    "download",
    "replace_file",
    "shape_is_known",
    "split_and_load",
    "split_data",
]


def split_data(data, num_slice, batch_axis=0, even_split=True):
    """Cut an array into `num_slice` pieces along an axis; a list.

    even_split: whether the axis must be divisible; otherwise the first pieces are longer by one.
    Raises ValueError where it must and is not.
    """
    size = data.shape[batch_axis]
    if even_split and size % num_slice:
        raise ValueError(
            explain(
                f"data with shape {data.shape} cannot be evenly split into {num_slice} slices along axis {batch_axis}",
                expected=f"a batch size that is a multiple of {num_slice}",
                given=f"shape {tuple(data.shape)}",
                hint="even_split=False allows slices of different sizes.",
            )
        )
    base, longer = divmod(size, num_slice)
    ends = [0]
    for number in range(num_slice):
        ends.append(ends[-1] + base + (number < longer))
    if not batch_axis:  # a slice alone is a key for csr arrays too
        return [data[start:stop] for start, stop in pairwise(ends)]
    before = (slice(None),) * batch_axis
    return [data[(*before, slice(start, stop))] for start, stop in pairwise(ends)]


def split_and_load(data, ctx_list, batch_axis=0, even_split=True):
    """Cut an array (an NDArray or numpy's) into one piece per context and put each there; a list."""
    if not isinstance(data, NDArray):
        if util.is_np_array():
            from tandem.mxnet.numpy import array
        else:
            array = ndarray.array
        data = array(data, ctx=ctx_list[0])
    if len(ctx_list) == 1:
        return [data.as_in_context(ctx_list[0])]
    slices = split_data(data, len(ctx_list), batch_axis, even_split)
    return [part.as_in_context(ctx) for part, ctx in zip(slices, ctx_list)]


def clip_global_norm(arrays, max_norm, check_isfinite=True):
    """Scale arrays, in place, so that the norm of all of them together is at most `max_norm`; answers that norm before.

    check_isfinite: whether to wait for the norm, warn where it is not finite, and answer a number, not an array.
    Raises AssertionError for an empty list.
    """
    if not arrays:
        raise AssertionError(explain("clip_global_norm() needs at least one array"))
    try:
        tensors = [array._tensor for array in arrays]
    except SparseStorage:
        norm = _clip_sparse(arrays, max_norm)
    else:
        clipped, norm = updates.clip_by_global_norm(tensors, max_norm, epsilon=1e-8)
        updates.assign(tensors, clipped)
    if not check_isfinite:
        return type(arrays[0])._wrap(norm, arrays[0]._ctx)
    norm = norm.cpu().numpy()[()]
    if not math.isfinite(norm):
        warnings.warn("nan or inf is detected. Clipping results will be undefined.", UserWarning, stacklevel=2)
    return norm


def _clip_sparse(arrays, max_norm):
    """`clip_global_norm` where some arrays are sparse: the norm is that of what they store."""
    tensors = [array._tensor if array.stype == "default" else array._held.values for array in arrays]
    clipped, norm = updates.clip_by_global_norm(tensors, max_norm, epsilon=1e-8)
    for array, values in zip(arrays, clipped):
        array._assign(values if array.stype == "default" else array._held._replace(values=values))
    return norm


def shape_is_known(shape):
    """Whether a shape has no unknown sizes (0, or -1 under np_shape)."""
    from tandem.mxnet.gluon import weights

    return weights.shape_is_known(shape)


class HookHandle:
    """What registering a hook answers: `detach()` (or leaving a `with` block) takes the hook away."""

    def __init__(self):
        self._handle = None

    @classmethod
    def _of(cls, handle):
        new = cls()
        new._handle = handle
        return new

    def attach(self, hooks_dict, hook):
        """Put a hook into a dict of hooks, until `detach`.

        Raises AssertionError where the handle is attached already.
        """
        from torch.utils.hooks import RemovableHandle

        if self._handle is not None:
            raise AssertionError(explain("The same handle cannot be attached twice"))
        self._handle = RemovableHandle(hooks_dict)
        hooks_dict[self._handle.id] = hook

    def detach(self):
        """Take the hook away."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    remove = detach

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.detach()


def check_sha1(filename, sha1_hash):
    """Whether a file's SHA-1 digest is (or begins with) a hexadecimal string."""
    digest = hashlib.sha1()
    with open(filename, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    own = digest.hexdigest()
    return own[: min(len(own), len(sha1_hash))] == sha1_hash


def replace_file(src, dst):
    """Move a file to another name, in one step where both are on one disk, over a file that is there."""
    os.replace(src, dst)


def download(url, path=None, overwrite=False, sha1_hash=None, retries=5, verify_ssl=True):
    """Fetch a file; answers its path.

    url: http(s) address; path: a folder or file name, the current folder where None; overwrite: whether a file that is
    there is fetched again; sha1_hash: its SHA-1 digest, checked; retries: how many times to try; verify_ssl: whether
    the server's certificate is checked.
    Raises OSError where no try succeeded.
    """
    import ssl
    import urllib.request

    if retries < 0:
        raise AssertionError(explain("Number of retries should be at least 0", given=retries))
    name = url.split("/")[-1]
    if path is None:
        if not name:
            raise AssertionError(explain("Can't construct file-name from this URL", given=url, hint="Give path=."))
        target = name
    else:
        path = os.path.expanduser(path)
        target = os.path.join(path, name) if os.path.isdir(path) else path
    if not overwrite and os.path.exists(target) and (not sha1_hash or check_sha1(target, sha1_hash)):
        return target
    folder = os.path.dirname(os.path.abspath(target))
    os.makedirs(folder, exist_ok=True)
    context = None
    if not verify_ssl:
        warnings.warn(
            "Unverified HTTPS request is being made (verify_ssl=False). Adding certificate verification is strongly"
            " advised.",
            UserWarning,
            stacklevel=2,
        )
        context = ssl._create_unverified_context()
    for left in range(retries, -1, -1):
        descriptor, partial = tempfile.mkstemp(dir=folder)
        try:
            with (
                os.fdopen(descriptor, "wb") as file,
                urllib.request.urlopen(url, context=context, timeout=60) as answer,
            ):
                shutil.copyfileobj(answer, file)
            if sha1_hash and not check_sha1(partial, sha1_hash):
                raise OSError(
                    explain(f"File {name} is downloaded but the content hash does not match", expected=sha1_hash)
                )
            replace_file(partial, target)
            return target
        except OSError:
            os.unlink(partial)
            if not left:
                raise
    return target


def _as_contexts(ctx):
    """A list of contexts from a context, a list or None (the current one)."""
    if ctx is None:
        return [contexts.current_context()]
    return [ctx] if isinstance(ctx, contexts.Context) else list(ctx)


def brief_list(names, limit=7):
    """Quoted names for a message, the middle left out of a long list."""
    names = list(names)
    if len(names) > limit:
        half = limit // 2
        return f"{brief_list(names[:half], limit)}, ..., {brief_list(names[half - limit :], limit)}"
    return ", ".join(f"'{name}'" for name in names)


_brief_print_list = brief_list


def _indent(s_, numSpaces):
    """A text whose lines, but for the first, begin with so many spaces more."""
    return s_.replace("\n", "\n" + numSpaces * " ")


def _get_repo_url():
    """Where published files are fetched from: the environment's MXNET_GLUON_REPO, or MXNet's server."""
    url = os.environ.get("MXNET_GLUON_REPO", "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/")
    return url if url.endswith("/") else url + "/"


def _get_repo_file_url(namespace, filename):
    """Where a published file is."""
    return f"{_get_repo_url()}{namespace}/{filename}"


def namespace_of(array):
    """The operators for arrays of one kind: `mx.nd`, or its view for `mx.np` arrays."""
    return ndarray if type(array) is NDArray else _namespace(type(array))


@functools.cache
def _namespace(kind):
    """See `namespace_of`; `mx.np` is loaded only where its arrays are about."""
    if getattr(kind, "_plain", kind) is NDArray:
        return ndarray
    if hasattr(kind, "list_outputs"):
        from tandem.mxnet import symbol

        return symbol if kind is symbol.Symbol else symbol.numpy_extension.F
    from tandem.mxnet.numpy.multiarray import ndarray as numpy_kind

    if not issubclass(kind, numpy_kind):
        return ndarray
    from tandem.mxnet.numpy_extension.hybrid import F

    return F


def to_numpy(value):
    """A numpy array from an NDArray, a torch tensor or what numpy takes."""
    if isinstance(value, NDArray):
        return value.asnumpy()
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def apply_op(function, *args, **options):
    """A function of `ops` on arrays (its result is a tensor or a tuple of them): recorded where recording is on.

    Raises MXNetError where it raises ValueError or torch refuses the shapes.
    """
    array = args[0]
    tensors = [item._tensor if isinstance(item, NDArray) else item for item in args]
    before = torch.is_grad_enabled()
    torch._C._set_grad_enabled(before and bool(scope.is_recording()))
    try:
        result = function(*tensors, **options)
    except (ValueError, RuntimeError) as error:
        shown = ", ".join(str(tuple(item.shape)) for item in args if isinstance(item, NDArray))
        raise MXNetError(explain(str(error).split("\n", 1)[0], given=f"arrays of shape {shown}")) from error
    finally:
        torch._C._set_grad_enabled(before)
    if isinstance(result, tuple):
        return tuple(views.wrap(type(array), item, array._ctx) for item in result)
    return views.wrap(type(array), result, array._ctx)
