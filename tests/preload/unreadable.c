// SPDX-License-Identifier: GPL-2.0-only
/*
 * unreadable.so - for LD_PRELOAD: of the file UNREADABLE the 4096 bytes at UNREADABLE_AT
 * can't be read, whatever is written there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t pread64(int fd, void *buf, size_t len, off64_t at)
{
	const char *name = getenv("UNREADABLE"), *where = getenv("UNREADABLE_AT");
	struct stat file, ours;
	ssize_t (*f)(int fd, void *buf, size_t len, off64_t at);
	off64_t bad = where ? atoll(where) : 0;

	if (name && where && !stat(name, &file) && !fstat(fd, &ours) &&
	    file.st_dev == ours.st_dev && file.st_ino == ours.st_ino &&
	    at < bad + 4096 && at + (off64_t)len > bad) {
		errno = EIO;
		return -1;
	}
	*(void **)&f = dlsym(RTLD_NEXT, "pread64");
	return f(fd, buf, len, at);
}

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
	return pread64(fd, buf, len, at);
}
