// SPDX-License-Identifier: GPL-2.0-only
/*
 * Master keys on a mounted volume: the files they are wrapped in, and the
 * ioctls that hand them to the kernel, lock and forget them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "derive.h"
#include "keys/keys.h"

/*
 * Open what root has made, and nobody else can have or put anything into: whose
 * directories these are decides who may put a file in place of another's.
 */
static int open_dir(const struct volume_mount *m, int at, const char *name)
{
	struct ext4_owner_policy policy = { 0 };
	struct stat st;
	int fd, err = 0;

	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_dev != m->dev || st.st_uid ||
	    (!ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, &policy) &&
	     !(policy.flags & EXT4_OWNER_POLICY_NO_KEY)))
		err = -EPERM;
	else if (st.st_mode & 022)
		err = st.st_mode & S_ISVTX ? -EUCLEAN : -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int open_key_dir(struct key_store *s)
{
	const char *where = shown_word(s->mount.path);
	int top;

	top = open_dir(&s->mount, s->mount.fd, KEY_DIR_TOP);
	s->dir = top < 0 ? top : open_dir(&s->mount, top, KEY_DIR_SUB);
	if (top >= 0)
		close(top);
	if (s->dir >= 0)
		return 0;
	top = s->dir;
	s->dir = -1;
	switch (top) {
	case -ENOENT:
		return 0;
	case -EUCLEAN:
		return fail(EX_FAIL,
			    "%s/%s is one directory for the files of all users, as earlier versions of inocrypt made it; as root: mv %s/%s %s/old-keys, then inocrypt key setup --mount %s; then each user takes his keys back: inocrypt key import %s/old-keys/FILE",
			    s->mount.path, KEY_DIR_PATH, where, KEY_DIR_PATH,
			    where, where, where);
	case -EPERM:
		return fail(EX_FAIL,
			    "%s/.inocrypt isn't as inocrypt key setup makes it: root's, under no key, and nobody else's to change",
			    s->mount.path);
	default:
		return fail(errno_code(-top), "%s/" KEY_DIR_PATH ": %s",
			    s->mount.path, strerror(-top));
	}
}

static int read_known(struct key_store *s)
{
	struct ext4_owner_key_info info = { 0 }, *list = NULL;
	size_t n = 0;

	free(s->keys.known);
	s->keys.known = NULL;
	s->keys.nr_known = 0;
	while (!ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_NEXT, &info)) {
		struct ext4_owner_key_info *more;

		more = realloc(list, (n + 1) * sizeof(*list));
		if (!more) {
			free(list);
			return fail(EX_FAIL, "out of memory");
		}
		list = more;
		list[n++] = info;
		info.slot++;
	}
	if (errno != ENOENT) {
		int err = errno;

		free(list);
		return fail(errno_code(err), "%s: can't read the volume's keys: %s",
			    s->mount.path, strerror(err));
	}
	s->keys.known = list;
	s->keys.nr_known = n;
	return 0;
}

/**
 * key_store_read() - look again at what there is
 * @s: open
 *
 * Return: 0 or an exit code.
 */
int key_store_read(struct key_store *s)
{
	int ret = read_known(s);

	return ret || s->dir < 0 ? ret :
				   key_dir_scan(&s->keys, s->dir, geteuid());
}

static int open_store(struct key_store *s, const char *path, bool files)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->dir = -1;
	ret = volume_mount_find(&s->mount, path);
	if (ret)
		return ret;
	ret = files ? open_key_dir(s) : 0;
	if (!ret)
		ret = key_store_read(s);
	if (ret)
		key_store_close(s);
	return ret;
}

/**
 * key_store_open() - the keys of a mounted volume
 * @s: to be filled in; key_store_close() afterwards if this succeeds
 * @path: see volume_mount_find()
 *
 * A volume that has no directory for keys yet has no files, see
 * key_store_need_dir().
 *
 * Return: 0 or an exit code.
 */
int key_store_open(struct key_store *s, const char *path)
{
	return open_store(s, path, true);
}

/**
 * key_store_open_known() - the keys that a mounted volume knows
 * @s: to be filled in; key_store_close() afterwards if this succeeds
 * @path: see volume_mount_find()
 *
 * Nobody's files are looked at, so nothing about them keeps a key from being
 * locked.
 *
 * Return: 0 or an exit code.
 */
int key_store_open_known(struct key_store *s, const char *path)
{
	return open_store(s, path, false);
}

/**
 * key_store_need_dir() - is there a place for the caller's key files?
 * @s: open
 *
 * Return: 0, or an exit code after a message.
 */
int key_store_need_dir(const struct key_store *s)
{
	const struct passwd *pw;
	char uid[KEY_USER_NAME_SIZE];

	if (s->dir < 0)
		return fail(EX_FAIL,
			    "%s has no place for keys yet; as root: inocrypt key setup --mount %s",
			    s->mount.path, shown_word(s->mount.path));
	if (s->keys.has_own)
		return 0;
	pw = getpwuid(geteuid());
	key_user_name(geteuid(), uid);
	return fail(EX_FAIL,
		    "%s has no place for your keys yet; as root: inocrypt key setup %s --mount %s",
		    s->mount.path, pw ? shown_word(pw->pw_name) : uid,
		    shown_word(s->mount.path));
}

/*
 * Make a directory of root's.  No key, whatever the mount's default is: a key
 * that is needed to read itself is lost.
 */
static int make_dir(int at, const char *name, mode_t mode)
{
	struct ext4_owner_policy policy = {
		.version = EXT4_OWNER_POLICY_V1,
		.flags = EXT4_OWNER_POLICY_NO_KEY,
	};
	int fd, err;

	if (mkdirat(at, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fchown(fd, 0, 0) || fchmod(fd, mode) ||
	      ioctl(fd, EXT4_IOC_SET_OWNER_POLICY, &policy) ? errno : 0;
	/* One that is in use has its policy already, if it needs one. */
	if (err && err != ENOTEMPTY) {
		close(fd);
		return -err;
	}
	return fd;
}

/*
 * A file system without the directory is a new one: the volume's records of keys
 * are of the one before, and count against the users who brought those.  What is
 * loaded, or has files, stays.
 */
static void forget_old_keys(struct key_store *s)
{
	struct ext4_owner_key_info info = { 0 };
	struct ext4_owner_key_id arg;
	unsigned int n = 0;

	for (; !ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_NEXT, &info);
	     info.slot++) {
		if (info.flags & EXT4_OWNER_KEY_LOADED)
			continue;
		memcpy(arg.key_id, info.key_id, sizeof(arg.key_id));
		n += !ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_DELETE, &arg);
	}
	if (n)
		tell("%u keys that nothing is under, of an earlier file system, are forgotten",
		     n);
}

/**
 * key_store_make_dir() - make the directory that users' directories are in
 * @s: open; by root
 *
 * Return: 0, also if there is one, or an exit code.
 */
int key_store_make_dir(struct key_store *s)
{
	int top, keys;
	bool made;

	if (s->dir >= 0)
		return 0;
	top = make_dir(s->mount.fd, KEY_DIR_TOP, 0755);
	made = top >= 0 && faccessat(top, KEY_DIR_SUB, F_OK,
				     AT_SYMLINK_NOFOLLOW);
	keys = top < 0 ? top : make_dir(top, KEY_DIR_SUB, 0755);
	if (top >= 0)
		close(top);
	if (keys == -EEXIST)
		return fail(EX_FAIL,
			    "the root directory of %s has a policy; keys have to be kept where none is",
			    s->mount.path);
	if (keys < 0)
		return fail(errno_code(-keys),
			    "%s/" KEY_DIR_PATH ": can't be made: %s",
			    s->mount.path, strerror(-keys));
	s->dir = keys;
	if (made)
		forget_old_keys(s);
	return 0;
}

/**
 * key_store_add_user() - make a user's directory, if he has none
 * @s: open, with a directory; by root
 * @uid: user
 * @gid: the directory's group
 *
 * Return: 0 or an exit code.
 */
int key_store_add_user(struct key_store *s, uid_t uid, gid_t gid)
{
	char name[KEY_USER_NAME_SIZE];
	bool is_his = false;
	struct stat st;
	int fd, err = 0;

	key_user_name(uid, name);
	fd = key_open_below(s->dir, name, O_PATH | O_DIRECTORY);
	if (fd >= 0) {
		is_his = !fstat(fd, &st) && st.st_uid == uid;
		close(fd);
	}
	/* If something is mounted on the directory, it is in somebody's use. */
	if (is_his || fd == -EXDEV)
		return 0;
	/*
	 * The directory is given away last. Until then it counts as nobody's,
	 * see key_dir_scan().
	 */
	fd = make_dir(s->dir, name, 0700);
	if (fd < 0 || fchown(fd, uid, gid) || fsync(fd) || fsync(s->dir))
		err = fd < 0 ? -fd : errno;
	if (fd >= 0)
		close(fd);
	return err ? fail(errno_code(err), "%s/" KEY_DIR_PATH
			  "/%s: can't be made: %s", s->mount.path, name,
			  strerror(err)) : 0;
}

/**
 * key_store_close() - free all that key_store_open() took
 * @s: open, or zeroed
 */
void key_store_close(struct key_store *s)
{
	key_dir_free(&s->keys);
	if (s->mount.path && s->dir >= 0)
		close(s->dir);
	s->dir = -1;
	volume_mount_put(&s->mount);
}

/**
 * key_store_find() - which key is meant?
 * @s: open
 * @name: see key_dir_find()
 * @ref: receives it, good until key_store_read() or key_store_close()
 *
 * Return: 0 or an exit code.
 */
int key_store_find(const struct key_store *s, const char *name,
		   struct key_ref *ref)
{
	return key_dir_find(&s->keys, name, geteuid(), ref);
}

static int explain_add(const struct key_store *s, const char *what, bool create,
		       int err)
{
	const char *where = s->mount.path;

	switch (err) {
	case ENOKEY:
		return fail(EX_NOKEY,
			    "%s: the volume at %s doesn't know this key (any more); inocrypt key import makes it known",
			    what, where);
	case EDQUOT:
		if (!create)
			return fail(EX_FAIL,
				    "%s: you, or all in your user namespaces together, use %d keys of the volume at %s, as many as one user may",
				    what, EXT4_OWNER_CLAIMS_PER_USER, where);
		return fail(EX_FAIL,
			    "%s: you have brought %d keys to the volume at %s, as many as one user may; inocrypt key list shows them, inocrypt key remove those that nothing is under",
			    what, EXT4_OWNER_KEYS_PER_USER, where);
	case ENOSPC:
		return fail(EX_FAIL,
			    "%s: the volume at %s has no more room for keys; inocrypt key remove those that nothing is under",
			    what, where);
	case EPERM:
		return fail(EX_FAIL,
			    "%s: the volume at %s takes new keys from users of the host, and from root with CAP_SYS_ADMIN there: not from a container",
			    what, where);
	case EROFS:
		return fail(EX_FAIL, "%s: the volume at %s is read-only", what,
			    where);
	case EOPNOTSUPP:
	case ENOTTY:
		return modules_not_on_volume(EX_NOVOLUME, where);
	default:
		return fail(errno_code(err), "%s: can't hand the key to the kernel: %s",
			    what, strerror(err));
	}
}

/*
 * Forget one of the caller's records that no file of his goes with. It is of a
 * run that was killed, or of a key that he keeps elsewhere: then importing that
 * makes it known again. The kernel refuses to forget a key that files are
 * under.
 */
static bool reclaim(const struct key_store *s)
{
	uid_t uid = geteuid();

	for (size_t i = 0; i < s->keys.nr_known; i++) {
		const struct ext4_owner_key_info *k = &s->keys.known[i];
		struct ext4_owner_key_id arg;

		if (k->uid != uid || k->flags & EXT4_OWNER_KEY_LOADED ||
		    key_dir_own(&s->keys, k->key_id, uid))
			continue;
		memcpy(arg.key_id, k->key_id, sizeof(arg.key_id));
		if (!ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_DELETE, &arg))
			return true;
	}
	return false;
}

/**
 * master_key_load() - hand a key to the kernel, in the caller's name
 * @s: open
 * @key: the key
 * @what: its name, for messages
 * @create: make it known to the volume if it isn't
 * @id: receives its id
 *
 * Return: 0 or an exit code.
 */
int master_key_load(struct key_store *s, const struct secret *key,
		    const char *what, bool create, u8 *id)
{
	struct ext4_owner_key_add add = { 0 };
	int err, tries = 0;

	mlock(&add, sizeof(add));
	memcpy(add.raw, key->key, sizeof(add.raw));
	add.flags = create ? EXT4_OWNER_KEY_CREATE : 0;
	do {
		err = ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_ADD, &add) ?
		      errno : 0;
	} while ((err == EDQUOT || err == ENOSPC) && create &&
		 tries++ < EXT4_OWNER_KEYS_PER_USER && reclaim(s));
	if (!err)
		memcpy(id, add.key_id, sizeof(add.key_id));
	explicit_bzero(&add, sizeof(add));
	munlock(&add, sizeof(add));
	return err ? explain_add(s, what, create, err) : 0;
}

/**
 * master_key_lock() - end the caller's use of a key
 * @s: open
 * @id: key id
 * @flags: EXT4_OWNER_LOCK_*, or 0
 * @result: the kernel's answer
 *
 * Return: 0 or an exit code; 0 doesn't mean that it is locked, see @result.
 */
int master_key_lock(struct key_store *s, const u8 *id, u32 flags,
		    struct ext4_owner_key_lock *result)
{
	char text[KEY_ID_STR_SIZE];

	memset(result, 0, sizeof(*result));
	memcpy(result->key_id, id, sizeof(result->key_id));
	result->flags = flags;
	if (!ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_LOCK, result))
		return 0;
	hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
	if (errno == EPERM || errno == EACCES)
		return fail(EX_FAIL, "key %s: only root locks for all users",
			    text);
	if (errno == EBUSY)
		return fail(EX_BUSY,
			    "another user has key %s unlocked (root: --all-users)",
			    text);
	return errno == ENOKEY ?
	       fail(EX_NOKEY, "key %s isn't unlocked%s", text,
		    flags & EXT4_OWNER_LOCK_ALL_USERS ? "" : " by you") :
	       fail(errno_code(errno), "key %s: can't lock: %s", text,
		    strerror(errno));
}

/**
 * master_key_delete() - let the volume forget a key
 * @s: open
 * @id: key id; locked, nothing under it
 *
 * Return: 0, also if it never knew it; or an exit code.
 */
int master_key_delete(struct key_store *s, const u8 *id)
{
	struct ext4_owner_key_id arg;
	char text[KEY_ID_STR_SIZE];

	memcpy(arg.key_id, id, sizeof(arg.key_id));
	if (!ioctl(s->mount.fd, EXT4_IOC_OWNER_KEY_DELETE, &arg) ||
	    errno == ENOKEY)
		return 0;
	hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
	switch (errno) {
	case EBUSY:
		return fail(EX_BUSY,
			    "key %s: there are files under it, or somebody has it unlocked; to find them: inocrypt policy report %s",
			    text, shown_word(s->mount.path));
	case EACCES:
	case EPERM:
		return fail(EX_FAIL,
			    "key %s: another user brought it to the volume; only that user and root remove it (--file-only removes your copy of it)",
			    text);
	default:
		return fail(errno_code(errno), "key %s: can't remove: %s", text,
			    strerror(errno));
	}
}

/**
 * master_key_open_file() - open the file a key is wrapped in
 * @s: open
 * @ref: the key
 * @flags: O_RDONLY or O_RDWR
 *
 * Return: a descriptor, or -1 after a message.
 */
int master_key_open_file(struct key_store *s, const struct key_ref *ref,
			 int flags)
{
	char text[KEY_ID_STR_SIZE];
	uid_t uid;
	ino_t ino;
	int fd;

	hex(ref->id, sizeof(ref->id), text);
	if (!ref->file) {
		fail(EX_NOKEY, "key %s has no file that you may use in %s/"
		     KEY_DIR_PATH, text, s->mount.path);
		return -1;
	}
	fd = key_file_open(s->dir, ref->file->file, flags, &uid, &ino);
	if (fd >= 0 && (uid != ref->file->uid || ino != ref->file->ino)) {
		close(fd);
		fd = -ESTALE;
	}
	/* libcryptsetup takes this lock to write, however long that takes. */
	if (fd >= 0 && flags == O_RDWR &&
	    flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		close(fd);
		fd = -EBUSY;
	}
	if (fd < 0) {
		fail(errno_code(-fd), "%s/" KEY_DIR_PATH "/%s: %s",
		     s->mount.path, ref->file->file,
		     fd == -EBUSY || fd == -EAGAIN ?
		     "its owner is changing it, or has a lock or a lease on it" :
		     strerror(-fd));
		return -1;
	}
	flock(fd, LOCK_UN);
	return fd;
}

static int open_key(struct key_store *s, const struct key_ref *ref,
		    const struct passphrase *p, bool create)
{
	const struct ext4_owner_key_info *known;
	struct ext4_owner_key_lock undo;
	char path[32], text[KEY_ID_STR_SIZE];
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct secret key = { 0 };
	struct luks_info info;
	int fd, ret;

	fd = master_key_open_file(s, ref, O_RDONLY);
	if (fd < 0)
		return EX_NOKEY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = p ? luks_unlock(path, LUKS_MASTER_KEY, p, &key, &info) :
		  luks_unlock_token(path, LUKS_MASTER_KEY, &key, &info);
	if (!ret)
		ret = master_key_load(s, &key, ref->file->label, create, id);
	secret_wipe(&key);
	close(fd);
	if (ret || !memcmp(id, ref->id, sizeof(id)))
		return ret;
	/*
	 * The file's name lies: what has been unlocked isn't the key that was
	 * asked for.
	 */
	known = key_dir_known(&s->keys, id);
	if (!known || !(known->flags & EXT4_OWNER_KEY_MINE))
		master_key_lock(s, id, 0, &undo);
	hex(id, sizeof(id), text);
	return fail(EX_AUTH, "%s/" KEY_DIR_PATH
		    "/%s holds another key than it says: %s", s->mount.path,
		    ref->file->file, text);
}

/**
 * master_key_unlock() - make a key's files usable
 * @s: open
 * @ref: the key
 * @p: its passphrase; NULL: by a token of its header
 *
 * Return: 0 or an exit code; EX_AUTH: that isn't its passphrase.
 */
int master_key_unlock(struct key_store *s, const struct key_ref *ref,
		      const struct passphrase *p)
{
	return open_key(s, ref, p, false);
}

/**
 * master_key_finish() - make a key known that has a file and nothing else
 * @s: open
 * @ref: the caller's own; the volume doesn't know it
 * @p: its passphrase
 *
 * Return: 0, unlocked; or an exit code as for master_key_unlock().
 */
int master_key_finish(struct key_store *s, const struct key_ref *ref,
		      const struct passphrase *p)
{
	return open_key(s, ref, p, true);
}

/**
 * master_key_new_file() - a file for a key, that nobody sees yet
 * @s: open
 *
 * Return: a descriptor for master_key_publish(), or -1 after a message.
 */
int master_key_new_file(struct key_store *s)
{
	struct ext4_owner_policy policy = { 0 };
	char user[KEY_USER_NAME_SIZE];
	int fd;

	if (key_store_need_dir(s))
		return -1;
	key_user_name(geteuid(), user);
	fd = openat(s->dir, user, O_TMPFILE | O_NOFOLLOW | O_RDWR | O_CLOEXEC,
		    0600);
	if (fd < 0) {
		if (errno == ENOKEY)
			fail(EX_NOKEY,
			     "%s is mounted with require_key or owner_key, and its directory for keys was made before: remount it without to make keys",
			     s->mount.path);
		else
			fail(EX_FAIL, "%s/" KEY_DIR_PATH ": %s", s->mount.path,
			     strerror(errno));
		return -1;
	}
	/*
	 * Refuse a place under a key: a key that is needed to read itself is
	 * lost.
	 */
	if (!ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, &policy) &&
	    !(policy.flags & EXT4_OWNER_POLICY_NO_KEY)) {
		fail(EX_FAIL,
		     "%s is mounted with owner_key: the key file would be under that key; mount it without to make keys",
		     s->mount.path);
		close(fd);
		return -1;
	}
	if (fchmod(fd, 0600)) {
		fail(EX_FAIL, "key file: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* The directory that a key file is in.  Return: a descriptor or a negative errno. */
static int dir_of(const struct key_store *s, const char *file)
{
	char user[KEY_USER_NAME_SIZE];

	snprintf(user, sizeof(user), "%.*s", (int)strcspn(file, "/"), file);
	return key_open_below(s->dir, user, O_RDONLY | O_DIRECTORY);
}

/* Make durable what was done in a directory. */
static int sync_dir(const struct key_store *s, const char *file)
{
	int fd = dir_of(s, file), err;

	if (fd < 0)
		return fd;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

/*
 * Put a finished key file in its place: the open file, or what is called @name
 * already.  @name receives what it is called then, "" if it isn't there.
 */
static int publish(struct key_store *s, int fd, const u8 *id,
		   char name[KEY_FILE_NAME_SIZE])
{
	char path[32], user[KEY_USER_NAME_SIZE], was[KEY_FILE_NAME_SIZE];
	char text[KEY_ID_STR_SIZE], digits[KEY_FILE_RANDOM + 1];
	u8 unique[KEY_FILE_RANDOM / 2];
	int ret, err;

	ret = random_bytes(unique, sizeof(unique));
	if (ret)
		return ret;
	strcpy(was, name);
	key_user_name(geteuid(), user);
	hex(unique, sizeof(unique), digits);
	hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
	snprintf(name, KEY_FILE_NAME_SIZE, "%s/%s.%s" KEY_FILE_SUFFIX, user,
		 text, digits);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fsync(fd) ||
	    (*was ? renameat(s->dir, was, s->dir, name) :
		    linkat(AT_FDCWD, path, s->dir, name, AT_SYMLINK_FOLLOW))) {
		err = errno;
		if (*was)
			unlinkat(s->dir, was, 0);
	} else {
		err = -sync_dir(s, name);
		if (err)
			unlinkat(s->dir, name, 0);
	}
	if (!err)
		return 0;
	ret = fail(errno_code(err), "%s/" KEY_DIR_PATH "/%s: %s",
		   s->mount.path, name, strerror(err));
	*name = 0;
	return ret;
}

/*
 * Compute the key's id before the volume knows it. Return: false if nobody can
 * tell.
 */
static bool predict_id(const struct key_store *s, const struct secret *key,
		       u8 *id)
{
	u8 uuid[IC_UUID_SIZE];

	return volume_mount_uuid(&s->mount, uuid) &&
	       !ic_derive_key_id(key->key, uuid, id);
}

static int have_it(const struct key_store *s, const struct key_file *f)
{
	return fail(EX_FAIL,
		    "you have this key at %s already%s%s; it is unlocked now",
		    s->mount.path, f->label[0] ? ", as " : "", f->label);
}

/**
 * master_key_enrol() - keep a key's file, make the key known, and unlock it
 * @s: open
 * @fd: from master_key_new_file(), with the key in it
 * @key: the key
 * @name: its name
 * @id: receives its id
 *
 * The file comes first: whoever is killed then leaves no record that nobody has
 * a key for, of which there are few.  If it fails nothing is left of it.
 *
 * Return: 0 or an exit code; EX_FAIL also if the caller has a file of it already.
 */
int master_key_enrol(struct key_store *s, int fd, const struct secret *key,
		     const char *name, u8 *id)
{
	const uid_t uid = geteuid();
	u8 expected[EXT4_OWNER_KEY_ID_SIZE];
	struct ext4_owner_key_lock lock;
	char file[KEY_FILE_NAME_SIZE] = "";
	const struct key_file *have;
	bool loaded;
	int ret = 0;

	if (predict_id(s, key, expected) &&
	    !key_dir_own(&s->keys, expected, uid))
		ret = publish(s, fd, expected, file);
	if (!ret)
		ret = master_key_load(s, key, name, true, id);
	loaded = !ret;
	have = loaded ? key_dir_own(&s->keys, id, uid) : NULL;
	if (*file && (ret || have))
		unlinkat(s->dir, file, 0);
	if (have)
		return have_it(s, have);
	/*
	 * Else the volume was opened under a UUID that isn't its own (by
	 * dmsetup).
	 */
	if (!ret && (!*file || memcmp(id, expected, sizeof(expected))))
		ret = publish(s, fd, id, file);
	if (ret && loaded && !key_dir_known(&s->keys, id) &&
	    !master_key_lock(s, id, 0, &lock))
		master_key_delete(s, id);
	return ret;
}

/**
 * master_key_create() - a new key, unlocked for the caller
 * @s: open
 * @name: its name, valid; the caller has no other key of that name
 * @p: its passphrase
 * @pbkdf: may be NULL
 * @id: receives its id
 *
 * If it fails nothing is left of it.
 *
 * Return: 0 or an exit code.
 */
int master_key_create(struct key_store *s, const char *name,
		      const struct passphrase *p,
		      const struct luks_pbkdf *pbkdf, u8 *id)
{
	struct secret key = { 0 };
	char path[32];
	int fd, ret;

	fd = master_key_new_file(s);
	if (fd < 0)
		return EX_FAIL;
	key.locked = !mlock(&key, sizeof(key));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = random_bytes(key.key, sizeof(key.key));
	if (!ret && ftruncate(fd, LUKS_MASTER_KEY_BYTES))
		ret = fail(EX_FAIL, "key file: %s", strerror(errno));
	if (!ret)
		ret = luks_create(path, NULL, name, LUKS_MASTER_KEY, p,
				  key.key, pbkdf);
	if (!ret)
		ret = master_key_enrol(s, fd, &key, name, id);
	secret_wipe(&key);
	close(fd);
	return ret;
}

/*
 * Overwrite the file in place, so that no place holds afterwards what was
 * there.
 */
static int wipe_file(int fd)
{
	static const char zeros[65536];
	struct stat st;
	off_t at;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	for (at = 0; at < st.st_size; at += n) {
		size_t left = st.st_size - at;

		n = pwrite(fd, zeros, left < sizeof(zeros) ? left :
			   sizeof(zeros), at);
		if (n <= 0)
			return n ? -errno : -EIO;
	}
	return fsync(fd) ? -errno : 0;
}

/*
 * Open a key file to overwrite it. The owner of its directory may have put a
 * link to somebody else's file in its place since it was read.
 */
static int open_to_wipe(int dir, const char *name)
{
	struct stat st;
	uid_t uid;
	int fd = key_file_open(dir, name, O_RDWR, &uid, NULL);

	if (fd < 0 || (!fstat(dir, &st) && st.st_uid == uid))
		return fd;
	close(fd);
	return -ESTALE;
}

/**
 * master_key_destroy_file() - overwrite and remove a key file
 * @s: open
 * @file: its path below .inocrypt/keys
 *
 * Return: 0 or an exit code.
 */
int master_key_destroy_file(struct key_store *s, const char *file)
{
	int dir = dir_of(s, file), fd, err;
	const char *name = strchr(file, '/') + 1;

	fd = dir < 0 ? dir : open_to_wipe(dir, name);
	err = fd < 0 ? fd : wipe_file(fd);
	if (fd >= 0)
		close(fd);
	if (!err && (unlinkat(dir, name, 0) || fsync(dir)))
		err = -errno;
	if (dir >= 0)
		close(dir);
	return err ? fail(errno_code(-err), "%s/" KEY_DIR_PATH
			  "/%s: can't be destroyed: %s", s->mount.path, file,
			  strerror(-err)) : 0;
}
