/*-------------------------------------------------------------------------
 *
 * build_requests.h
 *	  Short ways to make commands, and to say what must come of them.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/store/build_requests.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_TEST_BUILD_REQUESTS_H
#define PGQ_TEST_BUILD_REQUESTS_H

#include "world.h"

/* Everything is in the current memory context; strings end with a zero byte */
extern ProtobufCBinaryData text_bytes(const char *text);
extern ProtobufCBinaryData long_bytes(char byte, size_t len);

extern Quorum__Command *put_command(const char *key, const char *value);
extern Quorum__Command *put_lease_command(const char *key, int64 lease);
extern Quorum__Command *delete_command(const char *key, const char *range_end);
extern Quorum__Command *delete_all_command(void);
extern Quorum__Command *compact_command(int64 revision);
extern Quorum__Command *grant_command(int64 lease, int64 ttl);
extern Quorum__Command *revoke_command(int64 lease);
extern Quorum__Command *checkpoint_command(int64 lease, int64 remaining);
extern Quorum__Command *txn_command(Etcdserverpb__TxnRequest *txn);

extern Etcdserverpb__TxnRequest *make_txn(void);
extern void add_op(Etcdserverpb__TxnRequest *txn, bool success, Etcdserverpb__RequestOp *op);
extern void add_compare(Etcdserverpb__TxnRequest *txn, Etcdserverpb__Compare *compare);
extern Etcdserverpb__RequestOp *put_op(const char *key, const char *value);
extern Etcdserverpb__RequestOp *delete_op(const char *key, const char *range_end);
extern Etcdserverpb__RequestOp *range_op(const char *key, const char *range_end, int64 revision);
extern Etcdserverpb__RequestOp *txn_op(Etcdserverpb__TxnRequest *txn);
extern Etcdserverpb__Compare *compare_number(const char *key, int target, int result, int64 number);
extern Etcdserverpb__Compare *compare_value(const char *key, int result, const char *value);

#define expect(condition) \
	do { \
		if (!(condition)) \
			fail(NULL, "%s, line %d: not so: %s", __func__, __LINE__, #condition); \
	} while (0)

#define expect_error(world, command, code) \
	do { \
		Quorum__Result *result_ = world_apply(world, command); \
		if (result_->error != (int32) (code)) \
			fail(NULL, "%s, line %d: error %d and not %s", __func__, __LINE__, \
				 result_->error, #code); \
	} while (0)

#endif							/* PGQ_TEST_BUILD_REQUESTS_H */
