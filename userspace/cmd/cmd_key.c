// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt key: its verbs, and what those for mounted volumes share.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "new", cmd_key_new, "make a key of your own" },
	{ "list", cmd_key_list, "list keys, and who has them unlocked" },
	{ "unlock", cmd_key_unlock, "make the files under a key usable" },
	{ "lock", cmd_key_lock, "make them unusable again" },
	{ "passwd", cmd_key_passwd, "change a key's passphrase" },
	{ "remove", cmd_key_remove, "destroy a key that nothing is under" },
	{ "export", cmd_key_export, "copy a key, wrapped, to a file" },
	{ "import", cmd_key_import, "take a key from such a file" },
	{ "rotate", cmd_key_rotate, "put what is under one key under another" },
	{ "default", cmd_key_default, "the key of your files in --user-key directories" },
	{ "setup", cmd_key_setup, "make the place where keys are kept (root)" },
	{ NULL, NULL, "Of an open volume, mounted or not (root):" },
	{ "add", cmd_key_add, "hand it a master key" },
	{ "drop", cmd_key_drop, "take it away" },
	{ "slots", cmd_key_slots, "list the keys that it knows" },
	{ "id", cmd_key_id, "show what a master key's id is there" },
};

static int usage(FILE *out)
{
	fputs("Usage: inocrypt key VERB ...\nOf a mounted volume:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verbs[i].name)
			fprintf(out, "  %-10s%s\n", verbs[i].name,
				verbs[i].help);
		else
			fprintf(out, "%s\n", verbs[i].help);
	}
	fputs("\"inocrypt key VERB --help\" tells more.\n", out);
	return out == stdout ? EX_DONE : EX_USAGE;
}

/**
 * cmd_key() - inocrypt key
 * @argc: as main()
 * @argv: as main()
 *
 * Return: exit code.
 */
int cmd_key(int argc, char **argv)
{
	char name[32];

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return usage(stdout);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!verbs[i].name || strcmp(argv[1], verbs[i].name))
			continue;
		snprintf(name, sizeof(name), "key %s", argv[1]);
		argv[1] = name;
		return verbs[i].run(argc - 1, argv + 1);
	}
	return fail(EX_USAGE, "no verb %s; see inocrypt key --help", argv[1]);
}

static const struct argp_option mount_options[] = {
	{ "mount", 'm', "PATH", 0,
	  "A path on the volume (default: where you are, or the only volume mounted)",
	  -2 },
	{ "user", 'u', "USER", 0, "Do it as this user (root)", -2 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct key_args *a = state->input;

	switch (key) {
	case 'm':
		a->mount = arg;
		break;
	case 'u':
		a->user = arg;
		break;
	case 'A':
		a->all = true;
		break;
	case OPT_ALL_USERS:
		a->all_users = true;
		break;
	case OPT_FILE_ONLY:
		a->file_only = true;
		break;
	case OPT_NEW_PASSPHRASE:
		a->new_passphrase = true;
		break;
	case OPT_NEW_KEY_FILE:
		a->new_key_file = arg;
		break;
	case ARGP_KEY_ARG:
		if (a->count == a->max)
			argp_usage(state);
		a->arg[a->count++] = arg;
		break;
	case ARGP_KEY_END:
		if (a->count < a->min)
			argp_usage(state);
		break;
	case ARGP_KEY_INIT:
		for (int i = 0; a->children[i].argp; i++)
			state->child_inputs[i] =
				a->children[i].argp == &passphrase_argp ?
					(void *)&a->pass :
				a->children[i].argp == &luks_pbkdf_argp ?
					(void *)&a->pbkdf :
				a->children[i].argp == &json_argp ?
					(void *)&a->json :
				a->children[i].argp == &yes_argp ?
					(void *)&a->yes : a;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse_mount(int key, char *arg, struct argp_state *state)
{
	return key == 'm' || key == 'u' ? parse(key, arg, state) :
					  ARGP_ERR_UNKNOWN;
}

static const struct argp mount_argp = {
	.options = mount_options, .parser = parse_mount,
};

/* Become the user for good: nothing that follows needs more rights. */
static int act_as(const char *user)
{
	struct passwd *pw;

	if (geteuid())
		return fail(EX_USAGE, "--user is for root");
	pw = getpwnam(user);
	if (!pw)
		return fail(EX_USAGE, "there is no user %s", user);
	if (initgroups(pw->pw_name, pw->pw_gid) ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return fail(EX_FAIL, "can't become %s: %s", user,
			    strerror(errno));
	return 0;
}

/**
 * key_parse() - parse the arguments of a verb, and become who it is for
 * @a: receives them; @min and @max are set
 * @argc: as main()
 * @argv: as main()
 * @options: the verb's own
 * @more: KEY_OPT_*
 * @args: what else it takes, for its usage
 * @doc: what it does
 *
 * Return: 0 or an exit code; wrong arguments end the program.
 */
int key_parse(struct key_args *a, int argc, char **argv,
	      const struct argp_option *options, unsigned int more,
	      const char *args, const char *doc)
{
	const struct argp argp = {
		.options = options, .parser = parse, .args_doc = args,
		.doc = doc, .children = a->children,
	};
	int n = 0;

	a->children[n++].argp = &mount_argp;
	if (more & KEY_OPT_PASS)
		a->children[n++].argp = &passphrase_argp;
	if (more & KEY_OPT_PBKDF)
		a->children[n++].argp = &luks_pbkdf_argp;
	if (more & KEY_OPT_JSON)
		a->children[n++].argp = &json_argp;
	if (more & KEY_OPT_YES)
		a->children[n++].argp = &yes_argp;
	parse_command(&argp, argc, argv, a);
	return a->user ? act_as(a->user) : 0;
}

/**
 * key_passphrase() - get a key's passphrase
 * @p: receives it; passphrase_wipe() afterwards
 * @src: where from
 * @what: which, for the prompt
 * @name: the key's name
 * @new: it is a new one
 *
 * Return: 0 or an exit code.
 */
int key_passphrase(struct passphrase *p, const struct passphrase_source *src,
		   const char *what, const char *name, bool new)
{
	char prompt[128];

	snprintf(prompt, sizeof(prompt), "%s for key %s: ", what, name);
	return passphrase_get(p, src->key_file, prompt, new, src->offset,
			      src->size);
}

/**
 * key_new_passphrase() - get what replaces a key's passphrase
 * @p: receives it; passphrase_wipe() afterwards
 * @a: arguments
 * @name: the key's name
 *
 * Return: 0 or an exit code.
 */
int key_new_passphrase(struct passphrase *p, const struct key_args *a,
		       const char *name)
{
	const struct passphrase_source src = { .key_file = a->new_key_file };

	return key_passphrase(p, &src, "New passphrase", name, true);
}

/**
 * key_pbkdf() - what is to make guessing a changed passphrase slow
 * @a: arguments
 *
 * Return: what the options say; NULL: nothing, it stays as it is.
 */
const struct luks_pbkdf *key_pbkdf(const struct key_args *a)
{
	const struct luks_pbkdf *p = &a->pbkdf;

	return p->type || p->iterations || p->memory_kib || p->threads ||
	       p->time_ms ? p : NULL;
}

/**
 * key_confirm() - ask before something is lost
 * @a: arguments
 * @question: what is going to happen
 *
 * Return: true if that is wanted.
 */
bool key_confirm(const struct key_args *a, const char *question)
{
	char line[16];

	if (a->yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		fail(EX_USAGE, "%s; say --yes to do it", question);
		return false;
	}
	say_part("%s.  Type YES to go on: ", question);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) && !strcmp(line, "YES\n"))
		return true;
	fail(EX_FAIL, "nothing was changed");
	return false;
}

/**
 * key_name_taken() - has the caller a key of that name?
 * @s: open
 * @name: name
 *
 * Return: true after a message.
 */
bool key_name_taken(const struct key_store *s, const char *name)
{
	for (size_t i = 0; i < s->keys.nr_files; i++) {
		const struct key_file *f = &s->keys.files[i];

		if (f->uid == geteuid() && !strcmp(f->label, name)) {
			fail(EX_FAIL, "you have a key %s at %s already", name,
			     s->mount.path);
			return true;
		}
	}
	return false;
}

/**
 * key_ref_name() - what to call a key in messages
 * @ref: the key
 * @buf: may be used for it
 * @size: bytes in @buf
 */
const char *key_ref_name(const struct key_ref *ref, char *buf, size_t size)
{
	char text[KEY_ID_STR_SIZE];

	if (ref->file && ref->file->label[0])
		return ref->file->label;
	hex(ref->id, sizeof(ref->id), text);
	snprintf(buf, size, "%s", text);
	return buf;
}
