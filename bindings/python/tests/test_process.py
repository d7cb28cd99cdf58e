"""Threads, forks, memory, Ctrl-C."""

import gc
import os
import sys
import threading
import time

import numpy as np
import pytest
import torch
from common import in_process

import wgpu_rnn
import wgpu_rnn.torch


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_eight_threads_on_one_layer(device):
    lstm = wgpu_rnn.LSTM(7, 33, num_layers=2, bidirectional=True, device=device)
    inputs = [numbers(5 + thread, 3, 7, seed=thread) for thread in range(8)]
    expected = [lstm(x)[0] for x in inputs]
    found = [[] for _ in inputs]

    def run(thread):
        for _ in range(25):
            found[thread].append(lstm(inputs[thread])[0])

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for outputs, one in zip(found, expected):
        assert len(outputs) == 25 and all(np.array_equal(output, one) for output in outputs)


def test_eight_threads_learn_on_one_module(device):
    gru = wgpu_rnn.torch.GRU(7, 13, device=device)
    inputs = [torch.from_numpy(numbers(5, 3, 7, seed=thread)) for thread in range(8)]

    def gradients(x):
        return torch.autograd.grad(gru(x)[0].square().sum(), list(gru.parameters()))

    expected = [gradients(x) for x in inputs]
    found = [None] * 8

    def run(thread):
        for _ in range(10):
            found[thread] = gradients(inputs[thread])

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for one, other in zip(found, expected):
        assert all(map(torch.equal, one, other))


def test_other_threads_go_on_while_the_engine_works():
    lstm = wgpu_rnn.LSTM(64, 256, num_layers=2, device="cpu")
    x = numbers(100, 8, 64)
    ticks, is_done = [], threading.Event()

    def tick():
        while not is_done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    lstm(x)
    ended = time.perf_counter()
    is_done.set()
    thread.join()
    within = [at for at in ticks if began < at < ended]
    assert len(within) >= 3, f"{len(within)} ticks in {ended - began:.3f} s"


def test_weights_of_f64_change_while_others_look():
    lines = in_process(
        """
        import threading
        import wgpu_rnn

        lstm = wgpu_rnn.LSTM(64, 128, dtype="float64")
        state = lstm.state_dict()
        is_done = threading.Event()

        def look():
            while not is_done.is_set():
                assert lstm.engine

        threads = [threading.Thread(target=look) for _ in range(2)]
        [thread.start() for thread in threads]
        for _ in range(50):
            lstm.load_state_dict(state)
        is_done.set()
        [thread.join() for thread in threads]
        print("done")
        """,
        timeout=60,
    )
    assert lines == ["done"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_is_refused():
    lines = in_process(
        """
        import os
        import numpy as np
        import wgpu_rnn

        def child(work):
            pid = os.fork()
            if pid == 0:
                try:
                    work()
                    print("done", flush=True)
                except RuntimeError as error:
                    print(error.code, error, flush=True)
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)

        x = np.ones((2, 1, 3), np.float32)
        # Before the first network a fork may make its own.
        child(lambda: wgpu_rnn.LSTM(3, 2, device="cpu")(x))
        lstm = wgpu_rnn.LSTM(3, 2, device="cpu")
        lstm(x)
        child(lambda: lstm(x))
        child(lambda: wgpu_rnn.LSTM(3, 2, device="cpu"))
        child(lambda: lstm.load_state_dict(lstm.state_dict()))
        child(lambda: lstm.forward_saved(x))
        lstm(x)
        print("the parent goes on")
        """
    )
    assert lines[0] == "done"
    assert lines[-1] == "the parent goes on"
    assert len(lines) == 6
    for line in lines[1:-1]:
        assert line.startswith("Fork process: expected process"), line
        assert "start processes by spawn or forkserver" in line


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="a system without /proc")
def test_memory_is_flat_over_many_calls():
    calls = int(os.environ.get("WGPU_RNN_SOAK", "100000"))
    lstm = wgpu_rnn.LSTM(4, 8, device="cpu")
    x = numbers(2, 1, 4)
    state = None

    def run(count):
        nonlocal state
        for _ in range(count):
            _, state = lstm(x, state)
        gc.collect()
        return resident(), len(gc.get_objects())

    run(2_000)
    before, objects = run(1_000)
    after, more = run(calls)
    assert after - before < 2 << 20, f"{after - before} bytes more"
    assert more - objects < 100, f"{more - objects} objects more"


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="a system without /proc")
def test_memory_is_flat_over_many_steps():
    gru = wgpu_rnn.torch.GRU(4, 8, device="cpu")
    optimizer = torch.optim.SGD(gru.parameters(), lr=1e-3)
    x = torch.from_numpy(numbers(3, 2, 4))

    def run(count):
        for _ in range(count):
            optimizer.zero_grad()
            gru(x)[0].sum().backward()
            optimizer.step()
        gc.collect()
        return resident()

    run(500)
    before = run(500)
    after = run(5_000)
    assert after - before < 2 << 20, f"{after - before} bytes more"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("work", ["call", "backward", "step"])
def test_ctrl_c_ends_a_long_call(work):
    lines = in_process(
        f"""
        import os, signal, threading, time
        import numpy as np
        import wgpu_rnn

        signal.signal(signal.SIGINT, signal.default_int_handler)
        lstm = wgpu_rnn.LSTM(8, 64, device="reference")
        small = np.ones((3, 1, 8), np.float32)
        expected = lstm(small)[0]
        if "{work}" == "call":
            x = np.ones((60_000, 8, 8), np.float32)
            work = lambda: lstm(x)
        elif "{work}" == "backward":
            x = np.ones((400, 4, 8), np.float32)
            result, saved = lstm.forward_saved(x)
            work = lambda: saved.backward(result.output)
        else:
            x = np.ones((400, 4, 8), np.float32)
            trainer = wgpu_rnn.Trainer(
                lstm,
                wgpu_rnn.Head("last_states", 2),
                wgpu_rnn.Loss.cross_entropy(),
                wgpu_rnn.Optimizer.sgd(0.1),
            )
            work = lambda: trainer.step(x, [0, 1, 0, 1])

        def interrupt():
            time.sleep(0.3)
            global at
            at = time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        try:
            work()
            print("it was not long")
        except KeyboardInterrupt:
            print(time.perf_counter() - at)
        print(np.array_equal(lstm(small)[0], expected), flush=True)
        os._exit(0)
        """
    )
    assert float(lines[0]) < 1.0
    assert lines[1] == "True"
