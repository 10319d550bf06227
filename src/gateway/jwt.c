/*-------------------------------------------------------------------------
 *
 * jwt.c
 *	  JSON web tokens.
 *
 * The claims are etcd's: username, revision (the auth revision that it was made at) and
 * exp.  The method of signing is that of the setting; what a token says of its own method
 * must be the same, and decides nothing.  Without a private key tokens are only verified; who
 * else makes them has to know the auth revision.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/jwt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "gateway/jwt.h"
#include "gateway/token.h"
#include "json/base64.h"
#include "json/pbjson.h"

#define KEY_FILE_MAX_BYTES	65536

/* Seconds from the Unix epoch to PostgreSQL's */
#define EPOCH_SECONDS	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* A time in seconds that a timestamp can hold: up to the year 9999 */
#define LATEST_SECONDS	INT64CONST(253402300799)

static const JwtMethod *method; /* NULL: no keys */
static long ttl;
static EVP_PKEY *public_key;
static EVP_PKEY *private_key;
static char *secret;			/* of HMAC */
static int	secret_len;

/* ----------------------------------------------------------------
 *	Keys
 * ----------------------------------------------------------------
 */

/* A key with a passphrase is refused, instead of asking for it at a terminal */
static int
no_passphrase(char *buf, int size, int rwflag, void *userdata)
{
	return 0;
}

static char *
read_key_file(const char *path, int *len)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	char	   *bytes;
	ssize_t		n;

	if (fd < 0)
		return NULL;
	bytes = palloc(KEY_FILE_MAX_BYTES + 1);
	n = read(fd, bytes, KEY_FILE_MAX_BYTES + 1);
	CloseTransientFile(fd);
	if (n <= 0 || n > KEY_FILE_MAX_BYTES)
		return NULL;
	*len = (int) n;
	return bytes;
}

static EVP_PKEY *
read_key(const char *path, bool is_private)
{
	int			len;
	char	   *bytes = read_key_file(path, &len);
	BIO		   *bio = bytes != NULL ? BIO_new_mem_buf(bytes, len) : NULL;
	EVP_PKEY   *key = NULL;

	if (bio != NULL && is_private)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	else if (bio != NULL)
	{
		key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
		if (key == NULL && BIO_reset(bio) == 1)
		{
			X509	   *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

			if (certificate != NULL)
			{
				key = X509_get_pubkey(certificate);
				X509_free(certificate);
			}
		}
	}
	BIO_free(bio);
	if (bytes != NULL)
	{
		OPENSSL_cleanse(bytes, len);
		pfree(bytes);
	}
	ERR_clear_error();
	return key;
}

/* Is it a key of the kind that the method signs with? */
static bool
key_fits(EVP_PKEY *key, const JwtMethod *wanted)
{
	switch (wanted->family)
	{
		case JWT_RSA:
		case JWT_RSA_PSS:
			return EVP_PKEY_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) >= 2048;
		case JWT_ECDSA:
			return EVP_PKEY_base_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) == wanted->key_bits;
		case JWT_EDDSA:
			return EVP_PKEY_base_id(key) == EVP_PKEY_ED25519;
		default:
			return false;
	}
}

static void
drop_keys(void)
{
	EVP_PKEY_free(public_key);
	EVP_PKEY_free(private_key);
	public_key = private_key = NULL;
	if (secret != NULL)
	{
		OPENSSL_cleanse(secret, secret_len);
		pfree(secret);
		secret = NULL;
	}
	method = NULL;
}

static const char *
load_pair(const TokenSetting *setting)
{
	if (setting->private_key[0] != '\0')
	{
		private_key = read_key(setting->private_key, true);
		if (private_key == NULL || !key_fits(private_key, setting->method))
			return psprintf("File \"%s\" has no private key, without a passphrase, for %s.",
							setting->private_key, setting->method->name);
	}
	if (setting->public_key[0] != '\0')
	{
		public_key = read_key(setting->public_key, false);
		if (public_key == NULL || !key_fits(public_key, setting->method))
			return psprintf("File \"%s\" has no public key for %s.",
							setting->public_key, setting->method->name);
	}
	else
	{
		public_key = private_key;
		EVP_PKEY_up_ref(private_key);
	}
	return NULL;
}

static const char *
load_secret(const TokenSetting *setting)
{
	char	   *bytes = read_key_file(setting->private_key, &secret_len);

	if (bytes == NULL)
		return psprintf("File \"%s\" cannot be read, is empty or too large.", setting->private_key);
	secret = MemoryContextAlloc(TopMemoryContext, secret_len);
	memcpy(secret, bytes, secret_len);
	OPENSSL_cleanse(bytes, secret_len);
	pfree(bytes);
	return NULL;
}

const char *
jwt_load(const TokenSetting *setting)
{
	const char *wrong;

	drop_keys();
	wrong = setting->method->family == JWT_HMAC ? load_secret(setting) : load_pair(setting);
	if (wrong != NULL)
	{
		drop_keys();
		return wrong;
	}
	method = setting->method;
	ttl = setting->ttl;
	return NULL;
}

/* ----------------------------------------------------------------
 *	Signatures
 * ----------------------------------------------------------------
 */

/* What the method's signature has in bytes, for an elliptic curve */
static int
ecdsa_half(void)
{
	return (method->key_bits + 7) / 8;
}

/* The standard has the two numbers of an ECDSA signature side by side, OpenSSL in DER */
static bool
ecdsa_to_der(const uint8 *plain, size_t len, uint8 **der, size_t *der_len)
{
	int			half = ecdsa_half();
	ECDSA_SIG  *sig;
	BIGNUM	   *r;
	BIGNUM	   *s;
	int			n;

	*der = NULL;
	if (len != (size_t) half * 2 || (sig = ECDSA_SIG_new()) == NULL)
		return false;
	r = BN_bin2bn(plain, half, NULL);
	s = BN_bin2bn(plain + half, half, NULL);
	if (r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
	{
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(sig);
		return false;
	}
	n = i2d_ECDSA_SIG(sig, der);
	ECDSA_SIG_free(sig);
	*der_len = (size_t) Max(n, 0);
	return n > 0;
}

static bool
ecdsa_from_der(const uint8 *der, size_t der_len, uint8 *plain, size_t *len)
{
	int			half = ecdsa_half();
	ECDSA_SIG  *sig = d2i_ECDSA_SIG(NULL, &der, (long) der_len);
	bool		good;

	if (sig == NULL)
		return false;
	good = BN_bn2binpad(ECDSA_SIG_get0_r(sig), plain, half) == half &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), plain + half, half) == half;
	ECDSA_SIG_free(sig);
	*len = (size_t) half * 2;
	return good;
}

static bool
set_padding(EVP_PKEY_CTX *ctx)
{
	if (method->family != JWT_RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static const EVP_MD *
method_digest(void)
{
	return method->digest != NULL ? EVP_get_digestbyname(method->digest) : NULL;
}

static bool
verify_signature(const char *text, size_t len, const uint8 *signature, size_t signature_len)
{
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *pctx;
	uint8	   *der = NULL;
	bool		good;

	if (method->family == JWT_HMAC)
	{
		uint8		expected[EVP_MAX_MD_SIZE];
		unsigned int expected_len;

		return HMAC(method_digest(), secret, secret_len, (const uint8 *) text, len,
					expected, &expected_len) != NULL &&
			signature_len == expected_len &&
			CRYPTO_memcmp(signature, expected, expected_len) == 0;
	}
	if (method->family == JWT_ECDSA)
	{
		if (!ecdsa_to_der(signature, signature_len, &der, &signature_len))
			return false;
		signature = der;
	}
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL &&
		EVP_DigestVerifyInit(ctx, &pctx, method_digest(), NULL, public_key) == 1 &&
		set_padding(pctx) &&
		EVP_DigestVerify(ctx, signature, signature_len, (const uint8 *) text, len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	ERR_clear_error();
	return good;
}

/* The signature of a text, palloc'd; NULL if that fails */
static uint8 *
make_signature(const char *text, size_t len, size_t *signature_len)
{
	uint8	   *signature;
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *pctx;
	bool		good;

	if (method->family == JWT_HMAC)
	{
		unsigned int n;

		signature = palloc(EVP_MAX_MD_SIZE);
		if (HMAC(method_digest(), secret, secret_len, (const uint8 *) text, len,
				 signature, &n) == NULL)
			return NULL;
		*signature_len = n;
		return signature;
	}
	*signature_len = EVP_PKEY_size(private_key) + 1;
	signature = palloc(*signature_len);
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL &&
		EVP_DigestSignInit(ctx, &pctx, method_digest(), NULL, private_key) == 1 &&
		set_padding(pctx) &&
		EVP_DigestSign(ctx, signature, signature_len, (const uint8 *) text, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (good && method->family == JWT_ECDSA)
	{
		uint8	   *plain = palloc(2 * ecdsa_half());

		good = ecdsa_from_der(signature, *signature_len, plain, signature_len);
		signature = plain;
	}
	return good ? signature : NULL;
}

/* ----------------------------------------------------------------
 *	Claims
 * ----------------------------------------------------------------
 */

/* A part of a token, from base64 to the object that it is the text of; NULL if it is none */
static Jsonb *
decode_part(const char *part, size_t len)
{
	uint8	   *text = palloc(len + 4);
	int64		text_len = base64_decode(part, len, text);
	Jsonb	   *json = text_len < 0 ? NULL : json_try_parse((char *) text, text_len);

	return json != NULL && JB_ROOT_IS_OBJECT(json) ? json : NULL;
}

static JsonbValue *
find_field(Jsonb *json, const char *name, int type)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, name, strlen(name), NULL);

	return value != NULL && (int) value->type == type ? value : NULL;
}

/* A number without a fraction that matters; false if it is out of range */
static bool
find_number(Jsonb *json, const char *name, int64 max, int64 *number)
{
	JsonbValue *value = find_field(json, name, jbvNumeric);
	double		d;

	if (value == NULL)
		return false;
	d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(value->val.numeric)));
	if (isnan(d) || d < 0 || d > (double) max)
		return false;
	*number = (int64) d;
	return true;
}

static bool
header_fits(Jsonb *header)
{
	JsonbValue *alg = find_field(header, "alg", jbvString);

	return alg != NULL && alg->val.string.len == (int) strlen(method->name) &&
		memcmp(alg->val.string.val, method->name, alg->val.string.len) == 0;
}

static bool
take_claims(Jsonb *json, TimestampTz now, JwtClaims *claims)
{
	int64		now_seconds = now / USECS_PER_SEC + EPOCH_SECONDS;
	JsonbValue *name = find_field(json, "username", jbvString);
	int64		number;

	/* an auth revision of 0 would mean: of none in particular */
	if (name == NULL || name->val.string.len == 0 ||
		!find_number(json, "revision", PG_INT64_MAX / 2, &number) || number == 0)
		return false;
	claims->username = pnstrdup(name->val.string.val, name->val.string.len);
	claims->revision = (uint64) number;
	if (!find_number(json, "exp", LATEST_SECONDS, &number) || number <= now_seconds)
		return false;
	claims->expires = (number - EPOCH_SECONDS) * USECS_PER_SEC;
	if (getKeyJsonValueFromContainer(&json->root, "nbf", 3, NULL) != NULL &&
		(!find_number(json, "nbf", LATEST_SECONDS, &number) || number > now_seconds))
		return false;
	return true;
}

bool
jwt_verify(const char *token, TimestampTz now, JwtClaims *claims)
{
	const char *claims_part = strchr(token, '.');
	const char *signature_part = claims_part != NULL ? strchr(claims_part + 1, '.') : NULL;
	Jsonb	   *json;
	uint8	   *signature;
	int64		signature_len;

	if (method == NULL || signature_part == NULL || strchr(signature_part + 1, '.') != NULL)
		return false;
	json = decode_part(token, claims_part - token);
	if (json == NULL || !header_fits(json))
		return false;
	signature = palloc(strlen(signature_part) + 4);
	signature_len = base64_decode(signature_part + 1, strlen(signature_part + 1), signature);
	if (signature_len <= 0 ||
		!verify_signature(token, signature_part - token, signature, signature_len))
		return false;
	json = decode_part(claims_part + 1, signature_part - claims_part - 1);
	return json != NULL && take_claims(json, now, claims);
}

char *
jwt_sign(const char *username, uint64 revision, TimestampTz now)
{
	StringInfoData token;
	StringInfoData part;
	uint8	   *signature;
	size_t		signature_len;

	if (method == NULL || (method->family != JWT_HMAC && private_key == NULL))
		return NULL;
	initStringInfo(&token);
	initStringInfo(&part);
	appendStringInfo(&part, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", method->name);
	base64url_append(&token, part.data, part.len);
	appendStringInfoChar(&token, '.');

	resetStringInfo(&part);
	appendStringInfo(&part, "{\"exp\":" INT64_FORMAT ",\"revision\":" UINT64_FORMAT ",\"username\":",
					 now / USECS_PER_SEC + EPOCH_SECONDS + ttl, revision);
	escape_json(&part, username);
	appendStringInfoChar(&part, '}');
	base64url_append(&token, part.data, part.len);

	signature = make_signature(token.data, token.len, &signature_len);
	if (signature == NULL)
		return NULL;
	appendStringInfoChar(&token, '.');
	base64url_append(&token, signature, signature_len);
	return token.data;
}
