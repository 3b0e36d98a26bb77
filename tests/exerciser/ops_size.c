// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: ops that change a file's size or its blocks: truncate, fallocate
 * and its variants, holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "exerciser.h"

bool op_truncate(struct ctx *c, int slot)
{
	struct file *f = slot_file(c, slot);
	uint64_t kind = below(c, 100);
	uint64_t size;

	if (kind < 10)
		size = 0;
	else if (kind < 55)
		size = below(c, f->size + 1);
	else if (kind < 70)	/* a little less or a little more */
		size = f->size - below(c, f->size < 600 ? f->size : 600);
	else if (kind < 85)
		size = f->size + below(c, 600);
	else
		size = f->size + below(c, 128 * 1024);
	if (chance(c, 20))
		size = size / opt.block_size * opt.block_size;
	if (size > f->hi)
		size = f->hi;
	note(c, "truncate", slot, size < f->size ? size : f->size,
	     size < f->size ? f->size - size : size - f->size, size);
	if (chance(c, 90)) {
		if (ftruncate(cached_fd(c, slot), (off_t)size))
			fail_errno(c, slot, "ftruncate");
	} else {
		if (truncate(f->path, (off_t)size))
			fail_errno(c, slot, "truncate");
	}
	model_truncate(f, size);
	check_size(c, slot);
	return true;
}

/* False if the file system doesn't do that here */
static bool change_blocks(struct ctx *c, int slot, int mode, uint64_t off,
			  uint64_t len, const char *what)
{
	if (!fallocate(cached_fd(c, slot), mode, (off_t)off, (off_t)len))
		return true;
	if (errno != EOPNOTSUPP)
		fail_errno(c, slot, what);
	return false;
}

bool op_falloc(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	bool keep = f->fixed || chance(c, 50);
	uint64_t off, len;

	if (!pick_range(c, slot, 1, false, &off, &len))
		return false;
	note(c, "falloc", slot, off, len, keep);
	if (!keep)
		unmap_before_growth(c, slot, off + len);
	if (!change_blocks(c, slot, keep ? FALLOC_FL_KEEP_SIZE : 0, off, len,
			   "fallocate"))
		return false;
	if (!keep)
		model_extend(f, off + len);
	check_size(c, slot);
	return true;
}

bool op_punch(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;
	uint64_t align = f->direct_only ? 4096 : 1;

	if (!pick_range(c, slot, align, chance(c, 90), &off, &len))
		return false;
	note(c, "punch", slot, off, len, 0);
	if (!change_blocks(c, slot, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			   off, len, "punch hole"))
		return false;
	model_zero(f, off, len);
	return true;
}

bool op_zero_range(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	bool keep = f->fixed || chance(c, 50);
	uint64_t align = f->direct_only ? 4096 : 1;
	uint64_t off, len;

	if (!pick_range(c, slot, align, false, &off, &len))
		return false;
	note(c, "zero-range", slot, off, len, keep);
	if (!keep)
		unmap_before_growth(c, slot, off + len);
	if (!change_blocks(c, slot, FALLOC_FL_ZERO_RANGE |
			   (keep ? FALLOC_FL_KEEP_SIZE : 0), off, len,
			   "zero range"))
		return false;
	if (!keep)
		model_extend(f, off + len);
	model_zero(f, off, len);
	check_size(c, slot);
	return true;
}

bool op_collapse(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;

	if (!pick_range(c, slot, opt.block_size, true, &off, &len))
		return false;
	if (off + len >= f->size)
		return false;
	note(c, "collapse", slot, off, f->size - off, len);
	if (!change_blocks(c, slot, FALLOC_FL_COLLAPSE_RANGE, off, len,
			   "collapse range"))
		return false;
	memmove(f->data + off, f->data + off + len, f->size - off - len);
	memset(f->data + f->size - len, 0, len);
	f->size -= len;
	check_size(c, slot);
	return true;
}

bool op_insert(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;

	if (!pick_range(c, slot, opt.block_size, true, &off, &len))
		return false;
	if (off >= f->size || f->size + len > f->hi)
		return false;
	note(c, "insert", slot, off, f->size - off, len);
	if (!change_blocks(c, slot, FALLOC_FL_INSERT_RANGE, off, len,
			   "insert range"))
		return false;
	memmove(f->data + off + len, f->data + off, f->size - off);
	memset(f->data + off, 0, len);
	f->size += len;
	check_size(c, slot);
	return true;
}

/* What the file system calls a hole must be zeros in the model, and read so */
bool op_holes(struct ctx *c, int slot)
{
	struct file *f = slot_file(c, slot);
	int fd = cached_fd(c, slot);
	off_t at = (off_t)below(c, f->size);

	note(c, "holes", slot, (uint64_t)at, 0, 0);
	for (int i = 0; i < 8; i++) {
		off_t hole = lseek(fd, at, SEEK_HOLE);
		off_t end;
		uint64_t len;

		if (hole < 0 && errno == ENXIO)
			break;
		if (hole < 0)
			fail_errno(c, slot, "SEEK_HOLE");
		if ((uint64_t)hole >= f->size)
			break;
		end = lseek(fd, hole, SEEK_DATA);
		if (end < 0 && errno != ENXIO)
			fail_errno(c, slot, "SEEK_DATA");
		if (end < 0)
			end = (off_t)f->size;
		if (end <= hole)
			break;	/* filled meanwhile by writeback */
		len = (uint64_t)(end - hole);
		if (len > opt.max_io)
			len = opt.max_io;
		memset(c->buf, 0, len);
		check(c, slot, (uint64_t)hole, len, c->buf,
		      "SEEK_HOLE's hole (actual: zeros)");
		pread_all(c, slot, fd, c->buf, len, (uint64_t)hole);
		check(c, slot, (uint64_t)hole, len, c->buf, "read of a hole");
		at = end;
	}
	return true;
}
