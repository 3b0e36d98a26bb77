// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt attach, detach: open and close volumes as /etc/inocrypttab says.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <blkid/blkid.h>

#include "boot/boot.h"
#include "cmd/cmd.h"

#define ASK_PASSWORD	"systemd-ask-password"
#define ASK_TRIES	3

struct attach_args {
	struct words words;
	const char *name;
	bool all, ask;
};

enum { OPT_ASK = 0x100 };

static const struct argp_option attach_options[] = {
	{ "all", 'a', NULL, 0,
	  "All volumes of the file but those with the option noauto", 0 },
	{ "ask-password", OPT_ASK, NULL, 0,
	  "Ask for passphrases with " ASK_PASSWORD
	  ", as a service has no terminal", 0 },
	{ 0 }
};

static const struct argp_option detach_options[] = {
	{ "all", 'a', NULL, 0, "All volumes of the file that are open", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct attach_args *a = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->words;
		break;
	case 'a':
		a->all = true;
		break;
	case OPT_ASK:
		a->ask = true;
		break;
	case ARGP_KEY_END:
		if (!a->name == !a->all)
			args_error(state, "which volume? Either NAME or --all");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = {
	{ &words_argp, 0, NULL, 0 }, { 0 }
};

static void report(unsigned int line, const char *why)
{
	warn("%s, line %u is left out: %s", inocrypttab_path(), line, why);
}

static bool is_open(const char *name)
{
	struct dm_event ev;

	return !dm_volume_event(name, NULL, &ev);
}

/* The node of a device that the file names; links by tag are udev's, if it runs. */
static int find_device(const char *device, char out[PATH_MAX])
{
	char *found;

	if (!inocrypttab_node(device, out, PATH_MAX))
		return fail(EX_USAGE, "%s: no name of a device", device);
	if (!access(out, F_OK))
		return 0;
	found = *device == '/' ? NULL :
		blkid_evaluate_tag(device, NULL, NULL);
	if (!found || strlen(found) >= PATH_MAX) {
		free(found);
		return fail(EX_NOVOLUME, "no device %s", device);
	}
	strcpy(out, found);
	free(found);
	return 0;
}

#define MAX_ARGS	32

struct arguments {
	char *argv[MAX_ARGS];
	int argc;
};

static void add(struct arguments *a, const char *word)
{
	if (a->argc < MAX_ARGS - 1)
		a->argv[a->argc++] = (char *)word;
}

static void add_option(struct arguments *a, const char *name, const char *value)
{
	if (!value)
		return;
	add(a, name);
	add(a, value);
}

/* Run inocrypt open; @key_file is what it gets as such. */
static int run_open(const struct inocrypttab_entry *e, const char *dev,
		    const char *sidecar, const char *key_file)
{
	char cache[24], size[24], offset[24], tries[24];
	struct arguments a = { 0 };

	add(&a, "open");
	add_option(&a, "--sidecar", sidecar);
	add_option(&a, e->volume_key ? "--volume-key-file" : "--key-file",
		   key_file);
	if (e->key_size && key_file == e->key_file) {
		snprintf(size, sizeof(size), "%llu",
			 (unsigned long long)e->key_size);
		add_option(&a, "--keyfile-size", size);
	}
	if (e->key_offset && key_file == e->key_file) {
		snprintf(offset, sizeof(offset), "%llu",
			 (unsigned long long)e->key_offset);
		add_option(&a, "--keyfile-offset", offset);
	}
	if (e->tries && !key_file) {
		snprintf(tries, sizeof(tries), "%u", e->tries);
		add_option(&a, "--tries", tries);
	}
	if (e->readonly)
		add(&a, "--readonly");
	if (e->discard)
		add(&a, "--allow-discards");
	if (e->cache_bytes) {
		snprintf(cache, sizeof(cache), "%llu",
			 (unsigned long long)e->cache_bytes);
		add_option(&a, "--cache-size", cache);
	}
	add_option(&a, "--anchor", e->anchor);
	add(&a, "--");
	add(&a, dev);
	add(&a, e->name);
	return cmd_open(a.argc, a.argv);
}

/*
 * Ask for a passphrase; it becomes our standard input, and passes through no
 * other memory of ours.
 */
static int ask(const struct inocrypttab_entry *e, bool again)
{
	char id[160], timeout[32], text[256];
	int fd[2], status;
	pid_t pid;

	snprintf(id, sizeof(id), "--id=inocrypt:%s", e->name);
	snprintf(timeout, sizeof(timeout), "--timeout=%u",
		 e->timeout == INOCRYPTTAB_NO_TIMEOUT ? 0 : e->timeout);
	snprintf(text, sizeof(text), "%sPlease enter the passphrase of %s:",
		 again ? "That didn't open it. " : "", e->name);
	if (pipe2(fd, O_CLOEXEC))
		return fail(EX_FAIL, "pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		if (dup2(fd[1], STDOUT_FILENO) < 0)
			_exit(1);
		/*
		 * At first, what was typed for another volume shortly before
		 * may do.
		 */
		execlp(ASK_PASSWORD, ASK_PASSWORD, "-n",
		       "--icon=drive-harddisk", "--keyname=cryptsetup", id,
		       timeout, text, again ? NULL : "--accept-cached", NULL);
		fail(0, ASK_PASSWORD ": %s", strerror(errno));
		_exit(1);
	}
	close(fd[1]);
	if (pid < 0 || dup2(fd[0], STDIN_FILENO) < 0) {
		close(fd[0]);
		return fail(EX_FAIL, "can't ask: %s", strerror(errno));
	}
	close(fd[0]);
	/*
	 * A passphrase fits into the pipe, so the child can end before it is
	 * read.
	 */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(EX_FAIL, "wait: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return fail(EX_AUTH, "%s: nobody gave a passphrase", e->name);
	return 0;
}

/* Try the header's tokens: one of a TPM, say, needs no passphrase. */
static int open_by_token(const struct inocrypttab_entry *e, const char *dev,
			 const char *sidecar)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		return fail(EX_FAIL, "/dev/null: %s", strerror(errno));
	close(fd);
	return run_open(e, dev, sidecar, NULL);
}

static int ask_and_open(const struct inocrypttab_entry *e, const char *dev,
			const char *sidecar)
{
	u32 tries = e->tries ? e->tries : ASK_TRIES;
	struct luks_info info;
	int ret = luks_info(dev, LUKS_VOLUME, &info);

	/*
	 * Don't ask anybody for a passphrase if there is no header that it
	 * could open.
	 */
	if (ret)
		return ret;
	if (info.tokens && !open_by_token(e, dev, sidecar))
		return 0;
	ret = EX_AUTH;
	for (u32 i = 0; i < tries && ret == EX_AUTH; i++) {
		ret = ask(e, i);
		if (ret)
			return ret;
		ret = run_open(e, dev, sidecar, "-");
	}
	return ret;
}

static int check(const char *name)
{
	static char *const preen[] = { "-p", NULL };
	static char *close_args[] = { "close", NULL, NULL };
	int ret = fsck_run(name, preen);

	/* Exit code 1 says that e2fsck has repaired all that it found. */
	if (ret <= 1)
		return 0;
	fail(0, "%s isn't opened: e2fsck -p ended with %d; use inocrypt open, then inocrypt fsck",
	     name, ret);
	close_args[1] = (char *)name;
	cmd_close(2, close_args);
	return ret & FSCK_ERRORS_LEFT ? EX_DAMAGED : EX_FAIL;
}

static int attach(const struct inocrypttab_entry *e, bool use_ask)
{
	char dev[PATH_MAX], sidecar[PATH_MAX];
	struct stat st;
	int ret;

	ret = find_device(e->device, dev);
	if (!ret && e->sidecar)
		ret = find_device(e->sidecar, sidecar);
	if (ret)
		return ret;
	if (e->key_file && !stat(e->key_file, &st) && S_ISREG(st.st_mode) &&
	    (st.st_mode & 0077))
		warn("%s can be read or written by others than its owner",
		     e->key_file);
	if (use_ask && !e->key_file)
		ret = ask_and_open(e, dev, e->sidecar ? sidecar : NULL);
	else
		ret = run_open(e, dev, e->sidecar ? sidecar : NULL,
			       e->key_file);
	if (!ret && e->fsck)
		ret = check(e->name);
	return ret;
}

/* All volumes, in the file's order; the first error that matters is the result. */
static int attach_all(const struct inocrypttab *tab, bool use_ask)
{
	int first = tab->bad ? EX_USAGE : 0;

	for (size_t i = 0; i < tab->count; i++) {
		const struct inocrypttab_entry *e = &tab->entry[i];
		int ret;

		if (e->noauto || is_open(e->name))
			continue;
		ret = attach(e, use_ask);
		if (ret && e->nofail)
			warn("%s isn't opened; nofail, going on", e->name);
		else if (ret && !first)
			first = ret;
	}
	return first;
}

static int detach(const char *name)
{
	static char *args[3];

	args[0] = "close";
	args[1] = (char *)name;
	return cmd_close(2, args);
}

static int detach_all(const struct inocrypttab *tab)
{
	int first = 0;

	/* Close in the reverse order: later volumes may lie on earlier ones. */
	for (size_t i = tab->count; i--;) {
		int ret;

		if (!is_open(tab->entry[i].name))
			continue;
		ret = detach(tab->entry[i].name);
		if (ret && !first)
			first = ret;
	}
	return first;
}

static int find(const struct inocrypttab *tab, const char *name,
		const struct inocrypttab_entry **e)
{
	*e = inocrypttab_find(tab, name);
	return *e ? 0 : fail(EX_USAGE, "%s: no volume %s there",
			     inocrypttab_path(), name);
}

/**
 * cmd_attach() - inocrypt attach
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_attach(int argc, char **argv)
{
	static const struct argp argp = {
		attach_options, parse, "NAME\n--all",
		"Open a volume, or all, as " INOCRYPTTAB " says.", children,
		NULL, NULL
	};
	const struct inocrypttab_entry *e;
	struct attach_args a = { .words = { .to = { &a.name } } };
	struct inocrypttab tab;
	int ret;

	parse_command(&argp, argc, argv, &a);
	ret = inocrypttab_read(&tab, inocrypttab_path(), report);
	if (!ret && a.all) {
		ret = attach_all(&tab, a.ask);
	} else if (!ret) {
		ret = find(&tab, a.name, &e);
		if (!ret && is_open(e->name))
			warn("%s is open already", e->name);
		else if (!ret)
			ret = attach(e, a.ask);
	}
	inocrypttab_free(&tab);
	return ret;
}

/**
 * cmd_detach() - inocrypt detach
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_detach(int argc, char **argv)
{
	static const struct argp argp = {
		detach_options, parse, "NAME\n--all",
		"Close a volume, or all, of " INOCRYPTTAB ".", children, NULL,
		NULL
	};
	const struct inocrypttab_entry *e;
	struct attach_args a = { .words = { .to = { &a.name } } };
	struct inocrypttab tab;
	int ret;

	parse_command(&argp, argc, argv, &a);
	ret = inocrypttab_read(&tab, inocrypttab_path(), report);
	if (!ret && a.all) {
		ret = detach_all(&tab);
	} else if (!ret) {
		ret = find(&tab, a.name, &e);
		if (!ret && is_open(e->name))
			ret = detach(e->name);
	}
	inocrypttab_free(&tab);
	return ret;
}
