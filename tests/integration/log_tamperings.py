"""Tamperings of the log, cell by cell: what is done, and what is said of it."""

LogTampering = tuple[str, str, str]
"""The statement; a pattern of the invariant that must name it; a pattern of what it says."""

LEAF = "UPDATE log_tiles SET {} WHERE level = 0 AND index = 0"
RUN = (
    "UPDATE log_runs SET {} WHERE account_id = '<alice>' AND last_version = "
    "(SELECT max(last_version) FROM log_runs WHERE account_id = '<alice>')"
)
CHECKPOINT = "UPDATE checkpoints SET {} WHERE number = 1"
HEAD = "UPDATE log_head SET {}"
KEY = "UPDATE log_keys SET {}"

CELLS: dict[str, tuple[str, str, str]] = {
    "log_tiles.level": (LEAF.format("level = 1"), "tiles-are-whole", "tile 0 of level 0"),
    "log_tiles.index": (LEAF.format("index = 1"), "tiles-are-whole", "tile 0 of level 0"),
    "log_tiles.hashes": (
        LEAF.format("hashes = overlay(hashes placing sha256('x') from 33)"),
        "leaves-are-entries",
        "leaf 1 is not the hash of its entry",
    ),
    "log_runs.account_id": (RUN.format("account_id = '<somebody>'"), "runs-have-accounts", ""),
    "log_runs.last_version": (
        RUN.format("last_version = last_version + 1"),
        "runs-have-entries",
        "<alice>",
    ),
    "log_runs.first_version": (
        RUN.format("first_version = first_version - 1"),
        "runs-are-gap-free",
        "<alice>",
    ),
    "log_runs.first_position": (
        RUN.format("first_position = first_position - 1"),
        "leaves-are-entries",
        "leaf",
    ),
    "checkpoints.number": (CHECKPOINT.format("number = 9"), "checkpoints-are-gap-free", "2, not 1"),
    "checkpoints.tree_size": (
        CHECKPOINT.format("tree_size = tree_size - 1"),
        "checkpoint-root",
        "checkpoint 1 ",
    ),
    "checkpoints.root_hash": (
        CHECKPOINT.format("root_hash = sha256('x')"),
        "checkpoint-root",
        "checkpoint 1 ",
    ),
    "checkpoints.made_at": (
        CHECKPOINT.format("made_at = made_at + interval '1 microsecond'"),
        "checkpoint-signature",
        "checkpoint 1 ",
    ),
    "checkpoints.key_id": (CHECKPOINT.format("key_id = 'x'"), "checkpoint-key", "checkpoint 1 "),
    "checkpoints.signature": (
        CHECKPOINT.format("signature = sha256('x') || sha256('x')"),
        "checkpoint-signature",
        "checkpoint 1 ",
    ),
    "log_head.log_id": (HEAD.format("log_id = '<somebody>'"), "checkpoint-signature", ""),
    "log_head.size": (HEAD.format("size = size - 1"), "checkpoints-lie-in-the-log", "checkpoint 2"),
    "log_keys.key_id": (KEY.format("key_id = 'x'"), "checkpoint-key", "checkpoint 1 "),
    "log_keys.x": (KEY.format("x = y"), "checkpoint-signature", "checkpoint 1 "),
    "log_keys.y": (KEY.format("y = x"), "checkpoint-signature", "checkpoint 1 "),
    "log_keys.first_used_at": (
        KEY.format("first_used_at = first_used_at + interval '1 second'"),
        "keys-have-checkpoints",
        "checkpoint 1 ",
    ),
}
ROWS: dict[str, LogTampering] = {
    "the head is deleted": ("DELETE FROM log_head", "log-has-a-head", "checkpoint 1 "),
    "a tile is deleted": ("DELETE FROM log_tiles", "tiles-are-whole", "tile 0 of level 0"),
    "a tile is made up": (
        "INSERT INTO log_tiles SELECT 0, 7, hashes FROM log_tiles",
        "tiles-are-whole",
        "tile 7 of level 0 is one more",
    ),
    "a node is made up": (
        "INSERT INTO log_tiles SELECT 1, 0, hashes FROM log_tiles",
        "tiles-are-whole",
        "tile 0 of level 1",
    ),
    "two leaves change places": (
        (
            "UPDATE log_tiles SET hashes = substr(hashes, 33, 32) || substr(hashes, 1, 32) "
            "|| substr(hashes, 65)"
        ),
        "leaves-are-entries",
        "leaf 0 ",
    ),
    "a run is deleted": (
        "DELETE FROM log_runs WHERE account_id = '<alice>' AND first_version = 1",
        "runs-are-gap-free",
        "<alice>",
    ),
    "the newest checkpoint is deleted": (
        "DELETE FROM checkpoints WHERE number = 2",
        "log-is-checkpointed",
        "leaves",
    ),
    "an older checkpoint is deleted": (
        "DELETE FROM checkpoints WHERE number = 1",
        "checkpoints-are-gap-free",
        "checkpoint 2",
    ),
    "a key is made up": (
        "INSERT INTO log_keys SELECT 'x', x, y, first_used_at FROM log_keys",
        "keys-have-checkpoints",
        "key x ",
    ),
    "the log is taken back to its first checkpoint": (
        (
            "DELETE FROM checkpoints WHERE number = 2; "
            "UPDATE log_head SET size = (SELECT tree_size FROM checkpoints)"
        ),
        "runs-lie-in-the-log|tiles-are-whole",
        "",
    ),
}
