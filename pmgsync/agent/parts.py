"""What an agent is built of, and its times."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pmgsync.agent.activate import Activator
from pmgsync.agent.link import LinkConfig
from pmgsync.agent.telling import InThread
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import Signer
from pmgsync.model.membership import Membership
from pmgsync.ports import ChangeSource, Clock, Dialer, Store
from pmgsync.survey import Survey

if TYPE_CHECKING:
    from pmgsync.agent.services import Services


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Seconds: until what failed is tried again, from new files to their last sync and the report,
    from a tree event to the look at it, between looks at everything without an event, between view
    requests.
    """

    retry_s: float = 2.0
    settle_delay_s: float = 0.0
    drift_delay_s: float = 0.25
    rescan_s: float = 60.0
    view_s: float = 5.0
    link: LinkConfig = field(default_factory=LinkConfig)


ChainGrew = Callable[[tuple[Envelope, ...], Membership, Callable[[], None]], None]
"""Told of a chain, which is durable when it returns; of the newest membership, those included that
are set aside; and what to call first, to note down what the chain undoes."""


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent works with. `promised` is the epoch that this node has signed for last."""

    cid: int
    software: str
    signer: Signer
    store: Store
    survey: Survey
    source: ChangeSource
    activator: Activator
    dialer: Dialer
    clock: Clock
    chain_grew: ChainGrew
    in_thread: InThread
    """Runs something that blocks for long away from the event loop."""
    promised: int = 0
    services: Services | None = None
    """None where this node makes no service files."""
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    """See `TreeWork.alone`."""
    apart: InThread | None = None
    """As `in_thread`, for what takes so long that nothing may wait for it; `in_thread` if None."""
