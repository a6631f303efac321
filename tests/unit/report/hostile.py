"""A dossier from somebody who wants the report to lie, load, run or never end."""

from __future__ import annotations

from dataclasses import replace

from audits.domain.dossier import Alias, AliasChange, Approval, Dossier, Gate, Leg, RegistryEvent
from tests.unit.report.samples import champion, later

SCRIPT = (
    '<script>alert(1)</script><img src="http://127.0.0.1:9/x.png" onerror="x">'
    '<link rel="attachment" href="file:///etc/passwd"><style>@import "http://127.0.0.1:9/";'
    '*{display:none}</style></td></table></body>{% load os %}{{ settings }}&lt;&#60;'
)
OVERRIDE = "moc.live\u202egpj.exe\u2066 allowed \u2069\u200b\u0000\u001b[31m\ufeff"
ARABIC = "محمد بن سلمان"
HEBREW = "ישראל ישראלי"
ZALGO = "a" + "\u0301\u0336\u0489" * 400
WORD = "W" * 20_000
SHORT = f"{SCRIPT} {OVERRIDE} {ARABIC} {HEBREW} {ZALGO[:40]} \U0001f916 中文 " + "W" * 120
EVERYTHING = f"{SHORT} {ZALGO} {WORD}"


def hostile(many: int = 5_000, *, SHORT: str = SHORT, EVERYTHING: str = EVERYTHING) -> Dossier:
    """Return v2's dossier with `many` of everything, each value hostile."""
    base = champion()
    assert base.decision is not None and base.lineage is not None and base.log is not None
    bias = base.evidence[0]
    race = dict(bias.measurements["attributes"]["race"])  # type: ignore[call-overload, index]
    group = race["groups"]["Black"]
    race["groups"] = {"White": race["groups"]["White"]} | {
        f"{SHORT}{number}": group for number in range(40)
    }
    race["reasons"] = [SHORT] * 30
    attributes = {f"race {SHORT} {number}": race for number in range(12)}
    evidence = replace(
        bias,
        kind="bias",
        reasons=(EVERYTHING,) * 20,
        measurements={"n": 995, "favourable": 1, "attributes": attributes},
        producer=EVERYTHING,
    )
    approval = Approval(
        EVERYTHING, EVERYTHING, "approve", EVERYTHING, later(9), EVERYTHING, EVERYTHING
    )
    gate = Gate(SHORT, SHORT, "satisfied", SHORT, {SHORT: [SHORT] * 20}, 1)
    denying = replace(gate, title="The one that counts", outcome="unsatisfied")
    promotion = replace(
        base.promotions[0],
        status=EVERYTHING,
        requested_by=EVERYTHING,
        timeline=base.promotions[0].timeline * 500,
    )
    return replace(
        base,
        model_name=EVERYTHING,
        version="2",
        owner=EVERYTHING,
        intended_use=EVERYTHING,
        source=EVERYTHING,
        requested_by=EVERYTHING,
        generator=EVERYTHING,
        aliases=(Alias(SHORT, "2"),) * many,
        alias_history=(AliasChange(SHORT, later(1), SHORT, SHORT, SHORT),) * many,
        decision=replace(base.decision, gates=(gate,) * many + (denying,), reasons=(SHORT,) * many),
        lineage=replace(
            base.lineage,
            legs=(Leg(SHORT, "weak", SHORT),) * many,
            dependencies=base.lineage.dependencies * 500,
            parameters={f"{SHORT}{number}": SHORT for number in range(500)},
            remote=EVERYTHING,
            commit=EVERYTHING,
        ),
        evidence=(evidence,) * 3 + base.evidence,
        promotions=(promotion,) * 50,
        approvals=(approval,) * 200,
        events=(RegistryEvent(SHORT, later(2), SHORT, SHORT, False),) * many
        + (RegistryEvent("alias.moved", later(1), "THE VIOLATION", None, True),),
        log=replace(base.log, checkpoint=EVERYTHING + "\n" * 500 + "x", vkey=WORD, origin=EVERYTHING),
    )
