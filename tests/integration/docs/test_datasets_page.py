"""The commands of docs/datasets.md, run one after the other."""

from __future__ import annotations

import io
import shlex

from django.core.management import call_command

from lineage.services.places import access_of, allowed_remotes
from tests.integration.web.world import World
from tests.unit.docs.pages import DOCS, fenced, read


def test_the_commands_allow_list_and_remove_places(world: World) -> None:
    [console] = fenced(read(DOCS / "datasets.md"), "console")
    said = []
    for line in console.replace("\\\n", " ").splitlines():
        _, program, *arguments = shlex.split(line.replace("ADMIN", "admin"))
        assert program == "manage.py"
        out = io.StringIO()
        call_command(*arguments, stdout=out)
        said.append(out.getvalue())
    assert [place.prefix for place in access_of("default").places] == [
        "s3://risk-archive/",
        "s3://risk-data/loans",
    ]
    archive, loans = access_of("default").places
    assert archive.is_immutable
    assert loans.credentials == {"key": "RISK_S3_KEY", "secret": "RISK_S3_SECRET"}
    assert allowed_remotes("default") == ("https://git.bank.example/risk",)
    listed = said[-2]
    assert "file:///srv/loans" in listed
    assert "nothing is overwritten there" in listed
    assert "RISK_S3_KEY" in listed
