"""What MLflow says (mirror), and what may happen to it (policies, promotions, grants)."""

from __future__ import annotations

from registry.models.certificates import Certificate
from registry.models.emergencies import EmergencyApproval
from registry.models.evaluation_sets import EvaluationSet, EvaluationSetBinding
from registry.models.findings import FindingAnswer, FindingClosure, ReviewFinding
from registry.models.mirror import (
    AliasChange,
    ModelAlias,
    ModelVersion,
    ModeRule,
    RegisteredModel,
    RegistrySource,
    Violation,
    WebhookDelivery,
)
from registry.models.mlflow_accounts import MlflowAccount
from registry.models.policy_drafts import PolicyDraft
from registry.models.promotions import (
    Approval,
    Decision,
    Dismissal,
    Grant,
    Policy,
    PolicyBinding,
    PolicyRetirement,
    Promotion,
    ReviewAssignment,
)
from registry.models.rollbacks import RollbackApproval, RollbackGrant
from registry.models.waivers import GateWaiver, WaiverRevocation
from registry.models.withdrawals import Withdrawal, WithdrawalApproval, WithdrawnVersion

__all__ = [
    "AliasChange",
    "Approval",
    "Certificate",
    "Decision",
    "Dismissal",
    "EmergencyApproval",
    "EvaluationSet",
    "EvaluationSetBinding",
    "FindingAnswer",
    "FindingClosure",
    "GateWaiver",
    "Grant",
    "MlflowAccount",
    "ModeRule",
    "ModelAlias",
    "ModelVersion",
    "Policy",
    "PolicyBinding",
    "PolicyDraft",
    "PolicyRetirement",
    "Promotion",
    "RegisteredModel",
    "RegistrySource",
    "ReviewAssignment",
    "ReviewFinding",
    "RollbackApproval",
    "RollbackGrant",
    "Violation",
    "WaiverRevocation",
    "WebhookDelivery",
    "Withdrawal",
    "WithdrawalApproval",
    "WithdrawnVersion",
]
