"""Object files of LLVM's put into memory: relocatable ELF for x86-64, as the System V ABI has it.

What LLVM gives for our functions is small: code, constants, references among them and calls of functions outside. It is
laid out in one mapping, so that everything reaches everything, with a table for what lies outside.
"""

import ctypes
import mmap
import platform
import struct
import sys

_ALLOC, _NOBITS, _SYMTAB, _RELA, _REL, _UNWIND = 0x2, 8, 2, 4, 9, 0x70000001
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1

# Relocation types: the value is absolute (S + A), relative to the field (S + A - P), or the place of a table's entry.
_WHOLE, _RELATIVE, _CALL, _LONG = 1, 2, 4, 24
_ENTRY = (9, 41, 42)

# `jmp [rip + 0]` and the address: how a call reaches a function that is further away than 32 bits count.
_STUB = b"\xff\x25\x00\x00\x00\x00"
_STUB_SIZE = 16

_PROT_READ, _PROT_EXEC = 1, 4


class Unloadable(Exception):
    """An object file that this loader does not know how to put into memory."""


def can_load():
    """Whether objects for this machine are such as this module loads."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


class Loaded:
    """An object file in memory.

    data: the file's bytes; find: gives the address of a function outside by its name, or None.
    Raises `Unloadable` for what is not known here; the code lives as long as this object.
    """

    def __init__(self, data, find):
        if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", data, 16) != (1, 62):
            raise Unloadable("not a relocatable ELF file for x86-64")
        self.data, self.find = data, find
        self._read_sections()
        self._read_names()
        self._lay_out()
        self._relocate()
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        if protect(self.base, len(self.memory), _PROT_READ | _PROT_EXEC):
            raise Unloadable("memory may not be made executable here")

    def address(self, name):
        """Where a function of the object is."""
        return self._value(self.named[name])

    def _read_sections(self):
        start, size, count = struct.unpack_from("<40xQ10xHH", self.data)
        # (type, flags, offset in the file, size, index of a related section, another, alignment)
        places = (start + number * size for number in range(count))
        self.sections = [struct.unpack_from("<4xIQ8xQQIIQ", self.data, place) for place in places]

    def _read_names(self):
        tables = [row for row in self.sections if row[0] == _SYMTAB]
        if len(tables) != 1:
            raise Unloadable("no table of symbols")
        _, _, offset, size, strings, _, _ = tables[0]
        text = self.sections[strings][2]
        self.entries, self.named = [], {}
        for place in range(offset, offset + size, 24):
            name, _, section, value = struct.unpack_from("<IB1xHQ", self.data, place)
            end = self.data.index(b"\0", text + name)
            name = self.data[text + name : end].decode()
            self.entries.append((name, section, value))
            if section != _UNDEFINED and name:
                self.named[name] = len(self.entries) - 1

    def _lay_out(self):
        self.places, end = {}, 0
        for number, (kind, flags, _, size, _, _, alignment) in enumerate(self.sections):
            if flags & _ALLOC and kind != _UNWIND:  # nothing unwinds through our code
                end = -(-end // max(alignment, 1)) * max(alignment, 1)
                self.places[number], end = end, end + size
        # An entry for each symbol: its address, and the code that jumps to it.
        self.table = -(-end // 16) * 16
        self.memory = mmap.mmap(-1, self.table + (8 + _STUB_SIZE) * len(self.entries) or 1)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for number, place in self.places.items():
            kind, _, offset, size, _, _, _ = self.sections[number]
            if kind != _NOBITS:
                self.memory[place : place + size] = self.data[offset : offset + size]

    def _value(self, entry):
        name, section, value = self.entries[entry]
        if section == _ABSOLUTE:
            return value
        if section != _UNDEFINED:
            if section not in self.places:
                raise Unloadable(f"the symbol {name!r} is in no section that is loaded")
            return self.base + self.places[section] + value
        address = self.find(name)
        if address is None:
            raise Unloadable(f"nothing is known of the function {name!r}")
        return address

    def _entry(self, entry):
        """Where the address of a symbol stands in memory."""
        place = self.table + 8 * entry
        struct.pack_into("<Q", self.memory, place, self._value(entry))
        return self.base + place

    def _stub(self, entry):
        """Where the code stands that jumps to a symbol."""
        place = self.table + 8 * len(self.entries) + _STUB_SIZE * entry
        self.memory[place : place + len(_STUB)] = _STUB
        struct.pack_into("<Q", self.memory, place + len(_STUB), self._value(entry))
        return self.base + place

    def _relocate(self):
        for kind, _, offset, size, _, target, _ in self.sections:
            if target not in self.places or kind not in (_RELA, _REL):
                continue
            if kind == _REL:
                raise Unloadable("relocations without addends")
            for place in range(offset, offset + size, 24):
                where, info, addend = struct.unpack_from("<QQq", self.data, place)
                self._patch(self.places[target] + where, info & 0xFFFFFFFF, info >> 32, addend)

    def _patch(self, place, kind, entry, addend):
        here = self.base + place
        if kind == _WHOLE:
            struct.pack_into("<Q", self.memory, place, (self._value(entry) + addend) & (2**64 - 1))
        elif kind == _LONG:
            struct.pack_into("<q", self.memory, place, self._value(entry) + addend - here)
        elif kind in (_RELATIVE, _CALL) or kind in _ENTRY:
            outside = self.entries[entry][1] == _UNDEFINED
            if kind in _ENTRY:
                value = self._entry(entry)
            elif outside and kind == _RELATIVE:
                raise Unloadable(f"a function outside is reached without a table: {self.entries[entry][0]!r}")
            else:
                value = self._stub(entry) if outside else self._value(entry)
            struct.pack_into("<i", self.memory, place, value + addend - here)
        else:
            raise Unloadable(f"the relocation {kind}")
