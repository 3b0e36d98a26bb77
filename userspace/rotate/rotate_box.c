// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: the directory that a copy is made in, and what is noted
 * there so that an interrupted run can be taken up.
 *
 * A box is believed only if it belongs to who runs this and nobody else may look
 * into it: anybody can make a directory of that name.
 *
 * A record is written when what it tells of is on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "rotate/rotate.h"

#define STATE_SIZE	(4 * ROT_PATH_SIZE)
#define BOX_TRIES	100

/* Records */

static u32 record_check(const struct rot_rec *rec)
{
	const u8 *p = (const u8 *)rec;
	u32 sum = 2166136261u;

	for (size_t i = 0; i < offsetof(struct rot_rec, check); i++)
		sum = (sum ^ p[i]) * 16777619u;
	return sum;
}

static struct rot_rec *slot_of(struct rot_rec *slots, size_t size, u64 ino)
{
	size_t i = (ino * 0x9e3779b97f4a7c15ull) >> 20 & (size - 1);

	while (slots[i].src_ino && slots[i].src_ino != ino)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

/**
 * rot_rec_find() - was this one copied?
 * @recs: records
 * @src_ino: of the source
 *
 * Return: its record, good until the next rot_rec_put(), or NULL.
 */
const struct rot_rec *rot_rec_find(const struct rot_recs *recs, u64 src_ino)
{
	const struct rot_rec *slot;

	if (!recs->size)
		return NULL;
	slot = slot_of(recs->slots, recs->size, src_ino);
	return slot->src_ino ? slot : NULL;
}

static int insert(struct rot_recs *recs, const struct rot_rec *rec)
{
	struct rot_rec *slot;

	if (4 * (recs->used + 1) > 3 * recs->size) {
		size_t size = recs->size ? 2 * recs->size : 1024;
		struct rot_rec *slots = calloc(size, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		for (size_t i = 0; i < recs->size; i++)
			if (recs->slots[i].src_ino)
				*slot_of(slots, size, recs->slots[i].src_ino) =
					recs->slots[i];
		free(recs->slots);
		recs->slots = slots;
		recs->size = size;
	}
	slot = slot_of(recs->slots, recs->size, rec->src_ino);
	recs->used += !slot->src_ino;
	*slot = *rec;
	return 0;
}

/**
 * rot_rec_put() - note that something was copied
 * @recs: records
 * @rec: the record, without @check; replaces an older one
 *
 * Return: 0 or -ENOMEM.
 */
int rot_rec_put(struct rot_recs *recs, const struct rot_rec *rec)
{
	struct rot_rec new = *rec;

	if (recs->queued == recs->queue_size) {
		size_t room = recs->queue_size ? 2 * recs->queue_size : 1024;
		u64 *queue = reallocarray(recs->queue, room, sizeof(*queue));

		if (!queue)
			return -ENOMEM;
		recs->queue = queue;
		recs->queue_size = room;
	}
	new.reserved = 0;
	new.check = record_check(&new);
	if (insert(recs, &new))
		return -ENOMEM;
	recs->queue[recs->queued++] = rec->src_ino;
	return 0;
}

/**
 * rot_recs_commit() - what was copied is on the disk, and then the notes of it
 * @r: the run
 * @b: box
 *
 * Return: 0 or an exit code.
 */
int rot_recs_commit(struct rot *r, struct rot_box *b)
{
	struct rot_recs *recs = &b->recs;

	if (syncfs(b->fd))
		return rot_fail(r, errno, "can't write the copy back");
	for (size_t i = 0; i < recs->queued; i++) {
		const struct rot_rec *rec = rot_rec_find(recs, recs->queue[i]);

		if (write(b->copied, rec, sizeof(*rec)) != sizeof(*rec))
			return rot_fail(r, errno, "can't note what is copied");
	}
	if (recs->queued && fdatasync(b->copied))
		return rot_fail(r, errno, "can't note what is copied");
	recs->queued = 0;
	return 0;
}

/* Cut off what a power cut has left half written. */
static int read_records(struct rot_box *b)
{
	struct rot_rec rec;
	off_t good = 0;

	b->copied = openat(b->notes, "copied", O_RDWR | O_CREAT | O_NOFOLLOW |
			   O_CLOEXEC, 0600);
	if (b->copied < 0)
		return -errno;
	while (read(b->copied, &rec, sizeof(rec)) == sizeof(rec) &&
	       rec.src_ino && rec.check == record_check(&rec)) {
		if (insert(&b->recs, &rec))
			return -ENOMEM;
		good += sizeof(rec);
	}
	if (ftruncate(b->copied, good) || lseek(b->copied, good, SEEK_SET) < 0)
		return -errno;
	return 0;
}

/* The state */

static void hex_string(const char *s, char *out)
{
	hex((const u8 *)s, strlen(s), out);
}

static int write_state(struct rot *r, struct rot_box *b)
{
	char old[KEY_ID_STR_SIZE], new[KEY_ID_STR_SIZE];
	char rel[2 * ROT_PATH_SIZE], target[2 * NAME_MAX + 1];
	char *shown = shown_text(r->path.s);
	int fd, ret = 0;

	if (!shown)
		return -ENOMEM;

	hex(r->old, sizeof(r->old), old);
	hex(r->new, sizeof(r->new), new);
	hex_string(b->rel, rel);
	hex_string(b->target, target);
	fd = openat(b->notes, "state.tmp", O_WRONLY | O_CREAT | O_TRUNC |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		free(shown);
		return -errno;
	}
	if (dprintf(fd, "# %s is being put under another key here; go on with:\n"
		    "# inocrypt key rotate %s %s\n"
		    "inocrypt-rotate 1\nold %s\nnew %s\nkind %s\nroot %llu\nrel .%s\ntarget .%s\nend\n",
		    b->loose ? "what is in the directory" : shown, old, new,
		    old, new, b->loose ? "files" : "tree",
		    (unsigned long long)b->root, rel, target) < 0 ||
	    fsync(fd) ||
	    renameat(b->notes, "state.tmp", b->notes, "state"))
		ret = -errno;
	free(shown);
	close(fd);
	if (!ret && (fsync(b->notes) || fsync(b->fd) || fsync(b->host)))
		ret = -errno;
	return ret;
}

static bool unhex_string(const char *s, char *out, size_t size)
{
	size_t n = strlen(s) / 2;

	if (*s++ != '.' || strlen(s) != 2 * n || n >= size ||
	    !parse_hex(s, (u8 *)out, n))
		return false;
	out[n] = 0;
	return strlen(out) == n;
}

/* Return: a bit for each field, 0 if it isn't one. */
static int parse_field(struct rot_box *b, const char *name, const char *value,
		       u8 *old, u8 *new)
{
	if (!strcmp(name, "inocrypt-rotate"))
		return !strcmp(value, "1") ? 1 : 0;
	if (!strcmp(name, "old"))
		return parse_hex(value, old, IC_KEY_ID_SIZE) ? 2 : 0;
	if (!strcmp(name, "new"))
		return parse_hex(value, new, IC_KEY_ID_SIZE) ? 4 : 0;
	if (!strcmp(name, "kind")) {
		b->loose = !strcmp(value, "files");
		return b->loose || !strcmp(value, "tree") ? 8 : 0;
	}
	if (!strcmp(name, "root"))
		return parse_u64(value, &b->root) ? 16 : 0;
	if (!strcmp(name, "rel"))
		return unhex_string(value, b->rel, sizeof(b->rel)) ? 32 : 0;
	if (!strcmp(name, "target"))
		return unhex_string(value, b->target, sizeof(b->target)) ? 64 :
									   0;
	return 0;
}

/* Return: 0, -EBUSY for a rotation between other keys, -EINVAL. */
static int parse_state(const struct rot *r, struct rot_box *b, char *text)
{
	u8 old[IC_KEY_ID_SIZE] = { 0 }, new[IC_KEY_ID_SIZE] = { 0 };
	char *save, *line;
	int have = 0, field;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (!strcmp(line, "end"))
			break;
		if (*line == '#')
			continue;
		if (!value)
			return -EINVAL;
		*value++ = 0;
		field = parse_field(b, line, value, old, new);
		if (!field)
			return -EINVAL;
		have |= field;
	}
	if (!line || have != 127)
		return -EINVAL;
	return memcmp(old, r->old, sizeof(old)) ||
	       memcmp(new, r->new, sizeof(new)) ? -EBUSY : 0;
}

static int read_state(const struct rot *r, struct rot_box *b)
{
	char *text = calloc(1, STATE_SIZE);
	ssize_t n;
	int fd, ret;

	if (!text)
		return -ENOMEM;
	if (b->notes < 0)
		b->notes = rot_open_dir(b->fd, "notes");
	fd = b->notes < 0 ? -1 :
	     openat(b->notes, "state", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		free(text);
		return ret;
	}
	n = read(fd, text, STATE_SIZE - 1);
	ret = n < 0 ? -errno : parse_state(r, b, text);
	close(fd);
	free(text);
	return ret;
}

/* Boxes */

static bool is_mine(const struct rot *r, int fd)
{
	enum rot_policy policy;
	struct stat st;

	return !fstat(fd, &st) && S_ISDIR(st.st_mode) && st.st_uid == r->uid &&
	       !(st.st_mode & 077) && !rot_policy_get(r, fd, &policy) &&
	       policy == ROT_NONE;
}

/**
 * rot_box_read() - is this a box of ours?  Then open it
 * @r: the run
 * @b: receives it; for rot_box_close()
 * @host: directory
 * @name: in it, beginning with ROT_PREFIX
 *
 * Return: 0; -ENOENT if it isn't (or was an empty one, and is gone now); -EBUSY
 * if it is of a rotation between other keys; -EAGAIN if somebody is at work with
 * it; or another negative errno.
 */
int rot_box_read(struct rot *r, struct rot_box *b, int host, const char *name)
{
	int ret;

	memset(b, 0, sizeof(*b));
	b->copied = -1;
	b->notes = -1;
	b->host = host;
	b->fd = strlen(name) < sizeof(b->name) ? rot_open_dir(host, name) :
						 -ENOENT;
	if (b->fd < 0)
		return -ENOENT;
	strcpy(b->name, name);
	if (!is_mine(r, b->fd)) {
		ret = -ENOENT;
	} else {
		ret = read_state(r, b);
		if (flock(b->fd, LOCK_EX | LOCK_NB))
			ret = errno == EWOULDBLOCK ? -EAGAIN : -errno;
		else if (ret == -ENOENT)
			ret = read_state(r, b);
		if (ret == -ENOENT && !r->dry_run) {
			/*
			 * A run was stopped while it made, or dissolved, this
			 * box.
			 */
			rot_remove(b->fd, "notes", 0);
			unlinkat(host, name, AT_REMOVEDIR);
		}
		if (!ret && !r->dry_run)
			ret = read_records(b);
	}
	if (ret)
		rot_box_close(b);
	return ret;
}

/**
 * rot_box_make() - make a box
 * @r: the run
 * @b: with host, loose, rel, target and root; receives the rest
 *
 * Return: 0 or an exit code.
 */
int rot_box_make(struct rot *r, struct rot_box *b)
{
	char base[NAME_MAX + 1];
	struct stat st;
	int n;

	b->fd = -1;
	b->copied = -1;
	b->notes = -1;
	n = snprintf(base, sizeof(base), b->loose ? "%s" : "%s.%s", ROT_PREFIX,
		     b->target);
	if (n > NAME_MAX - 4)
		base[NAME_MAX - 4] = 0;
	for (n = 1; n < BOX_TRIES; n++) {
		if (n == 1)
			strcpy(b->name, base);
		else if (snprintf(b->name, sizeof(b->name), "%.*s.%d",
				  NAME_MAX - 4, base, n) < 0)
			continue;
		if (!mkdirat(b->host, b->name, 0700))
			break;
		if (errno != EEXIST)
			return rot_fail(r, errno,
					"can't make a directory beside it");
	}
	b->fd = rot_open_dir(b->host, b->name);
	if (b->fd < 0 || fstat(b->fd, &st) || st.st_uid != r->uid ||
	    fchmod(b->fd, 0700) || !is_mine(r, b->fd) ||
	    flock(b->fd, LOCK_EX | LOCK_NB))
		return rot_fail(r, EACCES, "can't make a directory %s beside it",
				b->name);
	b->notes = rot_box_dir(r, b, "notes", true);
	if (b->notes < 0)
		return r->worst ? r->worst : EX_FAIL;
	n = write_state(r, b);
	if (!n)
		n = read_records(b);
	return n ? rot_fail(r, n, "can't begin in %s", b->name) : 0;
}

/**
 * rot_box_close() - be done with a box, and leave it where it is
 * @b: box
 */
void rot_box_close(struct rot_box *b)
{
	if (b->fd >= 0)
		close(b->fd);
	if (b->copied >= 0)
		close(b->copied);
	if (b->notes >= 0)
		close(b->notes);
	free(b->recs.slots);
	free(b->recs.queue);
	memset(&b->recs, 0, sizeof(b->recs));
	b->fd = -1;
	b->copied = -1;
	b->notes = -1;
}

/**
 * rot_box_dissolve() - take a box away, whose tree has gone
 * @r: the run
 * @b: box; still to be closed
 *
 * Return: 0 or an exit code.
 */
int rot_box_dissolve(struct rot *r, struct rot_box *b)
{
	static const char * const parts[] = { "links", "fix", "swap", "notes" };
	int err = 0;

	/* What is under the old key has to be gone by other ways. */
	if (unlinkat(b->fd, "tree", AT_REMOVEDIR) && errno != ENOENT)
		err = -errno;
	for (size_t i = 0; !err && i < ARRAY_SIZE(parts); i++)
		err = rot_remove(b->fd, parts[i], 0);
	if (!err && unlinkat(b->host, b->name, AT_REMOVEDIR))
		err = -errno;
	if (!err && syncfs(b->host))
		err = -errno;
	return err ? rot_fail(r, err, "can't take %s away", b->name) : 0;
}

/**
 * rot_box_dir() - a directory in the box, made if it isn't there
 * @r: the run
 * @b: box
 * @name: its name
 * @keyed: under the new key
 *
 * Return: file descriptor, or -1 and it was said why.
 */
int rot_box_dir(struct rot *r, struct rot_box *b, const char *name, bool keyed)
{
	int fd, err = 0;

	if (mkdirat(b->fd, name, 0700) && errno != EEXIST)
		err = -errno;
	fd = err ? err : rot_open_dir(b->fd, name);
	if (fd < 0) {
		rot_fail(r, fd, "can't make %s/%s", b->name, name);
		return -1;
	}
	if (keyed)
		err = rot_policy_set_new(r, fd);
	/* One with the right policy already need not be empty. */
	if (err == -ENOKEY)
		r->worst = fail(EX_NOKEY, "the new key isn't loaded");
	else if (err)
		rot_fail(r, err, "can't put %s/%s under the new key", b->name,
			 name);
	if (!err)
		return fd;
	close(fd);
	return -1;
}
