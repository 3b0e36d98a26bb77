// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at policies: of one file, and where they change below a directory.
 * No keys are needed: what can't be opened for want of its key can still be
 * opened for ioctls.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pwd.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/keys.h"

/**
 * policy_read() - which policy is a file or directory under?
 * @at: directory that @path begins at, or AT_FDCWD
 * @path: nothing is done to what isn't a regular file or directory
 * @policy: receives it
 *
 * Return: 0, -ENODATA: none; or another negative errno.
 */
int policy_read(int at, const char *path, struct ext4_owner_policy *policy)
{
	int fd, file, ret = 0;
	struct stat st;
	char proc[32];

	memset(policy, 0, sizeof(*policy));
	/* Neither a FIFO's reader nor a tape shall notice. */
	file = openat(at, path, O_PATH | O_CLOEXEC);
	if (file < 0)
		return -errno;
	if (fstat(file, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		ret = -ENODATA;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", file);
	fd = ret ? -1 : open(proc, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (!ret && fd < 0 && errno == ENOKEY)
		fd = open(proc, O_ACCMODE | O_NONBLOCK | O_CLOEXEC);
	if (!ret && (fd < 0 || ioctl(fd, EXT4_IOC_GET_OWNER_POLICY, policy)))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	close(file);
	return ret;
}

/**
 * policy_name() - a policy in a word
 * @policy: NULL: none
 * @out: receives it
 */
void policy_name(const struct ext4_owner_policy *policy,
		 char out[POLICY_NAME_SIZE])
{
	if (!policy)
		strcpy(out, "none");
	else if (policy->flags & EXT4_OWNER_POLICY_USER_KEY)
		strcpy(out, "user-key");
	else if (policy->flags & EXT4_OWNER_POLICY_NO_KEY)
		strcpy(out, "no-key");
	else
		hex(policy->key_id, sizeof(policy->key_id), out);
}

/**
 * policy_put() - a policy as JSON
 * @o: object to add it to
 * @policy: NULL: none
 */
void policy_put(struct json_object *o, const struct ext4_owner_policy *policy)
{
	char name[POLICY_NAME_SIZE];

	policy_name(policy, name);
	if (policy && !policy->flags)
		put_str(o, "key_id", name);
	else
		json_object_object_add(o, "key_id", NULL);
	if (!policy)
		return;
	put_str(o, "policy", policy->flags ? name : "key");
	put_u64(o, "version", policy->version);
}

/* Files under one key, or under none. */
struct count {
	char	name[POLICY_NAME_SIZE];
	u64	files, bytes;
};

struct report {
	struct json_object	*changes;	/* NULL: print them */
	struct count		*counts;
	size_t			nr_counts;
	void			*seen;		/* inodes with several names */
	u64			failed;
};

static int by_inode(const void *a, const void *b)
{
	ino_t x = *(const ino_t *)a, y = *(const ino_t *)b;

	return (x > y) - (x < y);
}

/* Return: true if a file with several names was counted under another. */
static bool seen_before(struct report *r, const struct stat *st)
{
	ino_t *ino, **at;

	if (st->st_nlink == 1)
		return false;
	ino = malloc(sizeof(*ino));
	if (!ino)
		return false;
	*ino = st->st_ino;
	at = tsearch(ino, &r->seen, by_inode);
	if (!at || *at != ino)
		free(ino);
	return at && *at != ino;
}

static int add_file(struct report *r, const char *name, const struct stat *st)
{
	struct count *c;
	size_t i;

	for (i = 0; i < r->nr_counts; i++)
		if (!strcmp(r->counts[i].name, name))
			break;
	if (i == r->nr_counts) {
		c = realloc(r->counts, (i + 1) * sizeof(*c));
		if (!c)
			return fail(EX_FAIL, "out of memory");
		r->counts = c;
		memset(&c[i], 0, sizeof(*c));
		strcpy(c[i].name, name);
		r->nr_counts++;
	}
	r->counts[i].files++;
	r->counts[i].bytes += st->st_size;
	return 0;
}

static void add_change(struct report *r, const char *path, const char *name)
{
	struct json_object *o;

	if (!r->changes) {
		say("%-32s %s", name, path);
		return;
	}
	o = put_object(r->changes, NULL);
	put_str(o, "path", path);
	put_str(o, "policy", name);
}

/* Names of policies by depth: fts_number is an index + 1 here. */
struct names {
	char	(*at)[POLICY_NAME_SIZE];
	size_t	space;
};

static bool remember(struct names *n, size_t level, const char *name)
{
	if (level >= n->space) {
		size_t space = 2 * level + 16;
		void *p = realloc(n->at, space * sizeof(*n->at));

		if (!p)
			return false;
		n->at = p;
		n->space = space;
	}
	strcpy(n->at[level], name);
	return true;
}

/* What is below such a directory has no key, whatever it is: users' key files. */
static bool is_keyless(const char *policy)
{
	return policy && !strcmp(policy, "no-key");
}

/* All in a directory with a key has that key; elsewhere each file is asked. */
static int visit(struct report *r, struct names *n, const FTSENT *e)
{
	struct ext4_owner_policy policy;
	char name[POLICY_NAME_SIZE];
	const char *above = e->fts_level ? n->at[e->fts_level - 1] : NULL;
	bool is_dir = e->fts_info == FTS_D;
	int err;

	if (!is_dir && (!S_ISREG(e->fts_statp->st_mode) ||
			seen_before(r, e->fts_statp)))
		return 0;
	if (!is_dir && above &&
	    strspn(above, "0123456789abcdef") == KEY_ID_STR_SIZE - 1)
		return add_file(r, above, e->fts_statp);
	err = policy_read(AT_FDCWD, e->fts_accpath, &policy);
	if (err == -ENOTTY || err == -EOPNOTSUPP)
		return modules_not_on_volume(EX_NOVOLUME, e->fts_path);
	/* A directory that can't be opened is reported when it is to be read. */
	if (err && err != -ENODATA && is_dir) {
		strcpy(name, is_keyless(above) ? above : "unknown");
	} else if (err && err != -ENODATA) {
		warn("%s: %s", e->fts_path, strerror(-err));
		r->failed++;
		strcpy(name, "unknown");
	} else {
		policy_name(err ? NULL : &policy, name);
	}
	if (!is_dir)
		return add_file(r, name, e->fts_statp);
	if (!above || strcmp(above, name))
		add_change(r, e->fts_path, name);
	return remember(n, e->fts_level, name) ? 0 :
	       fail(EX_FAIL, "out of memory");
}

static int walk(struct report *r, const char *path)
{
	char *const roots[] = { (char *)path, NULL };
	struct names n = { 0 };
	FTSENT *e;
	FTS *fts;
	int ret = 0;

	/* Not FTS_NOCHDIR: trees deeper than a path can tell. */
	fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_XDEV, NULL);
	if (!fts)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	while (!ret && (errno = 0, e = fts_read(fts))) {
		switch (e->fts_info) {
		case FTS_D:
		case FTS_F:
			ret = visit(r, &n, e);
			break;
		case FTS_NS:
		case FTS_DNR:
		case FTS_ERR:
			if (!e->fts_level) {
				ret = fail(errno_code(e->fts_errno), "%s: %s",
					   path, strerror(e->fts_errno));
				break;
			}
			if (is_keyless(n.at[e->fts_level - 1]))
				break;
			warn("%s: %s", e->fts_path, strerror(e->fts_errno));
			r->failed++;
			break;
		default:
			break;
		}
	}
	if (!ret && errno)
		ret = fail(errno_code(errno), "%s: %s", path, strerror(errno));
	fts_close(fts);
	free(n.at);
	return ret;
}

/* The key's name and user, if the caller may know it. */
static bool known_as(const struct key_store *s, const char *text, char *out,
		     size_t size)
{
	struct key_ref ref;
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct passwd *pw;

	if (!s || !parse_hex(text, id, sizeof(id)) ||
	    key_store_find(s, text, &ref) || !ref.file || !ref.file->label[0])
		return false;
	pw = getpwuid(ref.file->uid);
	if (pw)
		snprintf(out, size, "%s:%s", pw->pw_name, ref.file->label);
	else
		snprintf(out, size, "%u:%s", ref.file->uid, ref.file->label);
	return true;
}

static void print_counts(const struct report *r, const struct key_store *s,
			 struct json_object *o)
{
	struct json_object *list = o ? put_list(o, "keys") : NULL, *one;

	for (size_t i = 0; i < r->nr_counts; i++) {
		const struct count *c = &r->counts[i];
		char name[LUKS_LABEL_SIZE + 40];
		bool known = known_as(s, c->name, name, sizeof(name));

		if (!o) {
			say("%s: %llu file%s, %llu bytes%s%s", c->name,
			    (unsigned long long)c->files,
			    c->files == 1 ? "" : "s",
			    (unsigned long long)c->bytes,
			    known ? ", " : "", known ? name : "");
			continue;
		}
		one = put_object(list, NULL);
		put_str(one, "key", c->name);
		if (known)
			put_str(one, "name", name);
		put_u64(one, "files", c->files);
		put_u64(one, "bytes", c->bytes);
	}
}

/**
 * policy_report() - where policies change below a directory, and files by key
 * @path: directory; other mounts below it are left out
 * @json: print as JSON
 *
 * Return: exit code.
 */
int policy_report(const char *path, bool json)
{
	struct json_object *o = json ? json_object_new_object() : NULL;
	struct report r = { .changes = o ? put_list(o, "directories") : NULL };
	struct key_store s;
	int ret;

	ret = walk(&r, path);
	if (!ret) {
		bool has_store = !key_store_open(&s, path);

		if (!json && r.nr_counts)
			say_end();
		print_counts(&r, has_store ? &s : NULL, o);
		if (has_store)
			key_store_close(&s);
		if (o) {
			put_u64(o, "failed", r.failed);
			out_json(o);
		}
		if (r.failed)
			ret = fail(EX_FAIL,
				   "%llu files or directories could not be looked at",
				   (unsigned long long)r.failed);
	}
	if (o)
		json_object_put(o);
	tdestroy(r.seen, free);
	free(r.counts);
	return ret;
}
