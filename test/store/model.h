/*-------------------------------------------------------------------------
 *
 * model.h
 *	  A plain model of the state machine, to compare the real one with.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/model.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_MODEL_H
#define PGQ_TEST_MODEL_H

#include "copy.pb-c.h"
#include "store/store.h"

/* One change of one key, as the model remembers it for ever */
typedef struct ModelChange
{
	int			key;			/* index into Model.keys */
	int64		main;
	int64		sub;
	bool		deleted;
	int64		create_revision;
	int64		version;
	int64		lease;
	char	   *value;
	uint32		value_len;
} ModelChange;

typedef struct ModelKey
{
	char	   *data;
	uint32		len;
} ModelKey;

typedef struct ModelMember
{
	uint64		id;
	char	   *packed;
	size_t		len;
} ModelMember;

/* A lease that exists, or once did */
typedef struct ModelLease
{
	int64		id;
	int64		ttl;
	int64		remaining;
	int			granted;		/* how often so far */
	bool		exists;
} ModelLease;

/* The import under way */
typedef struct ModelImport
{
	uint64		copy;			/* 0: none */
	Quorum__CopyChunk *chunks[4096];
	int			nchunks;
} ModelImport;

typedef struct Model
{
	MemoryContext context;
	ModelKey   *keys;			/* every key ever written, in no order */
	int			nkeys;
	ModelChange *changes;		/* every change, in order */
	int			nchanges;
	int64		revision;
	int64		compacted;
	ModelMember *members;
	int			nmembers;
	struct
	{
		uint64		member;
		int			kind;
	}			alarms[64];
	int			nalarms;
	ModelLease *leases;			/* every lease there ever was, in no order */
	int			nleases;
	ModelImport import;
	struct ModelAuth *auth;		/* model_auth.c */
} Model;

extern Model *model_create(void);
extern Quorum__Result *model_apply(Model *model, const Quorum__Command *command);
extern void model_record_member(Model *model, const Quorum__Member *member);
extern void model_drop_member(Model *model, uint64 id);

extern StoreError model_range(Model *model, const Etcdserverpb__RangeRequest *request,
							  bool in_txn, Etcdserverpb__RangeResponse **response);
extern Quorum__Result *model_read_txn(Model *model, const Etcdserverpb__TxnRequest *txn);
extern Mvccpb__KeyValue *model_kv(Model *model, const ModelChange *change);
extern ModelChange *model_version(Model *model, int key, int64 revision);
extern bool model_in_range(const char *key, uint32 len, ProtobufCBinaryData start,
						   ProtobufCBinaryData end);
extern uint32 model_hash(Model *model, int64 revision, int64 compacted);
extern void model_drop_alarms(Model *model, uint64 member);
extern bool model_alarm(Model *model, int kind);
extern int64 model_live_keys(Model *model);
extern ModelLease *model_lease(Model *model, int64 id);
extern ModelChange **model_lease_keys(Model *model, int64 id, int64 revision, int *n);
extern int	model_compare_bytes(const void *a, size_t a_len, const void *b, size_t b_len);

#endif							/* PGQ_TEST_MODEL_H */
