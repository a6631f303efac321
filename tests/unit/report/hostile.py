"""A dossier from somebody who wants the report to lie, load, run or never end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audits.domain.dossier import Alias, AliasChange, Approval, Dossier, Gate, Leg, RegistryEvent
from tests.unit.report.samples import champion, later

SCRIPT = (
    '<script>alert(1)</script><img src="http://127.0.0.1:9/x.png" onerror="x">'
    '<link rel="attachment" href="file:///etc/passwd"><style>@import "http://127.0.0.1:9/";'
    "*{display:none}</style></td></table></body>{% load os %}{{ settings }}&lt;&#60;"
)
OVERRIDE = "moc.live\u202egpj.exe\u2066 allowed \u2069\u200b\u0000\u001b[31m\ufeff"
ARABIC = "محمد بن سلمان"
HEBREW = "ישראל ישראלי"
ZALGO = "a" + "\u0301\u0336\u0489" * 400
WORD = "W" * 5_000
SHORT = f"{SCRIPT} {OVERRIDE} {ARABIC} {HEBREW} {ZALGO[:40]} \U0001f916 中文 " + "W" * 120
EVERYTHING = f"{SHORT} {ZALGO} {WORD}"


def hostile(many: int, *, short: str = SHORT, everything: str = EVERYTHING) -> Dossier:
    """Return v2's dossier with `many` of everything, each value hostile."""
    base = champion()
    assert base.decision is not None
    assert base.lineage is not None
    assert base.log is not None
    bias = base.evidence[0]
    attributes: Any = bias.measurements["attributes"]
    race = dict(attributes["race"])
    group = race["groups"]["Black"]
    race["groups"] = {"White": race["groups"]["White"]} | {
        f"{short}{number}": group for number in range(24)
    }
    race["reasons"] = [short] * 30
    attributes = {f"race {short} {number}": race for number in range(min(12, many))}
    evidence = replace(
        bias,
        kind="bias",
        reasons=(everything,) * 20,
        measurements={"n": 995, "favourable": 1, "attributes": attributes},
        producer=everything,
    )
    approval = Approval(
        everything, everything, "approve", everything, later(9), everything, everything
    )
    gate = Gate(short, short, "satisfied", short, {short: [short] * 20}, 1)
    denying = replace(gate, title="The one that counts", outcome="unsatisfied")
    promotion = replace(
        base.promotions[0],
        status=everything,
        requested_by=everything,
        timeline=base.promotions[0].timeline * 20,
    )
    return replace(
        base,
        model_name=everything,
        version="2",
        owner=everything,
        intended_use=everything,
        source=everything,
        requested_by=everything,
        generator=everything,
        aliases=(Alias(short, "2"),) * many,
        alias_history=(AliasChange(short, later(1), short, short, short),) * many,
        decision=replace(base.decision, gates=(gate,) * many + (denying,), reasons=(short,) * many),
        lineage=replace(
            base.lineage,
            legs=(Leg(short, "weak", short),) * many,
            dependencies=base.lineage.dependencies * 500,
            parameters={f"{short}{number}": short for number in range(500)},
            remote=everything,
            commit=everything,
        ),
        evidence=(evidence,) * 3 + base.evidence,
        promotions=(promotion,) * 30,
        approvals=(approval,) * 200,
        events=(RegistryEvent(short, later(2), short, short, False),) * many
        + (RegistryEvent("alias.moved", later(1), "THE VIOLATION", None, True),),
        log=replace(
            base.log, checkpoint=everything + "\n" * 500 + "x", vkey=WORD, origin=everything
        ),
    )
