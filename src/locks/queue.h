/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  The queue of keys behind a lock, an election or a semaphore.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/locks/queue.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_LOCKS_QUEUE_H
#define PGQ_LOCKS_QUEUE_H

#include "clock.h"
#include "sql/sql.h"

/* TTL of the session's lease where the session has not asked for one, in s */
#define QUEUE_LEASE_TTL			10

/*
 * A session's place in the queue of a name: the key name/lease, and the revision
 * that created it, which orders the queue and is the fencing token.  Palloc'd.
 */
typedef struct QueuePlace
{
	ProtobufCBinaryData prefix; /* the name and a slash; the beginning of key */
	ProtobufCBinaryData key;
	int64		lease;
	int64		token;			/* 0: not in the queue */
	bool		entered;		/* by this call; else it was there before */
	ProtobufCBinaryData value;	/* of the key; as it was if it was there before */
} QueuePlace;

/*
 * Who is let in: each key takes permits, and one is let in when its own and those
 * of all keys ahead are within the capacity.  A lock is a semaphore of which every
 * key takes the whole.
 */
typedef struct QueueRule
{
	const char *what;			/* for messages: "lock" */
	bool		exclusive;		/* the first alone; the rest means nothing then */
	int64		capacity;
	int64		permits;
} QueueRule;

extern const QueueRule queue_lock;
extern const QueueRule queue_election;

/* ERROR unless the argument is the name of a queue; returns the prefix */
extern ProtobufCBinaryData queue_arg_prefix(FunctionCallInfo fcinfo, int argno);

/* The place of this session, with its lease, which is granted if it has none */
extern void queue_find_place(ProtobufCBinaryData prefix, QueuePlace *place);

/* The same without granting a lease: false if the session has none */
extern bool queue_find_own_place(ProtobufCBinaryData prefix, QueuePlace *place);

/*
 * Enter the queue with this value, or find the place the session has in it.  With
 * only_if_empty nothing is done if the queue is not empty, and token is 0 if
 * the session is not in it.
 */
extern void queue_enter(QueuePlace *place, ProtobufCBinaryData value, bool only_if_empty);

/* The create revision of a key that is this session's, as this member knows it; 0 if
 * there is none */
extern int64 queue_known_token(ProtobufCBinaryData key);

/*
 * Write the value of the place's key, if the key is still the one of the place's token; false if
 * it is not.
 */
extern bool queue_set_value(const QueuePlace *place, ProtobufCBinaryData value);

/* An interval argument as the time when it will be over, CLOCK_NEVER if NULL */
extern ClockTime queue_arg_deadline(FunctionCallInfo fcinfo, int argno);

/*
 * Wait until the place is let in: then the session holds what the queue is for.  ERROR
 * 55P03 at the deadline, 55000 if the place is lost.  If this ends by any error, a place that
 * was entered by this call is given up.
 */
extern void queue_wait(QueuePlace *place, const QueueRule *rule, ClockTime deadline);

/* Give the place up while an error is being handled, without waiting for it */
extern void queue_withdraw_later(const QueuePlace *place);

/* Is the place let in, as this member sees it? */
extern bool queue_is_let_in(const QueuePlace *place, const QueueRule *rule);

/* Give the place up; false if the session was not in the queue */
extern bool queue_leave(ProtobufCBinaryData prefix);

/* The first key of the queue, as the store says; NULL if the queue is empty */
extern Mvccpb__KeyValue *queue_first(Relation store, ProtobufCBinaryData prefix);

/* Is the key that has this token let in? */
extern bool queue_token_is_let_in(Relation store, ProtobufCBinaryData prefix, int64 token,
								  const QueueRule *rule);

/* What is held (held.c): to notice that it was lost */
extern void held_add(const QueuePlace *place);
extern void held_remove(const QueuePlace *place);
extern void held_check_lease(void); /* ERROR 55000 once, if the lease they hung on is gone */

/* The permits that a key's value asks for: 1 unless it is a number */
extern int64 queue_permits(ProtobufCBinaryData value);

#endif							/* PGQ_LOCKS_QUEUE_H */
