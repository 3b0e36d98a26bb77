// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passphrases: from the terminal, the standard input or a key file.
 *
 * What is read from where, and how much of it, is as with cryptsetup: without a
 * key file a line from the terminal, or from the standard input if that is
 * none; with the key file "-" all of the standard input, newlines included.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "header/header.h"

#define MAX_TYPED	512	/* cryptsetup's, too */
#define DEFAULT_TRIES	3

enum { OPT_OFFSET = 0x500 };

static const struct argp_option options[] = {
	{ "key-file", 'd', "FILE", 0,
	  "Read the passphrase from FILE (all of it, newlines included), - for standard input",
	  0 },
	{ "keyfile-size", 'l', "BYTES", 0, "Read so much of the key file only",
	  0 },
	{ "keyfile-offset", OPT_OFFSET, "BYTES", 0,
	  "Skip so much of the key file", 0 },
	{ "tries", 'T', "N", 0,
	  "How often a passphrase may be typed in (default 3)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct passphrase_source *s = state->input;
	u64 n;

	switch (key) {
	case 'd':
		s->key_file = arg;
		break;
	case 'l':
		if (!parse_size(arg, &s->size) || !s->size)
			args_error(state, "%s is no size of a key file", arg);
		break;
	case OPT_OFFSET:
		if (!parse_size(arg, &s->offset))
			args_error(state, "%s is no offset", arg);
		break;
	case 'T':
		if (!parse_u64(arg, &n) || !n || n > 1000)
			args_error(state, "tries %s: 1 to 1000", arg);
		s->tries = n;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp passphrase_argp = { .options = options, .parser = parse };

/* What stops, or ends, a program that waits at the terminal. */
static const int signals[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
	SIGTSTP, SIGTTIN, SIGTTOU,
};

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

/*
 * One line, without its newline.  Signals arrive while it waits, so that none
 * comes between looking for one and waiting.
 * Return: its length or a negative errno.
 */
static ssize_t read_line(int fd, char *buf, size_t size,
			 const sigset_t *unblocked)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	for (;;) {
		ssize_t n = ppoll(&ready, 1, NULL, unblocked);

		if (n > 0)
			n = read(fd, buf + len, size - len);
		if (caught)
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return len ? (ssize_t)len : -ENODATA;
		len += n;
		if (buf[len - 1] == '\n')
			return len - 1;
		if (len == size)
			return -EMSGSIZE;
	}
}

/* Ask once, unseen. A signal takes effect when the terminal is as it was. */
static ssize_t ask_once(const char *prompt, char *buf, size_t size)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction old[ARRAY_SIZE(signals)];
	struct termios shown, hidden;
	sigset_t wait_only, unblocked;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int in = tty < 0 ? STDIN_FILENO : tty;
	int out = tty < 0 ? STDERR_FILENO : tty;
	ssize_t n;

	caught = 0;
	sigemptyset(&sa.sa_mask);
	sigemptyset(&wait_only);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigaction(signals[i], &sa, &old[i]);
		/* Reading in the background fails where these are blocked. */
		if (signals[i] != SIGTTIN && signals[i] != SIGTTOU)
			sigaddset(&wait_only, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &wait_only, &unblocked);
	if (tcgetattr(in, &shown)) {
		n = -errno;
	} else {
		hidden = shown;
		hidden.c_lflag &= ~(ECHO | ECHONL);
		if (tcsetattr(in, TCSAFLUSH, &hidden))
			n = -errno;
		else if (write(out, prompt, strlen(prompt)) < 0)
			n = -errno;
		else
			n = read_line(in, buf, size, &unblocked);
		/*
		 * TCSAFLUSH: the rest of a line that is too long isn't for the
		 * next reader.
		 */
		while (tcsetattr(in, TCSAFLUSH, &shown) && errno == EINTR &&
		       caught != SIGTTOU)
			;
		if (write(out, "\n", 1) < 0 && n >= 0)
			n = -errno;
	}
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &old[i], NULL);
	if (tty >= 0)
		close(tty);
	if (caught)
		raise(caught);
	return n;
}

/* Ask, again after a stop and continue. Return: 0 or an exit code. */
static int ask(const char *prompt, char *buf, size_t size, size_t *len)
{
	ssize_t n;

	do {
		explicit_bzero(buf, size);
		n = ask_once(prompt, buf, size);
	} while (n == -EINTR);
	if (n == -ENODATA)
		return fail(EX_FAIL, "no passphrase was given");
	if (n == -EMSGSIZE || n > MAX_TYPED)
		return fail(EX_USAGE,
			    "the passphrase is longer than %d bytes; see --key-file",
			    MAX_TYPED);
	if (n < 0)
		return fail(EX_FAIL, "can't read from the terminal: %s",
			    strerror(-n));
	*len = n;
	return 0;
}

static int from_terminal(struct passphrase *p, const char *prompt, bool verify)
{
	const size_t size = MAX_TYPED + 2;
	char *again = NULL, *shown = shown_text(prompt);
	size_t len;
	int ret;

	p->data = crypt_safe_alloc(size);
	ret = p->data && shown ? ask(shown, p->data, size, &p->len) :
				 fail(EX_FAIL, "out of memory");
	free(shown);
	if (!ret && verify && !p->len)
		ret = fail(EX_USAGE, "an empty passphrase protects nothing");
	if (!ret && verify) {
		again = crypt_safe_alloc(size);
		ret = again ? ask("The same again: ", again, size, &len) :
			      fail(EX_FAIL, "out of memory");
		if (!ret && (len != p->len || memcmp(again, p->data, len)))
			ret = fail(EX_USAGE, "the passphrases differ");
	}
	crypt_safe_free(again);
	return ret;
}

static void log_error(int level, const char *msg, void *unused)
{
	(void)unused;
	if (level == CRYPT_LOG_ERROR)
		fail(0, "%.*s", (int)strcspn(msg, "\n"), msg);
}

/**
 * passphrase_interactive() - will passphrase_get() ask somebody?
 * @key_file: as there
 */
bool passphrase_interactive(const char *key_file)
{
	return (!key_file || !strcmp(key_file, "-")) && isatty(STDIN_FILENO);
}

/**
 * passphrase_tries() - how often to get a passphrase before giving up
 * @source: the user's choice
 */
unsigned int passphrase_tries(const struct passphrase_source *source)
{
	if (!passphrase_interactive(source->key_file))
		return 1;
	return source->tries ? source->tries : DEFAULT_TRIES;
}

/**
 * passphrase_get() - from the terminal, the standard input or a key file
 * @p: receives it; passphrase_wipe() afterwards, whatever this returns
 * @key_file: NULL: the terminal, or one line of the standard input if that
 *	isn't one; "-": the terminal, or all of the standard input
 * @prompt: for the terminal
 * @verify: it is a new one: ask twice, and it can't be empty
 * @offset: bytes to skip in a key file
 * @size: bytes to read from a key file; 0: all, at most 8 MiB
 *
 * Return: 0 or an exit code.
 */
int passphrase_get(struct passphrase *p, const char *key_file,
		   const char *prompt, bool verify, u64 offset, u64 size)
{
	bool from_stdin = !key_file || !strcmp(key_file, "-");
	int ret;

	memset(p, 0, sizeof(*p));
	if (passphrase_interactive(key_file)) {
		if (offset)
			return fail(EX_USAGE,
				    "--keyfile-offset is for key files, not for the terminal");
		ret = from_terminal(p, prompt, verify);
	} else {
		crypt_set_log_callback(NULL, log_error, NULL);
		ret = crypt_keyfile_device_read(NULL,
						from_stdin ? NULL : key_file,
						&p->data, &p->len, offset, size,
						key_file ? 0 :
						CRYPT_KEYFILE_STOP_EOL) ?
			fail(EX_USAGE, "no passphrase from %s",
			     from_stdin ? "the standard input" : key_file) : 0;
		if (!ret && verify && !p->len)
			ret = fail(EX_USAGE,
				   "an empty passphrase protects nothing");
	}
	if (ret)
		passphrase_wipe(p);
	return ret;
}

/**
 * passphrase_set() - copy one that is in memory already
 * @p: receives it; passphrase_wipe() afterwards
 * @data: bytes
 * @len: how many
 *
 * Return: 0 or an exit code.
 */
int passphrase_set(struct passphrase *p, const void *data, size_t len)
{
	p->len = len;
	p->data = crypt_safe_alloc(len + 1);
	if (!p->data)
		return fail(EX_FAIL, "out of memory");
	memcpy(p->data, data, len);
	return 0;
}

/**
 * passphrase_wipe() - forget it
 * @p: zeroed by its declaration, or read
 */
void passphrase_wipe(struct passphrase *p)
{
	crypt_safe_free(p->data);
	p->data = NULL;
	p->len = 0;
}
