// SPDX-License-Identifier: GPL-2.0-only
/*
 * device-mapper calls: make, look at, talk to and remove an inocrypt device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <libdevmapper.h>

#include "kernel/kernel.h"

#define MODPROBE	"/sbin/modprobe"

static char first_error[512];

/* Keep libdevmapper quiet; its first error goes into our own message. */
static void log_fn(int level, const char *file, int line, int dm_errno,
		   const char *fmt, ...)
{
	va_list ap;

	(void)file;
	(void)line;
	(void)dm_errno;
	/* As syslog(3): LOG_ERR and worse; the higher bits are hints. */
	if ((level & 7) > LOG_ERR || first_error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(first_error, sizeof(first_error), fmt, ap);
	va_end(ap);
}

/* A task made of several ioctls tells which error it was in words only. */
static int task_errno(struct dm_task *task)
{
	static const int known[] = {
		EBUSY, ENXIO, EKEYREJECTED, ENOKEY, EIO, ENODATA, EINVAL,
		ENOMEM, EEXIST, EACCES, EROFS, EPERM,
	};
	int err = dm_task_get_errno(task);

	for (size_t i = 0; !err && i < ARRAY_SIZE(known); i++)
		if (strstr(first_error, strerror(known[i])))
			err = known[i];
	return err;
}

/* Start a task; NULL after an error message. */
static struct dm_task *task_new(int type, const char *name)
{
	struct dm_task *task;

	dm_log_with_errno_init(log_fn);
	first_error[0] = 0;
	task = dm_task_create(type);
	if (!task || !dm_task_set_name(task, name)) {
		fail(EX_FAIL, "device-mapper: %s", first_error[0] ?
		     first_error : "can't start a task");
		if (task)
			dm_task_destroy(task);
		return NULL;
	}
	return task;
}

/*
 * The kernel says only in its log why it refuses a table or a message. Note
 * where the log ends now, ...
 */
static int kmsg_mark(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * ... and print what the target added since: all of it, or, if @device is given,
 * warnings and errors of that one.
 */
static void kmsg_print(int fd, const char *device)
{
	char line[8192];
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, line, sizeof(line) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		char *text;

		if (n < 0)
			continue;
		line[n] = 0;
		text = strchr(line, ';');
		if (!text || !strstr(text, TARGET_NAME))
			continue;
		if (device && ((strtoul(line, NULL, 10) & 7) > LOG_WARNING ||
			       !strstr(text, device)))
			continue;
		text[strcspn(text, "\n")] = 0;
		tell("the kernel says: %s", text + 1);
	}
}

/**
 * dm_plain_name() - a device-mapper name from what the user gave
 * @name: NAME or /dev/mapper/NAME
 */
const char *dm_plain_name(const char *name)
{
	size_t n = strlen(dm_dir());

	if (!strncmp(name, dm_dir(), n) && name[n] == '/')
		return name + n + 1;
	return name;
}

/* Run a STATUS or TABLE task; copy the only target's parameters. */
static int query(int type, struct dm_volume *v, char **out)
{
	struct dm_task *task = task_new(type, v->name);
	u64 start, length;
	char *target, *params;
	struct dm_info info;
	const char *uuid;
	int ret = 0;

	if (!task)
		return EX_FAIL;
	/* A status that shall not wait for a checkpoint. */
	if (type == DM_DEVICE_STATUS)
		dm_task_no_flush(task);
	if (!dm_task_run(task)) {
		int err = dm_task_get_errno(task);

		ret = err == ENXIO ?
		      fail(EX_NOVOLUME, "no open volume %s", v->name) :
		      fail(errno_code(err), "device-mapper, %s: %s", v->name,
			   err ? strerror(err) : first_error);
		goto out;
	}
	if (!dm_task_get_info(task, &info) || !info.exists) {
		ret = fail(EX_NOVOLUME, "no open volume %s", v->name);
		goto out;
	}
	dm_get_next_target(task, NULL, &start, &length, &target, &params);
	if (!target || strcmp(target, TARGET_NAME)) {
		ret = fail(EX_NOVOLUME,
			   "%s is a device-mapper device, but not an inocrypt volume",
			   v->name);
		goto out;
	}
	v->sectors = length;
	v->readonly = info.read_only;
	v->open_count = info.open_count;
	v->major = info.major;
	v->minor = info.minor;
	uuid = dm_task_get_uuid(task);
	if (uuid && !strncmp(uuid, DM_UUID_PREFIX, strlen(DM_UUID_PREFIX)))
		v->has_uuid = uuid_parse_any(uuid + strlen(DM_UUID_PREFIX),
					     v->uuid);
	*out = strdup(params ? params : "");
	if (!*out)
		ret = fail(EX_FAIL, "out of memory");
out:
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_volume_get() - look an open volume up
 * @v: to fill in; dm_volume_put() afterwards if this succeeds
 * @name: NAME or /dev/mapper/NAME
 *
 * Return: 0 or an exit code.
 */
int dm_volume_get(struct dm_volume *v, const char *name)
{
	char *at;
	int ret;

	memset(v, 0, sizeof(*v));
	v->name = dm_plain_name(name);
	ret = query(DM_DEVICE_TABLE, v, &v->table);
	if (!ret)
		ret = query(DM_DEVICE_STATUS, v, &v->status);
	if (ret) {
		dm_volume_put(v);
		return ret;
	}
	/* A device made by dmsetup need not have our kind of name. */
	v->snapshot = strstr(v->table, " snapshot");
	at = strstr(v->status, " uuid=");
	if (!v->has_uuid && at) {
		char digits[UUID_STR_SIZE];

		snprintf(digits, sizeof(digits), "%s", at + strlen(" uuid="));
		v->has_uuid = uuid_parse_any(digits, v->uuid);
	}
	return 0;
}

/**
 * dm_volume_put() - free what dm_volume_get() allocated
 * @v: volume
 */
void dm_volume_put(struct dm_volume *v)
{
	free(v->table);
	free(v->status);
	v->table = NULL;
	v->status = NULL;
}

/* Run a task that changes device nodes, and wait for udev where there is one. */
static int run_and_settle(struct dm_task *task, const char *name,
			  uint16_t udev_flags, int *err)
{
	u32 cookie = 0;
	int ok;

	*err = 0;
	ok = dm_task_set_cookie(task, &cookie, udev_flags);
	if (ok) {
		ok = dm_task_run(task);
		if (!ok)
			*err = task_errno(task);
		/*
		 * This is needed after a failure, too, as it takes the
		 * semaphore away.
		 */
		dm_udev_wait(cookie);
	}
	dm_mknodes(name);
	return ok;
}

/* Has the kernel our target?  If not even device-mapper answers, first_error says it. */
static bool has_target(void)
{
	struct dm_versions *v;
	struct dm_task *task;
	bool found = false;
	u32 next;

	dm_log_with_errno_init(log_fn);
	first_error[0] = 0;
	task = dm_task_create(DM_DEVICE_LIST_VERSIONS);
	if (!task)
		return false;
	v = dm_task_run(task) ? dm_task_get_versions(task) : NULL;
	while (v) {
		found |= !strcmp(v->name, TARGET_NAME);
		next = v->next;
		v = next ? (struct dm_versions *)((char *)v + next) : NULL;
	}
	dm_task_destroy(task);
	return found;
}

/* Load our module; @said receives what modprobe has to say, one line. */
static void load_module(char *said, size_t size)
{
	ssize_t n = -1;
	int fd[2];
	pid_t pid;

	*said = 0;
	if (pipe2(fd, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDERR_FILENO);
		execl(MODPROBE, MODPROBE, "dm-" TARGET_NAME, NULL);
		_exit(127);
	}
	close(fd[1]);
	if (pid > 0) {
		do {
			n = read(fd[0], said, size - 1);
		} while (n < 0 && errno == EINTR);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fd[0]);
	said[n > 0 ? n : 0] = 0;
	said[strcspn(said, "\n")] = 0;
}

/**
 * dm_need_target() - see that the kernel has our target, load it if need be
 *
 * Return: 0 or an exit code, after a message that says what is in the way.
 */
int dm_need_target(void)
{
	char why[MODULE_WHY_SIZE], said[256];

	if (has_target())
		return 0;
	load_module(said, sizeof(said));
	if (has_target())
		return 0;
	modules_target_trouble(*said ? said : first_error, why);
	return fail(EX_FAIL, "no volume can be opened: %s", why);
}

/**
 * dm_volume_create() - make a device with one inocrypt table line
 * @name: device-mapper name
 * @uuid: of the volume; keeps it from being opened twice
 * @sectors: length in 512-byte sectors
 * @table: parameters
 * @readonly: make it read-only
 * @snapshot: NULL, or what tells this snapshot of the volume from others
 *
 * Return: 0 or an exit code.
 */
int dm_volume_create(const char *name, const u8 uuid[IC_UUID_SIZE],
		     u64 sectors, const char *table, bool readonly,
		     const char *snapshot)
{
	char dm_uuid[128] = DM_UUID_PREFIX;
	struct dm_task *task = task_new(DM_DEVICE_CREATE, name);
	struct dm_info info;
	char device[32];
	int kmsg, err, ret = 0;

	if (!task)
		return EX_FAIL;
	if (snapshot)
		snprintf(dm_uuid, sizeof(dm_uuid) - 2 * IC_UUID_SIZE,
			 "%sSNAPSHOT-%s-", DM_UUID_PREFIX, snapshot);
	hex(uuid, IC_UUID_SIZE, dm_uuid + strlen(dm_uuid));
	kmsg = kmsg_mark();
	if (!dm_task_set_uuid(task, dm_uuid) ||
	    !dm_task_add_target(task, 0, sectors, TARGET_NAME, table) ||
	    (readonly && !dm_task_set_ro(task))) {
		ret = fail(EX_FAIL, "device-mapper: %s", first_error);
	} else if (!run_and_settle(task, name, snapshot ?
				   DM_UDEV_DISABLE_DISK_RULES_FLAG : 0, &err)) {
		ret = err == EBUSY || err == EEXIST ?
		      fail(EX_BUSY,
			   "%s: the name or this volume is in use already (see dmsetup ls), or a device of it is",
			   name) :
		      fail(errno_code(err), "can't open %s: %s", name,
			   err ? strerror(err) : first_error);
		kmsg_print(kmsg, NULL);
	} else if (dm_task_get_info(task, &info)) {
		snprintf(device, sizeof(device), " %u:%u: ", info.major,
			 info.minor);
		kmsg_print(kmsg, device);
	}
	if (kmsg >= 0)
		close(kmsg);
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_volume_remove() - take a device away
 * @name: device-mapper name
 *
 * Return: 0 or an exit code.
 */
int dm_volume_remove(const char *name)
{
	struct dm_task *task = task_new(DM_DEVICE_REMOVE, name);
	int err, ret = 0;

	if (!task)
		return EX_FAIL;
	/* udev may still have it open for a moment. */
	dm_task_retry_remove(task);
	if (!run_and_settle(task, name, 0, &err))
		ret = err == EBUSY ?
		      fail(EX_BUSY, "%s is in use; unmount it first", name) :
		      fail(errno_code(err), "can't close %s: %s", name,
			   err ? strerror(err) : first_error);
	dm_task_destroy(task);
	return ret;
}

static int simple_task(int type, const char *name, const char *what)
{
	struct dm_task *task = task_new(type, name);
	int err, ret = 0;

	if (!task)
		return EX_FAIL;
	/*
	 * Nothing is mounted where this suspends a device, so there is nothing
	 * to freeze.
	 */
	if (type == DM_DEVICE_SUSPEND)
		dm_task_skip_lockfs(task);
	if (type == DM_DEVICE_SUSPEND ? !dm_task_run(task) :
					!run_and_settle(task, name, 0, &err)) {
		err = task_errno(task);
		ret = fail(errno_code(err), "can't %s %s: %s", what, name,
			   err ? strerror(err) : first_error);
	}
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_volume_suspend() - stop I/O; the target writes everything back
 * @name: device-mapper name; nothing is mounted on it
 *
 * Return: 0 or an exit code.
 */
int dm_volume_suspend(const char *name)
{
	return simple_task(DM_DEVICE_SUSPEND, name, "suspend");
}

/**
 * dm_volume_resume() - undo dm_volume_suspend()
 * @name: device-mapper name
 *
 * Return: 0 or an exit code.
 */
int dm_volume_resume(const char *name)
{
	return simple_task(DM_DEVICE_RESUME, name, "resume");
}

/**
 * dm_volume_lock_out() - let all I/O of a device fail that can't be removed
 * @name: device-mapper name
 * @sectors: its length in 512-byte sectors
 *
 * Linux 6.1 crashes if bios that ext4 has tagged wait while the table is
 * replaced by one that has no place for tags.  So if a file system is bound
 * meanwhile the device stays suspended.
 *
 * Return: 0 or an exit code.
 */
int dm_volume_lock_out(const char *name, u64 sectors)
{
	struct dm_volume v;
	struct dm_task *task;
	char bound[4] = "";
	int ok, ret;

	ret = dm_volume_suspend(name);
	if (!ret)
		ret = dm_volume_get(&v, name);
	if (ret)
		return ret;
	ok = dm_status_field(&v, "bound", bound, sizeof(bound)) &&
	     !strcmp(bound, "0");
	dm_volume_put(&v);
	if (!ok)
		return fail(EX_BUSY,
			    "%s is mounted already: all that is done there waits now, until the machine is restarted",
			    name);
	task = task_new(DM_DEVICE_RELOAD, name);
	if (!task)
		return EX_FAIL;
	ok = dm_task_add_target(task, 0, sectors, "error", "") &&
	     dm_task_run(task);
	dm_task_destroy(task);
	return ok ? dm_volume_resume(name) :
		    fail(EX_FAIL, "can't disable %s: %s", name, first_error);
}

/**
 * dm_volume_event() - number of the last event, or wait for the next
 * @name: device-mapper name
 * @after: wait until an event follows this one; NULL: don't wait
 * @ev: receives what is known now
 *
 * Return: 0, -ENXIO if there is no such device (any more), or another negative
 * errno.
 */
int dm_volume_event(const char *name, const u32 *after, struct dm_event *ev)
{
	struct dm_task *task = task_new(after ? DM_DEVICE_WAITEVENT :
						DM_DEVICE_INFO, name);
	struct dm_info info;
	int ret = 0;

	if (!task)
		return -ENOMEM;
	if (after && !dm_task_set_event_nr(task, *after))
		ret = -ENOMEM;
	else if (!dm_task_run(task))
		ret = -dm_task_get_errno(task);
	else if (!dm_task_get_info(task, &info) || !info.exists)
		ret = -ENXIO;
	else
		*ev = (struct dm_event){
			.nr = info.event_nr,
			.open_count = info.open_count,
			.suspended = info.suspended,
		};
	dm_task_destroy(task);
	return ret;
}

/**
 * dm_volume_in_use() - is it still in use after some seconds?
 * @name: device-mapper name
 *
 * udev may look at it for a moment.
 */
bool dm_volume_in_use(const char *name)
{
	struct dm_event ev;

	for (int tries = 0; tries < 25; tries++) {
		if (dm_volume_event(name, NULL, &ev) || !ev.open_count)
			return false;
		usleep(200000);
	}
	return true;
}

/**
 * dm_status_field() - a value of the target's status line
 * @v: volume
 * @field: its name
 * @out: receives the value
 * @size: bytes in @out
 *
 * Return: true if there is such a field and it fits.
 */
bool dm_status_field(const struct dm_volume *v, const char *field, char *out,
		     size_t size)
{
	size_t n = strlen(field);
	const char *at = v->status;

	while ((at = strstr(at, field))) {
		if (at > v->status && at[-1] == ' ' && at[n] == '=') {
			at += n + 1;
			n = strcspn(at, " ");
			if (n >= size)
				return false;
			memcpy(out, at, n);
			out[n] = 0;
			return true;
		}
		at += n;
	}
	return false;
}

/**
 * dm_volume_warn() - say so if the volume isn't well
 * @v: volume
 */
void dm_volume_warn(const struct dm_volume *v)
{
	char seconds[24];

	if (!strncmp(v->status, "failed", 6)) {
		warn("%s has failed: what was written last may be lost; see inocrypt status",
		     v->name);
	} else if (!strncmp(v->status, "failing", 7)) {
		if (!dm_status_field(v, "checkpoint_failing", seconds,
				     sizeof(seconds)))
			strcpy(seconds, "?");
		warn("%s: checkpoints fail, for %s s now; what was synced is in the log",
		     v->name, seconds);
		tell("the kernel log says why; see tool.md, \"When checkpoints fail\"");
	}
}

/**
 * dm_volume_message() - send the target a message
 * @name: NAME or /dev/mapper/NAME
 * @message: text
 * @answer: receives the answer ("" if there is none), to free(); may be NULL
 *
 * Return: 0 or a negative errno; the kernel's own words have been printed.
 */
int dm_volume_message(const char *name, const char *message, char **answer)
{
	struct dm_task *task = task_new(DM_DEVICE_TARGET_MSG,
					dm_plain_name(name));
	const char *response;
	int kmsg, ret = 0;

	if (!task)
		return -ENOMEM;
	kmsg = kmsg_mark();
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, message)) {
		ret = -ENOMEM;
	} else if (!dm_task_run(task)) {
		ret = -dm_task_get_errno(task);
		if (!ret)
			ret = -EIO;
		kmsg_print(kmsg, NULL);
	} else if (answer) {
		response = dm_task_get_message_response(task);
		*answer = strdup(response ? response : "");
		if (!*answer)
			ret = -ENOMEM;
	}
	if (kmsg >= 0)
		close(kmsg);
	dm_task_destroy(task);
	return ret;
}
