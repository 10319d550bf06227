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
    return ref.code == UNIMPLEMENTED and step.name in ('Auth/AuthStatus',) or \
        (step.name == 'Auth/AuthStatus' and ref.http_status == 404)


@known('another member leads', 'calls go to any member of ours, and to the only one of the reference')
def _(step, ref, sub):
    return step.name == 'Maintenance/MoveLeader' and ref.message == 'etcdserver: bad leader transferee' and \
        sub.message == 'etcdserver: not leader'
