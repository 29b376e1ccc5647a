"""Reading HDF5 as Keras's files use it: groups, attributes and arrays of numbers.

The C library behind h5py crashes, or never ends, on some damaged files: what comes from elsewhere is read here, where
every address, size and count is checked against the file before it is used. Files are written through h5py.
The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html. Read are superblocks 0 to 3, both kinds
of object headers, groups as symbol tables or links in the header, plain, chunked and compressed data. Links to other
places and data in other files are refused.
"""

import contextlib
import math
import struct

import numpy as np

from tandem.formats import keras_hdf5_types as types
from tandem.formats.limits import DEEPEST_TREE, LONGEST_NAME, MOST_AXES, MOST_ELEMENTS, broken, named, whole

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOWHERE = 0xFFFFFFFFFFFFFFFF
_DATASPACE, _LINKS, _DATATYPE, _LINK, _EXTERNAL, _LAYOUT, _FILTERS, _ATTRIBUTE = 1, 2, 3, 6, 7, 8, 11, 12
_CONTINUED, _TABLE, _MANY_ATTRIBUTES = 16, 17, 21
_SHARED = 2  # a flag of a message


def is_hdf5(path):
    """Whether a file begins as an HDF5 file does."""
    try:
        with open(path, "rb") as file:
            return file.read(8) == SIGNATURE
    except (OSError, TypeError):
        return False


@contextlib.contextmanager
def reading(source):
    """The root `Group` of a file while the block runs. source: a path, or a binary file that can be sought in.

    Raises FormatError for a file that is damaged or no HDF5 file, OSError where it cannot be opened.
    """
    if hasattr(source, "read"):
        yield _File(source, None).root()
        return
    with whole(source) as file:
        yield _File(file, named(source)).root()


class _File:
    """The bytes of a file, taken from given places."""

    def __init__(self, file, name):
        self._file = file
        self._size = file.seek(0, 2)
        self.name = name
        self._heaps = {}

    def broken(self, what, expected, given):
        """The error for this file."""
        return broken(self.name, what, expected, given)

    def check(self, at, count, what):
        """Raise FormatError where the file does not have `count` bytes at `at`."""
        if not 0 <= at <= self._size - count or count < 0:
            raise self.broken(f"{what} lies outside of it", f"a place in {self._size} bytes", f"{count} bytes at {at}")

    def take(self, at, count, what):
        """`count` bytes from the place `at`."""
        self.check(at, count, what)
        self._file.seek(at)
        data = self._file.read(count)
        if len(data) != count:
            raise self.broken(f"{what} is cut off", f"{count} bytes", f"{len(data)} bytes")
        return data

    def fill(self, array, at, what):
        """Read the values of a numpy array from the place `at`."""
        self.check(at, array.nbytes, what)
        self._file.seek(at)
        if array.nbytes and self._file.readinto(memoryview(array).cast("B")) != array.nbytes:
            raise self.broken(f"{what} is cut off", f"{array.nbytes} bytes", "fewer")

    def marked(self, at, mark, count, what):
        """`count` bytes from the place `at`, which begin with `mark`."""
        data = self.take(at, count, what)
        if not data.startswith(mark):
            raise self.broken(f"{what} is not there", f"{mark!r} at {at}", repr(data[: len(mark)]))
        return data

    def root(self):
        head = self.take(0, 8, "its head") if self._size >= 8 else b""
        if head != SIGNATURE:
            raise self.broken("it does not begin as an HDF5 file does", repr(SIGNATURE), repr(head))
        version = self.take(8, 1, "the superblock")[0]
        if version in (0, 1):
            head = self.take(0, 24 + 4 * version + 32 + 40, "the superblock")
            sizes, start = head[13:15], 24 + 4 * version
            base, (address,) = head[start : start + 8], struct.unpack_from("<Q", head, start + 40)
        elif version in (2, 3):
            head = self.take(0, 48, "the superblock")
            sizes, base, (address,) = head[9:11], head[12:20], struct.unpack_from("<Q", head, 36)
        else:
            raise self.broken("the superblock has an unknown version", "0 to 3", version)
        if sizes != b"\x08\x08" or any(base):
            raise self.broken("its addresses have an unusual form", "8 bytes, counted from the beginning", head[:32])
        return Group(self, address, "/", _messages(self, address, "the root group"))

    def heap_object(self, at, index, what):
        """The bytes of an object in a global heap, where strings of any length are."""
        if at not in self._heaps:
            size = struct.unpack_from("<Q", self.marked(at, b"GCOL", 16, "a global heap"), 8)[0]
            self._heaps[at] = self.take(at, size, "a global heap")
        data, place = self._heaps[at], 16
        while place + 16 <= len(data):
            number, size = struct.unpack_from("<H6xQ", data, place)
            if not number:
                break
            if size > len(data) - place - 16:
                raise self.broken(f"{what} is cut off", f"{size} bytes", f"{len(data) - place - 16} bytes")
            if number == index:
                return data[place + 16 : place + 16 + size]
            place += 16 + (size + 7) // 8 * 8
        raise self.broken(f"{what} is not in its heap", f"object {index}", f"the heap at {at}")


def _messages(file, address, what):
    """The messages of an object header: a list of (kind, flags, data)."""
    first = file.take(address, 16, f"the header of {what}")
    found, seen, blocks = [], set(), []
    second = first.startswith(b"OHDR")
    if second:
        flags = first[5]
        if first[4] != 2:
            raise file.broken(f"the header of {what} has an unknown version", 2, first[4])
        at = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        size = int.from_bytes(file.take(address + at, width, f"the header of {what}"), "little")
        blocks.append((address + at + width, size))
        form = "<BHBH" if flags & 4 else "<BHB"
    else:
        if first[0] != 1:
            raise file.broken(f"{what} has no header", "version 1 or 2", repr(first[:4]))
        blocks.append((address + 16, struct.unpack_from("<I", first, 8)[0]))
        form = "<HHB3x"
    head = struct.calcsize(form)
    while blocks:
        at, size = blocks.pop(0)
        if at in seen:
            raise file.broken(f"the header of {what} turns in a circle", "blocks that end", f"the block at {at}")
        seen.add(at)
        data, place = file.take(at, size, f"the header of {what}"), 0
        while place + head <= len(data):
            kind, length, flags = struct.unpack_from(form, data, place)[:3]
            place += head
            if length > len(data) - place:
                raise file.broken(f"a message of {what} is cut off", f"{length} bytes", f"{len(data) - place} bytes")
            content = data[place : place + length]
            place += length
            if kind == _CONTINUED and length >= 16:
                start, length = struct.unpack_from("<QQ", content)
                # The newer kind marks its blocks and ends them with a checksum.
                blocks.append((start + 4, length - 8) if second else (start, length))
            elif kind:
                found.append((kind, flags, content))
    return found


class _Node:
    """What groups and datasets have in common: a path and attributes."""

    def __init__(self, file, address, path, messages):
        self._file = file
        self._address = address
        self.path = path
        self._found = messages

    def _message(self, kind):
        for other, flags, data in self._found:
            if other == kind:
                if flags & _SHARED:
                    raise self._file.broken(f"a part of {self.path!r} is shared", "one of its own", "a reference")
                return data
        return None

    @property
    def attributes(self):
        """The attributes by name: text, numbers, lists of them as numpy arrays. An unknown kind is left out."""
        found = {}
        for kind, flags, data in self._found:
            if kind == _ATTRIBUTE and not flags & _SHARED:
                name, value = types.attribute(self._file, data, self.path)
                if value is not None:
                    found[name] = value
            elif kind == _MANY_ATTRIBUTES and len(data) >= 18:
                at = struct.unpack_from("<Q", data, 2 + 2 * (data[1] & 1))[0]
                if at != NOWHERE:
                    raise self._file.broken(
                        f"the attributes of {self.path!r}", "in its header", "in a heap of their own"
                    )
        return found


class Group(_Node):
    """A group: a mapping of names to groups and datasets."""

    _entries_read = None
    _children = None

    def _entries(self):
        if self._entries_read is None:
            entries, table = {}, self._message(_TABLE)
            if table is not None:
                entries.update(_symbols(self._file, *_unpack(self._file, "<QQ", table, self.path), self.path))
            links = self._message(_LINKS)
            if links is not None and len(links) >= 18:
                at = struct.unpack_from("<Q", links, 2 + 8 * (links[1] & 1))[0]
                if at != NOWHERE:
                    raise self._file.broken(f"the names in {self.path!r}", "in its header", "in a heap of their own")
            for kind, _, data in self._found:
                if kind == _LINK:
                    name, address = types.link(self._file, data, self.path)
                    entries[name] = address
            self._entries_read = entries
        return self._entries_read

    def keys(self):
        """The names in the group, in the file's order."""
        return list(self._entries())

    def __len__(self):
        return len(self._entries())

    def __iter__(self):
        return iter(self._entries())

    def __contains__(self, path):
        try:
            self[path]
        except KeyError:
            return False
        return True

    def __getitem__(self, path):
        """What is at a path below the group. Raises KeyError where nothing is, FormatError for a link elsewhere."""
        node = self
        parts = [part for part in str(path).split("/") if part]
        if not parts or len(parts) > DEEPEST_TREE:
            raise KeyError(path)
        for part in parts:
            if not isinstance(node, Group) or part not in node._entries():
                raise KeyError(path)
            node = node._child(part)
        return node

    def _child(self, name):
        children = self._children = self._children or {}
        if name in children:
            return children[name]
        address, path = self._entries()[name], f"{self.path}{name}"
        if address is None:
            raise self._file.broken(f"{path!r} is a link", "a group or an array", "a soft or outer link")
        messages = _messages(self._file, address, repr(path))
        kinds = {kind for kind, _, _ in messages}
        if _LAYOUT in kinds or _DATASPACE in kinds:
            return Dataset(self._file, address, path, messages)  # arrays are read once
        children[name] = Group(self._file, address, path + "/", messages)
        return children[name]

    def group(self, path):
        """The group at a path. Raises KeyError where there is none."""
        found = self[path] if path else self
        if not isinstance(found, Group):
            raise self._file.broken(f"{found.path!r} is no group", "a group", "an array")
        return found

    def array(self, path):
        """The values of the dataset at a path. Raises KeyError where there is none."""
        found = self[path]
        if not isinstance(found, Dataset):
            raise self._file.broken(f"{found.path!r} is no array", "an array", "a group")
        return found.read()

    def strings(self, name):
        """An attribute that is a list of texts; Keras splits a long one over `name0`, `name1`, …; [] for none."""
        attributes = self.attributes
        if name in attributes:
            return types.texts(self._file, attributes[name], f"{name!r} of {self.path!r}")
        found = []
        for number in range(len(attributes)):
            if f"{name}{number}" not in attributes:
                break
            found += types.texts(self._file, attributes[f"{name}{number}"], f"{name!r} of {self.path!r}")
        return found


def _unpack(file, form, data, what):
    if len(data) < struct.calcsize(form):
        raise file.broken(f"a message of {what!r} is cut off", f"{struct.calcsize(form)} bytes", f"{len(data)} bytes")
    return struct.unpack_from(form, data)


def _symbols(file, tree, heap, what):
    """The names of an old group and where their objects are; None for what is elsewhere."""
    head = file.marked(heap, b"HEAP", 32, f"the heap of {what!r}")
    size, _, at = struct.unpack_from("<QQQ", head, 8)
    names = file.take(at, size, f"the names in {what!r}")
    entries = {}
    for leaf in _leaves(file, tree, 0, 8, f"the tree of {what!r}"):
        count = struct.unpack_from("<H", file.marked(leaf[1], b"SNOD", 8, f"a table of {what!r}"), 6)[0]
        data = file.take(leaf[1] + 8, 40 * count, f"a table of {what!r}")
        for offset, address, kind in struct.iter_unpack("<QQI20x", data):
            end = names.find(b"\0", offset) if offset < len(names) else -1
            if not 0 <= end - offset <= LONGEST_NAME:
                raise file.broken(f"a name in {what!r} is cut off", "text that ends", f"{size} bytes, from {offset}")
            entries[types.part_of_path(file, names[offset:end], what)] = None if kind == 2 else address
    return entries


def _leaves(file, root, kind, key_size, what):
    """The (key, address) pairs at the lowest level of a B-tree of version 1."""
    found, stack, seen = [], [(root, None)], set()
    while stack:
        at, level = stack.pop()
        if at in seen:
            raise file.broken(f"{what} turns in a circle", "a tree", f"the node at {at} twice")
        seen.add(at)
        head = file.marked(at, b"TREE", 24, what)
        if head[4] != kind or (level is not None and head[5] != level - 1):
            raise file.broken(f"{what} is of another kind", f"kind {kind}", f"kind {head[4]}, level {head[5]}")
        count = struct.unpack_from("<H", head, 6)[0]
        step = key_size + 8
        data = file.take(at + 24, count * step + key_size, what)
        pairs = [
            (data[place : place + key_size], struct.unpack_from("<Q", data, place + key_size)[0])
            for place in range(0, count * step, step)
        ]
        if head[5]:
            stack.extend((address, head[5]) for _, address in reversed(pairs))
        else:
            found.extend(pairs)
    return found


class Dataset(_Node):
    """An array in a file."""

    def _parts(self):
        space, kind, layout = (self._message(number) for number in (_DATASPACE, _DATATYPE, _LAYOUT))
        if space is None or kind is None or layout is None:
            raise self._file.broken(f"{self.path!r} is no whole array", "shape, dtype and place", "not all of them")
        if self._message(_EXTERNAL) is not None:
            raise self._file.broken(f"{self.path!r} is in another file", "an array in this one", "an outer array")
        shape = types.shape(self._file, space, self.path)
        if shape is None or len(shape) > MOST_AXES or math.prod(max(size, 1) for size in shape) > MOST_ELEMENTS:
            raise self._file.broken(f"{self.path!r} has an impossible shape", f"up to {MOST_AXES} sizes", shape)
        return shape, types.number_type(self._file, kind, self.path), layout

    @property
    def shape(self):
        """The sizes of the axes."""
        return self._parts()[0]

    @property
    def dtype(self):
        """The numpy dtype; two bytes without a meaning are uint16."""
        return self._parts()[1]

    def read(self):
        """The values as a numpy array; `attributes["dtype"]` says where two bytes are a bfloat16.

        Nothing is made that is larger than what the file holds can become.
        """
        shape, dtype, layout = self._parts()
        wanted = math.prod(shape) * dtype.itemsize
        kind, at, size, chunk = types.layout(self._file, layout, self.path)
        if kind == "compact":
            if len(at) != wanted:
                raise self._file.broken(f"{self.path!r} does not fill its shape", f"{wanted} bytes", f"{len(at)} bytes")
            return _native(np.frombuffer(at, dtype).reshape(shape))
        if kind == "chunked":
            return _native(self._chunks(shape, dtype, at, chunk))
        if at == NOWHERE:  # nothing was ever written
            return np.zeros(shape, dtype.newbyteorder("=")) if wanted <= 1 << 20 else self._too_large(wanted, 0)
        if size != wanted:
            raise self._file.broken(f"{self.path!r} does not fill its shape", f"{wanted} bytes", f"{size} bytes")
        self._file.check(at, wanted, f"the values of {self.path!r}")
        array = np.empty(shape, dtype)
        self._file.fill(array, at, f"the values of {self.path!r}")
        return _native(array)

    def _too_large(self, wanted, stored):
        raise self._file.broken(f"{self.path!r} claims far more than it holds", f"{wanted} bytes", f"{stored} bytes")

    def _chunks(self, shape, dtype, at, chunk):
        file, wanted = self._file, math.prod(shape) * dtype.itemsize
        if len(chunk) != len(shape) + 1 or chunk[-1] != dtype.itemsize or not all(chunk):
            raise file.broken(f"the pieces of {self.path!r} do not fit", f"{len(shape)} sizes", chunk[:-1])
        filters = types.filters(file, self._message(_FILTERS), self.path)
        key = 8 + 8 * len(chunk)
        pieces = [] if at == NOWHERE else _leaves(file, at, 1, key, f"the pieces of {self.path!r}")
        stored = sum(struct.unpack_from("<I", piece)[0] for piece, _ in pieces)
        if wanted > max(stored * types.MOST_GROWTH, 1 << 20):
            self._too_large(wanted, stored)
        sizes = tuple(chunk[:-1])
        full = math.prod(chunk)
        array = np.zeros(shape, dtype)
        for piece, address in pieces:
            length, skipped, *corner = struct.unpack(f"<II{len(chunk)}Q", piece)
            if full > max(length * types.MOST_GROWTH, 1 << 16):
                self._too_large(full, length)
            data = file.take(address, length, f"a piece of {self.path!r}")
            data = types.unfilter(file, data, filters, skipped, full, self.path)
            block = np.frombuffer(data, dtype).reshape(sizes)
            if any(start >= size for start, size in zip(corner, shape)):
                continue  # left behind where an array was made smaller
            places = tuple(slice(start, min(start + step, size)) for start, step, size in zip(corner, sizes, shape))
            array[places] = block[tuple(slice(0, place.stop - place.start) for place in places)]
        return array


def _native(array):
    return array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)


def walk(group, most=1 << 20):
    """All datasets below a group as (path, Dataset), depth first. Raises FormatError for a circle of groups."""
    stack, seen = [group], {group._address}
    while stack:
        node = stack.pop()
        if isinstance(node, Dataset):
            yield node.path, node
            continue
        for name in reversed(node.keys()):
            inner = node[name]
            if isinstance(inner, Group):
                if inner._address in seen or len(seen) > most:
                    raise node._file.broken(f"{inner.path!r} turns in a circle", "a tree of groups", "a group twice")
                seen.add(inner._address)
            stack.append(inner)
