"""What ties a registered version to the run that its registry row names.

Nothing in MLflow checks that claim: any `run_id` is accepted beside any `source`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lineage.domain.artifact_names import UnsafeName, logged_model_id, require_path
from lineage.domain.redaction import bounded, without_credentials
from lineage.domain.rows import LoggedModel, Run
from lineage.domain.snapshot import VersionSnapshot


class LinkKind(StrEnum):
    """How far what the run says can be said of the version.

    SHOWN: the version's source is a logged model, and that comes from this very run.
    IN_RUN_FOLDER: the source lies in the run's own folder, where anyone may have put it.
    CLAIMED: nothing but the registry row says so. NONE: there is no run to speak of.
    """

    SHOWN = "shown"
    IN_RUN_FOLDER = "in_run_folder"
    CLAIMED = "claimed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Link:
    """The tie, and what is wrong with it in one sentence (empty where nothing is)."""

    kind: LinkKind
    reason: str = ""


def judge_link(
    snapshot: VersionSnapshot, run: Run | None, logged_model: LoggedModel | None
) -> Link:
    """Judge the tie between a version and its run.

    Args:
        run: as fetched by `snapshot.run_id`; None where MLflow has none.
        logged_model: as fetched by the id in `snapshot.source_uri`; None where there is none.
    """
    if not snapshot.run_id:
        return Link(LinkKind.NONE, "The version names no run.")
    shown_id = bounded(snapshot.run_id, 200)
    if run is None or run.run_id != snapshot.run_id:
        return Link(LinkKind.NONE, f"The run {shown_id} that the version names is not in MLflow.")
    source = snapshot.source_uri or ""
    model_id = logged_model_id(source)
    if model_id is None:
        return _link_by_place(source, run)
    if logged_model is None or logged_model.model_id != model_id:
        return Link(
            LinkKind.CLAIMED,
            f"The logged model {model_id} is not in MLflow, so nothing ties the version to the "
            f"run {shown_id}.",
        )
    if logged_model.source_run_id != run.run_id:
        origin = bounded(logged_model.source_run_id, 200) or "no run"
        return Link(
            LinkKind.CLAIMED,
            f"The logged model {model_id} comes from {origin}, not from the run {shown_id} that "
            "the version names.",
        )
    return Link(LinkKind.SHOWN)


def _link_by_place(source: str, run: Run) -> Link:
    root = run.artifact_uri.rstrip("/") + "/"
    for prefix in (root, f"runs:/{run.run_id}/"):
        if len(prefix) > 1 and source.startswith(prefix):
            try:
                require_path(source.removeprefix(prefix))
            except UnsafeName:
                break
            return Link(
                LinkKind.IN_RUN_FOLDER,
                "The version's files lie in its run's folder, but no logged model ties them to "
                "the run.",
            )
    place = bounded(without_credentials(source), 300) or "nothing"
    return Link(
        LinkKind.CLAIMED,
        f"The version's source is {place}, which does not come from the run that it names.",
    )
