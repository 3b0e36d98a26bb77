#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random file operations against a model, file system blocks of 1024 bytes, sectors of 512.
# vm: --disk data:2G --mem 2560 --timeout 1800
set -euo pipefail
bs=1024
devices=(/run/disks/data)
format_args=(--sector-size 512)
mkfs_args=()
. "$(dirname "$0")/exercise.inc"
