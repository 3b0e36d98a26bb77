// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key rotate: finding what is under the old key, and what an
 * interrupted run has left.
 *
 * A policy is inherited, and a directory with a key holds nothing under another.
 * So what is under the old key is whole trees, and single files in directories
 * without a key of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "rotate/rotate.h"

#define CLIMB	64	/* directories for their creators' keys in each other */
/* Leases cost their owner nothing: he shan't fill the terminal with them. */
#define LEASED_SHOWN	8

volatile sig_atomic_t rot_stop;

/**
 * struct level - a directory on the way
 * @up: the one it is in, NULL if that doesn't matter
 * @name: its name there
 * @fd: it
 * @host: under no key, so that a box can be made in it
 */
struct level {
	const struct level	*up;
	const char		*name;
	int			fd;
	bool			host;
};

static void note_result(struct rot *r, int ret)
{
	if (ret)
		r->worst = ret;
}

static void note_fail(struct rot *r, int err, const char *what)
{
	note_result(r, rot_fail(r, err, "%s", what));
}

/* The next directory up that can have boxes; @rel: the way from there. */
static const struct level *host_of(struct rot *r, const struct level *l,
				   char rel[ROT_PATH_SIZE])
{
	size_t at = ROT_PATH_SIZE - 1, n;

	rel[at] = 0;
	for (; l && !l->host; l = l->up) {
		n = strlen(l->name);
		if (n + 1 > at)
			return NULL;
		if (rel[at])
			rel[--at] = '/';
		at -= n;
		memcpy(rel + at, l->name, n);
	}
	memmove(rel, rel + at, ROT_PATH_SIZE - at);
	if (!l)
		note_fail(r, 0,
			  "no directory above it is without a key; a copy can't be made anywhere");
	return l;
}

/* Is there one for this tree?  Then it was looked at, and something was wrong. */
static bool has_box(struct rot *r, int host, const struct rot_box *want)
{
	struct rot_names names;
	struct rot_box b;
	bool found = false;
	int err;

	if (rot_list(host, &names))
		return false;
	for (size_t i = 0; i < names.n && !found; i++) {
		if (strncmp(names.v[i], ROT_PREFIX, strlen(ROT_PREFIX)))
			continue;
		err = rot_box_read(r, &b, host, names.v[i]);
		if (!err)
			rot_box_close(&b);
		found = (!err || err == -EBUSY || err == -EAGAIN) && !b.loose &&
			!strcmp(b.target, want->target) &&
			!strcmp(b.rel, want->rel);
	}
	rot_names_free(&names);
	return found;
}

static void do_tree(struct rot *r, const struct level *l, const char *name,
		    u64 ino)
{
	struct rot_box b = { .fd = -1, .notes = -1, .copied = -1, .root = ino };
	const struct level *host = host_of(r, l, b.rel);

	if (!host)
		return;
	b.host = host->fd;
	snprintf(b.target, sizeof(b.target), "%s", name);
	if (has_box(r, host->fd, &b))
		return;
	note_result(r, rot_tree(r, &b, l->fd));
	rot_box_close(&b);
}

static void do_loose(struct rot *r, const struct level *l,
		     const struct rot_names *files)
{
	char rel[ROT_PATH_SIZE];
	const struct level *host = host_of(r, l, rel);

	if (host)
		note_result(r, rot_loose(r, host->fd, rel, l->fd, files->v,
					 files->n));
}

/* Boxes */

static int finish_tree(struct rot *r, struct rot_box *b, int parent)
{
	enum rot_policy policy = ROT_NONE;
	bool there = false;
	struct statx sx;
	int tree, ret;

	tree = rot_open_dir(b->fd, "tree");
	if (tree >= 0) {
		ret = rot_policy_get(r, tree, &policy);
		close(tree);
		if (ret)
			return rot_fail(r, ret, "can't look at %s/tree", b->name);
	} else if (tree == -EACCES) {
		/* Only a finished copy, or the old tree, can be like that. */
		ret = fchmodat(b->fd, "tree", 0700, 0) ? -errno : 0;
		return ret ? rot_fail(r, ret, "can't look at %s/tree", b->name) :
			     finish_tree(r, b, parent);
	} else if (tree != -ENOENT) {
		return rot_fail(r, tree, "can't look at %s/tree", b->name);
	}
	if (policy == ROT_OLD) {
		if (r->dry_run) {
			say("%s: under the new key; the old copy is to be erased",
			    r->path.s);
			return 0;
		}
		ret = rot_drain(r, b, parent);
		r->trees += !ret;
		return ret;
	}
	if (r->abort) {
		ret = rot_remove(b->fd, "tree", 0);
		return ret ? rot_fail(r, ret, "can't take %s away", b->name) :
			     rot_box_dissolve(r, b);
	}
	if (parent >= 0)
		there = !rot_stat(parent, b->target, &sx) &&
			sx.stx_ino == b->root;
	if (there)
		return rot_tree(r, b, parent);
	if (tree == -ENOENT)
		return r->dry_run ? 0 : rot_box_dissolve(r, b);
	return rot_fail(r, 0,
			"%s is an unfinished copy of what isn't there any more; inocrypt key rotate --abort takes it away",
			b->name);
}

static int finish_box(struct rot *r, struct rot_box *b)
{
	int parent, ret;
	size_t mark;

	parent = rot_open_dir(b->host, *b->rel ? b->rel : ".");
	mark = r->path.len;
	if (*b->rel)
		rot_push(&r->path, b->rel, &(size_t){ 0 });
	if (!b->loose)
		rot_push(&r->path, b->target, &(size_t){ 0 });
	if (!b->loose)
		ret = finish_tree(r, b, parent);
	else
		ret = r->dry_run ? 0 : rot_loose_recover(r, b);
	rot_pop(&r->path, mark);
	if (parent >= 0)
		close(parent);
	return ret;
}

/* Which box is wanted. */
struct only {
	char		rel[ROT_PATH_SIZE];
	const char	*target;
};

/* Return: false if it is a directory like any other. */
static bool do_box(struct rot *r, int host, const char *name,
		   const struct only *only)
{
	struct rot_box b;
	size_t mark;
	int err;

	if (strncmp(name, ROT_PREFIX, strlen(ROT_PREFIX)))
		return false;
	err = rot_box_read(r, &b, host, name);
	if (err == -ENOENT)
		return false;
	if (!err) {
		if (!only || (!b.loose && !strcmp(b.rel, only->rel) &&
			      !strcmp(b.target, only->target)))
			note_result(r, finish_box(r, &b));
		rot_box_close(&b);
		return true;
	}
	rot_push(&r->path, name, &mark);
	if (err == -EBUSY)
		note_fail(r, 0,
			  "a rotation between other keys was interrupted; notes/state in it says how to finish it");
	else if (err == -EAGAIN)
		note_fail(r, EBUSY, "a rotation is under way");
	else
		note_fail(r, err, "can't read what it is");
	rot_pop(&r->path, mark);
	return true;
}

/* Walking */

static void walk(struct rot *r, const struct level *l, unsigned int depth);

static void see_dir(struct rot *r, const struct level *l, const char *name,
		    const struct statx *sx, unsigned int depth)
{
	struct level next = { .up = l, .name = name };
	enum rot_policy policy;
	int err;

	next.fd = rot_open_dir(l->fd, name);
	if (next.fd < 0) {
		/* This is another mount, or it is gone. */
		r->skipped += next.fd == -EACCES;
		return;
	}
	err = rot_policy_get(r, next.fd, &policy);
	next.host = policy == ROT_NONE;
	if (err)
		note_fail(r, err, "can't tell its key");
	else if (policy == ROT_OLD && !r->abort)
		do_tree(r, l, name, sx->stx_ino);
	else if (policy == ROT_NONE || policy == ROT_SPECIAL)
		walk(r, &next, depth + 1);
	close(next.fd);
}

static bool is_loose(struct rot *r, int dir, const char *name)
{
	enum rot_policy policy = ROT_NONE;
	struct statx sx;
	int path, fd;

	path = rot_open_path(dir, name, &sx);
	if (path < 0)
		return false;
	fd = S_ISREG(sx.stx_mode) ? rot_reopen(path) : -ENOENT;
	close(path);
	if (fd == -EBUSY && r->leased++ < LEASED_SHOWN)
		note_fail(r, fd, "somebody has a lease on it, so its key can't be told");
	if (fd < 0) {
		r->skipped += fd == -EACCES;
		return false;
	}
	if (rot_policy_get(r, fd, &policy))
		policy = ROT_NONE;
	close(fd);
	return policy == ROT_OLD;
}

static void walk(struct rot *r, const struct level *l, unsigned int depth)
{
	struct rot_names names, files = { 0 };
	struct statx sx;
	size_t mark;
	int err;

	if (depth > ROT_DEPTH) {
		note_fail(r, 0, "too many directories in each other");
		return;
	}
	err = rot_list(l->fd, &names);
	if (err == -EACCES) {
		r->skipped++;
		return;
	}
	if (!err)
		files.v = calloc(names.n + 1, sizeof(*files.v));
	if (err || !files.v) {
		note_fail(r, err ? err : ENOMEM, "can't look at it");
		return;
	}
	/* What an interrupted run has left comes first. */
	for (size_t i = 0; i < names.n && l->host && !rot_stop; i++)
		if (do_box(r, l->fd, names.v[i], NULL))
			*names.v[i] = 0;
	for (size_t i = 0; i < names.n && !rot_stop; i++) {
		char *name = names.v[i];

		if (!*name || rot_stat(l->fd, name, &sx))
			continue;
		rot_push(&r->path, name, &mark);
		if (S_ISDIR(sx.stx_mode))
			see_dir(r, l, name, &sx, depth);
		else if (S_ISREG(sx.stx_mode) && !r->abort &&
			 is_loose(r, l->fd, name))
			files.v[files.n++] = name;
		rot_pop(&r->path, mark);
	}
	if (files.n && !rot_stop)
		do_loose(r, l, &files);
	free(files.v);
	rot_names_free(&names);
}

/* A directory's name in the one above, @fd; false if it has none. */
static bool name_in(int above, int fd, char name[NAME_MAX + 1])
{
	char link[32], path[ROT_PATH_SIZE];
	struct statx a, b;
	const char *base;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = 0;
	base = strrchr(path, '/');
	if (!base || !*++base || strlen(base) > NAME_MAX)
		return false;
	strcpy(name, base);
	return !rot_stat(above, name, &a) && !rot_stat(fd, "", &b) &&
	       a.stx_ino == b.stx_ino && a.stx_mnt_id == b.stx_mnt_id;
}

struct climb {
	struct level	level;
	char		name[NAME_MAX + 1];
};

/*
 * From a directory up to the first that has no key, or has another directory's.
 * @c[0] is the directory itself.  Return: how many levels.
 */
static size_t climb(int fd, struct climb c[CLIMB + 1], enum rot_policy policy,
		    const struct rot *r)
{
	size_t n = 0;

	for (;;) {
		c[n].level.fd = fd;
		c[n].level.name = c[n].name;
		c[n].level.host = policy == ROT_NONE;
		if (n)
			c[n - 1].level.up = &c[n].level;
		n++;
		/* Above a directory with a key only the policy matters. */
		if (policy == ROT_NONE || n > CLIMB ||
		    (n > 1 && policy != ROT_SPECIAL))
			return n;
		fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return n;
		if (!name_in(fd, c[n - 1].level.fd, c[n - 1].name) ||
		    rot_policy_get(r, fd, &policy)) {
			/* The top of the mount. */
			close(fd);
			return n;
		}
	}
}

static void set_path(struct rot *r, int fd)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, r->path.s, sizeof(r->path.s) - 1);
	r->path.len = n > 0 ? n : 0;
	r->path.s[r->path.len] = 0;
}

/* A tree as a whole; what an interrupted run has left of it comes first. */
static void walk_tree(struct rot *r, const struct level *l)
{
	struct only only = { .target = l->name };
	struct rot_path path = r->path;
	const struct level *host;
	enum rot_policy policy;
	struct rot_names names;
	struct statx sx;
	int err, fd;

	host = host_of(r, l->up, only.rel);
	if (!host)
		return;
	set_path(r, host->fd);
	err = rot_list(host->fd, &names);
	if (err) {
		note_fail(r, err, "can't look at it");
	} else {
		for (size_t i = 0; i < names.n && !rot_stop; i++)
			do_box(r, host->fd, names.v[i], &only);
		rot_names_free(&names);
	}
	r->path = path;
	if (r->worst || rot_stop || r->abort)
		return;
	fd = rot_open_dir(l->up->fd, l->name);
	if (fd < 0)
		return;
	if (!rot_policy_get(r, fd, &policy) && policy == ROT_OLD &&
	    !rot_stat(fd, "", &sx))
		do_tree(r, l->up, l->name, sx.stx_ino);
	close(fd);
}

static void walk_from(struct rot *r, const struct level *l,
		      enum rot_policy policy)
{
	enum rot_policy above;

	if (policy == ROT_NONE || policy == ROT_SPECIAL) {
		walk(r, l, 0);
	} else if (!l->up) {
		if (policy == ROT_OLD)
			note_fail(r, 0,
				  "is the top of its mount: its key can't be changed");
	} else if (!l->up->host &&
		   (rot_policy_get(r, l->up->fd, &above) ||
		    above != ROT_SPECIAL)) {
		note_fail(r, 0,
			  "the directory that it is in has that key, too; rotate that one");
	} else {
		walk_tree(r, l);
	}
}

static void walk_fd(struct rot *r, int fd)
{
	struct climb *c = calloc(CLIMB + 1, sizeof(*c));
	enum rot_policy policy;
	size_t n;
	int err;

	err = c ? rot_policy_get(r, fd, &policy) : -ENOMEM;
	if (err) {
		if (err == -ENOTTY || err == -EOPNOTSUPP)
			r->worst = modules_not_on_volume(EX_FAIL, r->path.s);
		else
			r->worst = rot_fail(r, err, "can't tell its key");
		free(c);
		close(fd);
		return;
	}
	n = climb(fd, c, policy, r);
	walk_from(r, &c[0].level, policy);
	while (n--)
		close(c[n].level.fd);
	free(c);
}

static void stop(int sig)
{
	(void)sig;
	rot_stop = 1;
}

static void prepare(void)
{
	struct sigaction sa = { .sa_handler = stop }, was;
	struct rlimit files;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* nohup has it ignored. */
	if (!sigaction(SIGHUP, NULL, &was) && was.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &sa, NULL);
	/* Sent when somebody opens a file that we have a lease of. */
	signal(SIGIO, SIG_IGN);
	umask(077);
	/* Two directories for each level of the tree. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/**
 * rot_run() - put all that is in a directory under the new key
 * @r: the run, with its keys and options
 * @fd: the directory; taken
 * @path: what the user calls it
 *
 * What was found and how it went is noted in @r.
 *
 * Return: 0, or an exit code if nothing could be done at all.
 */
int rot_run(struct rot *r, int fd, const char *path)
{
	size_t mark;

	if (posix_memalign(&r->buf, 4096, ROT_BUF)) {
		close(fd);
		return fail(EX_FAIL, "no memory");
	}
	prepare();
	rot_push(&r->path, path, &mark);
	progress_start(!r->dry_run);
	walk_fd(r, fd);
	progress_clear();
	if (r->leased > LEASED_SHOWN)
		warn("and %llu more files that somebody has a lease on",
		     (unsigned long long)r->leased - LEASED_SHOWN);
	free(r->buf);
	return 0;
}
