/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Tokens: how a client that has authenticated shows who it is.
 *
 * A simple token is good on every member, but no member knows of it before it is
 * shown one.  It says whose it is and when it was made, and is signed with a key that all members
 * can derive: from the user's verifier, which is in the store, and the
 * number of the cluster.  So nothing is written when a client
 * authenticates, nothing has to be told to others, a changed password ends all tokens made with
 * the old one, and what a log or a backup shows of a token is of no use without the store.
 *
 *		nonce, 16 letters  "."  base64url(version, time, auth revision, user, signature)
 *
 * It runs out pg_quorum.auth_token_ttl after it was made; but where it is used, it
 * stays good for that time after each use, as etcd's do.  For this a member remembers the
 * tokens that it has accepted, by their digests, in a table of bounded size; the one that was not
 * used for longest makes room.  The same table spares the checks of a signature
 * as long as no user has changed.
 *
 * As in etcd, a simple token goes on when users and roles change, since what
 * it stands for is looked up each time; a JWT is of one auth revision.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/token.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "gateway/jwt.h"
#include "gateway/token.h"
#include "json/base64.h"
#include "member/member.h"
#include "settings.h"
#include "store/store.h"

/* Tokens that are remembered; each takes about 200 bytes */
#define REMEMBERED_TOKENS	16384

#define DIGEST_BYTES		32
#define NONCE_LETTERS		16
#define TOKEN_VERSION		1

/* What is signed behind the nonce, before the user's name */
#define FIXED_BYTES			(1 + 2 * (int) sizeof(uint64))

/* A token that was accepted */
typedef struct Accepted
{
	uint8		digest[DIGEST_BYTES];	/* of its text; the hash key */
	dlist_node	node;
	char	   *user;
	uint64		checked_at;		/* auth revision of the last check of the signature */
	uint64		revision;		/* of a JWT, its claim; else 0 */
	TimestampTz good_until;
} Accepted;

static bool configured = false;
static TokenSetting setting;	/* method NULL at first */

static MemoryContext token_context;
static HTAB *accepted_tokens;
static dlist_head recently_used;	/* the head is the one used last */

/* ----------------------------------------------------------------
 *	Settings
 * ----------------------------------------------------------------
 */

void
token_reload(void)
{
	configured = false;
}

static void
forget_all(void)
{
	if (token_context != NULL)
		MemoryContextDelete(token_context);
	token_context = AllocSetContextCreate(TopMemoryContext, "pg_quorum tokens",
										  ALLOCSET_DEFAULT_SIZES);
	accepted_tokens = NULL;
	dlist_init(&recently_used);
}

/* Read the keys.  What was accepted stays so only where there are none before and after */
static void
configure(void)
{
	bool		were_simple = setting.method == NULL && token_context != NULL;
	const char *wrong = token_setting_parse(setting_auth_token, &setting);

	configured = true;
	if (!were_simple || setting.method != NULL)
		forget_all();
	if (wrong == NULL && setting.method != NULL)
		wrong = jwt_load(&setting);
	if (wrong != NULL)
		ereport(LOG,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("no client can authenticate to the gateway: invalid \"%s\"",
						"pg_quorum.auth_token"),
				 errdetail_internal("%s", wrong)));
}

/* ----------------------------------------------------------------
 *	What was accepted
 * ----------------------------------------------------------------
 */

static void
forget(Accepted *entry)
{
	dlist_delete(&entry->node);
	pfree(entry->user);
	(void) hash_search(accepted_tokens, entry->digest, HASH_REMOVE, NULL);
}

static Accepted *
find_accepted(const uint8 *digest, TimestampTz now)
{
	Accepted   *entry;

	if (accepted_tokens == NULL)
		return NULL;
	entry = hash_search(accepted_tokens, digest, HASH_FIND, NULL);
	if (entry != NULL && entry->good_until <= now)
	{
		forget(entry);
		return NULL;
	}
	return entry;
}

static Accepted *
remember(const uint8 *digest, const char *user)
{
	Accepted   *entry;
	char	   *copy = MemoryContextStrdup(token_context, user);

	if (accepted_tokens == NULL)
	{
		HASHCTL		ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = DIGEST_BYTES;
		ctl.entrysize = sizeof(Accepted);
		ctl.hcxt = token_context;
		accepted_tokens = hash_create("pg_quorum tokens", 256, &ctl,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (hash_get_num_entries(accepted_tokens) >= REMEMBERED_TOKENS)
		forget(dlist_tail_element(Accepted, node, &recently_used));
	entry = hash_search(accepted_tokens, digest, HASH_ENTER, NULL);
	entry->user = copy;
	entry->revision = 0;
	dlist_push_head(&recently_used, &entry->node);
	return entry;
}

static void
digest_of(const char *token, size_t len, uint8 *digest)
{
	if (EVP_Digest(token, len, digest, NULL, EVP_sha256(), NULL) != 1)
		elog(ERROR, "could not compute a digest");
}

/* ----------------------------------------------------------------
 *	Simple tokens
 * ----------------------------------------------------------------
 */

/*
 * The signature.  A verifier is text that contains a key which nobody can tell without
 * the password or the store; it is hashed once more, so that this use of it tells nothing
 * for its other one.
 */
static void
sign(const char *verifier, size_t verifier_len, const char *nonce,
	 const uint8 *payload, size_t payload_len, uint8 *signature)
{
	static const char purpose[] = "pg_quorum token";
	uint8		derive[sizeof(purpose) + sizeof(uint64)];
	uint8		key[DIGEST_BYTES];
	uint8	   *text = palloc(NONCE_LETTERS + payload_len);
	uint64		cluster;
	uint64		member;
	uint64		term;

	member_get_identity(&cluster, &member, &term);
	cluster = pg_hton64(cluster);
	memcpy(derive, purpose, sizeof(purpose));
	memcpy(derive + sizeof(purpose), &cluster, sizeof(cluster));
	memcpy(text, nonce, NONCE_LETTERS);
	memcpy(text + NONCE_LETTERS, payload, payload_len);
	if (HMAC(EVP_sha256(), verifier, (int) verifier_len, derive, sizeof(derive), key, NULL) == NULL ||
		HMAC(EVP_sha256(), key, sizeof(key), text, NONCE_LETTERS + payload_len, signature, NULL) == NULL)
		elog(ERROR, "could not sign a token");
	OPENSSL_cleanse(key, sizeof(key));
	pfree(text);
}

static char *
issue_simple(const char *user, const char *verifier, size_t verifier_len, uint64 auth_revision)
{
	size_t		user_len = strlen(user);
	size_t		payload_len = FIXED_BYTES + user_len;
	uint8	   *payload = palloc(payload_len + DIGEST_BYTES);
	uint64		issued = pg_hton64((uint64) GetCurrentTimestamp());
	uint64		revision = pg_hton64(auth_revision);
	uint8		random[NONCE_LETTERS];
	StringInfoData token;
	int			i;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	payload[0] = TOKEN_VERSION;
	memcpy(payload + 1, &issued, sizeof(issued));
	memcpy(payload + 1 + sizeof(issued), &revision, sizeof(revision));
	memcpy(payload + FIXED_BYTES, user, user_len);

	initStringInfo(&token);
	for (i = 0; i < NONCE_LETTERS; i++)
		appendStringInfoChar(&token, 'a' + random[i] % 26);
	sign(verifier, verifier_len, token.data, payload, payload_len, payload + payload_len);
	appendStringInfoChar(&token, '.');
	base64url_append(&token, payload, payload_len + DIGEST_BYTES);
	pfree(payload);
	return token.data;
}

/*
 * Is this a token that a member made?  Says whose, and when it was made.  A token of
 * somebody whom this member does not know (yet) is none.
 */
static bool
check_simple(Relation store, const char *token, size_t len, char **user, TimestampTz *issued)
{
	uint8	   *payload;
	uint8		signature[DIGEST_BYTES];
	uint64		time;
	uint64		auth_revision;
	int64		payload_len;
	Authpb__User *found;

	if (len < NONCE_LETTERS + 1 || token[NONCE_LETTERS] != '.')
		return false;
	payload = palloc(len + 4);
	payload_len = base64_decode(token + NONCE_LETTERS + 1, len - NONCE_LETTERS - 1, payload);
	payload_len -= DIGEST_BYTES;
	if (payload_len <= FIXED_BYTES || payload[0] != TOKEN_VERSION ||
		memchr(payload + FIXED_BYTES, '\0', payload_len - FIXED_BYTES) != NULL)
		return false;
	if (payload_len - FIXED_BYTES > STORE_MAX_KEY_BYTES)
		return false;

	*user = pnstrdup((char *) payload + FIXED_BYTES, payload_len - FIXED_BYTES);
	found = store_find_user(store, *user, &auth_revision);
	if (found == NULL || found->password.len == 0)
		return false;
	sign((char *) found->password.data, found->password.len, token, payload, payload_len, signature);
	if (CRYPTO_memcmp(signature, payload + payload_len, DIGEST_BYTES) != 0)
		return false;
	memcpy(&time, payload + 1, sizeof(time));
	*issued = (TimestampTz) pg_ntoh64(time);
	return true;
}

/* ----------------------------------------------------------------
 *	Tokens of either kind
 * ----------------------------------------------------------------
 */

static bool
accept_simple(Relation store, const char *token, size_t len, const uint8 *digest,
			  Accepted *entry, uint64 auth_revision, TimestampTz now, TokenBearer *bearer)
{
	const int64 ttl = (int64) setting_auth_token_ttl * USECS_PER_SEC;

	if (entry == NULL || entry->checked_at != auth_revision)
	{
		char	   *user;
		TimestampTz issued;

		if (!check_simple(store, token, len, &user, &issued))
		{
			if (entry != NULL)
				forget(entry);
			return false;
		}
		if (entry == NULL)
		{
			/* one from a clock ahead of ours does not live longer for it */
			if (Min(issued, now) + ttl <= now)
				return false;
			entry = remember(digest, user);
		}
		entry->checked_at = auth_revision;
	}
	entry->good_until = now + ttl;
	dlist_move_head(&recently_used, &entry->node);
	bearer->user = pstrdup(entry->user);
	bearer->auth_revision = auth_revision;
	return true;
}

static bool
accept_jwt(const char *token, const uint8 *digest, Accepted *entry, TimestampTz now,
		   TokenBearer *bearer)
{
	if (entry == NULL)
	{
		JwtClaims	claims;

		if (!jwt_verify(token, now, &claims))
			return false;
		entry = remember(digest, claims.username);
		entry->revision = claims.revision;
		entry->good_until = claims.expires;
	}
	dlist_move_head(&recently_used, &entry->node);
	bearer->user = pstrdup(entry->user);
	bearer->auth_revision = entry->revision;
	return true;
}

bool
token_check(Relation store, const char *token, uint64 auth_revision, TokenBearer *bearer)
{
	TimestampTz now = GetCurrentTimestamp();
	size_t		len = strnlen(token, AUTH_TOKEN_MAX_BYTES + 1);
	uint8		digest[DIGEST_BYTES];
	Accepted   *entry;

	if (len == 0 || len > AUTH_TOKEN_MAX_BYTES)
		return false;
	if (!configured)
		configure();
	digest_of(token, len, digest);
	entry = find_accepted(digest, now);
	if (setting.method != NULL)
		return accept_jwt(token, digest, entry, now, bearer);
	return accept_simple(store, token, len, digest, entry, auth_revision, now, bearer);
}

char *
token_issue(const char *user, const char *verifier, size_t verifier_len, uint64 auth_revision)
{
	if (!configured)
		configure();
	if (setting.method != NULL)
		return jwt_sign(user, auth_revision, GetCurrentTimestamp());
	return issue_simple(user, verifier, verifier_len, auth_revision);
}
