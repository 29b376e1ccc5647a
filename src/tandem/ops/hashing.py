"""Hashes of strings and numbers, as TensorFlow bins categories: FarmHash's Fingerprint64, SipHash-2-4, crossing.

Farm: G. Pike, 2014 (the variant "na"), a published algorithm; SipHash: Aumasson and Bernstein, 2012.
"""

_MASK = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F


def _read8(data, place):
    return int.from_bytes(data[place : place + 8], "little")


def _read4(data, place):
    return int.from_bytes(data[place : place + 4], "little")


def _turn(x, bits):
    return ((x >> bits) | (x << (64 - bits))) & _MASK if bits else x


def _fold(x):
    return x ^ (x >> 47)


def _swap(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def _join(u, v, factor):
    a = ((u ^ v) * factor) & _MASK
    a ^= a >> 47
    b = ((v ^ a) * factor) & _MASK
    b ^= b >> 47
    return (b * factor) & _MASK


def _short(data):
    size = len(data)
    if size >= 8:
        factor = (_K2 + size * 2) & _MASK
        a, b = (_read8(data, 0) + _K2) & _MASK, _read8(data, size - 8)
        c = (_turn(b, 37) * factor + a) & _MASK
        d = ((_turn(a, 25) + b) * factor) & _MASK
        return _join(c, d, factor)
    if size >= 4:
        factor = (_K2 + size * 2) & _MASK
        return _join((size + (_read4(data, 0) << 3)) & _MASK, _read4(data, size - 4), factor)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return (_fold(((y * _K2) ^ (z * _K0)) & _MASK) * _K2) & _MASK
    return _K2


def _middle(data):
    size = len(data)
    factor = (_K2 + size * 2) & _MASK
    a, b = (_read8(data, 0) * _K1) & _MASK, _read8(data, 8)
    c, d = (_read8(data, size - 8) * factor) & _MASK, (_read8(data, size - 16) * _K2) & _MASK
    u = (_turn((a + b) & _MASK, 43) + _turn(c, 30) + d) & _MASK
    return _join(u, (a + _turn((b + _K2) & _MASK, 18) + c) & _MASK, factor)


def _long(data):
    size = len(data)
    factor = (_K2 + size * 2) & _MASK
    a, b = (_read8(data, 0) * _K2) & _MASK, _read8(data, 8)
    c, d = (_read8(data, size - 8) * factor) & _MASK, (_read8(data, size - 16) * _K2) & _MASK
    y = (_turn((a + b) & _MASK, 43) + _turn(c, 30) + d) & _MASK
    z = _join(y, (a + _turn((b + _K2) & _MASK, 18) + c) & _MASK, factor)
    e, f = (_read8(data, 16) * factor) & _MASK, _read8(data, 24)
    g, h = ((y + _read8(data, size - 32)) * factor) & _MASK, ((z + _read8(data, size - 24)) * factor) & _MASK
    u = (_turn((e + f) & _MASK, 43) + _turn(g, 30) + h) & _MASK
    return _join(u, (e + _turn((f + a) & _MASK, 18) + g) & _MASK, factor)


def _weak(data, place, a, b):
    w, x, y, z = (_read8(data, place + 8 * i) for i in range(4))
    a = (a + w) & _MASK
    b = _turn((b + a + z) & _MASK, 21)
    c = a
    a = (a + x + y) & _MASK
    b = (b + _turn(a, 44)) & _MASK
    return (a + z) & _MASK, (b + c) & _MASK


def fingerprint64(data):
    """FarmHash's Fingerprint64 of bytes: a whole number below 2^64."""
    size = len(data)
    if size <= 16:
        return _short(data)
    if size <= 32:
        return _middle(data)
    if size <= 64:
        return _long(data)
    seed = 81
    x, y = seed, (seed * _K1 + 113) & _MASK
    z = (_fold((y * _K2 + 113) & _MASK) * _K2) & _MASK
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _read8(data, 0)) & _MASK
    end = ((size - 1) // 64) * 64
    for place in range(0, end, 64):
        x = (_turn((x + y + v[0] + _read8(data, place + 8)) & _MASK, 37) * _K1) & _MASK
        y = (_turn((y + v[1] + _read8(data, place + 48)) & _MASK, 42) * _K1) & _MASK
        x ^= w[1]
        y = (y + v[0] + _read8(data, place + 40)) & _MASK
        z = (_turn((z + w[0]) & _MASK, 33) * _K1) & _MASK
        v = _weak(data, place, (v[1] * _K1) & _MASK, (x + w[0]) & _MASK)
        w = _weak(data, place + 32, (z + w[1]) & _MASK, (y + _read8(data, place + 16)) & _MASK)
        x, z = z, x
    factor = (_K1 + ((z & 0xFF) << 1)) & _MASK
    place = size - 64
    w = ((w[0] + ((size - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x = (_turn((x + y + v[0] + _read8(data, place + 8)) & _MASK, 37) * factor) & _MASK
    y = (_turn((y + v[1] + _read8(data, place + 48)) & _MASK, 42) * factor) & _MASK
    x ^= (w[1] * 9) & _MASK
    y = (y + v[0] * 9 + _read8(data, place + 40)) & _MASK
    z = (_turn((z + w[0]) & _MASK, 33) * factor) & _MASK
    v = _weak(data, place, (v[1] * factor) & _MASK, (x + w[0]) & _MASK)
    w = _weak(data, place + 32, (z + w[1]) & _MASK, (y + _read8(data, place + 16)) & _MASK)
    x, z = z, x
    first = (_join(v[0], w[0], factor) + _fold(y) * _K0 + z) & _MASK
    return _join(first, (_join(v[1], w[1], factor) + x) & _MASK, factor)


def siphash(data, key):
    """SipHash-2-4 of bytes with a key of two whole numbers below 2^64."""
    v = [
        key[0] ^ 0x736F6D6570736575,
        key[1] ^ 0x646F72616E646F6D,
        key[0] ^ 0x6C7967656E657261,
        key[1] ^ 0x7465646279746573,
    ]

    def rounds(count):
        a, b, c, d = v
        for _ in range(count):
            a = (a + b) & _MASK
            b = _turn(b, 51) ^ a
            a = _turn(a, 32)
            c = (c + d) & _MASK
            d = _turn(d, 48) ^ c
            a = (a + d) & _MASK
            d = _turn(d, 43) ^ a
            c = (c + b) & _MASK
            b = _turn(b, 47) ^ c
            c = _turn(c, 32)
        v[:] = a, b, c, d

    whole = len(data) - len(data) % 8
    words = [_read8(data, place) for place in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | ((len(data) & 0xFF) << 56))
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def bins_of(values, count, salt=None):
    """The bins, 0 to count - 1, of a list of bytes: by `fingerprint64`, with a salt (two numbers) by `siphash`."""
    known = {}
    found = []
    for value in values:
        if value not in known:
            known[value] = (fingerprint64(value) if salt is None else siphash(value, salt)) % count
        found.append(known[value])
    return found


_CROSS = 0xC6A4A7935BD1E995


def _concatenated(a, b):
    result = a ^ _CROSS
    result ^= (_fold((b * _CROSS) & _MASK) * _CROSS) & _MASK
    result = (result * _CROSS) & _MASK
    return _fold((_fold(result) * _CROSS) & _MASK)


def crossed(rows, count):
    """The bins, 0 to count - 1, of rows of bytes and whole numbers, as TensorFlow's crossed columns have them."""
    found = []
    for row in rows:
        value = 0xDECAFCAFFE
        for item in row:
            value = _concatenated(value, fingerprint64(item) if isinstance(item, bytes) else item & _MASK)
        found.append(value % count)
    return found
