// SPDX-License-Identifier: GPL-2.0-only
/*
 * exerciser: reads and writes by system call: plain, vectored, direct,
 * asynchronous; fsync and throwing pages away.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "exerciser.h"

#define MAX_IOV		8
#define MAX_AIO		16
#define AIO_TIMEOUT	120	/* seconds */

bool op_write(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;

	if (f->direct_only || !pick_range(c, slot, 1, false, &off, &len))
		return false;
	note(c, "write", slot, off, len, 0);
	fill(c, c->buf, off, len);
	pwrite_all(c, slot, cached_fd(c, slot), c->buf, len, off);
	model_write(f, off, c->buf, len);
	return true;
}

bool op_append(struct ctx *c, int slot)
{
	struct file *f = slot_file(c, slot);
	uint64_t off = f->size;
	uint64_t len = 1 + below(c, chance(c, 80) ? 3000 : 40000);

	if (off >= f->hi)
		return false;
	if (len > f->hi - off)
		len = f->hi - off;
	note(c, "append", slot, off, len, 0);
	fill(c, c->buf, off, len);
	pwrite_all(c, slot, cached_fd(c, slot), c->buf, len, off);
	model_write(f, off, c->buf, len);
	check_size(c, slot);
	return true;
}

bool op_pwritev(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	struct iovec iov[MAX_IOV];
	uint64_t off, len, at = 0;
	bool sync = chance(c, 3);
	ssize_t n;
	int count = 0;

	if (f->direct_only || !pick_range(c, slot, 1, false, &off, &len))
		return false;
	note(c, "pwritev", slot, off, len, sync);
	fill(c, c->buf, off, len);
	while (at < len) {
		uint64_t part = count == MAX_IOV - 1 ? len - at :
				1 + below(c, len - at);

		iov[count].iov_base = c->buf + at;
		iov[count].iov_len = part;
		count++;
		at += part;
	}
	n = pwritev2(cached_fd(c, slot), iov, count, (off_t)off,
		     sync ? RWF_DSYNC : 0);
	if (n < 0)
		fail_errno(c, slot, "pwritev");
	if ((uint64_t)n != len)
		fail(c, slot, "pwritev wrote %zd of %" PRIu64, n, len);
	model_write(f, off, c->buf, len);
	return true;
}

bool op_read(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	uint64_t off, len;

	if (f->direct_only || !pick_range(c, slot, 1, true, &off, &len))
		return false;
	note(c, "read", slot, off, len, 0);
	pread_all(c, slot, cached_fd(c, slot), c->buf, len, off);
	check(c, slot, off, len, c->buf, "read");
	return true;
}

bool op_verify(struct ctx *c, int slot)
{
	note(c, "verify", slot, 0, 0, 0);
	verify_slot(c, slot);
	return true;
}

static uint8_t *direct_buffer(struct ctx *c, int slot)
{
	unsigned int a = c->h[slot].mem_align;

	return chance(c, 50) ? c->buf : c->buf + a * below(c, 8);
}

bool op_direct_write(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	int fd = direct_fd(c, slot);
	uint64_t off, len;
	uint8_t *buf;

	if (fd < 0 ||
	    !pick_range(c, slot, c->h[slot].align, false, &off, &len))
		return false;
	note(c, "direct-write", slot, off, len, c->h[slot].align);
	unmap_before_growth(c, slot, off + len);
	buf = direct_buffer(c, slot);
	fill(c, buf, off, len);
	pwrite_all(c, slot, fd, buf, len, off);
	model_write(f, off, buf, len);
	return true;
}

bool op_direct_read(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	int fd = direct_fd(c, slot);
	uint64_t off, len, want;
	uint8_t *buf;
	ssize_t n;

	/* also beyond the end, hence not "inside" */
	if (fd < 0 ||
	    !pick_range(c, slot, c->h[slot].align, false, &off, &len))
		return false;
	note(c, "direct-read", slot, off, len, c->h[slot].align);
	want = off >= f->size ? 0 : f->size - off < len ? f->size - off : len;
	buf = direct_buffer(c, slot);
	n = pread(fd, buf, len, (off_t)off);
	if (n < 0)
		fail_errno(c, slot, "direct pread");
	if ((uint64_t)n != want)
		fail(c, slot, "direct pread of %" PRIu64 " at %" PRIu64
		     " gave %zd, should be %" PRIu64, len, off, n, want);
	check(c, slot, off, want, buf, "direct read");
	return true;
}

static bool overlaps(const struct iocb *iocbs, int count, uint64_t off,
		     uint64_t len)
{
	for (int i = 0; i < count; i++) {
		uint64_t o = (uint64_t)iocbs[i].aio_offset;

		if (off < o + iocbs[i].aio_nbytes && o < off + len)
			return true;
	}
	return false;
}

static void aio_run(struct ctx *c, int slot, struct iocb **list, int count)
{
	struct timespec timeout = { .tv_sec = AIO_TIMEOUT };
	struct io_event events[MAX_AIO];
	int done = 0;
	long n;

	n = syscall(SYS_io_submit, c->aio, (long)count, list);
	if (n < 0)
		fail_errno(c, slot, "io_submit");
	if (n != count)
		fail(c, slot, "io_submit took %ld of %d", n, count);
	while (done < count) {
		n = syscall(SYS_io_getevents, c->aio, 1L, (long)(count - done),
			    events, &timeout);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail_errno(c, slot, "io_getevents");
		if (!n)
			fail(c, slot, "AIO not done after %d s", AIO_TIMEOUT);
		for (long i = 0; i < n; i++) {
			struct iocb *cb = (struct iocb *)(uintptr_t)
					  events[i].obj;

			if (events[i].res == (int64_t)cb->aio_nbytes)
				continue;
			fail(c, slot, "AIO %s of %" PRIu64 " at %" PRIu64
			     " gave %" PRId64, cb->aio_lio_opcode ==
			     IOCB_CMD_PWRITE ? "write" : "read",
			     (uint64_t)cb->aio_nbytes,
			     (uint64_t)cb->aio_offset, (int64_t)events[i].res);
		}
		done += (int)n;
	}
}

/* Several direct reads and writes of disjoint ranges, all under way at once */
bool op_aio(struct ctx *c, int slot)
{
	struct file *f = &c->p->slots[slot];
	struct iocb iocbs[MAX_AIO], *list[MAX_AIO];
	int fd = direct_fd(c, slot);
	int want = 1 + (int)below(c, MAX_AIO);
	uint64_t size = f->size, used = 0;
	int count = 0;

	if (fd < 0)
		return false;
	if (!c->aio && syscall(SYS_io_setup, MAX_AIO, &c->aio))
		fail_errno(c, slot, "io_setup");
	memset(iocbs, 0, sizeof(iocbs));
	for (int i = 0; i < want; i++) {
		bool write = chance(c, 60);
		uint64_t off, len;
		struct iocb *cb = &iocbs[count];

		if (!pick_range(c, slot, c->h[slot].align, !write, &off, &len))
			continue;
		if (used + len > opt.max_io)
			continue;
		/* at most the first writes past the end: the end is certain */
		if (off + len > size && (!write || count))
			continue;
		if (overlaps(iocbs, count, off, len))
			continue;
		cb->aio_fildes = (uint32_t)fd;
		cb->aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		cb->aio_buf = (uintptr_t)(c->buf + used);
		cb->aio_offset = (int64_t)off;
		cb->aio_nbytes = len;
		unmap_before_growth(c, slot, off + len);
		if (write)
			fill(c, c->buf + used, off, len);
		note(c, write ? "aio-write" : "aio-read", slot, off, len, 0);
		list[count++] = cb;
		used += (len + 4095) / 4096 * 4096;
	}
	if (!count)
		return false;
	aio_run(c, slot, list, count);
	for (int i = 0; i < count; i++) {
		struct iocb *cb = &iocbs[i];
		uint8_t *buf = (uint8_t *)(uintptr_t)cb->aio_buf;

		if (cb->aio_lio_opcode == IOCB_CMD_PWRITE)
			model_write(f, (uint64_t)cb->aio_offset, buf,
				    cb->aio_nbytes);
		else
			check(c, slot, (uint64_t)cb->aio_offset,
			      cb->aio_nbytes, buf, "AIO read");
	}
	return true;
}

bool op_fsync(struct ctx *c, int slot)
{
	uint64_t kind = below(c, 10);
	int fd = cached_fd(c, slot);
	int ret;

	note(c, "fsync", slot, 0, 0, kind);
	if (kind < 4)
		ret = fdatasync(fd);
	else if (kind < 8)
		ret = fsync(fd);
	else if (kind < 9)
		ret = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE |
				      SYNC_FILE_RANGE_WAIT_AFTER);
	else
		ret = syncfs(fd);
	if (ret)
		fail_errno(c, slot, "fsync");
	return true;
}

/* Write the file's pages back, throw them away, read from the device */
bool op_evict(struct ctx *c, int slot)
{
	int fd = cached_fd(c, slot);

	note(c, "evict", slot, 0, 0, 0);
	/* waits for writeback, but needs no flush of the device */
	if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
			    SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER))
		fail_errno(c, slot, "sync_file_range");
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		fail_errno(c, slot, "fadvise");
	if (chance(c, 50)) {
		verify_slot(c, slot);
		return true;
	}
	/* leave the file cold for what comes next */
	if (chance(c, 50))
		drop_handles(c, slot);
	return true;
}

bool op_drop(struct ctx *c, int slot)
{
	int what = 1 + (int)below(c, 3);

	note(c, "drop-caches", slot, 0, 0, (uint64_t)what);
	drop_caches(what);
	return true;
}

bool op_close(struct ctx *c, int slot)
{
	note(c, "close", slot, 0, 0, 0);
	drop_handles(c, slot);
	return true;
}
