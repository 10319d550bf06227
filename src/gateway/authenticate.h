/*-------------------------------------------------------------------------
 *
 * authenticate.h
 *	  What takes the hashing of a password.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/authenticate.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_AUTHENTICATE_H
#define PGQ_GATEWAY_AUTHENTICATE_H

#include "lib/ilist.h"

#include "gateway/request.h"

/* The state of a call that has a password hashed, or checked */
typedef struct HashJob
{
	Request		request;
	dlist_node	node;
	bool		queued;
	Call	   *call;
	void		(*run) (Call *call);	/* at its turn, with the store open */
	char	   *name;
	char	   *password;		/* wiped when it is over; NULL: too long to be anybody's */
} HashJob;

/* The state of a call, with copies of name and password */
extern HashJob *hash_job_new(Call *call, const char *name, const char *password);

/* Have run() called at its turn; the call ends if too many wait already */
extern void hash_job_queue(Call *call, void (*run) (Call *call));

/* Method.ended of such calls */
extern void hash_job_ended(Call *call);

/* One turn: have at most one job run.  Returns in how many ms the next one may run, -1: none waits */
extern long hash_jobs_turn(void);

/* Method.message of Auth/Authenticate */
extern void authenticate_message(Call *call, const ProtobufCMessage *message);

#endif							/* PGQ_GATEWAY_AUTHENTICATE_H */
