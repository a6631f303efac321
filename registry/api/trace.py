"""The artifact graph over REST: what depends on this, and what was this made from."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lineage.domain.leg import LEG_NAMES
from registry.api.paging import PageOutput, PageQuery, page_of
from registry.selectors.lookups import version_named
from registry.selectors.trace import (
    ROLES,
    TraceFilter,
    explain,
    made_from,
    trace,
    versions_depending_on,
)
from registry.selectors.version_graph import compare_versions

SCHEMA_VERSION = 1


class TraceQuery(PageQuery):
    of = serializers.CharField(
        max_length=700,
        help_text="A digest, 7 or more digits of a commit, name==version or models:/name/version.",
    )
    role = serializers.ChoiceField(ROLES, default="", allow_blank=True)
    champions = serializers.BooleanField(default=False)
    superseded = serializers.BooleanField(
        default=False, help_text="What records say that were superseded counts too."
    )


class ArtifactOutput(serializers.Serializer[None]):
    key = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField()


class DependentOutput(serializers.Serializer[Any]):
    """A version made from it; `roles` is empty where it came in `through` something else."""

    # The serializer's own attribute of this name is not its field: DRF keeps the two apart.
    source = serializers.CharField(source="version.registered_model.source_id")  # type: ignore[assignment]
    model = serializers.CharField(source="version.registered_model.name")
    version = serializers.IntegerField(source="version.version")
    version_uri = serializers.CharField(source="version.uri")
    gone_at = serializers.DateTimeField(source="version.gone_at", allow_null=True)
    is_champion = serializers.BooleanField()
    roles = serializers.ListField(child=serializers.CharField())
    through = serializers.ListField(child=serializers.CharField())
    log_entry = serializers.CharField(source="record.entry.sha256")


class TraceOutput(PageOutput):
    artifacts = ArtifactOutput(many=True)
    results = DependentOutput(many=True)


class TraceView(APIView):
    """Answer which versions were made from an artifact, however deep."""

    @extend_schema(parameters=[TraceQuery], responses=TraceOutput)
    def get(self, request: Request) -> Response:
        query = TraceQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        traced = trace(
            asked["of"],
            TraceFilter(
                role=asked["role"], champions=asked["champions"], superseded=asked["superseded"]
            ),
        )
        found, said = page_of(versions_depending_on(traced), asked["page"])
        artifacts = [
            {"key": node.key, "kind": traced.kinds[node.key], "name": traced.names[node.key]}
            for node in traced.nodes
        ]
        results = DependentOutput(explain(traced, found), many=True).data
        return Response(
            {"schema_version": SCHEMA_VERSION, **said, "artifacts": artifacts, "results": results}
        )


class CompareQuery(serializers.Serializer[None]):
    source = serializers.CharField(max_length=50, default="")  # type: ignore[assignment]
    model = serializers.CharField(
        max_length=256, default="", help_text="The other version's model, where it is another."
    )
    other_source = serializers.CharField(max_length=50, default="")


class ChangeOutput(serializers.Serializer[Any]):
    """What the two do not agree on; null where a record does not name it."""

    kind = serializers.CharField()
    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class LegChangesOutput(serializers.Serializer[Any]):
    leg = serializers.ChoiceField(LEG_NAMES)
    changes = ChangeOutput(many=True)
    same = serializers.IntegerField()


class ComparisonOutput(serializers.Serializer[None]):
    """`legs` is empty where one of the two has no lineage record."""

    schema_version = serializers.IntegerField()
    before = serializers.CharField()
    after = serializers.CharField()
    legs = LegChangesOutput(many=True)


class CompareView(APIView):
    """Answer what two versions were made of, leg by leg."""

    @extend_schema(parameters=[CompareQuery], responses=ComparisonOutput)
    def get(self, request: Request, name: str, version: int, other: int) -> Response:
        query = CompareQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        after = version_named(name, version, asked["source"])
        is_other = asked["model"] not in ("", name)
        other_source = asked["other_source"] or ("" if is_other else asked["source"])
        before = version_named(asked["model"] or name, other, other_source)
        legs = compare_versions(before, after).legs
        return Response(
            {
                "schema_version": SCHEMA_VERSION,
                "before": before.uri,
                "after": after.uri,
                "legs": LegChangesOutput(legs, many=True).data,
            }
        )


class MadeFromQuery(serializers.Serializer[None]):
    source = serializers.CharField(max_length=50, default="")  # type: ignore[assignment]


class IngredientOutput(serializers.Serializer[Any]):
    """An artifact that went in; `is_own` is false where what it was made from used it."""

    key = serializers.CharField()
    kind = serializers.CharField()
    role = serializers.ChoiceField(ROLES)
    name = serializers.CharField()
    is_own = serializers.BooleanField()
    into = serializers.ListField(child=serializers.CharField())


class MadeFromOutput(serializers.Serializer[None]):
    schema_version = serializers.IntegerField()
    version_uri = serializers.CharField()
    results = IngredientOutput(many=True)


class MadeFromView(APIView):
    """Answer what a version was made from, however deep."""

    @extend_schema(parameters=[MadeFromQuery], responses=MadeFromOutput)
    def get(self, request: Request, name: str, version: int) -> Response:
        query = MadeFromQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = version_named(name, version, query.validated_data["source"])
        return Response(
            {
                "schema_version": SCHEMA_VERSION,
                "version_uri": found.uri,
                "results": IngredientOutput(made_from(found), many=True).data,
            }
        )
