/*-------------------------------------------------------------------------
 *
 * header.c
 *	  The header of responses: which cluster, which member, which revision, which term.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/header.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/header.h"
#include "member/member.h"

/* Tag of field 1 with a length */
#define FIELD_1_BYTES			0x0a

void
header_complete(Etcdserverpb__ResponseHeader *header)
{
	member_get_identity(&header->cluster_id, &header->member_id, &header->raft_term);
}

void
header_fill(Etcdserverpb__ResponseHeader *header, int64 revision)
{
	etcdserverpb__response_header__init(header);
	header->revision = revision;
	header_complete(header);
}

int64
header_revision(void)
{
	return member_published_revision();
}

size_t
header_pack_field(int64 revision, uint8 *bytes)
{
	Etcdserverpb__ResponseHeader header;
	size_t		len;

	header_fill(&header, revision);
	len = etcdserverpb__response_header__pack(&header, bytes + 2);
	Assert(len < 0x80 && len + 2 <= HEADER_FIELD_MAX);
	bytes[0] = FIELD_1_BYTES;
	bytes[1] = (uint8) len;
	return len + 2;
}
