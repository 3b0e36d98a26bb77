# SPDX-License-Identifier: GPL-2.0-only
# common.sh - what the build and test scripts share. Sourced, not run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$TOP/build}
# Not every root shell has these in its PATH.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { echo "$*" >&2; }
die() { echo "${0##*/}: $*" >&2; exit 1; }

# as_root CMD...: run as root, by sudo where that is needed.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "must be root (or have sudo) for: $*"
		sudo "$@"
	fi
}

# suite_of KVER: print the directory of the root (tools/suite-root) that the kernel is of; fail
# if it is the system's own, or none of ours.
suite_of()
{
	local f

	[ ! -f "/usr/src/linux-headers-$1/Makefile" ] || return 1
	for f in "$BUILD"/roots/*/kernels/"$1"; do
		[ ! -f "$f" ] || { echo "${f%/kernels/*}"; return 0; }
	done
	return 1
}

# use_apt_of KVER: have apt fetch from the kernel's suite, if that has a root of its own.
use_apt_of()
{
	local suite

	! suite=$(suite_of "$1") || export APT_CONFIG=$suite/apt/apt.conf
}

# in_root ROOT COMMAND...: run a command with ROOT as its root directory, where it finds this
# repository, build/, /dev and /proc at their places. The mounts are seen by the command only.
in_root()
{
	local root=$1 user=()

	shift
	[ "$(id -u)" = 0 ] || user=(--map-root-user)
	# shellcheck disable=SC2016 # for the inner shell
	unshare "${user[@]}" --mount sh -c '
		root=$1 build=$2 top=$3
		shift 3
		for d in /dev /proc "$top" "$build"; do
			mkdir -p "$root$d" && mount --rbind "$d" "$root$d" || exit 125
		done
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"' \
		in_root "$root" "$(realpath "$BUILD")" "$TOP" "$@"
}

# headers_of KVER: print the kernel's build directory, or fail. In a suite's root it is of use
# only to what runs in there.
headers_of()
{
	local d

	for d in "/lib/modules/$1/build" "/usr/src/linux-headers-$1"; do
		[ -f "$d/Makefile" ] && { echo "$d"; return 0; }
	done
	! d=$(suite_of "$1") || { echo "$d/root/usr/src/linux-headers-$1"; return 0; }
	# The debug kernel is one of our own.
	for d in "$BUILD"/debug-kernel/*/; do
		[ "$(cat "$d/include/config/kernel.release" 2>/dev/null)" != "$1" ] ||
			{ echo "${d%/}"; return 0; }
	done
	return 1
}

# package_version KVER: print the version of the Debian package that a kernel's source is
# from; nothing if that is not known.
package_version()
{
	local d

	d=$(headers_of "$1" || true)
	case $d in
	*/debug-kernel/*)	echo "${d##*/}";;
	*/roots/*)		cat "${d%/root/*}/kernels/$1";;
	*)	dpkg-query -W -f '${Version}' "linux-headers-$1" 2>/dev/null || true;;
	esac
}

is_debug_kver() { [[ $1 == *-debug ]]; }

series_of() { sed 's/^\([0-9]*\.[0-9]*\)\..*/\1/' <<<"$1"; }

# default_kver: the running kernel if it is a supported one with headers, else the
# newest 6.1 with headers installed, else the newest that apt offers.
default_kver()
{
	local k

	k=$(uname -r)
	if [[ $k == 6.1.* ]] && headers_of "$k" >/dev/null; then
		echo "$k"
		return
	fi
	k=$(for d in /usr/src/linux-headers-6.1.*-amd64; do
		[ -f "$d/Makefile" ] && echo "${d#/usr/src/linux-headers-}"
	    done | sort -V | tail -n 1)
	[ -n "$k" ] || k=$(newest_kver_in_apt)
	[ -n "$k" ] || die "no linux-headers-6.1.*-amd64 installed, and apt offers none"
	echo "$k"
}

# newest_kver_of SERIES: the newest kernel of a series with headers, the system's or a root's.
newest_kver_of()
{
	local k

	k=$(for d in "/usr/src/linux-headers-$1".*-amd64/Makefile "$BUILD/roots"/*/kernels/"$1".*; do
		[ -f "$d" ] || continue
		d=${d%/Makefile}
		d=${d##*/}
		echo "${d#linux-headers-}"
	    done | sort -V | tail -n 1)
	[ -n "$k" ] || die "no kernel $1 with headers here (tools/suite-root gets those of another Debian suite)"
	echo "$k"
}

newest_kver_in_apt()
{
	apt-cache depends linux-headers-amd64 2>/dev/null |
		sed -n 's/.*Depends: linux-headers-\(6\.1\..*-amd64\)$/\1/p' | sort -V | tail -n 1
}

# fetch_deb PACKAGE[=VERSION] DIR [APT OPTIONS...]: download one package into DIR.
fetch_deb()
{
	local pkg=$1 dir=$2

	shift 2
	mkdir -p "$dir"
	# Running apt's sandbox user in the build directory only produces warnings.
	(cd "$dir" && apt-get -qq -o APT::Sandbox::User=root "$@" download "$pkg" >&2)
}

# source_tar SERIES VERSION DIR: print the path of the kernel's source as Debian packs it, in
# that version if it can be had. Downloaded to DIR, unless installed.
source_tar()
{
	local pkg=linux-source-$1 ver=$2 dir=$3 tar have

	tar=/usr/src/$pkg.tar.xz
	have=$(dpkg-query -W -f '${Version}' "$pkg" 2>/dev/null || true)
	if [ ! -f "$tar" ] || { [ -n "$ver" ] && [ "$have" != "$ver" ]; }; then
		say "fetching $pkg ${ver:+$ver}"
		if { [ -n "$ver" ] && fetch_deb "$pkg=$ver" "$dir" 2>/dev/null; } ||
		   fetch_deb "$pkg" "$dir"; then
			dpkg --fsys-tarfile "$dir"/*.deb | tar -x -C "$dir" "./usr/src/$pkg.tar.xz"
			rm "$dir"/*.deb
			tar=$dir/usr/src/$pkg.tar.xz
		elif [ -f "$tar" ]; then
			say "note: taking $pkg $have for a kernel of $ver"
		else
			die "cannot download $pkg (does 'apt-get update' help?)"
		fi
	fi
	echo "$tar"
}
