// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt-generator: units for the volumes of /etc/inocrypttab, so that systemd
 * opens them at boot, and before what is mounted from them.
 *
 * As systemd.generator(7) wants it: three directories as arguments, the first
 * is written to.  It runs before anything else does, so it looks at nothing but
 * the file and the kernel's command line.  The units hold no more than names:
 * inocrypt attach reads the file again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "anchor/anchor.h"
#include "boot/boot.h"

/* The Makefile says where things are installed. */
#ifndef SBINDIR
#define SBINDIR	"/usr/local/sbin"
#endif
#ifndef UNITDIR
#define UNITDIR	"/usr/local/lib/systemd/system"
#endif

#define ESCAPED_SIZE	200	/* what a unit is called after */
#define UNIT_SIZE	256	/* a whole name, a file's */
#define QUOTED_SIZE	(2 * PATH_MAX + 3)
#define PATH_SIZE	2048

static const char *out_dir;

static void report(unsigned int line, const char *why)
{
	warn("%s, line %u is left out: %s", inocrypttab_path(), line, why);
}

/*
 * As systemd-escape does it, --path for what begins with a slash.  False if it
 * is too long for the name of a unit.
 */
static bool escape(const char *s, char out[ESCAPED_SIZE])
{
	char *end = out + ESCAPED_SIZE - sizeof("\\x00");
	bool first = true;

	if (*s == '/')
		s++;
	for (; *s && out < end; s++, first = false) {
		bool plain = (*s >= '0' && *s <= '9') ||
			     (*s >= 'a' && *s <= 'z') ||
			     (*s >= 'A' && *s <= 'Z') || *s == ':' ||
			     *s == '_' || (*s == '.' && !first);

		if (*s == '/')
			*out++ = '-';
		else if (plain)
			*out++ = *s;
		else
			out += sprintf(out, "\\x%02x", (unsigned char)*s);
	}
	*out = 0;
	return !*s;
}

/* A word of a unit's setting: quoted, without specifiers. */
static void quote(const char *s, char out[QUOTED_SIZE])
{
	*out++ = '"';
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			*out++ = '\\';
		if (*s == '%')
			*out++ = '%';
		*out++ = *s;
	}
	*out++ = '"';
	*out = 0;
}

static int make_dir(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	return 0;
}

/* @unit is to be pulled in by @by: below its .requires or .wants. */
static int pull(const char *by, const char *how, const char *unit,
		const char *source)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s.%s", out_dir, by, how);
	if (make_dir(path))
		return EX_FAIL;
	snprintf(path, sizeof(path), "%s/%s.%s/%s", out_dir, by, how, unit);
	if (symlink(source, path) && errno != EEXIST)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	return 0;
}

/* How long systemd waits for a device. */
static int drop_in(const char *device_unit, const char *setting, u32 seconds)
{
	char path[PATH_SIZE];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.d", out_dir, device_unit);
	if (make_dir(path))
		return EX_FAIL;
	snprintf(path, sizeof(path), "%s/%s.d/40-inocrypt.conf", out_dir,
		 device_unit);
	f = fopen(path, "we");
	if (!f)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	fputs("# Made by inocrypt-generator.\n[Unit]\n", f);
	if (seconds == INOCRYPTTAB_NO_TIMEOUT)
		fprintf(f, "%s=infinity\n", setting);
	else
		fprintf(f, "%s=%us\n", setting, seconds);
	return fclose(f) ? fail(EX_FAIL, "%s: %s", path, strerror(errno)) : 0;
}

/* The volume needs this device, and goes when it goes. */
static int need_device(FILE *f, const struct inocrypttab_entry *e,
		       const char *device)
{
	char node[PATH_MAX], name[ESCAPED_SIZE], unit[UNIT_SIZE];

	if (!inocrypttab_node(device, node, sizeof(node)) ||
	    strncmp(node, "/dev/", 5))
		return fail(EX_USAGE, "%s: %s isn't below /dev", e->name,
			    device);
	if (!escape(node, name))
		return fail(EX_USAGE, "%s: the name of %s is too long for a unit",
			    e->name, device);
	snprintf(unit, sizeof(unit), "%s.device", name);
	fprintf(f, "BindsTo=%s\nAfter=%s\n", unit, unit);
	return e->device_timeout ?
	       drop_in(unit, "JobRunningTimeoutSec", e->device_timeout) : 0;
}

static int need_key_file(FILE *f, const struct inocrypttab_entry *e)
{
	static const char * const made[] = {
		"/dev/random", "/dev/urandom", "/dev/hw_random", "/dev/hwrng",
	};
	char text[QUOTED_SIZE], name[ESCAPED_SIZE];

	if (!e->key_file)
		return 0;
	if (strncmp(e->key_file, "/dev/", 5)) {
		quote(e->key_file, text);
		fprintf(f, "RequiresMountsFor=%s\n", text);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (!strcmp(e->key_file, made[i]))
			return fail(EX_USAGE, "%s: %s is no key file", e->name,
				    made[i]);
	if (!escape(e->key_file, name))
		return fail(EX_USAGE, "%s: the name of %s is too long for a unit",
			    e->name, e->key_file);
	fprintf(f, "Requires=%s.device\nAfter=%s.device\n", name, name);
	return 0;
}

static int write_service(FILE *f, const struct inocrypttab_entry *e,
			 const char *escaped)
{
	char path[QUOTED_SIZE];
	int ret;

	fprintf(f,
		"# Made by inocrypt-generator from %s.\n"
		"[Unit]\n"
		"Description=inocrypt volume %s\n"
		"Documentation=man:inocrypttab(5) man:inocrypt(8)\n"
		"SourcePath=%s\n"
		"DefaultDependencies=no\n"
		"IgnoreOnIsolate=true\n"
		"After=cryptsetup-pre.target systemd-udevd-kernel.socket\n"
		"After=systemd-remount-fs.service\n"
		"Wants=blockdev@dev-mapper-%s.target\n"
		"Before=blockdev@dev-mapper-%s.target\n"
		"Conflicts=umount.target\n"
		"Before=umount.target\n",
		inocrypttab_path(), e->name, inocrypttab_path(), escaped,
		escaped);
	if (e->netdev)
		fputs("After=remote-fs-pre.target\n", f);
	/* Nobody waits for what may fail: neither for it nor for its device. */
	if (!e->nofail)
		fprintf(f, "Before=%s\n", e->netdev ?
			"remote-cryptsetup.target" : "cryptsetup.target");
	ret = need_device(f, e, e->device);
	if (!ret && e->sidecar)
		ret = need_device(f, e, e->sidecar);
	if (!ret)
		ret = need_key_file(f, e);
	if (!e->anchor || strcmp(e->anchor, "none")) {
		quote(e->anchor ? e->anchor : ANCHOR_DIR, path);
		fprintf(f, "RequiresMountsFor=%s\n", path);
	}
	/* The anchor's key is kept in root's user keyring: see KeyringMode. */
	fprintf(f,
		"\n[Service]\n"
		"Type=oneshot\n"
		"RemainAfterExit=yes\n"
		"TimeoutSec=infinity\n"
		"KeyringMode=shared\n"
		"OOMScoreAdjust=500\n"
		"ExecStart=%s/inocrypt attach --ask-password %s\n"
		"ExecStop=%s/inocrypt detach %s\n", SBINDIR, e->name, SBINDIR,
		e->name);
	return ret;
}

static int pull_all(const struct inocrypttab_entry *e, const char *escaped,
		    const char *unit)
{
	char source[UNIT_SIZE + 3], device[UNIT_SIZE], anchor[UNIT_SIZE];
	int ret = 0;

	snprintf(source, sizeof(source), "../%s", unit);
	snprintf(device, sizeof(device), "dev-mapper-%s.device", escaped);
	if (!e->noauto)
		ret = pull(e->netdev ? "remote-cryptsetup.target" :
			   "cryptsetup.target", e->nofail ? "wants" : "requires",
			   unit, source);
	/* Whatever wants the device wants this unit. */
	if (!ret)
		ret = pull(device, "requires", unit, source);
	/* Nobody knows how long a person takes to type a passphrase. */
	if (!ret && !e->noauto && !e->nofail)
		ret = drop_in(device, "JobTimeoutSec", INOCRYPTTAB_NO_TIMEOUT);
	if (!ret && e->anchor_watch) {
		snprintf(anchor, sizeof(anchor), "inocrypt-anchor@%s.service",
			 escaped);
		ret = pull(unit, "wants", anchor, UNITDIR
			   "/inocrypt-anchor@.service");
	}
	return ret;
}

static int generate(const struct inocrypttab_entry *e)
{
	char escaped[ESCAPED_SIZE], unit[UNIT_SIZE], path[PATH_SIZE];
	FILE *f;
	int ret;

	if (!escape(e->name, escaped))
		return fail(EX_USAGE, "%s: too long for a unit's name",
			    e->name);
	snprintf(unit, sizeof(unit), "inocrypt@%s.service", escaped);
	snprintf(path, sizeof(path), "%s/%s", out_dir, unit);
	f = fopen(path, "wxe");
	if (!f)
		return fail(EX_FAIL, "%s: %s", path, strerror(errno));
	ret = write_service(f, e, escaped);
	if (fclose(f) && !ret)
		ret = fail(EX_FAIL, "%s: %s", path, strerror(errno));
	if (ret) {
		/* Remove what was written: half a unit is worse than none. */
		unlink(path);
		return ret;
	}
	return pull_all(e, escaped, unit);
}

/* inocrypt=no (or 0, off) on the kernel's command line: nothing is opened. */
static bool is_off(void)
{
	static const char * const off[] = {
		"inocrypt=no", "inocrypt=0", "inocrypt=off",
	};
	char line[4096], *save, *word;
	FILE *f = fopen("/proc/cmdline", "re");
	bool ret = false;

	if (!f || !fgets(line, sizeof(line), f))
		line[0] = 0;
	if (f)
		fclose(f);
	for (word = strtok_r(line, "\n ", &save); word;
	     word = strtok_r(NULL, "\n ", &save))
		for (size_t i = 0; i < ARRAY_SIZE(off); i++)
			ret |= !strcmp(word, off[i]);
	return ret;
}

int main(int argc, char **argv)
{
	struct inocrypttab tab;
	int ret;

	if (argc != 2 && argc != 4)
		return fail(EX_USAGE, "run by systemd, with three directories");
	out_dir = argv[1];
	if (strlen(out_dir) > 512)
		return fail(EX_USAGE, "%.40s...: too long", out_dir);
	umask(022);
	if (is_off())
		return 0;
	ret = inocrypttab_read(&tab, inocrypttab_path(), report);
	/* One volume's trouble isn't another's. */
	for (size_t i = 0; i < tab.count; i++)
		if (generate(&tab.entry[i]) && !ret)
			ret = EX_FAIL;
	if (!ret && tab.bad)
		ret = EX_USAGE;
	inocrypttab_free(&tab);
	return ret;
}
