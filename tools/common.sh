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

# headers_of KVER: print the kernel's build directory, or fail.
headers_of()
{
	local d

	for d in "/lib/modules/$1/build" "/usr/src/linux-headers-$1"; do
		[ -f "$d/Makefile" ] && { echo "$d"; return 0; }
	done
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
