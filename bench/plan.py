# SPDX-License-Identifier: GPL-2.0-only
"""Which work is done on which device, for how many seconds, by whom.

All of it everywhere would take hours; what the targets are about is here, and what tells something else.
"""

MAIN = ("raw", "xts", "gcm-journal", "inocrypt")
PAIR = ("xts", "gcm-journal", "inocrypt")
ALL = ("raw", "xts", "gcm-journal", "gcm-nojournal", "hmac-bitmap", "inocrypt")

PLAN = {
    "cpu": {
        "seq-write": (1.2, ALL), "seq-read": (1.2, MAIN),
        "rand-write-qd1": (1.2, MAIN), "rand-write-qd8": (1.2, PAIR), "rand-write-qd32": (1.2, ALL),
        "rand-read-qd1": (1.2, MAIN), "rand-read-qd8": (1.2, PAIR), "rand-read-qd32": (1.2, MAIN),
        "mixed-qd32": (1.2, PAIR),
        "fresh-seq-write": (1.2, PAIR), "fresh-rand-write": (1.2, PAIR),
    },
    "ssd": {
        "seq-write": (1.5, ALL), "seq-read": (1.5, MAIN),
        "rand-write-qd1": (1.5, MAIN), "rand-write-qd8": (1.5, PAIR), "rand-write-qd32": (1.5, ALL),
        "rand-read-qd1": (1.5, MAIN), "rand-read-qd8": (1.5, PAIR), "rand-read-qd32": (1.5, MAIN),
        "mixed-qd32": (1.5, PAIR),
        "fsync1": (1.5, ALL), "fsync32": (1.5, MAIN), "fsync32-batch": (1.5, PAIR), "dsync": (1.5, MAIN),
        "fresh-seq-write": (1.5, PAIR), "fresh-rand-write": (1.5, PAIR),
    },
    "nvme": {
        "seq-write": (1.5, PAIR), "rand-write-qd1": (1.5, PAIR), "rand-write-qd32": (1.5, PAIR),
        "fsync1": (1.5, PAIR), "fsync32": (1.5, PAIR), "dsync": (1.5, PAIR),
    },
    "hdd": {
        "seq-write": (2, PAIR), "seq-read": (2, PAIR), "rand-write-qd32": (3, PAIR), "rand-read-qd32": (2, PAIR),
        "fsync1": (3, PAIR), "fsync32": (3, PAIR),
    },
}
