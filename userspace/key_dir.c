// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directory of wrapped master keys: reads names and the first block of
 * each file, and decides which key a name means.  All of it may have been put
 * there by somebody who means harm: no file is waited for, followed elsewhere,
 * or taken for more than its owner may say.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_dir.h"

/* What LUKS2 has at the start of a header. */
#define LUKS2_MAGIC		"LUKS\xba\xbe\0\2"
#define LUKS2_SECOND_MAGIC	"SKUL\xba\xbe\0\2"
#define LUKS2_LABEL_AT		24
#define LUKS2_SUBSYSTEM_AT	208
#define LUKS2_STRING_SIZE	48

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

	if (strlen(name) != KEY_FILE_NAME_SIZE - 1 || name[digits] != '.' ||
	    strspn(name, "0123456789abcdef") != digits ||
	    strspn(name + digits + 1, "0123456789abcdef") != KEY_FILE_RANDOM ||
	    strcmp(name + digits + 1 + KEY_FILE_RANDOM, KEY_FILE_SUFFIX))
		return false;
	memcpy(hex_id, name, digits);
	hex_id[digits] = 0;
	return parse_hex(hex_id, id, EXT4_OWNER_KEY_ID_SIZE);
}

/**
 * key_file_open() - open a key file, if it is nothing else
 * @dirfd: its directory
 * @file: its name there
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

	fd = openat(dirfd, file,
		    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EINVAL : -errno;
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

/* The label, from the first copy of the header that is one: nothing is verified yet. */
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

/* Return: true if it is a key file. */
static bool look_at(int dirfd, const char *name, struct key_file *f)
{
	struct stat st;
	bool ours;
	int fd;

	memset(f, 0, sizeof(*f));
	if (!parse_file_name(name, f->id))
		return false;
	memcpy(f->file, name, sizeof(f->file));
	fd = key_file_open(dirfd, name, O_RDONLY, &f->uid, &f->ino);
	if (fd == -EACCES) {
		if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || st.st_mode & 022)
			return false;
		f->uid = st.st_uid;
		f->ino = st.st_ino;
		return true;
	}
	if (fd < 0)
		return false;
	f->readable = true;
	ours = read_label(fd, f->label);
	close(fd);
	return ours;
}

static int by_name(const void *a, const void *b)
{
	const struct key_file *x = a, *y = b;

	return strcmp(x->file, y->file);
}

/**
 * key_dir_scan() - read the directory
 * @d: its files, afterwards; what is known stays
 * @dirfd: directory
 *
 * Return: 0 or an exit code.
 */
int key_dir_scan(struct key_dir *d, int dirfd)
{
	struct key_file *files = NULL;
	size_t n = 0, space = 0;
	struct dirent *e;
	int fd, ret = 0;
	DIR *dir;

	free(d->files);
	d->files = NULL;
	d->nr_files = 0;
	d->ignored = 0;
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fail(errno_code(errno), KEY_DIR_PATH ": %s",
			    strerror(errno));
	}
	while (errno = 0, (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (n == space) {
			size_t more = space ? 2 * space : 16;
			struct key_file *p = realloc(files, more * sizeof(*p));

			if (!p) {
				ret = fail(EX_FAIL, "out of memory");
				break;
			}
			files = p;
			space = more;
		}
		if (look_at(dirfd, e->d_name, &files[n]))
			n++;
		else
			d->ignored++;
	}
	if (!ret && errno)
		ret = fail(errno_code(errno), KEY_DIR_PATH ": %s",
			   strerror(errno));
	closedir(dir);
	if (ret) {
		free(files);
		return ret;
	}
	if (n)
		qsort(files, n, sizeof(*files), by_name);
	d->files = files;
	d->nr_files = n;
	return 0;
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

/* How good a file is: 0 not at all; 3 the volume agrees with its owner. */
static int rank(const struct key_dir *d, const struct key_file *f, uid_t uid)
{
	const struct ext4_owner_key_info *known = key_dir_known(d, f->id);

	if (!f->readable || !key_file_trusted(d, f, uid))
		return 0;
	return !known ? 1 : known->uid != f->uid ? 2 : 3;
}

/* With a key id only the file may be in question: one's own, then the best. */
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

/* The best file of that name; -EEXIST if there are several keys as good. */
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
