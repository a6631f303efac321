"""Withdrawals of datasets over REST: the same services as the pages."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import MayWithdraw
from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import Actor
from registry.api.paging import PageOutput, PageQuery, page_of
from registry.api.signer import SignerInput, signed_with
from registry.domain.withdrawal import Cause
from registry.models import ModelVersion, Withdrawal
from registry.selectors.withdrawals import (
    list_withdrawals,
    names_of_dataset,
    status_of,
    versions_of,
)
from registry.services.withdrawals import (
    APPROVE,
    MAX_REASON,
    REFUSE,
    propose_withdrawal,
    sign_withdrawal,
)
from registry.services.withdrawn_versions import affected_versions

SCHEMA_VERSION = 1
# The trace has all of them.
MOST_NAMED = 1_000


class WithdrawalInput(SignerInput):
    dataset = serializers.CharField(max_length=80, help_text="Its digest, sha256:… or dirHash:….")
    cause = serializers.ChoiceField([cause.value for cause in Cause])
    reason = serializers.CharField(max_length=MAX_REASON)


class WithdrawalSignatureInput(SignerInput):
    verdict = serializers.ChoiceField([APPROVE, REFUSE])
    reason = serializers.CharField(
        max_length=MAX_REASON, default="", allow_blank=True, help_text="Needed to refuse."
    )


class WithdrawalOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    dataset = serializers.CharField()
    cause = serializers.ChoiceField([cause.value for cause in Cause])
    state = serializers.SerializerMethodField(help_text="requested, in_force or refused")
    proposed_by = serializers.UUIDField(source="proposer_id")
    proposed_at = serializers.DateTimeField()
    signed_by = serializers.SerializerMethodField(help_text="null until somebody signed second")
    signed_at = serializers.SerializerMethodField()
    statement = serializers.SerializerMethodField(help_text="In the log: the last signature.")
    affected = serializers.IntegerField(help_text="How many versions it is stated of.")
    url = serializers.SerializerMethodField()

    def get_state(self, found: Withdrawal) -> str:
        return status_of(found)

    def get_signed_by(self, found: Withdrawal) -> UUID | None:
        return found.approval.person_id if hasattr(found, "approval") else None

    def get_signed_at(self, found: Withdrawal) -> str | None:
        if not hasattr(found, "approval"):
            return None
        return serializers.DateTimeField().to_representation(found.approval.signed_at)

    def get_statement(self, found: Withdrawal) -> str:
        entry = found.approval.entry if hasattr(found, "approval") else found.entry
        return f"sha256:{entry.sha256}"

    def get_url(self, found: Withdrawal) -> str:
        return f"{settings.MUNIMENT_URL}/withdrawals/{found.pk}/"


class AffectedVersion(serializers.Serializer[ModelVersion]):
    source = serializers.CharField(source="registered_model.source_id")  # type: ignore[assignment]
    model = serializers.CharField(source="registered_model.name")
    version = serializers.IntegerField()
    version_uri = serializers.CharField(source="uri")


class OneWithdrawalOutput(WithdrawalOutput):
    names = serializers.SerializerMethodField(help_text="What lineage records call the dataset.")
    versions = serializers.SerializerMethodField(
        help_text="Made from it: stated so once it is in force, before as they are found now; "
        f"{MOST_NAMED:,} at most."
    )

    def get_names(self, found: Withdrawal) -> list[str]:
        return names_of_dataset(found.dataset)

    @extend_schema(responses=AffectedVersion(many=True))
    def get_versions(self, found: Withdrawal) -> list[dict[str, Any]]:
        if status_of(found) == "in_force":
            versions = [row.version for row in versions_of(found)[:MOST_NAMED]]
        else:
            versions = list(affected_versions(found.dataset)[:MOST_NAMED])
        return [dict(AffectedVersion(version).data) for version in versions]


class WithdrawalsOutput(PageOutput):
    results = WithdrawalOutput(many=True)


class _WithdrawalApi(APIView):
    permission_classes = (MayWithdraw,)

    @staticmethod
    def _actor(request: Request) -> Actor:
        return actor_of(cast(User, request.user))

    @staticmethod
    def _said(withdrawal_id: UUID) -> dict[str, Any]:
        found = get_object_or_404(list_withdrawals(), pk=withdrawal_id)
        return dict(OneWithdrawalOutput(found).data)


class WithdrawalsView(_WithdrawalApi):
    """List the withdrawals, the newest first; sign one first."""

    @extend_schema(parameters=[PageQuery], responses=WithdrawalsOutput)
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found, said = page_of(list_withdrawals(), query.validated_data["page"])
        results = WithdrawalOutput(found, many=True).data
        return Response({"schema_version": SCHEMA_VERSION, **said, "results": results})

    @extend_schema(request=WithdrawalInput, responses={201: OneWithdrawalOutput})
    def post(self, request: Request) -> Response:
        given = WithdrawalInput(data=request.data)
        given.is_valid(raise_exception=True)
        proposed = propose_withdrawal(
            **signed_with(given.validated_data), actor=self._actor(request), now=timezone.now()
        )
        return Response(self._said(proposed.pk), status=201)


class WithdrawalView(_WithdrawalApi):
    """Say where one withdrawal stands, and which versions it affects."""

    @extend_schema(responses=OneWithdrawalOutput)
    def get(self, request: Request, withdrawal_id: UUID) -> Response:
        return Response(self._said(withdrawal_id))


class WithdrawalSignatureView(_WithdrawalApi):
    """Give the second signature, or refuse to, with the signer's own password."""

    @extend_schema(request=WithdrawalSignatureInput, responses=OneWithdrawalOutput)
    def post(self, request: Request, withdrawal_id: UUID) -> Response:
        given = WithdrawalSignatureInput(data=request.data)
        given.is_valid(raise_exception=True)
        get_object_or_404(Withdrawal, pk=withdrawal_id)
        sign_withdrawal(
            withdrawal_id=withdrawal_id,
            **signed_with(given.validated_data),
            actor=self._actor(request),
            now=timezone.now(),
        )
        return Response(self._said(withdrawal_id))
