"""Where the registry store inside the MLflow server asks whether a grant may be used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.utils import timezone
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.models import Grant
from registry.services.grants import confirm_grant, reserve_grant


class GrantInput(serializers.Serializer[None]):
    grant = serializers.CharField(max_length=8192)


class GrantStatus(serializers.Serializer[None]):
    status = serializers.ChoiceField(["reserved", "confirmed"])


@method_decorator(login_not_required, name="dispatch")
class _GrantView(APIView):
    # The grant authenticates itself: only Muniment signs one, and only for one change.
    authentication_classes = ()
    permission_classes = ()
    service: Callable[..., Grant]

    def post(self, request: Request) -> Response:
        given = GrantInput(data=request.data)
        given.is_valid(raise_exception=True)
        now: datetime = timezone.now()
        grant = type(self).service(token=given.validated_data["grant"], now=now)
        return Response({"status": grant.status})


@extend_schema(request=GrantInput, responses=GrantStatus)
class ReserveGrantView(_GrantView):
    """Use a grant up, before the change is made."""

    service = staticmethod(reserve_grant)


@extend_schema(request=GrantInput, responses=GrantStatus)
class ConfirmGrantView(_GrantView):
    """Say that the granted change was made."""

    service = staticmethod(confirm_grant)
