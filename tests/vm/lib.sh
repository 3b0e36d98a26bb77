# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# lib.sh - what the scripts in tests/vm/ share: a volume, its keys, its file system, and the
# judgement of its counters. Sourced, not run.
#
# BACKEND=plain puts the same file system on the bare device (no target, no keys): a test
# that fails there too has found something else.
#
# A script calls vol_setup, then vol_format, vol_open, ...; the state is in variables VOL_*
# that are exported, so that a hook in another process can source this and go on.

: "${INOCRYPT_TOP:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${INOCRYPT_BUILD:=$INOCRYPT_TOP/build}"
: "${BACKEND:=inocrypt}"
export INOCRYPT_TOP INOCRYPT_BUILD BACKEND
export PATH=$INOCRYPT_BUILD:$INOCRYPT_BUILD/tests:$PATH

# LONG: what to multiply a test's length by.
[ -n "${INOCRYPT_LONG:-}" ] && LONG=10 || LONG=1

fail()
{
	echo "FAIL: $*" >&2
	if [ -e "/dev/mapper/${VOL_NAME:-vol}" ]; then
		dmsetup status "${VOL_NAME:-vol}" >&2 || true
	fi
	exit 1
}

# no_key PATTERN: the kernel takes a key from its list only some time after nobody refers to it.
no_key()
{
	local i

	for ((i = 0; i < 50; i++)); do
		grep -q "$1" /proc/keys || return 0
		sleep 0.1
	done
	return 1
}

say() { echo "[$(printf '%4d' $SECONDS) s] $*"; }

# says RC REGEX COMMAND...: its exit code, and what it says, which is in /tmp/out then; "" is anything.
says()
{
	local want=$1 regex=$2 rc=0

	shift 2
	"$@" >/tmp/out 2>&1 <"${STDIN:-/dev/null}" || rc=$?
	[ $rc = "$want" ] || fail "$*: exit code $rc, not $want: $(</tmp/out)"
	[ -z "$regex" ] || grep -qE -- "$regex" /tmp/out || fail "$*: no '$regex' in: $(</tmp/out)"
}

# hole DEVICE SECTOR: /dev/mapper/holes is the device but for 8 sectors from there on, which can't be read.
hole()
{
	local size

	size=$(blockdev --getsz "$1")
	dmsetup create holes <<-END
		0 $2 linear $1 0
		$2 8 error
		$(($2 + 8)) $((size - $2 - 8)) linear $1 $(($2 + 8))
	END
}

# vol_setup DATADEV [SIDECARDEV]: choose the devices; make a volume key.
vol_setup()
{
	export VOL_NAME=${VOL_NAME:-vol} VOL_DATA=$1 VOL_SIDECAR=${2:-}
	export VOL_DEV=/dev/mapper/$VOL_NAME VOL_MNT=${VOL_MNT:-/mnt/$VOL_NAME}
	export VOL_KEYS=${VOL_KEYS:-/tmp/keys.$VOL_NAME} VOL_MOUNT_OPTS=${VOL_MOUNT_OPTS:-}
	export VOL_OPEN_ARGS=${VOL_OPEN_ARGS:-}

	mkdir -p "$VOL_MNT" "$VOL_KEYS"
	[ -f "$VOL_KEYS/volume" ] || head -c 32 /dev/urandom >"$VOL_KEYS/volume"
}

# vol_format [ARGUMENTS of "inocrypt format"...]
vol_format()
{
	[ "$BACKEND" = inocrypt ] || return 0
	inocrypt format --yes --force --volume-key-file "$VOL_KEYS/volume" \
		${VOL_SIDECAR:+--sidecar "$VOL_SIDECAR"} "$@" "$VOL_DATA" >"$VOL_KEYS/format.out" ||
		fail "inocrypt format"
}

# vol_open [ARGUMENTS of "inocrypt open"...]: open, and add the keys made so far.
vol_open()
{
	local k

	if [ "$BACKEND" != inocrypt ]; then
		dmsetup create "$VOL_NAME" \
			--table "0 $(blockdev --getsz "$VOL_DATA") linear $VOL_DATA 0"
		return
	fi
	# shellcheck disable=SC2086 # several words
	inocrypt open --volume-key-file "$VOL_KEYS/volume" ${VOL_SIDECAR:+--sidecar "$VOL_SIDECAR"} \
		$VOL_OPEN_ARGS "$@" "$VOL_DATA" "$VOL_NAME" || fail "inocrypt open"
	for k in "$VOL_KEYS"/mk.*; do
		[ ! -f "$k" ] || inocrypt key add "$VOL_NAME" -k "$k" >/dev/null ||
			fail "inocrypt key add $k"
	done
}

# vol_close: its counters must be good.
vol_close()
{
	[ -n "${VOL_NO_JUDGE:-}" ] || vol_judge
	if [ "$BACKEND" = inocrypt ]; then
		inocrypt close "$VOL_NAME" || fail "inocrypt close"
	else
		dmsetup remove --retry "$VOL_NAME"
	fi
}

# key_new NAME: make a master key, add it if the volume is open, print its id.
key_new()
{
	local f=$VOL_KEYS/mk.$1

	if [ "$BACKEND" != inocrypt ]; then
		echo none
		return
	fi
	[ -f "$f" ] || head -c 32 /dev/urandom >"$f"
	key_add "$1"
}

# key_add NAME: add a key made before, print its id.
key_add()
{
	inocrypt key add "$VOL_NAME" -k "$VOL_KEYS/mk.$1" >"$VOL_KEYS/out" ||
		fail "inocrypt key add $1"
	grep -o -E '[0-9a-f]{32}' "$VOL_KEYS/out" | head -n 1
}

# keyed_dir DIR KEYID: make the directory, its files under that key.
keyed_dir()
{
	mkdir "$1"
	if [ "$BACKEND" = inocrypt ]; then
		inocrypt policy set "$1" "$2" >/dev/null || fail "inocrypt policy set $1 $2"
	fi
}

vol_mount()
{
	mount -t ext4 ${VOL_MOUNT_OPTS:+-o "$VOL_MOUNT_OPTS"} "$VOL_DEV" "$VOL_MNT" ||
		fail "mount $VOL_DEV: $(dmesg | tail -n 5)"
}

vol_umount()
{
	umount "$VOL_MNT" || fail "umount $VOL_MNT"
}

# check_volume [ARGUMENTS of "inocrypt check"...]: the closed volume, as a crash or vol_close left
# it, is sound: superblocks, log, tree, records, all data, with all keys made so far. What it says
# is in $VOL_KEYS/check.out as JSON; check_field NAME: the first value of that name in it.
check_volume()
{
	local k keys=()

	[ "$BACKEND" = inocrypt ] || return 0
	for k in "$VOL_KEYS"/mk.*; do
		[ ! -f "$k" ] || keys+=(--master-key-file "$k")
	done
	inocrypt check "$VOL_DATA" ${VOL_SIDECAR:+--sidecar "$VOL_SIDECAR"} \
		--volume-key-file "$VOL_KEYS/volume" "${keys[@]}" --data --json "$@" >"$VOL_KEYS/check.out" || {
		cat "$VOL_KEYS/check.out" >&2
		fail "inocrypt check finds fault with the volume"
	}
}
check_field() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^,\"]*\)\"\{0,1\},*$/\1/p" "$VOL_KEYS/check.out" | head -n 1; }

# vol_cycle: everything away and back, as over a restart of the machine.
vol_cycle()
{
	vol_umount
	vol_close
	vol_open
	vol_mount
}

# vol_remount: the file system only.
vol_remount()
{
	vol_umount
	vol_mount
}

# vol_fsck: check the unmounted file system; it must be clean.
vol_fsck()
{
	local raw

	[ -n "${VOL_NO_JUDGE:-}" ] || vol_judge
	# e2fsck reads by whole pages: with smaller blocks metadata shares them with owned
	# sectors, which only raw mode lets it read.
	raw=""
	[ "$BACKEND" != inocrypt ] || [ "$(vol_block_size)" -ge 4096 ] || raw=1
	[ -z "$raw" ] || inocrypt raw on "$VOL_NAME" || fail "raw on"
	e2fsck -fn "$VOL_DEV" >"$VOL_KEYS/fsck.out" 2>&1 || {
		cat "$VOL_KEYS/fsck.out" >&2
		fail "e2fsck finds fault with the file system"
	}
	[ -z "$raw" ] || inocrypt raw off "$VOL_NAME" || fail "raw off"
}

vol_block_size() { dumpe2fs -h "$VOL_DEV" 2>/dev/null | sed -n 's/^Block size: *//p'; }

# vol_status FIELD: a counter of the status line; nothing on BACKEND=plain.
vol_status()
{
	[ "$BACKEND" = inocrypt ] || return 0
	dmsetup status "$VOL_NAME" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

# vol_judge: no counter says that something went wrong.
vol_judge()
{
	local line f v

	[ "$BACKEND" = inocrypt ] || return 0
	line=$(dmsetup status "$VOL_NAME") || fail "dmsetup status"
	[[ $line == *" inocrypt ok "* ]] || fail "the volume is not well"
	for f in bios_malformed auth_failures owner_mismatches node_auth_failures; do
		v=$(vol_status "$f")
		[ "$v" = 0 ] || fail "$f is '$v', should be 0"
	done
}

# vol_mkfs [ARGUMENTS of mkfs.ext4...]
vol_mkfs()
{
	mkfs.ext4 -q -F "$@" "$VOL_DEV" || fail "mkfs.ext4"
}

# wipe_caches: what is read next comes from the device.
wipe_caches()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
}
