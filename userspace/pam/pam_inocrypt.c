// SPDX-License-Identifier: GPL-2.0-only
/*
 * pam_inocrypt: a user's key is unlocked with the password of the login, and
 * locked when the last session ends; pam_inocrypt(8) describes it.
 *
 * It never says that somebody is who he says, and never keeps anybody out:
 * whatever goes wrong is logged, and ignored.
 */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#define PAM_SM_AUTH
#define PAM_SM_SESSION
#define PAM_SM_PASSWORD
/* These, and nothing else, are for others to call. */
#pragma GCC visibility push(default)
#include <security/pam_modules.h>
#pragma GCC visibility pop
#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "pam_inocrypt.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR	"/usr/local/libexec/inocrypt"
#endif

#define DATA_PASSWORD	"inocrypt_password"
#define DATA_SESSION	"inocrypt_session"
#define PASSWORD_MAX	PAM_MAX_RESP_SIZE
#define PASSWORDS_MAX	(2 * (PASSWORD_MAX + 1))	/* an old and a new one */
#define MOUNTS_MAX	8
#define DEFAULT_TIMEOUT	30

/* As the tool's exit codes, which the helper uses. */
enum { HELPER_DONE = 0, HELPER_AUTH = 3, HELPER_BUSY = 4, HELPER_NOTHING = 6 };

/**
 * struct options - of the line in /etc/pam.d
 * @key: name of the key
 * @helper: path of the helper
 * @mount: where volumes are mounted; none: all that are
 * @mounts: their number
 * @timeout: seconds for everything that is done at once
 * @debug: log more
 */
struct options {
	const char	*key, *helper, *mount[MOUNTS_MAX];
	unsigned int	mounts, timeout;
	bool		debug;
};

/* A password or two, in memory that isn't swapped out. */
struct password {
	size_t	len;
	char	text[PASSWORDS_MAX];
};

static bool set_option(struct options *o, const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t n = value ? (size_t)(value++ - arg) : strlen(arg);

	if (!strcmp(arg, "debug"))
		o->debug = true;
	else if (!value)
		return false;
	else if (n == 3 && !strncmp(arg, "key", n) && *value)
		o->key = value;
	else if (n == 6 && !strncmp(arg, "helper", n) && *value == '/')
		o->helper = value;
	else if (n == 5 && !strncmp(arg, "mount", n) && *value == '/' &&
		 o->mounts < MOUNTS_MAX)
		o->mount[o->mounts++] = value;
	else if (n == 7 && !strncmp(arg, "timeout", n) && atoi(value) > 0 &&
		 atoi(value) <= 3600)
		o->timeout = atoi(value);
	else
		return false;
	return true;
}

static void parse_options(pam_handle_t *pamh, int argc, const char **argv,
			  struct options *o)
{
	*o = (struct options){
		.key = "login",
		.helper = LIBEXECDIR "/pam-helper",
		.timeout = DEFAULT_TIMEOUT,
	};
	for (int i = 0; i < argc; i++)
		if (!set_option(o, argv[i]))
			pam_syslog(pamh, LOG_ERR, "option %s can't be used",
				   argv[i]);
}

static void password_free(struct password *p)
{
	explicit_bzero(p, sizeof(*p));
	munmap(p, sizeof(*p));
}

static void password_cleanup(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	password_free(data);
}

static struct password *password_new(void)
{
	struct password *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Not into swap, core dumps, or the memory of children. */
	mlock(p, sizeof(*p));
	madvise(p, sizeof(*p), MADV_DONTDUMP);
	return p;
}

/* The name is what PAM's applications may have changed: look it up each time. */
static const struct passwd *get_user(pam_handle_t *pamh)
{
	const struct passwd *pw;
	const char *user = NULL;

	if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || !user || !*user)
		return NULL;
	pw = pam_modutil_getpwnam(pamh, user);
	if (!pw)
		pam_syslog(pamh, LOG_NOTICE, "there is no user %s", user);
	return pw;
}

/* Log what the helper has to say, line by line. */
static void log_lines(pam_handle_t *pamh, int priority, char *text)
{
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		pam_syslog(pamh, priority, "%s", line);
}

/*
 * The helper does @verb for @user; @arg is a key's name, or ids.  Return: one of
 * its exit codes, or a negative errno; what it says is logged.
 */
static int help(pam_handle_t *pamh, const struct options *o, const char *verb,
		const char *user, const char *arg, struct run *r)
{
	const char *argv[5 + MOUNTS_MAX];
	int n = 0, ret;

	argv[n++] = "pam-helper";
	argv[n++] = verb;
	argv[n++] = user;
	argv[n++] = arg;
	for (unsigned int i = 0; i < o->mounts; i++)
		argv[n++] = o->mount[i];
	argv[n] = NULL;
	r->path = o->helper;
	r->argv = (char *const *)argv;
	r->timeout_ms = o->timeout * 1000;
	ret = run_helper(r);
	if (ret < 0)
		pam_syslog(pamh, LOG_ERR, "%s %s for %s: %s", o->helper, verb,
			   user, strerror(-ret));
	else if (ret == 127)
		pam_syslog(pamh, LOG_ERR, "%s can't be run", o->helper);
	log_lines(pamh, ret && ret != HELPER_NOTHING ? LOG_WARNING : LOG_INFO,
		  r->err);
	if (o->debug)
		pam_syslog(pamh, LOG_DEBUG, "%s for %s: %d", verb, user, ret);
	return ret;
}

/* The user's last session is over: lock what was unlocked for them. */
static void lock_keys(pam_handle_t *pamh, const struct options *o,
		      struct sessions *s, const char *user)
{
	char ids[SESSION_KEYS_MAX * SESSION_KEY_SIZE], *at = ids;
	struct run r = { 0 };
	int ret;

	for (unsigned int i = 0; i < s->keys; i++)
		at += sprintf(at, "%s%s", i ? "," : "", s->key[i]);
	ret = help(pamh, o, "lock", user, ids, &r);
	if (ret == HELPER_DONE || ret == HELPER_BUSY || ret == HELPER_NOTHING)
		s->keys = 0;
}

/* Others' sessions that ended without being closed: somebody has to notice. */
static void look_after_others(pam_handle_t *pamh, const struct options *o,
			      struct sessions *s, uid_t self)
{
	DIR *dir = opendir(SESSION_DIR);
	const struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		const struct passwd *pw;
		char *end;
		unsigned long uid = strtoul(d->d_name, &end, 10);

		if (*end || end == d->d_name || uid == self ||
		    sessions_open(s, SESSION_DIR, uid, 0))
			continue;
		if (!s->nr && s->keys) {
			pw = pam_modutil_getpwuid(pamh, uid);
			if (pw)
				lock_keys(pamh, o, s, pw->pw_name);
			sessions_save(s);
		}
		sessions_close(s);
	}
	closedir(dir);
}

static struct sessions *open_sessions(pam_handle_t *pamh,
				      const struct options *o, uid_t uid)
{
	struct sessions *s = malloc(sizeof(*s));
	int err;

	if (!s)
		return NULL;
	err = sessions_make_dir(SESSION_DIR);
	if (!err)
		err = sessions_open(s, SESSION_DIR, uid, o->timeout * 1000);
	if (!err)
		return s;
	pam_syslog(pamh, LOG_ERR, SESSION_DIR "/%u: %s", uid, strerror(-err));
	free(s);
	return NULL;
}

/* Unlock with the login's password; the ids of the keys are kept for later. */
static void unlock(pam_handle_t *pamh, const struct options *o,
		   struct sessions *s, const char *user,
		   const struct password *p)
{
	struct run r = { .input = p->text, .input_len = p->len };
	char *save, *line;
	int ret;

	ret = help(pamh, o, "unlock", user, o->key, &r);
	if (ret == HELPER_AUTH)
		pam_syslog(pamh, LOG_NOTICE,
			   "the password of %s doesn't open the key %s", user,
			   o->key);
	/* Also if another one failed, or time ran out. */
	for (line = strtok_r(r.out, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		sessions_add_key(s, line);
}

/**
 * pam_sm_authenticate() - remember the password that the modules before us asked
 * @pamh: PAM's handle
 * @flags: unused
 * @argc: number of options
 * @argv: options
 *
 * Return: PAM_IGNORE
 */
int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc,
			const char **argv)
{
	const char *text = NULL;
	struct password *p;

	(void)flags;
	(void)argc;
	(void)argv;
	if (pam_get_item(pamh, PAM_AUTHTOK, (const void **)&text) !=
	    PAM_SUCCESS || !text || !*text || strlen(text) > PASSWORD_MAX)
		return PAM_IGNORE;
	p = password_new();
	if (!p)
		return PAM_IGNORE;
	p->len = strlen(text);
	memcpy(p->text, text, p->len);
	if (pam_set_data(pamh, DATA_PASSWORD, p, password_cleanup) !=
	    PAM_SUCCESS)
		password_free(p);
	return PAM_IGNORE;
}

/**
 * pam_sm_setcred() - nothing
 * @pamh: PAM's handle
 * @flags: unused
 * @argc: number of options
 * @argv: options
 *
 * Return: PAM_IGNORE
 */
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_IGNORE;
}

static void token_cleanup(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

/**
 * pam_sm_open_session() - count the session, unlock the user's key
 * @pamh: PAM's handle
 * @flags: unused
 * @argc: number of options
 * @argv: options
 *
 * Return: PAM_SUCCESS if the session was counted, else PAM_IGNORE
 */
int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc,
			const char **argv)
{
	const struct password *p = NULL;
	const struct passwd *pw;
	struct sessions *s;
	struct options o;
	char *token;
	int ret = PAM_IGNORE;

	(void)flags;
	parse_options(pamh, argc, argv, &o);
	pw = geteuid() ? NULL : get_user(pamh);
	token = malloc(SESSION_TOKEN_SIZE);
	s = pw && token ? open_sessions(pamh, &o, pw->pw_uid) : NULL;
	if (s) {
		if (!sessions_add(s, token) && !sessions_save(s) &&
		    pam_set_data(pamh, DATA_SESSION, token, token_cleanup) ==
		    PAM_SUCCESS) {
			token = NULL;
			ret = PAM_SUCCESS;
		}
		if (ret == PAM_SUCCESS &&
		    pam_get_data(pamh, DATA_PASSWORD, (const void **)&p) ==
		    PAM_SUCCESS && p) {
			unlock(pamh, &o, s, pw->pw_name, p);
			if (sessions_save(s))
				pam_syslog(pamh, LOG_ERR, SESSION_DIR
					   ": can't be written; keys stay unlocked");
		}
		sessions_close(s);
		look_after_others(pamh, &o, s, pw->pw_uid);
		free(s);
	}
	free(token);
	/* Not needed any more, whatever came of it. */
	pam_set_data(pamh, DATA_PASSWORD, NULL, NULL);
	return ret;
}

/**
 * pam_sm_close_session() - lock the user's key if this was the last session
 * @pamh: PAM's handle
 * @flags: unused
 * @argc: number of options
 * @argv: options
 *
 * Return: PAM_SUCCESS, or PAM_IGNORE if the session couldn't be looked at
 */
int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc,
			 const char **argv)
{
	const struct passwd *pw;
	const char *token = NULL;
	struct sessions *s;
	struct options o;

	(void)flags;
	parse_options(pamh, argc, argv, &o);
	pw = geteuid() ? NULL : get_user(pamh);
	s = pw ? open_sessions(pamh, &o, pw->pw_uid) : NULL;
	if (!s)
		return PAM_IGNORE;
	if (pam_get_data(pamh, DATA_SESSION, (const void **)&token) !=
	    PAM_SUCCESS)
		token = NULL;
	sessions_remove(s, token);
	if (!s->nr && s->keys)
		lock_keys(pamh, &o, s, pw->pw_name);
	if (sessions_save(s))
		pam_syslog(pamh, LOG_ERR, SESSION_DIR ": can't be written");
	sessions_close(s);
	look_after_others(pamh, &o, s, pw->pw_uid);
	free(s);
	return PAM_SUCCESS;
}

/**
 * pam_sm_chauthtok() - the key's passphrase goes with the password
 * @pamh: PAM's handle
 * @flags: PAM_PRELIM_CHECK, or PAM_UPDATE_AUTHTOK: it has been changed
 * @argc: number of options
 * @argv: options
 *
 * Return: PAM_IGNORE
 */
int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc,
		     const char **argv)
{
	const char *old = NULL, *new = NULL;
	const struct passwd *pw;
	struct run r = { 0 };
	struct password *p;
	struct options o;
	size_t n;

	if (!(flags & PAM_UPDATE_AUTHTOK) || geteuid())
		return PAM_IGNORE;
	parse_options(pamh, argc, argv, &o);
	pw = get_user(pamh);
	if (!pw || pam_get_item(pamh, PAM_AUTHTOK, (const void **)&new) !=
	    PAM_SUCCESS || !new || !*new || strlen(new) > PASSWORD_MAX)
		return PAM_IGNORE;
	if (pam_get_item(pamh, PAM_OLDAUTHTOK, (const void **)&old) !=
	    PAM_SUCCESS || !old || !*old || strlen(old) > PASSWORD_MAX) {
		pam_syslog(pamh, LOG_NOTICE,
			   "without the old password the passphrase of the key %s of %s stays as it is; see inocrypt key passwd",
			   o.key, pw->pw_name);
		return PAM_IGNORE;
	}
	/* Old, NUL, new: neither has a NUL in it. */
	n = strlen(old) + 1;
	p = password_new();
	if (p) {
		memcpy(p->text, old, n);
		memcpy(p->text + n, new, strlen(new));
		r.input = p->text;
		r.input_len = n + strlen(new);
		if (help(pamh, &o, "passwd", pw->pw_name, o.key, &r) ==
		    HELPER_AUTH)
			pam_info(pamh,
				 "Your inocrypt key %s keeps its passphrase, which isn't your old password.",
				 o.key);
	}
	if (p)
		password_free(p);
	return PAM_IGNORE;
}
