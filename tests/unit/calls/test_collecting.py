"""The collector is asked less often, and only as long as calls pass through."""

import gc

from dreamsmk.calls.collecting import ALLOCATIONS, collects_seldom


def test_the_threshold_is_raised_and_put_back_in_any_order_of_ends():
    before = gc.get_threshold()
    one, two = collects_seldom(), collects_seldom()
    one.__enter__()
    two.__enter__()
    assert gc.get_threshold()[0] == ALLOCATIONS
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] == ALLOCATIONS
    two.__exit__(None, None, None)
    assert gc.get_threshold() == before


def test_a_program_that_collects_even_less_often_is_left_alone():
    before = gc.get_threshold()
    try:
        for own in (0, 10 * ALLOCATIONS):
            gc.set_threshold(own, 10, 10)
            with collects_seldom():
                assert gc.get_threshold()[0] == own
            assert gc.get_threshold()[0] == own
    finally:
        gc.set_threshold(*before)
