// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: a tree is looked at, copied until nothing has changed
 * while it was looked at, and exchanged with its copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "rotate/rotate.h"

#define PASSES		20
#define COMMIT_BYTES	(1024ull * MIB)
#define COMMIT_SECONDS	10

/**
 * struct tree - one that is being copied
 * @r: the run
 * @b: its box
 * @links: the box's directory of first names
 * @mnt: the mount it is on
 * @todo: bytes to be read; @entries: things in it; @blocks: of 512 bytes, that
 *	the copy will take
 * @done: bytes read
 * @bytes: copied; @since: and since the last commit, at @commit
 * @work: this pass found something to do
 * @busy: files that were open for writing in this pass
 * @problems: why it can't be rotated
 * @several: files with several names, how many of them were seen
 */
struct tree {
	struct rot	*r;
	struct rot_box	*b;
	int		links;
	u64		mnt;
	u64		todo, entries, blocks;
	u64		done, bytes, since;
	struct timespec	commit;
	u64		work, busy, problems;
	struct rot_recs	several;
};

static bool unchanged(const struct rot_rec *rec, const struct statx *sx)
{
	return rec && rec->src_ctime == rot_time(&sx->stx_ctime) &&
	       rec->src_mtime == rot_time(&sx->stx_mtime) &&
	       rec->src_size == sx->stx_size;
}

/* The copy of something with several names is changed by each new one. */
static bool untouched(const struct rot_rec *rec, const struct statx *copy)
{
	if (copy->stx_ino != rec->dst_ino)
		return false;
	if (rec->dst_ctime)
		return rec->dst_ctime == rot_time(&copy->stx_ctime);
	return rec->src_mtime == rot_time(&copy->stx_mtime) &&
	       rec->src_size == copy->stx_size;
}

static void problem(struct tree *t, const char *what)
{
	if (t->problems++ >= ROT_NAMED)
		return;
	progress_clear();
	fail(EX_FAIL, "%s: %s", t->r->path.s, what);
}

/* Looking */

static void see_several(struct tree *t, const struct statx *sx)
{
	const struct rot_rec *rec = rot_rec_find(&t->several, sx->stx_ino);
	struct rot_rec new = { .src_ino = sx->stx_ino,
			       .src_size = sx->stx_nlink };

	new.dst_ino = rec ? rec->dst_ino + 1 : 1;
	if (rot_rec_put(&t->several, &new))
		problem(t, "no memory");
	t->several.queued = 0;
}

static void see(struct tree *t, const struct statx *sx)
{
	const struct rot *r = t->r;
	bool again = false;

	t->entries++;
	if (sx->stx_mnt_id != t->mnt)
		problem(t, "is mounted there; unmount it first");
	if (sx->stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
		problem(t, "is immutable or append-only (chattr), so it can't be replaced");
	if (r->uid && sx->stx_uid != r->uid)
		problem(t, "isn't yours: that takes root");
	if (!S_ISDIR(sx->stx_mode) && sx->stx_nlink > 1) {
		again = rot_rec_find(&t->several, sx->stx_ino);
		see_several(t, sx);
	}
	if (again)
		return;
	if (S_ISREG(sx->stx_mode))
		t->todo += sx->stx_blocks * 512 < sx->stx_size ?
			   sx->stx_blocks * 512 : sx->stx_size;
	if (!unchanged(rot_rec_find(&t->b->recs, sx->stx_ino), sx))
		t->blocks += sx->stx_blocks;
}

static int look(struct tree *t, int dir, unsigned int depth);

static int look_entry(struct tree *t, int dir, const char *name,
		      unsigned int depth)
{
	struct statx sx;
	int fd, ret;

	if (rot_stat(dir, name, &sx))
		return 0;
	see(t, &sx);
	progress_show("look", t->entries, 0, 0);
	if (!S_ISDIR(sx.stx_mode) || sx.stx_mnt_id != t->mnt)
		return 0;
	fd = rot_open_dir(dir, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 :
		       rot_fail(t->r, fd, "can't look at it");
	ret = look(t, fd, depth + 1);
	close(fd);
	return ret;
}

static int look(struct tree *t, int dir, unsigned int depth)
{
	struct rot *r = t->r;
	enum rot_policy policy;
	struct rot_names names;
	size_t mark;
	int err;

	err = rot_policy_get(r, dir, &policy);
	if (!err && policy != ROT_OLD)
		problem(t, "is under another key than the directory it is in");
	if (depth > ROT_DEPTH)
		problem(t, "too many directories in each other");
	if (!err && !t->problems)
		err = rot_list(dir, &names);
	else
		names.n = 0;
	if (err)
		return rot_fail(r, err, "can't look at it");
	for (size_t i = 0; !err && i < names.n; i++) {
		rot_push(&r->path, names.v[i], &mark);
		err = rot_stop ? EX_FAIL : look_entry(t, dir, names.v[i], depth);
		rot_pop(&r->path, mark);
	}
	if (names.n)
		rot_names_free(&names);
	return err;
}

static int judge_look(struct tree *t)
{
	struct rot *r = t->r;
	u64 outside = 0;

	for (size_t i = 0; i < t->several.size; i++)
		outside += t->several.slots[i].src_ino &&
			   t->several.slots[i].dst_ino <
			   t->several.slots[i].src_size;
	if (t->problems > ROT_NAMED) {
		progress_clear();
		fail(EX_FAIL, "%s: %llu things are in the way, of which %d are named above",
		     r->path.s, (unsigned long long)t->problems, ROT_NAMED);
	}
	if (t->problems)
		return EX_FAIL;
	if (outside && !r->break_links)
		return rot_fail(r, 0,
				"%llu files have names (hard links) outside, too; --break-links makes separate files of them",
				(unsigned long long)outside);
	return 0;
}

static int judge_space(struct tree *t)
{
	struct statvfs fs;
	u64 avail, need = t->blocks * 512;

	if (fstatvfs(t->b->host, &fs))
		return rot_fail(t->r, errno, "can't tell how much is free");
	avail = (u64)(t->r->uid ? fs.f_bavail : fs.f_bfree) * fs.f_frsize;
	if (need > avail)
		return rot_fail(t->r, 0,
				"its copy needs %llu MiB of free space, there are %llu MiB",
				(unsigned long long)((need + MIB - 1) / MIB),
				(unsigned long long)(avail / MIB));
	/* Some file systems have no number to tell. */
	if (fs.f_files && t->entries > fs.f_ffree + t->b->recs.used)
		return rot_fail(t->r, 0,
				"its copy needs %llu free inodes, there are %llu",
				(unsigned long long)t->entries,
				(unsigned long long)fs.f_ffree);
	return 0;
}

/* Copying */

static int maybe_commit(struct tree *t, bool now)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (!now && t->bytes - t->since < COMMIT_BYTES &&
	    ts.tv_sec - t->commit.tv_sec < COMMIT_SECONDS)
		return 0;
	t->commit = ts;
	t->since = t->bytes;
	return rot_recs_commit(t->r, t->b);
}

static int note(struct tree *t, const struct statx *sx, int dst)
{
	struct statx copy;
	struct rot_rec rec = {
		.src_ino = sx->stx_ino,
		.src_ctime = rot_time(&sx->stx_ctime),
		.src_mtime = rot_time(&sx->stx_mtime),
		.src_size = sx->stx_size,
	};
	int err = rot_stat(dst, "", &copy);

	rec.dst_ino = copy.stx_ino;
	if (S_ISDIR(sx->stx_mode) || sx->stx_nlink == 1)
		rec.dst_ctime = rot_time(&copy.stx_ctime);
	if (!err)
		err = rot_rec_put(&t->b->recs, &rec);
	return err ? rot_fail(t->r, err, "can't note that it is copied") : 0;
}

/* Return: 0, copied or to be looked at again in the next pass; or exit code. */
static int copy_regular(struct tree *t, int path_fd, struct statx *sx, int dir,
			const char *name)
{
	struct rot *r = t->r;
	int in, out = -1, err, ret = 0;
	struct statx after;

	in = rot_reopen(path_fd);
	if (in == -EBUSY) {
		rot_in_use(r, &t->busy);
		return 0;
	}
	if (in < 0)
		return rot_fail(r, in, "can't read it");
	rot_settle(in, sx);
	err = rot_lease(in);
	if (err == -EAGAIN) {
		rot_in_use(r, &t->busy);
		goto out;
	}
	if (err) {
		ret = rot_fail(r, err, "can't tell whether it is in use (F_SETLEASE)");
		goto out;
	}
	/*
	 * The lease is held only for a moment, so that nobody has to wait for
	 * the copy.
	 */
	fcntl(in, F_SETLEASE, F_UNLCK);
	out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		     O_CLOEXEC, 0600);
	if (out < 0) {
		ret = rot_fail(r, errno, "can't make its copy");
		goto out;
	}
	err = rot_copy_data(r, in, out, sx->stx_size, &t->bytes);
	if (err) {
		ret = err == -EINTR ? EX_FAIL :
				      rot_fail(r, err, "can't copy it");
		goto out;
	}
	ret = rot_copy_meta(r, in, out, sx);
	if (ret)
		goto out;
	if (!rot_stat(in, "", &after) &&
	    after.stx_ctime.tv_sec == sx->stx_ctime.tv_sec &&
	    after.stx_ctime.tv_nsec == sx->stx_ctime.tv_nsec) {
		ret = note(t, sx, out);
		r->files++;
	}
out:
	if (out >= 0)
		close(out);
	close(in);
	return ret;
}

static int copy_special(struct tree *t, int path_fd, struct statx *sx, int dir,
			const char *name)
{
	int dst, ret;

	rot_settle(path_fd, sx);
	ret = rot_copy_other(t->r, path_fd, sx, dir, name);
	if (ret)
		return ret;
	dst = rot_open_path(dir, name, NULL);
	if (dst < 0)
		return rot_fail(t->r, dst, "can't look at the copy");
	ret = rot_copy_meta(t->r, path_fd, dst, sx);
	if (!ret)
		ret = note(t, sx, dst);
	close(dst);
	return ret;
}

/* Before something is put into a copied directory, or taken out. */
static void make_way(struct tree *t, int dst)
{
	struct stat st;

	t->work++;
	if (t->r->uid && !fstat(dst, &st) && (~st.st_mode & 0700))
		fchmod(dst, 0700);
}

/* A further name of what was copied.  Return: was it? */
static bool link_copy(struct tree *t, const struct rot_rec *rec, u64 ino,
		      int dir, const char *name)
{
	struct statx sx;
	char first[24];

	snprintf(first, sizeof(first), "%llx", (unsigned long long)ino);
	return !rot_stat(t->links, first, &sx) && sx.stx_ino == rec->dst_ino &&
	       !linkat(t->links, first, dir, name, 0);
}

static int keep_first(struct tree *t, u64 ino, int dir, const char *name)
{
	char first[24];

	snprintf(first, sizeof(first), "%llx", (unsigned long long)ino);
	unlinkat(t->links, first, 0);
	return linkat(dir, name, t->links, first, 0) ?
	       rot_fail(t->r, errno, "can't link its copy") : 0;
}

static bool nobody_writes(struct tree *t, int path_fd)
{
	int fd = rot_reopen(path_fd), err;

	if (fd < 0 && fd != -EBUSY)
		return false;
	err = fd < 0 ? -EAGAIN : rot_lease(fd);
	if (fd >= 0)
		close(fd);
	if (err != -EAGAIN)
		return true;
	rot_in_use(t->r, &t->busy);
	return false;
}

static int copy_tree(struct tree *t, int src, int dst, unsigned int depth);

static int copy_dir(struct tree *t, int src_dir, int dst_dir, const char *name,
		    bool there, unsigned int depth)
{
	int src, dst, ret;

	src = rot_open_dir(src_dir, name);
	if (src < 0) {
		t->work++;
		return src == -ENOENT || src == -ENOTDIR || src == -ELOOP ? 0 :
		       rot_fail(t->r, src, "can't look at it");
	}
	if (!there) {
		make_way(t, dst_dir);
		mkdirat(dst_dir, name, 0700);
	}
	dst = rot_open_dir(dst_dir, name);
	/* Of a run before, by who may not look into it as it is. */
	if (dst == -EACCES && !fchmodat(dst_dir, name, 0700, 0))
		dst = rot_open_dir(dst_dir, name);
	ret = dst < 0 ? rot_fail(t->r, dst, "can't make its copy") :
			copy_tree(t, src, dst, depth + 1);
	if (dst >= 0)
		close(dst);
	close(src);
	return ret;
}

static int copy_entry(struct tree *t, int src, int dst, const char *name,
		      unsigned int depth)
{
	struct statx sx, have;
	const struct rot_rec *rec;
	bool there;
	int fd, ret = 0;

	fd = rot_open_path(src, name, &sx);
	if (fd < 0) {
		t->work++;
		return fd == -ENOENT || fd == -ELOOP ? 0 :
		       rot_fail(t->r, fd, "can't look at it");
	}
	there = !rot_stat(dst, name, &have);
	if (S_ISDIR(sx.stx_mode)) {
		if (there && !S_ISDIR(have.stx_mode)) {
			make_way(t, dst);
			there = false;
			ret = rot_remove(dst, name, depth);
			if (ret)
				ret = rot_fail(t->r, ret, "can't replace its copy");
		}
		if (!ret)
			ret = copy_dir(t, src, dst, name, there, depth);
		close(fd);
		return ret;
	}
	if (S_ISREG(sx.stx_mode))
		t->done += sx.stx_blocks * 512 < sx.stx_size ?
			   sx.stx_blocks * 512 : sx.stx_size;
	rec = rot_rec_find(&t->b->recs, sx.stx_ino);
	if (!unchanged(rec, &sx))
		rec = NULL;
	if (rec && there && untouched(rec, &have)) {
		if (S_ISREG(sx.stx_mode) && !nobody_writes(t, fd))
			t->work++;
		goto out;
	}
	make_way(t, dst);
	if (there) {
		int err = rot_remove(dst, name, depth);

		if (err) {
			ret = rot_fail(t->r, err, "can't replace its copy");
			goto out;
		}
	}
	if (rec && sx.stx_nlink > 1 &&
	    link_copy(t, rec, sx.stx_ino, dst, name))
		goto out;
	if (S_ISREG(sx.stx_mode))
		ret = copy_regular(t, fd, &sx, dst, name);
	else
		ret = copy_special(t, fd, &sx, dst, name);
	if (!ret && sx.stx_nlink > 1 && !rot_stat(dst, name, &have))
		ret = keep_first(t, sx.stx_ino, dst, name);
out:
	close(fd);
	return ret;
}

static int remove_extra(struct tree *t, const struct rot_names *want, int dst,
			unsigned int depth)
{
	struct rot_names have;
	size_t j = 0;
	int err = rot_list(dst, &have);

	if (err)
		return rot_fail(t->r, err, "can't look at its copy");
	for (size_t i = 0; !err && i < have.n; i++) {
		while (j < want->n && strcmp(want->v[j], have.v[i]) < 0)
			j++;
		if (j < want->n && !strcmp(want->v[j], have.v[i]))
			continue;
		make_way(t, dst);
		err = rot_remove(dst, have.v[i], depth);
		if (err)
			rot_fail(t->r, err, "can't take %s out of its copy",
				 have.v[i]);
	}
	rot_names_free(&have);
	return err ? EX_FAIL : 0;
}

/* The directory's attributes come last, as what is made in it changes them. */
static int finish_dir(struct tree *t, int src, int dst)
{
	const struct rot_rec *rec;
	struct statx sx, have;
	int ret;

	ret = rot_stat(src, "", &sx);
	if (!ret)
		ret = rot_stat(dst, "", &have);
	if (ret)
		return rot_fail(t->r, ret, "can't look at it");
	rec = rot_rec_find(&t->b->recs, sx.stx_ino);
	if (unchanged(rec, &sx) && untouched(rec, &have))
		return 0;
	t->work++;
	rot_settle(src, &sx);
	ret = rot_copy_meta(t->r, src, dst, &sx);
	return ret ? ret : note(t, &sx, dst);
}

static int copy_tree(struct tree *t, int src, int dst, unsigned int depth)
{
	struct rot *r = t->r;
	struct rot_names names;
	size_t mark;
	int err, ret;

	if (depth > ROT_DEPTH)
		return rot_fail(r, 0, "too many directories in each other");
	err = rot_list(src, &names);
	if (err)
		return rot_fail(r, err, "can't look at it");
	ret = remove_extra(t, &names, dst, depth);
	for (size_t i = 0; !ret && i < names.n; i++) {
		if (rot_stop) {
			ret = EX_FAIL;
			break;
		}
		rot_push(&r->path, names.v[i], &mark);
		progress_show("copy", t->done, t->todo, t->bytes);
		ret = copy_entry(t, src, dst, names.v[i], depth);
		rot_pop(&r->path, mark);
		if (!ret)
			ret = maybe_commit(t, false);
	}
	rot_names_free(&names);
	return ret ? ret : finish_dir(t, src, dst);
}

/* Return: 0 if the copy is like the tree, and nobody is writing. */
static int copy_until_quiet(struct tree *t, int src, int dst)
{
	struct rot *r = t->r;
	int ret, committed;

	for (int pass = 0; pass < PASSES; pass++) {
		t->work = 0;
		t->busy = 0;
		t->done = 0;
		ret = copy_tree(t, src, dst, 0);
		/* Keep what was done before something went wrong. */
		committed = maybe_commit(t, true);
		if (ret || committed)
			return ret ? ret : committed;
		if (t->busy)
			return rot_fail(r, EBUSY,
					"%llu files are open for writing",
					(unsigned long long)t->busy);
		if (!t->work)
			return 0;
	}
	return rot_fail(r, EBUSY, "it changes as fast as it is copied");
}

/* Exchange */

/**
 * struct both - since the copy was made
 * @src: in the tree
 * @dst: in its copy
 * @leases: what is open for writing in the copy counts, too
 */
struct both {
	u64	src, dst;
	bool	leases;
};

/*
 * Is the copy in use? Ask before its times are looked at: a writer that has
 * gone has changed them.
 */
static bool copy_in_use(int dir, const char *name)
{
	struct statx sx;
	int path, fd, err;

	path = rot_open_path(dir, name, &sx);
	if (path < 0)
		return path != -ENOENT;
	fd = S_ISREG(sx.stx_mode) ? rot_reopen(path) : -ENOENT;
	close(path);
	if (fd < 0)
		return fd != -ENOENT;
	err = rot_lease(fd);
	close(fd);
	return err;
}

static bool has_other_names(const struct rot_names *a,
			    const struct rot_names *b)
{
	if (a->n != b->n)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]))
			return true;
	return false;
}

static int compare(struct tree *t, int src, int dst, struct both *c)
{
	struct rot *r = t->r;
	struct rot_names in_src, in_dst;
	const struct rot_rec *rec;
	struct statx sx, have;
	int from, to, err;
	size_t mark;

	err = rot_list(src, &in_src);
	if (err)
		return rot_fail(r, err, "can't look at it");
	err = rot_list(dst, &in_dst);
	if (err) {
		rot_names_free(&in_src);
		return rot_fail(r, err, "can't look at its copy");
	}
	/* If it is the copy that differs, its directory's times tell. */
	c->src += has_other_names(&in_src, &in_dst);
	for (size_t i = 0; !err && i < in_src.n; i++) {
		if (rot_stat(src, in_src.v[i], &sx))
			continue;
		rec = rot_rec_find(&t->b->recs, sx.stx_ino);
		if (!unchanged(rec, &sx))
			c->src++;
		if (c->leases && copy_in_use(dst, in_src.v[i]))
			c->dst++;
		if (rot_stat(dst, in_src.v[i], &have))
			continue;
		if (!rec || !untouched(rec, &have))
			c->dst++;
		if (!S_ISDIR(sx.stx_mode) || !S_ISDIR(have.stx_mode))
			continue;
		rot_push(&r->path, in_src.v[i], &mark);
		from = rot_open_dir(src, in_src.v[i]);
		to = rot_open_dir(dst, in_src.v[i]);
		if (from >= 0 && to >= 0)
			err = compare(t, from, to, c);
		else
			c->src++;
		if (from >= 0)
			close(from);
		if (to >= 0)
			close(to);
		rot_pop(&r->path, mark);
	}
	rot_names_free(&in_src);
	rot_names_free(&in_dst);
	return err;
}

/* The exchange has changed the ctimes of the two directories themselves. */
static int compare_all(struct tree *t, int src, int dst, struct both *c)
{
	const struct rot_rec *rec = rot_rec_find(&t->b->recs, t->b->root);
	struct statx sx, have;

	if (!rec || rot_stat(src, "", &sx) || rot_stat(dst, "", &have))
		return rot_fail(t->r, 0, "can't look at it and its copy");
	c->src += rec->src_mtime != rot_time(&sx.stx_mtime);
	c->dst += rec->src_mtime != rot_time(&have.stx_mtime);
	c->src += sx.stx_mode != have.stx_mode || sx.stx_uid != have.stx_uid ||
		  sx.stx_gid != have.stx_gid;
	return compare(t, src, dst, c);
}

static int exchange(struct tree *t, int parent)
{
	if (renameat2(t->b->fd, "tree", parent, t->b->target, RENAME_EXCHANGE))
		return rot_fail(t->r, errno, "can't put its copy in its place");
	return syncfs(t->b->fd) ? rot_fail(t->r, errno, "can't write back") : 0;
}

/* Put the copy in its place, and see that it was the tree that came out. */
static int exchange_for(struct tree *t, int parent)
{
	struct rot_box *b = t->b;
	struct statx sx;
	int ret;

	ret = exchange(t, parent);
	if (ret || (!rot_stat(b->fd, "tree", &sx) && sx.stx_ino == b->root))
		return ret;
	/* Somebody has moved the tree away in that moment. */
	if (exchange(t, parent))
		return rot_fail(t->r, 0, "was replaced by something else, which is %s/tree now",
				b->name);
	return rot_fail(t->r, EBUSY, "was replaced by something else");
}

/*
 * The copy was in use and is back in the box: if somebody has changed it there, or
 * still may, it must not be copied over.  A mark tells that to the run after an
 * interrupted one.
 */
static int after_return(struct tree *t, int parent, int src, int dst,
			bool *done)
{
	struct both c = { .leases = true };
	int ret;

	ret = compare_all(t, src, dst, &c);
	if (!ret && c.dst) {
		ret = exchange_for(t, parent);
		*done = true;
	}
	if (!ret && unlinkat(t->b->notes, "back", 0))
		ret = rot_fail(t->r, errno, "can't write to %s", t->b->name);
	return ret;
}

/*
 * What was changed between the last look and the exchange is found now.  If
 * nobody has changed the copy, which all use by now, take it back to bring it up
 * to date.
 */
static int exchange_if_same(struct tree *t, int parent, int src, int dst,
			    bool *done)
{
	struct both c = { 0 };
	int ret, fd;

	ret = exchange_for(t, parent);
	if (!ret)
		ret = compare_all(t, src, dst, &c);
	if (ret)
		return ret;
	/* What can't be carried over is told of by rot_drain(). */
	*done = !c.src || c.dst;
	if (*done)
		return 0;
	fd = openat(t->b->notes, "back", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return rot_fail(t->r, errno, "can't write to %s", t->b->name);
	close(fd);
	if (syncfs(t->b->fd))
		return rot_fail(t->r, errno, "can't write back");
	ret = exchange(t, parent);
	return ret ? ret : after_return(t, parent, src, dst, done);
}

static void tree_free(struct tree *t)
{
	if (t->links >= 0)
		close(t->links);
	free(t->several.slots);
	free(t->several.queue);
}

static int copy_and_exchange_dirs(struct tree *t, int parent, int src, int dst)
{
	bool done = false;
	int ret = 0;

	if (!faccessat(t->b->notes, "back", F_OK, 0))
		ret = after_return(t, parent, src, dst, &done);
	for (int i = 0; !ret && !done; i++) {
		if (i == PASSES)
			return rot_fail(t->r, EBUSY,
					"it changes as fast as it is copied");
		ret = copy_until_quiet(t, src, dst);
		if (!ret)
			ret = exchange_if_same(t, parent, src, dst, &done);
	}
	return ret;
}

static int copy_and_exchange(struct tree *t, int parent, int src)
{
	int dst, fix, ret;

	t->links = rot_box_dir(t->r, t->b, "links", false);
	fix = rot_box_dir(t->r, t->b, "fix", true);
	if (fix >= 0)
		close(fix);
	dst = rot_box_dir(t->r, t->b, "tree", true);
	if (t->links < 0 || fix < 0 || dst < 0) {
		ret = t->r->worst ? t->r->worst : EX_FAIL;
	} else {
		clock_gettime(CLOCK_MONOTONIC, &t->commit);
		ret = copy_and_exchange_dirs(t, parent, src, dst);
	}
	if (dst >= 0)
		close(dst);
	return ret;
}

/**
 * rot_tree() - put a tree under the new key
 * @r: the run; its path is the tree's
 * @b: a box with host, rel, target and root, and made already if its fd isn't -1
 * @parent: directory that has the tree
 *
 * What was interrupted is taken up.  The box is left if anything goes wrong.
 *
 * Return: 0 or an exit code.
 */
int rot_tree(struct rot *r, struct rot_box *b, int parent)
{
	struct tree t = { .r = r, .b = b, .links = -1 };
	struct statx sx;
	int src, ret;

	src = rot_open_dir(parent, b->target);
	if (src < 0)
		return rot_fail(r, src, "can't look at it");
	ret = rot_stat(src, "", &sx);
	if (!ret && sx.stx_ino != b->root)
		ret = -EBUSY;
	if (ret) {
		ret = rot_fail(r, ret, "isn't what it was");
		goto out;
	}
	t.mnt = sx.stx_mnt_id;
	see(&t, &sx);
	ret = look(&t, src, 0);
	if (!ret)
		ret = judge_look(&t);
	if (!ret)
		ret = judge_space(&t);
	if (ret || rot_stop)
		goto out;
	if (r->dry_run) {
		progress_clear();
		say("%s: %llu files and directories, %llu MiB", r->path.s,
		    (unsigned long long)t.entries,
		    (unsigned long long)((t.todo + MIB - 1) / MIB));
		goto out;
	}
	if (b->fd < 0)
		ret = rot_box_make(r, b);
	if (!ret)
		ret = copy_and_exchange(&t, parent, src);
	if (!ret)
		ret = rot_drain(r, b, parent);
	if (!ret) {
		r->trees++;
		r->bytes += t.bytes;
	}
out:
	tree_free(&t);
	close(src);
	return ret;
}
