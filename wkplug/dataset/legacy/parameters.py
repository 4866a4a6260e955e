"""`older`: one decorator that lets today's methods be called as they were called years ago.

A method declares which keywords it once had under another name, which it once had and no longer needs, and in
what order its arguments could once be given without their names. Calls in today's spelling pay for one more
function call and nothing else: only a call that Python itself refuses (TypeError, before a line of the
method has run) is looked at again, put into today's words, with one DeprecationWarning per old word, and made
again. `inspect.signature` shows today's parameters alone, and keywords of no era remain a TypeError.

What an old word meant beyond its name (an offset in voxels of the mag, say) is a `rewrite` function, in
`wkplug.dataset.legacy.views` and its neighbours. Here is one that many methods had: `args=`, the namespace of
command-line options that once said where work runs.
"""

from __future__ import annotations

import inspect
import json
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

from wkplug.dataset import verbs
from wkplug.errors import ArgumentConflictError
from wkplug.notices import deprecated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FunctionType

    from wkplug.execution import NamedExecutor

__all__ = ["ARGS", "Call", "Renamed", "executor_of", "give", "older", "older_names"]

F = TypeVar("F", bound="Callable[..., Any]")


class Renamed(NamedTuple):
    """What an old keyword is called today, and how its value is put into today's terms."""

    name: str
    convert: Callable[[Any], Any] | None = None


class Call:
    """One call on its way from an older spelling to today's: the object, its arguments by name."""

    def __init__(self, method: str, target: Any, arguments: dict[str, Any]) -> None:
        self.method = method
        self.target = target
        self.arguments = arguments

    def run(self, function: Callable[..., Any]) -> Any:
        """Make the call in today's words."""
        return function(self.target, **self.arguments)

    def take(self, name: str, default: Any = None) -> Any:
        """Take an argument out, None (or `default`) if it wasn't given."""
        return self.arguments.pop(name, default)

    def rename(self, old: str, new: str, value: Any, *, shown: str | None = None) -> None:
        """Give `new` the value that came as `old`, with the warning; ArgumentConflictError if both were given."""
        deprecated(f"{self.method}({old}=...)", f"{new}=..." if shown is None else shown)
        give(self.arguments, self.method, old, new, value)


def give(arguments: dict[str, Any], method: str, old: str, new: str, value: Any) -> None:
    """Set an argument that came under an older name; ArgumentConflictError if it is there under today's too."""
    if arguments.get(new) is not None:
        raise ArgumentConflictError(
            f"{method}() got both {new} and {old}, which is its older name.", hint=f"Give {new} alone."
        )
    arguments[new] = value


Rewrite: TypeAlias = "Callable[[Call], None]"


class _Era(NamedTuple):
    """All that a method's older spellings need, worked out once when its class is made."""

    renamed: Mapping[str, Renamed]
    ignored: frozenset[str]
    order: tuple[str, ...]
    keywords: frozenset[str]
    rewrite: Rewrite | None
    today: tuple[str, ...]
    """The names that may be given by position today, without self."""

    def refused(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether Python had to refuse this call, and one of the older eras would not have."""
        return not self.keywords.isdisjoint(kwargs) or len(self.today) < len(args) - 1 <= len(self.order)

    def translate(
        self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, by_position: bool
    ) -> Call:
        """Put a call of the method into today's words: everything by name."""
        target, *values = args
        # Asked for now, because a method may get the name of the class that it becomes a part of.
        title = method.__qualname__.removesuffix(".__init__")
        call = Call(title, target, {})
        # Older positions count if there are more values than today allows, or if their types gave them away.
        old = by_position or len(values) > len(self.today)
        order = self.order if old else self.today
        unnamed = (
            order[: len(values)]
            if self.today != order[: len(self.today)]
            else order[len(self.today) : len(values)]
        )
        # Words that are old themselves warn for themselves, and are no advice.
        advice = [f"{name}=..." for name in unnamed if name not in self.keywords]
        if old and advice:
            deprecated(f"{title}() without the names of its arguments", ", ".join(advice))
        for name, value in zip(order, values, strict=False):
            # A position that had to be filled on the way to a later one says nothing.
            if value is not None or name in self.today:
                call.arguments[name] = value
        for name, value in kwargs.items():
            if call.arguments.get(name) is not None:
                raise TypeError(f"{title}() got multiple values for argument {name!r}")
            call.arguments[name] = value
        if self.rewrite is not None:
            self.rewrite(call)
        for name, renamed in self.renamed.items():
            if name in call.arguments:
                value = call.arguments.pop(name)
                if value is None:
                    continue
                call.rename(name, renamed.name, value if renamed.convert is None else renamed.convert(value))
        for name in self.ignored:
            if name in call.arguments:
                call.arguments.pop(name)
                deprecated(f"{title}({name}=...)", "")
        return call


def older(
    *,
    renamed: Mapping[str, str | Renamed] | None = None,
    ignored: Sequence[str] = (),
    order: Sequence[str] = (),
    rewrite: Rewrite | None = None,
    keywords: Sequence[str] = (),
    recognise: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None,
    by_position: Callable[[tuple[Any, ...]], bool] | None = None,
    refusal: type[Exception] | tuple[()] = (),
) -> Callable[[F], F]:
    """Decorate a method so that it takes its older spellings too.

    renamed: old keyword -> today's. ignored: old keywords without effect today.
    order: the names that could once be given by position, from the first after self on; today's if left out.
    rewrite: changes what renaming can't express, before renaming; `keywords` are the old names that it understands.
    recognise: says of (args, kwargs), self included, that a call which today's signature takes is an older one.
    refusal: an error that the method raises before it has done anything; only then `recognise` is asked.
    by_position: says of args that the older order counts, although there are no more of them than today allows.
    """
    renames = {
        name: Renamed(today) if isinstance(today, str) else today for name, today in (renamed or {}).items()
    }

    def decorate(method: F) -> F:
        # All methods pass here whenever the package is imported, so that a signature, which says the same, is too slow.
        code = cast("FunctionType", method).__code__
        today = code.co_varnames[1 : code.co_argcount]
        era = _Era(
            renamed=renames,
            ignored=frozenset(ignored),
            order=tuple(order) or today,
            keywords=frozenset({*renames, *ignored, *keywords}),
            rewrite=rewrite,
            today=today,
        )

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except TypeError:
                if not era.refused(args, kwargs):
                    raise
            except refusal:
                if recognise is None or not recognise(args, kwargs):
                    raise
            return era.translate(method, args, kwargs, by_position=False).run(method)

        @wraps(method)
        def call_or_recognise(*args: Any, **kwargs: Any) -> Any:
            old_order = by_position is not None and by_position(args)
            if old_order or era.refused(args, kwargs) or (recognise is not None and recognise(args, kwargs)):
                return era.translate(method, args, kwargs, by_position=old_order).run(method)
            return method(*args, **kwargs)

        # Where a method passes keywords on, Python refuses none, so that each call is looked at before it is made.
        open_ended = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        looks_first = open_ended or by_position is not None or (recognise is not None and not refusal)
        chosen = call_or_recognise if looks_first else call
        vars(chosen)["__older__"] = era
        return cast("F", chosen)

    return decorate


def older_names(method: Any) -> frozenset[str]:
    """Give the parameters of older eras that a method takes besides those that its signature shows."""
    function = getattr(method, "__func__", method)
    era = getattr(function, "__older__", None)
    if not isinstance(era, _Era):
        return frozenset()
    shown = set(inspect.signature(function).parameters)
    return frozenset({*era.keywords, *era.order} - shown)


# --- args= -------------------------------------------------------------------------------------------------

_STRATEGIES = {
    "sequential": "sequential",
    "debug_sequential": "sequential",
    "test_pickling": "sequential",
    "multiprocessing": "processes",
}


def executor_of(namespace: Any) -> NamedExecutor | None:
    """Give the executor that a namespace asks for by `distribution_strategy`, `jobs` or `processes`; None if by none.

    Strategies of clusters keep their name: the plugin that brings one registers it under that, and gets the resources
    of jobs as its option `job_resources`. Where `jobs` alone is given, work runs in as many processes, as it did.
    """
    strategy = getattr(namespace, "distribution_strategy", None)
    jobs = getattr(namespace, "jobs", None) or getattr(namespace, "processes", None)
    if strategy is None and jobs is None:
        return None
    text = "multiprocessing" if strategy is None else str(getattr(strategy, "value", strategy))
    name = _STRATEGIES.get(text, text)
    options: dict[str, Any] = {}
    if name != "sequential" and jobs is not None:
        options["workers"] = int(jobs)
    resources = getattr(namespace, "job_resources", None)
    if resources and text not in _STRATEGIES:
        options["job_resources"] = json.loads(resources) if isinstance(resources, str) else dict(resources)
    return verbs.execution.NamedExecutor(name, options)


ARGS = Renamed("executor", executor_of)
"""For methods that once took `args=`."""
