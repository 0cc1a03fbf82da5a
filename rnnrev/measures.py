"""Records: what each chapter measures on the whole of IMDB's test reviews, for the shipped networks.

``rnnrev measure NAME`` writes ``rnnrev/records/NAME.json``, network by network: a run that is stopped keeps what it
has, and one network can be measured again by itself. Chapters read the records; they are small and are shipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from . import __version__, zoo
from .data import Reviews, load_reviews
from .files import read_record, write_record
from .model import SentimentRNN

__all__ = ["MEASURES", "measure"]


def _line_attractor(model: SentimentRNN, reviews: Reviews, scored: int) -> dict[str, Any]:
    from . import line_attractor

    return line_attractor.measure(model, reviews.sample(scored), zoo.load("bow-imdb").beta)


def _stars(model: SentimentRNN, reviews: Reviews, scored: int) -> dict[str, Any]:
    from . import recovery

    return recovery.graded(model, reviews.sample(min(scored, len(reviews))))


def _test_reviews() -> Reviews:
    return load_reviews("imdb", "test")


class Measure(NamedTuple):
    """What a record holds, the measure of one network, how many reviews it is scored on unless told, and which."""

    what: str
    run: Callable[[SentimentRNN, Reviews, int], dict[str, Any]]
    scored: int
    reviews: Callable[[], Reviews] = _test_reviews


#: Record -> how it is measured.
MEASURES = {
    "line-attractor": Measure("chapter 2: the claims of LA19", _line_attractor, 300),
    "stars": Measure(
        "chapter 8: where Yelp's reviews of 1 to 5 stars leave networks trained on films", _stars, 4000,
        lambda: load_reviews("yelp_polarity", "test", label="stars"),
    ),
}


def measure(name: str, networks: Sequence[str] | None = None, scored: int | None = None, **bags: Any) -> dict[str, Any]:
    """Measure shipped networks and write the record.

    Parameters
    ----------
    name : str
        ``"training"``, ``"augmented-bow"`` or a key of :data:`MEASURES`.
    networks : list of str, optional
        Default: :func:`rnnrev.zoo.recurrent`. Those that are not named keep what the record has.
    scored : int, optional
        Test reviews to score; more take longer.
    bags : str
        For ``"augmented-bow"`` only: ``folder`` of trained models, ``soft_labels`` and ``vectors`` to train them with.

    Raises
    ------
    ValueError
        Unknown record or network, or an option that the record does not know. ``DataError`` where IMDB cannot be
        reached.
    """
    if name == "augmented-bow":
        from .augmented_bow import AugmentedConfig
        from .augmented_bow import measure as measure_bags

        if scored is not None:
            raise ValueError("augmented-bow is measured on all test reviews: leave --scored out")
        folder = bags.pop("folder", "runs/augmented")
        given: dict[str, Any] = {"networks": networks} if networks else {}
        return measure_bags(folder, AugmentedConfig(**bags), **given)
    if bags:
        raise ValueError(f"{', '.join(bags)}: options of augmented-bow, not of {name}")
    if name == "training":
        from . import scores

        scores.write_record({n: zoo.load(n) for n in networks or zoo.names()})
        return scores.load_record()
    if name not in MEASURES:
        raise ValueError(f"no record is called {name!r}: choose training, augmented-bow, {', '.join(MEASURES)}")
    made = MEASURES[name]
    reviews = made.reviews()
    chosen = list(networks or zoo.recurrent())
    try:
        record = read_record(name)
    except FileNotFoundError:
        record = {"networks": {}}
    record |= {"what": made.what, "rnnrev": __version__, "data": {"name": reviews.name, "split": reviews.split}}
    for network in tqdm(chosen, unit="network", desc=name):
        record["networks"][network] = made.run(zoo.load(network), reviews, scored or made.scored)
        write_record(name, record)
    return record
