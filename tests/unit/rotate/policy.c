// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of userspace/rotate/rotate_policy.c, for file systems without policies: the
 * file $ROTATE_DB has a line "<inode number> <o, n, x or u>" for each directory
 * or file with a policy of its own; what is below a directory inherits it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rotate/rotate.h"

static enum rot_policy recorded(ino_t ino)
{
	FILE *f = fopen(getenv("ROTATE_DB"), "re");
	enum rot_policy policy = ROT_NONE;
	unsigned long long n;
	char c;

	if (!f)
		abort();
	while (fscanf(f, "%llu %c", &n, &c) == 2)
		if (n == ino)
			policy = c == 'o' ? ROT_OLD : c == 'n' ? ROT_NEW :
				 c == 'u' ? ROT_SPECIAL : ROT_OTHER;
	fclose(f);
	return policy;
}

static enum rot_policy of(int fd, int depth)
{
	enum rot_policy policy;
	char link[32], path[4096];
	struct stat st;
	ssize_t n;
	int up;

	if (fstat(fd, &st))
		abort();
	policy = recorded(st.st_ino);
	if (policy != ROT_NONE || depth > 20)
		return policy;
	if (S_ISDIR(st.st_mode)) {
		up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		if (n < 0)
			abort();
		path[n] = 0;
		/* It would have kept its key. */
		if (strstr(path, "/swap/"))
			return ROT_NEW;
		*strrchr(path, '/') = 0;
		up = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	/* A directory that has been removed. */
	if (up < 0)
		return ROT_NONE;
	policy = of(up, depth + 1);
	close(up);
	/* Whoever makes something there has no key here. */
	return policy == ROT_SPECIAL ? ROT_NONE : policy;
}

int rot_policy_get(const struct rot *r, int fd, enum rot_policy *policy)
{
	(void)r;
	*policy = of(fd, 0);
	return 0;
}

int rot_policy_set_new(const struct rot *r, int fd)
{
	enum rot_policy policy;
	struct stat st;
	FILE *f;

	rot_policy_get(r, fd, &policy);
	if (policy != ROT_NONE)
		return policy == ROT_NEW ? 0 : -EEXIST;
	f = fopen(getenv("ROTATE_DB"), "ae");
	if (!f || fstat(fd, &st))
		abort();
	fprintf(f, "%llu n\n", (unsigned long long)st.st_ino);
	fclose(f);
	return 0;
}
