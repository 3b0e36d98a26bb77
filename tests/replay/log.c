// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay: the log that dm-log-writes leaves.
 *
 * In units of the logged device's sectors: a header, then for each entry a
 * sector that describes it and the data it wrote (none for a discard or a
 * mark, whose text is in the first sector).  A write stands before the first
 * flush that was sent after it was complete, a FUA write where it completed,
 * a mark where it was made.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay.h"

#define LOG_MAGIC	0x6a736677736872ull
#define LOG_VERSION	1

struct disk_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct disk_entry {
	uint64_t sector, sectors, flags, data_len;
};

/*
 * A FUA write is logged when it is complete, another write of the same sectors
 * before the next flush: which was first can't be told.
 */
static void refuse_ambiguous(const struct log *log, const char *dev)
{
	const struct entry *fua = log->entries, *e;
	const struct entry *end = fua + log->count;

	for (; fua < end; fua++) {
		if (!(fua->flags & LOG_FUA))
			continue;
		for (e = fua + 1; e < end && !(e->flags & LOG_FLUSH); e++)
			if (!(e->flags & (LOG_FUA | LOG_MARK)) &&
			    e->sector < fua->sector + fua->sectors &&
			    fua->sector < e->sector + e->sectors)
				die("%s: entries %td and %td overlap; which was first?",
				    dev, fua - log->entries, e - log->entries);
	}
}

/**
 * log_read() - map a log into memory and list its entries
 * @log: to fill in
 * @dev: device
 */
void log_read(struct log *log, const char *dev)
{
	const struct disk_super *super;
	const uint8_t *map;
	uint64_t size, at;
	int fd = open(dev, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		die("%s: %s", dev, strerror(errno));
	/* What was logged went past this device's page cache. */
	ioctl(fd, BLKFLSBUF, 0);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("%s: mmap: %s", dev, strerror(errno));
	close(fd);
	super = (const struct disk_super *)map;
	if (le64toh(super->magic) != LOG_MAGIC ||
	    le64toh(super->version) != LOG_VERSION)
		die("%s: no log of dm-log-writes", dev);
	log->sector_size = le32toh(super->sector_size);
	log->count = le64toh(super->entries);
	log->entries = calloc(log->count, sizeof(*log->entries));
	if (!log->entries || log->sector_size < 512)
		die("%s: log of %zu entries", dev, log->count);
	at = log->sector_size;
	for (size_t i = 0; i < log->count; i++) {
		const struct disk_entry *d;
		struct entry *e = &log->entries[i];

		if (at + log->sector_size > size)
			die("%s: entry %zu is beyond its end", dev, i);
		d = (const struct disk_entry *)(map + at);
		e->sector = le64toh(d->sector);
		e->sectors = le64toh(d->sectors);
		e->flags = le64toh(d->flags);
		at += log->sector_size;
		e->data = map + at;
		if (e->flags & LOG_MARK) {
			e->data = (const uint8_t *)(d + 1);
			e->text_len = le64toh(d->data_len);
			if (e->text_len > log->sector_size - sizeof(*d))
				die("%s: entry %zu: a mark of %u bytes", dev,
				    i, e->text_len);
		} else if (!(e->flags & LOG_DISCARD)) {
			if (e->sectors > (size - at) / log->sector_size)
				die("%s: entry %zu is beyond its end", dev, i);
			at += e->sectors * log->sector_size;
		}
	}
	refuse_ambiguous(log, dev);
}

static void put(int fd, const void *data, uint64_t bytes, uint64_t offset)
{
	ssize_t n = pwrite(fd, data, bytes, offset);

	if (n < 0 || (uint64_t)n != bytes)
		die("replaying: write: %s", n < 0 ? strerror(errno) : "short");
}

/* What was discarded may read as anything. */
static void put_garbage(int fd, uint64_t bytes, uint64_t offset)
{
	static uint8_t *garbage;
	const uint64_t step = 1 << 20;

	if (!garbage) {
		garbage = mmap(NULL, step, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (garbage == MAP_FAILED)
			die("out of memory");
		memset(garbage, 0xdb, step);
	}
	for (; bytes; bytes -= bytes < step ? bytes : step, offset += step)
		put(fd, garbage, bytes < step ? bytes : step, offset);
}

/**
 * entry_apply_part() - do some of what an entry says
 * @log: it is from
 * @e: entry
 * @fd: device to write to, opened with O_DIRECT
 * @from: byte of the entry
 * @bytes: from there
 */
void entry_apply_part(const struct log *log, const struct entry *e, int fd,
		      uint64_t from, uint64_t bytes)
{
	uint64_t offset = e->sector * log->sector_size + from;

	if (!bytes || e->flags & LOG_MARK)
		return;
	if (e->flags & LOG_DISCARD)
		put_garbage(fd, bytes, offset);
	else
		put(fd, e->data + from, bytes, offset);
}

/**
 * entry_apply() - do what an entry says
 * @log: it is from
 * @e: entry
 * @fd: device to write to, opened with O_DIRECT
 */
void entry_apply(const struct log *log, const struct entry *e, int fd)
{
	entry_apply_part(log, e, fd, 0, e->sectors * log->sector_size);
}
