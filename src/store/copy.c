/*-------------------------------------------------------------------------
 *
 * copy.c
 *	  Logical copies of the store: the format and its checks.
 *
 * A copy is a sequence of chunks, each a packed message behind some magic
 * bytes, so that a copy can be kept as rows of a table, or as lines of a file.
 * Every chunk bears the number of the copy, which is random, and its own, so
 * chunks that are missing, repeated, out of order or of different copies are
 * noticed by themselves; anything else by the digest in the trailer.
 *
 * A copy comes from outside and may be anything.  Whoever takes chunks into
 * the store relies on what is checked here and must never fail on a chunk that has
 * passed, since all members would.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/copy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"

#include "authpb.pb-c.h"
#include "store/auth.h"
#include "store/copy.h"
#include "store/encoding.h"
#include "store/pbmem.h"

/* Greatest TTL of a lease, as etcd has it */
#define COPY_MAX_TTL	INT64CONST(9000000000)

/* Greatest revision of a copy: an import may have to go far beyond it */
#define COPY_MAX_REVISION	(PG_INT64_MAX / 4)

Quorum__CopyChunk *
copy_unpack(const char *bytes, size_t len)
{
	if (len < COPY_MAGIC_BYTES || memcmp(bytes, COPY_MAGIC, COPY_MAGIC_BYTES) != 0)
		return NULL;
	return (Quorum__CopyChunk *) pb_unpack(&quorum__copy_chunk__descriptor,
										   bytes + COPY_MAGIC_BYTES, len - COPY_MAGIC_BYTES);
}

char *
copy_pack(const Quorum__CopyChunk *chunk, uint32 *len)
{
	size_t		size = quorum__copy_chunk__get_packed_size(chunk);
	char	   *bytes = MemoryContextAllocHuge(CurrentMemoryContext, COPY_MAGIC_BYTES + size);

	memcpy(bytes, COPY_MAGIC, COPY_MAGIC_BYTES);
	quorum__copy_chunk__pack(chunk, (uint8_t *) bytes + COPY_MAGIC_BYTES);
	*len = COPY_MAGIC_BYTES + size;
	return bytes;
}

static const char *
check_auth(const Quorum__CopyAuth *auth)
{
	const ProtobufCMessageDescriptor *descriptor = NULL;

	if (auth->name.len == 0 || auth->name.len > AUTH_MAX_NAME_BYTES || auth->value.len == 0)
		return "A user or role in it is not valid.";
	switch (auth->kind)
	{
		case QUORUM__COPY_AUTH__KIND__ROLE:
			descriptor = &authpb__role__descriptor;
			break;
		case QUORUM__COPY_AUTH__KIND__USER:
			descriptor = &authpb__user__descriptor;
			break;
		case QUORUM__COPY_AUTH__KIND__USER_MAP:
			break;
		default:
			return "It contains something that this version does not know.";
	}
	if (descriptor != NULL)
	{
		ProtobufCMessage *message = pb_unpack(descriptor, (const char *) auth->value.data,
											  auth->value.len);

		if (message == NULL)
			return "A user or role in it is not valid.";
		protobuf_c_message_free_unpacked(message, &pb_allocator);
	}
	return NULL;
}

static const char *
check_key(const CopyState *state, const Quorum__CopyKey *key)
{
	if (key->key.len == 0 || key->key.len > STORE_MAX_KEY_BYTES ||
		key->value.len > TREE_MAX_VALUE_BYTES - VERSION_HEADER_MAX)
		return "A key or value in it is too long.";
	if (key->create_revision < 1 || key->create_revision > key->mod_revision ||
		key->mod_revision > state->revision || key->version < 1)
		return "A revision in it is not valid.";
	if (state->last_len > 0 &&
		bytes_compare(state->last_key, state->last_len,
					  (const char *) key->key.data, (uint32) key->key.len) >= 0)
		return "Its keys are not in order.";
	return NULL;
}

static void
note_key(CopyState *state, const Quorum__CopyKey *key)
{
	state->last_len = (uint32) key->key.len;
	memcpy(state->last_key, key->key.data, key->key.len);
}

void
copy_note_keys(CopyState *state, const Quorum__CopyChunk *chunk)
{
	if (chunk->n_keys > 0)
		note_key(state, chunk->keys[chunk->n_keys - 1]);
}

static const char *
accept_header(CopyState *state, const Quorum__CopyChunk *chunk)
{
	const Quorum__CopyHeader *header = chunk->header;

	if (chunk->number != 0 || header == NULL || chunk->copy == 0)
		return "It does not begin with the first chunk.";
	if (chunk->n_auth + chunk->n_leases + chunk->n_keys > 0 || chunk->trailer != NULL ||
		header->revision < 1 || header->revision > COPY_MAX_REVISION)
		return "Its header is not valid.";
	state->copy = chunk->copy;
	state->revision = header->revision;
	state->auth_enabled = header->auth_enabled;
	state->keys_announced = header->keys;
	state->next = 1;
	return NULL;
}

const char *
copy_accept(CopyState *state, const Quorum__CopyChunk *chunk)
{
	const char *wrong = NULL;
	size_t		i;

	if (state->next == 0)
		return accept_header(state, chunk);
	if (state->complete)
		return "There is something behind the last chunk.";
	if (chunk->copy != state->copy)
		return "It is put together from different copies.";
	if (chunk->number != state->next || chunk->header != NULL)
		return "Chunks are missing, repeated or out of order.";

	if (chunk->trailer != NULL)
	{
		if (chunk->n_auth + chunk->n_leases + chunk->n_keys > 0 ||
			chunk->trailer->keys != state->keys || chunk->trailer->leases != state->leases ||
			state->keys_announced != state->keys)
			return "Its trailer does not fit the rest.";
		state->complete = true;
	}
	for (i = 0; wrong == NULL && i < chunk->n_auth; i++)
		wrong = check_auth(chunk->auth[i]);
	for (i = 0; wrong == NULL && i < chunk->n_leases; i++)
	{
		if (chunk->leases[i]->id == 0 || chunk->leases[i]->ttl < 1 ||
			chunk->leases[i]->ttl > COPY_MAX_TTL)
			wrong = "A lease in it is not valid.";
		state->leases++;
	}
	/* a key must find its lease when it comes */
	if (wrong == NULL && state->keys > 0 && chunk->n_auth + chunk->n_leases > 0)
		wrong = "Its parts are out of order.";
	for (i = 0; wrong == NULL && i < chunk->n_keys; i++)
	{
		const Quorum__CopyKey *key = chunk->keys[i];

		wrong = check_key(state, key);
		if (wrong != NULL)
			break;
		note_key(state, key);
		if (state->least_revision == 0 || key->mod_revision < state->least_revision)
			state->least_revision = key->mod_revision;
		state->keys++;
	}
	state->next++;
	return wrong;
}

void
copy_digest(uint8 digest[PG_SHA256_DIGEST_LENGTH], const char *bytes, size_t len)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (ctx == NULL ||
		pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, digest, PG_SHA256_DIGEST_LENGTH) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) bytes, len) < 0 ||
		pg_cryptohash_final(ctx, digest, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(ctx);
}
