/*-------------------------------------------------------------------------
 *
 * pbwire.c
 *	  Protobuf messages in PostgreSQL's memory contexts.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbwire.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pbwire.h"

/* The wire types that proto3 uses; 3 and 4 were groups. */
#define WIRE_VARINT		0
#define WIRE_FIXED64	1
#define WIRE_BYTES		2
#define WIRE_FIXED32	5

/* A varint has at most ten bytes of seven bits. */
#define VARINT_MAX_BYTES	10

static void *
allocate(void *data, size_t size)
{
	return palloc(size);
}

static void
release(void *data, void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

ProtobufCAllocator pbwire_allocator = {allocate, release, NULL};

/*
 * Read a varint at *offset and step over it; false if it is cut off or too
 * long.
 */
static bool
read_varint(const uint8_t *data, size_t len, size_t *offset, uint64 *value)
{
	uint64		result = 0;
	int			i;

	for (i = 0; i < VARINT_MAX_BYTES; i++)
	{
		uint8		byte;

		if (*offset >= len)
			return false;
		byte = data[(*offset)++];
		result |= ((uint64) (byte & 0x7f)) << (7 * i);
		if ((byte & 0x80) == 0)
		{
			*value = result;
			return true;
		}
	}
	return false;
}

/*
 * pbwire_check
 *
 * The recursion is bounded by max_depth, whatever the input.
 */
bool
pbwire_check(const ProtobufCMessageDescriptor *descriptor,
			 const uint8_t *data, size_t len, int max_depth)
{
	size_t		offset = 0;

	if (max_depth <= 0)
		return false;

	while (offset < len)
	{
		const ProtobufCFieldDescriptor *field;
		uint64		tag;
		uint64		size;

		if (!read_varint(data, len, &offset, &tag))
			return false;
		if (tag >> 3 == 0 || tag >> 3 > PG_UINT32_MAX)
			return false;

		switch (tag & 7)
		{
			case WIRE_VARINT:
				if (!read_varint(data, len, &offset, &size))
					return false;
				continue;
			case WIRE_FIXED64:
				size = 8;
				break;
			case WIRE_FIXED32:
				size = 4;
				break;
			case WIRE_BYTES:
				if (!read_varint(data, len, &offset, &size))
					return false;
				break;
			default:
				return false;
		}
		if (size > len - offset)
			return false;

		if ((tag & 7) == WIRE_BYTES)
		{
			field = protobuf_c_message_descriptor_get_field(descriptor,
															(unsigned) (tag >> 3));
			if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE &&
				!pbwire_check(field->descriptor, data + offset, size, max_depth - 1))
				return false;
		}
		offset += size;
	}
	return true;
}

ProtobufCMessage *
pbwire_unpack(const ProtobufCMessageDescriptor *descriptor,
			  const uint8_t *data, size_t len)
{
	if (!pbwire_check(descriptor, data, len, PBWIRE_MAX_DEPTH))
		return NULL;
	return protobuf_c_message_unpack(descriptor, &pbwire_allocator, len, data);
}

size_t
pbwire_element_size(ProtobufCType type)
{
	switch (type)
	{
		case PROTOBUF_C_TYPE_INT32:
		case PROTOBUF_C_TYPE_SINT32:
		case PROTOBUF_C_TYPE_SFIXED32:
		case PROTOBUF_C_TYPE_UINT32:
		case PROTOBUF_C_TYPE_FIXED32:
		case PROTOBUF_C_TYPE_FLOAT:
			return 4;
		case PROTOBUF_C_TYPE_INT64:
		case PROTOBUF_C_TYPE_SINT64:
		case PROTOBUF_C_TYPE_SFIXED64:
		case PROTOBUF_C_TYPE_UINT64:
		case PROTOBUF_C_TYPE_FIXED64:
		case PROTOBUF_C_TYPE_DOUBLE:
			return 8;
		case PROTOBUF_C_TYPE_BOOL:
			return sizeof(protobuf_c_boolean);
		case PROTOBUF_C_TYPE_ENUM:
			return sizeof(int);
		case PROTOBUF_C_TYPE_STRING:
		case PROTOBUF_C_TYPE_MESSAGE:
			return sizeof(void *);
		case PROTOBUF_C_TYPE_BYTES:
			return sizeof(ProtobufCBinaryData);
	}
	return 0;
}
