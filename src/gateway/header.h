/*-------------------------------------------------------------------------
 *
 * header.h
 *	  The header of responses: which cluster, which member, which revision, which term.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/header.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_GATEWAY_HEADER_H
#define PGQ_GATEWAY_HEADER_H

#include "etcdserverpb.pb-c.h"

/* Fill in a header, initialized here.  Never raises */
extern void header_fill(Etcdserverpb__ResponseHeader *header, int64 revision);

/* Complete one that the store has made, which knows the revision alone */
extern void header_complete(Etcdserverpb__ResponseHeader *header);

/* The revision of answers that are of no revision in particular: the present one */
extern int64 header_revision(void);

/*
 * Write a header as the field number 1 of a response, packed.  Returns the number of
 * bytes, at most HEADER_FIELD_MAX.
 */
#define HEADER_FIELD_MAX		64
extern size_t header_pack_field(int64 revision, uint8 *bytes);

#endif							/* PGQ_GATEWAY_HEADER_H */
