// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay: the steps of a files task, and what its files may hold after a crash.
 *
 * A block of a file may be what it was at the last sync of the file, or after
 * any later step; each block by itself, but never a mixture.  A size lies in
 * the range of those since then.  A name is what it was at the last sync of its
 * directory (or of the file just made under it), or after a later step.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "replay.h"

static const uint8_t zeros[BLOCK];

struct model *model_new(const struct task *t)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		die("out of memory");
	m->task = t;
	m->rng = opt.seed * 1000003 + t->index;
	m->calm = -1;
	for (int i = 0; i < NAMES; i++) {
		m->now[i] = -1;
		m->possible[i] = ABSENT;
	}
	return m;
}

static void free_versions(struct object *o, unsigned int block)
{
	struct version *v = o->version[block], *next;

	for (; v; v = next) {
		next = v->next;
		free(v);
	}
	o->version[block] = NULL;
}

static void free_object(struct object *o)
{
	for (int b = 0; b < FILE_BLOCKS; b++)
		free_versions(o, b);
	free(o);
}

static void add_version(struct object *o, unsigned int block,
			const uint8_t *data)
{
	struct version *v;

	if (!memcmp(data, zeros, BLOCK)) {
		o->zero[block] = true;
		return;
	}
	v = malloc(sizeof(*v));
	if (!v)
		die("out of memory");
	memcpy(v->data, data, BLOCK);
	v->next = o->version[block];
	o->version[block] = v;
}

/**
 * model_copy() - to try steps on that may not have reached the disk
 * @m: stays as it is
 */
struct model *model_copy(const struct model *m)
{
	struct model *c = malloc(sizeof(*c));

	if (!c)
		die("out of memory");
	*c = *m;
	for (int i = 0; i < OBJECTS; i++) {
		const struct object *from = m->objects[i];
		struct object *o;

		if (!from)
			continue;
		o = malloc(sizeof(*o));
		if (!o)
			die("out of memory");
		*o = *from;
		memset(o->version, 0, sizeof(o->version));
		for (int b = 0; b < FILE_BLOCKS; b++)
			for (const struct version *v = from->version[b]; v;
			     v = v->next)
				add_version(o, b, v->data);
		c->objects[i] = o;
	}
	return c;
}

void model_free(struct model *m)
{
	for (int i = 0; i < OBJECTS; i++)
		if (m->objects[i])
			free_object(m->objects[i]);
	free(m);
}

static unsigned int count_objects(const struct model *m)
{
	unsigned int n = 0;

	for (int i = 0; i < OBJECTS; i++)
		n += !!m->objects[i];
	return n;
}

/* Forget objects that no name can be any more. */
static void collect(struct model *m)
{
	uint32_t used = 0;

	for (int i = 0; i < NAMES; i++) {
		used |= m->possible[i];
		if (m->now[i] >= 0)
			used |= 1u << m->now[i];
	}
	for (int i = 0; i < OBJECTS; i++) {
		if (!m->objects[i] || used & (1u << i))
			continue;
		free_object(m->objects[i]);
		m->objects[i] = NULL;
	}
}

/* Where and how much: half of them whole blocks */
static void pick_range(struct model *m, struct op *op, uint32_t size)
{
	if (below(&m->rng, 2)) {
		op->len = BLOCK * (1 + below(&m->rng, 6));
		op->off = below(&m->rng, size / BLOCK + 2) * BLOCK;
	} else {
		op->len = 1 + below(&m->rng, 20000);
		op->off = below(&m->rng, size + 6000);
	}
	if (op->off >= FILE_MAX)
		op->off = 0;
	if (op->len > FILE_MAX - op->off)
		op->len = FILE_MAX - op->off;
}

/* Files are made and synced, then overwritten and synced. */
static void next_simple(struct model *m, struct op *op, unsigned int what)
{
	uint32_t size;

	op->name = m->done < NAMES ? m->done : below(&m->rng, NAMES);
	if (m->done < NAMES) {
		op->kind = OP_CREATE;
		op->len = 1 + below(&m->rng, FILE_MAX);
		return;
	}
	size = m->objects[m->now[op->name]]->size;
	op->off = below(&m->rng, size);
	op->len = 1 + below(&m->rng, size - op->off);
	if (m->done == NAMES)
		op->kind = OP_SYNCFS;
	else if (what < 60)
		op->kind = OP_WRITE;
	else
		op->kind = what < 85 ? OP_FSYNC : OP_FDATASYNC;
	op->synced = op->kind == OP_WRITE && what < 10;
}

/* Overwrite some of a file that has just been synced: a FUA write, if there are. */
static bool next_through(struct model *m, struct op *op)
{
	uint32_t blocks;

	if (m->calm < 0 || below(&m->rng, 2))
		return false;
	blocks = m->objects[m->now[m->calm]]->size / BLOCK;
	if (!blocks)
		return false;
	op->kind = OP_DIRECT;
	op->synced = true;
	op->name = m->calm;
	op->off = below(&m->rng, blocks) * BLOCK;
	op->len = BLOCK * (1 + below(&m->rng, blocks - op->off / BLOCK));
	return true;
}

static bool any(const bool *of, uint32_t from, uint32_t to)
{
	for (uint32_t b = from / BLOCK; b * BLOCK < to && b < FILE_BLOCKS; b++)
		if (of[b])
			return true;
	return false;
}

/*
 * dm-log-writes can't tell which was first of a FUA write and another write of
 * the same sectors, if no flush was between them.  So there is one.
 */
static void keep_apart(const struct object *o, struct op *op)
{
	uint32_t from = op->off, to = op->off + op->len;

	switch (op->kind) {
	case OP_TRUNCATE:
		from = from < o->size ? from : o->size;
		to = FILE_MAX;
		break;
	case OP_WRITE:
	case OP_PUNCH:
	case OP_ZERO:
		break;
	case OP_DIRECT:
		/* This may be either, it depends on what else is written. */
		if (op->synced && any(o->unflushed, from, to))
			op->kind = OP_FDATASYNC;
		break;
	default:
		return;
	}
	if (op->kind != OP_FDATASYNC && !any(o->through, from, to))
		return;
	op->kind = OP_FDATASYNC;
	op->synced = false;
}

/**
 * model_next() - the next step
 * @m: its random numbers advance
 * @op: receives it
 */
void model_next(struct model *m, struct op *op)
{
	unsigned int what = below(&m->rng, 100);
	uint32_t size;

	memset(op, 0, sizeof(*op));
	op->n = m->done + 1;
	if (opt.simple) {
		next_simple(m, op, what);
		return;
	}
	if (opt.direct_sync && next_through(m, op))
		return;
	op->name = below(&m->rng, NAMES);
	if (count_objects(m) > OBJECTS - 2) {
		op->kind = OP_DIRSYNC;
		return;
	}
	if (m->now[op->name] < 0) {
		op->kind = OP_CREATE;
		op->len = 1 + below(&m->rng, 24000);
		return;
	}
	size = m->objects[m->now[op->name]]->size;
	pick_range(m, op, size);
	if (what < 28) {
		op->kind = OP_WRITE;
		if (what < 5)
			op->off = size + op->len <= FILE_MAX ? size : 0;
	} else if (what < 34) {
		op->kind = OP_WRITE;
		op->synced = true;
	} else if (what < 44) {
		op->kind = OP_DIRECT;
		op->synced = opt.direct_sync && what < 39;
		op->off &= ~(BLOCK - 1u);
		op->len = (op->len + BLOCK - 1) & ~(BLOCK - 1u);
		if (op->off + op->len > FILE_MAX)
			op->len = FILE_MAX - op->off;
	} else if (what < 49) {
		op->kind = OP_TRUNCATE;
	} else if (what < 54) {
		op->kind = what < 52 ? OP_PUNCH : OP_ZERO;
		op->off = below(&m->rng, size + 1);
	} else if (what < 76) {
		op->kind = OP_FSYNC;
	} else if (what < 86) {
		op->kind = OP_FDATASYNC;
	} else if (what < 91) {
		op->kind = OP_DIRSYNC;
	} else if (what < 92) {
		op->kind = OP_SYNCFS;
	} else if (what < 97) {
		op->kind = OP_RENAME;
		op->to = (op->name + 1 + below(&m->rng, NAMES - 1)) % NAMES;
	} else {
		op->kind = OP_UNLINK;
	}
	if (opt.direct_sync)
		keep_apart(m->objects[m->now[op->name]], op);
}

/**
 * op_syncs() - something is durable when it returns
 * @op: step
 */
bool op_syncs(const struct op *op)
{
	return op->synced || (op->kind >= OP_FSYNC && op->kind <= OP_SYNCFS);
}

/**
 * op_data() - what a step writes
 * @m: model
 * @op: step
 * @buf: of op->len bytes
 */
void op_data(const struct model *m, const struct op *op, uint8_t *buf)
{
	uint64_t state = opt.seed ^ (uint64_t)m->task->index << 56 ^
			 (uint64_t)op->n << 24;
	uint64_t word;
	uint32_t done, n;

	for (done = 0; done < op->len; done += n) {
		word = rnd(&state);
		n = op->len - done < 8 ? op->len - done : 8;
		memcpy(buf + done, &word, n);
	}
}

/* All blocks from byte @from to @to may now also be what they are now. */
static void touch(struct object *o, uint32_t from, uint32_t to)
{
	for (uint32_t b = from / BLOCK; b * BLOCK < to && b < FILE_BLOCKS; b++) {
		add_version(o, b, o->data + b * BLOCK);
		o->unflushed[b] = true;
	}
}

static void set_size(struct object *o, uint32_t size)
{
	o->size = size;
	if (size < o->min_size)
		o->min_size = size;
	if (size > o->max_size)
		o->max_size = size;
}

/* The blocks from byte @from to @to are durable as they are. */
static void settle(struct object *o, uint32_t from, uint32_t to)
{
	for (uint32_t b = from / BLOCK; b * BLOCK < to && b < FILE_BLOCKS;
	     b++) {
		free_versions(o, b);
		o->zero[b] = false;
		add_version(o, b, o->data + b * BLOCK);
	}
}

static void settle_object(struct object *o)
{
	settle(o, 0, FILE_MAX);
	memset(o->unflushed, false, sizeof(o->unflushed));
	memset(o->through, false, sizeof(o->through));
	o->min_size = o->size;
	o->max_size = o->size;
}

static int new_object(struct model *m)
{
	for (int i = 0; i < OBJECTS; i++) {
		if (m->objects[i])
			continue;
		m->objects[i] = calloc(1, sizeof(struct object));
		if (!m->objects[i])
			die("out of memory");
		memset(m->objects[i]->zero, true, FILE_BLOCKS);
		return i;
	}
	die("too many files in the model");
}

static uint32_t bit_of(const struct model *m, unsigned int name)
{
	return m->now[name] < 0 ? ABSENT : 1u << m->now[name];
}

static void write_object(struct model *m, const struct op *op)
{
	struct object *o = m->objects[m->now[op->name]];

	op_data(m, op, o->data + op->off);
	if (op->off + op->len > o->size)
		set_size(o, op->off + op->len);
	touch(o, op->off, op->off + op->len);
}

static void zero_object(struct object *o, uint32_t off, uint32_t len)
{
	if (off >= o->size)
		return;
	if (len > o->size - off)
		len = o->size - off;
	memset(o->data + off, 0, len);
	touch(o, off, off + len);
}

static void truncate_object(struct object *o, uint32_t size)
{
	uint32_t old = o->size;

	if (size < old)
		memset(o->data + size, 0, old - size);
	set_size(o, size);
	if (size < old)
		touch(o, size, old);
}

/* A synced write went through to the disk, or a flush followed it. */
static void set_flags(struct object *o, const struct op *op)
{
	for (uint32_t b = op->off / BLOCK; b * BLOCK < op->off + op->len; b++) {
		o->unflushed[b] = false;
		o->through[b] = op->kind == OP_DIRECT;
	}
}

/* A sync of step @op returned. */
static void acknowledge(struct model *m, const struct op *op)
{
	struct object *o = m->now[op->name] < 0 ? NULL :
			   m->objects[m->now[op->name]];

	switch (op->kind) {
	case OP_SYNCFS:
		for (int i = 0; i < OBJECTS; i++)
			if (m->objects[i])
				settle_object(m->objects[i]);
		fallthrough;
	case OP_DIRSYNC:
		for (int i = 0; i < NAMES; i++)
			m->possible[i] = bit_of(m, i);
		break;
	case OP_FSYNC:
	case OP_FDATASYNC:
		settle_object(o);
		break;
	default:
		settle(o, op->off, op->off + op->len);
		set_flags(o, op);
		if (op->off + op->len > o->min_size)
			o->min_size = op->off + op->len;
		break;
	}
	/* A new file's name comes with it. */
	if (o && !o->moved && op->kind != OP_DIRSYNC)
		m->possible[op->name] = bit_of(m, op->name);
	collect(m);
}

/**
 * model_apply() - do a step on the model
 * @m: model
 * @op: from model_next()
 * @acknowledged: if it syncs, that was done and is known
 */
void model_apply(struct model *m, const struct op *op, bool acknowledged)
{
	struct object *o = m->now[op->name] < 0 ? NULL :
			   m->objects[m->now[op->name]];

	m->done = op->n;
	m->calm = op->kind == OP_FSYNC || op->kind == OP_FDATASYNC ||
		  (op->kind == OP_DIRECT && op->synced) ? (int)op->name : -1;
	switch (op->kind) {
	case OP_CREATE:
		m->now[op->name] = new_object(m);
		m->possible[op->name] |= bit_of(m, op->name);
		fallthrough;
	case OP_WRITE:
	case OP_DIRECT:
		write_object(m, op);
		break;
	case OP_TRUNCATE:
		truncate_object(o, op->off);
		break;
	case OP_PUNCH:
	case OP_ZERO:
		zero_object(o, op->off, op->len);
		break;
	case OP_RENAME:
		o->moved = true;
		m->now[op->to] = m->now[op->name];
		m->possible[op->to] |= bit_of(m, op->to);
		m->now[op->name] = -1;
		m->possible[op->name] |= ABSENT;
		break;
	case OP_UNLINK:
		m->now[op->name] = -1;
		m->possible[op->name] |= ABSENT;
		break;
	default:
		break;
	}
	if (acknowledged && op_syncs(op))
		acknowledge(m, op);
}

/* Where a file's block is on the file system's device, in bytes; 0: nowhere */
static uint64_t place_of(int fd, uint32_t block)
{
	union {
		struct fiemap map;
		char space[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} u;
	const struct fiemap_extent *e = u.map.fm_extents;

	memset(&u, 0, sizeof(u));
	u.map.fm_start = (uint64_t)block * BLOCK;
	u.map.fm_length = BLOCK;
	u.map.fm_extent_count = 1;
	if (ioctl(fd, FS_IOC_FIEMAP, &u.map) || !u.map.fm_mapped_extents)
		return 0;
	return e->fe_physical + u.map.fm_start - e->fe_logical;
}

/* Whether an object may look like this; else @why says what is wrong. */
static bool object_fits(const struct object *o, int fd, const uint8_t *data,
			uint32_t size, char *why, size_t n)
{
	if (size < o->min_size || size > o->max_size) {
		snprintf(why, n, "has %u bytes, should have %u to %u", size,
			 o->min_size, o->max_size);
		return false;
	}
	for (uint32_t b = 0; b * BLOCK < size; b++) {
		uint32_t len = size - b * BLOCK < BLOCK ? size - b * BLOCK :
			       BLOCK;
		const uint8_t *got = data + b * BLOCK;
		unsigned int versions = o->zero[b];
		const struct version *v;

		if (o->zero[b] && !memcmp(got, zeros, len))
			continue;
		for (v = o->version[b]; v; v = v->next) {
			if (!memcmp(got, v->data, len))
				break;
			versions++;
		}
		if (v)
			continue;
		snprintf(why, n,
			 "block %u of %u bytes, on the disk at sector %llu, is%s none of %u contents it can have",
			 b, size, (unsigned long long)
			 dm_lower_sector(place_of(fd, b)), memcmp(got, zeros, len) ? "" :
			 " zero, which is", versions);
		return false;
	}
	return true;
}

static const char *verify_name(const struct model *m, unsigned int name,
			       const char *path, char *why, size_t n)
{
	static uint8_t data[FILE_MAX + 1];
	uint32_t possible = m->possible[name];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool fits = false;
	ssize_t got;

	if (fd < 0) {
		if (errno == ENOENT && possible & ABSENT)
			return NULL;
		snprintf(why, n, "%s: %s", path, strerror(errno));
		return why;
	}
	got = pread(fd, data, sizeof(data), 0);
	if (got < 0) {
		snprintf(why, n, "read of %s: %s", path, strerror(errno));
		close(fd);
		return why;
	}
	snprintf(why, n, "%s exists", path);
	for (int i = 0; i < OBJECTS && !fits; i++) {
		char what[300] = "";

		if (!(possible & (1u << i)))
			continue;
		fits = object_fits(m->objects[i], fd, data, got, what,
				   sizeof(what));
		snprintf(why, n, "%s: %s", path, what);
	}
	close(fd);
	return fits ? NULL : why;
}

/* Nothing is there that was never made. */
static const char *verify_list(const char *path, char *why, size_t n)
{
	DIR *dir = opendir(path);
	const struct dirent *d;

	if (!dir) {
		snprintf(why, n, "%s: %s", path, strerror(errno));
		return why;
	}
	while ((d = readdir(dir))) {
		if (*d->d_name == '.')
			continue;
		if (d->d_name[0] != 'f' || d->d_name[1] < '0' ||
		    d->d_name[1] >= '0' + NAMES || d->d_name[2]) {
			snprintf(why, n, "%s has an entry %s", path,
				 d->d_name);
			closedir(dir);
			return why;
		}
	}
	closedir(dir);
	return NULL;
}

/**
 * model_verify() - compare a directory with what it may hold
 * @m: model
 * @mnt: where it is mounted
 * @why: buffer for a message
 * @size: of it
 *
 * Return: NULL, or a message.
 */
const char *model_verify(struct model *m, const char *mnt, char *why,
			 size_t size)
{
	char path[256];
	const char *bad;

	snprintf(path, sizeof(path), "%s/%s", mnt, m->task->path);
	bad = verify_list(path, why, size);
	for (unsigned int i = 0; !bad && i < NAMES; i++) {
		snprintf(path, sizeof(path), "%s/%s/f%u", mnt, m->task->path,
			 i);
		bad = verify_name(m, i, path, why, size);
	}
	return bad;
}
