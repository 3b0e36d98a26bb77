// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the rotation on a directory: main DIR [dry-run|break-links|abort]...
 *
 * $ROTATE_AT: before that step (a call that changes something; $ROTATE_ON: the
 * first of that name; with $ROTATE_NEXT: the one after it) die, or, if there is
 * $ROTATE_DO, run it with sh; and $ROTATE_THEN before the next unlinkat()
 * ($ROTATE_THEN_ON: before the next of that name).
 * $ROTATE_STEPS: a file to write the number of steps to.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "rotate/rotate.h"
#include "wraps.h"

static long steps, at;

static void then(const char *name)
{
	const char *on = getenv("ROTATE_THEN_ON");
	static bool done;

	if (done || strcmp(name, on ? on : "unlinkat") ||
	    !getenv("ROTATE_THEN"))
		return;
	done = true;
	if (system(getenv("ROTATE_THEN")))
		abort();
}

static void step(const char *name)
{
	static bool done, next;
	const char *on = getenv("ROTATE_ON");

	steps++;
	if (done)
		then(name);
	if (done || (!next && (on ? strcmp(on, name) : steps != at)))
		return;
	if (!next && getenv("ROTATE_NEXT")) {
		next = true;
		return;
	}
	done = true;
	if (!getenv("ROTATE_DO"))
		_exit(137);
	if (system(getenv("ROTATE_DO")))
		abort();
}

/* Linked with --wrap, see tests/unit/rotate-copy.sh; pwrite64 for 64-bit offsets. */

int __wrap_mkdirat(int d, const char *n, mode_t m)
{
	step("mkdirat");
	return __real_mkdirat(d, n, m);
}

int __wrap_unlinkat(int d, const char *n, int f)
{
	step("unlinkat");
	return __real_unlinkat(d, n, f);
}

int __wrap_linkat(int d, const char *n, int e, const char *o, int f)
{
	step("linkat");
	return __real_linkat(d, n, e, o, f);
}

int __wrap_symlinkat(const char *t, int d, const char *n)
{
	step("symlinkat");
	return __real_symlinkat(t, d, n);
}

int __wrap_mknodat(int d, const char *n, mode_t m, dev_t v)
{
	step("mknodat");
	return __real_mknodat(d, n, m, v);
}

int __wrap_renameat(int d, const char *n, int e, const char *o)
{
	step("renameat");
	return __real_renameat(d, n, e, o);
}

int __wrap_renameat2(int d, const char *n, int e, const char *o, unsigned int f)
{
	step("renameat2");
	return __real_renameat2(d, n, e, o, f);
}

int __wrap_fchownat(int d, const char *n, uid_t u, gid_t g, int f)
{
	step("fchownat");
	return __real_fchownat(d, n, u, g, f);
}

int __wrap_chmod(const char *n, mode_t m)
{
	step("chmod");
	return __real_chmod(n, m);
}

int __wrap_setxattr(const char *p, const char *n, const void *v, size_t s,
		    int f)
{
	step("setxattr");
	return __real_setxattr(p, n, v, s, f);
}

int __wrap_utimensat(int d, const char *n, const struct timespec *t, int f)
{
	step("utimensat");
	return __real_utimensat(d, n, t, f);
}

ssize_t __wrap_write(int fd, const void *b, size_t n)
{
	step("write");
	return __real_write(fd, b, n);
}

ssize_t __wrap_pwrite64(int fd, const void *b, size_t n, off_t o)
{
	step("pwrite64");
	return __real_pwrite64(fd, b, n, o);
}

int __wrap_ftruncate64(int fd, off_t n)
{
	step("ftruncate64");
	return __real_ftruncate64(fd, n);
}

int __wrap_syncfs(int fd)
{
	step("syncfs");
	return __real_syncfs(fd);
}

int main(int argc, char **argv)
{
	struct rot r = { .uid = geteuid() };
	int fd, ret;
	FILE *f;

	if (getenv("ROTATE_AT"))
		at = atol(getenv("ROTATE_AT"));
	memset(r.old, 1, sizeof(r.old));
	memset(r.new, 2, sizeof(r.new));
	for (int i = 2; i < argc; i++) {
		r.dry_run |= !strcmp(argv[i], "dry-run");
		r.break_links |= !strcmp(argv[i], "break-links");
		r.abort |= !strcmp(argv[i], "abort");
	}
	fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(EX_USAGE, "%s", argv[1]);
	ret = rot_run(&r, fd, argv[1]);
	if (getenv("ROTATE_STEPS")) {
		f = fopen(getenv("ROTATE_STEPS"), "we");
		if (!f)
			abort();
		fprintf(f, "%ld\n", steps);
		fclose(f);
	}
	printf("trees=%llu files=%llu loose=%llu bytes=%llu\n",
	       (unsigned long long)r.trees, (unsigned long long)r.files,
	       (unsigned long long)r.loose, (unsigned long long)r.bytes);
	if (ret || rot_stop)
		return EX_FAIL;
	return r.worst;
}
