// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key export and import: a key outside its volume, wrapped as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* Copy a file of bounded size. Return: 0 or a negative errno. */
static int copy(int from, int to)
{
	char buf[16384];
	off_t at = 0;
	ssize_t n;

	for (;; at += n) {
		n = pread(from, buf, sizeof(buf), at);
		if (n <= 0)
			return n ? -errno : 0;
		if (at + n > KEY_FILE_MAX_BYTES)
			return -EFBIG;
		if (pwrite(to, buf, n, at) != n)
			return errno ? -errno : -EIO;
	}
}

/**
 * struct target - the file to export to
 * @path: what the user calls it
 * @name: its name
 * @dir: the directory it will be in
 * @fd: what is going to be it, without a name
 * @linked: ... in @dir, so that it can be given that name
 */
struct target {
	const char	*path, *name;
	int		dir, fd;
	bool		linked;
};

static int refuse(const struct target *t, int err)
{
	int code = err == EEXIST ? EX_USAGE :
		   err == ENOENT ? EX_FAIL : errno_code(err);

	return fail(code, "%s: %s", t->path, strerror(err));
}

static int target_open(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *dir;

	t->path = path;
	t->name = slash ? slash + 1 : path;
	dir = slash ? strndup(path, slash - path + 1) : strdup(".");
	t->dir = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	free(dir);
	if (t->dir < 0)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	/* Refuse before the user is asked for anything. */
	if (!*t->name)
		return refuse(t, EISDIR);
	if (!fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW))
		return refuse(t, EEXIST);
	t->fd = openat(t->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	t->linked = t->fd >= 0;
	/* Not every file system, nor every kernel, has O_TMPFILE. */
	if (t->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR ||
			  errno == EINVAL))
		t->fd = memfd_create("key", MFD_CLOEXEC);
	if (t->fd < 0)
		return refuse(t, errno);
	return fchmod(t->fd, 0600) ? refuse(t, errno) : 0;
}

static void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->dir >= 0)
		close(t->dir);
}

/*
 * Remove our file, but not one that somebody else has put there in its place.
 */
static void take_back(const struct target *t, int fd)
{
	struct stat ours, there;

	if (!fstat(fd, &ours) &&
	    !fstatat(t->dir, t->name, &there, AT_SYMLINK_NOFOLLOW) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlinkat(t->dir, t->name, 0);
}

/* Give the file its name when it is complete, as far as the file system can. */
static int target_publish(struct target *t)
{
	char proc[32];
	int fd, err;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", t->fd);
	if (t->linked) {
		fd = t->fd;
		if (fsync(fd) || linkat(AT_FDCWD, proc, t->dir, t->name,
					AT_SYMLINK_FOLLOW))
			return refuse(t, errno);
	} else {
		fd = openat(t->dir, t->name, O_WRONLY | O_CREAT | O_EXCL |
			    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return refuse(t, errno);
	}
	err = t->linked ? 0 : copy(t->fd, fd);
	if (!err && fsync(fd))
		err = -errno;
	if (err)
		take_back(t, fd);
	if (!t->linked)
		close(fd);
	return err ? refuse(t, -err) : 0;
}

static int change_passphrase(const struct target *t, const struct key_args *a,
			     const char *name)
{
	struct passphrase old = { 0 }, new = { 0 };
	char proc[32];
	int ret;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", t->fd);
	ret = key_passphrase(&old, &a->pass, "Present passphrase", name, false);
	if (!ret)
		ret = key_new_passphrase(&new, a, name);
	if (!ret)
		ret = luks_change_passphrase(proc, LUKS_MASTER_KEY, &old, &new,
					     key_pbkdf(a));
	passphrase_wipe(&old);
	passphrase_wipe(&new);
	return ret;
}

/* Copy a wrapped key to a new file of the user's, which is there when it is done. */
static int export_key(struct key_store *s, const struct key_ref *ref,
		      const struct key_args *a, const char *name)
{
	struct target t = { .dir = -1, .fd = -1 };
	int from, err, ret;

	from = master_key_open_file(s, ref, O_RDONLY);
	if (from < 0)
		return EX_NOKEY;
	/* Lock the file as libcryptsetup does while it writes. */
	if (flock(from, LOCK_SH | LOCK_NB)) {
		close(from);
		return fail(EX_BUSY, "key %s is being changed", name);
	}
	ret = target_open(&t, a->arg[1]);
	err = ret ? 0 : copy(from, t.fd);
	close(from);
	if (err)
		ret = refuse(&t, -err);
	if (!ret && a->new_passphrase)
		ret = change_passphrase(&t, a, name);
	if (!ret)
		ret = target_publish(&t);
	target_close(&t);
	return ret;
}

/**
 * cmd_key_export() - inocrypt key export
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "new-passphrase", OPT_NEW_PASSPHRASE, NULL, 0,
		  "Give the copy another passphrase", 0 },
		{ "new-key-file", OPT_NEW_KEY_FILE, "FILE", 0,
		  "Read the copy's new passphrase from FILE", 0 },
		{ 0 }
	};
	struct key_args a = { .min = 2, .max = 2 };
	char buf[KEY_ID_STR_SIZE];
	struct key_store s;
	struct key_ref ref;
	int ret;

	ret = key_parse(&a, argc, argv, options, KEY_OPT_PASS | KEY_OPT_PBKDF,
			"NAME FILE",
			"Copy a key, wrapped by its passphrase, to a new file.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	if (a.new_key_file)
		a.new_passphrase = true;
	ret = key_store_find(&s, a.arg[0], &ref);
	if (!ret)
		ret = export_key(&s, &ref, &a,
				 key_ref_name(&ref, buf, sizeof(buf)));
	key_store_close(&s);
	return ret;
}

/* The file to import, copied to where nobody can change it under us. */
static int fetch(struct key_store *s, const char *path)
{
	int from, to, err;

	from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (from < 0) {
		fail(EX_USAGE, "%s: %s", path, strerror(errno));
		return -1;
	}
	to = master_key_new_file(s);
	if (to >= 0) {
		err = copy(from, to);
		if (err) {
			fail(EX_USAGE, "%s: %s", path, strerror(-err));
			close(to);
			to = -1;
		}
	}
	close(from);
	return to;
}

/* Unwrap the key, make it known, and keep its file. */
static int adopt(struct key_store *s, int fd, const char *proc,
		 const char *name, const struct key_args *a, u8 *id)
{
	unsigned int tries = passphrase_tries(&a->pass);
	struct secret key = { 0 };
	struct passphrase p;
	int ret;

	do {
		ret = key_passphrase(&p, &a->pass, "Passphrase", name, false);
		if (!ret)
			ret = luks_unlock(proc, LUKS_MASTER_KEY, &p, &key,
					  NULL);
		passphrase_wipe(&p);
	} while (ret == EX_AUTH && --tries);
	if (!ret)
		ret = master_key_enrol(s, fd, &key, name, id);
	secret_wipe(&key);
	return ret;
}

static int import_key(struct key_store *s, const struct key_args *a)
{
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	char proc[32], text[KEY_ID_STR_SIZE];
	const char *name = a->arg[1];
	struct luks_info info;
	int fd, ret;

	fd = fetch(s, a->arg[0]);
	if (fd < 0)
		return EX_USAGE;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ret = luks_info(proc, LUKS_MASTER_KEY, &info);
	if (!name)
		name = info.label;
	if (!ret && !key_name_valid(name))
		ret = fail(EX_USAGE, "%s: say what to call the key here",
			   a->arg[0]);
	if (!ret && key_name_taken(s, name))
		ret = fail(EX_FAIL, "say another name: key import FILE NAME");
	if (!ret && strcmp(name, info.label))
		ret = luks_set_label(proc, LUKS_MASTER_KEY, name);
	if (!ret)
		ret = adopt(s, fd, proc, name, a, id);
	close(fd);
	if (!ret) {
		hex(id, sizeof(id), text);
		say("%s", text);
	}
	return ret;
}

/**
 * cmd_key_import() - inocrypt key import
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key_import(int argc, char **argv)
{
	struct key_args a = { .min = 1, .max = 2 };
	struct key_store s;
	int ret;

	ret = key_parse(&a, argc, argv, NULL, KEY_OPT_PASS, "FILE [NAME]",
			"Take a key from an exported file, make it known to the volume if it isn't, and unlock it.  Prints its id, which differs from volume to volume.");
	if (!ret)
		ret = key_store_open(&s, a.mount);
	if (ret)
		return ret;
	ret = key_store_need_dir(&s);
	if (!ret)
		ret = import_key(&s, &a);
	key_store_close(&s);
	return ret;
}
