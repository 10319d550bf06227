/*-------------------------------------------------------------------------
 *
 * background.h
 *	  Work of the gateway that belongs to no message of a call.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/background.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_BACKGROUND_H
#define PGQ_GATEWAY_BACKGROUND_H

/*
 * Called by the worker once a turn, behind the services: in the transaction of the turn,
 * with the store open.  Bounded to about a millisecond, but for one hash of a password.  Returns in how many
 * ms at most it wants to be called again (0: at once, it has more to do).
 */
extern long background_turn(void);

/* Called by the worker after each reload of the settings: also files that they name
 * may have changed */
extern void background_reload(void);

#endif							/* PGQ_GATEWAY_BACKGROUND_H */
