"""The ways in for strangers (`join_ports.JoinHandler`): with a token, or by the admin's word."""

from dataclasses import dataclass

from pmgsync.master.admission import Admission, Attempt
from pmgsync.master.petitions import Petitions, Waiting


@dataclass(frozen=True, slots=True)
class Door:
    """Both of them."""

    admission: Admission
    petitions: Petitions

    def begin(self, token_id: str, node_nonce: bytes, peer: str) -> Attempt:
        """See the port."""
        return self.admission.begin(token_id, node_nonce, peer)

    def file(self, envelope: bytes, peer: str) -> Waiting:
        """See the port."""
        return self.petitions.file(envelope, peer)
