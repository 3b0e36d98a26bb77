#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A power cut after any flush or FUA write of the device, under ext4 with data=ordered: the
# volume opens, mounts, holds all that was synced, and e2fsck finds no fault. Also with a
# random part of the writes on the disk that were not flushed yet.
# vm: --disk a:192M --disk log:4G --disk keys:1M --mem 3072 --timeout 3600
set -euo pipefail
dirs=(alice nokey bob)
tasks=(--files alice:250 --files nokey:250 --files bob:250 --direct-sync)
no_fua=1
noise=(carol nokey2)
exerciser_ops=1200
mkfs_args=(-b 4096 -N 256)
points=70 variants=1
. "$(dirname "$0")/replay.inc"
