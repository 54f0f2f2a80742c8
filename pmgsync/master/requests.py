"""What members may ask of the master besides the follow stream (`join_ports.MemberRequests`)."""

from pmgsync.errors import NotMemberError
from pmgsync.master.register import Register
from pmgsync.model.membership import Member, MemberKeys


class Requests:
    """Answers with the register's pen. A member speaks for itself only."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def leave(self, member: Member) -> bytes:
        """See the port."""
        if member.keys is None:  # the transport knows members by their keys
            raise NotMemberError("has no keys", where=member.label)
        self._register.remove(member)
        return self._register.notice_for(member.keys)

    def notice(self, keys: MemberKeys) -> bytes:
        """See the port."""
        return self._register.notice_for(keys)
