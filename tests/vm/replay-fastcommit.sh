#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As replay-ordered.sh, with ext4's fast commits, on a device that has FUA writes. Files are
# only overwritten, and no two synced at once: on a bare device too 6.1's fast commits leave
# what e2fsck finds fault with, and an fsync that meets another's commit returns unflushed.
# The area of fast commits is large: where it is full, 6.1 reads a block too many at mount.
# vm: --disk a:192M --disk log:4G --disk keys:1M --mem 3072 --timeout 3600
set -euo pipefail
dirs=(alice nokey bob)
tasks=(--files alice:250 --files nokey:250 --files bob:250 --simple --serial)
noise=()
mkfs_args=(-b 4096 -N 256 -O fast_commit -J "size=8,fast_commit_size=1024")
points=70 variants=1
. "$(dirname "$0")/replay.inc"
