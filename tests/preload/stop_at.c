// SPDX-License-Identifier: GPL-2.0-only
/*
 * stop_at.so - for LD_PRELOAD: the program ends (exit code 99) just before the STOP_AT-th
 * time that it changes or flushes the file STOP_FILE, as if the power went.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void count(int fd)
{
	const char *name = getenv("STOP_FILE"), *nth = getenv("STOP_AT");
	struct stat file, ours;
	static int n;

	if (!name || !nth || stat(name, &file) || fstat(fd, &ours) ||
	    file.st_dev != ours.st_dev || file.st_ino != ours.st_ino)
		return;
	if (++n == atoi(nth))
		_exit(99);
}

static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	ssize_t (*f)(int fd, const void *buf, size_t len, off64_t at) =
		next("pwrite64");

	count(fd);
	return f(fd, buf, len, at);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	return pwrite64(fd, buf, len, at);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t (*f)(int fd, const void *buf, size_t len) = next("write");

	count(fd);
	return f(fd, buf, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	int (*f)(int fd, int mode, off64_t at, off64_t len) =
		next("fallocate64");

	count(fd);
	return f(fd, mode, at, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	return fallocate64(fd, mode, at, len);
}

int fsync(int fd)
{
	int (*f)(int fd) = next("fsync");

	count(fd);
	return f(fd);
}
