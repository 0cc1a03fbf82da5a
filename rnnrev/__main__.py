# PYTHON_ARGCOMPLETE_OK
"""The ``rnnrev`` command: list, try out, train, measure and report on networks."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    from .config import TrainConfig
    from .data import Reviews

# the libraries' start-up chatter is no news to a user
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# what a command needs is imported where it runs: --help is quick
# argparse and the 17 lines of _add_config: help of train takes .15 s of processor, .3 to .4 with tyro; typer has no
# dataclasses


def _zoo(args: argparse.Namespace) -> None:
    from . import zoo

    formats = dict.fromkeys(("test accuracy", "low", "high"), "{:.2%}".format) | {"MB": "{:.1f}".format}
    formats |= dict.fromkeys(("units", "words", "training texts", "test texts"), "{:,.0f}".format)
    print(zoo.table().to_string(formatters=formats, na_rep="-"))


def _trace(args: argparse.Namespace) -> None:
    from . import zoo

    trace = zoo.load(args.model).trace(args.text)
    print(f"{trace.start:+8.2f}  (start)")
    for token, logit in zip(trace.tokens, trace.logits):
        print(f"{logit:+8.2f}  {token}")


def _train(args: argparse.Namespace) -> None:
    from .train import train

    config = _config(args)
    model = train(config, args.out, resume=args.resume, compact=args.compact, progress=not args.quiet)
    test = model.record["test"]
    scored = test or model.record["validation"]
    if scored:
        low, high = scored["interval95"]
        print(f"{'test' if test else 'validation'} accuracy {scored['accuracy']:.2%} [{low:.2%}, {high:.2%}]", end=" ")
        print(f"on {scored['texts']:,} texts of {scored['data']}; written to {args.out}")


def _evaluate(args: argparse.Namespace) -> None:
    from . import zoo
    from .model import evaluate

    scores = evaluate(zoo.load(args.model), _reviews(args))
    low, high = scores["interval95"]
    said = f"accuracy {scores['accuracy']:.2%} [{low:.2%}, {high:.2%}] on {scores['texts']:,} texts"
    said += f" of {scores['data']}/{scores['split']}"
    said += f", {scores['unlabelled']:,} without a label left out" if scores["unlabelled"] else ""
    print(said + f", cross-entropy {scores['cross_entropy_nats']:.3f} nats" if "cross_entropy_nats" in scores else said)


def _measure(args: argparse.Namespace) -> None:
    from . import zoo
    from .files import check_out, write_text
    from .measure import measure

    file = None if args.out is None else check_out(args.out)
    model, reviews = zoo.load(args.model), _reviews(args)
    table = measure(model, reviews, scored=args.scored, seed=args.seed, progress=not args.quiet)
    text = table.to_csv(index=False, float_format="%.6g")
    print(f"{len(table):,} rows; written to {write_text(file, text)}\n" if file else text, end="")


def _report(args: argparse.Namespace) -> None:
    from . import report, zoo
    from .files import check_out

    file = check_out(args.out)
    made = report.write(
        zoo.load(args.model), _reviews(args), file, scored=args.scored, seed=args.seed, command=args.command_line,
        progress=not args.quiet,
    )  # fmt: skip
    print(f"{', '.join(f'{verdict} {n}' for verdict, n in made.counts.items())}; written to {file}")


def _reviews(args: argparse.Namespace) -> Reviews:
    from .data import load_reviews

    return load_reviews(args.data, args.split, text=args.text_column, label=args.label)


def _config(args: argparse.Namespace) -> TrainConfig:
    from .config import TrainConfig

    given: dict[str, Any] = {f.name: getattr(args, f.name) for f in dataclasses.fields(TrainConfig)}
    given |= {k: tuple(v) for k, v in given.items() if isinstance(v, list)}
    return TrainConfig(**given)


# --- options ------------------------------------------------------------------------------------


def _add_config(parser: argparse.ArgumentParser) -> None:
    """One option a field of the training configuration; its help is the field's ``#:`` comment."""
    import inspect

    from .config import TrainConfig

    sources = "".join(inspect.getsource(c) for c in TrainConfig.__mro__ if dataclasses.is_dataclass(c))
    comments = dict(re.findall(r"^    (\w+): .*#: (.*)$", sources, re.MULTILINE))
    for field in dataclasses.fields(TrainConfig):
        text = f"{comments.get(field.name, field.name.replace('_', ' '))} (default: %(default)s)"
        flag = f"--{field.name.replace('_', '-')}"
        if isinstance(field.default, tuple):
            parser.add_argument(flag, nargs="*", default=[], metavar="NAME", help=text)
        elif isinstance(field.default, bool):
            parser.add_argument(flag, action="store_true", help=text)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default, metavar="X", help=text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rnnrev", description=__doc__)
    parser.add_argument("--version", action="version", version=f"rnnrev {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    default = "(default: %(default)s)"
    model, texts, measures = (argparse.ArgumentParser(add_help=False) for _ in range(3))  # options that commands share
    model.add_argument("--model", default="gru-imdb", help=f"shipped network or model file {default}")
    said = f"CSV, TSV, Parquet or JSONL file, or a data set's name {default}"
    texts.add_argument("--data", default="book", help=said)
    texts.add_argument("--split", help="of a data set (default: test or validation, or all)")
    said = f"the texts' column of a file {default}"
    texts.add_argument("--text", default="text", metavar="COLUMN", dest="text_column", help=said)
    said = f"the labels' column: 0 and 1, negative and positive, -1 for unknown {default}"
    texts.add_argument("--label", default="label", metavar="COLUMN", help=said)
    said = f"reviews to use at most {default}"
    measures.add_argument("--scored", type=_positive, default=300, metavar="N", help=said)
    measures.add_argument("--seed", type=int, default=0, help=default)
    measures.add_argument("--quiet", action="store_true", help="no progress bar")

    def command(
        name: str, run: Callable[[argparse.Namespace], None], text: str, *options: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=options)
        sub.set_defaults(run=run)
        return sub

    command("zoo", _zoo, "list the shipped networks and their test accuracies")
    command("trace", _trace, "the logit after each token of a text", model).add_argument("text")
    command("evaluate", _evaluate, "accuracy of a network on labelled reviews", model, texts)
    train = command("train", _train, "train a network (--cell gru, …) or the bag of words (--cell bow)")
    train.add_argument("--out", required=True, help="model file to write")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint beside OUT")
    train.add_argument("--compact", action="store_true", help="store int8 and float16 weights, as shipped")
    train.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_config(train)
    said = "measure a network on reviews, into one tidy table (CSV)"
    table = command("measure", _measure, said, model, texts, measures)
    table.add_argument("--out", metavar="FILE", help="table to write (default: print it)")
    said = "measure a network on reviews and write the claims of the book as one HTML page"
    page = command("report", _report, said, model, texts, measures)
    page.add_argument("--out", default="report.html", metavar="FILE", help=f"page to write {default}")
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
    args.command_line = shlex.join(["rnnrev", *given])
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
