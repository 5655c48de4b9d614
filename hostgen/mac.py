"""What signs the parts of archives: BLAKE2b as a tree, which the runtime computes four leaves at a time.

runtime/core/blake2b_tree.hpp says how a message is dealt out; a test compares the two.
"""

from __future__ import annotations

import hashlib
from functools import partial

from pyqemu.hostgen.archive_format import MAC_BYTES

_LEAVES, _BLOCK, _INNER_BYTES = 4, 128, 32


def mac(key: bytes, *parts: bytes) -> bytes:
    """MAC_BYTES bytes over the parts, one after the other; `key` has 1 to 64 bytes."""
    message = b"".join(parts)
    row = _LEAVES * _BLOCK
    padded = memoryview(message + bytes(-len(message) % row if message else row))
    node = partial(hashlib.blake2b, fanout=_LEAVES, depth=2, inner_size=_INNER_BYTES)
    root = node(digest_size=MAC_BYTES, node_depth=1, last_node=True, salt=len(message).to_bytes(8, "little"))
    for leaf in range(_LEAVES):
        hashed = node(key=key, digest_size=_INNER_BYTES, node_offset=leaf, last_node=leaf == _LEAVES - 1)
        hashed.update(b"".join(padded[at : at + _BLOCK] for at in range(leaf * _BLOCK, len(padded), row)))
        root.update(hashed.digest())
    return root.digest()
