"""The arithmetic of an RFC 9162 log: roots, inclusion and consistency proofs, and their checks.

A leaf is SHA-256(0x00 ‖ content) and a node SHA-256(0x01 ‖ left ‖ right), so that neither passes
for the other. The log is kept in *tiles* of up to 256 hashes: tile (0, i) holds the leaves from
256·i on, tile (n, i) the roots of 256 tiles below it. Any whole subtree follows from one tile,
and only the last tile of each level ever grows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = sha256(b"").digest()
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
PROOF_LENGTH_MAX = 64

Place = tuple[int, int]
"""A tile's level and its index on that level."""
Subtree = Callable[[int, int], bytes]
"""Returns the root of the whole subtree of a height whose index among those of its height is n."""


class TileMissing(LookupError):
    """A tile that a proof needs is not there, or too short."""


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(LEAF_PREFIX + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return sha256(NODE_PREFIX + left + right).digest()


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over hashes whose number is a power of two."""
    row = list(hashes)
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=True)
        row = [sha256(NODE_PREFIX + left + right).digest() for left, right in pairs]
    return row[0]


def hashes_of(tile: bytes) -> list[bytes]:
    """Return the hashes that a tile is made of."""
    return [tile[n : n + HASH_SIZE] for n in range(0, len(tile), HASH_SIZE)]


def _split(count: int) -> int:
    """Return the largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def root(size: int, subtree: Subtree) -> bytes:
    """Return the root of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _range(0, size, subtree)


def _range(begin: int, end: int, subtree: Subtree) -> bytes:
    count = end - begin
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return subtree(height, begin >> height)
    middle = begin + _split(count)
    return node_hash(_range(begin, middle, subtree), _range(middle, end, subtree))


def inclusion_proof(position: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the path from a leaf up to the root of `size` leaves (RFC 9162, 2.1.3.1).

    Raises ValueError unless 0 ≤ position < size.
    """
    if not 0 <= position < size:
        raise ValueError("there is no such leaf in a tree of this size")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if position < middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(begin, middle, subtree))
            begin = middle
    path.reverse()
    return path


def consistency_proof(first: int, second: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `second` leaves begins with that of `first` (2.1.4.1).

    Raises ValueError unless 0 < first ≤ second.
    """
    if not 0 < first <= second:
        raise ValueError("the first tree must not be empty or larger than the second")
    path: list[bytes] = []
    begin, end, whole = 0, second, True
    while end != first:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(begin, middle, subtree))
            begin, whole = middle, False
    if not whole:
        path.append(_range(begin, end, subtree))
    path.reverse()
    return path


def verify_inclusion(
    leaf: bytes, position: int, size: int, path: Sequence[bytes], root_hash: bytes
) -> bool:
    """Tell whether a path leads from a leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= position < size:
        return False
    here, last, found = position, size - 1, leaf
    for hash_ in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(hash_, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root_hash


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether the second tree begins with the first one (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    hashes = list(path)
    if first & (first - 1) == 0:
        hashes.insert(0, first_root)
    if not hashes:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        here, last = here >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


class Tiles:
    """The subtrees that a set of tiles holds; `subtree` is what the proofs above read."""

    def __init__(self, tiles: Mapping[Place, bytes]) -> None:
        self._tiles = tiles

    def subtree(self, height: int, index: int) -> bytes:
        """Return the root of a whole subtree; raise `TileMissing` if its tile is not there."""
        level, rest = divmod(height, TILE_HEIGHT)
        begin = index << rest
        tile, offset = divmod(begin, TILE_WIDTH)
        content = self._tiles.get((level, tile), b"")
        end = offset + (1 << rest)
        if len(content) < end * HASH_SIZE:
            raise TileMissing(f"tile {tile} of level {level}")
        return tile_root(hashes_of(content[offset * HASH_SIZE : end * HASH_SIZE]))


def places_of(prove: Callable[[Subtree], object]) -> set[Place]:
    """Return the tiles that a proof reads, by making it once over hashes that are not there."""
    places: set[Place] = set()

    def subtree(height: int, index: int) -> bytes:
        level, rest = divmod(height, TILE_HEIGHT)
        places.add((level, (index << rest) // TILE_WIDTH))
        return b""

    prove(subtree)
    return places


def last_places(size: int) -> list[Place]:
    """Return the last tile of each level that is begun and not full, in a tree of `size` leaves."""
    places: list[Place] = []
    level = 0
    while size:
        if size % TILE_WIDTH:
            places.append((level, size // TILE_WIDTH))
        size //= TILE_WIDTH
        level += 1
    return places


class GrowingTree:
    """A tree that leaves are appended to; it holds no more than the last tile of each level.

    `changed` are the tiles as they have become since it was last emptied, whole ones among them.
    """

    def __init__(self, size: int = 0, tiles: Mapping[Place, bytes] | None = None) -> None:
        """Go on from a tree of `size` leaves; raise `TileMissing` without its last tiles."""
        self.size = size
        self.changed: dict[Place, bytes] = {}
        self._levels: list[list[bytes]] = []
        known = tiles or {}
        level, left = 0, size
        while left:
            begun = left % TILE_WIDTH
            content = known.get((level, left // TILE_WIDTH), b"")
            if len(content) < begun * HASH_SIZE:
                raise TileMissing(f"tile {left // TILE_WIDTH} of level {level}")
            self._levels.append(hashes_of(content[: begun * HASH_SIZE]))
            left //= TILE_WIDTH
            level += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append the hashes of leaves."""
        touched = 0
        for leaf in leaves:
            self.size += 1
            touched = max(touched, self._append(0, leaf))
        for level in range(touched + 1):
            if level < len(self._levels) and self._levels[level]:
                index = self._count(level) // TILE_WIDTH
                self.changed[level, index] = b"".join(self._levels[level])

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        found: bytes | None = None
        for hashes in self._levels:
            end = len(hashes)
            while end:
                width = end & -end
                left = tile_root(hashes[end - width : end])
                found = left if found is None else node_hash(left, found)
                end -= width
        return EMPTY_ROOT if found is None else found

    def _count(self, level: int) -> int:
        """Return how many hashes there are on a level."""
        return self.size >> (TILE_HEIGHT * level)

    def _append(self, level: int, hash_: bytes) -> int:
        """Append a hash to a level; return the highest level that was touched."""
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(hash_)
        if len(hashes) < TILE_WIDTH:
            return level
        self.changed[level, self._count(level) // TILE_WIDTH - 1] = b"".join(hashes)
        self._levels[level] = []
        return self._append(level + 1, tile_root(hashes))
