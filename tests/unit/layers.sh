#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# layers.sh - each file calls and includes only its own layer and those before it (tools/layers);
# and the check notices it when one doesn't.
# timeout: 120
# quick
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
fail() { echo "FAIL: $*" >&2; exit 1; }

"$top/tools/layers" || fail "see above"

# A small tree with all that can be wrong; a copy of the check in it.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/tools" "$tmp/src/low" "$tmp/src/high" "$tmp/obj/low" "$tmp/obj/high" "$tmp/shared"
cp "$top/tools/layers" "$tmp/tools"
cd "$tmp"
touch shared/port.h
build()
{
	local f

	for f in src/*/*.c; do
		${CC:-gcc} -Isrc -Ishared -c -o "obj/${f#src/}o" "$f"
	done
	for f in obj/*/*.co; do
		mv "$f" "${f%.co}.o"
	done
}
good()
{
	echo '#include "port.h"' >src/low/low.h
	printf '%s\n' '#include "low/low.h"' 'int low(void) { return 1; }' >src/low/low.c
	echo '#include "low/low.h"' >src/high/high.h
	printf '%s\n' '#include "high/high.h"' 'int low(void);' 'int high(void) { return low(); }' \
		>src/high/high.c
	cat >list <<-END
	tree src
	objects obj
	uses shared
	layer low offers low/low.h
	layer high
	END
}
# says WHAT: the check fails, and says WHAT.
says()
{
	! tools/layers list >out 2>&1 || fail "it doesn't notice: $1"
	grep -q -- "$1" out || fail "not '$1', but: $(cat out)"
}
good
build
[ "$(tools/layers list)" = "layers: 4 files, 0 exceptions" ] || fail "a good tree: $(tools/layers list 2>&1)"

printf '%s\n' 'int high(void);' 'int low(void) { return high(); }' >src/low/low.c
build
says "src/low/low.c (layer low) uses high of src/high/high.c, a later layer (high)"
echo "except low/low.c high/high.c" >>list
[ "$(tools/layers list)" = "layers: 4 files, 1 exceptions" ] || fail "an exception: $(tools/layers list 2>&1)"
good
echo "except low/low.c high/high.c" >>list
build
says "src/low/low.c no longer uses high/high.c: take the exception away"
good
echo '#include "high/high.h"' >>src/low/low.h
says "src/low/low.h (layer low) includes the header of src/high/high.h, a later layer (high)"
good
echo >src/low/inner.h
echo '#include "low/inner.h"' >>src/high/high.h
says "src/high/high.h includes low/inner.h, which its layer doesn't offer: low/low.h"
rm src/low/inner.h
good
echo '#include "nowhere.h"' >>src/high/high.h
says "src/high/high.h includes nowhere.h, which is neither in src/ nor in what that uses: shared"
good
mkdir src/other
echo 'int other;' >src/other/other.c
says "src/other/other.c is in 0 layers"
rm -r src/other
build
touch -d '+1 min' src/low/low.c
says "src/low/low.c is newer than its object"
rm obj/low/low.o
says "src/low/low.c isn't built"
