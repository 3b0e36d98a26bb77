#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Random file operations against a model, file system blocks of 2048 bytes, sectors alike, metadata on a device of its own.
# vm: --disk data:2G --disk meta:256M --mem 2560 --timeout 1800
set -euo pipefail
bs=2048
devices=(/run/disks/data /run/disks/meta)
format_args=(--sector-size 2048)
mkfs_args=()
. "$(dirname "$0")/exercise.inc"
