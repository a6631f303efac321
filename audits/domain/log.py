"""The vocabulary of the log's events."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """What is said in the log, dotted and in the past tense; promotions add their own moves."""

    KEY_ENROLLED = "key.enrolled"
    SOURCE_ADDED = "source.added"
    SOURCE_CHANGED = "source.changed"
    SOURCE_REMOVED = "source.removed"
    PLACE_ALLOWED = "place.allowed"
    PLACE_REMOVED = "place.removed"
    MODE_SET = "mode.set"
    MODEL_ADOPTED = "model.adopted"
    MODEL_APPEARED = "model.appeared"
    MODEL_RENAMED = "model.renamed"
    MODEL_CHANGED = "model.changed"
    MODEL_GONE = "model.gone"
    VERSION_APPEARED = "version.appeared"
    VERSION_CHANGED = "version.changed"
    VERSION_GONE = "version.gone"
    ALIAS_SET = "alias.set"
    ALIAS_MOVED = "alias.moved"
    ALIAS_REMOVED = "alias.removed"
    CHANGE_REFUSED = "change.refused"
    ARTIFACTS_CHANGED = "artifacts.changed"
    VIOLATION_UNDONE = "violation.undone"
    VIOLATION_ACCEPTED = "violation.accepted"
    DATASET_CHANGED = "dataset.changed"
    DATASET_RESTORED = "dataset.restored"
    LINEAGE_RECORDED = "lineage.recorded"
    EVIDENCE_RECORDED = "evidence.recorded"
    POLICY_PUBLISHED = "policy.published"
    POLICY_BOUND = "policy.bound"
    CERTIFICATE_ISSUED = "certificate.issued"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_REFUSED = "approval.refused"
    CHANGES_REQUESTED = "approval.changes_requested"
    APPROVAL_DISMISSED = "approval.dismissed"
    REPORT_ISSUED = "report.issued"
    PERSON_ADDED = "person.added"
    CREDENTIAL_ENROLLED = "credential.enrolled"
    CREDENTIAL_REMOVED = "credential.removed"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - an event, not a secret
