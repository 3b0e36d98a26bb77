// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is seldom asked of the order of a write's steps: write_steps.h has the rest.
 * Shared code.
 */
#include "write_steps.h"

/**
 * ic_write_unjoin() - a write that joins does without it
 * @req: the write, none of its PUTs appended
 *
 * Joining only saves a request, so nobody waits for it.
 */
void ic_write_unjoin(struct ic_request *req)
{
	req->joins = false;
	req->intent = false;
	req->state = IC_WRITE_DECIDE;
	ic_write_step(req);
}

/**
 * ic_change_next() - what the change of a record does next
 * @state: what has been done
 *
 * A SET before the cut has its effect in memory, so that the nodes which are sealed
 * after the cut have it.  And the SET of an owner comes before the PUT of any sector
 * that names it.
 */
enum ic_change_state ic_change_next(enum ic_change_state state)
{
	switch (state) {
	case IC_CHANGE_NEW:
		return IC_CHANGE_MEMORY;
	case IC_CHANGE_MEMORY:
		return IC_CHANGE_LOG;
	case IC_CHANGE_LOG:
	case IC_CHANGE_DONE:
		break;
	}
	return IC_CHANGE_DONE;
}
