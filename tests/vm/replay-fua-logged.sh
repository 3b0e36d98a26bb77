#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As replay-fua.sh, but with sectors of 4096 bytes: what is written with FUA is in the log before
# it is in its place.
# vm: --disk a:128M:fua=on --disk log:2G --disk keys:1M --mem 2048 --timeout 1200
set -euo pipefail
dirs=(alice nokey bob carol)
tasks=(--files alice:80 --files nokey:80 --files bob:80 --files carol:80 --direct-sync)
noise=()
mkfs_args=(-b 4096 -N 256) format_args=()
points=16 variants=1
. "$(dirname "$0")/replay.inc"
