// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is said when the kernel modules aren't there, in trees that look like /lib/modules and
 * /sys of machines with each kind of trouble.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* First: cmocka makes a macro of fail(). */
#include "kernel/kernel.h"
#include "unit.h"

static char root[] = "/tmp/test_modules.XXXXXX";
static struct utsname u;

/* A file below the root; %s in its path is the running kernel's release. */
static void put_file(const char *format, const char *text)
{
	char path[512], name[400];
	FILE *f;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(name, sizeof(name), format, u.release);
#pragma GCC diagnostic pop
	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *s = path + strlen(root) + 1; (s = strchr(s, '/')); s++) {
		*s = 0;
		mkdir(path, 0755);
		*s = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void empty(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/*", root);
	assert_int_equal(system(command), 0);
}

static void has(const char *why, const char *text)
{
	if (!strstr(why, text))
		fail_msg("no \"%s\" in: %s", text, why);
	assert_null(strstr(why, "Invalid argument"));
	assert_null(strstr(why, "unknown target"));
}

static void target(const char *said, const char *text)
{
	char why[MODULE_WHY_SIZE];

	modules_target_trouble(said, why);
	has(why, text);
}

static void ext4(const char *text)
{
	char why[MODULE_WHY_SIZE];

	assert_true(modules_ext4_trouble(why));
	has(why, text);
}

#define OURS	"updates/dm-inocrypt.ko: updates/bio-owner.ko kernel/drivers/md/dm-mod.ko\n" \
		"updates/ext4.ko: kernel/fs/jbd2/jbd2.ko updates/bio-owner.ko\nupdates/bio-owner.ko:\n"
#define STOCK	"kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n"

static void test_target(void **state)
{
	(void)state;
	empty();
	target("", "there is no module of inocrypt's, dm-inocrypt, for the kernel that runs");
	put_file("/lib/modules/%s/modules.dep", STOCK);
	target("modprobe: FATAL: Module dm-inocrypt not found", "there is no module");
	put_file("/lib/modules/6.1.0-99-amd64/modules.dep", OURS);
	put_file("/lib/modules/6.1.0-98-amd64/modules.dep", STOCK);
	target("", "those that have it: 6.1.0-99-amd64");
	put_file("/lib/modules/%s/modules.dep", OURS);
	target("modprobe: ERROR: could not insert 'dm_inocrypt': Exec format error",
	       "can't be loaded: modprobe: ERROR: could not insert 'dm_inocrypt': Exec format error");
	put_file("/sys/module/module/parameters/sig_enforce", "N\n");
	put_file("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	target("", "can't be loaded");
	put_file("/sys/module/module/parameters/sig_enforce", "Y\n");
	target("modprobe: ERROR: Key was rejected by service",
	       "takes only modules that are signed (sig_enforce, or Secure Boot's lockdown), and inocrypt's dm-inocrypt isn't");
	put_file("/lib/modules/%s/updates/dm-inocrypt.ko", "ELF...~Module signature appended~\n");
	target("", "may be signed by a key that it doesn't know");
	put_file("/sys/module/module/parameters/sig_enforce", "N\n");
	put_file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	target("", "takes only modules that are signed");
}

static void test_ext4(void **state)
{
	char why[MODULE_WHY_SIZE];

	(void)state;
	empty();
	ext4("there is no module of inocrypt's, ext4, for the kernel that runs");
	put_file("/lib/modules/%s/modules.dep", STOCK);
	ext4("there is no module of inocrypt's, ext4");
	put_file("/sys/module/ext4/initstate", "live\n");
	ext4("the kernel's own, not inocrypt's: none of inocrypt's is there for this kernel");
	put_file("/lib/modules/%s/modules.dep", STOCK OURS);
	ext4("is the kernel's own, not inocrypt's: unmount all ext4 file systems");
	put_file("/sys/module/bio_owner/holders/ext4/initstate", "live\n");
	assert_false(modules_ext4_trouble(why));
	empty();
	put_file("/lib/modules/%s/modules.dep", OURS);
	put_file("/proc/filesystems", "nodev\tsysfs\n\text3\n");
	/* It will be loaded. */
	assert_false(modules_ext4_trouble(why));
	put_file("/sys/module/module/parameters/sig_enforce", "Y\n");
	ext4("takes only modules that are signed");
	put_file("/proc/filesystems", "nodev\tsysfs\n\text4\n");
	ext4("ext4 is built into this kernel");
}

static int set_up(void **state)
{
	(void)state;
	uname(&u);
	modules_root = mkdtemp(root);
	return !modules_root;
}

static int tear_down(void **state)
{
	(void)state;
	empty();
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_ext4),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
