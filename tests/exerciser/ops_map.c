// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: reads and writes through mappings.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exerciser.h"

#define PAGE	4096ull

struct window {
	uint8_t *base;	/* NULL: part of the slot's lasting map */
	size_t len;
	uint8_t *at;	/* address of the offset asked for */
};

/* The pages of [off, off + len), by a mapping of their own or the lasting one */
static struct window open_window(struct ctx *c, int slot, uint64_t off,
				 uint64_t len)
{
	struct window w = { .len = 0 };
	uint64_t start = off / PAGE * PAGE;

	if (chance(c, 50)) {
		w.at = slot_map(c, slot) + off;
		return w;
	}
	w.len = off + len - start;
	w.base = mmap(NULL, w.len, PROT_READ | PROT_WRITE, MAP_SHARED,
		      cached_fd(c, slot), (off_t)start);
	if (w.base == MAP_FAILED)
		fail_errno(c, slot, "mmap");
	w.at = w.base + (off - start);
	return w;
}

static void close_window(struct ctx *c, int slot, struct window *w)
{
	if (w->base && munmap(w->base, w->len))
		fail_errno(c, slot, "munmap");
}

static void sync_window(struct ctx *c, int slot, const uint8_t *at,
			uint64_t len, int flags)
{
	uintptr_t start = (uintptr_t)at & ~(uintptr_t)(PAGE - 1);

	if (msync((void *)start, (uintptr_t)at + len - start, flags))
		fail_errno(c, slot, "msync");
}

static void set_size(struct ctx *c, int slot, uint64_t size)
{
	struct file *f = &c->p->slots[slot];

	if (ftruncate(cached_fd(c, slot), (off_t)size))
		fail_errno(c, slot, "ftruncate");
	model_truncate(f, size);
}

/* Some scattered writes through the map; the model follows */
static void scribble(struct ctx *c, int slot, uint8_t *at, uint64_t off,
		     uint64_t len, unsigned int pieces)
{
	struct file *f = &c->p->slots[slot];

	while (pieces--) {
		uint64_t from = below(c, len);
		uint64_t n = 1 + below(c, chance(c, 70) ? 700 : 3 * PAGE);

		if (n > len - from)
			n = len - from;
		note(c, "map-store", slot, off + from, n, 0);
		fill(c, at + from, off + from, n);
		model_write(f, off + from, at + from, n);
	}
}

bool op_map_write(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	bool extend = !f->fixed && chance(c, 30);
	uint64_t off, len;
	struct window w;

	if (f->direct_only || !pick_range(c, slot, 1, !extend, &off, &len))
		return false;
	note(c, "map-write", slot, off, len, extend);
	if (off + len > f->size)
		set_size(c, slot, off + len);
	w = open_window(c, slot, off, len);
	fill(c, w.at, off, len);
	model_write(f, off, w.at, len);
	if (chance(c, 5))
		sync_window(c, slot, w.at, len, MS_SYNC);
	close_window(c, slot, &w);
	return true;
}

/* Also what lies between the end of the file and the end of its last page */
bool op_map_read(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;
	struct window w;

	if (f->direct_only || !pick_range(c, slot, 1, true, &off, &len))
		return false;
	if (!f->fixed && f->size - (off + len) < PAGE &&
	    f->hi - off >= PAGE && chance(c, 70))
		len = (f->size + PAGE - 1) / PAGE * PAGE - off;
	if (off + len > f->hi)
		len = f->hi - off;
	note(c, "map-read", slot, off, len, 0);
	w = open_window(c, slot, off, len);
	check(c, slot, off, len, w.at, "read through map");
	close_window(c, slot, &w);
	return true;
}

/*
 * Blocks that are allocated but were never written, then dirtied through a
 * map: the kernel reads nothing and must decrypt nothing; the rest of each
 * page is zeros.
 */
bool op_falloc_map(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;
	struct window w;
	int fd;

	if (f->direct_only || !pick_range(c, slot, 1, false, &off, &len))
		return false;
	if (chance(c, 30)) {
		uint64_t end = off + len;

		off = off / PAGE * PAGE;
		if (off < f->lo)
			off = f->lo;
		len = end - off;
	}
	fd = cached_fd(c, slot);
	if (chance(c, 60)) {	/* make sure there is something unwritten */
		note(c, "punch before falloc", slot, off, len, 0);
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)off, (off_t)len)) {
			if (errno != EOPNOTSUPP)
				fail_errno(c, slot, "punch hole");
		} else {
			model_zero(f, off, len);
		}
	}
	note(c, "falloc-map", slot, off, len, 0);
	unmap_before_growth(c, slot, off + len);
	if (fallocate(fd, 0, (off_t)off, (off_t)len)) {
		if (errno == EOPNOTSUPP)
			return false;
		fail_errno(c, slot, "fallocate");
	}
	model_extend(f, off + len);
	w = open_window(c, slot, off, len);
	scribble(c, slot, w.at, off, len, 1 + (unsigned int)below(c, 4));
	check(c, slot, off, len, w.at, "map of fallocated range");
	if (chance(c, 40))
		sync_window(c, slot, w.at, len,
			    chance(c, 50) ? MS_SYNC : MS_ASYNC);
	close_window(c, slot, &w);
	if (chance(c, 10)) {
		drop_handles(c, slot);
		if (posix_fadvise(cached_fd(c, slot), 0, 0,
				  POSIX_FADV_DONTNEED))
			fail_errno(c, slot, "fadvise");
	}
	return true;
}

/*
 * Stores behind the end of the file in its last page, then written back: the
 * kernel must zero them, whatever the file grows to later.
 */
bool op_map_past_eof(struct ctx *c, int slot)
{
	struct file *f = slot_file(c, slot);
	uint64_t tail = f->size % PAGE;
	uint64_t off, len;
	uint8_t *map;

	if (f->fixed || !tail)
		return false;
	off = f->size - tail;
	len = PAGE;
	note(c, "map-past-eof", slot, off, len, tail);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   cached_fd(c, slot), (off_t)off);
	if (map == MAP_FAILED)
		fail_errno(c, slot, "mmap");
	fill(c, map + tail, f->size, PAGE - tail);
	if (chance(c, 50)) {
		fill(c, map, off, tail);
		model_write(f, off, map, tail);
	}
	sync_window(c, slot, map, PAGE, MS_SYNC);
	if (munmap(map, PAGE))
		fail_errno(c, slot, "munmap");
	return true;
}

/*
 * Direct I/O of one file with pages of another one's mapping as the buffer:
 * data goes from owner to owner without a copy between.
 */
bool op_direct_map(struct ctx *c, int slot)
{
	int other = (int)below(c, c->p->nslots);
	struct file *f = &c->p->slots[slot];
	struct file *o = &c->p->slots[other];
	bool read = chance(c, 50);
	uint64_t off, len, where;
	unsigned int a;
	ssize_t n;
	uint8_t *map;
	int fd;

	fd = direct_fd(c, slot);
	if (other == slot || f->fixed || o->fixed || fd < 0)
		return false;
	a = c->h[slot].align > PAGE ? c->h[slot].align : (unsigned int)PAGE;
	slot_file(c, other);
	if (!pick_range(c, slot, a, true, &off, &len))
		return false;
	/* page aligned place in the other file, grown as needed */
	where = below(c, o->hi - len + 1) / PAGE * PAGE;
	note(c, read ? "direct read to map" : "direct write from map", slot,
	     off, len, (uint64_t)other);
	note(c, read ? "map filled by direct read" : "map written from", other,
	     where, len, (uint64_t)slot);
	if (where + len > o->size)
		set_size(c, other, where + len);
	map = slot_map(c, other) + where;
	n = read ? pread(fd, map, len, (off_t)off) :
		   pwrite(fd, map, len, (off_t)off);
	if (n < 0)
		fail_errno(c, slot, "direct I/O with a map as buffer");
	if ((uint64_t)n != len)
		fail(c, slot, "direct I/O of %" PRIu64 " gave %zd", len, n);
	if (read)
		model_write(o, where, f->data + off, len);
	else
		model_write(f, off, o->data + where, len);
	return true;
}
