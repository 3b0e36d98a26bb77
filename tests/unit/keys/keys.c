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
#include <unistd.h>

#include <cmocka.h>
#include <libcryptsetup.h>
#undef fail	/* is ours, too */

#include "master_key.h"
#include "wrap.h"

#define ID_A	"00112233445566778899aabbccddeeff"
#define ID_B	"ffeeddccbbaa99887766554433221100"
#define ID_C	"0123456789abcdef0123456789abcdef"

static char dir_path[] = "/tmp/inocrypt-keys.XXXXXX";
static int dir;

/* The kernel */

static struct {
	struct ext4_owner_key_info known[8];
	size_t nr;
	int add_error, delete_error, link_error;
	bool other_id;			/* answer with another id */
	int added, deleted, locked;
} kernel;

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
		/* As good a name as any: its first half. */
		memcpy(add->key_id, add->raw, sizeof(add->key_id));
		if (kernel.other_id)
			add->key_id[0] ^= 1;
		kernel.added++;
		return 0;
	case EXT4_IOC_OWNER_KEY_LOCK:
		kernel.locked++;
		return 0;
	case EXT4_IOC_OWNER_KEY_DELETE:
		errno = kernel.delete_error;
		if (errno)
			return -1;
		kernel.deleted++;
		return 0;
	case EXT4_IOC_GET_OWNER_POLICY:
		errno = ENODATA;
		return -1;
	}
	return -1;
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

	snprintf(command, sizeof(command), "find %s -mindepth 1 -delete",
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
	assert_int_equal(key_dir_scan(d, dir), 0);
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
	store.dir = dir;
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
	assert_int_equal(fstatat(dir, store.keys.files[0].file, &st, 0), 0);
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
	fake(ref.file->file, "work", 4, LUKS_MASTER_KEY, 4096, 0600);
	assert_int_equal(master_key_unlock(&store, &ref, &p), EX_NOKEY);
	assert_int_equal(rename("/tmp/inocrypt-keys.moved", path), 0);

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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		store_open();
		kernel.add_error = cases[i].add_error;
		kernel.link_error = cases[i].link_error;
		assert_int_equal(master_key_create(&store, "work", &p, &quick,
						   id), cases[i].code);
		assert_int_equal(kernel.deleted, cases[i].deleted);
		assert_int_equal(kernel.locked, cases[i].deleted);
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
	fd = openat(dir, ref.file->file, O_RDWR);
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
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_create_unlock),
		cmocka_unit_test(test_create_fails),
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
	dir = open(dir_path, O_RDONLY | O_DIRECTORY);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	clear();
	rmdir(dir_path);
	return ret;
}
