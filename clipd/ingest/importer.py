"""Taking in vectors that were made elsewhere, beside the indexer's other work."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import TimeoutError as CallTimeoutError

from clipd.errors import RequestError, VectorFileError
from clipd.ingest.changeover import NextModel
from clipd.ingest.inbox import Inbox
from clipd.ingest.placing import Placer
from clipd.store.catalog import Catalog
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_intake import Imported, insist_on_model, sound_photos, take_in

_TURN_SECONDS = 60.0  # for a page to come to its turn: a full disk holds turns up for 15


class Importer:
    """Takes vectors in through the one write path. For any thread."""

    def __init__(
        self, catalog: Catalog, inbox: Inbox, models: Sequence[NextModel], placer: Placer
    ) -> None:
        """Make an importer.

        Args:
            models: the one in use first, then one that is to be used next.
            placer: takes the files that come with photos for these.
        """
        self._catalog = catalog
        self._inbox = inbox
        self._models = models
        self._placer = placer

    def take_in(self, name: str, fingerprint: str, photos: Sequence[PortablePhoto]) -> Imported:
        """Keep the vectors of photos, in one turn of the indexer.

        Args:
            name: of the model that made them.
            fingerprint: of that model.
            photos: a thousand at most, and no file of theirs but those that are to be taken for
                them unread.

        Raises:
            RequestError: another model is in use, or the indexer is too busy.
            StoreUnavailableError: there is no room; nothing is taken in.
        """
        model = self._model(name, fingerprint)
        sound, refused = sound_photos(photos, model.spec.dim)
        try:
            found = self._inbox.call(lambda: self._write(model, sound)).result(_TURN_SECONDS)
        except CallTimeoutError as error:
            raise RequestError(
                "busy",
                "clipd did not come to it in a minute; what was taken in stays so: try again later",
                503,
            ) from error
        return found + refused

    def _model(self, name: str, fingerprint: str) -> NextModel:
        for model in self._models[1:]:
            if model.spec.fingerprint == fingerprint:
                return model
        try:
            insist_on_model(name, fingerprint, self._models[0].spec)
        except VectorFileError as error:
            raise RequestError("wrong_model", str(error), 409) from error
        return self._models[0]

    def _write(self, model: NextModel, photos: Sequence[PortablePhoto]) -> Imported:
        with self._catalog.writing():
            found = take_in(self._catalog, model.id, photos)
            placed = sum(self._placer.place(each.content_hash, each.files) for each in photos)
        # The index follows at the end of a turn: without this, the next one may be seconds away.
        self._inbox.post(None)
        return found + Imported(placed=placed)
