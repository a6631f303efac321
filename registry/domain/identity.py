"""Mirror identity: what a model *is* while its name changes, and how it is written as a URI."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, order=True)
class ModelIdentity:
    """A registered model within its source: creation time and first-seen name.

    MLflow keeps the timestamp when a model is renamed; a name deleted and made again has another
    timestamp, so it is another model.
    """

    creation_timestamp_ms: int
    first_seen_name: str


def model_uri(source: str, identity: ModelIdentity) -> str:
    """Write the model URI, which is also its stream id: `muniment://<source>/models/<name>@<ms>`.

    Both parts are percent-encoded (UTF-8, nothing but unreserved characters left as they are), so
    that different identities never share a URI.
    """
    name = quote(identity.first_seen_name, safe="")
    return f"muniment://{quote(source, safe='')}/models/{name}@{identity.creation_timestamp_ms}"


def version_uri(source: str, identity: ModelIdentity, version: int) -> str:
    """Write the version URI, `<model URI>/versions/<n>`: the name of a Statement's subject."""
    return version_of(model_uri(source, identity), version)


def version_of(model: str, version: int) -> str:
    """Write the URI of a version of the model with this URI."""
    return f"{model}/versions/{version}"
