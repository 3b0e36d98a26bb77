#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A source tree unpacked and compiled by two jobs in a keyed directory; every object is the
# same as those compiled on a tmpfs, also after a reopen.
# vm: --disk data:512M --mem 2560 --timeout 900
set -euo pipefail
. "$(dirname "$0")/lib.sh"

vol_setup /run/disks/data
vol_format
vol_open
vol_mkfs
vol_mount
keyed_dir "$VOL_MNT/alice" "$(key_new alice)"

# The tree: made-up files with headers that include each other; no debug information, so
# that no path gets into the objects. (An emulated CPU takes about a second a file.)
src=/tmp/src
mkdir -p $src/gen
cp "$INOCRYPT_TOP/tests/helpers/files/filler.c" $src/
n=$((20 * LONG))
for ((i = 0; i < n; i++)); do
	{
		echo "#ifndef H$i"
		echo "#define H$i"
		[ $i = 0 ] || echo "#include \"h$((i - 1)).h\""
		for ((k = 0; k < 8; k++)); do
			echo "static inline unsigned f${i}_$k(unsigned x) { return x * $((i * 8 + k + 3))u ^ x >> $((k + 1)); }"
		done
		echo "unsigned g$i(unsigned x);"
		echo "#endif"
	} >$src/gen/h$i.h
	{
		echo "#include \"h$((i % 8 == 0 ? i : i - i % 8)).h\""
		echo "#include \"h$i.h\""
		echo "static const unsigned table[] = { $(seq -s, $i 3 $((i + 600))) };"
		echo "unsigned g$i(unsigned x)"
		echo "{"
		for ((k = 0; k < 8; k++)); do
			echo "	x += table[f${i}_$k(x) % (sizeof(table) / sizeof(*table))];"
		done
		echo "	return x;"
		echo "}"
	} >$src/gen/g$i.c
done
{
	echo '#include <stdio.h>'
	echo "#include \"h$((n - 1)).h\""
	echo 'int main(void) { unsigned x = 1;'
	for ((i = 0; i < n; i++)); do echo "x = g$i(x);"; done
	echo 'printf("%u\n", x); return 0; }'
} >$src/gen/main.c
cat >$src/Makefile <<'END'
GEN := $(patsubst %.c,%.o,$(wildcard gen/*.c))
CFLAGS := -O1 -std=c11 -D_GNU_SOURCE -Wall
all: gen/gen filler
gen/gen: $(GEN)
gen/gen:
	$(CC) -o $@ $^
END
tar -C /tmp -cf /tmp/src.tar src

# build DIR: unpack and make there
build()
{
	tar -C "$1" -xf /tmp/src.tar
	make -s -j2 -C "$1/src" >"/tmp/make.out" 2>&1 || { tail -n 20 /tmp/make.out; fail "make in $1"; }
}

sums() { (cd "$1/src" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

mkdir /tmp/outside
t=$SECONDS
build /tmp/outside
say "outside: $((SECONDS - t)) s"
t=$SECONDS
build "$VOL_MNT/alice"
say "in the keyed directory: $((SECONDS - t)) s"
sums /tmp/outside >/tmp/want
[ "$(grep -c '\.o$' /tmp/want)" -ge "$n" ] || fail "too few objects"
wipe_caches
sums "$VOL_MNT/alice" | diff /tmp/want - || fail "objects differ"
vol_cycle
sums "$VOL_MNT/alice" | diff /tmp/want - || fail "objects differ after a reopen"
[ "$("$VOL_MNT/alice/src/gen/gen")" = "$(/tmp/outside/src/gen/gen)" ] ||
	fail "the program computes something else"

say "$(wc -l </tmp/want) files alike"
vol_umount
vol_fsck
vol_close
