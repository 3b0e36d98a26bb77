# SPDX-License-Identifier: GPL-2.0-only
"""Which work is done on which device, for how many seconds, by whom.

All of it everywhere would take hours; what the targets are about is here, and what tells something else.
"""

ALL = ("raw", "xts", "gcm-journal", "gcm-nojournal", "hmac-bitmap", "inocrypt")
MAIN = ("raw", "xts", "gcm-journal", "inocrypt")
TWO = ("xts", "gcm-journal", "inocrypt")
FILES = ("raw", "fscrypt", "xts", "gcm-journal", "inocrypt")
# fscrypt has no direct I/O unless the device encrypts: what it would measure is the page cache.
DIRECT = MAIN

PLAN = {
    "cpu": {
        # The processor's speed varies more than a disk model's.
        "rounds": 5,
        "block": {
            "seq-write": (0.8, ALL), "seq-read": (0.8, MAIN),
            "rand-write-qd1": (0.8, MAIN), "rand-write-qd8": (0.8, TWO), "rand-write-qd32": (0.8, ALL),
            "rand-read-qd1": (0.8, MAIN), "rand-read-qd8": (0.8, TWO), "rand-read-qd32": (0.8, MAIN),
            "mixed-qd32": (0.8, TWO),
            "fresh-seq-write": (0.8, TWO), "fresh-rand-write": (0.8, TWO),
        },
        "tree": {"seq-write": 0.8, "rand-write-qd32": 0.8, "seq-read": 0.8, "rand-read-qd32": 0.8},
        "extras": True,
    },
    "ssd": {
        "block": {
            "seq-write": (1.5, ALL), "seq-read": (1.5, MAIN),
            "rand-write-qd1": (1.5, MAIN), "rand-write-qd8": (1.5, TWO),
            # Long enough for the leaves to be written more than once a round.
            "rand-write-qd32": (3, ALL),
            "rand-read-qd1": (1.2, MAIN), "rand-read-qd8": (1.2, TWO), "rand-read-qd32": (1.2, MAIN),
            "mixed-qd32": (1.5, TWO),
            "fsync1": (1.5, ALL), "fsync32": (2, MAIN), "fsync32-batch": (2, TWO), "dsync": (1.5, MAIN),
            "fresh-seq-write": (1.5, TWO), "fresh-rand-write": (1.5, TWO),
        },
        "files": {
            "small-files": FILES, "sqlite-wal": FILES, "sqlite-delete": FILES, "compile": FILES,
            "files-write": DIRECT, "files-read": DIRECT,
        },
        "tree": {"rand-write-qd32": 1.5, "rand-read-qd32": 1.2, "fsync32": 1.5},
        "cold": TWO,
    },
    "nvme": {
        "block": {
            "seq-write": (1.5, TWO), "seq-read": (1.2, TWO),
            "rand-write-qd1": (1.5, TWO), "rand-write-qd8": (1.5, TWO), "rand-write-qd32": (1.5, TWO),
            "rand-read-qd1": (1.2, TWO), "rand-read-qd32": (1.2, TWO),
            "fsync1": (1.5, TWO), "fsync32": (1.5, TWO), "dsync": (1.5, TWO),
        },
        "files": {w: TWO for w in ("small-files", "sqlite-wal", "sqlite-delete")},
    },
    "hdd": {
        "block": {
            "seq-write": (2, TWO), "seq-read": (1.5, TWO), "rand-write-qd32": (3, TWO), "rand-read-qd32": (1.5, TWO),
            # The disk's cache takes the first 512 at once, which is all of a second or two.
            "rand-write-qd1": (10, TWO), "fsync1": (2.5, TWO), "fsync32": (2.5, TWO),
        },
    },
    # A real one, with `make bench DEV=...`.
    "dev": {
        "block": {
            w: (5, ALL) for w in (
                "seq-write", "seq-read", "rand-write-qd1", "rand-write-qd8", "rand-write-qd32", "rand-read-qd1",
                "rand-read-qd8", "rand-read-qd32", "mixed-qd32", "fsync1", "fsync32", "fsync32-batch", "dsync",
                "fresh-seq-write", "fresh-rand-write")
        },
        "files": {
            "small-files": FILES, "sqlite-wal": FILES, "sqlite-delete": FILES, "compile": FILES,
            "files-write": DIRECT, "files-read": DIRECT,
        },
    },
}
