#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every argument of the table line wrong in turn, and devices that hold something else: each
# is refused with a message that says what is wrong, in the kernel log and by the tool, and
# leaves nothing behind.
# vm: --disk data:64M --disk side:16M --disk other:64M --disk bs4k:64M:bs=4096 --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side O=/run/disks/other
vk=/tmp/vk bad=/tmp/bad.vk
head -c 32 /dev/urandom >$vk
head -c 32 /dev/urandom >$bad
n=0

# The kernel's messages come in fd 3, from where drain was called.  No process per look.
: >/tmp/klog
cat /dev/kmsg >>/tmp/klog &
cat=$!
trap 'kill $cat' EXIT
mkfifo /tmp/never
exec 3</tmp/klog 4<>/tmp/never
nap() { read -r -t 0.02 -u 4 || true; }
drain()
{
	local mark="mark $((++marks))"

	echo "target-table: $mark" >/dev/kmsg
	log_has "$mark" || fail "the kernel log doesn't come"
}
log_has()
{
	local line i

	for ((i = 0; i < 1000; i++)); do
		while read -r -u 3 line; do
			[[ $line != *"$1"* ]] || return 0
		done
		nap
	done
	return 1
}
marks=0

gone()
{
	[ "$(dmsetup ls 2>/dev/null)" = "No devices found" ] || fail "$1: left behind: $(dmsetup ls)"
}

# refused MESSAGE TABLE...: dmsetup must fail, and the kernel log have MESSAGE.
refused()
{
	local msg=$1

	shift
	n=$((n + 1))
	drain
	if dmsetup create x --table "$*" 2>/dev/null; then
		fail "accepted: $*"
	fi
	log_has "$msg" || fail "no '$msg' in the kernel log for: $*"
}

# tool CODE MESSAGE ARGUMENTS of "inocrypt open"...: it must fail and say so.
tool()
{
	local code=$1 msg=$2 rc=0

	shift 2
	n=$((n + 1))
	inocrypt open "$@" 2>/tmp/err || rc=$?
	[ $rc = "$code" ] || fail "exit code $rc, not $code, of: open $* ($(</tmp/err))"
	grep -q -i -- "$msg" /tmp/err || fail "no '$msg' from open $*, but: $(</tmp/err)"
	[ ! -e /dev/mapper/x ] || fail "a device was made by: open $*"
}

inocrypt format $D --sidecar $S -k $vk -y >/dev/null
inocrypt open $D x --sidecar $S -k $vk
read -r _ len _ args < <(dmsetup table x)
uuid=$(inocrypt status x | sed -n 's/^uuid[ :]*//p')
inocrypt close x
# data dev, offset, sidecar dev, offset, key
read -r dd doff sd soff key <<<"$args"
[ "$soff" = 0 ] && [ "$doff" = 32768 ] || fail "this test counts on other offsets than $args"
gone "after a good open"

desc=inocrypt:$uuid
add() { keyctl padd logon "$1" @u <"$2" >/dev/null; }

say "the key"
refused "Volume key is not in the keyrings" 0 "$len" inocrypt "$dd" "$doff" "$sd" "$soff" "$key"
add "$desc" $vk
good=("$dd" "$doff" "$sd" "$soff" "$key")
dmsetup create x --table "0 $len inocrypt ${good[*]}" || fail "the good table is refused"
dmsetup remove x
head -c 31 $vk >/tmp/short
head -c 33 /dev/zero >/tmp/long
add inocrypt:short /tmp/short
add inocrypt:long /tmp/long
add inocrypt:wrong $bad
for i in short long; do
	refused "Volume key is not 32 bytes long" 0 "$len" inocrypt "${good[@]:0:4}" :32:logon:inocrypt:$i
done
refused "does not authenticate" 0 "$len" inocrypt "${good[@]:0:4}" :32:logon:inocrypt:wrong
keyctl padd user inocrypt:user @u <$vk >/dev/null
for k in :16:logon:$desc :32:user:inocrypt:user :32:logon: 32:logon:$desc :64:logon:$desc $desc ""; do
	case $k in
	"")	refused "Not enough arguments" 0 "$len" inocrypt "${good[@]:0:4}";;
	*)	refused "not given as :32:logon:<description>" 0 "$len" inocrypt "${good[@]:0:4}" "$k";;
	esac
done
tool 3 "wrong volume key" $D x --sidecar $S -k $bad
tool 3 "" $D x --sidecar $S -k $bad
tool 2 "32 bytes" $D x --sidecar $S -k /tmp/short
tool 2 "32 bytes" $D x --sidecar $S -k /tmp/long

say "devices and offsets"
for i in 0 1 2 3; do
	refused "Not enough arguments" 0 "$len" inocrypt "${good[@]:0:i}"
done
for v in x -1 "" 0x8000 99999999999999999999 36028797018963968 1e3 32768s; do
	[ -n "$v" ] || continue
	refused "Invalid device offset" 0 "$len" inocrypt "$dd" "$v" "$sd" "$soff" "$key"
	refused "Invalid device offset" 0 "$len" inocrypt "$dd" "$doff" "$sd" "$v" "$key"
done
refused "Device lookup failed" 0 "$len" inocrypt /dev/nothing "$doff" "$sd" "$soff" "$key"
refused "Device lookup failed" 0 "$len" inocrypt "$dd" "$doff" 259:77 "$soff" "$key"
for v in 32769 32772 32767; do
	refused "not aligned to the sector size" 0 $((len - 64)) inocrypt "$dd" $v "$sd" "$soff" "$key"
done
# A superblock where the table says, on an offset that can't be one.
dd if=$S of=$O bs=512 seek=4 count=72 conv=notrunc status=none
refused "not aligned to 4096 bytes" 0 "$len" inocrypt "$dd" "$doff" $O 4 "$key"
refused "Data is beyond its device" 0 "$len" inocrypt "$dd" 32776 "$sd" "$soff" "$key"
refused "Data is beyond its device" 0 "$len" inocrypt "$dd" 36028797018960000 "$sd" "$soff" "$key"
refused "can't read the superblock" 0 "$len" inocrypt "$dd" "$doff" "$sd" 36028797018960000 "$key"
refused "no inocrypt superblock" 0 "$len" inocrypt "$dd" "$doff" "$sd" 8 "$key"
refused "Length is beyond the volume" 0 $((len + 8)) inocrypt "${good[@]}"
refused "Length is beyond the volume" 0 $((len - 1)) inocrypt "${good[@]}"
refused "Gap in table" 8 $((len - 8)) inocrypt "${good[@]}"
refused "must appear alone" $'0 8 zero\n8' $((len - 8)) inocrypt "${good[@]}"
# Sidecar and data on one device, one over the other.
dd if=$S of=$O bs=1M conv=notrunc status=none
refused "Data and sidecar overlap" 0 $((len / 2)) inocrypt $O 0 $O 0 "$key"
refused "Data and sidecar overlap" 0 $((len / 2)) inocrypt $O 16 $O 0 "$key"
tool 2 "" $D
tool 6 "no such file" /dev/nothing x -k $vk
tool 6 "no inocrypt superblock" $D x -k $vk
tool 6 "no inocrypt superblock" $D x --sidecar /run/disks/bs4k -k $vk

say "options"
refused "Invalid number of optional arguments" 0 "$len" inocrypt "${good[@]}" x
refused "Invalid number of optional arguments" 0 "$len" inocrypt "${good[@]}" 20 raw{,}{,}{,}{,}{,}
for o in "1" "2 raw" "1 raw raw" "0 raw"; do
	refused "optional arguments" 0 "$len" inocrypt "${good[@]}" "$o"
done
for o in verbose cache_bytes rawer; do
	refused "Unknown optional argument" 0 "$len" inocrypt "${good[@]}" "1 $o"
done
for o in "" x 1048576x -1 0 4096 1048575 99999999999999; do
	refused "cache_bytes out of range" 0 "$len" inocrypt "${good[@]}" "1 cache_bytes:$o"
done
tool 1 "cache_bytes out of range" $D x --sidecar $S -k $vk --cache-size 4096 ||
	tool 2 "cache_bytes out of range" $D x --sidecar $S -k $vk --cache-size 4096
gone "after the wrong tables"

say "one volume, one device"
dmsetup create x --table "0 $len inocrypt ${good[*]} 2 allow_discards cache_bytes:2097152"
dmsetup table x | grep -q "2 allow_discards cache_bytes:2097152" || fail "table: $(dmsetup table x)"
drain
! dmsetup create y --table "0 $len inocrypt ${good[*]}" 2>/dev/null || fail "opened twice"
log_has "Volume is active elsewhere" || fail "no word of why it can't be opened twice"
rc=0
inocrypt open $D y --sidecar $S -k $vk 2>/tmp/err || rc=$?
[ $rc = 4 ] && grep -q "in use" /tmp/err || fail "opened twice by the tool: $rc, $(</tmp/err)"
# A copy of it is the same volume to the target.
dd if=$D of=/run/disks/bs4k bs=1M count=1 status=none
! dmsetup create y --table "0 1024 inocrypt $O 32768 $O 0 $key" 2>/dev/null || fail "a copy was opened"
log_has "Volume is active elsewhere" || fail "no word of the copy"
dmsetup ls | grep -q '^y' && fail "y is left behind"
# And another volume on the same mapped device isn't the same.
inocrypt format /run/disks/bs4k -k $vk -y -f >/dev/null
u2=$(inocrypt dump /run/disks/bs4k -k $vk | sed -n 's/^uuid *//p')
o2=$(inocrypt dump /run/disks/bs4k -k $vk | sed -n 's/^data_offset *//p')
l2=$(($(inocrypt dump /run/disks/bs4k -k $vk | sed -n 's/^data_sectors *//p') * 8))
add "inocrypt:$u2" $vk
drain
! dmsetup reload x --table "0 $l2 inocrypt /run/disks/bs4k $((o2 / 512)) /run/disks/bs4k 32768 :32:logon:inocrypt:$u2" \
	2>/dev/null || fail "reload with another volume was accepted"
log_has "device holds another volume" || fail "no word of the other volume"
dmsetup remove x
gone "after the second open"

say "superblocks"
cp $S /tmp/side
sectors=$((16 * 8))
# zap COPY BYTE: change a byte of a superblock copy.
zap() { printf '\xff\xfe' | dd of=$S bs=1 seek=$(($1 * 32768 + $2)) conv=notrunc status=none; }
back() { dd if=/tmp/side of=$S bs=512 count=$sectors conv=notrunc status=none; }
# One copy is enough, whichever it is.
for c in 0 1; do
	for b in 0 130 146 500; do
		zap $c $b
		inocrypt open $D x --sidecar $S -k $vk || fail "one bad superblock copy ($c, byte $b) is too many"
		inocrypt close x
		back
	done
done
# What authenticates and isn't understood refuses the volume, whichever copy it is; so do two
# copies that disagree. A copy from a version to come: it may be the newer state.
strange()
{
	forge $vk $D $S super "$1" "$2" "$3"
	refused "$4" 0 "$len" inocrypt "${good[@]}"
	tool "$5" "$4" $D x --sidecar $S -k $vk
	tool "$5" "$4" $D x --sidecar $S -k $vk --readonly
	# The kernel looks again when it resumes.
	dd if=$S of=/tmp/strange bs=4096 skip=$(($1 * 8)) count=1 status=none
	back
	dmsetup create --notable x
	dmsetup load x --table "0 $len inocrypt ${good[*]}"
	dd if=/tmp/strange of=$S bs=4096 seek=$(($1 * 8)) count=1 conv=notrunc,fsync status=none
	drain
	! dmsetup resume x 2>/dev/null || fail "resumed from a superblock with $4"
	[[ $4 == describe* ]] || log_has "superblock copy $1: " || fail "the kernel log doesn't say that it is copy $1"
	log_has "$4" || fail "no '$4' in the kernel log on resume"
	dmsetup remove x
	back
}
for c in 0 1; do
	strange $c 8 2 "unknown format version" 6
	strange $c 300 1 "superblock state of an unknown kind" 6
	strange $c 40 3 "describe different volumes" 3
done
strange 1 160 4 "in the place of the other copy" 3
both()
{
	zap 0 "$1"
	zap 1 "$1"
	refused "$2" 0 "$len" inocrypt "${good[@]}"
	tool "$3" "$4" $D x --sidecar $S -k $vk
	back
}
both 0 "no inocrypt superblock" 6 "no inocrypt superblock"
both 8 "unknown format version" 6 "unknown format version"
both 16 "does not authenticate" 3 "authenticate"
both 32 "geometry out of bounds" 6 "geometry out of bounds"
both 36 "unknown cipher" 6 "unknown cipher"
both 40 "does not authenticate" 3 "authenticate"
both 64 "unknown superblock flags" 6 "unknown superblock flags"
both 130 "does not authenticate" 3 "authenticate"
both 150 "does not authenticate" 3 "authenticate"
both 300 "does not authenticate" 3 "authenticate"
dd if=/dev/zero of=$S bs=512 count=$sectors conv=notrunc status=none
refused "no inocrypt superblock" 0 "$len" inocrypt "${good[@]}"
tool 6 "no inocrypt superblock" $D x --sidecar $S -k $vk
head -c 65536 /dev/urandom | dd of=$S bs=4096 conv=notrunc status=none
refused "no inocrypt superblock" 0 "$len" inocrypt "${good[@]}"
mkfs.ext4 -q -F $S
refused "no inocrypt superblock" 0 "$len" inocrypt "${good[@]}"
tool 6 "no inocrypt superblock" $D x --sidecar $S -k $vk
# Of another volume: it names other keys, and other data.
inocrypt format $D --sidecar $S -k $bad -y -f >/dev/null
refused "does not authenticate" 0 "$len" inocrypt "${good[@]}"
tool 3 "authenticate" $D x --sidecar $S -k $vk
dd if=/tmp/side of=$S bs=1M conv=notrunc status=none

say "devices that are too small or too coarse"
half=$(inocrypt dump $D --sidecar $S -k $vk | awk '$1 == "sidecar_bytes" { print int($2 / 8192) * 8 }')
dmsetup create cut --table "0 $half linear $S 0"
refused "Sidecar is beyond its device" 0 "$len" inocrypt "$dd" "$doff" /dev/mapper/cut 0 "$key"
tool 6 "smaller than its sidecar" $D x --sidecar /dev/mapper/cut -k $vk
dmsetup remove cut
dmsetup create cut --table "0 $((len / 2)) linear $D 0"
refused "Data is beyond its device" 0 "$len" inocrypt /dev/mapper/cut "$doff" "$sd" "$soff" "$key"
tool 6 "smaller than the volume's data" /dev/mapper/cut x --sidecar $S -k $vk
dmsetup remove cut
inocrypt format $O --sidecar $S -s 512 -k $vk -y -f >/dev/null
u3=$(inocrypt dump $O --sidecar $S -k $vk | sed -n 's/^uuid *//p')
add "inocrypt:$u3" $vk
refused "Logical blocks of a device are larger" 0 65536 inocrypt /run/disks/bs4k 32768 "$sd" 0 ":32:logon:inocrypt:$u3"
dd if=/tmp/side of=$S bs=1M conv=notrunc status=none

say "messages"
dmsetup create x --table "0 $len inocrypt ${good[*]}"
message()
{
	n=$((n + 1))
	drain
	! dmsetup message x 0 "${@:2}" >/dev/null 2>&1 || fail "message accepted: ${*:2}"
	log_has "$1" || fail "no '$1' in the kernel log for message ${*:2}"
}
message "unknown message" frobnicate
message "unknown message 'a\x5ce[2J\x5cab'" $'a\e[2J\ab'
message "unknown message" checkpoint now
message "takes on or off" raw maybe
message "unknown message" raw
message ":32:logon:<description>" key add inocrypt:x
message "no usable 32-byte logon key" key add :32:logon:inocrypt:nothing
message "no usable 32-byte logon key" key add :32:logon:inocrypt:short
message "32 hex digits" key remove 1234
message "key remove" key remove 0123456789abcdef0123456789abcdeg
message "message 'key' takes" key frob
! dmsetup message x 0 key remove 0123456789abcdef0123456789abcdef 2>/dev/null || fail "a key that isn't there was removed"
inocrypt close x

gone "at the end"
rmmod dm_inocrypt || fail "the module can't be unloaded"
[ "$(losetup -a)" = "" ] || fail "loop devices are left"
# Nobody holds the devices.
for i in $D $S $O; do
	python3 -c "import os,sys; os.close(os.open(sys.argv[1], os.O_RDWR | os.O_EXCL))" $i ||
		fail "$i is still held"
done
say "$n wrong tables, opens and messages refused, each with its reason"
