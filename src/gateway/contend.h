/*-------------------------------------------------------------------------
 *
 * contend.h
 *	  Calls that stand in a queue of keys: Lock and Campaign.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/contend.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_CONTEND_H
#define PGQ_GATEWAY_CONTEND_H

#include "gateway/call.h"
#include "member/calls.h"

/* A place in a queue, as the service sees it */
typedef struct Place
{
	ProtobufCBinaryData name;
	ProtobufCBinaryData prefix; /* the name and a slash; the beginning of key */
	ProtobufCBinaryData key;
	ProtobufCBinaryData value;
	int64		lease;
	int64		token;			/* revision that created the key */
} Place;

/*
 * What becomes of it.  won() replies; it is called once, in a turn with the store open, when the
 * place is the first of its queue, and revision is that of the answer.
 */
typedef struct Contest
{
	const char *lost;			/* etcd's text for a key that is gone before its turn */
	bool		sets_value;		/* a key that is there already gets the value */
	void		(*won) (Call *call, const Place *place, int64 revision);
} Contest;

/*
 * Enter the queue of a name with a lease (0: one of the call's own) and wait to be the
 * first.  If the call ends before, the place is given up.  The call's state belongs to
 * this from now on.  Called in Method.message.
 */
extern void contend(Call *call, const Contest *contest, ProtobufCBinaryData name, int64 lease,
					ProtobufCBinaryData value);

/* Method.ended of such calls */
extern void contend_ended(Call *call);

/* ----------------------------------------------------------------
 *	What the services of locks and elections share
 * ----------------------------------------------------------------
 *
 * Their errors are those of a client of etcd's that runs in the server, and lose their codes on the
 * way: they are all UNKNOWN on the wire, with the usual texts.
 */
extern void contend_fail(Call *call, const char *text);
extern void contend_fail_store(Call *call, int error);
extern void contend_fail_outcome(Call *call, MemberCallOutcome outcome);

/* A command on behalf of the caller, checked; false if it has ended the call */
extern bool contend_name_command(Call *call, Quorum__Command *command);

/*
 * The first key of a queue, at the published revision, which *revision gets; NULL if there is none.
 * In the current memory context.
 */
extern Mvccpb__KeyValue *contend_first(Relation store, ProtobufCBinaryData prefix,
									   int64 *revision);

/* name and a slash, in the current memory context */
extern ProtobufCBinaryData contend_prefix(ProtobufCBinaryData name);

/* The range of a prefix; range_end in the current memory context */
extern ProtobufCBinaryData contend_prefix_end(ProtobufCBinaryData prefix);

/* A transaction that does one thing with a key if its create revision is this */
typedef struct OwnedTxn
{
	Quorum__Command command;
	Etcdserverpb__TxnRequest txn;
	Etcdserverpb__Compare compare;
	Etcdserverpb__Compare *compares[1];
	Etcdserverpb__RequestOp op;
	Etcdserverpb__RequestOp *ops[1];
	Etcdserverpb__PutRequest put;
	Etcdserverpb__DeleteRangeRequest deletion;
} OwnedTxn;

extern void owned_txn_put(OwnedTxn *txn, ProtobufCBinaryData key, int64 create_revision,
						  ProtobufCBinaryData value, int64 lease);
extern void owned_txn_delete(OwnedTxn *txn, ProtobufCBinaryData key,
							 Etcdserverpb__Compare__CompareResult result, int64 create_revision);

#endif							/* PGQ_GATEWAY_CONTEND_H */
