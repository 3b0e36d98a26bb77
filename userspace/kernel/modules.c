// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are our kernel modules there, and if not, what is in the way?  The kernel says
 * "Invalid argument" to all of it: a module that isn't built for this kernel, one
 * that isn't signed, an ext4 that is the kernel's own.  So we look for ourselves,
 * in what anybody may read.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/kernel.h"

#define TARGET_MODULE	"dm-inocrypt"
#define OWNER_MODULE	"bio-owner"
#define OWNER_HOLDER	"/sys/module/bio_owner/holders/ext4"
#define PATH_SIZE	512

/* Before all paths here; a test has a tree of its own. */
const char *modules_root = "";

static FILE *open_below(const char *path)
{
	char full[PATH_SIZE];

	snprintf(full, sizeof(full), "%s%s", modules_root, path);
	return fopen(full, "re");
}

static bool is_there(const char *path)
{
	FILE *f = open_below(path);

	if (f)
		fclose(f);
	return f;
}

/* Does a line of that file contain the text? */
static bool has_text(const char *path, const char *text)
{
	FILE *f = open_below(path);
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0)
		found = strstr(line, text);
	free(line);
	if (f)
		fclose(f);
	return found;
}

/*
 * "updates/ext4.ko: updates/bio-owner.ko kernel/fs/jbd2/jbd2.ko": is there that
 * module, and does it need the other one, if any?
 */
static bool has_module(const char *release, const char *name, const char *needs)
{
	char path[PATH_SIZE], module[64], other[64];
	char *line = NULL, *colon;
	size_t size = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	snprintf(module, sizeof(module), "/%s.ko", name);
	snprintf(other, sizeof(other), "/%s.ko", needs ? needs : "");
	f = open_below(path);
	while (f && !found && getline(&line, &size, f) > 0) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		found = strstr(line, module) &&
			(!needs || strstr(colon + 1, other));
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* Other kernels that have the module, ", A, B". */
static void add_kernels(const char *name, const char *needs,
			char why[MODULE_WHY_SIZE])
{
	char pattern[PATH_SIZE];
	const char *before = "; those that have it: ";
	size_t n = strlen(why);
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/lib/modules/*/modules.dep",
		 modules_root);
	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char *release, *end = strrchr(g.gl_pathv[i], '/');

		*end = 0;
		release = strrchr(g.gl_pathv[i], '/') + 1;
		if (!has_module(release, name, needs))
			continue;
		n += snprintf(why + n, MODULE_WHY_SIZE - n, "%s%s", before,
			      release);
		before = ", ";
		if (n >= MODULE_WHY_SIZE)
			break;
	}
	globfree(&g);
}

/* It isn't there for the kernel that runs. */
static bool is_missing(const char *name, const char *needs,
		       const struct utsname *u, char why[MODULE_WHY_SIZE])
{
	if (has_module(u->release, name, needs))
		return false;
	snprintf(why, MODULE_WHY_SIZE,
		 "there is no module of inocrypt's, %s, for the kernel that runs, %s: build it and install it, make KVER=%s && make KVER=%s install",
		 name, u->release, shown_word(u->release),
		 shown_word(u->release));
	add_kernels(name, needs, why);
	return true;
}

static bool wants_signatures(void)
{
	return has_text("/sys/module/module/parameters/sig_enforce", "Y") ||
	       has_text("/sys/kernel/security/lockdown", "[integrity]") ||
	       has_text("/sys/kernel/security/lockdown", "[confidentiality]");
}

/* A module that modprobe signed says so: its last line. */
static bool is_signed(const char *release, const char *name)
{
	static const char mark[] = "~Module signature appended~\n";
	char path[PATH_SIZE], end[sizeof(mark)] = { 0 };
	FILE *f;
	bool ret;

	snprintf(path, sizeof(path), "/lib/modules/%s/updates/%s.ko", release,
		 name);
	f = open_below(path);
	if (!f)
		return false;
	ret = !fseek(f, -(long)(sizeof(mark) - 1), SEEK_END) &&
	      fread(end, 1, sizeof(mark) - 1, f) == sizeof(mark) - 1 &&
	      !strcmp(end, mark);
	fclose(f);
	return ret;
}

static bool is_unsigned(const char *name, const struct utsname *u,
			char why[MODULE_WHY_SIZE])
{
	if (!wants_signatures())
		return false;
	snprintf(why, MODULE_WHY_SIZE,
		 "this kernel takes only modules that are signed (sig_enforce, or Secure Boot's lockdown), and inocrypt's %s %s; sign them all with a key that the machine trusts (mokutil, and sign-file of the kernel's headers)",
		 name, is_signed(u->release, name) ?
		 "may be signed by a key that it doesn't know" : "isn't");
	return true;
}

/**
 * modules_target_trouble() - why is there no device-mapper target of ours?
 * @said: what modprobe said to loading it, or ""
 * @why: receives the reason, and what to do
 */
void modules_target_trouble(const char *said, char why[MODULE_WHY_SIZE])
{
	struct utsname u;

	uname(&u);
	if (!is_missing(TARGET_MODULE, NULL, &u, why) &&
	    !is_unsigned(TARGET_MODULE, &u, why))
		snprintf(why, MODULE_WHY_SIZE,
			 "inocrypt's module %s can't be loaded%s%s; if it was built for another kernel than %s: make clean, make install",
			 TARGET_MODULE, *said ? ": " : "", said, u.release);
}

/**
 * modules_ext4_trouble() - can files here have keys of their own?
 * @why: receives why they can't, and what to do
 *
 * Return: true if something is in the way.
 */
bool modules_ext4_trouble(char why[MODULE_WHY_SIZE])
{
	char holder[PATH_SIZE];
	struct utsname u;

	snprintf(holder, sizeof(holder), "%s" OWNER_HOLDER, modules_root);
	if (!access(holder, F_OK))
		return false;
	uname(&u);
	if (is_there("/sys/module/ext4/initstate")) {
		bool installed = has_module(u.release, "ext4", OWNER_MODULE);

		snprintf(why, MODULE_WHY_SIZE,
			 "the ext4 that is loaded is the kernel's own, not inocrypt's: %s",
			 installed ?
			 "unmount all ext4 file systems and modprobe -r ext4, or reboot" :
			 "none of inocrypt's is there for this kernel: make install");
		return true;
	}
	if (has_text("/proc/filesystems", "\text4\n")) {
		snprintf(why, MODULE_WHY_SIZE,
			 "ext4 is built into this kernel, %s, so inocrypt's can't be loaded: boot a kernel that has it as a module",
			 u.release);
		return true;
	}
	return is_missing("ext4", OWNER_MODULE, &u, why) ||
	       is_unsigned("ext4", &u, why);
}

/**
 * modules_not_on_volume() - a path has no keys, nor can have any
 * @code: exit code
 * @path: the path
 *
 * Return: @code after a message that says why.
 */
int modules_not_on_volume(int code, const char *path)
{
	char why[MODULE_WHY_SIZE];

	if (modules_ext4_trouble(why))
		return fail(code,
			    "%s isn't on an inocrypt volume with keys of files: %s",
			    path, why);
	return fail(code,
		    "%s isn't on an ext4 mounted on an inocrypt volume, or the root of that file system isn't mounted where you can read it",
		    path);
}

/* Is any volume open, whether anything is mounted from it or not? */
static bool volume_is_open(void)
{
	char pattern[PATH_SIZE];
	bool found = false;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/sys/block/dm-*/dm/uuid",
		 modules_root);
	if (glob(pattern, 0, NULL, &g))
		return false;
	for (size_t i = 0; i < g.gl_pathc; i++)
		found |= has_text(g.gl_pathv[i] + strlen(modules_root),
				  DM_UUID_PREFIX);
	globfree(&g);
	return found;
}

/**
 * modules_nothing_mounted() - no volume is mounted where keys can be
 * @code: exit code
 *
 * Return: @code after a message, with the reason if a volume is open.
 */
int modules_nothing_mounted(int code)
{
	char why[MODULE_WHY_SIZE];

	if (volume_is_open() && modules_ext4_trouble(why))
		return fail(code,
			    "no inocrypt volume is mounted with keys of files: %s",
			    why);
	return fail(code, "no inocrypt volume is mounted");
}
