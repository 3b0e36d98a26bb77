// SPDX-License-Identifier: GPL-2.0-only
/*
 * blkcmp - read a device or file past the cache, block by block, and compare
 * it with what it should hold.
 *
 * usage: blkcmp [-l] PATH REFERENCE BLOCKSIZE [FIRST [COUNT]]
 *
 * Reference is read from its beginning up to its end, PATH likewise from block
 * FIRST.  Prints "BLOCK what" for each block that isn't the same:
 *	N EILSEQ zeroed		the read failed with that error, buffer all zero
 *	N EIO dirty		... and left something other than zeros
 *	N zeros			reads as zeros, but should not
 *	N wrong			reads as something else
 * With -l only the last line: "same N errors N dirty N zeros N wrong N".
 * Exit code 1 if anything was wrong or dirty.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name(int error)
{
	return error == EIO ? "EIO" : error == EILSEQ ? "EILSEQ" :
	       error == ENODATA ? "ENODATA" : error == ENOKEY ? "ENOKEY" :
	       strerror(error);
}

static bool is_zero(const char *p, size_t n)
{
	return !*p && !memcmp(p, p + 1, n - 1);
}

int main(int argc, char **argv)
{
	unsigned long same = 0, errors = 0, dirty = 0, zeros = 0, wrong = 0;
	unsigned long first, count, i;
	bool brief = argc > 1 && !strcmp(argv[1], "-l");
	size_t size;
	char *got, *want;
	int fd, ref;

	argc -= brief;
	argv += brief;
	if (argc < 4)
		errx(2, "usage: blkcmp [-l] PATH REFERENCE BLOCKSIZE [FIRST [COUNT]]");
	size = strtoul(argv[3], NULL, 0);
	first = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	count = argc > 5 ? strtoul(argv[5], NULL, 0) : ~0UL;
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0)
		err(2, "%s", argv[1]);
	ref = open(argv[2], O_RDONLY);
	if (ref < 0)
		err(2, "%s", argv[2]);
	if (!size || posix_memalign((void **)&got, 4096, size) ||
	    posix_memalign((void **)&want, 4096, size))
		errx(2, "out of memory");

	for (i = first; i - first < count; i++) {
		ssize_t n = pread(ref, want, size, (off_t)(i - first) * size);

		if (n != (ssize_t)size)
			break;
		memset(got, 0xa5, size);
		n = pread(fd, got, size, (off_t)i * size);
		if (n == (ssize_t)size) {
			if (!memcmp(got, want, size)) {
				same++;
				continue;
			}
			if (is_zero(got, size))
				zeros++;
			else
				wrong++;
			if (!brief)
				printf("%lu %s\n", i, is_zero(got, size) ?
				       "zeros" : "wrong");
			continue;
		}
		if (n >= 0)
			errx(2, "%s: short at block %lu", argv[1], i);
		errors++;
		dirty += !is_zero(got, size);
		if (!brief)
			printf("%lu %s %s\n", i, name(errno),
			       is_zero(got, size) ? "zeroed" : "dirty");
	}
	printf("same %lu errors %lu dirty %lu zeros %lu wrong %lu\n", same,
	       errors, dirty, zeros, wrong);
	return wrong || dirty;
}
