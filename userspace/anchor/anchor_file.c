// SPDX-License-Identifier: GPL-2.0-only
/*
 * The anchor's file: where it is, reading it, replacing it.
 *
 * It is replaced by renaming a new file over it, both durable before the next
 * step, so that a crash leaves the old one or the new one.  A file beside it is
 * locked (flock) meanwhile, from before the volume is asked for its state:
 * whoever refreshes an anchor has compared with the one it replaces, and never
 * sets it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "anchor/anchor.h"

#define LOCK_TRIES	100
#define LOCK_WAIT_MS	100

/**
 * anchor_locate() - decide where a volume's anchor is
 * @a: with its uuid; receives the path, or an empty one
 * @where: FILE, "none", or NULL for the usual directory
 *
 * Return: 0 or an exit code.
 */
int anchor_locate(struct anchor *a, const char *where)
{
	const char *dir = secure_getenv(ANCHOR_DIR_ENV);
	char uuid[UUID_STR_SIZE], cwd[PATH_MAX] = "";
	int n;

	a->path[0] = 0;
	a->make_dir = !where;
	if (!where && dir && !strcmp(dir, "none"))
		where = dir;
	if (where && !strcmp(where, "none"))
		return 0;
	if (!dir || !*dir)
		dir = ANCHOR_DIR;
	if ((where ? where : dir)[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return fail(EX_FAIL, "no current directory: %s",
			    strerror(errno));
	uuid_format(a->uuid, uuid);
	n = where ? snprintf(a->path, sizeof(a->path), "%s%s%s", cwd,
			     *cwd ? "/" : "", where) :
		    snprintf(a->path, sizeof(a->path), "%s%s%s/%s", cwd,
			     *cwd ? "/" : "", dir, uuid);
	if (n >= (int)sizeof(a->path) || (where && !*where))
		return fail(EX_USAGE, "anchor %s: not a usable path",
			    where ? where : dir);
	return 0;
}

/**
 * anchor_read_raw() - read a file that should be an anchor
 * @path: file
 * @buf: receives its contents, up to ANCHOR_READ_SIZE bytes: one more than
 *	an anchor has
 * @len: receives how many bytes that are
 *
 * Return: 0 or a negative errno.
 */
int anchor_read_raw(const char *path, u8 *buf, size_t *len)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;
	int err = 0;

	*len = 0;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	while (!err && *len < ANCHOR_READ_SIZE) {
		n = read(fd, buf + *len, ANCHOR_READ_SIZE - *len);
		if (n > 0)
			*len += n;
		else if (!n)
			break;
		else if (errno != EINTR)
			err = -errno;
	}
	close(fd);
	return err;
}

/* Read and check; -ENOENT if there is none. */
static int load(const struct anchor *a, struct anchor_state *state,
		const char **why)
{
	u8 buf[ANCHOR_READ_SIZE];
	size_t len;
	int err = anchor_read_raw(a->path, buf, &len);

	if (err) {
		*why = err == -EINVAL ? "it is not a regular file" :
					strerror(-err);
		return err;
	}
	return anchor_parse(buf, len, a->key, a->uuid, state, why);
}

/**
 * anchor_read() - read a volume's anchor
 * @a: with path, uuid and key; receives @a->found and @a->seen
 *
 * Return: 0, also if there is none; or an exit code after a message.
 */
int anchor_read(struct anchor *a)
{
	const char *why;
	int err;

	a->found = false;
	err = load(a, &a->seen, &why);
	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err)
		return fail(EX_ANCHOR, "can't use the anchor %s: %s", a->path,
			    why);
	a->found = true;
	return 0;
}

/**
 * anchor_replaceable() - is there no file in the anchor's place but an anchor?
 * @a: with path and uuid
 *
 * A damaged one of this volume is replaced, if the caller wants that; what is
 * something else somebody may need.
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_replaceable(const struct anchor *a)
{
	u8 buf[ANCHOR_READ_SIZE];
	size_t len;
	int err = anchor_read_raw(a->path, buf, &len);

	if (err == -ENOENT || err == -ENOTDIR ||
	    (!err && anchor_is_of(buf, len, a->uuid)))
		return 0;
	return fail(EX_ANCHOR,
		    "%s is no anchor of this volume, and isn't replaced: remove it if nobody needs it, or keep the anchor elsewhere (--anchor FILE)",
		    a->path);
}

/* Make a directory and those above it. @dir is changed, and changed back. */
static int make_dirs(char *dir)
{
	char *at = dir;
	int err;

	do {
		at = strchr(at + 1, '/');
		if (at)
			*at = 0;
		/* What others may read are names only: UUIDs. */
		err = mkdir(dir, at ? 0755 : 0700) ? errno : 0;
		if (at)
			*at = '/';
	} while (at && (!err || err == EEXIST));
	return err == EEXIST ? 0 : err;
}

/* Open the anchor's directory; its last component goes to @base. */
static int open_dir(const struct anchor *a, char **base, char buf[PATH_MAX])
{
	int fd, err = 0;

	strcpy(buf, a->path);
	*base = strrchr(buf, '/') + 1;
	(*base)[-1] = 0;
	if (!**base)
		return -EISDIR;
	if (a->make_dir)
		err = make_dirs(buf);
	fd = open(*buf ? buf : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err ? -err : -errno;
	return fd;
}

static int cant_write(const struct anchor *a, int err)
{
	return fail(EX_FAIL, "can't write the anchor %s: %s", a->path,
		    strerror(err));
}

/**
 * anchor_writable() - could an anchor be written?
 * @a: with its path
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_writable(const struct anchor *a)
{
	char buf[PATH_MAX], *base;
	int dir, err = 0;

	dir = open_dir(a, &base, buf);
	if (dir < 0)
		return cant_write(a, -dir);
	if (faccessat(dir, ".", W_OK, AT_EACCESS))
		err = errno;
	close(dir);
	return err ? cant_write(a, err) : 0;
}

static int write_file(int dir, const char *base, const struct anchor_file *f)
{
	char temp[NAME_MAX + 1];
	ssize_t n;
	int fd, err = 0;

	if (snprintf(temp, sizeof(temp), ".%s.new", base) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	/*
	 * A crash may have left this file; the lock keeps others from using it
	 * now.
	 */
	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = write(fd, f, sizeof(*f));
	if (n != sizeof(*f))
		err = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(dir, temp, dir, base))
		err = -errno;
	if (err)
		unlinkat(dir, temp, 0);
	else if (fsync(dir))
		err = -errno;
	return err;
}

/*
 * The lock is a file, not the directory: whoever may read that could lock it,
 * too.
 */
static int open_lock(int dir, const char *base)
{
	const int flags = O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char name[NAME_MAX + 1];
	int fd;

	if (snprintf(name, sizeof(name), ".%s.lock", base) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = openat(dir, name, O_RDWR | flags, 0600);
	/*
	 * Where nothing can be written, an anchor that is up to date needn't
	 * be.
	 */
	if (fd < 0 && errno == EROFS)
		fd = openat(dir, name, O_RDONLY | flags, 0600);
	return fd < 0 ? -errno : fd;
}

/**
 * anchor_lock() - keep others from replacing an anchor
 * @a: with its path
 * @lock: for anchor_unlock(), also after an error
 *
 * Return: 0 or an exit code after a message.
 */
int anchor_lock(const struct anchor *a, struct anchor_lock *lock)
{
	char buf[PATH_MAX], *base;

	lock->fd = -1;
	lock->dir = open_dir(a, &base, buf);
	if (lock->dir < 0)
		return cant_write(a, -lock->dir);
	lock->fd = open_lock(lock->dir, base);
	if (lock->fd < 0)
		return cant_write(a, -lock->fd);
	for (int tries = 0; flock(lock->fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return cant_write(a, errno);
		if (tries == LOCK_TRIES)
			return fail(EX_BUSY,
				    "can't write the anchor %s: another process has kept it locked for %d s",
				    a->path, LOCK_TRIES * LOCK_WAIT_MS / 1000);
		usleep(LOCK_WAIT_MS * 1000);
	}
	return 0;
}

/**
 * anchor_unlock() - let others
 * @lock: from anchor_lock()
 */
void anchor_unlock(struct anchor_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	if (lock->dir >= 0)
		close(lock->dir);
}

/**
 * anchor_write() - make an anchor remember a state
 * @a: with path, uuid and key
 * @lock: from anchor_lock()
 * @now: committed and durable on the volume's devices, read under the lock
 * @force: even if the anchor there is newer, or of a fork
 *
 * An unusable anchor of this volume is replaced: who calls this has seen a good
 * one before, or accepts anything.
 *
 * Return: 0 or an exit code after a message; EX_ROLLBACK if the anchor there
 * is newer or of a fork.
 */
int anchor_write(struct anchor *a, const struct anchor_lock *lock,
		 const struct anchor_state *now, bool force)
{
	const char *why, *base = strrchr(a->path, '/') + 1;
	struct anchor_state state = *now;
	struct anchor there = *a;
	struct anchor_file f;
	int err, ret = 0;

	err = load(a, &there.seen, &why);
	if (err && err != -ENOENT) {
		ret = anchor_replaceable(a);
		if (ret)
			goto out;
		warn("the anchor %s could not be used and is replaced: %s",
		     a->path, why);
	}
	if (!err && !force) {
		switch (anchor_relate(&there.seen, now)) {
		case ANCHOR_SAME:
			goto out;
		case ANCHOR_NEWER:
			break;
		default:
			there.found = true;
			ret = anchor_judge(&there, now, "the open volume");
			goto out;
		}
	}
	state.written = time(NULL);
	if (anchor_seal(&f, a->key, a->uuid, &state))
		ret = fail(EX_FAIL, "libcrypto fails");
	else
		err = write_file(lock->dir, base, &f);
	if (!ret && err)
		ret = cant_write(a, -err);
	if (!ret) {
		a->seen = state;
		a->found = true;
	}
out:
	anchor_wipe(&there);
	return ret;
}
