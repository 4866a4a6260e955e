"""Renders a `Choice` as text: the ranking, what spoke for and against each, and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc.arrays import ProbeScore

if TYPE_CHECKING:
    from wkplug.registry.selection import Choice, Ranked

__all__ = ["as_facts", "render"]

_SENTENCES = {
    "argument": "it was asked for by name",
    "it is the only one": "it is the only one",
    "name": "all else is equal, so the first name of the alphabet",
    "priority": "its priority is the highest",
    "probe score": "it is the surest",
    "the others are unable": "the others are unable",
}


def render(choice: Choice) -> str:
    """Write a choice as lines of text, without a newline at the end."""
    decided = _SENTENCES.get(choice.decided_by, choice.decided_by)
    by = f" ({choice.plugin})" if choice.plugin else ""
    lines = [f"{choice.kind}: {choice.name}{by}, decided by: {decided}"]
    width = max(len(ranked.name) for ranked in choice.ranking)
    for number, ranked in enumerate(choice.ranking, 1):
        mark = "*" if ranked.name == choice.name else " "
        place = f"{number}." if ranked.able else "- "
        lines.append(f"  {mark} {place} {ranked.name:<{width}}  {', '.join(_facts(ranked))}")
        lines += (
            f"         {problem.severity}: {problem.text}{' - ' + problem.remedy if problem.remedy else ''}"
            for problem in ranked.problems or ()
        )
    return "\n".join(lines)


def _facts(ranked: Ranked) -> list[str]:
    facts = [f"priority {ranked.priority}"]
    if ranked.score:
        facts.insert(0, f"probe score {ranked.score}{_score_name(ranked.score)}")
    if ranked.preferred:
        facts.append("asked for")
    if not ranked.able:
        facts.append("unable")
    if ranked.plugin:
        facts.append(ranked.plugin)
    return facts


def _score_name(score: int) -> str:
    reached = max(level for level in ProbeScore if level <= score)
    return f" ({reached.name.lower()})" if reached > ProbeScore.NO else ""


def as_facts(choice: Choice) -> dict[str, object]:
    """Give a choice as JSON values."""
    return {
        "kind": choice.kind,
        "chosen": choice.name,
        "plugin": choice.plugin,
        "decided_by": choice.decided_by,
        "ranking": [
            {
                "name": ranked.name,
                "plugin": ranked.plugin,
                "priority": ranked.priority,
                "score": ranked.score,
                "able": ranked.able,
                "problems": [
                    {"code": p.code, "text": p.text, "remedy": p.remedy, "severity": p.severity}
                    for p in ranked.problems or ()
                ],
            }
            for ranked in choice.ranking
        ],
    }
