"""Every argument of loaders, and of calls and trainers that no other file has."""

import numpy as np
import pytest
from common import near
from twin import numbers

import wgpu_rnn
from wgpu_rnn import Dataset, Head, Loader, Loss, Optimizer, Trainer

COUNT = 23
LENGTHS = [1 + 7 * place % 11 for place in range(COUNT)]


def dataset():
    arrays = [np.full((length, 2), place, np.float32) for place, length in enumerate(LENGTHS)]
    return Dataset(arrays, [place % 3 for place in range(COUNT)])


def flat(batches):
    return [place for batch in batches for place in batch]


def test_an_epoch_has_every_sequence_once():
    loader = Loader(dataset(), 4)
    batches = loader.places(0)
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 3]
    assert sorted(flat(batches)) == list(range(COUNT))
    assert flat(batches) != list(range(COUNT))
    assert loader.places(0) == batches != loader.places(1)
    assert Loader(dataset(), 4, seed=1).places(0) != batches
    assert Loader(dataset(), 4, seed=0).places(0) == batches


def test_an_order_that_is_kept():
    loader = Loader(dataset(), 4, shuffle=False)
    assert flat(loader.places(0)) == flat(loader.places(5)) == list(range(COUNT))
    for places, batch in zip(loader.places(0), loader.epoch(0)):
        assert batch.labels.tolist() == [place % 3 for place in places]
        assert batch.lengths.tolist() == [LENGTHS[place] for place in places]
        assert batch.input[0, :, 0].tolist() == places


def test_the_rest_may_be_left_out():
    whole = Loader(dataset(), 4).places(2)
    assert Loader(dataset(), 4, drop_last=True).places(2) == whole[:-1]


def test_buckets_are_sorted_by_length():
    plain = Loader(dataset(), 4, shuffle=False).places(0)
    found = Loader(dataset(), 4, shuffle=False, buckets=3).places(0)
    for start in (0, 3):
        pool = flat(plain[start : start + 3])
        # Python's sort is stable, too.
        assert flat(found[start : start + 3]) == sorted(pool, key=LENGTHS.__getitem__)
    shuffled = Loader(dataset(), 4, buckets=100).places(0)
    assert sorted(flat(shuffled)) == list(range(COUNT))
    spread = [max(LENGTHS[p] for p in batch) - min(LENGTHS[p] for p in batch) for batch in shuffled]
    assert max(spread) <= 3 and shuffled != Loader(dataset(), 4, buckets=100, shuffle=False).places(0)


def test_ranks_share_the_batches_of_one():
    one = Loader(dataset(), 6, seed=3).places(1)
    ranks = [Loader(dataset(), 2, seed=3, rank=rank, world=3).places(1) for rank in range(3)]
    assert [len(batches) for batches in ranks] == [len(one)] * 3
    for step, batch in enumerate(one):
        assert sorted(flat(rank[step] for rank in ranks)) == sorted(batch)
    with pytest.raises(ValueError, match="rank"):
        Loader(dataset(), 2, rank=3, world=3)


def made(network, **rest):
    return Trainer(network, Head("mean", 3), Loss.cross_entropy(), Optimizer.sgd(0.1), **rest)


def test_the_key_of_dropout_s_masks(device):
    x, labels = numbers(5, 4, 2), [0, 1, 2, 1]

    def learnt(dropout, **rest):
        trainer = made(wgpu_rnn.LSTM(2, 16, 2, dropout=dropout, device=device), **rest)
        trainer.step(x, labels)
        trainer.finish()
        return trainer.state_dict()["weight_ih_l1"], trainer.evaluate(x, labels).loss

    one, _ = learnt(0.5, dropout_seed=1)
    assert np.array_equal(one, learnt(0.5, dropout_seed=1)[0])
    assert not np.array_equal(one, learnt(0.5, dropout_seed=2)[0])
    assert not np.array_equal(one, learnt(0.0)[0])
    assert np.array_equal(learnt(0.5)[0], learnt(0.5, dropout_seed=0)[0])
    assert np.array_equal(learnt(0.0, dropout_seed=1)[0], learnt(0.0, dropout_seed=2)[0])


def test_batches_of_an_update_are_accumulated(device):
    x = [numbers(5, 4, 2, seed=seed) for seed in range(3)]
    trainer = made(wgpu_rnn.LSTM(2, 6, device=device), accumulate=2)
    before = trainer.state_dict()
    # One batch is no update.
    assert trainer.step(x[0], [0, 1, 2, 1]) + trainer.finish() == []
    assert all(np.array_equal(array, before[name]) for name, array in trainer.state_dict().items())
    reports = trainer.step(x[1], [1, 1, 0, 2]) + trainer.finish()
    assert [report.rows for report in reports] == [8]
    # The update is that of both batches in one.
    other = made(wgpu_rnn.LSTM(2, 6, device=device))
    both = other.step(np.concatenate(x[:2], 1), [0, 1, 2, 1, 1, 1, 0, 2]) + other.finish()
    near(reports[0].loss, both[0].loss, 1e-6)
    for name, array in other.state_dict().items():
        near(trainer.state_dict()[name], array, 1e-6, name)


def test_carried_states_are_those_of_one_long_batch(device):
    x, labels = numbers(6, 2, 2), np.arange(12).reshape(6, 2) % 3
    net = wgpu_rnn.LSTM(2, 6, device=device)
    trainer = Trainer(net, Head("every_step", 3), Loss.cross_entropy(), Optimizer.sgd(0.0), carry_states=True)
    whole = trainer.evaluate(x, labels)
    found = []
    for _ in range(2):
        reports = trainer.step(x[:3], labels[:3]) + trainer.step(x[3:], labels[3:]) + trainer.finish()
        found.append(sum(report.loss for report in reports) / 2)
        trainer.reset_states()
    near(found, [whole.loss, whole.loss], 1e-6)


def test_a_call_that_was_warmed_up(device):
    net = wgpu_rnn.LSTM(2, 6, device=device)
    before = net.state_dict()
    net.warm_up(5, 4)
    x = numbers(5, 4, 2)
    output = net(x)[0]
    assert np.array_equal(output, wgpu_rnn.LSTM(2, 6, device=device)(x)[0])
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())
