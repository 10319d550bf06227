/*-------------------------------------------------------------------------
 *
 * known_keys.h
 *	  A large set of keys that may forget some, and never makes anybody wait.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/known_keys.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_KNOWN_KEYS_H
#define PGQ_STORE_KNOWN_KEYS_H

typedef struct KnownKey
{
	const char *key;
	uint32		key_len;
} KnownKey;

typedef struct KnownKeys KnownKeys;

/* An empty set in a context of its own below the current one, with which it goes */
extern KnownKeys *known_keys_create(void);

/* The bytes of a key as the set has them, or NULL if it is not there */
extern const char *known_keys_find(const KnownKeys *keys, KnownKey key);

/* Add a key that is not there.  Its bytes have come from known_keys_copy() */
extern void known_keys_add(KnownKeys *keys, KnownKey key);

/* The key with its bytes copied to where they stay as long as the set may know it */
extern KnownKey known_keys_copy(KnownKeys *keys, KnownKey key);

/* Forget keys, and free the bytes of their copies, until the set takes no more than max bytes */
extern void known_keys_trim(KnownKeys *keys, Size max);

#endif							/* PGQ_STORE_KNOWN_KEYS_H */
