#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the kernel wrote is decrypted by an independent program (tests/helpers/format/decrypt_sector.c).
# vm: --disk a:256M --disk s:64M --timeout 400
# quick2
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
cd /tmp
BACKEND=inocrypt

# decrypt RC ARGS...: run the decrypter, which is to return RC.
decrypt()
{
	local want=$1 rc=0

	shift
	decrypt_sector "$@" >out 2>err || rc=$?
	[ $rc = "$want" ] || fail "$what: decrypt_sector $* returned $rc, not $want: $(cat err)"
}

# compare MK BLOCK: the pattern is in the file-system blocks from BLOCK on.
compare()
{
	decrypt 0 "$vk" "$1" $(($2 * per))+$((32 * per)) "${devs[@]}"
	cmp out pattern || fail "$what: block $2 and on differ from what was written"
}

# flip BYTE: change one bit on the data device.
flip()
{
	local byte

	byte=$(dd if="$VOL_DATA" bs=1 skip="$1" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte ^ 1)))" |
		dd of="$VOL_DATA" bs=1 seek="$1" conv=notrunc,fsync status=none
}

# first_block FILE: its first block; it must be one extent.
first_block()
{
	filefrag -b4096 -v "$1" >frag
	[ "$(grep -c '^ *[0-9]*:' frag)" = 1 ] || fail "$what: $1 is in pieces: $(cat frag)"
	awk '/^ *0:/ { sub(/\.\./, "", $4); print $4 }' frag
}

# run_one CIPHER SECTOR_SIZE DEV...
run_one()
{
	local block plain offset

	what="$1, sectors of $2, $(($# - 2)) device(s)"
	per=$((4096 / $2))
	devs=("${@:3}")
	VOL_SIDECAR='' vol_setup "${devs[@]}"
	vk=$VOL_KEYS/volume mk=$VOL_KEYS/mk.kat
	vol_format --cipher "$1" --sector-size "$2"
	vol_open
	vol_mkfs -b 4096
	vol_mount
	keyed_dir "$VOL_MNT/keyed" "$(key_new kat)"
	head -c 131072 /dev/urandom >pattern
	cp pattern "$VOL_MNT/keyed/file"
	cp pattern "$VOL_MNT/plain"
	sync -f "$VOL_MNT"
	block=$(first_block "$VOL_MNT/keyed/file")
	plain=$(first_block "$VOL_MNT/plain")
	vol_umount
	vol_close

	if [ "$1" = aegis128 ]; then
		decrypt 4 "$vk" "$mk" "$((block * per))" "${devs[@]}"
		vol_open
		vol_mount
		cmp pattern "$VOL_MNT/keyed/file" || fail "$what: the keyed file differs"
		cmp pattern "$VOL_MNT/plain" || fail "$what: the plain file differs"
		vol_umount
		vol_close
		say "$what: the kernel reads it back; SKIPPED the independent decryption: libcrypto has no AEGIS-128"
		return
	fi
	compare "$mk" "$block"
	compare - "$plain"
	# The file system's own superblock, at byte 1024 of block 0.
	decrypt 0 "$vk" - 0+$per "${devs[@]}"
	[ "$(od -An -tx1 -j 1080 -N 2 out)" = " 53 ef" ] || fail "$what: no ext4 magic in block 0"

	# The right key is needed, and every bit counts.
	head -c 32 /dev/urandom >other
	decrypt 3 "$vk" - "$((block * per))" "${devs[@]}"
	decrypt 1 "$vk" other "$((block * per))" "${devs[@]}"
	decrypt 1 other "$mk" "$((block * per))" "${devs[@]}"
	inocrypt dump "$VOL_DATA" ${VOL_SIDECAR:+--sidecar "$VOL_SIDECAR"} --volume-key-file "$vk" \
		--master-key-file "$mk" --record $((block * per + per - 1)) >rec
	grep -q '^data  *verifies$' rec || fail "$what: inocrypt dump doesn't agree: $(cat rec)"
	offset=$(awk '$1 == "data_offset" { print $2 }' rec)
	flip $((offset + $2 - 1))
	decrypt 1 "$vk" "$mk" "$((block * per + per - 1))" "${devs[@]}"
	flip $((offset + $2 - 1))
	compare "$mk" "$block"
	say "$what: ok"
}

run_one aes256-gcm 4096 /run/disks/a
run_one aes256-gcm 512 /run/disks/a /run/disks/s
run_one chacha20-poly1305 1024 /run/disks/a /run/disks/s
run_one chacha20-poly1305 4096 /run/disks/a
run_one aegis128 4096 /run/disks/a
