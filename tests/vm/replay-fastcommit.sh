#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As replay-ordered.sh, with ext4's fast commits. Files are only overwritten, no two synced at
# once, and the area of fast commits is large, as 6.1's stock ext4 loses what was synced on a bare
# disk, too (BACKEND=plain, tools/vm/run --stock-ext4):
# - truncates, holes and appends leave what e2fsck finds fault with;
# - an fsync that comes while another's fast commit is under way waits for that and returns,
#   though it covers neither its data nor, perhaps, its inode (ext4_fc_commit() after -EALREADY);
# - if the area is full, replay goes on to the block behind it (fc_do_one_pass() up to and
#   with j_fc_last), and the mount fails with EIO.
# The last two are mended in ours: ext4-hooks/patches/6.1/0002.
# vm: --disk a:192M --disk log:4G --disk keys:1M --mem 3072 --timeout 3600
set -euo pipefail
dirs=(alice nokey bob)
tasks=(--files alice:250 --files nokey:250 --files bob:250 --simple --serial)
noise=()
mkfs_args=(-b 4096 -N 256 -O fast_commit -J "size=8,fast_commit_size=1024")
points=60 variants=1
. "$(dirname "$0")/replay.inc"
