// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: ops that concern names or two files: copy, rename, unlink, files
 * without a name.
 *
 * A slot keeps its path; a rename moves the contents to another slot.  Between
 * directories of different keys EXDEV is right: then nothing changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exerciser.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE	2
#endif

/* Another slot, of the process's own files; -1 if it is the same */
static int other_slot(struct ctx *c, int slot, bool same_dir)
{
	int other = (int)below(c, opt.files);

	if (same_dir)	/* files go round the directories */
		other = other / (int)opt.ndirs * (int)opt.ndirs +
			slot % (int)opt.ndirs;
	return other == slot || other >= (int)opt.files ? -1 : other;
}

static bool pick_copy(struct ctx *c, int slot, int *other, uint64_t *off,
		      uint64_t *len, uint64_t *where)
{
	struct file *o;

	*other = other_slot(c, slot, false);
	if (*other < 0 || !pick_range(c, slot, 1, true, off, len))
		return false;
	o = slot_file(c, *other);
	*where = chance(c, 50) ? *off : below(c, o->hi);
	if (*where + *len > o->hi)
		*len = o->hi - *where;
	return *len != 0;
}

bool op_copy(struct ctx *c, int slot)
{
	uint64_t off, len, where;
	int other;

	if (!pick_copy(c, slot, &other, &off, &len, &where))
		return false;
	note(c, "copy from", slot, off, len, (uint64_t)other);
	note(c, "copy to", other, where, len, (uint64_t)slot);
	pread_all(c, slot, cached_fd(c, slot), c->buf, len, off);
	check(c, slot, off, len, c->buf, "read for a copy");
	pwrite_all(c, other, cached_fd(c, other), c->buf, len, where);
	model_write(&c->p->slots[other], where, c->buf, len);
	return true;
}

/* In the kernel; between directories too */
bool op_copy_range(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len, where;
	off_t from, to;
	int other;

	if (!pick_copy(c, slot, &other, &off, &len, &where))
		return false;
	note(c, "copy_file_range from", slot, off, len, (uint64_t)other);
	note(c, "copy_file_range to", other, where, len, (uint64_t)slot);
	from = (off_t)off;
	to = (off_t)where;
	while (len) {
		ssize_t n = copy_file_range(cached_fd(c, slot), &from,
					    cached_fd(c, other), &to, len, 0);

		if (n < 0 && (errno == EOPNOTSUPP || errno == EXDEV))
			return false;
		if (n < 0)
			fail_errno(c, slot, "copy_file_range");
		if (!n)
			fail(c, slot, "copy_file_range copied nothing");
		model_write(&c->p->slots[other], (uint64_t)to - (size_t)n,
			    f->data + (uint64_t)from - (size_t)n, (size_t)n);
		len -= (uint64_t)n;
	}
	return true;
}

static void swap_contents(struct file *a, struct file *b)
{
	uint8_t *data = a->data;
	uint64_t size = a->size;
	bool exists = a->exists;

	a->data = b->data;
	a->size = b->size;
	a->exists = b->exists;
	b->data = data;
	b->size = size;
	b->exists = exists;
}

static void swap_handles(struct handles *a, struct handles *b)
{
	struct handles h = *a;

	*a = *b;
	*b = h;
}

static void forget_contents(struct file *f)
{
	model_truncate(f, 0);
	f->exists = false;
}

/* Onto a file that is there or not; open descriptors stay open */
bool op_rename(struct ctx *c, int slot)
{
	int other = other_slot(c, slot, chance(c, 80));
	struct file *f, *o;

	if (other < 0)
		return false;
	f = slot_file(c, slot);
	o = &c->p->slots[other];
	note(c, "rename from", slot, 0, f->size, (uint64_t)other);
	note(c, "rename to", other, 0, o->size, (uint64_t)slot);
	if (rename(f->path, o->path)) {
		if (errno == EXDEV && f->dir != o->dir)
			return false;
		fail_errno(c, slot, "rename");
	}
	swap_contents(f, o);
	swap_handles(&c->h[slot], &c->h[other]);
	forget_contents(f);
	drop_handles(c, slot);
	if (chance(c, 20))
		verify_slot(c, other);
	return true;
}

bool op_exchange(struct ctx *c, int slot)
{
	int other = other_slot(c, slot, chance(c, 80));
	struct file *f, *o;

	if (other < 0)
		return false;
	f = slot_file(c, slot);
	o = slot_file(c, other);
	note(c, "exchange", slot, 0, f->size, (uint64_t)other);
	note(c, "exchange", other, 0, o->size, (uint64_t)slot);
	if (syscall(SYS_renameat2, AT_FDCWD, f->path, AT_FDCWD, o->path,
		    RENAME_EXCHANGE)) {
		if ((errno == EXDEV && f->dir != o->dir) ||
		    errno == EOPNOTSUPP || errno == EINVAL)
			return false;
		fail_errno(c, slot, "renameat2");
	}
	swap_contents(f, o);
	swap_handles(&c->h[slot], &c->h[other]);
	return true;
}

bool op_unlink(struct ctx *c, int slot)
{
	struct file *f = slot_file(c, slot);

	note(c, "unlink", slot, 0, f->size, 0);
	if (unlink(f->path))
		fail_errno(c, slot, "unlink");
	forget_contents(f);
	drop_handles(c, slot);
	return true;
}

/* A file that lost its name still reads and writes */
bool op_orphan(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;
	int fd;

	fd = cached_fd(c, slot);
	if (!pick_range(c, slot, 1, false, &off, &len))
		return false;
	note(c, "orphan", slot, off, len, 0);
	if (unlink(f->path))
		fail_errno(c, slot, "unlink");
	fill(c, c->buf, off, len);
	pwrite_all(c, slot, fd, c->buf, len, off);
	model_write(f, off, c->buf, len);
	if (chance(c, 30) && sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE |
					     SYNC_FILE_RANGE_WAIT_AFTER))
		fail_errno(c, slot, "sync_file_range");
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fail_errno(c, slot, "fadvise");
	for (off = 0; off < f->size; off += len) {
		len = f->size - off < opt.max_io ? f->size - off : opt.max_io;
		pread_all(c, slot, fd, c->buf, len, off);
		check(c, slot, off, len, c->buf, "read of unlinked file");
	}
	forget_contents(f);
	drop_handles(c, slot);
	return true;
}

/* Written before it has a name; replaces the slot's file */
bool op_tmpfile(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t len = 1 + below(c, 40000);
	char dir[PATH_LEN], proc[64];
	int fd;

	memcpy(dir, f->path, PATH_LEN);
	*strrchr(dir, '/') = 0;
	note(c, "tmpfile", slot, 0, len, 0);
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return false;
	if (fd < 0)
		fail_errno(c, slot, "open with O_TMPFILE");
	if (len > f->hi)
		len = f->hi;
	fill(c, c->buf, 0, len);
	pwrite_all(c, slot, fd, c->buf, len, 0);
	if (f->exists)
		op_unlink(c, slot);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, proc, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW))
		fail_errno(c, slot, "linkat");
	f->exists = true;
	model_write(f, 0, c->buf, len);
	c->h[slot].fd = fd;
	check_size(c, slot);
	return true;
}
