"""Contents at hand for the feeds: read and checked once, however many nodes ask for them at the
same time.
"""

from collections import OrderedDict
from collections.abc import Mapping
from weakref import WeakValueDictionary

from pmgsync.errors import StoreDamagedError, StoreError
from pmgsync.model.manifest import Digest
from pmgsync.ports import ContentStore

SHELF_BYTES = 4 << 20


class Loaded:
    """One content in memory, for as long as somebody is sending it."""

    __slots__ = ("__weakref__", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data


class Shelf:
    """Contents from `store`; the small ones that were asked for last stay in memory."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self._sending: WeakValueDictionary[Digest, Loaded] = WeakValueDictionary()
        self._kept: OrderedDict[Digest, Loaded] = OrderedDict()
        self._bytes = 0

    def get(self, digest: Digest) -> Loaded | None:
        """The content; None if it is not in the store."""
        loaded = self._sending.get(digest)
        if loaded is None:
            try:
                loaded = Loaded(self._store.content(digest))
            except StoreDamagedError:
                raise
            except StoreError:
                return None
            self._sending[digest] = loaded
            self._keep(digest, loaded)
        return loaded

    def put(self, contents: Mapping[Digest, bytes]) -> None:
        """Contents that will be asked for soon."""
        for digest, data in contents.items():
            loaded = Loaded(data)
            self._sending[digest] = loaded
            self._keep(digest, loaded)

    def _keep(self, digest: Digest, loaded: Loaded) -> None:
        if len(loaded.data) > SHELF_BYTES // 4:
            return
        old = self._kept.pop(digest, None)
        self._bytes += len(loaded.data) - (len(old.data) if old else 0)
        self._kept[digest] = loaded
        while self._bytes > SHELF_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.data)
