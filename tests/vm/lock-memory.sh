#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a key's lock, and closing the volume, leave in memory: the VM's whole memory is dumped
# and searched for keys, AES key schedules and the contents of files. The guest itself never
# sees what is searched for: that is worked out afterwards, on the host.
# vm: --disk data:96M --disk side:8M --timeout 240 --host-calls --mem 320
# not: debug-kernel
set -euo pipefail

pass=/tmp/pass		# in the guest
hex() { od -An -v -tx1 | tr -d ' \n'; }
# le32 NUMBER
le32() { printf '%08x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/'; }
# hmac KEY MESSAGE: all in hexadecimal
hmac()
{
	# shellcheck disable=SC2059 # it is made of \x.. only
	printf "$(sed 's/../\\x&/g' <<<"$2")" |
		openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -c1-64
}
# label TEXT: padded to 32 bytes
label() { printf '%-64s' "$(printf %s "$1" | hex)" | tr ' ' 0; }

# On the host: reveal KEYFILE PASSPHRASEFILE: the volume key of a LUKS2 header.
reveal()
{
	rm -f tmp.key
	cryptsetup luksDump --batch-mode --dump-volume-key --key-file "$2" --volume-key-file tmp.key "$1" >/dev/null
	hex <tmp.key
	rm tmp.key
}

# On the host: all there is to look for, from the closed volume and what the guest noted.
patterns()
{
	local vk uuid k mk ino name d rec l salt s log=""

	vk=$(reveal "$VM_DISKS/data.img" "$VM_RESULTS/pass.volume")
	echo "vk key $vk"
	# shellcheck disable=SC2059
	printf "$(sed 's/../\\x&/g' <<<"$vk")" >vk
	d=(inocrypt dump "$VM_DISKS/data.img" --sidecar "$VM_DISKS/side.img" -k vk)
	uuid=$("${d[@]}" | awk '$1 == "uuid" { gsub("-", "", $2); print $2 }')
	for l in "super aes256gcm" "node aes256gcm" "log hmacsha256" "anchor hmacsha256" "volume aes256gcm"; do
		k=$(hmac "$vk" "$(label "inocrypt v1 $l")$uuid")
		echo "vk.${l% *} key $k"
		[ "${l% *}" != log ] || log=$k
	done
	# The logs' keys: of the salts that the superblocks had at one time or another.
	for s in "$VM_DUMPS"/side.*; do
		for salt in $(inocrypt dump "$VM_DISKS/data.img" --sidecar "$s" -k vk | awk '$1 == "log_salt" { print $2 }'); do
			echo "vk.log.${s##*.} key $(hmac "$log" "$(label "inocrypt v1 log aes256gcm")$salt")"
		done
	done
	while read -r name ino; do
		mk=$(reveal "$VM_RESULTS/mk.$name" "$VM_RESULTS/pass.$name")
		[ "$ino" != 0 ] || { echo "$name.mk key $mk"; continue; }
		rec=$("${d[@]}" --owner "$ino")
		salt=$(awk '$1 == "salt" { print $2 }' <<<"$rec")
		k=$(le32 "$ino")$(le32 "$(awk '$1 == "gen" { print $2 }' <<<"$rec")")
		echo "$name.salt bytes $salt"
		echo "$name.owner key $(hmac "$mk" "$(label "inocrypt v1 owner aes256gcm")$uuid$k$salt")"
	done <"$VM_RESULTS/owners"
	sed 's/ / marker /' "$VM_RESULTS/markers"
}

if [ -n "${VM_ON_HOST:-}" ]; then
	cd "$VM_DUMPS"
	case $1 in
	note)	cp "$VM_DISKS/side.img" "side.$2";;
	scan)	patterns >patterns
		for d in open locked unlocked closed; do
			memscan patterns $d | sed "s/^/$d /"
		done;;
	esac
	exit
fi

# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
M=/mnt/vol
export INOCRYPT_ANCHOR_DIR=/tmp/anchors
mkdir $INOCRYPT_ANCHOR_DIR
pbkdf=(--pbkdf pbkdf2 --pbkdf-force-iterations 1000)

# m LINE: for the process that holds the files
coproc MARKER { exec marker; }
m()
{
	local line

	echo "$*" >&"${MARKER[1]}"
	read -r line <&"${MARKER[0]}"
	[ "$line" = ok ] || fail "marker: $*: $line"
}
seeds=0
# file NAME KEY: make it; the contents' name in the scan, seed, and length are noted
file()
{
	seeds=$((seeds + 1))
	m "ok write $M/$2/$1 $seeds 512"
	note "$2.$1" $seeds 512
	echo "$2 $(stat -c %i "$M/$2/$1")" >>/results/owners
}
note() { echo "$*" >>/results/markers; }
dump()
{
	inocrypt checkpoint vol >/dev/null 2>&1 || true
	vm-memdump "$1"
	vm-host note "$1"
}
no() { ! "${@:2}" >/tmp/out 2>&1 || fail "$1"; }

vol_setup /run/disks/data /run/disks/side
for k in volume alice bob; do
	printf 'the passphrase of %s' $k >$pass.$k
	cp $pass.$k /results
done
inocrypt format --yes --force -d $pass.volume "${pbkdf[@]}" --owners 4096 --sidecar "$VOL_SIDECAR" "$VOL_DATA" >/tmp/out ||
	fail "format"
inocrypt open -d $pass.volume --sidecar "$VOL_SIDECAR" "$VOL_DATA" vol || fail "open"
vol_mkfs -b 4096 -N 2048
vol_mount
inocrypt key setup -m $M
for k in alice bob; do
	id=$(inocrypt key new $k -m $M -d $pass.$k "${pbkdf[@]}" | grep -o -E '[0-9a-f]{32}')
	cp "$(echo $M/.inocrypt/keys/0/"$id"*.luks)" /results/mk.$k
	keyed_dir $M/$k "$id"
	echo "$k 0" >>/results/owners
done

say "files of two keys: cached, open, mapped, changed"
for k in alice bob; do
	for f in read open map dirty; do
		file $f $k
	done
done
# Not dropped from the cache: what is freed before the lock isn't wiped by it.
sync -f $M
for k in alice bob; do
	n=1
	[ $k = alice ] || n=5
	m "ok check $M/$k/read $n 512"
	m "ok hold $n $M/$k/open"
	m "ok read $n $((n + 1)) 512"
	m "ok map $((n + 1)) $M/$k/map 512"
	m "ok peek $((n + 1)) $((n + 2)) 512"
	# The first half is other data now, not written back.
	m "ok poke $((n + 1)) $((n + 20)) 256"
	note "$k.poked" $((n + 20)) 256
	m "ok hold $((n + 2)) $M/$k/dirty"
	m "ok put $((n + 2)) $((n + 30)) 256"
	note "$k.put" $((n + 30)) 256
done
at=$(filefrag -v -b4096 $M/alice/read | awk '$1 == "0:" { print $4 + 0 }')
vm-memdump open
vm-host note open

say "alice's key is locked"
rc=0
inocrypt key lock alice -m $M >/tmp/out 2>&1 || rc=$?
[ $rc = 4 ] || fail "key lock with files in use: exit code $rc, $(</tmp/out)"
grep -q " 3 files" /tmp/out || fail "3 files in use: $(</tmp/out)"
dump locked
m "EIO read 1 2 4"
m "EIO read 3 4 4"
m "SIGBUS peek 2 3 4"
m "SIGBUS poke 2 99 4"
no "root reads alice's file" cat $M/alice/read
grep -q "Required key" /tmp/out || fail "root, without alice's key: $(</tmp/out)"
no "root reads alice's sectors" dd if="$VOL_DEV" of=/dev/null bs=4096 skip="$at" count=1 iflag=direct
m "ok check $M/bob/read 5 512"
m "ok read 5 6 512"
m "ok peek 6 25 256"

say "and unlocked"
inocrypt key unlock alice -m $M -d $pass.alice || fail "key unlock"
m "ok check $M/alice/read 1 512"
m "ok check $M/alice/map 21 256"
m "ok check $M/alice/dirty 31 256"
m "ok check $M/alice/open 2 512"
m "ok read 3 31 256"
for n in 1 2 3 5 6 7; do
	m "ok drop $n x"
done

say "locked while pages of a file are in a pipe: it says so"
m "ok pipe 1 $M/alice/open"
rc=0
inocrypt key lock alice -m $M >/tmp/out 2>&1 || rc=$?
[ $rc = 4 ] && grep -q "could not be wiped" /tmp/out || fail "key lock with pages in a pipe: exit code $rc, $(</tmp/out)"
m "ok drop 1 x"
inocrypt key unlock alice -m $M -d $pass.alice || fail "key unlock"
m "ok check $M/alice/open 2 512"
# What the tool itself left in memory is found only until somebody else gets the pages.
for i in 1 2; do
	(while :; do :; done) &
	busy[i]=$!
done
inocrypt key lock alice -m $M >/tmp/out 2>&1 || fail "key lock with nothing in use: $(</tmp/out)"
[ ! -s /tmp/out ] || fail "key lock with nothing in use says $(</tmp/out)"
inocrypt key unlock alice -m $M -d $pass.alice || fail "key unlock"
vm-memdump unlocked
inocrypt key lock alice -m $M || fail "key lock"
kill "${busy[@]}"
kill "$MARKER_PID"
vol_umount
inocrypt close vol || fail "close"
dump closed

vm-host scan >/results/scan || fail "scan: $(</results/scan)"
bad=""
# found DUMP PATTERN yes|no|some: whether all, none or some of these names were found
found()
{
	local d name n rest seen="" what some=""

	while read -r d name n rest; do
		# shellcheck disable=SC2053 # a pattern is meant
		[ "$d" = "$1" ] && [[ $name == $2 ]] || continue
		seen=1
		what=no
		[ "$n" = 0 ] || { what=yes && some=1; }
		[ "$3" != some ] && [ "$what" != "$3" ] || continue
		echo "$d: $name found $n times, should be: $3 $rest"
		bad=1
	done </results/scan
	[ "$3" != some ] || [ -n "$some" ] || { echo "$1: no $2 found"; bad=1; }
	[ -n "$seen" ] || { echo "$1: no $2 in the scan"; bad=1; }
}

# What is there has to be found, or the scan proves nothing.
for k in alice bob; do
	for f in mk owner open put poked read; do
		found open $k.$f yes
	done
done
found open vk.node yes
found open vk.volume yes
found open vk.anchor yes
found open 'vk.log.*' some
sed -i '/^locked alice.salt/d' /results/scan	# in the metadata, as long as the volume is open
found locked 'alice.*' no
found locked bob.mk yes
found locked bob.owner yes
found locked bob.open yes
found locked vk no
grep -q "^unlocked alice.mk .*(2 halves" /results/scan || {
	echo "unlocked: alice's key isn't in one place, the kernel's own: $(grep "^unlocked alice.mk" /results/scan)"
	bad=1
}
found closed 'vk*' no
found closed '*.mk' no
found closed '*.owner' no
found closed '*.salt' no
[ -z "$bad" ] || { cat /results/scan; fail "see above"; }
say "keys and contents: found while open, gone when locked, gone when closed"
