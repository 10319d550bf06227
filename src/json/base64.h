/*-------------------------------------------------------------------------
 *
 * base64.h
 *	  Base64 as JSON forms of protobuf messages use it.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/json/base64.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_BASE64_H
#define PGQ_BASE64_H

#include "lib/stringinfo.h"

/* Append the standard alphabet's form, padded. */
extern void base64_append(StringInfo buf, const void *data, size_t len);

/* Append the URL alphabet's form, without padding. */
extern void base64url_append(StringInfo buf, const void *data, size_t len);

/*
 * Decode into dst, which must have room for len / 4 * 3 + 3 bytes.  Takes the
 * standard and the URL alphabet, padded or not.  Returns the length, or -1 if
 * the text is not base64.
 */
extern int64 base64_decode(const char *text, size_t len, uint8 *dst);

#endif							/* PGQ_BASE64_H */
