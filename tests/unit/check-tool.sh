#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# check-tool.sh - inocrypt check and dump, under ASan and UBSan, on volumes that mkvol writes:
# with logs of all kinds, and with damage of every kind. Each must be named as what it is,
# where it is, and nothing else with it. Needs neither root nor the kernel modules.
# timeout: 400
# shellcheck source=tests/unit/check/lib.sh
. "$(dirname "$0")/check/lib.sh"

# --- one device, 4096-byte sectors, a tree of two levels
img=img side="" what="an empty volume"
truncate -s 24M img
"$tool" format img -k vk --yes --owners 300 --log-size 256K >/dev/null
check 0 ""
has result clean
what="the wrong key"
rc=0
"$tool" check img -k other >out 2>&1 || rc=$?
[ $rc = 3 ] || fail "$what: exit code $rc"
rc=0
"$tool" check other -k vk >out 2>&1 || rc=$?
[ $rc = 6 ] || fail "no volume: exit code $rc"
rc=0
"$tool" check img -k vk --frobnicate >out 2>&1 || rc=$?
[ $rc = 2 ] || fail "wrong arguments: exit code $rc"

base_volume
what="all in order"
check 0 ""
[ "$(field epoch)" = 4 ]
check 0 "" $all
for v in "nodes 8" "leaves 7" "owners_verified 2" "sectors 390" "sectors_owned 90" "verified 390" \
	"findings_complete true"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
what="without one of the keys"
check 0 "" -m mka --data
has no_key 40
has verified 350
what="with a key that the volume doesn't know"
check 0 "" -m mkc --data
grep -q "mkc has no slot" err || fail "$what: not said"
[ -z "$("$tool" check img -k vk -q $all 2>&1)" ] || fail "not quiet when all is well"

base_places

# Each node, wherever the bit is.
for l in "${!at[@]}"; do
	for byte in 0 20 28 40 4095; do
		back "leaf $l, byte $byte"
		flip img $((at[$l] + byte))
		check 8 "node=1" $all
		has offset "${at[$l]}"
		has lost_leaves 1
		has bad_nodes 1
	done
done
back "the first sector leaf"
flip img $((at[$sleaf] + 100))
check 8 "node=1" $all
has text "node 0:$sleaf, place [01], isn't the one its parent names; lost: sectors 0 to 126"
has verified 263
back "the leaf with owner 12"
flip img $((at[$oleaf] + 100))
check 8 "node=1" $all
has text "node 0:$oleaf, .*lost: owners 0 to 126"
has sectors_of_lost_owners 50
has verified 340
back "the key leaf"
flip img $((at[0] + 100))
check 8 "node=1" $all
has no_key 90
for byte in 0 15 20 4095; do
	back "the root, byte $byte"
	flip img $((root + byte))
	check 8 "node=1"
	has offset "$root"
	has text ".*isn't the one the superblock names; lost: keys, owners and sectors"
	has nodes 0
done
back "places that aren't current"
for l in "${!at[@]}"; do flip img "${other[$l]}"; done
flip img "$rother"
check 0 "" $all
back "a leaf over another"
block base "${at[$sleaf]}" img "${at[$((sleaf + 1))]}"
check 8 "node=1"
back "the writing before of a leaf"
block base "${other[$sleaf]}" img "${at[$sleaf]}"
check 8 "node=1"
back "the writing before of the root"
block base "$rother" img "$root"
check 8 "node=1"
# The same, on another volume under the same key.
cp base0 img2
img=img2 what="another volume"
"$tool" format img2 -k vk --force --yes --owners 300 --log-size 256K >/dev/null
mkvol <<-END
	put 0 300 0 - nolog
	commit
	put 0 300 0 - nolog
	commit
END
img=img
back "a leaf of another volume"
block img2 "${at[$sleaf]}" img "${at[$sleaf]}"
check 8 "node=1"
back "two leaves and the root"
flip img "${at[0]}"
flip img $((at[$((sleaf + 2))] + 99))
check 8 "node=2"

# Superblocks. Copy 0 has epoch 4, copy 1 has 3.
back "the older superblock"
flip img $((s1 + 300))
check 8 "superblock=1" $all
has epoch 4
has offset $s1
back "the newer superblock"
flip img $((s0 + 300))
check 8 "superblock=1"
has epoch 3
has offset $s0
has sectors 200
back "the newer superblock's readable part"
flip img $((s0 + 2))
check 8 "superblock=1"
back "both superblocks"
flip img $((s0 + 200))
flip img $((s1 + 200))
rc=0
"$tool" check img -k vk >out 2>&1 || rc=$?
[ $rc = 3 ] || fail "$what: exit code $rc"
back "superblocks in each other's places"
block base $s0 img $s1
block base $s1 img $s0
rc=0
"$tool" check img -k vk >out 2>&1 || rc=$?
[ $rc = 3 ] || fail "$what: exit code $rc"
! "$tool" dump img -k vk >out 2>&1 || fail "$what: dump shows it"
back "one superblock in both places"
block base $s0 img $s1
rc=0
"$tool" check img -k vk >out 2>&1 || rc=$?
[ $rc = 3 ] || fail "$what: exit code $rc"
grep -q "in the place of the other copy" out || fail "$what: not said so"
# The anchor is for this.
back "the superblock of one checkpoint less"
block base0 $s0 img $s0
check 0 ""
has epoch 3
back "an old superblock put back"
mkvol <<<$'commit\ncommit'
block base $s1 img $s1
check 8 "superblock=1" $all
grep -q "epochs 6 and 3 don't follow" out || fail "$what: not said so"

# What no target writes, but somebody with the volume key may.
forged()
{
	local name=$1 rc=$2 kinds=$3

	shift 3
	back "$name"
	printf '%s\n' "$@" commit | mkvol
	check "$rc" "$kinds" $all
}
nodes=$(field leaves)
rec_of() { echo $(($1 * 127 + $2)); }
forged "a word beyond the last child" 8 "tree-bounds=1" "word 1:0 $nodes 123456789abcdef0"
forged "the last word beyond" 8 "tree-bounds=1" "word 1:0 507 1"
has offset "$rother"
forged "a word that names nothing" 8 "node=1" "word 1:0 $((nodes - 1)) 123456789abcdef0"
forged "a word for a node in the wrong place" 8 "node=1" "word 1:0 5 0000000000000003"
forged "a word for what is lost" 0 "lost=1" "word 1:0 5 0000000000000001"
has text "the records of key slots 635 to 761 are lost:.*"
forged "a key beyond the last" 8 "tree-bounds=1" "record $(rec_of 8 8) $(hexrec 0102)"
forged "an owner beyond the last" 8 "tree-bounds=1" "record $(rec_of $((oleaf + 2)) 100) $(hexrec 03)"
forged "a sector beyond the last" 8 "tree-bounds=1" \
	"record $(rec_of $((nodes - 1)) 126) $(hexrec 04)"
# Which it got while the leaf of the first could not be read; owners are under either.
forged "a key twice" 0 "" "key 5 mka nolog"
has owners_verified 2
forged "a key of an unknown state" 8 "key-record=1" "record 7 $(printf 'aa%.0s' {1..16})02000000$(printf '00%.0s' {1..12})"
forged "a key with more in it" 8 "key-record=1" "record 7 $(printf 'aa%.0s' {1..16})01000000$(printf '00%.0s' {1..11})01"
forged "a key of no name" 8 "key-record=1" "record 7 $(printf '00%.0s' {1..16})01000000$(printf '00%.0s' {1..12})"
own=$(rec_of "$oleaf" 20)
salt=$(printf '5a%.0s' {1..16})
forged "an owner of unknown flags" 8 "owner-record=1" "record $own ${salt}01000000000004000102030405060708"
has owner 20
has offset "$(($(field node_offset --owner 20) + 32 + 20 * 32))"
forged "an owner of a key that isn't there" 8 "owner-record=1" "record $own ${salt}01000000090001000102030405060708"
has text "owner 20 names key slot 9, which no key is in"
forged "an owner of a slot that can't be" 8 "owner-record=1" "record $own ${salt}01000000000801000102030405060708"
forged "owner 0" 8 "owner-record=1" "record $(rec_of "$oleaf" 0) ${salt}01000000000001000102030405060708"
forged "an erased owner's salt" 8 "owner-record=1" "record $own ${salt}01000000000002000000000000000000"
forged "an erased owner" 0 "" "erase 200 nolog"
has owners_erased 1
has sectors_orphaned 40
has verified 350
forged "an owner that is gone" 0 "" "record $(rec_of $((oleaf + 1)) 73) $(hexrec 00)"
has sectors_orphaned 40
forged "a check value of another key" 8 "owner-key=1" "record $own ${salt}01000000000001000102030405060708"
has owner 20
check 0 "" -m mkb
forged "a sector of an owner that can't be" 8 "sector-record=1" \
	"record $(rec_of "$sleaf" 9) $(printf '11%.0s' {1..28})2c010000"
has sector 9
has owner 300
dump --record 9 --master-key-file mka
grep -q "^data *does not verify, no such owner" out || fail "$what: dump"
forged "a sector given to an owner" 8 "owned-data=1" "record $(rec_of "$sleaf" 9) $(printf '11%.0s' {1..28})0c000000"

# What can be repaired.
repair() { check 9 "$1" --repair; has repair "done: superblock written anew"; has repaired "$2"; }
back "a wrong number of owners"
mkvol <<<"commit owners=77"
check 0 "owner-count=1" $all
repair "owner-count=1" 1
check 0 "" $all
[ "$(field nr_owners)" = 2 ] || fail "$what: not repaired"
has epoch 6
back "no owned sectors, it says"
mkvol <<<"commit owners=1 flags=0"
cp img spoilt
check 8 "owner-count=1 owned-flag=1" $all
repair "owner-count=1 owned-flag=1" 2
check 0 "" $all
[ "$(field owned)" = 1 ] || fail "$what: not repaired"
cp spoilt img
flip img $((16 << 20 | 300))
repair "superblock=1 owner-count=1 owned-flag=1" 3
check 0 "" $all
cp spoilt img
flip img $(($(field node_offset --node 0:"$sleaf") + 1))
repair "node=1 owner-count=1 owned-flag=1" 3
check 0 "lost=1" $all
back "other damage"
printf 'record %s %s\ncommit owners=77\n' "$own" "${salt}01000000000004000102030405060708" | mkvol
cp img spoilt
check 8 "owner-record=1 owner-count=1" --repair
has cost "there is other damage, .*"
cmp img spoilt || fail "$what: something was written"
back "nothing to repair"
check 0 "" --repair
cmp img base || fail "$what: something was written"

# Data.
dataof() { echo $((data + $1 * 4096)); }
back "one bit of a sector"
flip img $(($(dataof 33) + 1000))
check 0 ""
check 8 "data=1" $all
has sector 33
has offset "$(dataof 33)"
has verified 389
has bad 1
back "one bit of an owner's"
flip img $(($(dataof 310) + 4095))
check 8 "owned-data=1" $all
has owner 12
back "two sectors swapped"
block base "$(dataof 5)" img "$(dataof 6)"
block base "$(dataof 6)" img "$(dataof 5)"
check 8 "data=2" $all
back "sectors that nothing was written to"
flip img "$(dataof 380)"
flip img "$(dataof 1000)"
check 0 "" $all
back "a sector's older contents"
mkvol <<<$'put 77 1 0 - nolog\ncommit'
check 0 "" $all
block base "$(dataof 77)" img "$(dataof 77)"
check 8 "data=1" $all
back "more than are listed"
dd if=/dev/urandom of=img bs=4096 seek=$((data / 4096 + 10)) count=150 conv=notrunc status=none
check 8 "data=150" $all
has findings_complete false
[ "$(grep -c '"kind": "data"' out)" = 100 ] || fail "$what: not 100 of them listed"
"$tool" check img -k vk $all >text || true
grep -q "^damaged: 150 damaged, 0 not readable$" text || fail "text: $(tail -n 1 text)"
[ "$(grep -c '^damage: ' text)" = 100 ] || fail "text: not 100 of them listed"

# --- the log
back "a log of all kinds"
mkvol <<-END
	put 10 5 0 -			# block 1, below the mark
	put 20 2 0 -
	owner 14 102 1 mkb
	put 600 3 14 mkb		# in a leaf that the tree hasn't got
	put 301 3 12 mka
	zero 100 20
	close
	mark
	put 30 2 0 -			# block 2: on the disk
	put 40 3 0 - nodata		# never arrived
	put 105 1 0 - torn		# over zeros
	put 52 1 0 - nodata		# two writings, the older one is there
	put 51 1 0 -
	put 51 1 0 - nodata
	put 110 1 0 -
	cut
	erase 200
	key 2 mkc
	put 60 1 0 -
END
cp img full
cp img base.log
check 0 "torn=1" $all
grep -q '"text": "sector 105 was cut off' out || fail "$what: torn: which sector?"
for v in "state valid" "first 1" "blocks 3" "low 2" "cuts 1" "facts 17" "candidates 11" "kept 5" "torn 1" \
	"keys 3" "owners 2" "owners_erased 1" "sectors_orphaned 40" "sectors 374" "verified 334" "sector 105"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
dump --log --json
for v in "first 1" "blocks 3" "ring 64" "low 2" "seq 1" "seq 2" "seq 3" "entries 15" "last true"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
has ends_with "no such block"
for s in 1 2 3; do
	dump --log-block $s --json
	has offset $((16 * 1048576 + (16 + s) * 4096))
done
dump --log-block 1 --json
[ "$(grep -c '"type"' out)" = 15 ] && has type put && has type set-owner && has type zero && has sectors 20 ||
	fail "block 1"
! grep -q "on the disk" out || fail "block 1: not facts"
dump --log-block 2 --json
[ "$(grep -c 'found on the disk' out)" = 5 ] && [ "$(grep -c 'not on the disk' out)" = 5 ] || fail "block 2"
! grep -q '"next_salt": "0*"' out || fail "block 2: no salt"
dump --log-block 3
grep -q "type *set-key" out || fail "block 3"
! "$tool" dump img -k vk --log-block 4 2>out || fail "block 4"
grep -q "has blocks 1 to 3 only" out || fail "block 4"
dump --record 51
[ "$(grep -c "type *put" out)" = 2 ] && grep -q "^data *verifies" out || fail "record 51"
dump --record 105
grep -q "^data *does not verify" out || fail "record 105"
dump --record 115
grep -q "type *zero" out && grep -q "^data *reads as zeros" out || fail "record 115"
dump --record 110
grep -q "^data *verifies" out || fail "record 110"
dump --record 601 --master-key-file mkb
grep -q "^data *verifies" out || fail "record 601"
dump --owner 14
grep -q "type *set-owner" out || fail "owner 14"
lg() { echo $((16 * 1048576 + (16 + $1) * 4096)); }

# The log ends at the first block that isn't the next one: that loses the newest writes, and
# nothing else. What was overwritten since no longer fits the records: that is seen.
for s in 1 2 3; do
	for byte in 0 18 28 100 4095; do
		cp full img; what="block $s of the log, byte $byte"
		flip img $(($(lg $s) + byte))
		case $s in
		1)	check 8 "data=13 owned-data=3" $all;;
		2)	check 8 "data=4" $all;;
		3)	check 8 "data=1 torn=1" $all;;
		esac
		has blocks $((s - 1))
		has state valid
	done
done

# Blocks that are genuine, but not these.
cut_at() { check 8 "$2" $all; has blocks "$1"; has state valid; }
cp full img; what="block 2 in the place of block 1"
block full "$(lg 2)" img "$(lg 1)"
cut_at 0 "data=13 owned-data=3"
cp full img; what="block 1 in the place of block 2"
block full "$(lg 1)" img "$(lg 2)"
cut_at 1 "data=4"
cp full img; what="blocks 2 and 3 swapped"
block full "$(lg 3)" img "$(lg 2)"
block full "$(lg 2)" img "$(lg 3)"
cut_at 1 "data=4"
# A fork: the same volume and log, then another history.
back "another history"
mkvol <<-END
	put 10 5 0 - nodata
	close
	mark
	put 90 2 0 - nodata
	close
END
cp img fork
cp full img; what="a block of another history"
block fork "$(lg 2)" img "$(lg 2)"
cut_at 1 "data=4"
cp full img; what="all blocks of another history"
for s in 1 2; do block fork "$(lg $s)" img "$(lg $s)"; done
cut_at 2 "data=13 owned-data=3"
# The log before the last checkpoint, under another salt.
back "a log of before"
mkvol <<<$'put 1 1 0 -\nclose\ncommit'
check 0 "" $all
has first 2
block full "$(lg 2)" img "$(lg 2)"
check 0 "" $all
has blocks 0
# The data of before under what the log says now: a fact is a fact.
cp full img; what="a sector's contents from before the log"
block base "$(dataof 10)" img "$(dataof 10)"
check 8 "data=1 torn=1" $all
has sector 10
# Above the mark the older record is as good: nobody was promised more.
cp full img; what="the same above the mark"
block base "$(dataof 30)" img "$(dataof 30)"
check 0 "torn=1" $all
has kept 4

# Data in the log: what opening would put in place is read from there.
back "data in the log"
mkvol <<-END
	put 10 3 0 - both		# block 1, below the mark: in place
	close
	mark
	put 20 4 0 - inlog		# block 5
	put 301 2 12 mka inlog
	put 700 1 0 - inlog		# in a leaf that the tree hasn't got
	close
	put 22 1 0 - nodata		# block 13: never arrived
	put 23 1 0 -			# arrived, so that the data before it is not wanted
	put 302 1 12 mka inlog		# once more
	close
	zero 700 1			# block 15
END
cp img full
check 0 "" $all
for v in "state valid" "blocks 15" "low 5" "facts 12" "candidates 2" "kept 1" "redone 5" "torn 0" "verified 390"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
cmp img full || fail "$what: something was written"
"$tool" check img -k vk >out || fail "$what: text"
grep -q "^ *5 sectors in the log only, to be put in place$" out || fail "$what: text"
dump --log --json
for v in "blocks 15" "seq 5" "data_blocks 7" "seq 13" "seq 15" "ends_with no.such.block"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
dump --log-block 5 --json
[ "$(grep -c '"a fact; data in the log"' out)" = 7 ] && [ "$(grep -c '"check"' out)" = 7 ] || fail "block 5"
has type data && has data_block 6 && has data_block_offset "$(lg 6)" && has data_block_offset "$(lg 12)" ||
	fail "block 5: where its data is"
dump --log-block 1 --json
[ "$(grep -c '"a fact"' out)" = 3 ] || fail "block 1"
for v in "7 5 2" "14 13 1"; do
	read -r s m i <<<"$v"
	! "$tool" dump img -k vk --log-block "$s" 2>out || fail "block $s"
	grep -q "block $s is data block $i of log block $m" out || fail "block $s: not said what it is"
done
! "$tool" dump img -k vk --log-block 16 2>out || fail "block 16"
grep -q "has blocks 1 to 15 only" out || fail "block 16"
for v in "11 verifies" "20 verifies, in the log" "22 verifies, in the log" "23 verifies" "302 verifies, in the log" \
	"700 reads as zeros"; do
	dump --record "${v%% *}" --master-key-file mka
	grep -q "type *data" out && grep -q "^data *${v#* }$" out || fail "record ${v%% *}"
done
dump --record 302 --master-key-file mka
[ "$(grep -c "type *data" out)" = 2 ] || fail "record 302"
# Whatever is in the place of what will be put there.
for s in 20 22 302; do
	cp full img; what="sector $s, whose data is in the log"
	flip img $(($(dataof $s) + 1000))
	check 0 "" $all
done
cp full img; what="a sector below the mark, whose data was in the log"
block base "$(dataof 10)" img "$(dataof 10)"
check 8 "data=1" $all
cp full img; what="one whose data is in the log, and that was written again"
flip img $(($(dataof 23) + 1000))
check 8 "data=1 torn=1" $all
# A damaged data block ends the log before the block that it follows; its mark goes, too.
ended()
{
	check "$2" "$3" $all
	has blocks "$1"
	has state valid
	has redone "$4"
	dump --log
	grep -q "^ends_with *a block whose data blocks aren't all there" out || fail "$what: how it ends"
}
for byte in 0 16 100 4095; do
	for s in 2 4 6 12 14; do
		cp full img; what="data block $s, byte $byte"
		flip img $(($(lg $s) + byte))
		case $s in
		2|4)	ended 0 8 "data=4" 0;;
		6|12)	ended 4 8 "data=1" 3;;
		14)	ended 12 0 "" 7;;
		esac
	done
done
cp full img; what="two data blocks swapped"
block full "$(lg 6)" img "$(lg 7)"
block full "$(lg 7)" img "$(lg 6)"
ended 4 8 "data=1" 3
cp full img; what="a data block twice"
block full "$(lg 11)" img "$(lg 10)"
ended 4 8 "data=1" 3
cp full img; what="an older writing of a sector in a data block"
block full "$(lg 11)" img "$(lg 14)"
ended 12 0 "" 7
cp full img; what="a log block in a data block's place"
block full "$(lg 5)" img "$(lg 8)"
ended 4 8 "data=1" 3
cp full img; what="a data block in a log block's place"
block full "$(lg 14)" img "$(lg 13)"
check 0 "" $all
has blocks 12
cp full img; what="a repair before data is put in place"
mkvol <<<"commit owners=77 keep"
check 0 "owner-count=1" $all
repair "owner-count=1" 1
check 0 "" $all
has redone 5
has verified 390
back "a ring that is full of data"
{ for ((i = 0; i < 60; i++)); do echo close; done; printf 'put 30 3 0 - inlog\n'; } | mkvol
check 0 "" $all
has blocks 64
has redone 3
dump --log
grep -q "ends_with *the ring is full" out || fail "$what: how it ends"
cp img full
# One more, that would overwrite the log's first block, which is put back.
back "more data than the ring has room for"
{
	for ((i = 0; i < 60; i++)); do echo close; done
	for ((i = 0; i < 100; i++)); do
		cmp -s -i "$(lg 60)" -n 4096 img base || break
		sleep 0.1
	done
	block img "$(lg 1)" saved 0
	printf 'put 30 4 0 - inlog\n'
} | mkvol
check 0 "" $all
has blocks 0
block saved 0 img "$(lg 1)"
check 0 "" $all
has blocks 60
has redone 0

# The ring, full and around its end.
back "a full ring"
{ for ((i = 0; i < 64; i++)); do printf 'put %d 1 0 -\nmark\nclose\n' $i; done; } | mkvol
check 0 "" $all
has blocks 64
has facts 63
dump --log --json
has ends_with "the ring is full"
back "around the end of the ring"
{ for ((i = 0; i < 60; i++)); do echo close; done; echo commit
  for ((i = 0; i < 20; i++)); do printf 'put %d 1 0 -\nclose\nmark\n' $i; done; } | mkvol
check 0 "" $all
has first 61
has blocks 20
[ "$(field place_in_ring --log-block 64)" = 0 ] || fail "$what: $(field place_in_ring --log-block 64)"
[ "$(field end_offset --log)" = "$(lg $((81 - 64)))" ] || fail "$what: end_offset"
flip img "$(lg 0)"
check 8 "data=17" $all
has blocks 3

# Blocks that are sealed well and make no sense: with the volume key only.
le64() { local i; for ((i = 0; i < 64; i += 8)); do printf %02x $((($1 >> i) & 255)); done; }
nonsense()
{
	back "$1"
	mkvol <<<$'put 3 1 0 -\nclose\n'"$2"
	check 8 "log=1 data=1" --data
	has state damaged
	has offset "$(lg 2)"
	cp --sparse=always img spoilt
	check 9 "log=1" --repair
	has cost "what the log has from there on is lost.*"
	check 0 ""
	has blocks 1
	mv spoilt img
}
zeros=$(printf '00%.0s' {1..32})
nonsense "an entry of an unknown kind" "entry $(le64 $((9 << 56 | 5)))$zeros$(le64 0)"
nonsense "an entry of no kind" "entry $(le64 5)$zeros$(le64 0)"
nonsense "a sector beyond the last" "entry $(le64 $((1 << 56 | 99999)))$zeros$(le64 0)"
nonsense "an owner beyond the last" "entry $(le64 $((2 << 56 | 300)))$zeros$(le64 0)"
nonsense "a key slot beyond the last" "entry $(le64 $((3 << 56 | 1024)))$zeros$(le64 0)"
nonsense "no sectors made zero" "entry $(le64 $((4 << 56 | 5)))$(le64 0)$zeros"
nonsense "more sectors made zero than there are" "entry $(le64 $((4 << 56 | 5)))$(le64 -1)$zeros"
nonsense "data of a sector beyond the last" "entry $(le64 $((5 << 56 | 99999)))$zeros$(le64 0)"
dump --log-block 2
grep -q "type *makes no sense" out || fail "dump of nonsense"
nonsense "a mark from the future" $'low 3\nput 4 1 0 - nodata'
dump --log
grep -q "ends_with *a block that authenticates, but makes no sense" out || fail "dump of nonsense"

# Recovery needs the leaves that it changes.
cant_recover()
{
	back "$1"
	mkvol <<<"$2"
	flip img "${at[$3]}"
	check 8 "node=1 recovery=1"
	has state valid
	has text "the log changes the record of $4 that can't be had, and .*"
}
cant_recover "a write below a damaged leaf" "put 130 1 0 -" $((sleaf + 1)) "sector 130"
cant_recover "an owner below a damaged leaf" "owner 20 1 0 mka" "$oleaf" "owner 20"
cant_recover "a key below a damaged leaf" "key 9 mkc" 0 "key slot 9"
cant_recover "zeros that end in a damaged leaf" "zero 100 30" $((sleaf + 1)) "sector 127"
cant_recover "zeros that begin in a damaged leaf" "zero 130 200" $((sleaf + 1)) "sector 130"
for v in "zero 127 127" "put 130 1 0 - nodata"; do
	back "what changes nothing in a damaged leaf: $v"
	mkvol <<<"$v"
	flip img "${at[$((sleaf + 1))]}"
	check 8 "node=1"
done

# Nothing of the log is lost by a repair.
back "repair with a log"
mkvol <<-END
	commit flags=0
	put 5 3 0 -
	owner 15 1 0 mka
	put 350 3 15 mka
	zero 20 4
END
check 8 "owned-flag=1" $all
check 9 "owned-flag=1" --repair
check 0 "" $all
cp img repaired
mkvol <<<"commit owners=9 keep"
mkvol <<<"commit owners=9 keep"
check 0 "owner-count=1"
check 9 "owner-count=1" --repair
check 0 ""
cp repaired img
check 0 "" $all
has blocks 1
has facts 2
has kept 6
has owners 3

# Every owner and range of the log meets every other in the tree of changes: the same volume,
# once by the log, once by a checkpoint, gives the same records.
RANDOM=${SEED:=$(date +%s)}
back "many changes, SEED=$SEED"
{ for ((i = 0; i < 400; i++)); do
	s=$((RANDOM % 900)) c=$((RANDOM % 60 + 1))
	case $((RANDOM % 3)) in
	0) echo "zero $s $c";;
	*) echo "put $s 1 0 -";;
	esac
	[ $((RANDOM % 20)) != 0 ] || printf 'close\nmark\n'
  done; printf 'close\nmark\nclose\n'; } >script
mkvol <script
check 0 "" $all
grep -E '"(sectors|sectors_owned|verified)"' out >by_log
back "many changes, committed, SEED=$SEED"
{ cat script; echo commit; } | mkvol
check 0 "" $all
grep -E '"(sectors|sectors_owned|verified)"' out | cmp - by_log || fail "$what: not the same"

# --- a sidecar of its own, 512-byte sectors, three levels, ChaCha20-Poly1305
img=img3 side=side3 what="a large volume"
truncate -s 50M img3
truncate -s 12M side3
"$tool" format img3 --sidecar side3 -k vk --yes --owners 300 --sector-size 512 \
	--cipher chacha20-poly1305 >/dev/null
mkvol <<-END
	key 0 mka nolog
	owner 12 100 0 mka nolog
	put 0 69000 0 - nolog
	put 69100 100 12 mka nolog
	commit
	put 68000 2 0 -
	put 69300 2 12 mka nodata
	put 69302 1 12 mka torn
END
check 8 "owned-data=1" -m mka --data
for v in "candidates 5" "kept 3" "torn 0" "verified 69100" "sector 69302"; do
	# shellcheck disable=SC2086 # name and value
	has $v
done
cp --sparse=always img3 base; cp side3 base3
back3() { cp --sparse=always base "$img"; cp base3 "$side"; what=$*; }
[ "$(field levels)" = 3 ] || fail "not three levels"
leaves=$(field leaves)
back3 "an inner node of the middle"
node=$(field node_offset --node 1:1)
flip side3 $((node + 3000))
check 8 "node=1 recovery=1" -m mka --data
has device side3
has offset "$node"
has lost_leaves $((leaves - 508))
has text "node 1:1, .* lost: sectors $(((508 - $(field sector_leaf)) * 127)) to $(($(field data_sectors) - 1))"
has verified $(((508 - $(field sector_leaf)) * 127))
back3 "both inner nodes"
flip side3 "$node"
flip side3 "$(field node_offset --node 1:0)"
check 8 "node=2 recovery=1"
back3 "leaves under both inner nodes, and one of the nodes"
for l in 20 400 520 540; do flip side3 "$(field node_offset --node 0:$l)"; done
check 8 "node=4"
flip side3 "$node"
check 8 "node=3 recovery=1"
has lost_leaves $((leaves - 508 + 2))
what="given up, with two leaves elsewhere"
check 9 "node=3 recovery=1" --repair
check 8 "owned-data=1 lost=5" -m mka --data
has kept 3
has lost_records 0
has lost_leaves 0
flip side3 "$(field node_offset --node 1:0)"
check 9 "node=1 lost=3" --repair
check 0 "lost=5" -m mka
back3 "small sectors"
flip img3 $(($(field data_offset) + 68999 * 512))
dd if=/dev/zero of=img3 bs=512 seek=$(($(field data_offset) / 512 + 3)) count=2 conv=notrunc status=none
check 8 "data=3 owned-data=1" -m mka --data
has sector 3
has sector 4
has sector 68999

# The progress bar is for terminals only, and only while it works.
back3 "progress"
"$tool" check img3 --sidecar side3 -k vk --data 2>err >out || fail "progress"
[ ! -s err ] || fail "$what: $(cat err)"
script -qec "$tool check img3 --sidecar side3 -k vk --data" /dev/null >out </dev/null || fail "progress"
grep -q "%  .*MiB of data" out || fail "$what: no bar on a terminal"
script -qec "$tool check img3 --sidecar side3 -k vk --data --quiet" /dev/null >out </dev/null || fail "progress"
[ ! -s out ] || fail "$what: --quiet, but on a terminal"

# --- a cipher that libcrypto hasn't got; a volume of 1 TiB
img=img4 side="" what="AEGIS-128"
truncate -s 24M img4
"$tool" format img4 -k vk --yes --owners 300 --log-size 256K --cipher aegis128 >/dev/null
mkvol <<<"record $(rec_of "$(field sector_leaf)" 9) $(printf '11%.0s' {1..28})00000000"$'\ncommit'
check 0 "" --data
has no_cipher 1
has verified 0
img=img6 what="data in the log where sectors are smaller than blocks"
truncate -s 24M img6
"$tool" format img6 -k vk --yes --owners 300 --log-size 256K --sector-size 2048 >/dev/null
mkvol <<<"entry $(le64 $((5 << 56 | 5)))$zeros$(le64 0)"
check 8 "log=1"
img=img5 what="1 TiB"
truncate -s 1T img5
"$tool" format img5 -k vk --yes >/dev/null
start=$(date +%s%N)
check 0 "" --data
ms=$((($(date +%s%N) - start) / 1000000))
[ $ms -lt 2000 ] || fail "an empty TiB took $ms ms"
echo "check-tool: $n volumes checked, each finding as expected"
