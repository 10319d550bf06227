/*-------------------------------------------------------------------------
 *
 * grpc.c
 *	  The gRPC face: messages in frames of their own, status in trailers.
 *
 * Each message is preceded by five bytes: whether it is compressed, and its length.  Nothing is
 * compressed here, and what clients compress is refused, as gRPC servers without a decompressor do.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/grpc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "gateway/transport.h"
#include "store/pbmem.h"

#define PREFIX_BYTES	5

/* ---------- messages of the client ---------- */

static void
begin_message(Stream *stream)
{
	uint32		len;

	memcpy(&len, stream->prefix + 1, sizeof(len));
	len = pg_ntoh32(len);
	if (stream->prefix[0] != 0)
	{
		if (stream->prefix[0] == 1)
			stream_finish(stream, GRPC_INTERNAL,
						  "grpc: compressed flag set with identity or empty encoding");
		else
			stream_finish(stream, GRPC_INTERNAL, "grpc: received message with an unknown flag");
		return;
	}
	if (len > gateway_max_message())
	{
		stream_refuse_size(stream, len);
		return;
	}
	stream->partial_want = len;
	stream->conn->protocol->expect(stream, PREFIX_BYTES + len);
}

/*
 * grpc_body() -- bytes of the client: cut them into messages.
 */
void
grpc_body(Stream *stream, const uint8 *data, size_t len)
{
	while (!stream->finished)
	{
		size_t		n;

		if (stream->prefix_len < PREFIX_BYTES)
		{
			n = Min(len, (size_t) (PREFIX_BYTES - stream->prefix_len));
			memcpy(stream->prefix + stream->prefix_len, data, n);
			stream->prefix_len += n;
			data += n;
			len -= n;
			if (stream->prefix_len < PREFIX_BYTES)
				return;
			begin_message(stream);
			continue;
		}
		n = Min(len, stream->partial_want - stream->partial_len);
		if (!stream_grow_partial(stream, stream->partial_len + n))
		{
			stream_break(stream);
			return;
		}
		memcpy(stream->partial->data + stream->partial_len, data, n);
		stream->partial_len += n;
		data += n;
		len -= n;
		if (stream->partial_len < stream->partial_want)
			return;
		stream->prefix_len = 0;
		stream_add_message(stream, PREFIX_BYTES + stream->partial_len);
		if (len == 0)
			return;
	}
}

static ProtobufCMessage *
grpc_decode(Stream *stream, const InMessage *message, const char **error)
{
	ProtobufCMessage *decoded = pb_unpack(stream->call.method->request, message->data,
										  message->len);

	if (decoded == NULL)
		*error = "grpc: failed to unmarshal the received message";
	return decoded;
}

/* ---------- messages to the client ---------- */

/*
 * The head of the answer goes before the first message.
 */
static void
begin_answer(Stream *stream)
{
	if (stream->status != 0)
		return;
	stream->status = 200;
	stream->content_type = "application/grpc";
}

static void
put_prefix(uint8 *to, size_t len)
{
	uint32		net_len = pg_hton32((uint32) len);

	to[0] = 0;
	memcpy(to + 1, &net_len, sizeof(net_len));
}

static void
grpc_send(Stream *stream, const ProtobufCMessage *message)
{
	size_t		len = protobuf_c_message_get_packed_size(message);
	Segment    *segment;

	if (len > PG_INT32_MAX)
	{
		stream_finish(stream, GRPC_RESOURCE_EXHAUSTED, "grpc: trying to send message larger than max");
		return;
	}
	segment = segment_new(PREFIX_BYTES + len);
	if (segment == NULL)
	{
		stream_break(stream);
		return;
	}
	put_prefix(segment->head, len);
	(void) protobuf_c_message_pack(message, segment->head + PREFIX_BYTES);
	begin_answer(stream);
	gateway_stats.bytes_out += len;
	stream_queue(stream, segment);
}

static void
grpc_send_packed(Stream *stream, const uint8 *head, size_t head_len, SharedBytes *body)
{
	size_t		len = head_len + (body != NULL ? body->len : 0);
	Segment    *segment;

	if (len > PG_INT32_MAX)
	{
		stream_finish(stream, GRPC_RESOURCE_EXHAUSTED, "grpc: trying to send message larger than max");
		return;
	}
	segment = segment_new(PREFIX_BYTES + head_len);
	if (segment == NULL)
	{
		stream_break(stream);
		return;
	}
	put_prefix(segment->head, len);
	memcpy(segment->head + PREFIX_BYTES, head, head_len);
	if (body != NULL)
	{
		segment->body = body;
		body->references++;
	}
	begin_answer(stream);
	gateway_stats.bytes_out += len;
	stream_queue(stream, segment);
}

/*
 * The protocol makes trailers of the status, or if nothing was sent, a head that is all.
 */
static void
grpc_finish(Stream *stream)
{
}

/*
 * grpc_encode_message() -- a status text as the value of a header.
 *
 * Cut off where it does not fit, at the border of an encoded byte.
 */
size_t
grpc_encode_message(const char *message, char *to, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t		n = 0;

	for (; *message != '\0'; message++)
	{
		unsigned char c = *message;

		if (c >= ' ' && c <= '~' && c != '%')
		{
			if (n + 1 > size)
				break;
			to[n++] = c;
		}
		else
		{
			if (n + 3 > size)
				break;
			to[n++] = '%';
			to[n++] = digits[c >> 4];
			to[n++] = digits[c & 15];
		}
	}
	return n;
}

const Face	grpc_face = {
	.decode = grpc_decode,
	.decode_error = GRPC_INTERNAL,
	.send = grpc_send,
	.send_packed = grpc_send_packed,
	.finish = grpc_finish
};
