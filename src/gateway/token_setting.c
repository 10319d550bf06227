/*-------------------------------------------------------------------------
 *
 * token_setting.c
 *	  The setting pg_quorum.auth_token, taken apart.
 *
 * The form is that of etcd's flag of the same name.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/token_setting.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/token_setting.h"
#include "settings.h"

#define JWT_DEFAULT_TTL		300

static const JwtMethod jwt_methods[] = {
	{"HS256", JWT_HMAC, "SHA256", 0},
	{"HS384", JWT_HMAC, "SHA384", 0},
	{"HS512", JWT_HMAC, "SHA512", 0},
	{"RS256", JWT_RSA, "SHA256", 0},
	{"RS384", JWT_RSA, "SHA384", 0},
	{"RS512", JWT_RSA, "SHA512", 0},
	{"PS256", JWT_RSA_PSS, "SHA256", 0},
	{"PS384", JWT_RSA_PSS, "SHA384", 0},
	{"PS512", JWT_RSA_PSS, "SHA512", 0},
	{"ES256", JWT_ECDSA, "SHA256", 256},
	{"ES384", JWT_ECDSA, "SHA384", 384},
	{"ES512", JWT_ECDSA, "SHA512", 521},
	{"EdDSA", JWT_EDDSA, NULL, 0},
};

static const JwtMethod *
find_method(const char *name)
{
	size_t		i;

	for (i = 0; i < lengthof(jwt_methods); i++)
	{
		if (strcmp(jwt_methods[i].name, name) == 0)
			return &jwt_methods[i];
	}
	return NULL;
}

static const char *
take_option(const char *option, TokenSetting *setting)
{
	const char *value = strchr(option, '=');
	size_t		name_len;

	if (value == NULL)
		return "An option is written as name=value.";
	name_len = value++ - option;
	if (name_len == strlen("sign-method") && strncmp(option, "sign-method", name_len) == 0)
	{
		setting->method = find_method(value);
		return setting->method != NULL ? NULL :
			"sign-method is one of HS256, RS256, PS256, ES256, each also with 384 and 512, and EdDSA.";
	}
	if (name_len == strlen("pub-key") && strncmp(option, "pub-key", name_len) == 0)
		return strlcpy(setting->public_key, value, TOKEN_PATH_BYTES) < TOKEN_PATH_BYTES ? NULL :
			"The path of pub-key is too long.";
	if (name_len == strlen("priv-key") && strncmp(option, "priv-key", name_len) == 0)
		return strlcpy(setting->private_key, value, TOKEN_PATH_BYTES) < TOKEN_PATH_BYTES ? NULL :
			"The path of priv-key is too long.";
	if (name_len == strlen("ttl") && strncmp(option, "ttl", name_len) == 0)
	{
		int64		number;
		int64		ms;

		if (!settings_parse_retention(value, &number, &ms) || number >= 0 || ms < 1000)
			return "ttl is a time of at least a second, such as 5m.";
		setting->ttl = (long) (ms / 1000);
		return NULL;
	}
	return "The options are sign-method, pub-key, priv-key and ttl.";
}

const char *
token_setting_parse(const char *text, TokenSetting *setting)
{
	memset(setting, 0, sizeof(*setting));
	setting->ttl = JWT_DEFAULT_TTL;
	if (strcmp(text, "simple") == 0)
		return NULL;
	if (strncmp(text, "jwt,", 4) != 0)
		return "Tokens are \"simple\", or \"jwt\" with a comma and options.";
	for (text += 3; *text == ',';)
	{
		char		option[TOKEN_PATH_BYTES + 16];
		size_t		len = strcspn(++text, ",");
		const char *wrong;

		if (len >= sizeof(option))
			return "An option is too long.";
		memcpy(option, text, len);
		option[len] = '\0';
		text += len;
		wrong = take_option(option, setting);
		if (wrong != NULL)
			return wrong;
	}
	if (setting->method == NULL)
		return "sign-method is missing.";
	if (setting->method->family == JWT_HMAC && setting->private_key[0] == '\0')
		return "priv-key, the file with the secret, is missing.";
	if (setting->private_key[0] == '\0' && setting->public_key[0] == '\0')
		return "pub-key or priv-key is missing.";
	return NULL;
}
