// SPDX-License-Identifier: GPL-2.0-only
/*
 * marker - files whose contents memscan finds in a dump of memory, handled by a
 * process that keeps no copy of them.  Reads lines from the standard input,
 *
 *	EXPECTED OPERATION ARGUMENT...
 *
 * and answers each with a line, "ok" if it turned out as EXPECTED ("ok", the
 * name of an errno, SIGBUS, or "other": other contents), else with what happened.
 *
 *	write FILE SEED KIB	 make a file
 *	check FILE SEED KIB	 read it
 *	hold SLOT FILE		 keep it open
 *	tmp SLOT DIR SEED KIB	 make one that has no name, and keep it open
 *	map SLOT FILE KIB	 keep it mapped, not open
 *	pipe SLOT FILE		 keep its first pages in a pipe, not open
 *	read SLOT SEED KIB	 read a held file
 *	put SLOT SEED KIB	 overwrite the end of a held file
 *	peek SLOT SEED KIB	 compare what is mapped
 *	poke SLOT SEED KIB	 change what is mapped
 *	drop SLOT		 close, unmap
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "marker.h"

#define CHUNK	(64 * 1024)
#define WORDS	(CHUNK / 8)
#define SLOTS	8

struct slot {
	int fd;
	uint64_t *map;
	size_t len;
	int feed;	/* the pipe's other end, or 0 */
};

static struct slot slots[SLOTS];
static uint64_t buf[WORDS];
static sigjmp_buf bus;

/* What an operation returns if nothing failed, but the contents are others. */
#define OTHER	-1
#define BUS	-2
#define WHAT	-3

static void fill(uint64_t *to, uint64_t seed, uint64_t first, size_t words)
{
	while (words--)
		*to++ = marker_word(seed, first++);
}

static bool same(const uint64_t *p, uint64_t seed, uint64_t first, size_t words)
{
	while (words--)
		if (*p++ != marker_word(seed, first++))
			return false;
	return true;
}

/* Read or write the words [@first, @first + @words) of @fd; an errno, or OTHER. */
static int transfer(int fd, bool write, uint64_t seed, uint64_t first,
		    uint64_t words)
{
	int err = 0;

	while (words && !err) {
		size_t n = words < WORDS ? words : WORDS;
		ssize_t got;

		if (write)
			fill(buf, seed, first, n);
		got = write ? pwrite(fd, buf, n * 8, first * 8) :
			      pread(fd, buf, n * 8, first * 8);
		if (got < 0)
			err = errno;
		else if (got != (ssize_t)n * 8)
			err = OTHER;
		else if (!write && !same(buf, seed, first, n))
			err = OTHER;
		first += n;
		words -= n;
	}
	explicit_bzero(buf, sizeof(buf));
	return err;
}

static int whole_file(const char *path, bool write, uint64_t seed,
		      uint64_t words)
{
	int fd = open(path, write ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY, 0666);
	int err;

	if (fd < 0)
		return errno;
	err = transfer(fd, write, seed, 0, words);
	close(fd);
	return err;
}

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

static int mapped(struct slot *s, bool write, uint64_t seed, uint64_t words)
{
	if (sigsetjmp(bus, 1))
		return BUS;
	if (write)
		fill(s->map, seed, 0, words);
	else if (!same(s->map, seed, 0, words))
		return OTHER;
	return 0;
}

static int hold(struct slot *s, const char *path)
{
	s->fd = open(path, O_RDWR);
	return s->fd < 0 ? errno : 0;
}

static int fill_pipe(struct slot *s, const char *path)
{
	int fd = open(path, O_RDONLY), ends[2], err = 0;

	if (fd < 0)
		return errno;
	if (pipe(ends)) {
		err = errno;
	} else {
		s->fd = ends[0];
		s->feed = ends[1];
		if (splice(fd, NULL, s->feed, NULL, 16384, 0) <= 0)
			err = errno;
	}
	close(fd);
	return err;
}

static int tmp(struct slot *s, const char *dir, uint64_t seed, uint64_t words)
{
	s->fd = open(dir, O_RDWR | O_TMPFILE, 0600);
	return s->fd < 0 ? errno : transfer(s->fd, true, seed, 0, words);
}

static int map(struct slot *s, const char *path, size_t len)
{
	int fd = open(path, O_RDWR);
	int err = 0;

	if (fd < 0)
		return errno;
	s->map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->map == MAP_FAILED) {
		err = errno;
		s->map = NULL;
	}
	s->len = len;
	close(fd);
	return err;
}

static void drop(struct slot *s)
{
	if (s->map)
		munmap(s->map, s->len);
	else
		close(s->fd);
	if (s->feed)
		close(s->feed);
	s->feed = 0;
	s->map = NULL;
	s->fd = -1;
}

static int run(const char *op, char **arg)
{
	struct slot *s = &slots[atoi(arg[0]) % SLOTS];
	uint64_t seed = arg[1] ? strtoull(arg[1], NULL, 0) : 0;
	uint64_t words = arg[2] ? strtoull(arg[2], NULL, 0) * 128 : 0;

	if (!strcmp(op, "write"))
		return whole_file(arg[0], true, seed, words);
	if (!strcmp(op, "check"))
		return whole_file(arg[0], false, seed, words);
	if (!strcmp(op, "hold") && arg[1])
		return hold(s, arg[1]);
	if (!strcmp(op, "pipe") && arg[1])
		return fill_pipe(s, arg[1]);
	if (!strcmp(op, "tmp") && arg[3])
		return tmp(s, arg[1], strtoull(arg[2], NULL, 0),
			   strtoull(arg[3], NULL, 0) * 128);
	if (!strcmp(op, "map") && arg[2])
		return map(s, arg[1], words * 8);
	if (!strcmp(op, "read"))
		return transfer(s->fd, false, seed, 0, words);
	if (!strcmp(op, "put"))
		return transfer(s->fd, true, seed, 0, words);
	if (!strcmp(op, "peek"))
		return mapped(s, false, seed, words);
	if (!strcmp(op, "poke"))
		return mapped(s, true, seed, words);
	if (!strcmp(op, "drop")) {
		drop(s);
		return 0;
	}
	return WHAT;
}

static const char *outcome(int err)
{
	switch (err) {
	case 0:
		return "ok";
	case OTHER:
		return "other";
	case WHAT:
		return "no such operation";
	case BUS:
		return "SIGBUS";
	default:
		return strerrorname_np(err);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_bus };
	char line[4096];

	sigaction(SIGBUS, &sa, NULL);
	if (mlock(buf, sizeof(buf)))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *word[7] = { NULL }, *at = line;
		const char *was;
		int n = 0;

		while (n < 6 && (word[n] = strtok(at, "\n "))) {
			at = NULL;
			n++;
		}
		if (n < 3) {
			puts("what?");
			continue;
		}
		was = outcome(run(word[1], word + 2));
		if (!strcmp(was, word[0]))
			puts("ok");
		else
			printf("%s: %s\n", word[1], was);
	}
	return 0;
}
