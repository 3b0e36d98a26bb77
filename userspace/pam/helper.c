// SPDX-License-Identifier: GPL-2.0-only
/*
 * pam-helper: what pam_inocrypt does for a user, in a process of its own, which
 * has become that user before it looks at anything he can have changed.
 *
 *	pam-helper unlock USER NAME [MOUNT...]	the password on standard input,
 *		or two with a NUL between them, of which one may be right; prints
 *		the ids of the keys that can be used now
 *	pam-helper lock USER ID,ID... [MOUNT...]
 *	pam-helper passwd USER NAME [MOUNT...]	old password, NUL, new one
 *	pam-helper sweep ...	see sweep.c: it stays root, and looks at nothing of
 *		any user's itself
 *
 * Without MOUNT it works on all volumes that are mounted.  Exit codes are the
 * tool's: 0, 3 if the password isn't the key's, 4 if files of a locked key are
 * in use, 6 if there was nothing to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "keys/keys.h"
#include "pam_inocrypt.h"

#define INPUT_MAX	2048

struct task {
	const char		*user, *arg;
	struct passphrase	pass, second;
	int			(*run)(struct key_store *s,
				       const struct task *t);
};

/*
 * Become the user for good. He can't look into this process, as he can into one
 * that he has started.
 */
static int become(const char *user)
{
	static const struct rlimit no_core;
	const struct passwd *pw = getpwnam(user);

	if (!pw)
		return fail(EX_USAGE, "there is no user %s", user);
	if (setrlimit(RLIMIT_CORE, &no_core) ||
	    initgroups(pw->pw_name, pw->pw_gid) ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return fail(EX_FAIL, "can't become %s: %s", user,
			    strerror(errno));
	return 0;
}

/* Find the user's own key of that name, if he has one there. */
static bool find_own(const struct key_store *s, const char *name,
		     struct key_ref *ref)
{
	char text[KEY_ID_STR_SIZE];

	for (size_t i = 0; i < s->keys.nr_files; i++) {
		const struct key_file *f = &s->keys.files[i];

		if (f->uid != geteuid() || strcmp(f->label, name))
			continue;
		/*
		 * It is there, so it can be named by its id, which means no
		 * other key.
		 */
		hex(f->id, sizeof(f->id), text);
		return !key_store_find(s, text, ref) && ref->file;
	}
	return false;
}

static void print_id(const u8 *id)
{
	char text[KEY_ID_STR_SIZE];

	hex(id, EXT4_OWNER_KEY_ID_SIZE, text);
	say("%s", text);
	fflush(stdout);
}

static int unlock(struct key_store *s, const struct task *t)
{
	const unsigned int mine = EXT4_OWNER_KEY_LOADED | EXT4_OWNER_KEY_MINE;
	struct key_ref ref;
	int ret;

	if (!find_own(s, t->arg, &ref))
		return EX_NOVOLUME;
	/*
	 * An earlier session has unlocked it already: that needn't take its
	 * time again.
	 */
	if (ref.known && (ref.known->flags & mine) == mine)
		ret = 0;
	else
		ret = master_key_unlock(s, &ref, &t->pass);
	if (ret == EX_AUTH && t->second.len)
		ret = master_key_unlock(s, &ref, &t->second);
	if (!ret)
		print_id(ref.id);
	return ret;
}

static int lock_one(struct key_store *s, const u8 *id, const char *text)
{
	const struct ext4_owner_key_info *known = key_dir_known(&s->keys, id);
	struct ext4_owner_key_lock result;
	int ret;

	if (!known || !(known->flags & EXT4_OWNER_KEY_MINE))
		return EX_NOVOLUME;
	ret = master_key_lock(s, id, 0, &result);
	if (ret || !result.busy)
		return ret;
	return fail(EX_BUSY, "key %s of %s is locked; %u files were in use",
		    text, s->mount.path, result.busy);
}

static int lock(struct key_store *s, const struct task *t)
{
	char *list = strdup(t->arg), *save, *text;
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	int ret = EX_NOVOLUME;

	if (!list)
		return fail(EX_FAIL, "out of memory");
	for (text = strtok_r(list, ",", &save); text;
	     text = strtok_r(NULL, ",", &save)) {
		int one = parse_hex(text, id, sizeof(id)) ?
			  lock_one(s, id, text) : EX_USAGE;

		if (ret == EX_NOVOLUME || (one && one != EX_NOVOLUME))
			ret = one;
	}
	free(list);
	return ret;
}

static int change(struct key_store *s, const struct task *t)
{
	struct key_ref ref;
	char path[32];
	int fd, ret;

	if (!find_own(s, t->arg, &ref))
		return EX_NOVOLUME;
	fd = master_key_open_file(s, &ref, O_RDWR);
	if (fd < 0)
		return EX_NOKEY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = luks_change_passphrase(path, LUKS_MASTER_KEY, &t->pass,
				     &t->second, NULL);
	if (!ret && fsync(fd))
		ret = fail(EX_IO, "%s: %s", path, strerror(errno));
	close(fd);
	return ret;
}

/* @first matters more than what comes after it, but for "nothing to do". */
static int worse(int first, int ret)
{
	return first == EX_NOVOLUME || !first ?
	       (ret == EX_NOVOLUME ? first : ret) : first;
}

static int on_mount(const struct task *t, const char *path)
{
	struct key_store s;
	int ret;

	/* A key is locked by its id, whatever became of the files. */
	ret = t->run == lock ? key_store_open_known(&s, path) :
			       key_store_open(&s, path);
	if (ret)
		return ret;
	ret = s.dir < 0 && t->run != lock ? EX_NOVOLUME : t->run(&s, t);
	key_store_close(&s);
	return ret;
}

static int on_all(const struct task *t)
{
	struct volume_mount *list;
	size_t n;
	int ret = volume_mount_list(&list, &n), result = EX_NOVOLUME;

	for (size_t i = 0; !ret && i < n; i++)
		result = worse(result, on_mount(t, list[i].path));
	volume_mount_list_free(list, n);
	return ret ? ret : result;
}

/* All of the standard input; up to a NUL the one, behind it the other, if any. */
static int read_passwords(struct task *t, bool both)
{
	char *text = mmap(NULL, INPUT_MAX, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t have = 0, first;
	ssize_t n;
	int ret;

	if (text == MAP_FAILED)
		return fail(EX_FAIL, "out of memory");
	mlock(text, INPUT_MAX);
	while ((n = read(STDIN_FILENO, text + have, INPUT_MAX - have)) > 0 ||
	       (n < 0 && errno == EINTR))
		have += n > 0 ? n : 0;
	first = strnlen(text, have);
	if (n < 0 || have == INPUT_MAX || !first ||
	    (first == have ? both : have - first < 2))
		ret = fail(EX_USAGE, "no password on the standard input");
	else
		ret = passphrase_set(&t->pass, text, first);
	if (!ret && first != have)
		ret = passphrase_set(&t->second, text + first + 1,
				     have - first - 1);
	explicit_bzero(text, INPUT_MAX);
	munmap(text, INPUT_MAX);
	return ret;
}

int main(int argc, char **argv)
{
	struct task t = { 0 };
	int ret = EX_NOVOLUME;

	if (argc >= 5 && !strcmp(argv[1], "sweep"))
		return sweep(argc - 2, argv + 2);
	if (argc >= 4 && !strcmp(argv[1], "unlock"))
		t.run = unlock;
	else if (argc >= 4 && !strcmp(argv[1], "lock"))
		t.run = lock;
	else if (argc >= 4 && !strcmp(argv[1], "passwd"))
		t.run = change;
	else
		return fail(EX_USAGE, "this is for pam_inocrypt, see pam_inocrypt(8)");
	t.user = argv[2];
	t.arg = argv[3];
	ret = become(t.user);
	if (!ret && t.run != lock)
		ret = read_passwords(&t, t.run == change);
	if (!ret && argc == 4) {
		ret = on_all(&t);
	} else if (!ret) {
		ret = EX_NOVOLUME;
		for (int i = 4; i < argc; i++)
			ret = worse(ret, on_mount(&t, argv[i]));
	}
	passphrase_wipe(&t.pass);
	passphrase_wipe(&t.second);
	return ret;
}
