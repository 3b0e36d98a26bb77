#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# check-repair.sh - inocrypt check --repair: what is damaged is given up, what that costs is said
# before, and nothing else is lost. Needs neither root nor the kernel modules.
# timeout: 400
# shellcheck source=tests/unit/check/lib.sh
. "$(dirname "$0")/check/lib.sh"

base_volume
base_places

# A node that is damaged is given up: below it all is lost, and nothing else is.
# given_up SAYS VALUES...: check as it is, what repair says, then how it leaves the volume.
given_up()
{
	local says=$1 v

	shift
	"$tool" check img -k vk >out || true
	grep -q -- "^--repair would give up $says" out || fail "$what: what it would cost isn't said"
	"$tool" check img -k vk --repair >out && rc=0 || rc=$?
	[ $rc = 9 ] || fail "$what: exit code $rc"
	grep -q "^repair: give up $says" out || fail "$what: what it costs isn't said"
	check 0 "lost=1" $all
	for v; do
		# shellcheck disable=SC2086 # name and value
		has $v
	done
}
back "a sector leaf given up"
flip img $((at[$sleaf] + 100))
given_up "node 0:$sleaf: sectors 0 to 126; it costs: they read as errors" "verified 263" "lost 127" "bad_nodes 0"
[ "$(field lost --record 5)" = true ] || fail "$what: dump --record"
dump --record 5
grep -q "^data *reads as an error, its record is lost" out || fail "$what: dump --record"
what="written again"
mkvol <<<$'put 3 2 0 - nolog\ncommit'
check 0 "lost=2" $all
has lost 125
has verified 265
has text "the records of sectors 5 to 126 are lost: .*"
back "an owner leaf given up"
flip img $((at[$oleaf] + 100))
given_up "node 0:$oleaf: owners 0 to 126; it costs: what is under a key" "verified 340" "lost 126" \
	"sectors_of_lost_owners 50" "owners 1"
dump --owner 12
grep -q "^flags *8$" out || fail "$what: dump --owner"
back "a key leaf given up"
flip img $((at[0] + 100))
given_up "node 0:0: key records; it costs: these keys get other slots" "no_key 90" "lost 127" "owners 2"
back "three leaves given up, with a log"
mkvol <<<$'put 130 1 0 -\nput 140 1 0 - nodata\nowner 20 1 0 mka\nzero 200 3'
for l in $((sleaf + 1)) "$oleaf" $((sleaf + 3)); do flip img "${at[$l]}"; done
check 8 "node=3 recovery=1"
check 9 "node=3 recovery=1" --repair
check 0 "lost=6" $all
has lost $((127 - 4 + 125 + 127))
has kept 1
has owners 2
has verified 174
back "a leaf that is damaged again"
flip img "${at[$sleaf]}"
check 9 "node=1" --repair
mkvol <<<$'put 3 2 0 - nolog\ncommit'
flip img "$(field node_offset --node 0:"$sleaf")"
check 9 "node=1" --repair
check 0 "lost=1" $all
back "the root isn't given up"
flip img "$root"
cp img spoilt
check 8 "node=1" --repair
has possible false
cmp img spoilt || fail "$what: something was written"
back "the newer superblock's repair"
flip img $((s0 + 300))
check 9 "superblock=1" --repair
has cost "if it was the newer one, .*"
check 0 ""
has epoch 4
back "an old superblock's repair"
mkvol <<<$'commit\ncommit'
block base $s1 img $s1
check 9 "superblock=1" --repair
check 0 "" $all
# What can be written, and still not be read, isn't called repaired.
make -s -C "$top/userspace"
make -s -C "$top/tests" "$top/build/tests/unreadable.so"
# unreadable BYTE RC REGEX: check --repair of a device that can't read 4096 bytes from there on.
unreadable()
{
	rc=0
	LD_PRELOAD=$top/build/tests/unreadable.so UNREADABLE=img UNREADABLE_AT=$1 \
		"$top/build/inocrypt" check img -k vk --repair >out 2>&1 || rc=$?
	[ $rc = "$2" ] || fail "$what: exit code $rc"
	grep -q "$3" out || fail "$what: doesn't say: $3"
	n=$((n + 1))
}
back "a log block that stays unreadable"
mkvol <<<$'put 1 3 0 -\nclose\nput 2 3 0 -\nclose\nput 3 3 0 -'
unreadable "$(field offset --log-block 2)" 5 "can't be read (Input/output error): copy it"
back "a superblock that stays unreadable"
unreadable $s0 5 "can't be read (Input/output error): copy it"
back "a node's other place, which can't be read"
flip img "${at[$sleaf]}"
unreadable "$rother" 5 "can't be read (Input/output error): copy it"
# Who sits there is asked.
back "on a terminal"
flip img "${at[$sleaf]}"
cp img spoilt
echo no | script -qec "$tool check img -k vk --repair" /dev/null >out || true
grep -q "Type YES" out || fail "$what: not asked"
cmp img spoilt || fail "$what: something was written"
script -qec "$tool check img -k vk --repair --yes" /dev/null >out </dev/null || true
check 0 "lost=1"

echo "check-repair: $n volumes checked, each as it should be"
