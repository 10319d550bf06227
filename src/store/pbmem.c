/*-------------------------------------------------------------------------
 *
 * pbmem.c
 *	  Protocol buffer messages in memory contexts.
 *
 * protobuf-c takes its memory from an allocator; ours is palloc, so that an
 * ERROR anywhere frees a half-decoded message with its context, and nobody
 * has to call the free functions.
 *
 * The decoder recurses once for each level of nesting and each level costs
 * about a kilobyte of stack, while on the wire a level costs as little as two
 * bytes: a request of ordinary size could overflow the stack.  So the nesting
 * is measured first, without recursion.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/pbmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/pbmem.h"

/* Wire types, protocol buffers' encoding */
#define WIRE_VARINT		0
#define WIRE_FIXED64	1
#define WIRE_BYTES		2
#define WIRE_FIXED32	5

static void *
pb_alloc(void *allocator_data, size_t size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, size);
}

static void
pb_free(void *allocator_data, void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

ProtobufCAllocator pb_allocator = {pb_alloc, pb_free, NULL};

/* Read a varint at *p, before end; false if it is cut off or too long */
static bool
read_varint(const uint8 **p, const uint8 *end, uint64 *value)
{
	uint64		result = 0;
	int			shift;

	for (shift = 0; shift < 70; shift += 7)
	{
		uint8		byte;

		if (*p >= end)
			return false;
		byte = *(*p)++;
		if (shift < 64)
			result |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
		{
			*value = result;
			return true;
		}
	}
	return false;
}

/*
 * Does the message nest no deeper than PB_MAX_DEPTH?  Also false for bytes
 * that are no message; what else may be wrong with them is the decoder's
 * business.
 */
static bool
depth_is_bounded(const ProtobufCMessageDescriptor *descriptor,
				 const uint8 *data, size_t len)
{
	const ProtobufCMessageDescriptor *descriptors[PB_MAX_DEPTH];
	const uint8 *ends[PB_MAX_DEPTH];
	const uint8 *p = data;
	int			depth = 0;

	descriptors[0] = descriptor;
	ends[0] = data + len;

	for (;;)
	{
		uint64		tag;
		uint64		size;

		while (p == ends[depth])
		{
			if (depth == 0)
				return true;
			depth--;
		}

		if (!read_varint(&p, ends[depth], &tag))
			return false;

		switch (tag & 7)
		{
			case WIRE_VARINT:
				if (!read_varint(&p, ends[depth], &size))
					return false;
				break;
			case WIRE_FIXED64:
				if (ends[depth] - p < 8)
					return false;
				p += 8;
				break;
			case WIRE_FIXED32:
				if (ends[depth] - p < 4)
					return false;
				p += 4;
				break;
			case WIRE_BYTES:
				{
					const ProtobufCFieldDescriptor *field;

					if (!read_varint(&p, ends[depth], &size) ||
						size > (uint64) (ends[depth] - p))
						return false;
					field = (tag >> 3) > PG_UINT32_MAX ? NULL :
						protobuf_c_message_descriptor_get_field(descriptors[depth],
																(unsigned) (tag >> 3));
					if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE)
					{
						p += size;
						break;
					}
					if (depth + 1 >= PB_MAX_DEPTH)
						return false;
					depth++;
					descriptors[depth] =
						(const ProtobufCMessageDescriptor *) field->descriptor;
					ends[depth] = p + size;
					break;
				}
			default:
				return false;
		}
	}
}

ProtobufCMessage *
pb_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len)
{
	/* A level costs two bytes at least, so what is short cannot be deep. */
	if (len >= 2 * PB_MAX_DEPTH &&
		!depth_is_bounded(descriptor, (const uint8 *) data, len))
		return NULL;

	return protobuf_c_message_unpack(descriptor, &pb_allocator, len,
									 (const uint8 *) data);
}

char *
pb_pack(const ProtobufCMessage *message, size_t *len)
{
	size_t		size = protobuf_c_message_get_packed_size(message);
	char	   *buffer = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));

	*len = protobuf_c_message_pack(message, (uint8 *) buffer);
	return buffer;
}
