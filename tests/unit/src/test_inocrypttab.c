// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parser of /etc/inocrypttab: what lines mean, lines that must not be
 * taken, and some ten thousand mutants of good ones: whatever is taken is fit
 * for a unit's name, a path, a table.
 */
#include <ctype.h>

/* First: cmocka makes a macro of fail(). */
#include "boot/boot.h"
#include "unit.h"

static unsigned int reported;

static void report(unsigned int line, const char *why)
{
	assert_true(line);
	assert_true(*why);
	reported++;
}

/* Parse a copy of exactly @len bytes, so that ASan sees any read beyond. */
static void load(struct inocrypttab *tab, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	reported = 0;
	assert_int_equal(inocrypttab_parse(tab, copy, len, report), 0);
	assert_int_equal(tab->bad, reported);
	free(copy);
}

static void test_fields(void **state)
{
	static const char text[] =
		"# a comment\n"
		"\n"
		"  \t\n"
		"vault /dev/sdb1\n"
		"\thome\tUUID=01234567-89ab-cdef-0123-456789abcdef  none\tsidecar=/dev/nvme0n1p2,readonly,discard,cache-size=64M,tries=5,timeout=2min\n"
		"x.y-z@1 LABEL=a\\040b/c /etc/keys/x\\011y keyfile-offset=512,keyfile-size=32,anchor=/srv/an\\054chor,anchor-watch,fsck,nofail,noauto,_netdev\n"
		"raw PARTUUID=aa-01 /k volume-key,anchor=none,x-systemd.device-timeout=10,x-other,x-more=1\n"
		"last PARTLABEL=p - -";
	const struct inocrypttab_entry *e;
	struct inocrypttab tab;
	char node[PATH_MAX];

	(void)state;
	load(&tab, text, sizeof(text) - 1);
	assert_int_equal(tab.bad, 0);
	assert_int_equal(tab.count, 5);

	e = inocrypttab_find(&tab, "vault");
	assert_non_null(e);
	assert_int_equal(e->line, 4);
	assert_string_equal(e->device, "/dev/sdb1");
	assert_null(e->key_file);
	assert_null(e->sidecar);
	assert_false(e->readonly || e->discard || e->noauto || e->nofail ||
		     e->netdev || e->volume_key || e->anchor_watch || e->fsck);
	assert_int_equal(e->timeout, INOCRYPTTAB_NO_TIMEOUT);

	e = inocrypttab_find(&tab, "home");
	assert_non_null(e);
	assert_null(e->key_file);
	assert_string_equal(e->sidecar, "/dev/nvme0n1p2");
	assert_true(e->readonly && e->discard && !e->noauto);
	assert_int_equal(e->cache_bytes, 64 << 20);
	assert_int_equal(e->tries, 5);
	assert_int_equal(e->timeout, 120);
	assert_true(inocrypttab_node(e->device, node, sizeof(node)));
	assert_string_equal(node,
			    "/dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef");

	e = inocrypttab_find(&tab, "x.y-z@1");
	assert_non_null(e);
	assert_string_equal(e->device, "LABEL=a b/c");
	assert_string_equal(e->key_file, "/etc/keys/x\ty");
	assert_string_equal(e->anchor, "/srv/an,chor");
	assert_int_equal(e->key_offset, 512);
	assert_int_equal(e->key_size, 32);
	assert_true(e->anchor_watch && e->fsck && e->nofail && e->noauto &&
		    e->netdev);
	assert_true(inocrypttab_node(e->device, node, sizeof(node)));
	assert_string_equal(node, "/dev/disk/by-label/a\\x20b\\x2fc");

	e = inocrypttab_find(&tab, "raw");
	assert_non_null(e);
	assert_true(e->volume_key);
	assert_int_equal(e->device_timeout, 10);

	e = inocrypttab_find(&tab, "last");
	assert_non_null(e);
	assert_null(e->key_file);
	assert_null(inocrypttab_find(&tab, "las"));
	inocrypttab_free(&tab);
}

static void test_bad_lines(void **state)
{
	static const char * const lines[] = {
		"alone", "n /dev/a none - more", "-n /dev/a", ".n /dev/a",
		"a/b /dev/a", "../x /dev/a", "control /dev/a", "n%i /dev/a",
		"n\\x /dev/a", "\"n\" /dev/a", "n;m /dev/a", "$n /dev/a",
		"n dev/a", "n /", "n /dev//a", "n /dev/../a", "n /dev/./a",
		"n /dev/a/", "n UUID=", "n UUID=../../x", "n UUID=a/b",
		"n LABEL=", "n LABEL=..", "n LABEL=.", "n FOO=1", "n /dev/a\\04",
		"n /dev/a\\999", "n /dev/a\\000b", "n /dev/a\\012b",
		"n /dev/a key", "n /dev/a /k/../k", "n /dev/a /k what",
		"n /dev/a - readonly=1", "n /dev/a - readOnly",
		"n /dev/a - sidecar", "n /dev/a - sidecar=", "n /dev/a - sidecar=b",
		"n /dev/a - sidecar=/dev/b,sidecar=/dev/c", "n /dev/a - anchor=x",
		"n /dev/a - cache-size=0", "n /dev/a - cache-size=1X",
		"n /dev/a - cache-size=99999999999T", "n /dev/a - tries=0",
		"n /dev/a - tries=-1", "n /dev/a - timeout=1d",
		"n /dev/a - timeout=", "n /dev/a - timeout=99999999h",
		"n /dev/a - volume-key", "n /dev/a /k volume-key,keyfile-size=1",
		"n /dev/a - readonly,fsck", "n /dev/a - readonly,anchor-watch",
		"n /dev/a - anchor=none,anchor-watch", "n /dev/a\1",
		"n /dev/a\177", "n /dev/a - timeout=1\r",
	};
	struct inocrypttab tab;
	char text[5000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		/* A bad line takes no other with it. */
		snprintf(text, sizeof(text), "first /dev/a\n%s\nlast /dev/b\n",
			 lines[i]);
		load(&tab, text, strlen(text));
		if (tab.bad != 1 || tab.count != 2)
			print_error("line: %s\n", lines[i]);
		assert_int_equal(tab.bad, 1);
		assert_int_equal(tab.count, 2);
		inocrypttab_free(&tab);
	}

	/* Twice the same name: the first counts. */
	strcpy(text, "n /dev/a\nn /dev/b\n");
	load(&tab, text, strlen(text));
	assert_int_equal(tab.count, 1);
	assert_int_equal(tab.bad, 1);
	assert_string_equal(tab.entry[0].device, "/dev/a");
	inocrypttab_free(&tab);

	/* A NUL inside; a line that is too long. */
	load(&tab, "n /dev/a\0b\n", 11);
	assert_int_equal(tab.count, 0);
	assert_int_equal(tab.bad, 1);
	inocrypttab_free(&tab);
	memset(text, 'a', sizeof(text));
	load(&tab, text, sizeof(text));
	assert_int_equal(tab.bad, 1);
	inocrypttab_free(&tab);
}

static void test_too_many(void **state)
{
	size_t n = INOCRYPTTAB_MAX_ENTRIES + 3, at = 0;
	char *text = malloc(n * 24);
	struct inocrypttab tab;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		at += sprintf(text + at, "n%zu /dev/a\n", i);
	load(&tab, text, at);
	assert_int_equal(tab.count, INOCRYPTTAB_MAX_ENTRIES);
	assert_int_equal(tab.bad, 3);
	inocrypttab_free(&tab);
	free(text);
}

/* What everybody else relies on. */
static void check_entry(const struct inocrypttab_entry *e)
{
	const char *dev[] = { e->device, e->sidecar };
	char node[PATH_MAX];

	for (const char *c = e->name; *c; c++)
		assert_true(isalnum((unsigned char)*c) ||
			    strchr("+-.:=@_", *c));
	assert_in_range(strlen(e->name), 1, INOCRYPTTAB_NAME_MAX);
	assert_true(*e->name != '-' && *e->name != '.');
	for (size_t i = 0; i < ARRAY_SIZE(dev); i++) {
		if (!dev[i])
			continue;
		assert_true(inocrypttab_node(dev[i], node, sizeof(node)));
		assert_int_equal(*node, '/');
		assert_null(strstr(node, "//"));
		assert_null(strstr(node, "/../"));
	}
	if (e->key_file) {
		assert_int_equal(*e->key_file, '/');
		assert_null(strpbrk(e->key_file, "\n\r"));
	}
	assert_in_range(e->tries, 0, 1000);
	assert_true(e->timeout);
}

static void test_mutants(void **state)
{
	static const char base[] =
		"vault UUID=01234567-89ab /etc/k\\040x sidecar=LABEL=a\\054b,tries=3\n"
		"b /dev/sdb - readonly,discard,cache-size=1G,timeout=90s,anchor=/a/b\n"
		"c PARTLABEL=x /dev/disk/by-id/k volume-key,noauto,nofail,fsck\n";
	static const char bytes[] = "\\\\//..,,==  \t\n\n0179%-\"#";
	struct inocrypttab tab;
	unsigned int taken = 0;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		char text[2 * sizeof(base)];
		size_t len = sizeof(base) - 1;

		memcpy(text, base, len);
		for (unsigned int n = 1 + rnd() % 6; n; n--) {
			size_t at = rnd() % len, from = rnd() % len;
			size_t run = 1 + rnd() % 12;

			switch (rnd() % 4) {
			case 0:
				text[at] = rnd();
				break;
			case 1:
				text[at] = bytes[rnd() % (sizeof(bytes) - 1)];
				break;
			case 2:		/* a piece elsewhere */
				if (at + run <= len && from + run <= len)
					memmove(text + at, text + from, run);
				break;
			case 3:		/* a piece away */
				if (at + run < len) {
					memmove(text + at, text + at + run,
						len - at - run);
					len -= run;
				}
				break;
			}
		}
		load(&tab, text, len);
		for (size_t k = 0; k < tab.count; k++)
			check_entry(&tab.entry[k]);
		taken += tab.count;
		inocrypttab_free(&tab);
	}
	/* Not all are refused, or nothing was tested. */
	assert_in_range(taken, 10000, 55000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
