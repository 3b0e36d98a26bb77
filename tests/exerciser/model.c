// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: random numbers, what files should hold, and the report when they
 * don't.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exerciser.h"

#define MARK	0x9E3779B97F4A7C15ull

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* xoshiro256**, public domain algorithm by Blackman and Vigna */
uint64_t rnd(struct ctx *c)
{
	uint64_t *s = c->p->rng;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

/* 0 to n - 1; n = 0 gives 0 */
uint64_t below(struct ctx *c, uint64_t n)
{
	return n ? rnd(c) % n : 0;
}

bool chance(struct ctx *c, unsigned int percent)
{
	return below(c, 100) < percent;
}

void seed_proc(struct proc *p, uint64_t seed)
{
	uint64_t x = seed * 0xD1342543DE82EF95ull + p->index + 1;

	for (int i = 0; i < 4; i++) {
		uint64_t z = (x += MARK);

		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
		p->rng[i] = z ^ (z >> 31);
	}
}

/*
 * Every aligned word written says which op of which process wrote it, and
 * where, so that stale or misplaced bytes name their origin.
 */
static uint64_t word_at(uint64_t op, unsigned int proc, uint64_t off)
{
	return ((op << 32) | ((uint64_t)(proc & 0xff) << 24) |
		((off >> 3) & 0xffffff)) ^ MARK;
}

void fill(struct ctx *c, uint8_t *buf, uint64_t off, size_t len)
{
	uint64_t op = c->p->op;
	unsigned int proc = c->p->index;

	while (len) {
		uint64_t w = word_at(op, proc, off);
		size_t skip = off & 7;
		size_t n = 8 - skip;

		if (n > len)
			n = len;
		memcpy(buf, (uint8_t *)&w + skip, n);
		buf += n;
		off += n;
		len -= n;
	}
}

void note(struct ctx *c, const char *name, int slot, uint64_t off,
	  uint64_t len, uint64_t arg)
{
	struct history *h = &c->p->history[c->p->noted++ % HISTORY];
	const struct file *f = &c->p->slots[slot];

	h->op = c->p->op;
	h->name = name;
	h->slot = slot;
	h->off = off;
	h->len = len;
	h->arg = arg;
	if (opt.verbose)
		printf("%u:%" PRIu64 " %s %s size %" PRIu64 " off %" PRIu64
		       " len %" PRIu64 " arg %" PRIu64 "\n", c->p->index,
		       c->p->op, name, f->path, f->size, off, len, arg);
}

static void print_word(const char *label, const uint8_t *bytes, uint64_t off)
{
	uint64_t w;

	printf("  %-9s", label);
	for (int i = 0; i < 16; i++)
		printf(" %02x", bytes[i]);
	memcpy(&w, bytes, 8);
	if (!w) {
		printf("  zeros\n");
		return;
	}
	w ^= MARK;
	printf("  by op %" PRIu64 " of process %u for offset %" PRIu64
	       " (mod 128M)%s\n", w >> 32, (unsigned int)(w >> 24) & 0xff,
	       (w & 0xffffff) << 3,
	       ((w & 0xffffff) != ((off >> 3) & 0xffffff)) ?
	       ", which is elsewhere or no word of ours" : "");
}

static void print_history(const struct proc *p, int slot, uint64_t off)
{
	uint64_t first = p->noted > HISTORY ? p->noted - HISTORY : 0;
	unsigned int shown = 0;

	printf("  ops of this process on this file, newest first"
	       " ('*': covers the byte, or moves it):\n");
	for (uint64_t n = p->noted; n > first && shown < 24; n--) {
		const struct history *h = &p->history[(n - 1) % HISTORY];

		if (h->slot != slot)
			continue;
		printf("   %c %" PRIu64 " %s off %" PRIu64 " len %" PRIu64
		       " arg %" PRIu64 "\n",
		       off >= h->off && off - h->off < h->len ? '*' : ' ',
		       h->op, h->name, h->off, h->len, h->arg);
		shown++;
	}
}

/* Is it the cache or the disk that is wrong?  Looks with new descriptors. */
static void look_again(const struct file *f, uint64_t off)
{
	static const struct {
		const char *how;
		int flags;
		bool evict;
	} ways[] = {
		{ "again", 0, false },
		{ "direct", O_DIRECT, false },
		{ "evicted", 0, true },
	};
	uint64_t start = off & ~4095ull;
	void *page;

	if (posix_memalign(&page, 4096, 4096))
		return;
	for (unsigned int i = 0; i < 3; i++) {
		int fd = open(f->path, O_RDONLY | ways[i].flags);
		ssize_t n;

		if (fd < 0)
			break;
		if (ways[i].evict) {
			fsync(fd);
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		n = pread(fd, page, 4096, (off_t)start);
		if (n > (ssize_t)(off - start)) {
			uint8_t *at = (uint8_t *)page + (off - start);

			if (off - start <= 4096 - 16)
				print_word(ways[i].how, at, off);
			else
				printf("  %-9s %02x ..\n", ways[i].how, *at);
		} else {
			printf("  %-9s returns %zd%s%s\n", ways[i].how, n,
			       n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
		}
		close(fd);
	}
	free(page);
}

static void print_header(const struct proc *p, const struct file *f)
{
	printf("\nexerciser: FAILED: seed %" PRIu64 " process %u op %" PRIu64
	       " (%s) phase %u file %s size %" PRIu64 "\n",
	       opt.seed, p->index, p->op, p->op_name ? p->op_name : "verify",
	       world->phase, f ? f->path : "-", f ? f->size : 0);
}

static void __attribute__((noreturn)) give_up(const struct proc *p)
{
	printf("  replay: same options with --seed %" PRIu64 " --procs %u"
	       " --only-proc %u (its ops depend on nothing else)\n",
	       opt.seed, opt.procs, p->index);
	fflush(stdout);
	world->stop = 1;
	_exit(EXIT_FOUND);
}

/* @got is what was read from @off on; does not return if it is not right */
void compare(struct proc *p, const struct file *f, int slot, uint64_t off,
	     size_t len, const uint8_t *got, const char *how)
{
	const uint8_t *want = f->data + off;
	size_t first, last, differing = 0;
	size_t from, to;

	p->bytes_compared += len;
	if (!memcmp(want, got, len))
		return;

	for (first = 0; want[first] == got[first]; first++)
		;
	for (last = len - 1; want[last] == got[last]; last--)
		;
	for (size_t i = first; i <= last; i++)
		differing += want[i] != got[i];

	print_header(p, f);
	printf("  %s of offset %" PRIu64 " length %zu: %zu bytes differ,"
	       " from %" PRIu64 " (block %" PRIu64 " + %" PRIu64
	       ") to %" PRIu64 "\n", how, off, len, differing, off + first,
	       (off + first) / opt.block_size, (off + first) % opt.block_size,
	       off + last);
	/* sixteen bytes, from the aligned word that holds the first wrong one */
	from = first - ((off + first) & 7);
	if (from > first)
		from = first;
	to = from + 16;
	if (to <= len) {
		print_word("expected", want + from, off + from);
		print_word("actual", got + from, off + from);
	} else {
		printf("  expected  %02x\n  actual    %02x\n", want[first],
		       got[first]);
	}
	look_again(f, off + first);
	print_history(p, slot, off + first);
	give_up(p);
}

void check(struct ctx *c, int slot, uint64_t off, size_t len,
	   const uint8_t *got, const char *how)
{
	compare(c->p, &c->p->slots[slot], slot, off, len, got, how);
}

void fail(struct ctx *c, int slot, const char *fmt, ...)
{
	va_list args;

	print_header(c->p, slot < 0 ? NULL : &c->p->slots[slot]);
	printf("  ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	if (slot >= 0)
		print_history(c->p, slot, 0);
	give_up(c->p);
}

void fail_errno(struct ctx *c, int slot, const char *what)
{
	int err = errno;

	fail(c, slot, "%s: %s", what, strerror(err));
}

void model_extend(struct file *f, uint64_t size)
{
	if (size > f->size)
		f->size = size;
}

void model_write(struct file *f, uint64_t off, const uint8_t *buf, size_t len)
{
	memcpy(f->data + off, buf, len);
	model_extend(f, off + len);
}

/* Zeroes what lies below the end of the file; above it is zero anyway */
void model_zero(struct file *f, uint64_t off, uint64_t len)
{
	if (off >= f->size)
		return;
	if (len > f->size - off)
		len = f->size - off;
	memset(f->data + off, 0, len);
}

void model_truncate(struct file *f, uint64_t size)
{
	if (size < f->size)
		memset(f->data + size, 0, f->size - size);
	f->size = size;
}
