#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As replay-ordered.sh, on a disk that has FUA writes: the target's log, the journal's commits
# and direct writes with RWF_DSYNC use them. Four tasks write and sync at once. Sectors of 2048
# bytes: data is logged only with 4096, and then FUA writes hardly reach the data device
# (replay-fua-logged.sh).
# vm: --disk a:128M:fua=on --disk log:2G --disk keys:1M --mem 2048 --timeout 1200
set -euo pipefail
dirs=(alice nokey bob carol)
tasks=(--files alice:80 --files nokey:80 --files bob:80 --files carol:80 --direct-sync)
noise=()
mkfs_args=(-b 4096 -N 256) format_args=(-s 2048)
points=16 variants=1
. "$(dirname "$0")/replay.inc"
