"""What the registry services refuse, with stable codes and the HTTP status they have."""

from __future__ import annotations

from http import HTTPStatus


class RegistryError(Exception):
    """Root of this app's errors."""

    code = "registry_error"
    status = HTTPStatus.BAD_REQUEST


class UnknownVersion(RegistryError):
    """No such living model or version in the mirror."""

    code = "unknown_version"
    status = HTTPStatus.NOT_FOUND


class AmbiguousName(RegistryError):
    """More than one registry source has a model of that name."""

    code = "ambiguous_name"
    status = HTTPStatus.CONFLICT


class NotGoverned(RegistryError):
    """The alias is not one that Muniment guards."""

    code = "alias_not_governed"


class NoPolicyBound(RegistryError):
    """A model without a policy has no promotion."""

    code = "no_policy_bound"
    status = HTTPStatus.CONFLICT


class PromotionOpen(RegistryError):
    """The same version already has an open promotion to this alias."""

    code = "promotion_open"
    status = HTTPStatus.CONFLICT


class PromotionClosed(RegistryError):
    """The promotion is no longer open to what was asked."""

    code = "promotion_closed"
    status = HTTPStatus.CONFLICT


class EvidenceChanged(RegistryError):
    """The evidence is not what the reviewer was shown."""

    code = "evidence_changed"
    status = HTTPStatus.CONFLICT


class SignatureTooWeak(RegistryError):
    """The policy asks for a stronger signature than was given."""

    code = "weak_signature"
    status = HTTPStatus.FORBIDDEN


class ReviewNotAllowed(RegistryError):
    """This person may not review this promotion."""

    code = "review_not_allowed"
    status = HTTPStatus.FORBIDDEN


class AlreadySigned(ReviewNotAllowed):
    """This person's verdict on this evidence is there already; nothing more was signed."""

    code = "already_signed"
    status = HTTPStatus.CONFLICT


class GrantRefused(RegistryError):
    """The grant is unknown, used, expired, or not what it claims."""

    code = "grant_refused"
    status = HTTPStatus.CONFLICT


class PolicyNotBindable(RegistryError):
    """The policy may not be bound as asked."""

    code = "policy_not_bindable"


class InvalidRequest(RegistryError):
    """An input is malformed; nothing was done."""

    code = "invalid_input"


class HookRefused(RegistryError):
    """A webhook delivery that MLflow did not sign, or not now."""

    code = "hook_refused"
    status = HTTPStatus.UNAUTHORIZED


class HookTooLarge(HookRefused):
    """A webhook delivery larger than any that MLflow sends; it was not read."""

    code = "too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class HookUnreadable(RegistryError):
    """A delivery that was signed and says nothing that can be taken."""

    code = "hook_unreadable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class WithdrawalNotAllowed(RegistryError):
    """Only the requester takes a request back."""

    code = "withdrawal_not_allowed"
    status = HTTPStatus.FORBIDDEN


class SourceUnusable(RegistryError):
    """A registry source cannot be reached as it is described."""

    code = "source_unusable"


class WebhookNotDelivered(RegistryError):
    """MLflow does not deliver to Muniment; the message says what stands in the way."""

    code = "webhook_not_delivered"
    status = HTTPStatus.BAD_GATEWAY


class SourceInUse(RegistryError):
    """The mirror holds models of a registry source, so it stays."""

    code = "source_in_use"
    status = HTTPStatus.CONFLICT


class NothingToReplay(RegistryError):
    """No recorded decision is there to be come to again."""

    code = "nothing_to_replay"
    status = HTTPStatus.NOT_FOUND


class NoCertificate(RegistryError):
    """There is no certificate of that promotion, or none that can be proven yet."""

    code = "no_certificate"
    status = HTTPStatus.NOT_FOUND


class UnknownPolicy(RegistryError):
    """No such policy is published."""

    code = "unknown_policy"
    status = HTTPStatus.NOT_FOUND


class BindingChanged(RegistryError):
    """What would be bound is no more what was shown; nothing was bound."""

    code = "binding_changed"
    status = HTTPStatus.CONFLICT


class UnknownSource(RegistryError):
    """There is no such registry source."""

    code = "unknown_source"
    status = HTTPStatus.NOT_FOUND


class RollbackNotPossible(RegistryError):
    """The rollback grant cannot be had, signed, handed out or reviewed as it stands."""

    code = "rollback_not_possible"
    status = HTTPStatus.CONFLICT


class RecomputationNotPossible(RegistryError):
    """The version cannot be recomputed as it stands."""

    code = "recomputation_not_possible"
    status = HTTPStatus.CONFLICT


class RecomputationOpen(RegistryError):
    """The version is being recomputed already."""

    code = "recomputation_open"
    status = HTTPStatus.CONFLICT


class RecomputationClosed(RegistryError):
    """The recomputation has ended already."""

    code = "recomputation_closed"
    status = HTTPStatus.CONFLICT


class WithdrawalNotPossible(RegistryError):
    """The dataset cannot be withdrawn, or no second signature is asked for."""

    code = "withdrawal_not_possible"
    status = HTTPStatus.CONFLICT


class FindingNotPossible(RegistryError):
    """The finding cannot be raised, answered or closed as it stands."""

    code = "finding_not_possible"
    status = HTTPStatus.CONFLICT


class WaiverNotPossible(RegistryError):
    """The gate cannot be waived, or the waiver cannot be taken back, as it stands."""

    code = "waiver_not_possible"
    status = HTTPStatus.CONFLICT


class TraceNotUnderstood(RegistryError):
    """What is to be traced names no artifact, or too many."""

    code = "trace_not_understood"


class EvaluationSetRefused(RegistryError):
    """The file, its name or the roles of its columns make no evaluation set."""

    code = "evaluation_set_refused"


class UnknownEvaluationSet(RegistryError):
    """No such evaluation set is registered."""

    code = "unknown_evaluation_set"
    status = HTTPStatus.NOT_FOUND


class EvaluationSetMissing(RegistryError):
    """The bytes of a registered evaluation set are not here, or are others by now."""

    code = "evaluation_set_missing"
    status = HTTPStatus.CONFLICT


class SetAuditNotPossible(RegistryError):
    """The version cannot be audited with an evaluation set as it stands."""

    code = "set_audit_not_possible"
    status = HTTPStatus.CONFLICT


class SetAuditOpen(RegistryError):
    """The version is being audited with its evaluation set already."""

    code = "set_audit_open"
    status = HTTPStatus.CONFLICT


class UnknownDraft(RegistryError):
    """There is no such draft of a policy, or not any more."""

    code = "unknown_draft"
    status = HTTPStatus.NOT_FOUND


class DraftChanged(RegistryError):
    """Somebody else edited the draft of a policy meanwhile."""

    code = "draft_changed"
    status = HTTPStatus.CONFLICT
