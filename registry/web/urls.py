from __future__ import annotations

from django.urls import path

from audits.web import converters as digest_converters  # noqa: F401  # registers <sha256:…>
from registry.web import converters as model_converters  # noqa: F401  # registers <model_name:…>
from registry.web.views import (
    aliases,
    emergencies,
    inventory,
    models,
    plan,
    plan_binding,
    policies,
    promotions,
    recomputations,
    replay,
    reports,
    rollbacks,
    trace,
    version_graph,
    versions,
    violations,
    waivers,
    withdrawals,
)

app_name = "registry"
urlpatterns = [
    path("", inventory.inventory, name="inventory"),
    path("models.csv", inventory.inventory_csv, name="inventory-csv"),
    path("plan/", plan.plan, name="plan"),
    path("plan.csv", plan.plan_csv, name="plan-csv"),
    path("plan/mode", plan.change_mode, name="plan-mode"),
    path("plan/bind", plan_binding.bind_in_bulk, name="plan-bind"),
    path("trace/", trace.trace_page, name="trace"),
    path("trace.csv", trace.trace_csv, name="trace-csv"),
    path("find", inventory.find, name="find"),
    # The name is taken greedily, so that one with a slash is cut at the last `/versions/`.
    path(
        "models/<model_name:name>/versions/<int:number>/",
        versions.version,
        name="version",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/graph/",
        version_graph.graph,
        name="version-graph",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/compare",
        version_graph.compare_with,
        name="compare-with",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/compare/<int:other>/",
        version_graph.compare,
        name="compare",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/promotions",
        versions.ask_promotion,
        name="request-promotion",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/promotions/<str:alias>",
        versions.its_promotion,
        name="promotion-of",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/waivers/",
        waivers.waivers,
        name="waivers",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/waivers/grant",
        waivers.grant,
        name="grant-waiver",
    ),
    path("waivers/<uuid:waiver_id>/revoke", waivers.revoke, name="revoke-waiver"),
    path(
        "models/<model_name:name>/versions/<int:number>/report",
        reports.order_report,
        name="order-report",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/recomputations/",
        recomputations.recomputations,
        name="recomputations",
    ),
    path(
        "models/<model_name:name>/versions/<int:number>/recomputations/order",
        recomputations.order,
        name="order-recomputation",
    ),
    path(
        "recomputations/<uuid:recomputation_id>/",
        recomputations.recomputation,
        name="recomputation",
    ),
    path(
        "recomputations/<uuid:recomputation_id>/cancel",
        recomputations.cancel,
        name="cancel-recomputation",
    ),
    path("models/<model_name:name>/aliases/", aliases.model_aliases, name="model-aliases"),
    path(
        "models/<model_name:name>/aliases.csv", aliases.model_aliases_csv, name="model-aliases-csv"
    ),
    path("aliases/", aliases.all_aliases, name="aliases"),
    path("aliases.csv", aliases.all_aliases_csv, name="aliases-csv"),
    path("models/<model_name:name>/policy", models.bind, name="bind"),
    path("models/<model_name:name>/emergency", emergencies.roll_back, name="emergency"),
    path("models/<model_name:name>/", models.model, name="model"),
    path("promotions/", promotions.promotions, name="promotions"),
    path("promotions/<uuid:promotion_id>/", promotions.promotion, name="promotion"),
    path("promotions/<uuid:promotion_id>/review", promotions.review, name="review"),
    path(
        "promotions/<uuid:promotion_id>/certificate",
        promotions.certificate,
        name="promotion-certificate",
    ),
    path("promotions/<uuid:promotion_id>/prepare", promotions.prepare, name="prepare-review"),
    path("promotions/<uuid:promotion_id>/comment", promotions.comment, name="say"),
    path("promotions/<uuid:promotion_id>/take-back", promotions.take_back, name="take-back"),
    path("promotions/<uuid:promotion_id>/withdraw", promotions.withdraw, name="withdraw"),
    path("promotions/<uuid:promotion_id>/status", promotions.status, name="promotion-status"),
    path("violations/", violations.violations, name="violations"),
    path("violations/<uuid:violation_id>/", violations.violation, name="violation"),
    path("violations/<uuid:violation_id>/accept", violations.accept, name="accept-violation"),
    path(
        "models/<model_name:name>/versions/<int:number>/rollbacks",
        rollbacks.ask,
        name="request-rollback",
    ),
    path("rollbacks/", rollbacks.rollbacks, name="rollbacks"),
    path("rollbacks/<uuid:rollback_id>/", rollbacks.rollback, name="rollback"),
    path("rollbacks/<uuid:rollback_id>/sign", rollbacks.sign, name="sign-rollback"),
    path("rollbacks/<uuid:rollback_id>/token", rollbacks.token, name="rollback-token"),
    path("rollbacks/<uuid:rollback_id>/revoke", rollbacks.revoke, name="revoke-rollback"),
    path("rollbacks/<uuid:rollback_id>/review", rollbacks.review, name="review-rollback"),
    path("withdrawals/", withdrawals.withdrawals, name="withdrawals"),
    path("withdrawals/new", withdrawals.propose, name="propose-withdrawal"),
    path("withdrawals/<uuid:withdrawal_id>/", withdrawals.withdrawal, name="withdrawal"),
    path("withdrawals/<uuid:withdrawal_id>/sign", withdrawals.sign, name="sign-withdrawal"),
    path("policies/", policies.policies, name="policies"),
    path("policies/replay/", replay.champions, name="replay"),
    path("policies/replay.csv", replay.champions_csv, name="replay-csv"),
    path("promotions/<uuid:promotion_id>/replay", replay.promotion, name="replay-promotion"),
    path("policies/<sha256:digest>/", policies.policy, name="policy"),
    path("policies/<sha256:digest>/document", policies.policy_document, name="policy-document"),
    path("reports/jobs/<uuid:job_id>/", reports.report_job, name="report-job"),
    path("reports/<uuid:report_id>.pdf", reports.report_pdf, name="report-pdf"),
]
