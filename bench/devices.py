# SPDX-License-Identifier: GPL-2.0-only
"""The devices that a VM of the bench has, and how each is modelled.

cpu is memory in the guest (null_blk): no time but the processor's. The others are served by
tests/helpers/disks/modeldisk.c over a file in memory. What a real one of its kind can do is scaled
down to what emulated CPUs can feed; bench/README.md says by how much.
"""

MODELS = {
    "cpu": {
        "what": "memory: null_blk in the guest, no time but the processor's",
        "cache": False,
    },
    "ssd": {
        "what": "SATA SSD with a volatile cache: 40 MB/s, 2500 IOPS, 0.3 ms read and 0.15 ms write latency, "
                "5 ms a flush",
        "model": "-b 40 -i 2500 -r 300 -l 150 -f 5",
        "cache": True,
    },
    "nvme": {
        "what": "the same without a volatile cache (enterprise NVMe, cloud disk): flushes are free",
        "model": "-b 40 -i 2500 -r 300 -l 150 -w",
        "cache": False,
    },
    "hdd": {
        "what": "hard disk: 30 MB/s, 6.6 ms for a seek (150 IOPS), write cache of 2 MiB that a flush waits for",
        "model": "-b 30 -s 6.6 -l 150 -c 2048",
        "cache": True,
    },
}
