/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  TLS for connections of clients.
 *
 * Certificates are loaded when the worker starts and whenever settings are reloaded;
 * connections that exist keep what they began with.
 *
 * As with etcd, clients must show a certificate where pg_quorum.trusted_ca_file names who may
 * have signed it; its common name is a user where pg_quorum.client_cert_auth is on.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/tls.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/transport.h"

#include "settings.h"

/* Longest common name that is a user */
#define COMMON_NAME_MAX		256

static SSL_CTX *context;

/* In no header: an SSL is what the rest of the transport knows as a Tls */
static inline SSL *
ssl_of(const Tls *tls)
{
	return (SSL *) tls;
}

/* ---------- files ---------- */

static const char *
ssl_error(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return reason != NULL ? reason : "unknown error";
}

static bool
complain(const char *what, const char *file, const char *why)
{
	ereport(LOG,
			(errmsg("gateway could not load %s \"%s\": %s", what, file, why)));
	return false;
}

/*
 * A private key belongs to the server's user, or to root with rights for the group: PostgreSQL's
 * own rule.
 */
static bool
key_is_private(const char *file)
{
	struct stat st;

	if (stat(file, &st) != 0)
		return complain("private key file", file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain("private key file", file, "it is not a regular file");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return complain("private key file", file,
						"it must be owned by the database user or root");
	if ((st.st_uid == geteuid() && st.st_mode & (S_IRWXG | S_IRWXO)) ||
		(st.st_uid == 0 && st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)))
		return complain("private key file", file, "it has group or world access");
	return true;
}

/* There is nobody to be asked for a passphrase */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	return 0;
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
				const unsigned char *in, unsigned int in_len, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";

	if (SSL_select_next_proto((unsigned char **) out, out_len, ours, sizeof(ours) - 1,
							  in, in_len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_NOACK;
}

static bool
load_files(SSL_CTX *ctx)
{
	if (setting_cert_file[0] == '\0' || setting_key_file[0] == '\0')
	{
		ereport(LOG,
				(errmsg("gateway has no certificate"),
				 errhint("Set pg_quorum.cert_file and pg_quorum.key_file.")));
		return false;
	}
	if (SSL_CTX_use_certificate_chain_file(ctx, setting_cert_file) != 1)
		return complain("certificate file", setting_cert_file, ssl_error());
	if (!key_is_private(setting_key_file))
		return false;
	if (SSL_CTX_use_PrivateKey_file(ctx, setting_key_file, SSL_FILETYPE_PEM) != 1)
		return complain("private key file", setting_key_file, ssl_error());
	if (SSL_CTX_check_private_key(ctx) != 1)
		return complain("private key file", setting_key_file, ssl_error());

	if (setting_trusted_ca_file[0] == '\0')
	{
		if (!setting_client_cert_auth)
			return true;
		ereport(LOG,
				(errmsg("gateway cannot verify certificates of clients"),
				 errhint("Set pg_quorum.trusted_ca_file, or pg_quorum.client_cert_auth to off.")));
		return false;
	}
	if (SSL_CTX_load_verify_locations(ctx, setting_trusted_ca_file, NULL) != 1)
		return complain("file of trusted authorities", setting_trusted_ca_file, ssl_error());
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(setting_trusted_ca_file));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return true;
}

bool
tls_load(void)
{
	static const unsigned char session_id[] = "pg_quorum gateway";
	SSL_CTX    *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return complain("library", "OpenSSL", ssl_error());
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

	/* sessions are resumed by tickets, of which the server keeps nothing */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, session_id, sizeof(session_id) - 1);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	if (!load_files(ctx))
	{
		SSL_CTX_free(ctx);
		return false;
	}
	if (context != NULL)
		SSL_CTX_free(context);	/* lives on in its connections */
	context = ctx;
	return true;
}

bool
tls_is_loaded(void)
{
	return context != NULL;
}

/* ---------- connections ---------- */

Tls *
tls_new(int fd)
{
	SSL		   *ssl = context == NULL ? NULL : SSL_new(context);

	if (ssl == NULL)
		return NULL;
	if (SSL_set_fd(ssl, fd) != 1)
	{
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return (Tls *) ssl;
}

void
tls_free(Tls *tls)
{
	SSL_free(ssl_of(tls));
}

static TlsResult
result_of(SSL *ssl, int rc)
{
	int			error = SSL_get_error(ssl, rc);

	ERR_clear_error();
	switch (error)
	{
		case SSL_ERROR_WANT_READ:
			return TLS_WANTS_READ;
		case SSL_ERROR_WANT_WRITE:
			return TLS_WANTS_WRITE;
		case SSL_ERROR_ZERO_RETURN:
			return TLS_CLOSED;
		default:
			return TLS_FAILED;
	}
}

TlsResult
tls_handshake(Tls *tls)
{
	int			rc;

	ERR_clear_error();
	rc = SSL_do_handshake(ssl_of(tls));
	return rc == 1 ? TLS_DONE : result_of(ssl_of(tls), rc);
}

bool
tls_is_h2(const Tls *tls)
{
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(ssl_of(tls), &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

/*
 * tls_peer_user() -- the common name of the client's verified certificate, where that is who it is.
 */
char *
tls_peer_user(const Tls *tls)
{
	X509	   *certificate;
	X509_NAME  *subject;
	char		name[COMMON_NAME_MAX];
	int			len;
	char	   *result = NULL;

	if (!setting_client_cert_auth || SSL_get_verify_result(ssl_of(tls)) != X509_V_OK)
		return NULL;
	certificate = SSL_get_peer_certificate(ssl_of(tls));
	if (certificate == NULL)
		return NULL;
	subject = X509_get_subject_name(certificate);
	len = subject == NULL ? -1 :
		X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name));

	/* a name with a NUL byte, or cut off, would be somebody else's */
	if (len > 0 && len < (int) sizeof(name) - 1 && strlen(name) == (size_t) len)
		result = strdup(name);
	X509_free(certificate);
	return result;
}

TlsResult
tls_read(Tls *tls, uint8 *data, size_t size, size_t *len)
{
	int			rc;

	ERR_clear_error();
	rc = SSL_read_ex(ssl_of(tls), data, size, len);
	return rc == 1 ? TLS_DONE : result_of(ssl_of(tls), rc);
}

TlsResult
tls_write(Tls *tls, const uint8 *data, size_t size, size_t *len)
{
	int			rc;

	ERR_clear_error();
	rc = SSL_write_ex(ssl_of(tls), data, size, len);
	return rc == 1 ? TLS_DONE : result_of(ssl_of(tls), rc);
}

void
tls_goodbye(Tls *tls)
{
	ERR_clear_error();
	(void) SSL_shutdown(ssl_of(tls));
	ERR_clear_error();
}
