"""The body of a PNG: every byte predicted by its neighbours, what is left written in Huffman codes.

Deflate (RFC 1951) without its search for repetitions, which takes most of an encoder's time and which tissue
hardly repays: only runs of zeros, as flat areas leave them, are said to repeat. The predictor is Paeth's
(PNG 1.2, section 6.6), which leaves less to be coded than the row above. The bytes depend on the pixels only,
on every processor.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from imagecodecs import deflate_adler32
from numba import njit

Bytes = npt.NDArray[np.uint8]
_U64 = npt.NDArray[np.uint64]
_Entries = npt.NDArray[np.uint32]
_Counts = npt.NDArray[np.int64]
_Written = tuple[np.uint64, np.uint64, np.uint64]  # words; bits that fill none yet, and how many they are

_PAETH: Final = 4
_STRIP_BYTES: Final = 1 << 17  # what stays in the second cache; rows at once
_SAMPLED: Final = 8  # one row of so many is counted
_BLANK: Final = 8  # zeros that are a run: a word
_LONGEST_BITS: Final = 13  # two codes and the length of both fit 32 bits
_END: Final = 256  # the symbol that ends everything; those above tell how much a match repeats
_SYMBOLS: Final = 286
_LONGEST_MATCH: Final = 258
_DISTANCES: Final = 2  # one is used; alone it would be half a code, which a decoder may refuse
_ORDER: Final = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)  # RFC 1951, section 3.2.7
# An entry of a table: a code, and in the lowest 6 bits how long it is.
_LENGTH: Final = np.uint64(63)
_LENGTH_BITS: Final = np.uint64(6)
_WORD_BITS: Final = np.uint64(6)  # 64 bits, as a power of 2
_IN_WORD: Final = np.uint64(63)
_ONE: Final = np.uint64(1)
_BYTE: Final = np.uint64(0xFF)
_BYTE_BITS: Final = np.uint64(8)
_PAIR: Final = np.uint64(0xFFFF)
_PAIR_BITS: Final = np.uint64(16)
_NOTHING: Final = np.uint64(0)


def idat_parts(picture: Bytes) -> list[bytes | memoryview]:
    """Return what the IDAT chunk of a picture holds, in parts.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        In one piece.
    """
    rows = picture.reshape(len(picture), -1)
    above = np.zeros(rows.shape[1], np.uint8)
    lengths = code_lengths(_counts(rows, above, _matching()[0]))
    codes = _codes(lengths)
    pairs, matches = _pairs(codes), _matches(codes)
    head, kept = _header(lengths)
    step = max(8, _STRIP_BYTES // rows.shape[1])
    left = np.empty((min(step, len(rows)), rows.shape[1] + 1), np.uint8)
    # the system gives only those pages that are written to
    words = np.empty(len(rows) * left.shape[1] * _LONGEST_BITS // 64 + 2, np.uint64)
    at, adler = 0, 1
    for top in range(0, len(rows), step):
        strip: Any = left[: len(rows) - top]  # the sum takes any buffer, and says it takes bytes
        _predict(above, rows[top : top + step], strip)
        above = rows[top + len(strip) - 1]
        adler = deflate_adler32(strip, adler)
        at += _write(strip.reshape(-1), codes, pairs, matches, words[at:], kept)
    held, bits = (int(number) for number in kept)
    end, length = divmod(int(codes[_END]), 1 << int(_LENGTH_BITS))
    rest = (held | end << bits).to_bytes((bits + length + 7) // 8, "little")
    return [head, words[:at].view(np.uint8).data, rest, struct.pack(">I", adler)]


@njit(cache=True, nogil=True)
def _predict(above: Bytes, rows: Bytes, left: Bytes) -> None:
    """Rows as PNG filters them: the filter's number, then what the predictor leaves of each byte."""
    beside = rows.shape[1] - 3
    for y in range(len(rows)):
        over = above if y == 0 else rows[y - 1]
        left[y, 0] = _PAETH
        for x in range(3):
            left[y, x + 1] = rows[y, x] - over[x]
        here, out = rows[y, 3:], left[y, 4:]
        a, b, c = rows[y, :beside], over[3:], over[:beside]
        for x in range(beside):
            # a + b - c is as far from a as b is from c, and the other way round: distances that fit 8 bits
            low, high, corner = min(a[x], b[x]), max(a[x], b[x]), c[x]
            to_low, to_high = np.uint8(max(high, corner) - corner), np.uint8(corner - min(low, corner))
            to_corner = np.uint8(max(to_low, to_high) - min(to_low, to_high))
            other = high if to_high <= to_corner else corner
            out[x] = here[x] - (low if (to_low <= to_high) & (to_low <= to_corner) else other)


@njit(cache=True, nogil=True)
def _counts(rows: Bytes, above: Bytes, symbols: _Counts) -> _Counts:
    """How often each symbol is written in some of the rows, and once more: it may be in all others.

    Four neighbours are counted on their own, because equal ones would wait for each other.
    """
    apart = np.zeros((4, _SYMBOLS), np.int64)
    left = np.empty((1, rows.shape[1] + 1), np.uint8)
    whole = left.size // _BLANK
    for y in range(0, len(rows), _SAMPLED):
        _predict(above if y == 0 else rows[y - 1], rows[y : y + 1], left)
        words = left[0, : whole * _BLANK].view(np.uint64)
        zeros = 0
        for word in range(whole):
            eight = words[word]
            if eight == _NOTHING:
                zeros += _BLANK
                continue
            if zeros:
                _count_zeros(apart[0], zeros, symbols)
                zeros = 0
            for table in range(4):
                apart[table, eight & _BYTE] += 1
                apart[table, (eight >> _BYTE_BITS) & _BYTE] += 1
                eight >>= _PAIR_BITS
        if zeros:
            _count_zeros(apart[0], zeros, symbols)
        for x in range(whole * _BLANK, left.size):
            apart[0, left[0, x]] += 1
    counts: _Counts = apart.sum(axis=0) + 1
    return counts


@njit(cache=True, nogil=True)
def _count_zeros(counts: _Counts, zeros: int, symbols: _Counts) -> None:
    """Count a zero, and that it repeats, as `_put_zeros` writes it."""
    counts[0] += 1
    counts[symbols[_LONGEST_MATCH]] += (zeros - 1) // _LONGEST_MATCH
    counts[symbols[(zeros - 1) % _LONGEST_MATCH]] += 1


def code_lengths(counts: _Counts) -> Bytes:
    """Return the lengths of Huffman codes of symbols that occur so often, none above 13 bits.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
        At least 1 each.
    """
    order = np.argsort(counts, kind="stable")
    lengths = np.empty(len(counts), np.uint8)
    for rarest in range(_LONGEST_BITS, 0, -1):
        # rare ones are taken for less rare: as short as the best codes of this limit, to some thousandths
        lengths[order] = _depths(np.maximum(counts[order], counts.sum() >> rarest))
        if lengths.max() <= _LONGEST_BITS:
            break
    return lengths


@njit(cache=True, nogil=True)
def _depths(ascending: _Counts) -> _Counts:
    """Depths of leaves in the tree of Huffman: the two lightest of leaves and nodes are joined each time."""
    leaves = len(ascending)
    weights = np.zeros(2 * leaves - 1, np.int64)
    weights[:leaves] = ascending
    parents = np.zeros(2 * leaves - 1, np.int64)
    leaf, node = 0, leaves
    for made in range(leaves, 2 * leaves - 1):
        for _ in range(2):
            if leaf < leaves and (node == made or weights[leaf] <= weights[node]):
                lightest, leaf = leaf, leaf + 1
            else:
                lightest, node = node, node + 1
            parents[lightest] = made
            weights[made] += weights[lightest]
    depths = np.zeros(2 * leaves - 1, np.int64)
    for one in range(2 * leaves - 3, -1, -1):
        depths[one] = depths[parents[one]] + 1
    return depths[:leaves]


def _codes(lengths: Bytes) -> _Entries:
    """The canonical codes of these lengths (RFC 1951, section 3.2.2), their first bit lowest; shape (n,)."""
    order = np.argsort(lengths, kind="stable")
    bits = lengths[order].astype(np.int64)
    room = 1 << (_LONGEST_BITS - bits)  # what a code takes of all numbers of so many bits
    first = np.cumsum(room) - room
    backwards = sum((first >> k & 1) << (_LONGEST_BITS - 1 - k) for k in range(_LONGEST_BITS))
    codes = np.empty(len(lengths), np.uint32)
    codes[order] = backwards << int(_LENGTH_BITS) | bits
    return codes


def _parted(codes: _Entries) -> tuple[_Entries, _Entries]:
    return codes >> np.uint32(_LENGTH_BITS), codes & np.uint32(_LENGTH)


def _pairs(codes: _Entries) -> _Entries:
    """Codes of two bytes that follow each other, by both as a number of 16 bits."""
    code, bits = _parted(codes[:_END])
    both = code | code[:, None] << bits
    return (both << np.uint32(_LENGTH_BITS) | (bits + bits[:, None])).ravel()


@cache
def _matching() -> tuple[_Counts, _Entries, _Entries]:
    """How often zeros repeat, up to 258 times, by symbol, further bits and their value (RFC 1951, 3.2.5)."""
    of = [(0, 0, 0)] * 3  # no match repeats so few
    for symbol in range(_END + 1, _SYMBOLS - 1):
        bits = max(0, (symbol - _END - 5) // 4)
        of += [(symbol, bits, value) for value in range(1 << bits)]
    of[_LONGEST_MATCH:] = [(_SYMBOLS - 1, 0, 0)]
    symbols, bits, values = np.array(of).T
    return symbols, bits.astype(np.uint32), values.astype(np.uint32)


def _matches(codes: _Entries) -> _Entries:
    """Codes that repeat a zero so many times; the distance, one byte, is a bit that is 0."""
    symbols, further, values = _matching()
    code, bits = _parted(codes[symbols])
    matches = (code | values << bits) << np.uint32(_LENGTH_BITS) | (bits + further + np.uint32(1))
    matches[:2] = 0, codes[0]
    matches[2] = _pairs(codes)[0]
    return matches


def _header(lengths: Bytes) -> tuple[bytes, _U64]:
    """Zlib's two bytes and the lengths of all codes; bits that fill no byte yet, and how many they are."""
    counts = ((_SYMBOLS - 257, 5), (_DISTANCES - 1, 5), (len(_ORDER) - 4, 4))
    bits = "101" + "".join(f"{count:0{width}b}"[::-1] for count, width in counts)
    # each length is written in 4 bits, as it is; none is said to repeat
    bits += "".join("000" if length > 15 else "001" for length in _ORDER)
    bits += "".join(f"{length:04b}" for length in [*lengths.tolist(), *[1] * _DISTANCES])
    whole = len(bits) // 8
    head = int(bits[: 8 * whole][::-1], 2).to_bytes(whole, "little")
    rest = bits[8 * whole :]
    return b"\x78\x01" + head, np.array([int(rest[::-1], 2), len(rest)], np.uint64)


@njit(cache=True, nogil=True)
def _write(left: Bytes, codes: _Entries, pairs: _Entries, matches: _Entries, words: _U64, kept: _U64) -> int:
    """Write the codes of what the predictor left, after the bits that were kept; return how many words."""
    whole, at, zeros = left.size // _BLANK, np.uint64(0), 0
    held, bits = kept
    eights = left[: whole * _BLANK].view(np.uint64)
    for word in range(whole):
        eight = eights[word]
        if eight == _NOTHING:
            zeros += _BLANK
            continue
        if zeros:
            at, held, bits = _put_zeros(words, at, held, bits, zeros, matches)
            zeros = 0
        for _ in range(2):
            first = np.uint64(pairs[eight & _PAIR])
            second = np.uint64(pairs[(eight >> _PAIR_BITS) & _PAIR])
            length = first & _LENGTH
            code = (first >> _LENGTH_BITS) | ((second >> _LENGTH_BITS) << length)
            at, held, bits = _append(words, at, held, bits, code, length + (second & _LENGTH))
            eight >>= _PAIR_BITS + _PAIR_BITS
    if zeros:
        at, held, bits = _put_zeros(words, at, held, bits, zeros, matches)
    for x in range(whole * _BLANK, left.size):
        at, held, bits = _put(words, at, held, bits, codes[left[x]])
    kept[0], kept[1] = held, bits
    return int(at)


@njit(cache=True, nogil=True)
def _put_zeros(
    words: _U64, at: np.uint64, held: np.uint64, bits: np.uint64, zeros: int, matches: _Entries
) -> _Written:
    """Write a zero, and that it repeats."""
    at, held, bits = _put(words, at, held, bits, matches[1])
    for _ in range((zeros - 1) // _LONGEST_MATCH):
        at, held, bits = _put(words, at, held, bits, matches[_LONGEST_MATCH])
    written: _Written = _put(words, at, held, bits, matches[(zeros - 1) % _LONGEST_MATCH])
    return written


@njit(cache=True, nogil=True)
def _put(words: _U64, at: np.uint64, held: np.uint64, bits: np.uint64, entry: np.uint32) -> _Written:
    wide = np.uint64(entry)
    written: _Written = _append(words, at, held, bits, wide >> _LENGTH_BITS, wide & _LENGTH)
    return written


@njit(cache=True, nogil=True)
def _append(
    words: _U64, at: np.uint64, held: np.uint64, bits: np.uint64, code: np.uint64, length: np.uint64
) -> _Written:
    """Append a code of up to 63 bits; the word is written whether it is full or not, and not asked for it."""
    low = held | (code << bits)
    words[at] = low
    reached = bits + length
    full = reached >> _WORD_BITS
    beyond = (code >> _ONE) >> (_IN_WORD - bits)
    return at + full, beyond if full else low, reached & _IN_WORD
