"""bantam's counter-based random numbers (core/rng.cc), in numpy: so that a peer sees the same images in the same order."""
import numpy as np

U32, U64 = np.uint32, np.uint64
INIT, SHUFFLE, AUGMENT, DROPOUT, TEST = 1, 2, 3, 4, 99  # what a stream is for


def block(counter, key):
    """Philox 4x32-10. counter: four arrays (or numbers), key: two numbers; returns four u32 arrays."""
    c = [np.atleast_1d(np.asarray(v, U64)) & U64(0xFFFFFFFF) for v in counter]
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        p0, p1 = U64(0xD2511F53) * c[0], U64(0xCD9E8D57) * c[2]
        low = U64(0xFFFFFFFF)
        c = [(p1 >> U64(32)) ^ c[1] ^ U64(k0), p1 & low, (p0 >> U64(32)) ^ c[3] ^ U64(k1), p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [v.astype(U32) for v in c]


class Rng:
    """One stream; `a` and `b` may be arrays, then there is a stream for each pair (methods broadcast over them)."""

    def __init__(self, seed, purpose, a=0, b=0):
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        a, b = (np.atleast_1d(np.asarray(v, U64)) for v in (a, b))
        h1 = block([a, a >> U64(32), purpose, 0x62616E74], self.key)
        h2 = block([b, b >> U64(32), h1[0], h1[1]], self.key)
        self.lo, self.hi = h2[0].astype(U64), h2[1].astype(U64)

    def bits(self, i):
        i = np.atleast_1d(np.asarray(i, U64))
        n = i >> U64(2)
        out = block([n, n >> U64(32), self.lo, self.hi], self.key)
        return np.choose((i & U64(3)).astype(np.intp), np.broadcast_arrays(*out))

    def uniform(self, i):
        return ((self.bits(i) >> U32(8)).astype(np.float32) * np.float32(2.0 ** -24))

    def below(self, i, n):
        return ((self.bits(i).astype(U64) * np.asarray(n, U64)) >> U64(32)).astype(np.int64)

    def permutation(self, n):
        i = np.arange(n, 1, -1)
        swaps = self.below(i, i)
        p = list(range(n))
        for i, j in zip(range(n, 1, -1), swaps.tolist()):
            p[i - 1], p[j] = p[j], p[i - 1]
        return np.array(p, np.int64)


def known_answers():
    """The published test vectors of Philox 4x32-10."""
    got = [int(v[0]) for v in block([0, 0, 0, 0], (0, 0))]
    assert got == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], [hex(v) for v in got]
    got = [int(v[0]) for v in block([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF))]
    assert got == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD], [hex(v) for v in got]


if __name__ == "__main__":
    known_answers()
    print("philox: known answers hold")
