#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Attacks that aim at owners: sectors and records of one file given to another, owner and key
# records from older copies or of garbage.  Read through the file system: only what was
# touched is lost, as an error with zeros in the buffer; no file shows another's bytes.
# vm: --disk data:96M --disk side:16M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

vol_setup /run/disks/data /run/disks/side
export VOL_NO_JUDGE=1
M=$VOL_MNT D=$VOL_DATA S=$VOL_SIDECAR
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
dump() { inocrypt dump $D --sidecar $S -k "$VOL_KEYS/volume" "${@:2}" | awk -v f="$1" '$1 == f && !n++ { print $2 }'; }
forge_() { forge "$VOL_KEYS/volume" $D $S "$@"; }
blk() { dd "$@" bs=4096 status=none conv=notrunc; }
back() { blk if=/tmp/save.d of=$D; blk if=/tmp/save.s of=$S; }
place() { filefrag -v -b4096 "$1" | awk '$1 == "0:" && $6 + 0 == 64 { print $4 + 0 }'; }

vol_format
vol_open
vol_mkfs -b 4096 -N 1024
vol_mount
keyed_dir $M/alice "$(key_new alice)"
keyed_dir $M/bob "$(key_new bob)"
mkdir $M/open
# Two files of one owner's key, one of another's, one of none.
files=(alice/a alice/b bob/a open/a)
for f in "${files[@]}"; do
	dd if=/dev/urandom of=$M/$f bs=256k count=1 iflag=fullblock conv=fsync status=none
	dd if=$M/$f of=/tmp/${f/\//.} bs=256k status=none
done
declare -A at ino
for f in "${files[@]}"; do
	at[$f]=$(place $M/$f) ino[$f]=$(stat -c %i $M/$f)
	[ -n "${at[$f]}" ] || fail "$f isn't in one piece"
done
vol_umount
vol_close
blk if=$D of=/tmp/save.d
blk if=$S of=/tmp/save.s
leaf=$(dump index --owner "${ino[alice/a]}")

n=0
# verdict NAME COUNTER FILE:BLOCK...: these are errors, all else is as it was.
verdict()
{
	local name=$1 counter=$2 f want

	shift 2
	n=$((n + 1))
	vol_open
	VOL_MOUNT_OPTS=ro vol_mount
	for f in "${files[@]}"; do
		want=$(for i; do [[ $i != "$f":* ]] || echo "${i#*:} EILSEQ zeroed"; done)
		blkcmp $M/$f /tmp/${f/\//.} 4096 >/tmp/cmp || fail "$name: $f: $(</tmp/cmp)"
		[ "$(head -n -1 /tmp/cmp)" = "$want" ] || fail "$name: $f: $(</tmp/cmp)"
	done
	[ -z "$counter" ] || [ "$(get "$counter")" -ge 1 ] || fail "$name: $counter is 0"
	vol_umount
	vol_close
	back
}
verdict "untouched" ""

say "sectors of one file given to another"
forge_ copy $((at[alice/a] + 3)) $((at[bob/a] + 5))
verdict "alice's in bob's" owner_mismatches bob/a:5
forge_ copy $((at[alice/a] + 3)) $((at[bob/a] + 5)) "${ino[bob/a]}"
verdict "alice's in bob's, as bob's" auth_failures bob/a:5
forge_ copy $((at[alice/a] + 3)) $((at[alice/b] + 3)) "${ino[alice/b]}"
verdict "one file's in another's of the same key" auth_failures alice/b:3
forge_ copy $((at[alice/a] + 3)) $((at[alice/a] + 4))
verdict "a file's in another place of it" auth_failures alice/a:4
forge_ copy $((at[open/a] + 1)) $((at[bob/a] + 1))
verdict "unkeyed data in a keyed file" owner_mismatches bob/a:1
forge_ copy $((at[bob/a] + 1)) $((at[open/a] + 1))
verdict "keyed data in an unkeyed file" owner_mismatches open/a:1
forge_ owner $((at[bob/a] + 2)) 0
verdict "a keyed sector said to be the volume's" owner_mismatches bob/a:2
forge_ owner $((at[bob/a] + 2)) 4000000000
verdict "an owner beyond all" owner_mismatches bob/a:2
forge_ swap $((at[alice/a] + 7)) $((at[bob/a] + 7))
verdict "two users' sectors swapped with their records" owner_mismatches alice/a:7 bob/a:7

say "owner records"
# All owners are in one leaf here: without it no keyed file reads, but all others do.
all=()
for f in alice/a alice/b bob/a; do
	for ((i = 0; i < 64; i++)); do all+=("$f:$i"); done
done
node=$(($(dump node_offset --node "0:$leaf") / 4096)) other=$(($(dump other_offset --node "0:$leaf") / 4096))
blk if=/dev/urandom of=$S seek=$node count=1
verdict "garbage over the owners" node_auth_failures "${all[@]}"
blk if=/tmp/save.s of=$S skip=$other seek=$node count=1
verdict "the owners as they were before" node_auth_failures "${all[@]}"
blk if=/dev/urandom of=$S seek=$other count=1
verdict "garbage over the place that isn't current" ""
say "$n attacks: no file shows what isn't its own"
