// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: descriptors and mappings of a slot's file, choosing ranges, and
 * comparing whole files.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exerciser.h"

/* The slot's file, made now if it isn't there */
struct file *slot_file(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	struct handles *h = &c->h[slot];

	if (f->exists)
		return f;
	drop_handles(c, slot);
	h->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (h->fd < 0)
		fail_errno(c, slot, "create");
	f->exists = true;
	f->size = 0;
	note(c, "create", slot, 0, 0, 0);
	return f;
}

int cached_fd(struct ctx *c, int slot)
{
	struct handles *h = &c->h[slot];

	slot_file(c, slot);
	if (h->fd < 0) {
		h->fd = open(c->p->slots[slot].path, O_RDWR | O_CLOEXEC);
		if (h->fd < 0)
			fail_errno(c, slot, "open");
	}
	return h->fd;
}

static void ask_alignment(struct ctx *c, int slot)
{
	struct handles *h = &c->h[slot];
	struct statx st;

	h->align = opt.dio_align ? opt.dio_align : opt.block_size;
	h->mem_align = 4096;
#ifdef STATX_DIOALIGN
	if (!statx(h->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) &&
	    (st.stx_mask & STATX_DIOALIGN)) {
		if (!st.stx_dio_offset_align) {
			h->align = 1;
			return;
		}
		if (!opt.dio_align)
			h->align = st.stx_dio_offset_align;
		h->mem_align = st.stx_dio_mem_align;
	}
#else
	(void)st;
#endif
}

/* -1 if this file can't be opened with O_DIRECT */
int direct_fd(struct ctx *c, int slot)
{
	struct handles *h = &c->h[slot];
	struct file *f = &c->p->slots[slot];

	if (f->cached_only)
		return -1;
	cached_fd(c, slot);
	if (!h->align)
		ask_alignment(c, slot);
	if (h->align == 1)
		return -1;
	if (h->dfd < 0) {
		h->dfd = open(f->path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (h->dfd < 0 && errno == EINVAL) {
			h->align = 1;
			return -1;
		}
		if (h->dfd < 0)
			fail_errno(c, slot, "open with O_DIRECT");
	}
	return h->dfd;
}

/* A mapping of the largest size the file can have, kept across ops */
uint8_t *slot_map(struct ctx *c, int slot)
{
	struct handles *h = &c->h[slot];

	if (!h->map) {
		int fd = cached_fd(c, slot);

		h->map = mmap(NULL, c->p->slots[slot].hi,
			      PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (h->map == MAP_FAILED) {
			h->map = NULL;
			fail_errno(c, slot, "mmap");
		}
	}
	return h->map;
}

/*
 * With blocks smaller than a page, stock ext4 does not write protect the page
 * of the old end when a direct write (6.1, 6.18) or a fallocate (6.1) moves the
 * end: a store through a mapping made before gets no block and is lost.  Not
 * ours to test: such a mapping goes before the op.
 */
void unmap_before_growth(struct ctx *c, int slot, uint64_t end)
{
	struct file *f = &c->p->slots[slot];
	struct handles *h = &c->h[slot];

	if (!h->map || end <= f->size)
		return;
	if (munmap(h->map, f->hi))
		fail_errno(c, slot, "munmap");
	h->map = NULL;
}

void drop_handles(struct ctx *c, int slot)
{
	struct handles *h = &c->h[slot];

	if (h->map && munmap(h->map, c->p->slots[slot].hi))
		fail_errno(c, slot, "munmap");
	if (h->dfd >= 0 && close(h->dfd))
		fail_errno(c, slot, "close");
	if (h->fd >= 0 && close(h->fd))
		fail_errno(c, slot, "close");
	h->map = NULL;
	h->fd = -1;
	h->dfd = -1;
	h->align = 0;
}

void check_size(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	struct stat st;

	if (fstat(cached_fd(c, slot), &st))
		fail_errno(c, slot, "fstat");
	if ((uint64_t)st.st_size != f->size)
		fail(c, slot, "size is %" PRIu64 ", should be %" PRIu64,
		     (uint64_t)st.st_size, f->size);
}

void pwrite_all(struct ctx *c, int slot, int fd, const uint8_t *buf,
		size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)off);

		if (n < 0)
			fail_errno(c, slot, "pwrite");
		if (!n)
			fail(c, slot, "pwrite wrote nothing");
		buf += n;
		off += n;
		len -= n;
	}
}

/* The file must hold that much */
void pread_all(struct ctx *c, int slot, int fd, uint8_t *buf, size_t len,
	       uint64_t off)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0)
			fail_errno(c, slot, "pread");
		if (!n)
			fail(c, slot, "pread found end of file at %" PRIu64,
			     off);
		buf += n;
		off += n;
		len -= n;
	}
}

void verify_slot(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off = f->lo;
	uint64_t end;
	bool direct;

	if (!f->exists) {
		if (!access(f->path, F_OK))
			fail(c, slot, "exists, should not");
		return;
	}
	check_size(c, slot);
	direct = f->direct_only || chance(c, 25);
	if (direct && direct_fd(c, slot) < 0)
		direct = false;
	end = f->fixed ? f->hi : f->size;
	while (off < end) {
		uint64_t len = end - off;

		if (len > opt.max_io)
			len = opt.max_io;
		if (direct) {
			unsigned int a = c->h[slot].align;
			size_t ask = (len + a - 1) / a * a;
			ssize_t n = pread(c->h[slot].dfd, c->buf, ask,
					  (off_t)off);

			if (n < 0)
				fail_errno(c, slot, "direct pread");
			if ((uint64_t)n < len)
				fail(c, slot, "direct pread of %zu at %" PRIu64
				     " gave %zd", ask, off, n);
		} else {
			pread_all(c, slot, cached_fd(c, slot), c->buf, len,
				  off);
		}
		check(c, slot, off, len, c->buf,
		      direct ? "direct whole-file read" : "whole-file read");
		off += len;
	}
}

/* All regions of all shared files; nobody writes meanwhile */
void verify_shared(struct proc *p)
{
	size_t piece = 65536;
	uint8_t *buf = malloc(piece);
	struct file f = { .exists = true, .fixed = true };

	if (!buf)
		abort();
	for (unsigned int i = 0; i < world->nshared; i++) {
		struct shared_file *s = &world->shared[i];
		int fd = open(s->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0) {
			perror(s->path);
			exit(EXIT_FOUND);
		}
		memcpy(f.path, s->path, sizeof(f.path));
		f.size = s->size;
		f.hi = s->size;
		f.data = s->data;
		for (uint64_t off = 0; off < s->size; off += piece) {
			size_t len = s->size - off < piece ?
				     s->size - off : piece;
			ssize_t n = pread(fd, buf, len, (off_t)off);

			if (n != (ssize_t)len) {
				fprintf(stderr,
					"exerciser: FAILED: %s: read of %zu at %"
					PRIu64 " gave %zd: %s\n", s->path, len,
					off, n, n < 0 ? strerror(errno) : "");
				exit(EXIT_FOUND);
			}
			compare(p, &f, -1, off, len, buf, "shared file read");
		}
		close(fd);
	}
	free(buf);
}

static uint64_t pick_length(struct ctx *c)
{
	uint64_t kind = below(c, 100);
	uint64_t limit;

	if (kind < 40)
		limit = opt.block_size;
	else if (kind < 75)
		limit = 4 * 4096;
	else if (kind < 95)
		limit = 16 * 4096;
	else
		limit = opt.max_io;
	if (limit > opt.max_io)
		limit = opt.max_io;
	return 1 + below(c, limit);
}

/*
 * A range of whole units of @align: within the file's present size if @inside,
 * else anywhere in what the file may grow to.  False if there is none.
 */
bool pick_range(struct ctx *c, int slot, uint64_t align, bool inside,
		uint64_t *off, uint64_t *len)
{
	struct file *f = slot_file(c, slot);
	uint64_t lo = (f->lo + align - 1) / align * align;
	uint64_t hi = f->hi;
	uint64_t kind = below(c, 100);
	uint64_t start, n;

	if (inside && !f->fixed && hi > f->size)
		hi = f->size;
	hi = hi / align * align;
	if (hi <= lo)
		return false;

	if (f->fixed || kind < 10)
		start = lo + below(c, hi - lo);
	else if (kind < 60)
		start = below(c, f->size);
	else if (kind < 75)
		start = f->size - below(c, f->size < 8192 ? f->size : 8192);
	else if (kind < 90)
		start = f->size + below(c, 32768);
	else
		start = below(c, f->size + 16384) / opt.block_size *
			opt.block_size;
	start = start / align * align;
	if (start < lo)
		start = lo;
	if (start >= hi)
		start = lo + below(c, hi - lo) / align * align;

	n = (pick_length(c) + align - 1) / align * align;
	if (chance(c, 15))	/* up to a block or page boundary */
		n += align > 1 ? 0 : -(start + n) % opt.block_size;
	if (n > hi - start)
		n = hi - start;
	if (n > opt.max_io)
		n = opt.max_io / align * align;
	if (!n)
		return false;
	*off = start;
	*len = n;
	return true;
}

/* Silently does nothing without the right to */
void drop_caches(int what)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	char digit = '0' + what;

	if (fd < 0)
		return;
	if (write(fd, &digit, 1) != 1 && opt.verbose)
		printf("drop_caches: %s\n", strerror(errno));
	close(fd);
}
