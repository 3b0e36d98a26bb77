// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: an old tree is taken away after its copy took its place.
 *
 * No path leads to it any more, but programs may still have files or directories
 * in it open.  So each file is looked at once more: it goes only if it is as it
 * was copied and nobody is writing to it.  What was changed or made there in the
 * last moment is carried over if nobody has touched the new one since; else it
 * stays, and is told of.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "rotate/rotate.h"

#define TRIES	5

/**
 * struct drain - a tree that is being taken away
 * @r: the run
 * @b: its box
 * @fix: where late changes are copied to
 * @gone: files and directories taken away
 * @busy: files that are being written to
 * @kept: files that stay for another reason
 */
struct drain {
	struct rot	*r;
	struct rot_box	*b;
	int		fix;
	u64		gone, busy, kept;
};

static bool as_copied(const struct rot_rec *rec, const struct statx *sx)
{
	/* Taking away the first of several names has changed the ctime. */
	return rec && rec->src_mtime == rot_time(&sx->stx_mtime) &&
	       rec->src_size == sx->stx_size &&
	       (!rec->dst_ctime || rec->src_ctime == rot_time(&sx->stx_ctime));
}

static void keep(struct drain *d, const char *why)
{
	if (d->kept++ >= ROT_NAMED)
		return;
	progress_clear();
	warn("%s: %s; what was written stays in %s/tree", d->r->path.s, why,
	     d->b->name);
}

static int copy_to_fix(struct drain *d, int in, struct statx *sx)
{
	u64 bytes = 0;
	int out, err, ret;

	unlinkat(d->fix, "file", 0);
	out = openat(d->fix, "file", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		     O_CLOEXEC, 0600);
	if (out < 0)
		return rot_fail(d->r, errno, "can't make its copy");
	err = rot_copy_data(d->r, in, out, sx->stx_size, &bytes);
	if (err == -EINTR)
		ret = EX_FAIL;
	else if (err)
		ret = rot_fail(d->r, err, "can't copy it");
	else
		ret = rot_copy_meta(d->r, in, out, sx);
	close(out);
	return ret;
}

static const char late[] = "was changed late, and so was what took its place";

/* Whoever opens it now waits, and shows up when the lease is looked at. */
static int lease_new(int dst, const char *name, const struct rot_rec *rec,
		     struct statx *have)
{
	int path = rot_open_path(dst, name, have), fd;

	if (path < 0)
		return -1;
	fd = S_ISREG(have->stx_mode) ? rot_reopen(path) : -1;
	close(path);
	if (fd < 0)
		return -1;
	if (!rot_lease(fd) && !rot_stat(fd, "", have) &&
	    have->stx_ino == rec->dst_ino &&
	    rec->dst_ctime == rot_time(&have->stx_ctime))
		return fd;
	close(fd);
	return -1;
}

/* But for the ctime, which the exchange has changed. */
static bool is_same(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_size == b->stx_size &&
	       a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid &&
	       a->stx_gid == b->stx_gid && a->stx_nlink == b->stx_nlink &&
	       rot_time(&a->stx_mtime) == rot_time(&b->stx_mtime);
}

/* All use the new file by now, so it has to be untouched when it comes out. */
static int replace(struct drain *d, int dst, const char *name,
		   const struct rot_rec *rec, bool *done)
{
	struct statx have, sx;
	int new = lease_new(dst, name, rec, &have), ret = 0;

	if (new < 0) {
		keep(d, late);
		return 0;
	}
	if (renameat2(d->fix, "file", dst, name, RENAME_EXCHANGE)) {
		ret = rot_fail(d->r, errno, "can't carry a late change over");
	} else if (!rot_stat(d->fix, "file", &sx) && is_same(&have, &sx) &&
		   fcntl(new, F_GETLEASE) == F_RDLCK) {
		*done = true;
	} else if (renameat2(d->fix, "file", dst, name, RENAME_EXCHANGE)) {
		ret = rot_fail(d->r, errno,
			       "was changed in the last moment; it is %s/fix/file now",
			       d->b->name);
	} else {
		keep(d, late);
	}
	if (*done && unlinkat(d->fix, "file", 0)) {
		*done = false;
		ret = rot_fail(d->r, errno, "can't take it away");
	}
	close(new);
	return ret;
}

/*
 * @in is leased.  Sets @done if what it has is now in the new tree, and on the
 * disk.
 */
static int carry_over(struct drain *d, int in, struct statx *sx, int dst,
		      const char *name, bool *done)
{
	const struct rot_rec *rec = rot_rec_find(&d->b->recs, sx->stx_ino);
	struct statx have;
	bool there;
	int ret;

	there = dst >= 0 && !rot_stat(dst, name, &have);
	if (dst < 0 || sx->stx_nlink > 1 || there != !!rec ||
	    (there && (have.stx_ino != rec->dst_ino ||
		       rec->dst_ctime != rot_time(&have.stx_ctime)))) {
		keep(d, late);
		return 0;
	}
	rot_settle(in, sx);
	ret = copy_to_fix(d, in, sx);
	if (ret)
		return ret;
	if (syncfs(d->fix))
		return rot_fail(d->r, errno, "can't carry a late change over");
	if (there)
		ret = replace(d, dst, name, rec, done);
	else if (!renameat2(d->fix, "file", dst, name, RENAME_NOREPLACE))
		*done = true;
	else if (errno == EEXIST)
		keep(d, late);
	else
		ret = rot_fail(d->r, errno, "can't carry a late change over");
	if (!ret && *done && syncfs(d->fix)) {
		*done = false;
		ret = rot_fail(d->r, errno, "can't carry a late change over");
	}
	return ret;
}

/*
 * Stopped while a late change was carried over: a new file may be there that was
 * not looked at when it came out.  A copy that wasn't finished has no record.
 */
static int look_at_fix(struct drain *d)
{
	const struct rot_recs *recs = &d->b->recs;
	struct statx sx;
	int path, fd;
	bool idle;

	path = rot_open_path(d->fix, "file", &sx);
	if (path < 0)
		return path == -ENOENT ? 0 :
		       rot_fail(d->r, path, "can't look at %s/fix", d->b->name);
	fd = S_ISREG(sx.stx_mode) ? rot_reopen(path) : -EINVAL;
	close(path);
	idle = fd >= 0 && !rot_lease(fd) && !rot_stat(fd, "", &sx);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < recs->size; i++) {
		const struct rot_rec *rec = &recs->slots[i];

		if (!rec->src_ino || rec->dst_ino != sx.stx_ino ||
		    (idle && rec->src_size == sx.stx_size &&
		     rec->src_mtime == rot_time(&sx.stx_mtime)))
			continue;
		progress_clear();
		return fail(EX_BUSY,
			    "%s: a file of it that a late change replaced was changed, too, and is %s/fix/file: take from there what you need, remove it, and run this again",
			    d->r->path.s, d->b->name);
	}
	return 0;
}

static int drain_regular(struct drain *d, int path_fd, struct statx *sx,
			 int src, int dst, const char *name)
{
	const struct rot_rec *rec = rot_rec_find(&d->b->recs, sx->stx_ino);
	int in = rot_reopen(path_fd), ret = 0;
	bool done;

	if (in < 0 && in != -EBUSY)
		return rot_fail(d->r, in, "can't look at it");
	if (in < 0 || rot_lease(in)) {
		rot_in_use(d->r, &d->busy);
		if (in >= 0)
			close(in);
		return 0;
	}
	/* Whoever opens it now waits, and shows up below. */
	ret = rot_stat(in, "", sx);
	done = !ret && as_copied(rec, sx);
	if (!done)
		ret = carry_over(d, in, sx, dst, name, &done);
	if (done && fcntl(in, F_GETLEASE) != F_RDLCK) {
		rot_in_use(d->r, &d->busy);
		done = false;
	}
	if (done) {
		if (unlinkat(src, name, 0) && errno != ENOENT)
			ret = rot_fail(d->r, errno, "can't take it away");
		else
			d->gone++;
	}
	close(in);
	return ret;
}

static int drain_special(struct drain *d, const struct statx *sx, int src,
			 const char *name)
{
	if (!as_copied(rot_rec_find(&d->b->recs, sx->stx_ino), sx)) {
		keep(d, "was made or changed late");
		return 0;
	}
	if (unlinkat(src, name, 0) && errno != ENOENT)
		return rot_fail(d->r, errno, "can't take it away");
	d->gone++;
	return 0;
}

static int drain_tree(struct drain *d, int src, int dst, unsigned int depth);

static int drain_dir(struct drain *d, int src, int dst, const char *name,
		     unsigned int depth)
{
	int from, to = -1, ret;

	if (depth > ROT_DEPTH)
		return rot_fail(d->r, 0, "too many directories in each other");
	from = rot_open_dir(src, name);
	/* Its owner may have taken away his own right to look into it. */
	if (from == -EACCES && !fchmodat(src, name, 0700, 0))
		from = rot_open_dir(src, name);
	if (from < 0)
		return rot_fail(d->r, from, "can't look at it");
	fchmod(from, 0700);
	if (dst >= 0)
		to = rot_open_dir(dst, name);
	ret = drain_tree(d, from, to, depth + 1);
	if (to >= 0)
		close(to);
	close(from);
	if (!ret && unlinkat(src, name, AT_REMOVEDIR)) {
		if (errno != ENOTEMPTY && errno != EEXIST)
			ret = rot_fail(d->r, errno, "can't take it away");
	} else if (!ret) {
		d->gone++;
	}
	return ret;
}

static int drain_entry(struct drain *d, int src, int dst, const char *name,
		       unsigned int depth)
{
	struct statx sx;
	int fd, ret;

	fd = rot_open_path(src, name, &sx);
	if (fd < 0)
		return fd == -ENOENT ? 0 :
		       rot_fail(d->r, fd, "can't look at it");
	if (S_ISDIR(sx.stx_mode))
		ret = drain_dir(d, src, dst, name, depth);
	else if (S_ISREG(sx.stx_mode))
		ret = drain_regular(d, fd, &sx, src, dst, name);
	else
		ret = drain_special(d, &sx, src, name);
	close(fd);
	return ret;
}

static int drain_tree(struct drain *d, int src, int dst, unsigned int depth)
{
	struct rot *r = d->r;
	struct rot_names names;
	size_t mark;
	int ret;

	ret = rot_list(src, &names);
	if (ret)
		return rot_fail(r, ret, "can't look at it");
	for (size_t i = 0; !ret && i < names.n; i++) {
		if (rot_stop) {
			ret = EX_FAIL;
			break;
		}
		rot_push(&r->path, names.v[i], &mark);
		progress_show("erase", d->gone, d->b->recs.used, 0);
		ret = drain_entry(d, src, dst, names.v[i], depth);
		rot_pop(&r->path, mark);
	}
	rot_names_free(&names);
	return ret;
}

static bool is_empty(int dir)
{
	struct rot_names names;
	bool empty;

	if (rot_list(dir, &names))
		return false;
	empty = !names.n;
	rot_names_free(&names);
	return empty;
}

static int drain_root(struct drain *d, int src, int parent)
{
	struct rot *r = d->r;
	enum rot_policy policy;
	int dst, ret;

	dst = rot_open_dir(parent, d->b->target);
	if (dst >= 0 && (rot_policy_get(r, dst, &policy) || policy != ROT_NEW)) {
		close(dst);
		dst = -1;
	}
	fchmod(src, 0700);
	/* Walk once more if something was made where we had been. */
	for (int i = 0; i < TRIES; i++) {
		ret = drain_tree(d, src, dst, 0);
		if (ret || d->busy || d->kept || is_empty(src))
			break;
		if (i == TRIES - 1)
			keep(d, "more and more is made in it");
	}
	if (dst >= 0)
		close(dst);
	if (ret)
		return ret;
	if (d->busy)
		rot_fail(r, EBUSY,
			 "it is under the new key, but %llu files of the old copy are still being written to, and stay in %s/tree; close them and run this again",
			 (unsigned long long)d->busy, d->b->name);
	if (d->kept) {
		progress_clear();
		fail(EX_BUSY,
		     "%s: it is under the new key; %llu things that were changed while it was put there are in %s/tree: take from there what you need, remove the rest, and run this again",
		     r->path.s, (unsigned long long)d->kept, d->b->name);
	}
	return d->busy || d->kept ? EX_BUSY : 0;
}

/**
 * rot_drain() - take an old tree away, and the box
 * @r: the run; its path is the tree's
 * @b: box; the old tree, or what is left of it, is in there
 * @parent: directory that has the new tree
 *
 * Return: 0 or an exit code.
 */
int rot_drain(struct rot *r, struct rot_box *b, int parent)
{
	struct drain d = { .r = r, .b = b, .fix = -1 };
	struct statx sx;
	int src, ret = 0;

	src = rot_open_dir(b->fd, "tree");
	if (src == -EACCES && !fchmodat(b->fd, "tree", 0700, 0))
		src = rot_open_dir(b->fd, "tree");
	if (src < 0 && src != -ENOENT)
		return rot_fail(r, src, "can't look at %s/tree", b->name);
	if (src >= 0) {
		d.fix = rot_box_dir(r, b, "fix", true);
		if (d.fix < 0)
			ret = EX_FAIL;
		else if (rot_stat(src, "", &sx) || sx.stx_ino != b->root)
			ret = rot_fail(r, 0, "%s/tree isn't what it was",
				       b->name);
		else
			ret = look_at_fix(&d);
		if (!ret)
			ret = drain_root(&d, src, parent);
		if (d.fix >= 0)
			close(d.fix);
		close(src);
	}
	return ret ? ret : rot_box_dissolve(r, b);
}
