"""Rollback grants over REST: the same services as the pages."""

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

from accounts.api.permissions import MayRollBack
from accounts.models import User
from accounts.services.people import actor_of
from audits.domain.actor import Actor
from registry.api.paging import PageOutput, PageQuery, page_of
from registry.api.rollback_tokens import collect_token
from registry.api.signer import SignerInput, signed_with
from registry.domain.rollback import DEFAULT_VALID_DAYS, MAX_VALID_DAYS, RollbackStatus
from registry.models import RollbackGrant
from registry.selectors.lookups import version_named
from registry.selectors.rollbacks import EXPIRED, list_rollbacks, shown_status
from registry.services.rollback_reviews import (
    ACCEPT,
    APPROVE,
    REFUSE,
    REJECT,
    review_rollback,
    sign_rollback,
)
from registry.services.rollbacks import MAX_NOTE, request_rollback, revoke_rollback

SCHEMA_VERSION = 1
STATES = (*(status.value for status in RollbackStatus), EXPIRED)


class RollbackInput(serializers.Serializer[None]):
    model = serializers.CharField(max_length=256)
    # The serializer's own attribute of this name is not its field: DRF keeps the two apart.
    source = serializers.CharField(max_length=50, default="")  # type: ignore[assignment]
    version = serializers.IntegerField(min_value=1, help_text="The version to go back to.")
    alias = serializers.CharField(max_length=256)
    note = serializers.CharField(max_length=MAX_NOTE)
    valid_days = serializers.IntegerField(
        min_value=1, max_value=MAX_VALID_DAYS, default=DEFAULT_VALID_DAYS
    )


class RollbackSignatureInput(SignerInput):
    verdict = serializers.ChoiceField(
        [APPROVE, REFUSE, ACCEPT, REJECT],
        help_text="approve or refuse a grant that is asked for, accept or reject its use",
    )
    reason = serializers.CharField(max_length=MAX_NOTE, default="", allow_blank=True)


class RollbackOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.SerializerMethodField()
    source = serializers.CharField(source="version.registered_model.source_id")  # type: ignore[assignment]
    model = serializers.CharField(source="version.registered_model.name")
    model_uri = serializers.CharField(source="version.registered_model.uri")
    alias = serializers.CharField()
    from_version = serializers.IntegerField(source="from_version.version")
    to_version = serializers.IntegerField(source="version.version")
    requested_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(allow_null=True)
    found_at = serializers.DateTimeField(allow_null=True)
    url = serializers.SerializerMethodField()

    def get_state(self, rollback: RollbackGrant) -> str:
        return shown_status(rollback, timezone.now())

    def get_url(self, rollback: RollbackGrant) -> str:
        return f"{settings.MUNIMENT_URL}/rollbacks/{rollback.pk}/"


class RollbacksOutput(PageOutput):
    results = RollbackOutput(many=True)


class RollbackTokenOutput(serializers.Serializer[None]):
    token = serializers.CharField(help_text="The grant. It is not given again.")


class _RollbackApi(APIView):
    permission_classes = (MayRollBack,)

    @staticmethod
    def _actor(request: Request) -> Actor:
        return actor_of(cast(User, request.user))


class RollbacksView(_RollbackApi):
    """List the rollback grants, what moved last first; ask for one."""

    @extend_schema(parameters=[PageQuery], responses=RollbacksOutput)
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found, said = page_of(list_rollbacks(), query.validated_data["page"])
        results = RollbackOutput(found, many=True).data
        return Response({"schema_version": SCHEMA_VERSION, **said, "results": results})

    @extend_schema(request=RollbackInput, responses={201: RollbackOutput})
    def post(self, request: Request) -> Response:
        given = RollbackInput(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        rollback = request_rollback(
            version=version_named(asked["model"], asked["version"], asked["source"]),
            alias=asked["alias"],
            note=asked["note"],
            valid_days=asked["valid_days"],
            actor=self._actor(request),
            now=timezone.now(),
        )
        return Response(RollbackOutput(rollback).data, status=201)


class RollbackView(_RollbackApi):
    """Say where one rollback grant stands."""

    @extend_schema(responses=RollbackOutput)
    def get(self, request: Request, rollback_id: UUID) -> Response:
        return Response(RollbackOutput(get_object_or_404(list_rollbacks(), pk=rollback_id)).data)


class RollbackSignatureView(_RollbackApi):
    """Sign a verdict, with the signer's own password."""

    @extend_schema(request=RollbackSignatureInput, responses=RollbackOutput)
    def post(self, request: Request, rollback_id: UUID) -> Response:
        given = RollbackSignatureInput(data=request.data)
        given.is_valid(raise_exception=True)
        is_before = given.validated_data["verdict"] in (APPROVE, REFUSE)
        signed = (sign_rollback if is_before else review_rollback)(
            rollback_id=rollback_id,
            **signed_with(given.validated_data),
            actor=self._actor(request),
            now=timezone.now(),
        )
        return Response(RollbackOutput(signed).data)


class RollbackTokenView(_RollbackApi):
    """Hand the token out, once, to the one who asked for it; 202 while it is not signed yet."""

    @extend_schema(request=None, responses={200: RollbackTokenOutput, 202: dict[str, str]})
    def post(self, request: Request, rollback_id: UUID) -> Response:
        token = collect_token(rollback_id=rollback_id, actor=self._actor(request))
        if token is not None:
            return Response({"token": token}, headers={"Cache-Control": "no-store"})
        detail = "The token is not signed yet, and nothing was handed out. Ask again in a moment."
        return Response({"detail": detail}, status=202, headers={"Retry-After": "3"})


class RollbackRevocationView(_RollbackApi):
    """Take a rollback grant back; a token that is out goes on to be honoured by MLflow."""

    @extend_schema(request=None, responses=RollbackOutput)
    def post(self, request: Request, rollback_id: UUID) -> Response:
        revoked = revoke_rollback(
            rollback_id=rollback_id, actor=self._actor(request), now=timezone.now()
        )
        return Response(RollbackOutput(revoked).data)
