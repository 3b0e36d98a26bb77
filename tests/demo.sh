#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh - the main job, shown: files of two owners' keys and of none on one mounted ext4, and
# what an attacker who owns the storage gets out of it.  Every line is measured in this run;
# the exit code is 0 only if all of it is as it should be.  "make demo" runs it in a VM.
# vm: --disk data:512M --disk side:32M --disk raw:512M --disk crypt:512M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/vm/lib.sh"

D=${1:-/run/disks/data} S=${2:-/run/disks/side}
RAW=${3:-/run/disks/raw} CRYPT=${4:-/run/disks/crypt}
results=/results
[ -d $results ] || results=$(mktemp -d)
bad=0
M=/mnt/vol

head_() { printf '\n%s\n' "$*"; }
# line TEST TEXT VALUE: one line on the screen, ok or FAIL.
line()
{
	if [ "$1" = 0 ]; then
		printf '  ok    %-58s %s\n' "$2" "$3"
	else
		printf '  FAIL  %-58s %s\n' "$2" "$3"
		bad=1
	fi
}
# is WANT VALUE TEXT [UNIT]: the value has to be that.
is()
{
	local rc=0

	# shellcheck disable=SC2053 # a pattern is meant
	[[ $2 == $1 ]] || rc=1
	line $rc "$3" "$2${4:+ $4}"
}
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
sum() { sha256sum <"$1" 2>&1 | cut -c1-16; }
# why COMMAND...: the words of its error, or "works".
why()
{
	local out

	if out=$(LC_ALL=C "$@" 2>&1 >/dev/null); then
		echo works
	else
		out=${out##*: }
		echo "${out:-fails}"
	fi
}
hits() { findbytes "$marker" "$@"; }
dump() { inocrypt dump "$D" --sidecar "$S" -k "$VOL_KEYS/volume" "$@"; }
field() { awk -v f="$1" '$1 == f && !n++ { print $2 }'; }
blk() { dd "$@" bs=4096 status=none conv=notrunc; }

marker="the-secret-marker-$(tr -dc a-f0-9 </dev/urandom 2>/dev/null | head -c 24 || true)"

echo "inocrypt: the main job, $(uname -r), $(nproc) CPUs (${VM_ACCEL:-native})"
head_ "Two directories with two keys, one without"
vol_setup "$D" "$S"
vol_format
vol_open
vol_mkfs -b 4096
vol_mount
alice=$(key_new alice)
bob=$(key_new bob)
keyed_dir $M/alice "$alice"
keyed_dir $M/bob "$bob"
mkdir $M/open
is "$alice" "$(inocrypt policy get $M/alice | grep -o -E '[0-9a-f]{32}' || true)" "alice/ is under key"
is "$bob" "$(inocrypt policy get $M/bob | grep -o -E '[0-9a-f]{32}' || true)" "bob/ is under key"
for d in alice bob open; do
	for i in {1..2000}; do echo "$marker $d $i $RANDOM$RANDOM"; done >$M/$d/file
	# What the attacks below are made on: 512 blocks.
	dd if=/dev/urandom of=$M/$d/big bs=2M count=1 iflag=fullblock conv=fsync status=none
	declare "sum_$d=$(sum $M/$d/file)" "big_$d=$(sum $M/$d/big)"
	cp $M/$d/file $M/$d/big /tmp/ && mv /tmp/file /tmp/file.$d && mv /tmp/big /tmp/big.$d
done
sync
is 4 "$(get owners)" "keys of their own: two files in each keyed directory"
is "[1-9]*" "$(get bios_tagged)" "bios that came with an owner's tag"

head_ "On the disk"
vol_umount
vol_close
is 6000 "$(hits /tmp/file.alice /tmp/file.bob /tmp/file.open)" "marker in the three files, in the clear" "times"
is 0 "$(hits "$D")" "marker on the data image" "times"
is 0 "$(hits "$S")" "marker on the sidecar image" "times"

head_ "After unmount, close, open, mount"
vol_open
vol_mount
for d in alice bob open; do
	v=sum_$d
	is "${!v}" "$(sum $M/$d/file)" "$d/file reads back, sha256"
done
vol_umount
vol_close

head_ "Without bob's key"
mv "$VOL_KEYS/mk.bob" /tmp/mk.bob
vol_open
vol_mount
is "Required key not available" "$(why cat $M/bob/file)" "bob/file"
# shellcheck disable=SC2154 # assigned by name above
is "$sum_alice" "$(sum $M/alice/file)" "alice/file reads, sha256"
# shellcheck disable=SC2154
is "$sum_open" "$(sum $M/open/file)" "open/file reads, sha256"
inocrypt key add vol -k /tmp/mk.bob >/dev/null
# shellcheck disable=SC2154
is "$sum_bob" "$(sum $M/bob/file)" "bob/file reads, with the key there again"
mv /tmp/mk.bob "$VOL_KEYS/mk.bob"

# Where the files' blocks are; sectors are as large as blocks.
place()
{
	filefrag -v -b4096 "$1" | awk '$1 == "0:" && $6 + 0 == 512 { print $4 + 0 }'
}
a=$(place $M/alice/big)
b=$(place $M/bob/big)
[ -n "$a" ] && [ -n "$b" ] || fail "the 2 MiB files aren't in one piece"
ino_a=$(stat -c %i $M/alice/big)
ino_b=$(stat -c %i $M/bob/big)
vol_umount
vol_close

head_ "An attacker changes the closed volume, block by block"
off=$(($(dump --record "$a" | field data_offset) / 4096 - a))
is "$ino_a" "$(dump --record "$a" | field owner)" "alice/big's first sector is recorded as that of inode"
# keep, back FILE: the two files' sectors and the sidecar
keep()
{
	blk if="$D" of="$1.a" skip=$((off + a)) count=512
	blk if="$D" of="$1.b" skip=$((off + b)) count=512
	blk if="$S" of="$1.s"
}
back()
{
	blk if="$1.a" of="$D" seek=$((off + a))
	blk if="$1.b" of="$D" seek=$((off + b))
	blk if="$1.s" of="$S"
	sync
}
# As read-only mounts, so that what is kept stays what it is.
# attack TEXT WANT FILE COUNTER: which blocks of that file are refused now, what is counted.
attack()
{
	local text=$1 want=$2 file=$3 counter=$4 rc=0 d

	vol_open
	VOL_MOUNT_OPTS=ro vol_mount
	blkcmp "$M/$file/big" "/tmp/big.$file" 4096 >/tmp/cmp || rc=1
	[ "$(sed -n 's/ EILSEQ zeroed//p' /tmp/cmp | tr '\n' ' ')" = "$want" ] || rc=1
	[ "$(get "$counter")" -ge 1 ] || rc=1
	# shellcheck disable=SC2046 # several words
	set -- $(tail -n 1 /tmp/cmp)
	line $rc "$text" "$4 of 512 blocks EILSEQ, buffer $([ "$6" = 0 ] && echo zeros || echo DIRTY), $((${8} + ${10})) wrong, $counter=$(get "$counter")"
	for d in alice bob open; do
		[ "$d" = "$file" ] || blkcmp -l "$M/$d/big" "/tmp/big.$d" 4096 | grep -q "^same 512 " ||
			line 1 "$d/big, which was not touched" "differs"
	done
	vol_umount
	VOL_NO_JUDGE=1 vol_close
}
keep /tmp/old
at=$(((off + a + 7) * 4096 + 99))
byte=$(dd if="$D" bs=1 skip=$at count=1 status=none | od -An -tu1)
printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$D" bs=1 seek=$at conv=notrunc status=none
attack "one ciphertext byte of block 7 flipped" "7 " alice auth_failures
vol_open
VOL_MOUNT_OPTS=ro vol_mount
is "Input/output error" "$(why dd if=$M/alice/big bs=4096 skip=7 count=1 status=none)" "  the same, read through the page cache"
vol_umount
VOL_NO_JUDGE=1 vol_close
back /tmp/old

blk if=/tmp/old.a of="$D" skip=3 seek=$((off + a + 4)) count=1
blk if=/tmp/old.a of="$D" skip=4 seek=$((off + a + 3)) count=1
attack "blocks 3 and 4 swapped" "3 4 " alice auth_failures
back /tmp/old

# New contents in place; then the storage answers with older ones.
vol_open
vol_mount
dd if=/dev/urandom of=/tmp/big.alice bs=2M count=1 iflag=fullblock status=none
dd if=/tmp/big.alice of=$M/alice/big bs=65536 conv=notrunc,fsync status=none
is "$a" "$(place $M/alice/big)" "alice/big overwritten, in place at sector"
vol_umount
vol_close
keep /tmp/new
blk if=/tmp/old.a of="$D" skip=9 seek=$((off + a + 9)) count=1
attack "block 9 from an older copy" "9 " alice auth_failures
back /tmp/new
# A leaf of records that holds only alice/big's: it, and one of its sectors, as they were.
s=$(((a + 126) / 127 * 127))
leaf=$(dump --record $s | field index)
places=$(dump --node "0:$leaf" | awk '$1 ~ /^(node|other)_offset$/ { print $2 / 4096 }')
for n in $places; do
	blk if=/tmp/old.s of="$S" skip="$n" seek="$n" count=1
done
blk if=/tmp/old.a of="$D" skip=$((s - a)) seek=$((off + s)) count=1
attack "block $((s - a)) and its leaf of 127 records, both older" "$(seq -s ' ' $((s - a)) $((s - a + 126))) " \
	alice node_auth_failures
back /tmp/new
# With the volume key even the tree can be made to agree.
forge "$VOL_KEYS/volume" "$D" "$S" copy $((a + 20)) $((b + 20))
attack "alice's sector and record in bob's file, tree resealed" "20 " bob owner_mismatches
back /tmp/new
forge "$VOL_KEYS/volume" "$D" "$S" copy $((a + 21)) $((b + 21)) "$ino_b"
attack "  the same, and the record says it is bob's" "21 " bob auth_failures
back /tmp/new
vol_open
vol_mount
v=0
for d in alice bob open; do
	blkcmp -l $M/$d/big /tmp/big.$d 4096 | grep -q "^same 512 " || v=1
done
line $v "all put back: every block of the three files" "$([ $v = 0 ] && echo right || echo differs)"

head_ "Throughput on ext4, direct I/O, MiB/s (3 s each)"
modprobe -q dm-crypt || true
dmsetup create crypt --table \
	"0 $(blockdev --getsz "$CRYPT") crypt aes-xts-plain64 $(od -An -v -tx1 -N64 /dev/urandom | tr -d ' \n') 0 $CRYPT 0"
mkdir -p /mnt/raw /mnt/crypt
mkfs.ext4 -q -F -b 4096 "$RAW"
mkfs.ext4 -q -F -b 4096 /dev/mapper/crypt
mount "$RAW" /mnt/raw
mount /dev/mapper/crypt /mnt/crypt
cd /tmp
size=96M
# run DIR RW BLOCKSIZE: KiB/s
run()
{
	fio --name=f --filename="$1/fio" --size=$size --rw="$2" --bs="$3" --direct=1 --ioengine=libaio \
		--iodepth=16 --runtime=3 --time_based --fallocate=none --output-format=terse 2>/tmp/fio.err |
		awk -F';' 'NF > 50 { print $7 + $48 }'
}
declare -A bw
for d in raw crypt vol/alice vol/open; do
	# So that none of them writes to new blocks below.
	dd if=/dev/zero of="/mnt/$d/fio" bs=1M count=${size%M} oflag=direct conv=fsync status=none
	for rw in write read randwrite randread; do
		case $rw in rand*) bs=4k;; *) bs=256k;; esac
		bw[$d,$rw]=$(run "/mnt/$d" $rw $bs)
		[ "${bw[$d,$rw]:-0}" -gt 0 ] || { line 1 "fio $rw on $d" "$(</tmp/fio.err)"; bw[$d,$rw]=1; }
	done
done
mib() { printf '%d.%d' $(($1 / 1024)) $(($1 % 1024 * 10 / 1024)); }
ratio() { printf '%d.%02d' $(($1 / $2)) $(($1 % $2 * 100 / $2)); }
fmt='  %-22s %9s %9s %9s %9s %10s %11s\n'
# shellcheck disable=SC2059 # the format
printf "$fmt" "" raw dm-crypt inocrypt "no key" "of raw" "of dm-crypt"
{
	echo "| MiB/s | raw device | dm-crypt aes-xts | inocrypt, keyed file | inocrypt, no key | keyed / raw | keyed / dm-crypt |"
	echo "|---|---|---|---|---|---|---|"
} >$results/demo.md
sep=""
printf '{"unit":"KiB/s","kernel":"%s","accel":"%s","cpus":%d,"runs":[' "$(uname -r)" "${VM_ACCEL:-native}" "$(nproc)" >$results/demo.json
for rw in write read randwrite randread; do
	case $rw in rand*) t="random ${rw#rand} 4 KiB";; *) t="sequential $rw 256 KiB";; esac
	r=${bw[raw,$rw]} c=${bw[crypt,$rw]} k=${bw[vol/alice,$rw]} o=${bw[vol/open,$rw]}
	# shellcheck disable=SC2059
	printf "$fmt" "$t" "$(mib "$r")" "$(mib "$c")" "$(mib "$k")" "$(mib "$o")" "$(ratio "$k" "$r")" "$(ratio "$k" "$c")"
	echo "| $t | $(mib "$r") | $(mib "$c") | $(mib "$k") | $(mib "$o") | $(ratio "$k" "$r") | $(ratio "$k" "$c") |" >>$results/demo.md
	printf '%s{"rw":"%s","raw":%d,"dm_crypt":%d,"inocrypt_keyed":%d,"inocrypt_unkeyed":%d}' "$sep" "$rw" "$r" "$c" "$k" "$o" >>$results/demo.json
	sep=,
done
echo "]}" >>$results/demo.json
rc=0
for d in alice open; do
	fio --name=v --directory=$M/$d --filename=verify --size=24M --rw=randwrite --bsrange=4k-64k --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 \
		>/tmp/fio.out 2>&1 || rc=1
done
line $rc "fio random writes with --verify=crc32c, keyed and not" "$([ $rc = 0 ] && echo "48 MiB verified" || tail -n 3 /tmp/fio.out)"
umount /mnt/raw /mnt/crypt
dmsetup remove crypt

head_ "In the end"
is 0 "$(get bios_malformed)" "bios with a malformed tag"
is 0 "$(get auth_failures)" "sectors that failed to authenticate since the last attack"
vol_umount
rc=0
e2fsck -fn "$VOL_DEV" >/tmp/fsck 2>&1 || rc=$?
is 0 $rc "e2fsck -fn, exit code"
vol_close
is 0 "$(hits "$D" "$S")" "marker on data and sidecar images" "times"
printf '\n%s in %d s\n' "$([ $bad = 0 ] && echo "All as it should be," || echo "SOMETHING IS NOT AS IT SHOULD BE,")" $SECONDS
exit $bad
