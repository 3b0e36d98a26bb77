// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsynced - replace, append to and delete small files, each time with fsync,
 * until the file system fails; then check that nothing synced was lost.
 *
 *   fsynced run DIR LOG SEED	LOG, kept elsewhere, says what was synced; goes
 *				on from there. Ends with EIO or EROFS of DIR, and
 *				prints how many fsyncs it did.
 *   fsynced check DIR LOG	after a crash: each file is as last synced, or as
 *				what was under way would have left it; LOG then says
 *				which.
 *
 * Exit code: 0, 1 (contents differ, or another error), 2 (usage).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES	40
#define MAX	20000

/* A file: seed of its contents and length; seed 0: it isn't there */
struct version {
	uint32_t seed;
	uint32_t len;
};

/* Before and after the operation under way; the same if there is none */
struct slot {
	struct version old;
	struct version new;
};

static struct slot *slots;
static uint8_t buf[MAX], want[MAX];
static unsigned long fsyncs;
static int dirfd_;

static void contents(uint8_t *to, uint32_t seed)
{
	uint64_t x = seed * 0x9E3779B97F4A7C15ull;

	for (size_t i = 0; i + 8 <= MAX; i += 8) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(to + i, &x, 8);
	}
}

/* The file system is gone, as it was to be; or something is wrong. */
static bool gone(const char *what)
{
	if (errno == EIO || errno == EROFS)
		return true;
	perror(what);
	exit(1);
}

static bool sync_fd(int fd)
{
	/*
	 * If another's fsync had the commit fail, this one may find no transaction
	 * left to wait for, and return 0. What starts a handle, and says so, tells.
	 */
	if (fsync(fd) || fchown(fd, -1, 1 + fsyncs % 50000))
		return !gone("fsync");
	fsyncs++;
	return true;
}

static bool put(const char *name, int flags, uint32_t seed, uint32_t from,
		uint32_t len)
{
	int fd = openat(dirfd_, name, O_WRONLY | flags, 0644);
	bool ok;

	if (fd < 0)
		return !gone(name);
	contents(buf, seed);
	ok = pwrite(fd, buf + from, len - from, from) == (ssize_t)(len - from);
	ok = ok ? sync_fd(fd) : !gone(name);
	close(fd);
	return ok;
}

/* One operation on file @i; false when the file system is gone. */
static bool operate(unsigned int i, uint32_t seed)
{
	struct slot *s = &slots[i];
	char name[16], tmp[16];
	uint32_t len = 1 + seed % (MAX - 1);

	snprintf(name, sizeof(name), "f%u", i);
	snprintf(tmp, sizeof(tmp), "t%u", i);
	if (s->old.seed && seed % 5 == 0) {
		s->new = (struct version){ 0, 0 };
		if (unlinkat(dirfd_, name, 0))
			return !gone("unlink");
		if (!sync_fd(dirfd_))
			return false;
	} else if (s->old.seed && s->old.len < len && seed % 5 < 3) {
		s->new = (struct version){ s->old.seed, len };
		if (!put(name, 0, s->old.seed, s->old.len, len))
			return false;
	} else {
		s->new = (struct version){ seed, len };
		if (!put(tmp, O_CREAT | O_TRUNC, seed, 0, len))
			return false;
		if (renameat(dirfd_, tmp, dirfd_, name))
			return !gone("rename");
		if (!sync_fd(dirfd_))
			return false;
	}
	s->old = s->new;
	return true;
}

static int run(uint32_t x)
{
	do
		x = x * 1664525 + 1013904223;
	while (operate((x >> 8) % FILES, (x >> 1) | 1));
	printf("%lu\n", fsyncs);
	return 0;
}

/* Is the file, of @len bytes, of that version? Or, appending to it, on the way there? */
static bool matches(const struct version *v, const struct version *from,
		    ssize_t len)
{
	if (!v->seed || len < 0)
		return !v->seed && len < 0;
	if (v->seed == from->seed ? len < from->len || len > v->len :
				    len != v->len)
		return false;
	contents(want, v->seed);
	/* What wasn't synced may be missing: zeros, up to the new length. */
	for (ssize_t i = 0; i < len; i++)
		if (buf[i] != want[i] &&
		    !(v->seed == from->seed && i >= from->len && !buf[i]))
			return false;
	return true;
}

static int check(void)
{
	int bad = 0;

	for (unsigned int i = 0; i < FILES; i++) {
		struct slot *s = &slots[i];
		ssize_t len = -1;
		char name[16];
		int fd;

		snprintf(name, sizeof(name), "f%u", i);
		fd = openat(dirfd_, name, O_RDONLY);
		if (fd >= 0) {
			len = read(fd, buf, MAX);
			if (len < 0) {
				perror(name);
				bad = 1;
			}
			close(fd);
		} else if (errno != ENOENT) {
			perror(name);
			bad = 1;
		}
		if (matches(&s->old, &s->old, len)) {
			s->new = s->old;
		} else if (matches(&s->new, &s->old, len)) {
			if (s->new.seed && s->new.seed == s->old.seed) {
				/* Appended to in part: not to be gone on with. */
				s->new = (struct version){ 0, 0 };
				unlinkat(dirfd_, name, 0);
			}
			s->old = s->new;
		} else {
			printf("%s, %zd bytes, is neither %u of %u bytes nor %u of %u\n",
			       name, len, s->old.seed, s->old.len, s->new.seed,
			       s->new.len);
			if (len > 0) {
				contents(want, s->old.seed);
				for (ssize_t j = 0; j < len; j++)
					if (buf[j] != want[j]) {
						printf("differs at byte %zd: %02x, not %02x\n",
						       j, buf[j], want[j]);
						break;
					}
			}
			bad = 1;
		}
	}
	return bad;
}

int main(int argc, char **argv)
{
	bool running = argc == 5 && !strcmp(argv[1], "run");
	int fd;

	if (!running && !(argc == 4 && !strcmp(argv[1], "check"))) {
		fprintf(stderr, "usage: fsynced run DIR LOG SEED | check DIR LOG\n");
		return 2;
	}
	fd = open(argv[3], O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, FILES * sizeof(*slots))) {
		perror(argv[3]);
		return 1;
	}
	slots = mmap(NULL, FILES * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);
	dirfd_ = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (slots == MAP_FAILED || dirfd_ < 0) {
		perror(argv[2]);
		return 1;
	}
	return running ? run(strtoul(argv[4], NULL, 0)) : check();
}
