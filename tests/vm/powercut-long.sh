#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As powercut.sh, 500 times.
# long
# vm: --disk a:96M:lossy,pbs=4096 --disk aside:16M:lossy,pbs=4096 --disk araw:36M:lossy
# vm: --disk b:96M:lossy,pbs=4096,wce=off --disk braw:36M:lossy,wce=off
# vm: --shared 16M --mem 768 --timeout 14400
set -euo pipefail
CUTS=500
# shellcheck source=tests/vm/powercut.inc
. "$INOCRYPT_TOP/tests/vm/powercut.inc"
