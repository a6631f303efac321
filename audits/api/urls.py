"""Below `/log/`: the addresses that C2SP tlog-tiles gives a log."""

from __future__ import annotations

from django.urls import path, re_path

from audits.api.log_files import EntryBundleView, HashTileView, ProofView

urlpatterns = [
    re_path(r"^(?P<path>tile/entries/.+)$", EntryBundleView.as_view(), name="log-entries"),
    re_path(r"^(?P<path>tile/.+)$", HashTileView.as_view(), name="log-tile"),
    path("proof/<int:leaf_index>", ProofView.as_view(), name="log-proof"),
]
