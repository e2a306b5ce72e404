"""Numbers that any language can make again: the finisher of SplitMix64 over (FNV-1a of a name + a counter).

    key       = 64-bit FNV-1a of the name's bytes
    word(i)   = mix(key + (i + 1) * 0x9E3779B97F4A7C15), mix the finisher of SplitMix64, all modulo 2^64
    number(i) = (2 * (word(i) >> 40) + 1 - 2^24) / 2^24, in (-1, 1), exact in float32
"""
import numpy as np


def words(name: str, count: int) -> np.ndarray:
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) % 2**64
    z = np.arange(1, count + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(key)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def numbers(name: str, count: int) -> np.ndarray:
    high = (words(name, count) >> np.uint64(40)).astype(np.float64)
    return (2 * high + (1 - 2**24)) / 2**24


def tensor(name: str, count: int, centre: float, scale: float) -> np.ndarray:
    """float32(centre + scale * number(i)), as float64."""
    return (centre + scale * numbers(name, count)).astype(np.float32).astype(np.float64)
