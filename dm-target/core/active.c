// SPDX-License-Identifier: GPL-2.0-only
/*
 * The active table of a volume, and holding it: while it is held the device can't be
 * suspended, so nobody holds it over what takes long.  A suspend waits until it is
 * released, and all who use the volume wait for the suspend.
 */
#include "core/table.h"

/**
 * ic_volume_get_active() - hold the active table
 * @vol: the volume
 *
 * While a reload is between two tables the call waits, as I/O would.
 *
 * Context: may sleep.
 * Return: the table, until ic_volume_release(); NULL once the last one is gone, as
 * after a forced removal.
 */
struct inocrypt *ic_volume_get_active(struct ic_volume *vol)
{
	struct inocrypt *ic;

	for (;;) {
		down_read(&vol->ops_sem);
		ic = vol->active;
		if (ic)
			return ic;
		up_read(&vol->ops_sem);
		if (READ_ONCE(vol->gone))
			return NULL;
		wait_event(vol->active_wait, READ_ONCE(vol->active) ||
			   READ_ONCE(vol->gone));
	}
}

/**
 * ic_volume_get_active_killable() - hold the active table, unless the task is killed
 * @vol: the volume
 *
 * Context: may sleep.
 * Return: the table, until ic_volume_release(), ERR_PTR(-EINTR), or ERR_PTR(-ENODEV)
 * once the last one is gone.
 */
struct inocrypt *ic_volume_get_active_killable(struct ic_volume *vol)
{
	struct inocrypt *ic;

	for (;;) {
		if (down_read_killable(&vol->ops_sem))
			return ERR_PTR(-EINTR);
		ic = vol->active;
		if (ic)
			return ic;
		up_read(&vol->ops_sem);
		if (READ_ONCE(vol->gone))
			return ERR_PTR(-ENODEV);
		if (wait_event_killable(vol->active_wait,
					READ_ONCE(vol->active) ||
					READ_ONCE(vol->gone)))
			return ERR_PTR(-EINTR);
	}
}

/**
 * ic_volume_activate() - a table takes over
 * @vol: the volume
 * @ic: the table, loaded
 */
void ic_volume_activate(struct ic_volume *vol, struct inocrypt *ic)
{
	down_write(&vol->ops_sem);
	WRITE_ONCE(vol->active, ic);
	up_write(&vol->ops_sem);
	wake_up_all(&vol->active_wait);
}

/**
 * ic_volume_deactivate() - a table is suspended or goes away
 * @vol: the volume
 * @ic: the table; nothing happens if another one is active
 */
void ic_volume_deactivate(struct ic_volume *vol, struct inocrypt *ic)
{
	down_write(&vol->ops_sem);
	if (vol->active == ic)
		WRITE_ONCE(vol->active, NULL);
	up_write(&vol->ops_sem);
}

/**
 * ic_volume_hold() - keep a table active, if it is
 * @vol: the volume
 * @ic: the table
 *
 * Return: true if it is active; it stays so until ic_volume_release().
 */
bool ic_volume_hold(struct ic_volume *vol, struct inocrypt *ic)
{
	down_read(&vol->ops_sem);
	if (vol->active == ic)
		return true;
	up_read(&vol->ops_sem);
	return false;
}

/**
 * ic_volume_hold_again() - go on with a table that was let go of
 * @vol: the volume
 * @ic: the table; perhaps it is gone
 * @nr: its number
 *
 * While the device is suspended the call waits, unless the caller keeps device mapper
 * from suspending it, as a message does.
 *
 * Return: false if another table has taken over, or none is left; true if it is held.
 */
bool ic_volume_hold_again(struct ic_volume *vol, struct inocrypt *ic, u64 nr)
{
	struct inocrypt *now = ic_volume_get_active(vol);

	if (!now)
		return false;
	if (now == ic && now->nr == nr)
		return true;
	ic_volume_release(vol);
	return false;
}

/**
 * ic_volume_release() - undo ic_volume_hold()
 * @vol: the volume
 */
void ic_volume_release(struct ic_volume *vol)
{
	lockdep_assert_held_read(&vol->ops_sem);
	up_read(&vol->ops_sem);
}
