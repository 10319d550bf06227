# compare.py - what must be equal in the answers of two servers, and what may differ.
#
# A Side translates requests from relative revisions and stand-ins into those of one
# server, and its answers back.  What is then left must be equal in every field, but for
# the differences listed here, each with its reason.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/compare.py

from google.protobuf import json_format

import generate
import wire

REVISIONS = {'revision', 'create_revision', 'mod_revision', 'min_mod_revision', 'max_mod_revision',
             'min_create_revision', 'max_create_revision', 'start_revision', 'compact_revision', 'hash_revision',
             'rev'}
LEASES = {'lease', 'ID'}

UNIMPLEMENTED = 12


def walk(message, visit):
    """visit(message, field) for each field that is set, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.label == field.LABEL_REPEATED else [value]:
                walk(inner, visit)
        else:
            visit(message, field)
    # A zero of a union that is set is listed above; others have nothing to translate.


class Side:
    """One of the two: a server, by any of its members."""

    def __init__(self, name, endpoints):
        self.name = name
        self.endpoints = endpoints
        self.member = 0
        self.base = 0
        self.cluster_id = None
        self.terms = {}
        self.real = {}          # stand-in of a lease to the server's
        self.stand_in = {}
        self.tokens = {}
        self.streams = []

    @property
    def endpoint(self):
        return self.endpoints[self.member]

    def forget(self):
        self.real.clear()
        self.stand_in.clear()
        self.tokens.clear()

    def outward(self, request):
        """A request in this server's own terms."""
        request = type(request).FromString(request.SerializeToString())
        is_lease = request.DESCRIPTOR.name.startswith('Lease')

        def translate(message, field):
            value = getattr(message, field.name)
            if field.name in REVISIONS and value > 0:
                setattr(message, field.name, value + self.base)
            elif field.name == 'lease' or (field.name == 'ID' and is_lease):
                setattr(message, field.name, self.real.get(value, value))
        walk(request, translate)
        return request

    def inward(self, response):
        """An answer in relative terms.  What differs by nature is reduced to "it is there"."""
        response = type(response).FromString(response.SerializeToString())

        def translate(message, field):
            name = field.name
            value = getattr(message, name)
            if name in REVISIONS and value > 0:
                setattr(message, name, value - self.base)
            elif name in LEASES and message.DESCRIPTOR.name != 'Member':
                setattr(message, name, self.stand_in.get(value, value))
            elif name in ('cluster_id', 'member_id', 'raft_term'):
                setattr(message, name, 1)
        walk(response, translate)
        return response

    def check_header(self, header):
        """What an answer's header says of the cluster must stay, its term not go back."""
        if header.cluster_id == 0 or header.member_id == 0:
            return 'no cluster or member in the header'
        if self.cluster_id not in (None, header.cluster_id):
            return 'another cluster in the header'
        self.cluster_id = header.cluster_id
        if header.raft_term < self.terms.get(header.member_id, 0):
            return 'the term in the header went back'
        self.terms[header.member_id] = header.raft_term
        return None


def normalize(step, response):
    """Take away what may differ in an answer that is relative already."""
    name = step.name
    if name == 'Maintenance/Status':
        version = response.version
        response.version = 'numeric' if all(part.isdigit() for part in version.split('.')) else version
        for field in ('dbSize', 'leader', 'raftIndex', 'raftTerm'):
            setattr(response, field, min(1, getattr(response, field)))
        for field in ('raftAppliedIndex', 'dbSizeInUse', 'storageVersion', 'dbSizeQuota', 'downgradeInfo'):
            response.ClearField(field)
    elif name == 'Maintenance/Hash':
        response.hash = 0
    elif name == 'Maintenance/HashKV':
        response.hash = 0
        # etcd 3.6 and later only
        response.ClearField('hash_revision')
    elif name == 'Cluster/MemberList':
        for member in response.members:
            member.ID = min(1, member.ID)
            member.name = 'name' if member.name else ''
            member.peerURLs[:] = ['u'] if member.peerURLs else []
            member.clientURLs[:] = ['u'] if member.clientURLs else []
        del response.members[1:]
    elif name == 'Lease/LeaseLeases':
        leases = sorted(status.ID for status in response.leases)
        del response.leases[:]
        for lease in leases:
            response.leases.add(ID=lease)
    elif name == 'Lease/LeaseTimeToLive':
        # etcd tells them in no order
        response.keys[:] = sorted(response.keys)
        # Some seconds less than granted, which need not be the same seconds
        if 0 < response.TTL <= response.grantedTTL:
            response.TTL = response.grantedTTL
    elif name == 'Auth/Authenticate':
        response.token = 'token' if response.token else ''
    return response


class Difference:
    """A difference that is meant: why, and where it holds."""

    def __init__(self, name, reason, holds):
        self.name = name
        self.reason = reason
        self.holds = holds
        self.seen = 0


def describe(answer):
    if answer.code != 0:
        return 'code %s, "%s"' % (answer.code, answer.message)
    return ' '.join(' '.join(str(r).split()) or '{}' for r in answer.responses)[:4000]


def json_problem(step, answer):
    """Is JSON written as etcd's is: names of the messages' fields, zeros left out, 64 bits as text?"""
    if answer.http_status is None:
        return None
    if answer.code != 0:
        document = answer.document
        if not isinstance(document, dict):
            return 'an error that is no JSON'
        return None
    if answer.http_status != 200:
        return 'HTTP status %s' % answer.http_status
    for document, response in zip(answer.document, answer.responses):
        again = json_format.MessageToDict(response, preserving_proto_field_name=True)
        written = document.get('result', document)
        if again != written:
            return 'written as %s instead of %s' % (written, again)
    return None
