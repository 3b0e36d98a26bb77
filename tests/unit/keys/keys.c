// SPDX-License-Identifier: GPL-2.0-only
/*
 * Key files and what becomes of them, with a kernel that is played here: names
 * and what they mean, hostile directories, and failures halfway, after which
 * nothing may be left.  Built and run by tests/unit/key-files.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libcryptsetup.h>
#undef fail	/* is ours, too */

#include "keys/keys.h"
#include "wrap.h"

#define ID_A	"00112233445566778899aabbccddeeff"
#define ID_B	"ffeeddccbbaa99887766554433221100"
#define ID_C	"0123456789abcdef0123456789abcdef"

/* .inocrypt/keys, and the caller's own directory in it. */
static char dir_path[] = "/tmp/inocrypt-keys.XXXXXX", user[KEY_USER_NAME_SIZE];
static int top, dir;

/* The kernel */

static struct {
	struct ext4_owner_key_info known[8];
	size_t nr;
	int add_error, delete_error, link_error;
	bool other_id;			/* answer with another id */
	bool uuid_known;		/* so that ids can be told before */
	bool kill;			/* who makes a key known */
	int added, deleted, locked;
	int files_then;			/* when a key was made known */
} kernel;

static int count_files(void);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	struct ext4_owner_key_info *info = arg;
	struct ext4_owner_key_add *add = arg;
	size_t i;

	(void)fd;
	errno = ENOTTY;
	switch (request) {
	case EXT4_IOC_OWNER_KEY_NEXT:
		for (i = 0; i < kernel.nr; i++)
			if (kernel.known[i].slot >= info->slot) {
				*info = kernel.known[i];
				return 0;
			}
		errno = ENOENT;
		return -1;
	case EXT4_IOC_OWNER_KEY_ADD:
		errno = kernel.add_error;
		if (errno)
			return -1;
		kernel.files_then = count_files();
		/* As good a name as any: its first half. */
		memcpy(add->key_id, add->raw, sizeof(add->key_id));
		if (kernel.other_id)
			add->key_id[0] ^= 1;
		kernel.added++;
		if (kernel.kill)
			_exit(137);
		return 0;
	case EXT4_IOC_OWNER_KEY_LOCK:
		kernel.locked++;
		return 0;
	case EXT4_IOC_OWNER_KEY_DELETE:
		errno = kernel.delete_error;
		if (errno)
			return -1;
		kernel.deleted++;
		if (kernel.add_error == EDQUOT)
			kernel.add_error = 0;
		return 0;
	case EXT4_IOC_GET_OWNER_POLICY:
		errno = ENODATA;
		return -1;
	}
	return -1;
}

bool __wrap_volume_mount_uuid(const struct volume_mount *m, u8 *uuid)
{
	(void)m;
	(void)uuid;
	return kernel.uuid_known;
}

int __wrap_ic_derive_key_id(const u8 *mk, const u8 *uuid, u8 *id)
{
	(void)uuid;
	memcpy(id, mk, EXT4_OWNER_KEY_ID_SIZE);
	return 0;
}

int __wrap_linkat(int from, const char *old, int to, const char *new,
		  int flags)
{
	errno = kernel.link_error;
	return errno ? -1 : __real_linkat(from, old, to, new, flags);
}

/* The directory */

static void clear(void)
{
	char command[128];

	snprintf(command, sizeof(command), "find %s -mindepth 2 -delete",
		 dir_path);
	assert_int_equal(system(command), 0);
}

static void write_file(const char *name, const void *data, size_t n,
		       mode_t mode)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The start of a LUKS2 header, as far as it is looked at. */
static void fake(const char *name, const char *label, size_t label_size,
		 const char *subsystem, size_t bytes, mode_t mode)
{
	char block[4096] = "LUKS\xba\xbe\0\2";

	memcpy(block + 24, label, label_size);
	strcpy(block + 208, subsystem);
	write_file(name, block, bytes, mode);
}

static void good(const char *name, const char *label)
{
	fake(name, label, strlen(label), LUKS_MASTER_KEY, 4096, 0600);
}

static void scan(struct key_dir *d)
{
	assert_int_equal(key_dir_scan(d, top, geteuid()), 0);
	assert_true(d->has_own);
}

static int count_files(void)
{
	struct key_dir d = { 0 };
	int n;

	scan(&d);
	n = d.nr_files + d.ignored;
	key_dir_free(&d);
	return n;
}

/* Tests */

static void test_names(void **state)
{
	static const char * const bad[] = {
		"", ".x", "-x", "a/b", "a:b", "a b", "a\nb", "a\033[31mb",
		"none", ID_A, "b\xc3\xa4", "\177", "a\177",
		"123456789012345678901234567890123456789012345678",
	};
	static const char * const fine[] = {
		"a", "work", "0", "a.b_c-d@e+f", "None",
		"0011223344556677889900112233445g",
		"12345678901234567890123456789012345678901234567",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(key_name_valid(bad[i]));
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
		assert_true(key_name_valid(fine[i]));
}

static void test_hostile_directory(void **state)
{
	struct key_dir d = { 0 };
	char text[300], label[48];
	int fd;

	(void)state;
	clear();
	good(ID_A ".00000001.luks", "good");
	/* Not even looked at. */
	good("good", "x");
	good(ID_A ".luks", "x");
	good(ID_A ".0000001.luks", "x");
	good(ID_A ".0000000g.luks", "x");
	good(ID_A ".00000001.lukS", "x");
	good("00112233445566778899AABBCCDDEEFF.00000001.luks", "x");
	good("." ID_A ".00000001.luks", "x");
	memset(text, 'a', 255);
	text[255] = 0;
	good(text, "x");
	/* Names as they should be; what they name isn't. */
	assert_int_equal(symlinkat(ID_A ".00000001.luks", dir,
				   ID_B ".00000001.luks"), 0);
	assert_int_equal(symlinkat("/dev/zero", dir, ID_B ".00000002.luks"), 0);
	assert_int_equal(mkfifoat(dir, ID_B ".00000003.luks", 0666), 0);
	assert_int_equal(mkdirat(dir, ID_B ".00000004.luks", 0777), 0);
	fake(ID_B ".00000005.luks", "x", 1, LUKS_MASTER_KEY, 4096, 0620);
	fake(ID_B ".00000006.luks", "x", 1, LUKS_MASTER_KEY, 4096, 0602);
	fake(ID_B ".00000007.luks", "x", 1, LUKS_VOLUME, 4096, 0600);
	fake(ID_B ".00000008.luks", "x", 1, "", 4096, 0600);
	good(ID_B ".00000009.luks", "x");
	fd = openat(dir, ID_B ".00000009.luks", O_WRONLY);
	assert_int_equal(ftruncate(fd, KEY_FILE_MAX_BYTES + 1), 0);
	close(fd);
	memset(text, 'i', 48);
	fake(ID_B ".0000000a.luks", "x", 1, LUKS_MASTER_KEY, 208, 0600);
	fd = openat(dir, ID_B ".0000000a.luks", O_WRONLY);
	assert_int_equal(pwrite(fd, text, 48, 208), 48);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
	scan(&d);
	assert_int_equal(d.nr_files, 1);
	assert_int_equal(d.ignored, 8 + 10);
	assert_string_equal(d.files[0].label, "good");
	assert_true(d.files[0].readable);

	/* Files without a name that may be shown: by key id only. */
	memset(label, 'x', sizeof(label));
	fake(ID_C ".00000001.luks", label, 48, LUKS_MASTER_KEY, 4096, 0600);
	good(ID_C ".00000002.luks", "\033]0;x");
	good(ID_C ".00000003.luks", "alice:work");
	good(ID_C ".00000004.luks", "");
	write_file(ID_C ".00000005.luks", "", 0, 0600);
	write_file(ID_C ".00000006.luks", "LUKS", 4, 0600);
	scan(&d);
	assert_int_equal(d.nr_files, 7);
	for (size_t i = 0; i < d.nr_files; i++)
		assert_true(!d.files[i].label[0] ||
			    !strcmp(d.files[i].label, "good"));
	key_dir_free(&d);
}

/* Somebody's directory, made by root, with a file of hers in it. */
static void other_user(uid_t uid, uid_t owner, const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%u", dir_path, uid);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, owner, 0), 0);
	snprintf(path, sizeof(path), "../%u/%s", uid, file);
	good(path, "hers");
	assert_int_equal(fchownat(dir, path, owner, 0, 0), 0);
}

static void many(uid_t uid, int n, const char *fill)
{
	char from[512], to[600];

	snprintf(from, sizeof(from), "%s/%u/" ID_A ".00000001.luks", dir_path,
		 uid);
	for (int i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "%s/%u/%s%032x.%08x.luks", dir_path,
			 uid, fill, i, i);
		assert_int_equal(__real_linkat(AT_FDCWD, from, AT_FDCWD, to, 0),
				 0);
	}
}

/* What users do in theirs is nobody's concern but theirs, and root's, in bounds. */
static void test_users(void **state)
{
	static const char file[] = ID_A ".00000001.luks";
	struct key_dir d = { 0 };
	char path[512], fill[181];

	(void)state;
	if (geteuid()) {
		print_message("not root: there are no others\n");
		skip();
	}
	clear();
	good(ID_B ".00000001.luks", "mine");
	assert_int_equal(key_dir_scan(&d, top, 1001), 0);
	assert_false(d.has_own);
	assert_int_equal(d.nr_files, 0);
	other_user(1001, 1001, file);
	other_user(1002, 1002, file);
	other_user(1003, 1003, file);
	/* Not given to her yet; and a name that is nobody's. */
	other_user(1004, 0, file);
	snprintf(path, sizeof(path), "%s/01001", dir_path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/root", dir_path);
	assert_int_equal(mkdir(path, 0700), 0);
	/* Hard links to her own file; room of more than that has been used. */
	many(1002, 100, "");
	memset(fill, 'x', sizeof(fill) - 1);
	fill[sizeof(fill) - 1] = 0;
	many(1003, 4000, fill);
	/* Another's file isn't hers by being linked there. */
	snprintf(path, sizeof(path), "../1002/%s", file);
	assert_int_equal(__real_linkat(dir, path, dir,
				       "../1001/" ID_C ".00000001.luks", 0), 0);

	assert_int_equal(key_dir_scan(&d, top, 1001), 0);
	assert_true(d.has_own);
	assert_int_equal(d.nr_files, 1);
	assert_int_equal(d.ignored, 1);
	assert_int_equal(d.skipped, 0);
	assert_string_equal(d.files[0].file, "1001/" ID_A ".00000001.luks");
	assert_int_equal(d.files[0].uid, 1001);

	scan(&d);
	assert_int_equal(d.skipped, 2);
	assert_true(d.skipped_uid == 1002 || d.skipped_uid == 1003);
	assert_in_range(d.nr_files + d.ignored, 3, 3 + KEY_DIR_MAX_ENTRIES);
	for (size_t i = 0; i < d.nr_files; i++)
		assert_true(d.files[i].uid <= 1002);
	assert_non_null(key_dir_own(&d, d.files[0].id, d.files[0].uid));
	assert_null(key_dir_own(&d, d.files[0].id, 1003));
	key_dir_free(&d);
	snprintf(path, sizeof(path), "cd %s && rm -r 100[1-4] 01001 root",
		 dir_path);
	assert_int_equal(system(path), 0);
}

static void set_id(u8 *id, const char *text)
{
	assert_true(parse_hex(text, id, EXT4_OWNER_KEY_ID_SIZE));
}

static struct key_file files[8];
static struct ext4_owner_key_info known[8];
static struct key_dir table = { .files = files, .known = known };

static void add_file(const char *id, const char *label, uid_t uid)
{
	struct key_file *f = &files[table.nr_files];

	memset(f, 0, sizeof(*f));
	set_id(f->id, id);
	snprintf(f->file, sizeof(f->file), "%s.%08zu.luks", id,
		 table.nr_files);
	strcpy(f->label, label);
	f->uid = uid;
	f->readable = true;
	f->ino = 100 + table.nr_files++;
}

static void add_known(const char *id, uid_t uid)
{
	struct ext4_owner_key_info *k = &known[table.nr_known++];

	memset(k, 0, sizeof(*k));
	set_id(k->key_id, id);
	k->uid = uid;
	k->slot = table.nr_known;
}

static void reset(void)
{
	table.nr_files = 0;
	table.nr_known = 0;
}

/* The key that @name means to @uid; NULL and the exit code in @ret if none. */
static const char *find(const char *name, uid_t uid, int *ret)
{
	static char text[KEY_ID_STR_SIZE];
	struct key_ref ref;

	*ret = key_dir_find(&table, name, uid, &ref);
	if (*ret)
		return "";
	hex(ref.id, sizeof(ref.id), text);
	return text;
}

static void test_find(void **state)
{
	struct key_ref ref;
	int ret;

	(void)state;
	reset();
	add_known(ID_A, 1001);
	add_known(ID_B, 1002);
	add_file(ID_A, "work", 1001);
	add_file(ID_B, "work", 1002);
	add_file(ID_B, "mail", 1002);
	assert_string_equal(find("work", 1001, &ret), ID_A);
	assert_string_equal(find("work", 1002, &ret), ID_B);
	assert_string_equal(find("1001:work", 0, &ret), ID_A);
	assert_string_equal(find("1002:work", 0, &ret), ID_B);
	assert_string_equal(find("mail", 0, &ret), ID_B);
	find("work", 0, &ret);
	assert_int_equal(ret, EX_USAGE);
	find("mail", 1001, &ret);
	assert_int_equal(ret, EX_NOKEY);
	find("1003:mail", 0, &ret);
	assert_int_equal(ret, EX_NOKEY);
	find("no-such-user-here:mail", 0, &ret);
	assert_int_equal(ret, EX_USAGE);
	find("a b", 0, &ret);
	assert_int_equal(ret, EX_USAGE);
	find("1001:", 0, &ret);
	assert_int_equal(ret, EX_USAGE);
	find(":work", 0, &ret);
	assert_int_equal(ret, EX_USAGE);
	/* A key id is taken as it is, with the best file there is. */
	assert_string_equal(find(ID_C, 1001, &ret), ID_C);
	assert_int_equal(key_dir_find(&table, ID_A, 0, &ref), 0);
	assert_ptr_equal(ref.file, &files[0]);
	assert_ptr_equal(ref.known, &known[0]);
	files[0].readable = false;
	assert_int_equal(key_dir_find(&table, ID_A, 1002, &ref), 0);
	assert_null(ref.file);
}

/* A user who names his files as he likes. */
static void test_liar(void **state)
{
	struct key_ref ref;
	int ret;

	(void)state;
	/* 1002 says that his file holds 1001's key: root doesn't believe it. */
	reset();
	add_known(ID_A, 1001);
	add_known(ID_B, 1002);
	add_file(ID_A, "work", 1002);
	find("work", 0, &ret);
	assert_int_equal(ret, EX_NOKEY);
	find("1002:work", 0, &ret);
	assert_int_equal(ret, EX_NOKEY);
	assert_int_equal(key_dir_find(&table, ID_A, 0, &ref), 0);
	assert_null(ref.file);
	/*
	 * ... or has linked 1001's file to his own key's name: neither 1001 nor
	 * root takes that id for 1001's key while there is the right name.
	 */
	add_file(ID_B, "mail", 1001);
	files[1].ino = 7;
	find("1001:mail", 0, &ret);
	assert_int_equal(ret, EX_NOKEY);
	add_file(ID_A, "mail", 1001);
	files[2].ino = 7;
	assert_string_equal(find("1001:mail", 0, &ret), ID_A);
	assert_string_equal(find("mail", 1001, &ret), ID_A);
	/* Root's files may be of any key; so may one's own copy of another's. */
	add_file(ID_A, "shared", 0);
	assert_string_equal(find("shared", 0, &ret), ID_A);
	add_file(ID_A, "from-alice", 1002);
	assert_string_equal(find("from-alice", 1002, &ret), ID_A);
	/* The volume knows it no more. */
	add_file(ID_C, "old", 1001);
	assert_string_equal(find("old", 1001, &ret), ID_C);
	find("old", 0, &ret);
	assert_int_equal(ret, EX_NOKEY);
}

static const struct luks_pbkdf quick = {
	.type = "pbkdf2", .iterations = 1000,
};

static struct key_store store;

static void store_open(void)
{
	memset(&kernel, 0, sizeof(kernel));
	store.mount.path = dir_path;
	store.mount.fd = dir;
	store.dir = top;
	assert_int_equal(key_store_read(&store), 0);
}

static struct passphrase pass(const char *text)
{
	struct passphrase p;

	assert_int_equal(passphrase_set(&p, text, strlen(text)), 0);
	return p;
}

static void test_create_unlock(void **state)
{
	struct passphrase p = pass("one"), q = pass("two");
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct key_ref ref;
	char path[512];
	struct stat st;
	u8 buf[512];
	int fd;

	(void)state;
	clear();
	store_open();
	assert_int_equal(master_key_create(&store, "work", &p, &quick, id), 0);
	assert_int_equal(kernel.added, 1);
	assert_int_equal(kernel.locked + kernel.deleted, 0);
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(store.keys.nr_files, 1);
	assert_int_equal(store.keys.ignored, 0);
	assert_string_equal(store.keys.files[0].label, "work");
	assert_int_equal(fstatat(top, store.keys.files[0].file, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	assert_int_equal(key_store_find(&store, "work", &ref), 0);
	assert_memory_equal(ref.id, id, sizeof(id));
	assert_int_equal(master_key_unlock(&store, &ref, &q), EX_AUTH);
	assert_int_equal(kernel.added, 1);
	assert_int_equal(master_key_unlock(&store, &ref, &p), 0);
	assert_int_equal(kernel.added, 2);
	/* It holds another key than its name says: undone. */
	kernel.other_id = true;
	assert_int_equal(master_key_unlock(&store, &ref, &p), EX_AUTH);
	assert_int_equal(kernel.locked, 1);
	kernel.other_id = false;
	/* Replaced since it was looked at. */
	snprintf(path, sizeof(path), "%s/%s", dir_path, ref.file->file);
	assert_int_equal(rename(path, "/tmp/inocrypt-keys.moved"), 0);
	fake(strchr(ref.file->file, '/') + 1, "work", 4, LUKS_MASTER_KEY, 4096, 0600);
	assert_int_equal(master_key_unlock(&store, &ref, &p), EX_NOKEY);
	assert_int_equal(rename("/tmp/inocrypt-keys.moved", path), 0);

	/* Replaced by a link to what is somebody else's: that is left alone. */
	if (!geteuid()) {
		assert_int_equal(rename(path, "/tmp/inocrypt-keys.moved"), 0);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		assert_int_equal(write(fd, "theirs", 6), 6);
		assert_int_equal(fchown(fd, 1001, 1001), 0);
		assert_true(master_key_destroy_file(&store, ref.file->file));
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(pread(fd, buf, sizeof(buf), 0), 6);
		assert_memory_equal(buf, "theirs", 6);
		close(fd);
		assert_int_equal(rename("/tmp/inocrypt-keys.moved", path), 0);
	}

	/* Nothing of it stays, not even in a file that somebody has open. */
	fd = open(path, O_RDONLY);
	assert_int_equal(master_key_destroy_file(&store, ref.file->file), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size >= 65536);
	for (off_t at = 0; at < st.st_size; at += sizeof(buf)) {
		assert_true(pread(fd, buf, sizeof(buf), at) > 0);
		for (size_t i = 0; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0);
	}
	close(fd);
	passphrase_wipe(&p);
	passphrase_wipe(&q);
	key_dir_free(&store.keys);
}

/* Killed when the volume has just got to know a key: its file is there. */
static void test_killed(void **state)
{
	struct passphrase p = pass("one"), q = pass("two");
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct key_ref ref;
	int status;
	pid_t pid;

	(void)state;
	clear();
	store_open();
	kernel.uuid_known = true;
	pid = fork();
	if (!pid) {
		kernel.kill = true;
		master_key_create(&store, "work", &p, &quick, id);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 137);
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(store.keys.nr_files, 1);
	assert_int_equal(key_store_find(&store, "work", &ref), 0);
	assert_int_equal(master_key_finish(&store, &ref, &q), EX_AUTH);
	assert_int_equal(kernel.added, 0);
	assert_int_equal(master_key_finish(&store, &ref, &p), 0);
	assert_int_equal(kernel.added, 1);

	/* Without a word about which volume it is the file comes last. */
	clear();
	store_open();
	assert_int_equal(master_key_create(&store, "work", &p, &quick, id), 0);
	assert_int_equal(kernel.files_then, 0);
	/* ... or if that word was wrong. */
	clear();
	store_open();
	kernel.uuid_known = true;
	kernel.other_id = true;
	assert_int_equal(master_key_create(&store, "work", &p, &quick, id), 0);
	assert_int_equal(kernel.files_then, 1);
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(store.keys.nr_files, 1);
	assert_memory_equal(store.keys.files[0].id, id, sizeof(id));
	passphrase_wipe(&p);
	passphrase_wipe(&q);
	key_dir_free(&store.keys);
}

/* One's records that no file goes with make room; others', and used ones, don't. */
static void test_reclaim(void **state)
{
	static const struct {
		uid_t uid;
		u32 flags;
		bool file, freed;
	} cases[] = {
		{ 0, 0, false, true },
		{ 0, EXT4_OWNER_KEY_LOADED, false, false },
		{ 0, 0, true, false },
		{ 1, 0, false, false },
	};
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct passphrase p = pass("one");
	int ret;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clear();
		if (cases[i].file)
			good(ID_A ".00000001.luks", "has-a-file");
		store_open();
		kernel.nr = 1;
		kernel.known[0].uid = geteuid() + cases[i].uid;
		kernel.known[0].flags = cases[i].flags;
		assert_true(parse_hex(ID_A, kernel.known[0].key_id,
				      EXT4_OWNER_KEY_ID_SIZE));
		kernel.add_error = EDQUOT;
		assert_int_equal(key_store_read(&store), 0);
		ret = master_key_create(&store, "work", &p, &quick, id);
		assert_int_equal(!ret, cases[i].freed);
		assert_int_equal(kernel.deleted, cases[i].freed);
	}
	passphrase_wipe(&p);
	key_dir_free(&store.keys);
}

/* What the key slot that a passphrase opens costs. */
static struct crypt_pbkdf_type cost_of(const char *path, const char *text)
{
	struct crypt_pbkdf_type kdf = { 0 };
	struct crypt_device *cd;
	char key[IC_KEY_SIZE];
	size_t n = sizeof(key);
	int slot;

	assert_int_equal(crypt_init(&cd, path), 0);
	assert_int_equal(crypt_load(cd, CRYPT_LUKS2, NULL), 0);
	slot = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, key, &n, text,
				    strlen(text));
	assert_true(slot >= 0);
	assert_int_equal(crypt_keyslot_get_pbkdf(cd, slot, &kdf), 0);
	/* Its text goes with the device. */
	kdf.type = strcmp(kdf.type, "pbkdf2") ? "argon2id" : "pbkdf2";
	crypt_free(cd);
	return kdf;
}

/* A changed passphrase is as hard to guess as the one it replaces. */
static void test_cost_kept(void **state)
{
	static const struct luks_pbkdf dear = {
		.type = "argon2id", .iterations = 6, .memory_kib = 2048,
		.threads = 1,
	};
	struct passphrase one = pass("one"), two = pass("two");
	struct passphrase three = pass("three");
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct crypt_pbkdf_type kdf;
	char path[512];

	(void)state;
	clear();
	store_open();
	assert_int_equal(master_key_create(&store, "work", &one, &quick, id), 0);
	assert_int_equal(key_store_read(&store), 0);
	snprintf(path, sizeof(path), "%s/%s", dir_path,
		 store.keys.files[0].file);
	assert_int_equal(luks_add_passphrase(path, LUKS_MASTER_KEY, &one, &two,
					     &dear), 0);
	assert_int_equal(luks_change_passphrase(path, LUKS_MASTER_KEY, &two,
						&three, NULL), 0);
	kdf = cost_of(path, "three");
	assert_string_equal(kdf.type, "argon2id");
	assert_int_equal(kdf.iterations, 6);
	assert_int_equal(kdf.max_memory_kb, 2048);
	/* The other one, which would have been cheaper, isn't touched. */
	assert_string_equal(cost_of(path, "one").type, "pbkdf2");
	assert_int_equal(luks_change_passphrase(path, LUKS_MASTER_KEY, &two,
						&one, NULL), EX_AUTH);
	/* Whoever says so gets something else. */
	assert_int_equal(luks_change_passphrase(path, LUKS_MASTER_KEY, &three,
						&two, &quick), 0);
	assert_string_equal(cost_of(path, "two").type, "pbkdf2");
	passphrase_wipe(&one);
	passphrase_wipe(&two);
	passphrase_wipe(&three);
	key_dir_free(&store.keys);
}

/* Whatever fails, neither a file nor a key of it is left. */
static void test_create_fails(void **state)
{
	static const struct {
		int add_error, link_error, code, deleted;
	} cases[] = {
		{ EDQUOT, 0, EX_FAIL, 0 },
		{ ENOSPC, 0, EX_FAIL, 0 },
		{ EROFS, 0, EX_FAIL, 0 },
		{ EOPNOTSUPP, 0, EX_NOVOLUME, 0 },
		{ EIO, 0, EX_IO, 0 },
		{ 0, ENOSPC, EX_FAIL, 1 },
		{ 0, EIO, EX_IO, 1 },
	};
	u8 id[EXT4_OWNER_KEY_ID_SIZE];
	struct passphrase p = pass("one");

	(void)state;
	clear();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const size_t k = i / 2;
		const int deleted = i % 2 == 0 && cases[k].deleted;

		store_open();
		kernel.uuid_known = i & 1;
		kernel.add_error = cases[k].add_error;
		kernel.link_error = cases[k].link_error;
		assert_int_equal(master_key_create(&store, "work", &p, &quick,
						   id), cases[k].code);
		assert_int_equal(kernel.deleted, deleted);
		assert_int_equal(kernel.locked, deleted);
		assert_int_equal(key_store_read(&store), 0);
		assert_int_equal(store.keys.nr_files + store.keys.ignored, 0);
	}
	passphrase_wipe(&p);
	key_dir_free(&store.keys);
}

static void test_delete(void **state)
{
	static const struct { int err, code; } cases[] = {
		{ 0, 0 }, { ENOKEY, 0 }, { EBUSY, EX_BUSY },
		{ EACCES, EX_FAIL }, { EIO, EX_IO },
	};
	u8 id[EXT4_OWNER_KEY_ID_SIZE] = { 0 };

	(void)state;
	store_open();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		kernel.delete_error = cases[i].err;
		assert_int_equal(master_key_delete(&store, id), cases[i].code);
	}
}

static void test_known(void **state)
{
	(void)state;
	clear();
	store_open();
	kernel.nr = 3;
	for (size_t i = 0; i < 3; i++) {
		kernel.known[i].slot = 5 + 3 * i;
		kernel.known[i].key_id[0] = i;
	}
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(store.keys.nr_known, 3);
	assert_int_equal(store.keys.known[2].slot, 11);
	key_dir_free(&store.keys);
}

/* Bytes of a key file changed at random: an error, or the same key. */
static void test_damaged(void **state)
{
	struct passphrase p = pass("one");
	u8 id[EXT4_OWNER_KEY_ID_SIZE], c;
	struct key_ref ref;
	int opened = 0;
	struct stat st;
	u8 *copy;
	int fd;

	(void)state;
	clear();
	store_open();
	assert_int_equal(master_key_create(&store, "work", &p, &quick, id), 0);
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(key_store_find(&store, "work", &ref), 0);
	fd = openat(top, ref.file->file, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	copy = malloc(st.st_size);
	assert_int_equal(pread(fd, copy, st.st_size, 0), st.st_size);
	srandom(1);
	for (int i = 0; i < 150; i++) {
		off_t at = random() % (i & 1 ? 4096 : 66000);

		c = copy[at] ^ (1 << random() % 8);
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		/* With the second copy too the header has to be refused. */
		if (i % 3 == 0 && at < LUKS_METADATA_BYTES)
			assert_int_equal(pwrite(fd, &c, 1, at + LUKS_METADATA_BYTES), 1);
		assert_int_equal(key_store_read(&store), 0);
		set_id(ref.id, ID_A);
		memcpy(ref.id, id, sizeof(id));
		if (!store.keys.nr_files) {
			assert_int_equal(pwrite(fd, copy, st.st_size, 0),
					 st.st_size);
			continue;
		}
		ref.file = &store.keys.files[0];
		if (!master_key_unlock(&store, &ref, &p))
			opened++;
		assert_int_equal(pwrite(fd, copy, st.st_size, 0), st.st_size);
	}
	print_message("           %d of 150 still open\n", opened);
	/* The first copy gone: the second one has the name, and the key. */
	memset(&c, 0, sizeof(c));
	for (int i = 0; i < 512; i++)
		assert_int_equal(pwrite(fd, &c, 1, i), 1);
	assert_int_equal(key_store_read(&store), 0);
	assert_int_equal(key_store_find(&store, "work", &ref), 0);
	assert_int_equal(master_key_unlock(&store, &ref, &p), 0);
	free(copy);
	close(fd);
	passphrase_wipe(&p);
	key_dir_free(&store.keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile_directory),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_create_unlock),
		cmocka_unit_test(test_create_fails),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_cost_kept),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_damaged),
	};
	int ret;

	/* Who waits for a FIFO has lost. */
	alarm(120);
	if (!mkdtemp(dir_path))
		return 1;
	top = open(dir_path, O_RDONLY | O_DIRECTORY);
	key_user_name(geteuid(), user);
	mkdirat(top, user, 0700);
	dir = openat(top, user, O_RDONLY | O_DIRECTORY);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	clear();
	unlinkat(top, user, AT_REMOVEDIR);
	rmdir(dir_path);
	return ret;
}
