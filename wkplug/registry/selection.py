"""Who does it? One pure function, `select`, and the `Choice` that it gives.

The order: an explicit argument; the format that the data record (the caller hands in candidates of that
format only); *able*; the configuration; the probe's score; priority; name. No I/O happens here but what the
candidates' own `assess` does, and that is asked from the best candidate downwards and no further than needed,
because asking imports an engine. An explicit or configured choice that is unable is an error; a default
makes room for the next able one. Nothing here, and nothing after opening, ever falls through a failure
while reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wkplug import abc
from wkplug.errors import AmbiguousChoiceError, UnableError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wkplug.abc import Problem

__all__ = ["Candidate", "Choice", "Preference", "Ranked", "select", "unable"]


class Candidate(NamedTuple):
    """Someone who might do it.

    group: what a tie is about; members of one group (implementations of one format) never tie. plugin: its
    distribution with version. score: the probe's. assess: gives the reasons against it, as late as possible.
    """

    name: str
    group: str
    plugin: str
    priority: int = 0
    score: int = 0
    assess: Callable[[], Sequence[Problem]] = tuple


class Preference(NamedTuple):
    """Names that somebody asked for, best first, and who that was: "argument", a variable, a file's line."""

    names: tuple[str, ...]
    source: str


class Ranked(NamedTuple):
    """One line of a ranking. `problems` is None where nobody had to ask."""

    name: str
    plugin: str
    priority: int
    score: int
    problems: tuple[Problem, ...] | None = None
    preferred: bool = False

    def refused(self, problem: Problem) -> Ranked:
        """This line with a problem that showed up later."""
        return self._replace(problems=(problem,))

    @property
    def able(self) -> bool:
        """Whether no error speaks against it, as far as it was asked."""
        return not any(problem.severity == "error" for problem in self.problems or ())


class Choice(NamedTuple):
    """What was chosen: `winner` is the object itself, `name` its name.

    ranking: all candidates, best first, those that are unable last. decided_by: what settled it. reasons:
    the same in sentences, for people.
    """

    kind: str
    name: str
    plugin: str
    winner: Any
    ranking: tuple[Ranked, ...]
    decided_by: str
    reasons: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What speaks against the winner without ruling it out."""
        problems = next((ranked.problems for ranked in self.ranking if ranked.name == self.name), ())
        return tuple(problem for problem in problems or () if problem.severity == "warning")

    def fallback(self, name: str, winner: Any, failed: Mapping[str, WkplugError]) -> Choice:
        """The choice of another candidate, since those before it `failed` to open the file, by their names."""
        lines = [
            line.refused(abc.Problem(code="open", text=failed[line.name].message))
            if line.name in failed
            else line
            for line in self.ranking
        ]
        return self._replace(
            name=name,
            plugin=next(line.plugin for line in lines if line.name == name),
            winner=winner,
            ranking=tuple(sorted(lines, key=lambda line: not line.able)),
            decided_by=f"{', '.join(failed)} could not open the file",
            reasons=(
                *(f"{other} could not open the file: {error.message}" for other, error in failed.items()),
                f"{name} is chosen: it is the next that can",
            ),
        )


def select(
    kind: str,
    candidates: Sequence[Candidate],
    *,
    what: str,
    preference: Preference | None = None,
    advice: Callable[[Sequence[str]], str] | None = None,
    thorough: bool = False,
    made: Callable[[str], Any] = str,
) -> Choice:
    """Choose among candidates, of which there is at least one.

    what: the task in words, for errors ("opening 's3://...'"). preference: an argument or a configured choice; its
    names are among the candidates'. advice: the hint that tells how to settle a tie between names. thorough:
    ask all candidates, for `wkplug explain`. made: gives the object of the name that is chosen.

    UnableError, or the problem's own error type, if nobody asked for or nobody at all is able;
    AmbiguousChoiceError if candidates of two groups are equally good.
    """
    preferred = preference.names if preference is not None else ()
    ordered = sorted(candidates, key=lambda each: _rank(each, preferred))
    asked: dict[str, tuple[Problem, ...]] = {}

    def is_able(candidate: Candidate) -> bool:
        if candidate.name not in asked:
            asked[candidate.name] = tuple(candidate.assess())
        return not any(problem.severity == "error" for problem in asked[candidate.name])

    eligible = [each for each in ordered if each.name in preferred] if preferred else ordered
    winner = next((each for each in eligible if is_able(each)), None)
    if winner is None:
        refused = [(each.name, asked[each.name]) for each in eligible]
        raise unable(kind, what, refused, preference)
    rivals = [
        each
        for each in eligible
        if each.group != winner.group
        and _strength(each, preferred) == _strength(winner, preferred)
        and is_able(each)
    ]
    if rivals:
        names = sorted([winner.name, *(each.name for each in rivals)])
        raise AmbiguousChoiceError(
            f"{what[:1].upper() + what[1:]}: {len(names)} {kind}s are equally sure: {', '.join(names)}.",
            hint=advice(names) if advice is not None else None,
        )
    if thorough:
        for each in ordered:
            is_able(each)
    lines = [
        Ranked(
            name=each.name,
            plugin=each.plugin,
            priority=each.priority,
            score=each.score,
            problems=asked.get(each.name),
            preferred=each.name in preferred,
        )
        for each in ordered
    ]
    decided_by = preference.source if preference is not None else _decided_by(winner, ordered, asked)
    return Choice(
        kind=kind,
        name=winner.name,
        plugin=winner.plugin,
        winner=made(winner.name),
        ranking=tuple(sorted(lines, key=lambda line: not line.able)),
        decided_by=decided_by,
        reasons=tuple(_reason(line, winner.name, decided_by) for line in lines),
    )


def _strength(candidate: Candidate, preferred: Sequence[str]) -> tuple[int, int, int]:
    position = preferred.index(candidate.name) if candidate.name in preferred else len(preferred)
    return position, -candidate.score, -candidate.priority


def _rank(candidate: Candidate, preferred: Sequence[str]) -> tuple[tuple[int, int, int], str]:
    return _strength(candidate, preferred), candidate.name


def _decided_by(winner: Candidate, ordered: list[Candidate], asked: dict[str, tuple[Problem, ...]]) -> str:
    out = [name for name, found in asked.items() if any(problem.severity == "error" for problem in found)]
    rest = [each for each in ordered if each.name not in out and each is not winner]
    if not rest:
        return "the others are unable" if out else "it is the only one"
    second = rest[0]
    if winner.score != second.score:
        return "probe score"
    return "priority" if winner.priority != second.priority else "name"


def _reason(line: Ranked, winner: str, decided_by: str) -> str:
    if line.name == winner:
        return f"{line.name} is chosen: {decided_by}"
    if not line.able:
        errors = [problem.text for problem in line.problems or () if problem.severity == "error"]
        return f"{line.name} is unable: {'; '.join(errors)}"
    return f"{line.name} ranks below"


def unable(
    kind: str,
    what: str,
    refused: Sequence[tuple[str, Sequence[Problem]]],
    preference: Preference | None = None,
) -> Exception:
    """Build the error for when nobody is able; of the first problem's own type, if it has one."""
    errors = [(name, [p for p in problems if p.severity == "error"]) for name, problems in refused]
    first = errors[0][1][0]
    who = f"{errors[0][0]} can't do it" if len(errors) == 1 else f"no {kind} can do it"
    by = f" ({preference.source} asks for it)" if preference is not None else ""
    texts = [f"{name}: {problem.text}" for name, problems in errors for problem in problems]
    if len(texts) == 1:
        message = f"{what[:1].upper() + what[1:]}: {who}{by}: {first.text}"
    else:
        message = f"{what[:1].upper() + what[1:]}: {who}{by}:" + "".join(f"\n  {text}" for text in texts)
    remedies = list(dict.fromkeys(p.remedy for _, problems in errors for p in problems if p.remedy))
    hint = "\n".join(remedies) or None
    error_type = first.error_type or UnableError
    if issubclass(error_type, WkplugError):
        return error_type(message, hint=hint)
    return error_type(message if hint is None else f"{message}\n  {hint}")
