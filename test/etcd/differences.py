# differences.py - where we differ from the etcd that is the reference, on purpose.
#
# The reference is Debian's etcd 3.4; what we match is etcd 3.7.  Each difference says
# why it is one, and holds for as few answers as can be.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/differences.py

from compare import Difference, UNIMPLEMENTED

KNOWN = []


def known(name, reason):
    def register(holds):
        KNOWN.append(Difference(name, reason, holds))
        return holds
    return register


@known('method of a later version', 'etcd 3.4 has no AuthStatus; 3.5 added it')
def _(step, ref, sub):
    return step.name == 'Auth/AuthStatus' and (ref.code == UNIMPLEMENTED or ref.http_status == 404)


@known('another member leads', 'calls go to any member of ours, and to the only one of the reference')
def _(step, ref, sub):
    return step.name == 'Maintenance/MoveLeader' and ref.message == 'etcdserver: bad leader transferee' and \
        sub.message == 'etcdserver: not leader'


@known('errors of Maintenance', 'etcd 3.4 leaks the texts of its inside with code 2; 3.5 answers as other services do')
def _(step, ref, sub):
    texts = {'auth: user name is empty': (3, 'etcdserver: user name is empty'),
             'auth: permission denied': (7, 'etcdserver: permission denied'),
             'auth: revision in header is old': (3, 'etcdserver: revision of auth store is old'),
             'auth: invalid auth token': (16, 'etcdserver: invalid auth token')}
    return step.name.startswith('Maintenance/') and ref.code == 2 and texts.get(ref.message) == (sub.code, sub.message)


@known('header where etcd has none', 'Defragment and MoveLeader of etcd say nothing, Alarm of 3.4 neither; ours have a header')
def _(step, ref, sub):
    if step.name not in ('Maintenance/Defragment', 'Maintenance/Alarm') or ref.code or sub.code:
        return False
    without = type(sub.responses[0]).FromString(sub.responses[0].SerializeToString())
    without.ClearField('header')
    return without == ref.responses[0]


@known('who may ask', 'etcd 3.4 answers these without asking who calls; 3.5 and later want a user')
def _(step, ref, sub):
    return step.name in ('Cluster/MemberList', 'Lease/LeaseLeases', 'Lease/LeaseKeepAlive', 'Lease/LeaseTimeToLive',
                         'Maintenance/Status', 'Maintenance/Alarm', 'Maintenance/MoveLeader') and \
        (ref.code == 0 or step.name == 'Maintenance/MoveLeader') and \
        (sub.code, sub.message) in ((3, 'etcdserver: user name is empty'), (16, 'etcdserver: invalid auth token'),
                                    (7, 'etcdserver: permission denied'))


@known('authentication with an old token', 'etcd 3.4 looks at the token even of who asks for a new one')
def _(step, ref, sub):
    return step.name == 'Auth/Authenticate' and ref.code == 16


@known('authentication of who has no password', 'etcd tells anybody that this is such a user; we tell what it tells of a wrong password')
def _(step, ref, sub):
    return step.name == 'Auth/Authenticate' and ref.code == 2 and \
        ref.message == 'auth: authentication failed, password was given for no password user' and \
        (sub.code, sub.message) == (3, 'etcdserver: authentication failed, invalid user ID or password')


@known('hash at the compacted revision', 'etcd 3.4 takes the compacted revision itself for compacted; 3.5 does not')
def _(step, ref, sub):
    return step.name == 'Maintenance/HashKV' and ref.message == 'etcdserver: mvcc: required revision has been compacted' \
        and sub.code == 0 and sub.responses[0].compact_revision == step.request.revision


@known('HTTP status', 'the JSON gateway of etcd 3.4 has other HTTP statuses for some codes than that of 3.6, which are gRPC\'s own')
def _(step, ref, sub):
    later = {8: (503, 429), 9: (412, 400), 10: (409, 409), 13: (500, 500)}
    return step.json and (ref.code, ref.message) == (sub.code, sub.message) and \
        (ref.http_status, sub.http_status) == later.get(ref.code)


@known('which error of a transaction', 'etcd 3.4 looks at all puts of a transaction, then at its ranges; 3.7 at one after the other')
def _(step, ref, sub):
    return step.name == 'KV/Txn' and sub.code == 11 and \
        ref.message in ('etcdserver: requested lease not found', 'etcdserver: key not found')
