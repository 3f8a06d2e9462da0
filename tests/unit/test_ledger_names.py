"""Where a run saves its ledger: at any moment a look finds everything that was saved before.

A model of GitHub's lists, deletes and taken names is driven by the real rule, and a look is placed
everywhere: before, after and between any two of a writer's steps. Different runs have names of
their own, so what holds for one holds for parallel ones.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.ledger.names import KEPT, LONGEST_LOOK, OwnArtifact, RunArtifacts

START = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = ("a", "b")
SAVES = 7
PAUSES = (0.0, 4.0, 11.0)

Facts = frozenset[int]


@dataclass
class Service:
    """The artifacts of one run, and every state that they were in."""

    now: float = 0.0
    stored: dict[str, tuple[int, Facts]] = field(default_factory=dict)
    """By name: the id and the facts of each finished artifact."""
    unfinished: set[str] = field(default_factory=set)
    """Names of uploads that were begun: they stay taken, and are in no list."""
    history: list[tuple[float, dict[str, Facts], Facts]] = field(default_factory=list)
    """After each change: when, what each name shows, and all facts that were ever saved."""
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.record()

    def record(self) -> None:
        before = self.history[-1][2] if self.history else frozenset()
        shown = {name: facts for name, (_, facts) in self.stored.items()}
        self.history.append((self.now, shown, before.union(*shown.values())))

    def time(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def look(self, own: RunArtifacts) -> Facts:
        """Look as a run does; return what was found."""
        found = RunArtifacts(own.names)
        for name, (number, facts) in self.stored.items():
            covers = [i for i, other in self.stored.values() if facts <= other and i > number]
            at = self.time() if covers else None
            found.held[name] = OwnArtifact(number, min(covers, default=None), at)
        own.record_look(found, [number for number, _ in self.stored.values()])
        return frozenset().union(*(facts for _, facts in self.stored.values()))


class NoNameError(Exception):
    """The run can save nothing more."""


def save(service: Service, own: RunArtifacts, facts: Facts) -> Iterator[str]:
    """Save facts as `ledger/store` does, step by step; the process may end after each one."""
    while (step := own.next_save(service.time())) is not None:
        if step.replaces:
            service.now += step.wait.total_seconds()
            if service.stored.get(step.name, (0,))[0] != own.held[step.name].id:
                own.record_taken(step.name)  # another job has stored its own meanwhile
                continue
            del service.stored[step.name]
            service.record()
            own.record_deleted(step.name)
            yield "deleted"
        if step.name in service.stored or step.name in service.unfinished:
            own.record_taken(step.name)
            continue
        service.unfinished.add(step.name)
        yield "begun"
        service.unfinished.remove(step.name)
        number = next(service.ids)
        service.stored[step.name] = (number, facts)
        service.record()
        own.record_upload(step.name, number, service.time())
        yield "finished"
        return
    raise NoNameError


def misses(
    history: Sequence[tuple[float, dict[str, Facts], Facts]],
    names: Sequence[str] = NAMES,
    longest: float = LONGEST_LOOK.total_seconds(),
) -> tuple[int, int]:
    """Place one list call a name everywhere; return the looks that miss facts, and all looks.

    A look takes at most *longest* seconds; each call is made in one of the states, in their order.
    """
    missed = total = 0
    for places in itertools.combinations_with_replacement(range(len(history)), len(names)):
        first, last = places[0], places[-1]
        if last > first and history[last][0] - history[first + 1][0] > longest:
            continue
        seen: Facts = frozenset()
        for place, name in zip(places, names, strict=True):
            seen |= history[place][1].get(name, frozenset())
        total += 1
        missed += not seen >= history[first][2]
    return missed, total


def saves(pauses: Sequence[float], *, looks: bool, names: Sequence[str] = NAMES) -> Service:
    """Save once more after each pause, with or without a look between."""
    service, own, facts = Service(), RunArtifacts(tuple(names)), frozenset[int]()
    for number, pause in enumerate((0.0, *pauses)):
        service.now += pause
        facts |= {number}
        list(save(service, own, facts))
        if looks:
            service.look(own)
    return service


@pytest.mark.parametrize("looks", [False, True])
def test_no_placement_of_a_look_among_seven_saves_misses_a_fact(looks):
    total = 0
    for pauses in itertools.product(PAUSES, repeat=SAVES - 1):
        service = saves(pauses, looks=looks)
        missed, placements = misses(service.history)
        assert missed == 0, pauses
        total += placements
    assert total > 10_000


def test_more_names_hold_the_same():
    for pauses in itertools.product((0.0, 11.0), repeat=4):
        history = saves(pauses, looks=True, names="abc").history
        assert misses(history, "abc")[0] == 0, pauses


def delete_at_once(names: Sequence[str]) -> Service:
    """Save under a name that is not held, then delete all others: nothing is kept late."""
    service, facts = Service(), frozenset[int]()
    for number in range(SAVES):
        facts |= {number}
        name = next(name for name in names if name not in service.stored)
        service.stored = {**service.stored, name: (number, facts)}
        service.record()
        service.stored = {name: (number, facts)}
        service.record()
    return service


def test_the_model_finds_the_misses_of_deleting_at_once():
    missed, total = misses(delete_at_once("abc").history, "abc")
    assert 0 < missed < total
    assert misses(delete_at_once(NAMES).history)[0] > 0


def test_the_model_finds_the_misses_of_a_look_that_takes_too_long():
    history = saves([0.0] * (SAVES - 1), looks=False).history
    assert misses(history, longest=10 * KEPT.total_seconds())[0] > 0
    assert misses(history)[0] == 0


def run_until(service: Service, own: RunArtifacts, facts: Facts, steps: int) -> Facts:
    """Save again and again, and die after so many steps."""
    for number in itertools.count(max(facts, default=-1) + 1):
        facts |= {number}
        for _ in save(service, own, facts):
            steps -= 1
            if steps == 0:
                return facts
    raise AssertionError


def test_a_death_at_any_step_and_a_re_run_lose_nothing():
    """A re-run has the same names; those of a died upload stay taken."""
    for died, pause, again in itertools.product(range(1, 16), PAUSES, range(1, 12)):
        service = Service()
        run_until(service, RunArtifacts(NAMES), frozenset(), died)
        service.now += pause
        own = RunArtifacts(NAMES)
        facts = service.look(own)
        assert facts >= service.history[-1][2], "the re-run starts from everything"
        try:
            run_until(service, own, facts, again)
        except NoNameError:
            assert own.taken, "only an upload that died takes a name"
        assert misses(service.history)[0] == 0, (died, pause, again)


def test_a_died_upload_leaves_one_more_save_and_that_is_known_before_it():
    service = Service(unfinished={"a"})
    own = RunArtifacts(NAMES)
    first = own.next_save(service.time())
    assert first is not None
    assert own.allows_another(first), "nothing is known of the dead upload yet"
    own.record_taken("a")
    second = own.next_save(service.time())
    assert second is not None
    assert (second.name, own.allows_another(second)) == ("b", False)
    own.record_upload("b", 1, service.time())
    assert own.next_save(service.time()) is None


def interleavings(left: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield every order of the steps of several jobs."""
    if not any(left):
        yield ()
    for job, count in enumerate(left):
        if count:
            rest = [n - (i == job) for i, n in enumerate(left)]
            yield from ((job, *order) for order in interleavings(rest))


def job(service: Service, own: RunArtifacts, first_fact: int) -> Iterator[str]:
    """Do what a submit does in one of two jobs of a run: look, save, look, save."""
    facts = service.look(own)
    for number in (first_fact, first_fact + 1):
        facts |= {number}
        try:
            yield from save(service, own, facts)
        except NoNameError:
            return
        facts |= service.look(own)


def test_two_jobs_of_one_run_lose_nothing_in_any_order():
    for order in interleavings([6, 6]):
        service = Service()
        jobs = [job(service, RunArtifacts(NAMES), n * 10) for n in range(2)]
        for number in order:
            next(jobs[number], None)
        assert misses(service.history)[0] == 0, order


@given(
    pauses=st.lists(st.floats(0, 15), min_size=1, max_size=SAVES - 1),
    lag=st.floats(0, 1.9),
    first=st.floats(0, 120),
    took=st.floats(0, LONGEST_LOOK.total_seconds()),
)
def test_a_list_that_lags_shows_what_was_listed_when_the_look_began(pauses, lag, first, took):
    """An artifact is listed late, and gone from the list at once."""
    history = saves(pauses, looks=False).history

    def state(at: float) -> tuple[float, dict[str, Facts], Facts]:
        return max((s for s in history if s[0] <= at), key=lambda s: (s[0], len(s[2])))

    def listed(at: float, name: str) -> Facts:
        facts = state(at)[1].get(name, frozenset())
        return facts if facts <= state(at - lag)[2] else frozenset()

    if first - lag >= 0:
        seen = listed(first, "a") | listed(first + took, "b")
        assert seen >= state(first - lag)[2]


@pytest.mark.parametrize("seconds", [-3600, 0, 3600])
def test_a_clock_that_jumps_makes_it_wait_no_longer(seconds):
    own = RunArtifacts(NAMES)
    for number in range(3):
        at = START + timedelta(seconds=20 * number)
        step = own.next_save(at)
        assert step is not None
        if step.replaces:
            own.record_deleted(step.name)
        own.record_upload(step.name, number, at)
    later = own.next_save(START + timedelta(seconds=seconds))
    assert later is not None
    assert later.wait <= KEPT
