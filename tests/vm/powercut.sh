#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The host cuts the power 20 times at random moments under load, on disks with a volatile cache
# that loses what wasn't flushed and on disks with none: see powercut.inc.
# vm: --disk a:96M:lossy,pbs=4096 --disk aside:16M:lossy,pbs=4096 --disk araw:36M:lossy
# vm: --disk b:96M:lossy,pbs=4096,wce=off --disk braw:36M:lossy,wce=off
# vm: --shared 16M --mem 768 --timeout 1200
set -euo pipefail
CUTS=20
# Each takes a start of the VM; all paths are gone through by six.
[ "$VM_SLOW" = 1 ] || CUTS=6
# shellcheck source=tests/vm/powercut.inc
. "$INOCRYPT_TOP/tests/vm/powercut.inc"
