/*-------------------------------------------------------------------------
 *
 * pbjson.h
 *	  Protobuf messages as JSON and back, driven by their descriptors.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/pbjson.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_PBJSON_H
#define PGQ_PBJSON_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include <protobuf-c/protobuf-c.h>

typedef enum PbJsonStyle
{
	/*
	 * The JSON mapping of protobuf as etcd's gateway writes it: bytes in
	 * base64, 64-bit integers as strings.
	 */
	PBJSON_WIRE,

	/*
	 * For people: bytes as a string where they are text in the database
	 * encoding, else as {"base64": "..."}; integers as numbers.
	 */
	PBJSON_READABLE
} PbJsonStyle;

/*
 * Append a message as JSON in the database encoding.  Fields have their
 * .proto names; those with the default value are left out.
 */
extern void pbjson_append(StringInfo buf, const ProtobufCMessage *message,
						  PbJsonStyle style);

/* The same as jsonb, in the current memory context */
extern Jsonb *pbjson_to_jsonb(const ProtobufCMessage *message, PbJsonStyle style);

/*
 * Make a message, in the current memory context, of a JSON object.  Field names are
 * taken as in the .proto file or in lowerCamelCase; unknown ones are ignored;
 * null is the default.  64-bit integers may be strings or numbers, enums names
 * or numbers.  The style says how bytes are written.  ERROR 22023 with the
 * path in the detail when something does not fit its field.
 */
extern ProtobufCMessage *pbjson_from_jsonb(const ProtobufCMessageDescriptor *descriptor,
										   Jsonb *json, PbJsonStyle style);

/* The same from JSON text, which need not end in a NUL byte; ERROR 22P02 if it is not JSON */
extern ProtobufCMessage *pbjson_from_text(const ProtobufCMessageDescriptor *descriptor,
										  const char *text, size_t len, PbJsonStyle style);

/* Append bytes in the form of PBJSON_READABLE */
extern void pbjson_append_bytes(StringInfo buf, const void *data, size_t len);

/* Are these bytes text of the database encoding, without a NUL byte? */
extern bool pbjson_is_text(const void *data, size_t len);

/*
 * The jsonb value that the bytes are the text of, or NULL if they are none
 * that jsonb can hold.  Never an error, whatever the bytes.
 */
extern Jsonb *json_try_parse(const char *text, size_t len);

#endif							/* PGQ_PBJSON_H */
