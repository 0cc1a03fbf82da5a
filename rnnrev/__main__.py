# PYTHON_ARGCOMPLETE_OK
"""The ``rnnrev`` command: train, list, try out and measure networks."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from . import __version__

# the libraries' start-up chatter is no news to a user
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _add_config(parser: argparse.ArgumentParser, config: type) -> None:
    """One option a field of a configuration class; its help is the field's ``#:`` comment."""
    import inspect

    sources = "".join(inspect.getsource(c) for c in config.__mro__ if dataclasses.is_dataclass(c))
    comments = dict(re.findall(r"^    (\w+): .*#: (.*)$", sources, re.MULTILINE))
    for field in dataclasses.fields(config):
        text = f"{comments.get(field.name, field.name.replace('_', ' '))} (default: %(default)s)"
        flag = f"--{field.name.replace('_', '-')}"
        if isinstance(field.default, tuple):
            parser.add_argument(flag, nargs="*", default=[], metavar="NAME", help=text)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default, metavar="X", help=text)


def _given_config(config: type, args: argparse.Namespace) -> Any:
    given = {f.name: getattr(args, f.name) for f in dataclasses.fields(config)}
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def _train(args: argparse.Namespace) -> None:
    from .config import TrainConfig
    from .train import train

    model = train(
        _given_config(TrainConfig, args), args.out, resume=args.resume, compact=args.compact, progress=not args.quiet
    )
    test = model.record["test"]
    scored = test or model.record["validation"]
    if scored:
        low, high = scored["interval95"]
        print(f"{'test' if test else 'validation'} accuracy {scored['accuracy']:.2%} [{low:.2%}, {high:.2%}]", end=" ")
        print(f"on {scored['texts']:,} texts of {scored['data']}; written to {args.out}")


def _zoo(args: argparse.Namespace) -> None:
    from . import zoo

    table = zoo.table()
    if table.empty:
        print("no networks are shipped")
        return
    percent = {c: "{:.2%}".format for c in ("test accuracy", "low", "high")}
    whole = {c: "{:,.0f}".format for c in ("units", "words", "training texts", "test texts")}
    print(table.to_string(formatters=percent | whole | {"MB": "{:.1f}".format}, na_rep="-"))


def _open(name: str) -> Any:
    from . import zoo

    return zoo.load(name)


def _trace(args: argparse.Namespace) -> None:
    trace = _open(args.model).trace(args.text)
    print(f"{trace.start:+8.2f}  (start)")
    for token, logit in zip(trace.tokens, trace.logits):
        print(f"{logit:+8.2f}  {token}")


def _evaluate(args: argparse.Namespace) -> None:
    from .data import load_reviews
    from .model import evaluate

    scores = evaluate(_open(args.model), load_reviews(args.data, args.split))
    low, high = scores["interval95"]
    print(f"accuracy {scores['accuracy']:.2%} [{low:.2%}, {high:.2%}] on {scores['texts']:,} texts", end="")
    print(f" of {scores['data']}/{scores['split']}", end="")
    print(f", {scores['unlabelled']:,} without a label left out" if scores["unlabelled"] else "", end="")
    print(f", cross-entropy {scores['cross_entropy_nats']:.3f} nats" if "cross_entropy_nats" in scores else "")


def _measure(args: argparse.Namespace) -> None:
    from .files import RECORDS
    from .measures import measure

    kept = {"folder": args.folder, "soft_labels": args.soft_labels, "vectors": args.vectors}
    record = measure(args.name, args.networks, args.scored, **{k: v for k, v in kept.items() if v is not None})
    print(f"{len(record['networks'])} networks in {RECORDS / args.name}.json")


def _report(args: argparse.Namespace) -> None:
    from . import report

    report.check_out(args.out)
    model = _open(args.model)
    reviews = report.load_data(args.data, args.split, args.text, args.label)
    file, made = report.write(
        model, reviews, args.out, scored=args.scored, seed=args.seed, command=args.given, progress=not args.quiet
    )
    print(f"{', '.join(f'{verdict} {n}' for verdict, n in made.verdicts.items())}; written to {file}")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _parser() -> argparse.ArgumentParser:
    from .config import TrainConfig

    parser = argparse.ArgumentParser(prog="rnnrev", description=__doc__)
    parser.add_argument("--version", action="version", version=f"rnnrev {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    train = command("train", _train, "train a network (--cell gru, …) or the bag of words (--cell bow)")
    train.add_argument("--out", required=True, help=".safetensors file to write")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint beside OUT")
    train.add_argument("--compact", action="store_true", help="store int8 and float16 weights, as shipped")
    train.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_config(train, TrainConfig)

    command("zoo", _zoo, "list the shipped networks and their test accuracies")

    trace = command("trace", _trace, "the logit after each token of a text")
    trace.add_argument("text")
    trace.add_argument("--model", default="gru-imdb", help="shipped network or model file (default: %(default)s)")

    score = command("evaluate", _evaluate, "accuracy of a network on labelled reviews")
    score.add_argument("--model", default="gru-imdb", help="shipped network or model file (default: %(default)s)")
    score.add_argument("--data", default="book", help="data set or file (default: %(default)s)")
    score.add_argument("--split", help="(default: test, or validation, or all)")

    page = command("report", _report, "measure a network on reviews and write the claims of the book as one HTML page")
    page.add_argument("--model", default="gru-imdb", help="shipped network or model file (default: %(default)s)")
    page.add_argument(
        "--data", default="book", help="CSV, TSV, Parquet or JSONL file, or a data set's name (default: %(default)s)"
    )
    page.add_argument("--split", help="of a data set (default: test or validation, or all)")
    page.add_argument(
        "--text", default="text", metavar="COLUMN", help="the texts' column of a file (default: %(default)s)"
    )
    page.add_argument(
        "--label", default="label", metavar="COLUMN",
        help="the labels' column: 0 and 1, negative and positive, -1 for unknown (default: %(default)s)",
    )  # fmt: skip
    page.add_argument("--out", default="report.html", metavar="FILE", help="page to write (default: %(default)s)")
    page.add_argument(
        "--scored", type=_positive, default=300, metavar="N", help="reviews to use at most (default: 300)"
    )
    page.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    page.add_argument("--quiet", action="store_true", help="no progress bar")

    from .measures import MEASURES

    sub = command("measure", _measure, "measure shipped networks on IMDB's test reviews and write a chapter's record")
    sub.add_argument("name", choices=["training", *MEASURES, "augmented-bow"], help="record")
    sub.add_argument("--networks", nargs="+", metavar="NAME", help="shipped networks (default: all)")
    sub.add_argument("--scored", type=int, help="test reviews to score (default: what the chapter uses)")
    bags = sub.add_argument_group("augmented-bow", "trains what is not in the folder yet, then measures")
    bags.add_argument("--folder", help="trained models, kept for the next run (default: runs/augmented)")
    bags.add_argument("--soft-labels", help="file of `rnnrev label` (default: none)")
    bags.add_argument("--vectors", help="file of `rnnrev vectors` (default: none)")

    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 2 for wrong arguments, 1 with one line on stderr for wrong data or files."""
    parser = _parser()
    try:
        import argcomplete

        argcomplete.autocomplete(parser)
    except ImportError:
        pass
    given = list(sys.argv[1:] if argv is None else argv)
    args = parser.parse_args(given)
    args.given = shlex.join(["rnnrev", *given])
    try:
        args.run(args)
    except (ValueError, KeyError, OSError) as error:
        print(f"rnnrev {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"rnnrev {args.command}: stopped; `--resume` goes on with a training run", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
