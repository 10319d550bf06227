# client.py - one server of etcd's API, by gRPC and by JSON.
#
# Answers are values, never exceptions: what a server says is compared, whatever it
# is.  A server that does not answer at all is an error of the test (NoAnswer).
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/client.py

import http.client
import json
import queue
import threading
import time

import grpc
from google.protobuf import json_format

import wire

# Generous: what is said is tested, not how soon.
LIMIT = 60


class NoAnswer(Exception):
    pass


class Answer:
    """code and message of gRPC's status, the responses, and what JSON adds."""

    def __init__(self, code, message, responses, http_status=None, document=None):
        self.code = code
        self.message = message
        self.responses = responses
        self.http_status = http_status
        self.document = document


def _serialize(message):
    return message.SerializeToString()


def as_json(message, variant=0):
    """A request as JSON: as etcd writes it (0), in camel case (1), with numbers for enums and 64 bits (2)."""
    document = json_format.MessageToDict(message, preserving_proto_field_name=variant != 1,
                                         use_integers_for_enums=variant == 2)
    if variant == 2:
        use_numbers(message.DESCRIPTOR, document)
        document['no_such_field'] = {'a': [1, None, 'x']}
    return document


def use_numbers(descriptor, document):
    for name, value in document.items():
        field = descriptor.fields_by_name[name]
        if field.message_type:
            for inner in value if isinstance(value, list) else [value]:
                use_numbers(field.message_type, inner)
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) and abs(int(value)) < 1 << 53:
            document[name] = int(value)


class Endpoint:
    def __init__(self, address):
        self.address = address
        options = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1),
                   ('grpc.use_local_subchannel_pool', 1), ('grpc.enable_retries', 0)]
        self.channel = grpc.insecure_channel(address, options=options)
        self.http = None
        self.stubs = {}

    def close(self):
        self.channel.close()
        if self.http:
            self.http.close()

    def _stub(self, method):
        """Unary and streaming methods alike: one request, then half-close."""
        if method.path not in self.stubs:
            self.stubs[method.path] = self.channel.stream_stream(
                method.path, request_serializer=_serialize, response_deserializer=method.response.FromString)
        return self.stubs[method.path]

    def begin(self, method, request, token=None):
        """Send a request; finish() gives the answer."""
        metadata = [('token', token)] if token is not None else None
        return self._stub(method)(iter([request]), timeout=LIMIT, metadata=metadata)

    def finish(self, call):
        responses = []
        try:
            for response in call:
                responses.append(response)
        except grpc.RpcError as error:
            code = error.code().value[0]
            message = error.details() or ''
            if code in (4, 14) and not message.startswith('etcdserver:') and 'etcdserver' not in message:
                raise NoAnswer('%s: %s %s' % (self.address, error.code(), message))
            return Answer(code, message, responses)
        return Answer(0, '', responses)

    def call(self, method, request, token=None):
        return self.finish(self.begin(method, request, token))

    # JSON

    def _post(self, path, body, headers):
        for attempt in (1, 2):
            if self.http is None:
                host, _, port = self.address.rpartition(':')
                self.http = http.client.HTTPConnection(host, int(port), timeout=LIMIT)
            try:
                self.http.request('POST', path, body=body, headers=headers)
                response = self.http.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, OSError) as error:
                # an idle connection may have been closed meanwhile
                self.http.close()
                self.http = None
                if attempt == 2:
                    raise NoAnswer('%s%s: %s' % (self.address, path, error))

    def call_json(self, method, request, token=None, variant=0):
        document = as_json(request, variant)
        headers = {'Content-Type': 'application/json'}
        if token is not None:
            headers['Authorization'] = token
        status, body = self._post('/v3/' + method.json_path, json.dumps(document), headers)
        responses = []
        documents = []
        for line in filter(None, body.decode().split('\n')):
            try:
                documents.append(json.loads(line))
            except ValueError:
                return Answer(-1, 'not JSON: ' + line, [], status, line)
        for document in documents:
            inner = document.get('result', document)
            error = document.get('error')
            if 'code' in document or isinstance(error, dict):
                error = error if isinstance(error, dict) else document
                code = error.get('code', error.get('grpc_code'))
                return Answer(code, error.get('message'), responses, status, document)
            responses.append(json_format.ParseDict(inner, method.response(), ignore_unknown_fields=False))
        return Answer(0, '', responses, status, documents)


class WatchStream:
    """A Watch call: send() requests, and look at what came in received."""

    def __init__(self, endpoint, token=None):
        self.requests = queue.Queue()
        self.received = []
        self.error = None
        self.arrived = threading.Condition()
        method = wire.METHODS['Watch/Watch']
        stub = endpoint.channel.stream_stream(
            method.path, request_serializer=_serialize, response_deserializer=method.response.FromString)
        metadata = [('token', token)] if token is not None else None
        self.call = stub(iter(self.requests.get, None), metadata=metadata)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for response in self.call:
                with self.arrived:
                    self.received.append(response)
                    self.arrived.notify_all()
            self.end((0, 'the server ended the call'))
        except grpc.RpcError as error:
            self.end((error.code().value[0], error.details()))

    def end(self, error):
        """Nothing will come any more.  What was said first is why."""
        with self.arrived:
            self.error = self.error or error
            self.arrived.notify_all()

    def send(self, request):
        self.requests.put(request)

    def wait(self, condition, limit=LIMIT):
        """Until condition(received) is true; false if it does not become so."""
        deadline = time.monotonic() + limit
        with self.arrived:
            while not condition(self.received):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if self.error is not None:
                    return condition(self.received)
                self.arrived.wait(left)
        return True

    def close(self):
        self.requests.put(None)
        self.call.cancel()
        self.thread.join(10)


class JsonWatch:
    """A watch by JSON: one create request, its lines in received."""

    def __init__(self, endpoint, request, token=None):
        self.received = []
        self.error = None
        self.problem = None
        self.arrived = threading.Condition()
        host, _, port = endpoint.address.rpartition(':')
        self.http = http.client.HTTPConnection(host, int(port), timeout=None)
        headers = {'Authorization': token} if token is not None else {}
        self.http.request('POST', '/v3/watch', headers=headers, body=json.dumps(
            json_format.MessageToDict(request, preserving_proto_field_name=True)))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            response = self.http.getresponse()
            while True:
                line = response.readline()
                if not line:
                    break
                document = json.loads(line)
                with self.arrived:
                    if 'result' in document:
                        self.received.append(json_format.ParseDict(
                            document['result'], wire.WatchResponse(), ignore_unknown_fields=False))
                        again = json_format.MessageToDict(self.received[-1], preserving_proto_field_name=True)
                        if again != document['result']:
                            self.problem = 'not as JSON writes it: %s' % line
                    else:
                        self.error = (document['error'].get('grpc_code', document['error'].get('code')),
                                      document['error'].get('message'))
                    self.arrived.notify_all()
            self.end((0, 'the server ended the call'))
        except Exception as error:  # also what no server should cause is better told than waited for
            self.end((-1, repr(error)))

    end = WatchStream.end
    wait = WatchStream.wait

    def close(self):
        try:
            self.http.sock.shutdown(2)
        except (OSError, AttributeError):
            pass
        self.thread.join(10)
        self.http.close()
