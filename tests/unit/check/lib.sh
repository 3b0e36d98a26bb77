# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lib.sh - what tests of inocrypt check share: the tool under ASan and UBSan, volumes that mkvol
# writes, and how to spoil them. Sourced, in a directory of its own from then on.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin

san="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
make -s -j2 -C "$top/userspace" OUT="$top/build/asan" CFLAGS="$san"
make -s -C "$top/tests" "$top/build/tests/mkvol"
tool=$top/build/asan/inocrypt
tmp=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
n=0

fail() { echo "FAIL: $*" >&2; [ ! -s out ] || sed 's/^/  | /' out >&2; exit 1; }

# check RC KINDS ARGUMENTS...: check img; its exit code, and all that it finds, "node=1 data=3".
check()
{
	local want=$1 kinds=$2 rc=0 got

	shift 2
	n=$((n + 1))
	"$tool" check "$img" ${side:+--sidecar "$side"} -k vk --json "$@" >out 2>err </dev/null || rc=$?
	[ $rc = "$want" ] || { cat err >>out; fail "$what: exit code $rc, not $want"; }
	got=$(sed -n '/"kinds": {/,/}/s/^ *"\([a-z-]*\)": \([1-9][0-9]*\),*$/\1=\2/p' out | paste -sd' ')
	[ "$got" = "$kinds" ] || fail "$what: finds '$got', not '$kinds'"
}
# has NAME VALUE: somewhere in what the last check or dump said.
has() { grep -q -E "^ *\"$1\": \"?$2\"?,?$" out || fail "$what: no $1 of $2"; }
# dump ARGUMENTS...; field NAME ARGUMENTS...: the first value of that name.
dump() { "$tool" dump "$img" ${side:+--sidecar "$side"} -k vk "$@" >out || fail "dump $*"; }
field()
{
	"$tool" dump "$img" ${side:+--sidecar "$side"} -k vk "${@:2}" |
		awk -v f="$1" '$1 == f && !n++ { print $2 }'
}
mkvol() { "$top/build/tests/mkvol" vk "$img" "${side:--}" || fail "$what: mkvol"; }
# flip FILE BYTE
flip()
{
	local b

	b=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # made for it
	printf "\\x$(printf %x $((b ^ 64)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# block FROM BYTE TO BYTE: copy 4096 bytes of one image to another.
block() { dd if="$1" skip=$(($2 / 4096)) of="$3" seek=$(($4 / 4096)) bs=4096 count=1 conv=notrunc status=none; }
back() { cp --sparse=always base "$img"; what=$*; }
hexrec() { printf '%s%0*d' "$1" $((64 - ${#1})) 0; }

for f in vk mka mkb mkc other; do head -c 32 /dev/urandom >$f; done
all="-m mka -m mkb --data"

# base_volume: one device, 4096-byte sectors, a tree of two levels, two keys and two owners: img, and
# a copy of it, base. base0 is as it was formatted.
base_volume()
{
	img=img side="" what="an empty volume"
	rm -f img
	truncate -s 24M img
	"$tool" format img -k vk --yes --owners 300 --log-size 256K >/dev/null
	cp --sparse=always img base0
	mkvol <<-END
	key 0 mka nolog
	key 1 mkb nolog
	owner 12 100 0 mka nolog
	owner 200 7 1 mkb nolog
	put 0 200 0 - nolog
	commit
	put 0 300 0 - nolog
	put 300 50 12 mka nolog
	put 400 40 200 mkb nolog
	commit
	END
	cp --sparse=always img base
}
# base_places: where its parts are; at[LEAF], other[LEAF]: the current and the other place.
base_places()
{
	local l

	sleaf=$(field sector_leaf) oleaf=$(field owner_leaf) data=$(field data_offset)
	root=$(field node_offset --node 1:0) rother=$(field other_offset --node 1:0)
	s0=$((16 << 20)) s1=$(((16 << 20) + 32768))
	declare -gA at other
	for l in 0 $oleaf $((oleaf + 1)) "$sleaf" $((sleaf + 1)) $((sleaf + 2)) $((sleaf + 3)); do
		at[$l]=$(field node_offset --node 0:"$l")
		other[$l]=$(field other_offset --node 0:"$l")
	done
}
