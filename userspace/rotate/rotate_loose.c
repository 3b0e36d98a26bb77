// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: files under the old key in directories that are under
 * none: moved there, or made where the mount or their creator has a key.
 *
 * Each is copied below the box's tree/, where it gets the new key, the copy is
 * moved to swap/ under the file's own name, and both are exchanged.  What is then
 * in swap/ is under the old key and goes.  The file is leased all the time, so
 * that whoever wants to write to it waits or is noticed.
 *
 * Before anything gets to swap/ it is noted what may: only what is noted, under
 * this name, and is as it was then, is ever taken away from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rotate/rotate.h"

#define BATCH	64	/* files copied for one sync */

/**
 * struct one - a file of a batch
 * @name: of it
 * @fd: open and leased, or -1
 * @sx: what it was when it was copied
 */
struct one {
	const char	*name;
	int		fd;
	struct statx	sx;
};

/**
 * struct loose - a directory's files
 * @r: the run
 * @b: its box
 * @parent: the directory
 * @tree: below it all gets the new key
 * @swap: where they are exchanged
 */
struct loose {
	struct rot	*r;
	struct rot_box	*b;
	int		parent, tree, swap;
};

static void done_with(struct one *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static u64 name_hash(const char *name)
{
	u64 h = 14695981039346656037ull;

	for (; *name; name++)
		h = (h ^ (u8)*name) * 1099511628211ull;
	return h;
}

static int note(struct loose *l, const struct one *o, int fd)
{
	struct rot_rec rec = { .dst_ino = name_hash(o->name) };
	struct statx sx;
	int err = rot_stat(fd, "", &sx);

	if (fd == o->fd)
		sx = o->sx;
	rec.src_ino = sx.stx_ino;
	rec.src_ctime = rot_time(&sx.stx_ctime);
	rec.src_mtime = rot_time(&sx.stx_mtime);
	rec.src_size = sx.stx_size;
	if (!err)
		err = rot_rec_put(&l->b->recs, &rec);
	return err ? rot_fail(l->r, err, "can't note that it is copied") : 0;
}

static int prepare(struct loose *l, struct one *o)
{
	struct rot *r = l->r;
	enum rot_policy policy;
	int path, out, err, ret;
	u64 bytes = 0;

	o->fd = -1;
	path = rot_open_path(l->parent, o->name, &o->sx);
	if (path < 0)
		return path == -ENOENT || path == -ELOOP ? 0 :
		       rot_fail(r, path, "can't look at it");
	o->fd = S_ISREG(o->sx.stx_mode) ? rot_reopen(path) : -ENOENT;
	close(path);
	if (o->fd == -ENOENT)
		return 0;
	if (o->fd < 0)
		return rot_fail(r, o->fd, "can't read it");
	if (rot_policy_get(r, o->fd, &policy) || policy != ROT_OLD) {
		done_with(o);
		return 0;
	}
	rot_settle(o->fd, &o->sx);
	if (o->sx.stx_nlink > 1 && !r->break_links)
		return rot_fail(r, 0,
				"has several names (hard links); --break-links makes separate files of them");
	if (o->sx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
		return rot_fail(r, 0,
				"is immutable or append-only (chattr), so it can't be replaced");
	if (r->uid && o->sx.stx_uid != r->uid)
		return rot_fail(r, 0, "isn't yours: that takes root");
	err = rot_lease(o->fd);
	if (err)
		return rot_fail(r, err == -EAGAIN ? EBUSY : err,
				"can't be replaced");
	out = openat(l->tree, o->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		     O_CLOEXEC, 0600);
	if (out < 0)
		return rot_fail(r, errno, "can't make its copy");
	err = rot_copy_data(r, o->fd, out, o->sx.stx_size, &bytes);
	if (err == -EINTR)
		ret = EX_FAIL;
	else if (err)
		ret = rot_fail(r, err, "can't copy it");
	else
		ret = rot_copy_meta(r, o->fd, out, &o->sx);
	if (!ret)
		ret = note(l, o, o->fd);
	if (!ret)
		ret = note(l, o, out);
	close(out);
	if (ret)
		unlinkat(l->tree, o->name, 0);
	r->bytes += bytes;
	return ret;
}

static bool same_time(const struct statx_timestamp *a,
		      const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int exchange(struct loose *l, struct one *o)
{
	struct statx sx;
	int err;

	err = rot_stat(o->fd, "", &sx);
	/* Replacing one of several names has changed it, too. */
	if (err || (o->sx.stx_nlink == 1 &&
		    !same_time(&sx.stx_ctime, &o->sx.stx_ctime)) ||
	    fcntl(o->fd, F_GETLEASE) != F_RDLCK)
		return rot_fail(l->r, EBUSY, "was changed while it was copied");
	if (renameat(l->tree, o->name, l->swap, o->name))
		return rot_fail(l->r, errno, "can't move its copy");
	if (renameat2(l->swap, o->name, l->parent, o->name, RENAME_EXCHANGE))
		return rot_fail(l->r, errno, "can't put its copy in its place");
	err = rot_stat(l->swap, o->name, &sx);
	if (!err && sx.stx_ino == o->sx.stx_ino &&
	    sx.stx_size == o->sx.stx_size && sx.stx_mode == o->sx.stx_mode &&
	    sx.stx_uid == o->sx.stx_uid && sx.stx_gid == o->sx.stx_gid &&
	    same_time(&sx.stx_mtime, &o->sx.stx_mtime) &&
	    fcntl(o->fd, F_GETLEASE) == F_RDLCK) {
		l->r->loose++;
		return 0;
	}
	if (renameat2(l->swap, o->name, l->parent, o->name, RENAME_EXCHANGE))
		return rot_fail(l->r, errno,
				"was changed in the last moment; see the directory %s*",
				ROT_PREFIX);
	return rot_fail(l->r, EBUSY, "was changed in the last moment");
}

/* If it was opened before it was exchanged, clear_swap() tells what became of it. */
static int take_away(struct loose *l, struct one *o)
{
	if (fcntl(o->fd, F_GETLEASE) != F_RDLCK)
		return 0;
	if (unlinkat(l->swap, o->name, 0))
		return rot_fail(l->r, errno, "can't take it away");
	return 0;
}

/* Do one step for all that are left; those for which it fails are left alone. */
static int each(struct loose *l, struct one *o, size_t n,
		int (*step)(struct loose *l, struct one *o))
{
	int worst = 0, ret;
	size_t mark;

	for (size_t i = 0; i < n && !rot_stop; i++) {
		if (o[i].fd < 0 && step != prepare)
			continue;
		rot_push(&l->r->path, o[i].name, &mark);
		ret = step(l, &o[i]);
		rot_pop(&l->r->path, mark);
		if (ret) {
			worst = ret;
			done_with(&o[i]);
		}
	}
	return worst;
}

static int batch(struct loose *l, char **names, size_t n)
{
	struct one o[BATCH];
	int worst, ret;

	for (size_t i = 0; i < n; i++) {
		o[i].name = names[i];
		o[i].fd = -1;
	}
	worst = each(l, o, n, prepare);
	ret = rot_recs_commit(l->r, l->b);
	if (ret) {
		worst = ret;
	} else {
		ret = each(l, o, n, exchange);
		worst = ret ? ret : worst;
		if (syncfs(l->swap)) {
			worst = rot_fail(l->r, errno, "can't write back");
		} else {
			ret = each(l, o, n, take_away);
			worst = ret ? ret : worst;
		}
	}
	for (size_t i = 0; i < n; i++)
		done_with(&o[i]);
	return worst;
}

/*
 * Is it what was noted, and is nobody writing to it?  What else has another name
 * loses nothing.  Return: a descriptor with a lease, -EBUSY, or another negative
 * errno.
 */
static int known(const struct rot_box *b, int swap, const char *name)
{
	const struct rot_rec *rec;
	struct statx sx;
	int path, fd;

	path = rot_open_path(swap, name, &sx);
	if (path < 0)
		return path;
	rec = rot_rec_find(&b->recs, sx.stx_ino);
	fd = rec && S_ISREG(sx.stx_mode) ? rot_reopen(path) : -EINVAL;
	close(path);
	if (fd < 0)
		return fd;
	/* Whoever opens it from now on shows up when the lease is looked at. */
	if (!rot_lease(fd) && !rot_stat(fd, "", &sx) &&
	    (sx.stx_nlink > 1 ||
	     (rec->dst_ino == name_hash(name) &&
	      rec->src_size == sx.stx_size &&
	      rec->src_mtime == rot_time(&sx.stx_mtime))) &&
	    fcntl(fd, F_GETLEASE) == F_RDLCK)
		return fd;
	close(fd);
	return -EBUSY;
}

/* Copies that were not used go; so do the old ones that were exchanged. */
static int clear_swap(struct rot *r, struct rot_box *b, int swap)
{
	struct rot_names names;
	int ret = 0, fd;
	size_t mark;

	if (rot_list(swap, &names))
		return rot_fail(r, errno, "can't look at what is left over");
	for (size_t i = 0; i < names.n; i++) {
		rot_push(&r->path, names.v[i], &mark);
		fd = known(b, swap, names.v[i]);
		if (fd >= 0 && unlinkat(swap, names.v[i], 0)) {
			ret = rot_fail(r, errno, "can't take it away");
		} else if (fd == -EBUSY) {
			progress_clear();
			ret = fail(EX_BUSY,
				   "%s: another file of this name, in %s/swap, is being written to, or was after it was copied: take from there what you need, remove it, and run this again",
				   r->path.s, b->name);
		} else if (fd < 0 && fd != -ENOENT) {
			progress_clear();
			ret = fail(EX_FAIL,
				   "%s: can't tell what the one in %s/swap is: take from there what you need, remove it, and run this again",
				   r->path.s, b->name);
		}
		if (fd >= 0)
			close(fd);
		rot_pop(&r->path, mark);
	}
	rot_names_free(&names);
	return ret;
}

/**
 * rot_loose_recover() - tidy up after an interrupted rot_loose()
 * @r: the run; its path is the directory's
 * @b: box; still to be closed
 *
 * Return: 0 or an exit code.
 */
int rot_loose_recover(struct rot *r, struct rot_box *b)
{
	int swap = rot_open_dir(b->fd, "swap"), ret = 0;

	if (swap >= 0) {
		ret = clear_swap(r, b, swap);
		close(swap);
	} else if (swap != -ENOENT) {
		ret = rot_fail(r, swap, "can't look at %s/swap", b->name);
	}
	if (!ret && rot_remove(b->fd, "tree", 0))
		ret = rot_fail(r, 0, "can't take %s/tree away", b->name);
	return ret ? ret : rot_box_dissolve(r, b);
}

/**
 * rot_loose() - put single files under the new key
 * @r: the run; its path is the directory's
 * @host: where a box can be made
 * @rel: from there to the directory
 * @parent: the directory
 * @names: files in it under the old key
 * @n: how many
 *
 * Return: 0 or an exit code.
 */
int rot_loose(struct rot *r, int host, const char *rel, int parent,
	      char **names, size_t n)
{
	struct rot_box b = { .host = host, .fd = -1, .notes = -1, .copied = -1,
			     .loose = true };
	struct loose l = { .r = r, .b = &b, .parent = parent, .tree = -1,
			   .swap = -1 };
	int ret, worst = 0;

	if (r->dry_run) {
		for (size_t i = 0; i < n; i++)
			say("%s/%s: a single file", r->path.s, names[i]);
		return 0;
	}
	snprintf(b.rel, sizeof(b.rel), "%s", rel);
	ret = rot_box_make(r, &b);
	if (ret) {
		rot_box_close(&b);
		return ret;
	}
	l.tree = rot_box_dir(r, &b, "tree", true);
	l.swap = rot_box_dir(r, &b, "swap", false);
	if (l.tree < 0 || l.swap < 0) {
		worst = EX_FAIL;
		n = 0;
	}
	for (size_t i = 0; i < n && !rot_stop; i += BATCH) {
		ret = batch(&l, names + i, n - i < BATCH ? n - i : BATCH);
		worst = ret ? ret : worst;
		progress_show("files", i, n, 0);
	}
	if (l.tree >= 0)
		close(l.tree);
	if (l.swap >= 0)
		close(l.swap);
	ret = rot_loose_recover(r, &b);
	rot_box_close(&b);
	return worst ? worst : ret;
}
