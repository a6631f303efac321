"""The log as files, for any client of C2SP tlog-tiles.

Source: https://c2sp.org/tlog-tiles. Tiles and proofs are for anybody; bundles of entries for whom
the setting says. What stands under a checkpoint never changes, and full tiles say so to caches.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from audits.api.negotiation import AsItIs
from audits.log_tree import entry_bundle, read_tile, tree_reader
from audits.selectors import latest_checkpoint
from muniment.attest.errors import TileError
from muniment.attest.merkle import HASH_BYTES
from muniment.attest.proof import format_proof
from muniment.attest.tiles import TILE_WIDTH, Tile, tile_width

FOREVER = "max-age=31536000, immutable"
# Of a partial tile: its bytes never change either, but a wider one will soon replace it.
A_WHILE = "max-age=60"


@extend_schema(exclude=True)  # a tree of files, which an OpenAPI document cannot name
class HashTileView(APIView):
    """Hand out one tile of hashes to anybody."""

    content_negotiation_class = AsItIs
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, path: str) -> HttpResponse:
        tile = _requested(path)
        content = read_tile()(tile)[: tile.width * HASH_BYTES]
        return _file(content, tile, "public")


@method_decorator(gzip_page, name="dispatch")
@extend_schema(exclude=True)
class EntryBundleView(APIView):
    """Hand out the entries of one bundle, as they were signed."""

    content_negotiation_class = AsItIs

    def get_permissions(self) -> Any:
        return [AllowAny()] if settings.LOG_ENTRIES_ARE_PUBLIC else super().get_permissions()

    def get(self, request: Request, path: str) -> HttpResponse:
        tile = _requested(path)
        audience = "public" if settings.LOG_ENTRIES_ARE_PUBLIC else "private"
        return _file(entry_bundle(tile), tile, audience)


@extend_schema(exclude=True)
class ProofView(APIView):
    """Prove, to anybody, that a leaf stands under the newest checkpoint: a tlog-proof."""

    content_negotiation_class = AsItIs
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, leaf_index: int) -> HttpResponse:
        checkpoint = latest_checkpoint()
        if checkpoint is None or leaf_index >= checkpoint.tree_size:
            size = 0 if checkpoint is None else checkpoint.tree_size
            raise Http404(f"The newest checkpoint covers {size} entries: there is no such leaf.")
        hashes = tree_reader(checkpoint.tree_size).inclusion_proof(leaf_index)
        answer = HttpResponse(
            format_proof(leaf_index, hashes, bytes(checkpoint.note)),
            content_type="text/plain; charset=utf-8",
        )
        answer["Cache-Control"] = "no-store"
        return answer


def _requested(path: str) -> Tile:
    """Return the tile that a path names, if the newest checkpoint covers all of it.

    Leaves that no checkpoint covers yet are not handed out: nobody could verify them.
    """
    try:
        tile = Tile.parse(path)
    except TileError as error:
        raise ParseError(error.message) from error
    checkpoint = latest_checkpoint()
    size = 0 if checkpoint is None else checkpoint.tree_size
    width = tile_width(tile.level or 0, tile.index, size)
    if tile.width > width:
        raise Http404(f"The newest checkpoint covers {size} entries, which do not fill this tile.")
    return tile


def _file(content: bytes, tile: Tile, audience: str) -> HttpResponse:
    answer = HttpResponse(content, content_type="application/octet-stream")
    age = FOREVER if tile.width == TILE_WIDTH else A_WHILE
    answer["Cache-Control"] = f"{audience}, {age}"
    if audience == "private":
        answer["Vary"] = "Authorization, Cookie"
    return answer
