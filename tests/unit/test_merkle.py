"""The arithmetic of the log: RFC 9162 as it is written, and the vectors of its first users."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet.domain.merkle import (
    EMPTY_ROOT,
    GrowingTree,
    Place,
    TileMissing,
    Tiles,
    consistency_proof,
    inclusion_proof,
    last_places,
    leaf_hash,
    places_of,
    root,
    verify_consistency,
    verify_inclusion,
)

# The test vectors of Certificate Transparency's reference implementation.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCIES: dict[tuple[int, int], list[str]] = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, word by word."""
    count = len(leaves)
    if count == 0:
        return sha256(b"").digest()
    if count == 1:
        return leaves[0]
    half = 1
    while half * 2 < count:
        half *= 2
    return sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % n) for n in range(count)]


def stored(leaves: list[bytes], *rounds: int) -> dict[Place, bytes]:
    """Grow a tree in rounds of these sizes, each going on from what was stored."""
    tiles: dict[Place, bytes] = {}
    size = 0
    for count in [*rounds, len(leaves)]:
        tree = GrowingTree(size, tiles)
        tree.extend(leaves[size : size + count])
        tiles |= tree.changed
        size = tree.size
        assert tree.root() == naive_root(leaves[:size])
        assert set(last_places(size)) <= set(tiles)
    return tiles


VECTOR_TILES = stored([leaf_hash(content) for content in INPUTS])


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root(0, Tiles({}).subtree) == GrowingTree().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_known_vectors(size: int) -> None:
    assert root(size, Tiles(VECTOR_TILES).subtree).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("place", INCLUSIONS)
def test_inclusion_proofs_are_those_of_the_known_vectors(place: tuple[int, int]) -> None:
    path = inclusion_proof(*place, Tiles(VECTOR_TILES).subtree)
    assert [hash_.hex() for hash_ in path] == INCLUSIONS[place]
    assert verify_inclusion(
        leaf_hash(INPUTS[place[0]]), *place, path, bytes.fromhex(ROOTS[place[1] - 1])
    )


@pytest.mark.parametrize("place", CONSISTENCIES)
def test_consistency_proofs_are_those_of_the_known_vectors(place: tuple[int, int]) -> None:
    path = consistency_proof(*place, Tiles(VECTOR_TILES).subtree)
    assert [hash_.hex() for hash_ in path] == CONSISTENCIES[place]
    roots = [bytes.fromhex(ROOTS[size - 1]) for size in place]
    assert verify_consistency(*place, roots[0], roots[1], path)


def test_every_leaf_of_every_small_tree_is_proved_and_no_other_place_or_root_is() -> None:
    leaves = leaves_of(20)
    subtree = Tiles(stored(leaves)).subtree
    for size in range(1, 21):
        found = naive_root(leaves[:size])
        for position in range(size):
            path = inclusion_proof(position, size, subtree)
            assert verify_inclusion(leaves[position], position, size, path, found)
            for other in range(size):
                same = other == position
                assert verify_inclusion(leaves[position], other, size, path, found) is same
            assert not verify_inclusion(leaves[position], position, size, path, sha256().digest())
            assert not verify_inclusion(leaves[position], position, size, [*path, found], found)
            assert not path or not verify_inclusion(
                leaves[position], position, size, path[:-1], found
            )


def test_every_two_small_trees_are_consistent_and_no_others_are() -> None:
    leaves = leaves_of(20)
    subtree = Tiles(stored(leaves)).subtree
    for second in range(1, 21):
        for first in range(1, second + 1):
            path = consistency_proof(first, second, subtree)
            old, new = naive_root(leaves[:first]), naive_root(leaves[:second])
            assert verify_consistency(first, second, old, new, path)
            assert not verify_consistency(first, second, sha256(b"x").digest(), new, path)
            assert not verify_consistency(first, second, old, sha256(b"x").digest(), path)
            assert not verify_consistency(first, second, old, new, [*path, new])
            for n in range(len(path)):
                changed = [*path[:n], sha256(path[n]).digest(), *path[n + 1 :]]
                assert not verify_consistency(first, second, old, new, changed)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_trees_of_any_size_grown_in_any_rounds_are_those_of_the_definition(data: Any) -> None:
    size = data.draw(st.integers(1, 1_500))
    rounds = data.draw(st.lists(st.integers(1, 700), max_size=5))
    leaves = leaves_of(size)
    tiles = stored(leaves, *[count for count in rounds if count <= size])
    position = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    found = naive_root(leaves)
    needed = places_of(lambda subtree: inclusion_proof(position, size, subtree))
    assert len(needed) <= 5
    subtree = Tiles({place: tiles[place] for place in needed}).subtree
    path = inclusion_proof(position, size, subtree)
    assert verify_inclusion(leaves[position], position, size, path, found)
    needed = places_of(lambda subtree: consistency_proof(first, size, subtree))
    subtree = Tiles({place: tiles[place] for place in needed}).subtree
    path = consistency_proof(first, size, subtree)
    assert verify_consistency(first, size, naive_root(leaves[:first]), found, path)


def test_a_tree_of_three_levels_is_that_of_the_definition() -> None:
    leaves = leaves_of(65_536 + 300)
    tiles = stored(leaves, 65_000, 536, 1)
    assert {level for level, _ in tiles} == {0, 1, 2}
    assert root(len(leaves), Tiles(tiles).subtree) == naive_root(leaves)


@pytest.mark.parametrize(("position", "size"), [(0, 0), (-1, 3), (3, 3), (4, 3)])
def test_a_leaf_that_is_not_there_is_not_proved(position: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(position, size, Tiles(VECTOR_TILES).subtree)
    assert not verify_inclusion(leaf_hash(b""), position, size, [], leaf_hash(b""))


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (-1, 3)])
def test_trees_that_cannot_follow_on_each_other_are_not_proved(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="must not be"):
        consistency_proof(first, second, Tiles(VECTOR_TILES).subtree)
    assert not verify_consistency(first, second, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_proof_without_hashes_proves_nothing() -> None:
    assert not verify_consistency(3, 5, EMPTY_ROOT, EMPTY_ROOT, [])


def test_a_tile_that_is_missing_or_too_short_is_named() -> None:
    with pytest.raises(TileMissing, match="tile 0 of level 0"):
        Tiles({(0, 0): b"x" * 32}).subtree(0, 1)
    with pytest.raises(TileMissing, match="tile 1 of level 0"):
        GrowingTree(257, {(1, 0): b"x" * 32})
