"""The function of a trainer that sums gradients over machines."""

import gc
import weakref

import numpy as np
import pytest
from common import in_process

import wgpu_rnn
from wgpu_rnn import Head, Loss, Optimizer, Trainer

X = np.ones((3, 2, 4), np.float32)


def trainer_of(reduce):
    lstm = wgpu_rnn.LSTM(4, 5, device="cpu")
    return Trainer(lstm, Head("last_states", 2), Loss.cross_entropy(), Optimizer.sgd(0.1), reduce=reduce)


def test_a_function_changes_the_gradients_in_place():
    def nothing(numbers):
        numbers[:] = 0

    trainer = trainer_of(nothing)
    before = trainer.state_dict()
    trainer.step(X, [0, 1])
    assert all(np.array_equal(before[name], array) for name, array in trainer.state_dict().items())


def test_an_answer_is_refused():
    trainer = trainer_of(lambda numbers: numbers * 2)
    with pytest.raises(
        RuntimeError, match="reduce: expected None, of a function that changes its array"
    ) as e:
        trainer.step(X, [0, 1])
    assert e.value.code == "Reduction"


def test_another_length_is_refused():
    trainer = trainer_of(lambda numbers: numbers.resize(3, refcheck=False))
    with pytest.raises(RuntimeError, match=r"reduce: expected an array of \d+ numbers, found 3"):
        trainer.step(X, [0, 1])


def test_an_exception_is_the_cause():
    def fail(numbers):
        raise KeyError("a peer")

    with pytest.raises(RuntimeError) as found:
        trainer_of(fail).step(X, [0, 1])
    assert isinstance(found.value.__cause__, KeyError)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_end_of_the_program_stays_one(end):
    def stop(numbers):
        raise end

    trainer = trainer_of(stop)
    with pytest.raises(end):
        trainer.step(X, [0, 1])
    # An error of another kind has no cause.
    with pytest.raises(ValueError) as found:
        trainer.step(X, [0, 1, 1])
    assert found.value.__cause__ is None


def test_a_trainer_is_not_used_in_its_own_function():
    lines = in_process(
        """
        import numpy as np
        from wgpu_rnn import LSTM, Head, Loss, Optimizer, Trainer

        trainer = Trainer(
            LSTM(4, 5, device="cpu"),
            Head("last_states", 2),
            Loss.cross_entropy(),
            Optimizer.sgd(0.1),
            reduce=lambda numbers: trainer.state_dict() and None,
        )
        try:
            trainer.step(np.ones((3, 2, 4), np.float32), [0, 1])
        except RuntimeError as error:
            print(error)
        print(len(trainer.state_dict()))
        """,
        timeout=30,
    )
    assert "trainer: expected a use outside of its function reduce, found one inside" in lines[0]
    assert int(lines[1]) == 6


def test_a_trainer_is_freed_with_the_owner_of_its_function():
    class Owner:
        def __init__(self):
            self.trainer = trainer_of(self.reduce)

        def reduce(self, numbers):
            pass

    owner = Owner()
    owner.trainer.step(X, [0, 1])
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
