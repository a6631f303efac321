from __future__ import annotations

from django.urls import path

from audits.api.log_health import LogHealthView
from registry.api.aliases import AllAliasesView, ModelAliasesView
from registry.api.certificates import CertificateView
from registry.api.evidence import EvidenceView
from registry.api.gate import GateView
from registry.api.grants import ConfirmGrantView, ReserveGrantView
from registry.api.recomputations import (
    RecomputationCancellationView,
    RecomputationsView,
    RecomputationView,
)
from registry.api.reports import ReportView
from registry.api.rollbacks import (
    RollbackRevocationView,
    RollbackSignatureView,
    RollbacksView,
    RollbackTokenView,
    RollbackView,
)
from registry.api.trace import CompareView, MadeFromView, TraceView
from registry.api.violations import ViolationsView
from registry.api.withdrawals import WithdrawalSignatureView, WithdrawalsView, WithdrawalView

urlpatterns = [
    path("grants/reserve", ReserveGrantView.as_view(), name="reserve-grant"),
    path("grants/confirm", ConfirmGrantView.as_view(), name="confirm-grant"),
    path("log/health", LogHealthView.as_view(), name="log-health"),
    path("rollbacks", RollbacksView.as_view(), name="rollbacks"),
    path("rollbacks/<uuid:rollback_id>", RollbackView.as_view(), name="rollback"),
    path(
        "rollbacks/<uuid:rollback_id>/signature",
        RollbackSignatureView.as_view(),
        name="rollback-signature",
    ),
    path("rollbacks/<uuid:rollback_id>/token", RollbackTokenView.as_view(), name="rollback-token"),
    path(
        "rollbacks/<uuid:rollback_id>/revocation",
        RollbackRevocationView.as_view(),
        name="rollback-revocation",
    ),
    path(
        "models/<path:name>/versions/<int:version>/recomputations",
        RecomputationsView.as_view(),
        name="recomputations",
    ),
    path(
        "recomputations/<uuid:recomputation_id>",
        RecomputationView.as_view(),
        name="recomputation",
    ),
    path(
        "recomputations/<uuid:recomputation_id>/cancellation",
        RecomputationCancellationView.as_view(),
        name="recomputation-cancellation",
    ),
    path("withdrawals", WithdrawalsView.as_view(), name="withdrawals"),
    path("withdrawals/<uuid:withdrawal_id>", WithdrawalView.as_view(), name="withdrawal"),
    path(
        "withdrawals/<uuid:withdrawal_id>/signature",
        WithdrawalSignatureView.as_view(),
        name="withdrawal-signature",
    ),
    path("violations", ViolationsView.as_view(), name="violations"),
    path("trace", TraceView.as_view(), name="trace"),
    path(
        "models/<path:name>/versions/<int:version>/made-from",
        MadeFromView.as_view(),
        name="made-from",
    ),
    path(
        "models/<path:name>/versions/<int:version>/compare/<int:other>",
        CompareView.as_view(),
        name="compare",
    ),
    path("aliases", AllAliasesView.as_view(), name="aliases"),
    path("models/<path:name>/aliases", ModelAliasesView.as_view(), name="model-aliases"),
    path(
        "models/<path:name>/versions/<int:version>/evidence",
        EvidenceView.as_view(),
        name="report-evidence",
    ),
    path("models/<path:name>/versions/<int:version>/gate", GateView.as_view(), name="gate"),
    path(
        "models/<path:name>/versions/<int:version>/certificate",
        CertificateView.as_view(),
        name="certificate",
    ),
    path(
        "models/<path:name>/versions/<int:version>/report.pdf",
        ReportView.as_view(),
        name="report",
    ),
]
