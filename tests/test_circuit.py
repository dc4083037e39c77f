"""A circuit: who may try, and what a failure does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from openviking.circuit import Circuit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row_and_lets_one_try_after_its_time():
    clock = Clock()
    circuit = Circuit(2, 30.0, clock)
    assert (circuit.fail(), circuit.state, circuit.admit()) == ("counted", "closed", "pass")
    assert (circuit.fail(), circuit.state, circuit.admit()) == ("opened", "open", "refuse")
    assert circuit.wait_s == 30.0

    clock.now += 30
    assert circuit.state == "half_open"
    assert [circuit.admit(), circuit.admit(), circuit.state] == ["try", "refuse", "half_open"]

    assert (circuit.fail(), circuit.state) == ("tried", "open")
    clock.now += 30
    assert circuit.admit() == "try"
    assert circuit.succeed()
    assert (circuit.state, circuit.admit(), circuit.failures) == ("closed", "pass", 0)


def test_a_success_begins_the_count_anew():
    circuit = Circuit(2, 30.0)
    for _ in range(5):
        circuit.fail()
        assert not circuit.succeed()
    assert circuit.state == "closed"


def test_who_began_before_it_opened_is_late():
    circuit = Circuit(1, 30.0, Clock())
    assert (circuit.fail(), circuit.fail()) == ("opened", "late")


def test_a_try_that_says_nothing_leaves_the_next_one_to_try():
    clock = Clock()
    circuit = Circuit(1, 30.0, clock)
    circuit.fail()
    clock.now += 30
    assert circuit.admit() == "try"
    circuit.release()
    assert circuit.admit() == "try"


def test_it_can_begin_with_a_try():
    circuit = Circuit(1, 30.0, Clock())
    circuit.begin_trial()
    assert (circuit.state, circuit.admit()) == ("half_open", "refuse")
    assert circuit.succeed()
    assert circuit.admit() == "pass"


def test_of_many_threads_one_tries():
    clock = Clock()
    circuit = Circuit(1, 30.0, clock)
    circuit.fail()
    clock.now += 30
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: circuit.admit(), range(200)))
    assert turns.count("try") == 1
    assert turns.count("refuse") == 199
