/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the PAM module share.
 *
 * The module runs in other people's processes, as root, so it does little there:
 * it remembers the password, counts sessions, and starts a helper, which becomes
 * the user before it looks at anything of his.
 */
#ifndef PAM_INOCRYPT_H
#define PAM_INOCRYPT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The helper's exit codes, as the tool's. */
enum { HELPER_DONE = 0, HELPER_AUTH = 3, HELPER_BUSY = 4, HELPER_NOTHING = 6 };

/* sessions.c: no PAM in here, so that it can be tested by itself. */

#ifndef SESSION_DIR
#define SESSION_DIR		"/run/inocrypt/pam"
#endif
#define SESSION_TOKEN_SIZE	33	/* 32 hexadecimal digits and a NUL */
#define SESSION_KEY_SIZE	33	/* likewise: a key id */
#define SESSIONS_MAX		512
#define SESSION_KEYS_MAX	64
#define SESSION_IDS_SIZE	(SESSION_KEYS_MAX * SESSION_KEY_SIZE)

/**
 * struct session - somebody's session
 * @token: names it
 * @pid: of the process that opened it; while that lives, so does the session
 * @start: when that process started, as /proc says
 */
struct session {
	char			token[SESSION_TOKEN_SIZE];
	pid_t			pid;
	unsigned long long	start;
};

/**
 * struct sessions - a user's sessions, and the keys unlocked for them
 * @fd: the file, locked (flock) as long as it is open: that guards the file and
 *	the user's keys against other logins and logouts
 * @sweeper: this process is one that nobody is to wait for, see sweep.c: whoever
 *	wants the file ends its process group
 * @nr: sessions
 * @keys: number of key ids
 */
struct sessions {
	int		fd;
	bool		sweeper;
	unsigned int	nr, keys;
	struct session	session[SESSIONS_MAX];
	char		key[SESSION_KEYS_MAX][SESSION_KEY_SIZE];
};

int sessions_make_dir(const char *dir);
int sessions_open(struct sessions *s, const char *dir, uid_t uid,
		  unsigned int wait_ms);
int sessions_save(struct sessions *s);
void sessions_close(struct sessions *s);
int sessions_add(struct sessions *s, char token[SESSION_TOKEN_SIZE]);
void sessions_remove(struct sessions *s, const char *token);
int sessions_add_key(struct sessions *s, const char *key);
void sessions_key_ids(const struct sessions *s, char ids[SESSION_IDS_SIZE]);
void sessions_locked(struct sessions *s, int ret);
bool sessions_others(const char *dir, uid_t self);

/* run.c */

#define RUN_OUTPUT_SIZE	4096

/**
 * struct run - a helper's run
 * @path: of the program
 * @argv: its arguments
 * @input: what it reads, no longer than a pipe takes (4096 bytes)
 * @input_len: bytes
 * @timeout_ms: it is killed then, and not waited for
 * @out: what it wrote to its standard output, terminated
 * @err: likewise, standard error; without control characters but newlines
 */
struct run {
	const char	*path;
	char *const	*argv;
	const char	*input;
	size_t		input_len;
	unsigned int	timeout_ms;
	char		out[RUN_OUTPUT_SIZE], err[RUN_OUTPUT_SIZE];
};

long long run_now_ms(void);
int run_helper(struct run *r);
void run_detached(const char *path, char *const *argv);

/* sweep.c, in the helper */

int sweep(int argc, char **argv);

#endif /* PAM_INOCRYPT_H */
