/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cut.h - what cutblocks and cutfiles share: memory that outlives a power cut,
 * contents that tell who wrote them, and what a place may hold after a cut.
 *
 * The oracle is a file mapped into memory, in a VM memory of the host's: a
 * store is there for good as soon as it is made.  A writer notes a version as
 * pending before it writes it, and as durable after the fsync that covers it
 * has returned, so that what is noted is right at every moment.
 */
#ifndef CUT_H
#define CUT_H

#include <err.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define UNIT		512	/* no disk tears less */
#define MAX_PENDING	8	/* writers flush at WRITERS_PENDING */
#define WRITERS_PENDING	5

/* One sector or block: version 0 is zeros. */
struct place {
	atomic_uint durable;
	atomic_uint n;
	atomic_uint pending[MAX_PENDING];
};

static inline uint64_t cut_rnd(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x >> 8;
}

static inline uint64_t cut_seed(uint64_t seed, uint64_t nr)
{
	uint64_t s = (seed * 1000 + nr + 1) * 0x9e3779b97f4a7c15ULL | 1;

	for (int i = 0; i < 8; i++)
		cut_rnd(&s);
	return s;
}

/*
 * Most of the time nobody syncs anything for a while, so that a cut finds much
 * to lose: operations without a sync are the quick ones.
 */
static atomic_uint cut_operations;

static inline bool cut_quiet(uint64_t seed)
{
	return ((cut_operations / 64 + seed) * 0x9e3779b97f4a7c15ULL) >> 61;
}

/* Map SIZE bytes of "FILE:OFFSET". */
static inline void *cut_oracle(const char *spec, size_t size)
{
	const char *colon = strrchr(spec, ':');
	char *file = strndup(spec, colon ? (size_t)(colon - spec) : strlen(spec));
	int fd = open(file, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		err(2, "%s", file);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 colon ? strtoll(colon + 1, NULL, 0) : 0);
	if (p == MAP_FAILED)
		err(2, "mmap %s", spec);
	close(fd);
	free(file);
	return p;
}

/* What UNIT bytes number NR of place TAG hold in version V. */
static inline void cut_fill(void *buf, uint64_t tag, uint32_t v, uint32_t nr)
{
	uint64_t x = (tag + 1) * 0x9e3779b97f4a7c15ULL + v + nr * 77ULL;
	uint64_t *q = buf;

	if (!v) {
		memset(buf, 0, UNIT);
		return;
	}
	q[0] = tag;
	q[1] = (uint64_t)nr << 32 | v;
	for (unsigned int i = 2; i < UNIT / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		q[i] = x;
	}
}

/* The version that LEN bytes from unit NR on are of; -1: of none, or of several. */
static inline int64_t cut_version(const uint8_t *buf, size_t len, uint64_t tag,
				  uint32_t nr)
{
	static _Thread_local uint8_t want[UNIT];
	uint64_t q[2];
	uint32_t v;

	memcpy(q, buf, sizeof(q));
	v = q[0] == tag ? q[1] & UINT32_MAX : 0;
	for (size_t i = 0; i < len / UNIT; i++) {
		cut_fill(want, tag, v, nr + i);
		if (memcmp(want, buf + i * UNIT, UNIT))
			return -1;
	}
	return v;
}

static inline bool place_may_be(const struct place *p, int64_t v)
{
	bool may = v == p->durable;

	for (unsigned int i = 0; i < p->n && i < MAX_PENDING; i++)
		may |= v == p->pending[i];
	return may;
}

static inline uint32_t place_newest(const struct place *p)
{
	return p->n ? p->pending[p->n - 1] : p->durable;
}

static inline bool place_full(const struct place *p)
{
	return p->n >= WRITERS_PENDING;
}

/* Before the write. */
static inline void place_write(struct place *p, uint32_t v)
{
	if (p->n >= MAX_PENDING)
		errx(2, "the oracle has no room for another version");
	p->pending[p->n] = v;
	p->n = p->n + 1;
}

/* V is what it holds, for good. */
static inline void place_settle(struct place *p, uint32_t v)
{
	if (p->durable != v)
		p->durable = v;
	if (p->n)
		p->n = 0;
}

static inline void place_print(FILE *f, const struct place *p)
{
	fprintf(f, "may be version %u", p->durable);
	for (unsigned int i = 0; i < p->n; i++)
		fprintf(f, " %u", p->pending[i]);
}

#endif
