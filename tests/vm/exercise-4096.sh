#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random file operations against a model, file system blocks of 4096 bytes, sectors alike.
# vm: --disk data:2G --mem 2560 --timeout 1800
set -euo pipefail
bs=4096
devices=(/run/disks/data)
format_args=()
mkfs_args=()
. "$(dirname "$0")/exercise.inc"
