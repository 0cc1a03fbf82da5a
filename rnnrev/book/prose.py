"""Numbers that only sentences say: a page hands over what it computed, and its text cites them by name.

One function a page, where it takes more than to name what the page shows; :func:`rnnrev.book.page.glue` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .. import claims
from ..fixed_points import FixedPoints
from ..linear import OperatingPoint
from ..stats import Estimate, bootstrap
from . import inside, toy_tables
from .page import glue
from .verdicts import value, values

__all__: list[str] = []


def training(films: Mapping[str, dict], groups: Mapping[str, pd.DataFrame], shifts: Mapping[str, pd.Series]) -> None:
    """Chapter 1: run records by network, accuracy by length, and what a negation adds by valence and word."""
    held = {name: pd.DataFrame(run["curve"]).validation_accuracy for name, run in films.items()}
    second = [100 * (h[1] - h[0]) for name, h in held.items() if not name.startswith(("bow", "vanilla")) and len(h) > 1]
    glue("second", "+.1f", low=min(second), high=max(second))
    for name in ("gru-imdb", "gru-imdb-1", "gru-imdb-2"):
        glue(name, ".1%", held=held[name].max())
    for name in ("gru", "bow"):
        test = films[f"{name}-imdb"]["test"]
        glue(name, ".1%", accuracy=Estimate(test["accuracy"], *test["interval95"]))
    rows = claims.read("augmented").query("data == 'imdb/test' and measure == 'accuracy'")
    glue("bow", ".1%", vectors=rows[rows.network == "bag of words"].value.mean())
    glue("gru", ".1%", gain=value("accuracy_gain"))
    for name, group in zip(("short", "long"), groups["gru-imdb"].iloc[[0, -1]].itertuples()):
        glue(name, ".1%", accuracy=Estimate(group.value, group.low, group.high), median=(group.at, ".0f"))
    for name, by_word in shifts.items():
        glue(name, "+.2f", good=bootstrap(by_word[1].to_numpy()), bad=bootstrap(by_word[-1].to_numpy()))
    asked = {"more": ("intensified",), "later": ("intensified", "in mid-text"), "order": ("negated_order",)}
    found = values(asked, record="context", data="checklist/test")
    glue("context", ".0%", **found | {"order": found["order"].value})


def line_attractor() -> None:
    """Chapter 2: from the record of networks."""
    for data, text in (("imdb", "imdb/test"), ("yelp", "yelp_polarity/test")):
        glue("seed", **{data: value("sorting", network="gru-imdb-2", data=text)})
    glue("imdb", ".2f", **values({"near": ("linear_r2", "nearest point"), "bag": ("linear_r2", "bag of words")}))
    glue("imdb", ".0%", step=value("step_error", at=1))
    glue("vanilla", ".0f", period=value("period", network="vanilla-imdb"))


def modifiers(perturbations: Mapping[str, str]) -> None:
    """Chapter 3: what perturbations cost, what is left without other words' axes, and the dimension on three texts."""
    glue("mod-cost", ".1%", **values({name: ("accuracy_lost", which) for name, which in perturbations.items()}))
    glue("mod", ".0%", **values({k: (f"effect_{k}_without", "other words removed") for k in ("kept", "left")}))
    for data, text in (("imdb", "imdb/test"), ("sst2", "sst2/validation"), ("yelp", "yelp_polarity/test")):
        glue("mod", ".0f", **{data: value("dimension", data=text).value})


def first_axis() -> None:
    """Chapter 4: in which networks h₀ stands on the modifiers' first axis and not on that of other words."""
    left = claims.read("networks").query("data == 'imdb/test' and measure == 'start_axes_left' and `at` == 1")
    left = left[~left.network.str.contains("-yelp")].pivot(index="network", columns="condition")
    apart = left.high["modifiers"] < left.low["other words"]
    glue("axis", apart=", ".join(left.index[apart]) or "none", near=", ".join(left.index[~apart]) or "none")


def augmented_bow(on_imdb: pd.DataFrame) -> None:
    """Chapter 6: steps of the augmented bag, from their record."""
    only = on_imdb[on_imdb.condition == ""].groupby(["network", "measure"]).value.mean()
    names = {"plain": "bag of words", "gru": "GRU", "schooled": "GRU, pre-trained", "nbsvm": "NB-SVM, bigrams"}
    glue("accuracy", ".1%", **{key: only[name, "accuracy"] for key, name in names.items()})
    glue("bag", ".0%", frequent=only["+ end", "ranked_frequent"])
    for key, step in (("paper", "+ end"), ("all", "+ parts")):
        shares = {m: (m,) for m in ("gap_share", "gap_share_best", "gap_share_schooled")}
        glue(key, ".0%", **values(shares, network=step, record="augmented"), filter_share=only[step, "filter_share"])


def rebuilt(sets: Mapping[str, str]) -> None:
    """Chapter 6: shares of the gap on each set, by four forms."""
    told = {"few": ("gru-imdb", "few numbers", 4), "five": ("gru-imdb", "balanced", 5),
            "own": ("gru-hard", "knob", None), "form": ("gru-hard", "paper's form", None)}  # fmt: skip
    for key, (network, condition, at) in told.items():
        for data, text in sets.items():
            share = value("gap_share", condition, at, network=network, data=data, record="rebuild")
            glue(f"{key}-{text.lower()}", ".0%", share=share.value)
    r2 = value("r2", "few numbers", 4, record="rebuild")
    glue("few-imdb", ".2f", r2=r2.value)


def few_numbers() -> None:
    """Chapter 7: from the record of balanced modes."""

    def points(asked: Mapping[str, tuple], network: str = "gru-imdb", data: str = "imdb/train") -> dict[str, float]:
        return {k: v.value for k, v in values(asked, network=network, data=data, record="balanced").items()}

    pre, test = "gru-imdb-pretrained", "imdb/test"
    for name, place in (("text", "along text"), ("point", "h*")):
        glue(f"pre-{name}", ".2f", **points({"reads": ("linear_reader", place)}, pre, test))
    glue("dir", **points({name: ("directions", name) for name in ("slow", "written", "read")}))
    five, multiplies = {"r2": ("r2", "balanced", 5)}, {"line": ("volume_multiplies",)}
    glue("r2", ".2f", gru=points(five, data=test)["r2"], pre=points(five, pre, test)["r2"])
    glue("goals", ".2f", **points({"twelve": ("r2", "balanced", 12)}, "lstm-imdb", test))
    specs = {"tau": ".0f", "gain": ".2f", "h0": "+.1f", "read": ".1f", "not": "+.1f", "extremely": "+.1f"}
    for role in ("memory", "volume", "quick volume", "quick memory"):
        found = points({name: (f"axis_{name}", role) for name in specs})
        glue(role.replace(" ", "-"), **{name: (found[name], spec) for name, spec in specs.items()})
    glue("yelp", "+.1f", **points({n: (f"axis_{n}", "volume") for n in ("h0", "not", "extremely")}, "gru-yelp"))
    glue("start", ".0f", length=value("start_length", "intact"))
    glue("matrix", ".3f", **points(multiplies), pre=points(multiplies, pre)["line"])
    glue("matrix", ".2f", **points({"fresh": ("volume_multiplies", "untrained"), "slope": ("volume_gain",)}))


def languages(marks: pd.DataFrame) -> None:
    """Chapter 8: marks of the networks with gates."""
    gated = marks[marks.cell != "vanilla"]
    for name, rows in gated[gated.measure.str.match("gain_(slope|r2_s)|remov")].groupby("measure"):
        lstm = rows.value[rows.cell == "lstm"].mean()
        glue(str(name), ".2f", least=rows.value.min(), most=rows.value.max(), lstm=lstm)
    ratio = gated.pivot_table(index="network", columns="measure", values="value")
    more = ratio.removal_ratio > ratio.removal_ratio_other
    glue("removal", networks=len(more), more=int(more.sum()))


def pretrained() -> None:
    """Chapter 9: reading by the linear reader along text and at h*."""
    places = {"text": ("linear_reader", "along text"), "point": ("linear_reader", "h*")}
    glue("along", ".2f", **values(places, network="gru-imdb-pretrained", record="balanced"))


def gates(record: pd.DataFrame) -> None:
    """Chapter 10: two blind layers against the GRU, and a convolution against none from three tokens on."""
    two = record[record.reader == "mingru+mingru"].groupby(["texts", "measure"]).value.mean()
    far = record[(record.measure == "negated_gain_over") & (record["at"] >= 3)]
    far = far.groupby(["texts", "reader", "at"]).value.mean().unstack("reader")
    further = (far["conv+mingru"] - far.mingru).abs().groupby("texts").max()
    for texts in ("films", "yelp"):
        behind, share = -100 * two[texts, "accuracy_over_gru"], two[texts, "negated_gain_share"]
        glue(f"gates-{texts}", behind=(behind, ".1f"), share=(share, ".0%"), further=(further[texts], ".2f"))


def twelve_words(
    point: OperatingPoint, points: FixedPoints, kicks: Mapping[str, inside.Carrier], contexts: Sequence[str]
) -> None:
    """The interlude: fixed points, the pair of modes that carries "not", the one that carries "very"."""
    not_, very = kicks["not"], kicks["very"]
    size = {word: abs(point.modes.eigvals[c.groups[c.best][0]]) for word, c in kicks.items()}
    slow = next(i for i, group in enumerate(not_.groups) if point.slow in group)
    share = np.linalg.svd(points.h_star - points.h_star.mean(0), compute_uv=False) ** 2
    w = point.model.w
    off = [c.deflection - c.deflection @ w * w / (w @ w) for c in kicks.values()]
    cosine = off[0] @ off[1] / np.linalg.norm(off[0]) / np.linalg.norm(off[1])
    glue("toy", ".2f", cosine=cosine, very_size=size["very"], not_size=size["not"])
    glue("toy", ".3f", slow=point.modes.eigvals[point.slow].real, not_third=size["not"] ** 3)
    glue("toy", ".0%", line=share[0] / share.sum(), not_others=not_.others, not_undone=not_.undone[not_.best],
         very_others=very.others, very_undone=very.undone[very.best],
         very_next=np.delete(very.undone, [very.best, slow]).max())  # fmt: skip
    places = {name: inside.after(point, name.split())[-1] for name in contexts}
    speed = {name: np.linalg.norm(point.mean_map(h) - h) for name, h in places.items()}
    glue("toy-speed", ".1f", a=speed["a"], later=speed["not a a a"], **{"not": speed["not"]})
    glue("toy", **toy_tables.in_the_page())
