// SPDX-License-Identifier: GPL-2.0-only
/*
 * pam_inocrypt: a user's key is unlocked with the password of the login, and
 * locked when the last session ends; pam_inocrypt(8) describes it.
 *
 * It never says that somebody is who he says, and never keeps anybody out:
 * whatever goes wrong is logged, and ignored.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#define PAM_SM_AUTH
#define PAM_SM_SESSION
#define PAM_SM_PASSWORD
/* These functions, and no others, can be called from outside of the module. */
#pragma GCC visibility push(default)
#include <security/pam_modules.h>
#pragma GCC visibility pop
#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "pam_inocrypt.h"
#include "base/shown.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR	"/usr/local/libexec/inocrypt"
#endif

#define DATA_PASSWORD	"inocrypt_password"
#define DATA_SESSION	"inocrypt_session"
#define PASSWORD_MAX	PAM_MAX_RESP_SIZE
#define PASSWORDS_MAX	(2 * (PASSWORD_MAX + 1))
#define MOUNTS_MAX	8
#define DEFAULT_TIMEOUT	30

/**
 * struct options - of the line in /etc/pam.d
 * @key: name of the key
 * @helper: path of the helper
 * @mount: where volumes are mounted; none: all that are
 * @mounts: their number
 * @timeout: seconds for everything that is done at once
 * @end: when they are over, see run_now_ms()
 * @debug: log more
 */
struct options {
	const char	*key, *helper, *mount[MOUNTS_MAX];
	unsigned int	mounts, timeout;
	long long	end;
	bool		debug;
};

/**
 * struct password - a password or two, in memory that isn't swapped out
 * @uid: whose; nobody else's helper gets them
 * @len: bytes in @text
 * @text: two have a NUL between them
 */
struct password {
	uid_t	uid;
	size_t	len;
	char	text[PASSWORDS_MAX];
};

/* Users and configurations have their words in it. */
static __attribute__((format(printf, 3, 4))) void
log_quoted(pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	va_list ap;
	char *shown;

	va_start(ap, fmt);
	shown = shown_format(fmt, ap);
	va_end(ap);
	pam_syslog(pamh, priority, "%s", shown ? shown : fmt);
	free(shown);
}

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
			log_quoted(pamh, LOG_ERR, "option %s can't be used",
				   argv[i]);
	o->end = run_now_ms() + o->timeout * 1000LL;
}

static unsigned int ms_left(const struct options *o)
{
	long long left = o->end - run_now_ms();

	return left > 0 ? left : 0;
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

/* @second may be NULL. */
static struct password *password_new(uid_t uid, const char *first,
				     const char *second)
{
	struct password *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/*
	 * The password goes neither into swap nor into core dumps nor to
	 * children.
	 */
	mlock(p, sizeof(*p));
	madvise(p, sizeof(*p), MADV_DONTDUMP);
	p->uid = uid;
	p->len = strlen(first);
	memcpy(p->text, first, p->len);
	if (second) {
		p->len++;
		memcpy(p->text + p->len, second, strlen(second));
		p->len += strlen(second);
	}
	return p;
}

static bool usable(const char *text)
{
	return text && *text && strlen(text) <= PASSWORD_MAX;
}

/* Keep the password for the session that is opened later on. */
static void remember(pam_handle_t *pamh, uid_t uid, const char *first,
		     const char *second)
{
	struct password *p = password_new(uid, first, second);

	if (p && pam_set_data(pamh, DATA_PASSWORD, p, password_cleanup) !=
	    PAM_SUCCESS)
		password_free(p);
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
		log_quoted(pamh, LOG_NOTICE, "there is no user %s", user);
	return pw;
}

/* Log what the helper has to say, line by line; it quotes for itself. */
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
	r->timeout_ms = ms_left(o);
	ret = r->timeout_ms ? run_helper(r) : -ETIMEDOUT;
	if (ret < 0)
		log_quoted(pamh, LOG_ERR, "%s %s for %s: %s", o->helper, verb,
			   user, strerror(-ret));
	else if (ret == 127)
		log_quoted(pamh, LOG_ERR, "%s can't be run", o->helper);
	log_lines(pamh, ret && ret != HELPER_NOTHING ? LOG_WARNING : LOG_INFO,
		  r->err);
	if (o->debug)
		log_quoted(pamh, LOG_DEBUG, "%s for %s: %d", verb, user, ret);
	return ret;
}

/* The user's last session is over: lock what was unlocked for them. */
static void lock_keys(pam_handle_t *pamh, const struct options *o,
		      struct sessions *s, const char *user)
{
	char ids[SESSION_IDS_SIZE];
	struct run r = { 0 };

	sessions_key_ids(s, ids);
	sessions_locked(s, help(pamh, o, "lock", user, ids, &r));
}

/*
 * Others' sessions that ended without being closed: somebody has to notice.  But
 * this user shan't wait for theirs, and they can make theirs take long.
 */
static void look_after_others(const struct options *o, uid_t self)
{
	const char *argv[6 + MOUNTS_MAX];
	char timeout[16], uid[16];
	int n = 0;

	if (!sessions_others(SESSION_DIR, self))
		return;
	snprintf(timeout, sizeof(timeout), "%u", o->timeout);
	snprintf(uid, sizeof(uid), "%u", self);
	argv[n++] = "pam-helper";
	argv[n++] = "sweep";
	argv[n++] = o->helper;
	argv[n++] = timeout;
	argv[n++] = uid;
	for (unsigned int i = 0; i < o->mounts; i++)
		argv[n++] = o->mount[i];
	argv[n] = NULL;
	run_detached(o->helper, (char *const *)argv);
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
		err = sessions_open(s, SESSION_DIR, uid, ms_left(o));
	if (!err)
		return s;
	log_quoted(pamh, LOG_ERR, SESSION_DIR "/%u: %s", uid, strerror(-err));
	free(s);
	return NULL;
}

/*
 * What the user would otherwise find out when his files can't be read.  As an
 * error: what isn't goes to the standard output of "su USER -c COMMAND".
 */
static void tell(pam_handle_t *pamh, int flags, const char *why,
		 const struct options *o)
{
	if (!(flags & PAM_SILENT))
		pam_error(pamh, "Your inocrypt key %s stays locked: %s. See inocrypt key unlock.",
			  o->key, why);
}

/* Unlock with the login's password; the ids of the keys are kept for later. */
static void unlock(pam_handle_t *pamh, const struct options *o, int flags,
		   struct sessions *s, const char *user,
		   const struct password *p)
{
	struct run r = { .input = p->text, .input_len = p->len };
	char *save, *line;
	int ret;

	ret = help(pamh, o, "unlock", user, o->key, &r);
	if (ret == HELPER_AUTH) {
		log_quoted(pamh, LOG_NOTICE,
			   "the password of %s doesn't open the key %s", user,
			   o->key);
		tell(pamh, flags, "your password doesn't open it", o);
	} else if (ret == -ETIMEDOUT) {
		tell(pamh, flags, "unlocking it takes too long", o);
	} else if (ret != HELPER_DONE && ret != HELPER_NOTHING) {
		tell(pamh, flags, "it can't be unlocked, the system's log says why",
		     o);
	}
	/*
	 * The ids of unlocked keys count, too, if another key failed or time
	 * ran out.
	 */
	for (line = strtok_r(r.out, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (sessions_add_key(s, line))
			log_quoted(pamh, LOG_WARNING,
				   "key %s of %s can't be noted (up to %d are): it stays unlocked after the last session",
				   line, user, SESSION_KEYS_MAX);
}

static void token_cleanup(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

/* Count the session, and unlock.  Return: PAM_SUCCESS if it was counted. */
static int begin_session(pam_handle_t *pamh, const struct options *o, int flags,
			 struct sessions *s, const struct passwd *pw)
{
	char *token = malloc(SESSION_TOKEN_SIZE);
	const struct password *p = NULL;
	int err;

	err = token ? sessions_add(s, token) : -ENOMEM;
	if (!err)
		err = sessions_save(s);
	if (err || pam_set_data(pamh, DATA_SESSION, token, token_cleanup) !=
		   PAM_SUCCESS) {
		log_quoted(pamh, LOG_ERR,
			   SESSION_DIR "/%u: the session isn't counted, its keys stay locked: %s",
			   pw->pw_uid, strerror(err ? -err : ENOMEM));
		free(token);
		return PAM_IGNORE;
	}
	if (pam_get_data(pamh, DATA_PASSWORD, (const void **)&p) ==
	    PAM_SUCCESS && p && p->uid == pw->pw_uid) {
		unlock(pamh, o, flags, s, pw->pw_name, p);
		if (sessions_save(s))
			log_quoted(pamh, LOG_ERR, SESSION_DIR
				   ": can't be written; keys stay unlocked");
	}
	return PAM_SUCCESS;
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
	const struct passwd *pw;
	const char *text = NULL;

	(void)flags;
	(void)argc;
	(void)argv;
	if (pam_get_item(pamh, PAM_AUTHTOK, (const void **)&text) !=
	    PAM_SUCCESS || !usable(text))
		return PAM_IGNORE;
	/* As he is called now: sudo -i changes that before the session. */
	pw = get_user(pamh);
	if (pw)
		remember(pamh, pw->pw_uid, text, NULL);
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
	const struct passwd *pw;
	struct sessions *s;
	struct options o;
	int ret = PAM_IGNORE;

	parse_options(pamh, argc, argv, &o);
	pw = geteuid() ? NULL : get_user(pamh);
	s = pw ? open_sessions(pamh, &o, pw->pw_uid) : NULL;
	if (s) {
		ret = begin_session(pamh, &o, flags, s, pw);
		sessions_close(s);
	}
	/*
	 * The password isn't needed any more, whatever came of it.  The child that
	 * looks after others would have a copy of it.
	 */
	pam_set_data(pamh, DATA_PASSWORD, NULL, NULL);
	if (s)
		look_after_others(&o, pw->pw_uid);
	free(s);
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
		log_quoted(pamh, LOG_ERR, SESSION_DIR ": can't be written");
	sessions_close(s);
	look_after_others(&o, pw->pw_uid);
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
	int ret = -ENOMEM;

	if (!(flags & PAM_UPDATE_AUTHTOK) || geteuid())
		return PAM_IGNORE;
	parse_options(pamh, argc, argv, &o);
	pw = get_user(pamh);
	if (!pw || pam_get_item(pamh, PAM_AUTHTOK, (const void **)&new) !=
	    PAM_SUCCESS || !usable(new))
		return PAM_IGNORE;
	if (pam_get_item(pamh, PAM_OLDAUTHTOK, (const void **)&old) !=
	    PAM_SUCCESS || !usable(old)) {
		log_quoted(pamh, LOG_NOTICE,
			   "without the old password the passphrase of the key %s of %s stays as it is; see inocrypt key passwd",
			   o.key, pw->pw_name);
		remember(pamh, pw->pw_uid, new, NULL);
		return PAM_IGNORE;
	}
	p = password_new(pw->pw_uid, old, new);
	if (p) {
		r.input = p->text;
		r.input_len = p->len;
		ret = help(pamh, &o, "passwd", pw->pw_name, o.key, &r);
		password_free(p);
	}
	if (ret == HELPER_AUTH)
		pam_info(pamh,
			 "Your inocrypt key %s keeps its passphrase, which isn't your old password.",
			 o.key);
	else if (ret != HELPER_DONE && ret != HELPER_NOTHING)
		pam_info(pamh,
			 "Your inocrypt key %s may have kept its passphrase, your old password; see inocrypt key passwd.",
			 o.key);
	/*
	 * The login goes on when an expired password has been changed.  Unless it
	 * is certain that the key opens with the new one, it may with the old.
	 */
	remember(pamh, pw->pw_uid, new, ret == HELPER_DONE ? NULL : old);
	return PAM_IGNORE;
}
