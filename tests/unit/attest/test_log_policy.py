"""Trust policies: what the file may say, and when a checkpoint counts."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.errors import NoteError
from muniment.attest.log_policy import LogPolicy
from muniment.attest.note import NoteSigner, NoteVerifier, add_signatures


def _key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


LOG = NoteSigner("muniment.test/log", _key(1))
OTHER_LOG = NoteSigner("other.test/log", _key(2))
HEAD = Checkpoint(LOG.name, 7, b"\x09" * 32)
NAMES = ("north", "south", "east", "west")
WITNESSES = {
    name: NoteSigner(f"{name}.test", _key(10 + place), cosigns_at=1_800_000_000)
    for place, name in enumerate(NAMES)
}
LINES = "".join(f"witness {name} {WITNESSES[name].vkey}\n" for name in NAMES)
TWO_OF_THREE = f"log {LOG.vkey}\n{LINES}group g 2 north south east\nquorum g\n".encode()
# The policy in the specification, its keys filled in.
NESTED = f"""log {LOG.vkey}

witness X1 {WITNESSES["north"].vkey}
witness X2 {WITNESSES["south"].vkey} https://x2.example/
 # two organizations
witness\tY1   {WITNESSES["east"].vkey}
witness Y2 {WITNESSES["west"].vkey}
group X-witnesses 2 X1 X2
group Y-witnesses any Y1 Y2

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


def _note(*cosigners: str) -> bytes:
    return sign_checkpoint(HEAD, LOG, *(WITNESSES[name] for name in cosigners))


def _keys(*names: str) -> list[NoteVerifier]:
    return [WITNESSES[name].verifier for name in names]


def _refusal(content: str | bytes) -> NoteError:
    with pytest.raises(NoteError) as caught:
        LogPolicy.parse(content if isinstance(content, bytes) else content.encode())
    return caught.value


def test_the_specifications_example_is_read() -> None:
    policy = LogPolicy.parse(NESTED)
    assert [log.verifier for log in policy.logs] == [LOG.verifier]
    assert [(w.name, w.url) for w in policy.witnesses] == [
        ("X1", None),
        ("X2", "https://x2.example/"),
        ("Y1", None),
        ("Y2", None),
    ]
    assert policy.words == "2 of (2 of X1, X2), (1 of Y1, Y2)"


@pytest.mark.parametrize(
    ("cosigners", "is_enough"),
    [
        (("north", "south", "west"), True),
        (("north", "south", "east", "west"), True),
        (("north", "south"), False),
        (("north", "east", "west"), False),
        ((), False),
    ],
)
def test_groups_of_groups_need_each_of_their_thresholds(
    cosigners: tuple[str, ...], is_enough: bool
) -> None:
    assert LogPolicy.parse(NESTED).is_satisfied(_keys(*cosigners)) is is_enough


def test_without_a_quorum_the_logs_signature_is_enough() -> None:
    policy = LogPolicy.parse(f"log {LOG.vkey}\nquorum none\n".encode())
    assert policy.words == "none"
    assert policy.open_checkpoint(_note())[0] == HEAD


def test_one_witness_is_a_quorum() -> None:
    policy = LogPolicy.parse(f"{LINES}quorum south\n".encode())
    assert policy.words == "south"
    assert policy.is_satisfied(_keys("south"))
    assert not policy.is_satisfied(_keys("north", "east", "west"))


def test_a_checkpoint_with_its_quorum_is_opened() -> None:
    checkpoint, opened = LogPolicy.parse(TWO_OF_THREE).open_checkpoint(_note("south", "east"))
    assert checkpoint == HEAD
    assert [item.timestamp for item in opened.signatures] == [None, 1_800_000_000, 1_800_000_000]


@pytest.mark.parametrize("cosigners", [(), ("north",), ("north", "west")])
def test_too_few_cosignatures_are_refused_and_named(cosigners: tuple[str, ...]) -> None:
    with pytest.raises(NoteError, match=r"needed 2 of north, south, east, found") as caught:
        LogPolicy.parse(TWO_OF_THREE).open_checkpoint(_note(*cosigners))
    assert caught.value.code == "policy.quorum_not_reached"
    assert ", ".join(cosigners) in caught.value.message


def test_one_witness_signing_twice_counts_once() -> None:
    again = NoteSigner("north.test", _key(10), cosigns_at=1_800_000_001)
    note = add_signatures(_note("north"), [again.signature_line(HEAD.text)])
    with pytest.raises(NoteError, match=r"found north$"):
        LogPolicy.parse(TWO_OF_THREE).open_checkpoint(note)


def test_a_cosignature_over_another_checkpoint_is_refused() -> None:
    moved = WITNESSES["east"].signature_line(Checkpoint(LOG.name, 8, b"\x08" * 32).text)
    with pytest.raises(NoteError, match=r"the signature of east\.test does not verify"):
        LogPolicy.parse(TWO_OF_THREE).open_checkpoint(add_signatures(_note("south"), [moved]))


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    text = HEAD.text + "\n" + "".join(w.signature_line(HEAD.text) for w in WITNESSES.values())
    with pytest.raises(NoteError, match="the log did not"):
        LogPolicy.parse(TWO_OF_THREE).open_checkpoint(text.encode())


@pytest.mark.parametrize("logs", [f"log {OTHER_LOG.vkey}\n", ""])
def test_a_log_that_is_not_listed_is_refused(logs: str) -> None:
    with pytest.raises(NoteError) as caught:
        LogPolicy.parse(f"{logs}quorum none\n".encode()).open_checkpoint(_note())
    assert caught.value.code == "policy.unknown_log"


def test_another_listed_log_cannot_sign_for_this_one() -> None:
    policy = LogPolicy.parse(f"log {LOG.vkey}\nlog {OTHER_LOG.vkey}\nquorum none\n".encode())
    forged = (HEAD.text + "\n" + OTHER_LOG.signature_line(HEAD.text)).encode()
    with pytest.raises(NoteError) as caught:
        policy.open_checkpoint(forged)
    assert caught.value.code == "note.unknown_key"


NORTH = f"witness north {WITNESSES['north'].vkey}"
SOUTH = f"witness south {WITNESSES['south'].vkey}"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("", "policy.quorum", "no quorum line"),
        ("# nothing\n", "policy.quorum", "no quorum line"),
        ("quorum none\nquorum none\n", "policy.quorum", "line 2: a policy has one quorum line"),
        ("quorum none", "policy.syntax", "line 1: the line does not end in a newline"),
        ("quorum\n", "policy.syntax", "line 1: expected quorum <name>|none, found 0 items"),
        ("quorum none none\n", "policy.syntax", "line 1: expected quorum"),
        ("Quorum none\n", "policy.syntax", "line 1: a line starts with log"),
        ("quorum g\n", "policy.undefined", "line 1: 'g' is no witness or group"),
        (f"quorum north\n{NORTH}\n", "policy.undefined", "line 1: 'north'"),
        ("log\n", "policy.syntax", r"expected log <vkey> \[<url>\], found 0 items"),
        (f"log {LOG.vkey} https://a b\n", "policy.syntax", "found 3 items"),
        (f"log {LOG.vkey}\nlog {LOG.vkey}\n", "policy.duplicate", "line 2: the key of muniment"),
        (
            f"log {LOG.vkey}\nlog {NoteSigner('renamed.test', _key(1)).vkey}\n",
            "policy.duplicate",
            "line 2: the key of renamed.test is a log's above",
        ),
        (f"log {WITNESSES['north'].vkey}\n", "policy.key", "a log is of type 0x01, this one 0x04"),
        (f"witness n {LOG.vkey}\n", "policy.key", "a witness is of type 0x04, this one 0x01"),
        ("log x+00000000+AAAA\n", "policy.key", "line 1: not a verifier key"),
        (b"log \xff+00000000+AAAA\nquorum none\n", "policy.key", "line 1: not a verifier key"),
        ("witness north\n", "policy.syntax", "expected witness <name> <vkey>"),
        (
            f"{NORTH}\nwitness again {NoteSigner('x.test', _key(10), cosigns_at=0).vkey}\n",
            "policy.duplicate",
            "line 2: 'again' has the key of the witness 'north'",
        ),
        (
            f"{NORTH}\nwitness north {WITNESSES['south'].vkey}\n",
            "policy.duplicate",
            "line 2: 'north' is defined on line 1",
        ),
        (f"witness none {WITNESSES['north'].vkey}\n", "policy.name", "line 1: the name none"),
        (f"{NORTH}\ngroup none any north\n", "policy.name", "line 2: the name none"),
        (f"{NORTH}\ngroup north any north\n", "policy.duplicate", "defined on line 1"),
        (f"{NORTH}\ngroup g any\n", "policy.syntax", "expected group <name>"),
        (f"{NORTH}\ngroup g any none\n", "policy.undefined", "'none' is no witness or group"),
        (f"{NORTH}\ngroup g any g\n", "policy.undefined", "line 2: 'g'"),
        (f"group g any north\n{NORTH}\n", "policy.undefined", "line 1: 'north'"),
        (f"{NORTH}\ngroup g any north north\n", "policy.duplicate", "already a member of 'g'"),
        (
            f"{NORTH}\ngroup g any north\ngroup h any north g\n",
            "policy.duplicate",
            "line 3: 'north' is already a member of 'g'",
        ),
        (f"{NORTH}\n{SOUTH}\ngroup g 3 north south\n", "policy.threshold", "3 of 2 members"),
        (f"{NORTH}\ngroup g 0 north\n", "policy.threshold", "expected all, any or a number"),
        (f"{NORTH}\ngroup g 01 north\n", "policy.threshold", "found '01'"),
        (f"{NORTH}\ngroup g -1 north\n", "policy.threshold", "found '-1'"),
        (f"{NORTH}\ngroup g ١ north\n", "policy.threshold", "expected all, any or a number"),
        (f"{NORTH}\ngroup g ALL north\n", "policy.threshold", "found 'ALL'"),
        ("quorum none\r\n", "policy.charset", "line 1: byte 0x0d at column 12"),
        ("# a\x00\nquorum none\n", "policy.charset", "line 1: byte 0x00 at column 4"),
        ("quorum none\n# \x7f\n", "policy.charset", "line 2: byte 0x7f"),
        ("quorum\u00a0none\n", "policy.syntax", "a line starts with log"),
        ("#" * 1_000_001, "policy.limits", "at most 1000000 bytes"),
    ],
)
def test_a_broken_rule_is_found_with_its_line(
    content: str | bytes, code: str, message: str
) -> None:
    error = _refusal(content)
    assert error.code == code
    with pytest.raises(NoteError, match=message):
        raise error


@pytest.mark.parametrize(
    ("line", "most"),
    [
        ("log", 32),
        ("witness", 32),
        ("group", 32),
    ],
)
def test_a_policy_may_have_thirty_two_of_each_and_no_more(line: str, most: int) -> None:
    def content(count: int) -> bytes:
        lines = []
        for place in range(count):
            log = NoteSigner(f"l{place}.test", _key(place + 1))
            witness = NoteSigner(f"w{place}.test", _key(place + 1), cosigns_at=0)
            if line == "log":
                lines.append(f"log {log.vkey}\n")
            elif line == "witness":
                lines.append(f"witness w{place} {witness.vkey}\n")
            else:
                member = f"g{place - 1}" if place else "north"
                lines += ([] if place else [f"{NORTH}\n"]) + [f"group g{place} all {member}\n"]
        return ("".join(lines) + "quorum none\n").encode()

    LogPolicy.parse(content(most))
    assert _refusal(content(most + 1)).code == "policy.limits"


def test_names_are_opaque_bytes() -> None:
    kelvin, latin = WITNESSES["north"].vkey, WITNESSES["south"].vkey
    content = f"witness \u212a {kelvin}\nwitness K {latin}\nquorum K\n".encode()
    assert LogPolicy.parse(content).is_satisfied(_keys("south"))
    assert not LogPolicy.parse(content).is_satisfied(_keys("north"))
    raw = b"witness \xff\xfe %s\nwitness \xff %s\nquorum \xff\n" % (
        kelvin.encode(),
        latin.encode(),
    )
    assert LogPolicy.parse(raw).is_satisfied(_keys("south"))
    assert not LogPolicy.parse(raw).is_satisfied(_keys("north"))
    assert LogPolicy.parse(raw).words.encode("utf-8") == b"\xef\xbf\xbd"


@given(threshold=st.integers(1, 4), present=st.sets(st.sampled_from(NAMES)))
def test_k_of_n_is_reached_by_k_or_more(threshold: int, present: set[str]) -> None:
    content = f"{LINES}group g {threshold} {' '.join(NAMES)}\nquorum g\n".encode()
    policy = LogPolicy.parse(content)
    assert policy.is_satisfied(_keys(*present)) is (len(present) >= threshold)
    # Neither repetition nor a stranger adds anything.
    stranger = NoteSigner("stranger.test", _key(99), cosigns_at=0).verifier
    again = [*_keys(*present), *_keys(*present), stranger]
    assert policy.is_satisfied(again) is (len(present) >= threshold)


@st.composite
def _trees(draw: st.DrawFn) -> str:
    """Groups over all witnesses, nested at random, each name a member once."""
    free, lines = list(NAMES), []
    for place in range(draw(st.integers(1, 3))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        threshold = draw(st.sampled_from(["all", "any", *map(str, range(1, len(members) + 1))]))
        free = [name for name in free if name not in members] + [f"g{place}"]
        lines.append(f"group g{place} {threshold} {' '.join(members)}\n")
    return LINES + "".join(lines) + f"quorum {draw(st.sampled_from(free))}\n"


@given(content=_trees())
def test_more_cosignatures_never_undo_a_quorum(content: str) -> None:
    policy = LogPolicy.parse(content.encode())
    assert policy.is_satisfied(_keys(*NAMES))
    assert not policy.is_satisfied([])
    for size in range(len(NAMES)):
        for present in itertools.combinations(NAMES, size):
            if policy.is_satisfied(_keys(*present)):
                for more in set(NAMES) - set(present):
                    assert policy.is_satisfied(_keys(*present, more))
