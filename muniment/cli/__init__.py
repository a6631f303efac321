"""The command ``muniment``: one parser over the kit, loading each part only when it is asked for.

Results go to standard output, everything else to standard error. With ``--json`` standard
output holds exactly one JSON document, on failure too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from muniment import __version__

if TYPE_CHECKING:
    from argparse import Namespace

EXIT_FAILED = 1
EXIT_USAGE = 2


class UsageError(Exception):
    """The command line cannot be understood."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.format_usage()}{self.prog}: {message}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Args:
        argv: without the program's name; the process's own by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    wants_json = "--json" in arguments and arguments[:1] != ["run"]
    try:
        options = _parser().parse_args(arguments)
        return _run(options)
    except UsageError as error:
        return _fail("usage", str(error), wants_json, EXIT_USAGE)
    except ImportError as error:
        message = f"{error.name} is not installed: pip install '/path/to/muniment[verify]'"
        return _fail("missing_extra", message, wants_json, EXIT_FAILED)
    except BrokenPipeError:
        # The reader has gone; whatever was to be proven was not read to its end.
        sys.stderr.close()
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _run(options: Namespace) -> int:
    if options.command == "digest":
        from muniment.cli import digest

        return digest.run(options.paths, as_json=options.json)
    if options.command == "run":
        from muniment.cli import run

        return run.run(options)
    if options.command == "verify":
        if len(options.things) > 2:
            raise UsageError("muniment verify: one thing at a time, or two that belong together")
        from muniment.cli import verify

        return verify.run(options)
    if options.command == "admit":
        from muniment.cli import admit

        return admit.run(options)
    if options.command == "rollback":
        from muniment.cli import rollback

        return rollback.run(options.grant_file, mlflow_url=options.mlflow, as_json=options.json)
    from muniment.cli import gate

    return gate.run(
        options.model,
        options.version,
        alias=options.alias,
        wait_seconds=options.wait,
        outputs=options.output,
        as_json=options.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="muniment",
        description="Evidence kit of Muniment: record, verify and gate machine-learning models.",
    )
    parser.add_argument("--version", action="version", version=f"muniment {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    digest = commands.add_parser(
        "digest",
        help="print the digest of files and folders",
        description="Print sha256 of a file, in-toto dirHash of a folder.",
    )
    digest.add_argument("paths", nargs="+", metavar="PATH")
    digest.add_argument("--json", action="store_true", help="print one JSON document")

    _add_run(commands)
    _add_verify(commands)
    _add_admit(commands)

    gate = commands.add_parser(
        "gate",
        help="ask whether a version may hold an alias",
        description="Ask the server at MUNIMENT_URL, with the token in MUNIMENT_TOKEN. Exit "
        "status: 0 allow, 1 deny, 2 usage, 3 still pending, 4 authentication, "
        "5 server or network.",
    )
    gate.add_argument("model", metavar="MODEL")
    gate.add_argument("version", metavar="VERSION")
    gate.add_argument("--alias", required=True)
    gate.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="while the answer is pending, ask again for so long",
    )
    gate.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="FORMAT=PATH",
        help="write text or json to PATH (- is standard output); may be repeated",
    )
    gate.add_argument("--json", action="store_true", help="print one JSON document")

    rollback = commands.add_parser(
        "rollback",
        help="put an alias back by a rollback grant, without the server",
        description="Tell the MLflow server at MLFLOW_TRACKING_URI, with MLflow's own credentials "
        "in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN, to "
        "make the one move that a rollback grant is for. Exit status: 0 the alias is where the "
        "grant puts it, 1 refused, 2 usage, 4 authentication, 5 server or network.",
    )
    rollback.add_argument("grant_file", metavar="TOKENFILE", help="- is standard input")
    rollback.add_argument(
        "--mlflow", default="", metavar="URL", help="instead of MLFLOW_TRACKING_URI"
    )
    rollback.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        usage="muniment run [OPTION ...] -- COMMAND ...",
        help="run a training and record what it was made of",
        description="Run a command and record, in the MLflow runs that it makes, its commit, data, "
        "environment and configuration. Output, signals and exit status are the command's; 125 "
        "where changes that no commit holds are refused.",
    )
    run.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="ROLE=WHAT",
        help="a path or URI that the command reads as training, validation or evaluation data; "
        "may be repeated",
    )
    run.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME",
        help="record this environment variable as well; may be repeated",
    )
    run.add_argument(
        "--allow-dirty",
        action="store_true",
        help="run although files differ from the commit; the code counts as weak",
    )
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND")


def _add_admit(commands: argparse._SubParsersAction[_Parser]) -> None:
    from muniment.cli.trust import add_trust

    admit = commands.add_parser(
        "admit",
        help="say offline whether a folder is the model that was promoted",
        description="Hash the folder of a model that is about to be served, and hold it against "
        "the certificate of a promotion. Only the log's key is trusted, and no network is used. "
        "Exit status: 0 it is the model that was promoted to the alias, 1 refused, 2 usage, or "
        "nothing to read.",
    )
    admit.add_argument("folder", metavar="DIR", help="as MLflow stores or downloads it")
    admit.add_argument("--alias", required=True, help="that it is to be served as")
    admit.add_argument(
        "--bundle", required=True, metavar="FILE", help="the certificate, as Muniment gives it"
    )
    admit.add_argument("--model", metavar="NAME", help="the registered model that it must be of")
    add_trust(admit)
    admit.add_argument(
        "--as-of",
        metavar="TIME",
        help="the moment to judge the certificate's end at, such as 2026-11-25T14:00:00Z; now by "
        "default",
    )
    admit.add_argument("--json", action="store_true", help="print one JSON document")


def _add_verify(commands: argparse._SubParsersAction[_Parser]) -> None:
    from muniment.cli.trust import add_trust

    verify = commands.add_parser(
        "verify",
        help="verify a report, an entry, a whole log or two checkpoints",
        description="Verify what is given, recognised by its content: a report (PDF); a log, as a "
        "folder or an http(s) address; a bundle; an envelope and its inclusion proof; or two "
        "checkpoints. Only the log's key is trusted, and no network is used but for the address of "
        "a log. Exit status 0 only if all of it holds.",
    )
    verify.add_argument("things", nargs="+", metavar="THING", help="what to verify, one or two")
    add_trust(verify)
    verify.add_argument(
        "--log",
        metavar="LOG",
        help="a log's folder or address to hold a report, an entry or two checkpoints against; "
        "$MUNIMENT_TOKEN is sent if the address is of the same origin as $MUNIMENT_URL",
    )
    verify.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint that you kept, which the log must begin with; may be repeated",
    )
    verify.add_argument(
        "--tsa-ca",
        metavar="FILE",
        help="PEM certificates of the timestamp authorities, for the timestamps in a log's folder",
    )
    verify.add_argument(
        "--hashes-only",
        action="store_true",
        help="of a log look at the entries' hashes and not at what they say",
    )
    verify.add_argument(
        "--ca", metavar="FILE", help="PEM certificates the report's signer may chain to"
    )
    verify.add_argument("--json", action="store_true", help="print one JSON document")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("seconds from 0 to 86400")
    return seconds


def _fail(code: str, message: str, wants_json: bool, status: int) -> int:
    print(message, file=sys.stderr)
    if wants_json:
        from muniment.cli.output import print_json

        print_json({"error": {"code": code, "message": message}})
    return status
