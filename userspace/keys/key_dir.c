// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directories of wrapped master keys: reads names and the first block of
 * each file, and decides which key a name means.  All of it may have been put
 * there by somebody who means harm: no file is waited for, followed elsewhere,
 * or taken for more than its owner may say, and root reads so many and no more.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keys/keys.h"

/* A LUKS2 header begins with this. */
#define LUKS2_MAGIC		"LUKS\xba\xbe\0\2"
#define LUKS2_SECOND_MAGIC	"SKUL\xba\xbe\0\2"
#define LUKS2_LABEL_AT		24
#define LUKS2_SUBSYSTEM_AT	208
#define LUKS2_STRING_SIZE	48

/* The name of a key's file in its directory has so many bytes. */
#define KEY_FILE_BASE	((int)(KEY_FILE_NAME_SIZE - KEY_USER_NAME_SIZE - 1))

static_assert(LUKS_LABEL_SIZE == LUKS2_STRING_SIZE, "on disk");

/**
 * key_name_valid() - may a key have this name?
 * @name: letters, digits and "._-@+", at most 47 bytes, no key id
 *
 * Other users' names end up on the terminal, and in questions.
 */
bool key_name_valid(const char *name)
{
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	size_t n = strnlen(name, LUKS_LABEL_SIZE);

	if (!n || n == LUKS_LABEL_SIZE || !isalnum((unsigned char)name[0]) ||
	    parse_hex(name, id, sizeof(id)) || !strcmp(name, "none"))
		return false;
	for (; *name; name++)
		if ((unsigned char)*name > 126 ||
		    (!isalnum((unsigned char)*name) && !strchr("._-@+", *name)))
			return false;
	return true;
}

static bool parse_file_name(const char *name, u8 *id)
{
	const size_t digits = 2 * EXT4_OWNER_KEY_ID_SIZE;
	char hex_id[2 * EXT4_OWNER_KEY_ID_SIZE + 1];

	if (strlen(name) != KEY_FILE_BASE || name[digits] != '.' ||
	    strspn(name, "0123456789abcdef") != digits ||
	    strspn(name + digits + 1, "0123456789abcdef") != KEY_FILE_RANDOM ||
	    strcmp(name + digits + 1 + KEY_FILE_RANDOM, KEY_FILE_SUFFIX))
		return false;
	memcpy(hex_id, name, digits);
	hex_id[digits] = 0;
	return parse_hex(hex_id, id, EXT4_OWNER_KEY_ID_SIZE);
}

/**
 * key_open_below() - open what is in a directory, and nothing else
 * @dirfd: directory
 * @path: from there
 * @flags: as for open(2)
 *
 * Whose directory it is may mount something on it (FUSE), where every look would
 * wait for him; so no mount is crossed, and no symlink followed.
 *
 * Return: a descriptor, or a negative errno; -EXDEV, -ELOOP.
 */
int key_open_below(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/**
 * key_file_open() - open a key file, if it is nothing else
 * @dirfd: a directory it is in, or below
 * @file: its path from there
 * @flags: O_RDONLY or O_RDWR
 * @uid: receives whose it is; may be NULL
 * @ino: receives its inode number; may be NULL
 *
 * Return: a descriptor, or a negative errno; -EINVAL: it is no key file, or
 * one that others than its owner may write to.
 */
int key_file_open(int dirfd, const char *file, int flags, uid_t *uid,
		  ino_t *ino)
{
	struct stat st;
	int fd, err;

	fd = key_open_below(dirfd, file, flags | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd == -ELOOP || fd == -ENXIO ? -EINVAL : fd;
	err = fstat(fd, &st) ? -errno : 0;
	if (!err && (!S_ISREG(st.st_mode) || st.st_mode & 022 ||
		     st.st_size > KEY_FILE_MAX_BYTES))
		err = -EINVAL;
	if (err) {
		close(fd);
		return err;
	}
	if (uid)
		*uid = st.st_uid;
	if (ino)
		*ino = st.st_ino;
	return fd;
}

/*
 * Take the label from the first copy that is a header. Nothing of it is
 * verified yet.
 */
static bool read_label(int fd, char label[LUKS_LABEL_SIZE])
{
	static const off_t at[] = { 0, LUKS_METADATA_BYTES, 16384 };
	char block[512];
	size_t i;

	static_assert(sizeof(LUKS2_MAGIC) == sizeof(LUKS2_SECOND_MAGIC),
		      "one size");
	label[0] = 0;
	for (i = 0; i < ARRAY_SIZE(at); i++)
		if (pread(fd, block, sizeof(block), at[i]) == sizeof(block) &&
		    !memcmp(block, i ? LUKS2_SECOND_MAGIC : LUKS2_MAGIC,
			    sizeof(LUKS2_MAGIC) - 1))
			break;
	if (i == ARRAY_SIZE(at))
		return true;	/* whatever it is, its name is a key file's */
	if (strncmp(block + LUKS2_SUBSYSTEM_AT, LUKS_MASTER_KEY,
		    LUKS2_STRING_SIZE))
		return false;
	memcpy(label, block + LUKS2_LABEL_AT, LUKS_LABEL_SIZE);
	if (!key_name_valid(label))
		memset(label, 0, LUKS_LABEL_SIZE);
	return true;
}

/* Return: true if it is a key file; @f's owner and path are known. */
static bool look_at(int userfd, const char *name, struct key_file *f)
{
	struct stat st;
	uid_t uid;
	bool ours;
	int fd;

	fd = key_file_open(userfd, name, O_RDONLY, &uid, &f->ino);
	if (fd == -EACCES) {
		if (fstatat(userfd, name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || st.st_mode & 022)
			return false;
		f->ino = st.st_ino;
		return st.st_uid == f->uid;
	}
	if (fd < 0)
		return false;
	f->readable = true;
	ours = uid == f->uid && read_label(fd, f->label);
	close(fd);
	return ours;
}

static int by_name(const void *a, const void *b)
{
	const struct key_file *x = a, *y = b;

	return strcmp(x->file, y->file);
}

/* Return: the next free file, zeroed; NULL without memory. */
static struct key_file *next_file(struct key_dir *d)
{
	struct key_file *p = d->files;

	/* Sizes are powers of 2 from 16 on. */
	if (!d->nr_files || (d->nr_files >= 16 &&
			     !(d->nr_files & (d->nr_files - 1)))) {
		p = reallocarray(p, d->nr_files ? 2 * d->nr_files : 16,
				 sizeof(*p));
		if (!p)
			return NULL;
		d->files = p;
	}
	return memset(&p[d->nr_files], 0, sizeof(*p));
}

/* Note that another's directory isn't looked at, or not any further. */
static void skip(struct key_dir *d, uid_t uid)
{
	if (!d->skipped++)
		d->skipped_uid = uid;
}

/*
 * Read one user's files; of another user's only so many. Return: 0 or -errno.
 */
static int read_user(struct key_dir *d, DIR *dir, const char *user, uid_t uid,
		     bool own)
{
	unsigned int n = 0;
	struct key_file *f;
	struct dirent *e;

	while (errno = 0, (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!own && n++ == KEY_DIR_MAX_ENTRIES) {
			skip(d, uid);
			return 0;
		}
		f = next_file(d);
		if (!f)
			return -ENOMEM;
		f->uid = uid;
		if (parse_file_name(e->d_name, f->id)) {
			snprintf(f->file, sizeof(f->file), "%s/%.*s", user,
				 KEY_FILE_BASE, e->d_name);
			if (look_at(dirfd(dir), e->d_name, f)) {
				d->nr_files++;
				continue;
			}
		}
		d->ignored++;
	}
	return -errno;
}

/*
 * The directory was made, but not given to its user yet: see inocrypt key
 * setup.
 */
static bool is_given(int top, const char *user, uid_t uid)
{
	int fd = key_open_below(top, user, O_PATH | O_DIRECTORY);
	struct stat st;
	bool ret;

	if (fd < 0)
		return fd != -ENOENT;
	ret = fstat(fd, &st) || st.st_uid == uid;
	close(fd);
	return ret;
}

/* Return: 0, also if there is none; or a negative errno. */
static int scan_user(struct key_dir *d, int top, const char *user, uid_t uid,
		     bool own)
{
	struct stat st;
	DIR *dir;
	int fd, err;

	if (!is_given(top, user, uid))
		return 0;
	fd = key_open_below(top, user, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	err = fstat(fd, &st) ? -errno : 0;
	if (own)
		d->has_own = true;
	else if (!err && st.st_size > KEY_DIR_MAX_BYTES)
		/*
		 * Entries that are gone leave room that has to be read through,
		 * too.
		 */
		err = -EFBIG;
	dir = err ? NULL : fdopendir(fd);
	if (!dir) {
		err = err ? err : -errno;
		close(fd);
		return err;
	}
	err = read_user(d, dir, user, uid, own);
	closedir(dir);
	return err;
}

/* Read the files of all other users. Return: 0 or a negative errno. */
static int scan_others(struct key_dir *d, int top, uid_t self)
{
	struct dirent *e;
	int fd, err = 0;
	DIR *dir;

	fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (errno = 0, (e = readdir(dir))) {
		char name[KEY_USER_NAME_SIZE];
		u64 uid;

		if (!parse_u64(e->d_name, &uid) || uid >= UINT32_MAX ||
		    uid == self)
			continue;
		key_user_name(uid, name);
		/* Each user has only one name here: without zeros in front. */
		if (strcmp(name, e->d_name))
			continue;
		err = scan_user(d, top, name, uid, false);
		if (err == -ENOMEM)
			break;
		if (err)
			skip(d, uid);
	}
	err = err == -ENOMEM ? err : -errno;
	closedir(dir);
	return err;
}

/**
 * key_user_name() - what a user's directory is called
 * @uid: user
 * @name: receives it
 */
void key_user_name(uid_t uid, char name[KEY_USER_NAME_SIZE])
{
	snprintf(name, KEY_USER_NAME_SIZE, "%u", (unsigned int)uid);
}

/**
 * key_dir_scan() - read a user's key files; root's look is at everybody's
 * @d: its files, afterwards; what is known stays
 * @dirfd: .inocrypt/keys, which is root's alone
 * @uid: who asks
 *
 * Return: 0 or an exit code.
 */
int key_dir_scan(struct key_dir *d, int dirfd, uid_t uid)
{
	char own[KEY_USER_NAME_SIZE];
	int err;

	free(d->files);
	d->files = NULL;
	d->nr_files = 0;
	d->ignored = 0;
	d->has_own = false;
	d->skipped = 0;
	key_user_name(uid, own);
	err = scan_user(d, dirfd, own, uid, true);
	if (err)
		return fail(errno_code(-err), KEY_DIR_PATH "/%s: %s", own,
			    strerror(-err));
	err = uid ? 0 : scan_others(d, dirfd, uid);
	if (err)
		return fail(errno_code(-err), KEY_DIR_PATH ": %s",
			    strerror(-err));
	if (d->nr_files)
		qsort(d->files, d->nr_files, sizeof(*d->files), by_name);
	return 0;
}

/**
 * key_dir_own() - a user's own file of a key
 * @d: scanned
 * @id: key id
 * @uid: user
 *
 * Return: NULL if there is none.
 */
const struct key_file *key_dir_own(const struct key_dir *d, const u8 *id,
				   uid_t uid)
{
	for (size_t i = 0; i < d->nr_files; i++)
		if (d->files[i].uid == uid &&
		    !memcmp(d->files[i].id, id, EXT4_OWNER_KEY_ID_SIZE))
			return &d->files[i];
	return NULL;
}

/**
 * key_dir_free() - forget all that was read
 * @d: zeroed, or scanned
 */
void key_dir_free(struct key_dir *d)
{
	free(d->files);
	free(d->known);
	memset(d, 0, sizeof(*d));
}

/**
 * key_dir_known() - the volume's record of a key
 * @d: scanned
 * @id: key id
 *
 * Return: NULL if it has none.
 */
const struct ext4_owner_key_info *key_dir_known(const struct key_dir *d,
						const u8 *id)
{
	for (size_t i = 0; i < d->nr_known; i++)
		if (!memcmp(d->known[i].key_id, id, EXT4_OWNER_KEY_ID_SIZE))
			return &d->known[i];
	return NULL;
}

/**
 * key_file_trusted() - may this file say that its name means that key id?
 * @d: scanned
 * @f: one of its files
 * @uid: who asks
 *
 * A file's name is only its owner's word.  It is good if the volume says that
 * its owner brought that key, or if its owner is root or who asks: otherwise
 * somebody could let root put a directory under a key that is his.
 */
bool key_file_trusted(const struct key_dir *d, const struct key_file *f,
		      uid_t uid)
{
	const struct ext4_owner_key_info *known = key_dir_known(d, f->id);

	return !f->uid || f->uid == uid || (known && known->uid == f->uid);
}

/* Rate a file: 0 is not to be used; of 3 the volume agrees with its owner. */
static int rank(const struct key_dir *d, const struct key_file *f, uid_t uid)
{
	const struct ext4_owner_key_info *known = key_dir_known(d, f->id);

	if (!f->readable || !key_file_trusted(d, f, uid))
		return 0;
	return !known ? 1 : known->uid != f->uid ? 2 : 3;
}

/*
 * A key id names one key. If it has several files one's own comes first, then
 * the best.
 */
static void find_id(const struct key_dir *d, uid_t uid, struct key_ref *ref)
{
	int best = 0;

	for (size_t i = 0; i < d->nr_files; i++) {
		const struct key_file *f = &d->files[i];
		int r = rank(d, f, uid);

		if (memcmp(f->id, ref->id, sizeof(ref->id)) || !r)
			continue;
		if (f->uid == uid)
			r += 4;
		if (r > best) {
			best = r;
			ref->file = f;
		}
	}
}

struct search {
	const char	*label;
	uid_t		uid;
	bool		any;		/* whose it is doesn't matter */
};

/*
 * Find the best file of that name. Return: -EEXIST if several keys are as good.
 */
static int find_label(const struct key_dir *d, const struct search *s,
		      uid_t uid, const struct key_file **found)
{
	int best = 0, ret = -ENOENT;

	for (size_t i = 0; i < d->nr_files; i++) {
		const struct key_file *f = &d->files[i];
		int r;

		if (strcmp(f->label, s->label) ||
		    (!s->any && f->uid != s->uid))
			continue;
		r = rank(d, f, uid);
		if (!r || r < best)
			continue;
		if (r > best)
			ret = 0;
		else if (memcmp(f->id, (*found)->id, sizeof(f->id)))
			ret = -EEXIST;
		best = r;
		*found = f;
	}
	return ret;
}

static bool parse_user(const char *s, uid_t *uid)
{
	struct passwd *pw = getpwnam(s);
	u64 n;

	if (pw) {
		*uid = pw->pw_uid;
		return true;
	}
	if (!parse_u64(s, &n) || n >= UINT32_MAX)
		return false;
	*uid = n;
	return true;
}

/**
 * key_dir_find() - which key is meant?
 * @d: scanned
 * @name: a name (one's own key; for root also anybody's if only one user has
 *	a key of that name), "user:name", or a key id
 * @uid: who asks
 * @ref: receives it
 *
 * Return: 0 or an exit code, after a message.
 */
int key_dir_find(const struct key_dir *d, const char *name, uid_t uid,
		 struct key_ref *ref)
{
	struct search s = { .label = name, .uid = uid };
	const char *colon = strchr(name, ':');
	char user[64];
	int err;

	memset(ref, 0, sizeof(*ref));
	if (parse_hex(name, ref->id, sizeof(ref->id))) {
		find_id(d, uid, ref);
		ref->known = key_dir_known(d, ref->id);
		return 0;
	}
	if (colon) {
		snprintf(user, sizeof(user), "%.*s", (int)(colon - name), name);
		if (!parse_user(user, &s.uid))
			return fail(EX_USAGE, "there is no user %s", user);
		s.label = colon + 1;
	}
	if (!key_name_valid(s.label))
		return fail(EX_USAGE,
			    "%s: no name a key can have, nor a key id of 32 hexadecimal digits",
			    name);
	err = find_label(d, &s, uid, &ref->file);
	if (err == -ENOENT && !colon && !uid) {
		s.any = true;
		err = find_label(d, &s, uid, &ref->file);
	}
	if (err == -EEXIST)
		return fail(EX_USAGE,
			    "there are several keys %s; say which: USER:NAME, or its key id (inocrypt key list)",
			    name);
	if (err)
		return fail(EX_NOKEY, "no key %s; see inocrypt key list", name);
	memcpy(ref->id, ref->file->id, sizeof(ref->id));
	ref->known = key_dir_known(d, ref->id);
	return 0;
}
