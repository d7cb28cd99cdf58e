//! Streams, and calls from many threads: that others do not matter.

use crate::common::case;
use crate::engines::{Offer, Outcome, Trials};
use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use wgpu_rnn::{Cell, Config, Engine, Error, Init, Layout, MAX_STREAM_STEPS, Rnn, Schedule, Streams, Tuning};

pub fn add(trials: &mut Trials) {
    for offer in [Offer::All, Offer::WebGpuDefaults] {
        for cell in Cell::ALL {
            let test = move |engine: &Engine| streams_are_alone(engine, cell);
            trials.add(offer, &format!("streams::{}::are_as_if_alone", cell.name()), test);
        }
        trials.add(offer, "streams::eight_threads_give_the_same_bits", eight_threads);
    }
    trials.add(Offer::All, "streams::wrong_use_is_an_error", wrong_use);
    trials.add(Offer::Cpu, "streams::are_as_if_alone", |_| streams_are_alone(&Engine::cpu(), Cell::Lstm));
}

/// One stream a step at a time for a thousand steps, while others join, leave, are reset, saved and loaded:
/// the same bits as one call over all of its steps, by every schedule.
fn streams_are_alone(engine: &Engine, cell: Cell) -> Outcome {
    let config = Config::new(cell, 13).num_layers(2).input_size(7);
    let case = case(&config, 1000, 3, 31);
    let rnn = || Rnn::new(engine, case.weights.clone());
    // Batches of another size might be given other tiles, whose sums come in another order.
    let tile = Some("1".parse()?);
    let schedules = &[Schedule::Stepwise, Schedule::Sequence][..if engine.is_gpu() { 2 } else { 1 }];
    for &schedule in schedules {
        let tuning = Tuning { schedule: Some(schedule), gemm: tile, step: tile };
        let tuning = if engine.is_gpu() { tuning } else { Tuning::default() };
        let whole = rnn().with_tuning(tuning)?;
        let rows = |row: usize, first: usize, end: usize| case.input.slice(s![first..end, row..row + 1, ..]);
        let alone = whole.forward(&rows(0, 0, 1000), None)?;
        let late = whole.forward(&rows(1, 0, 300), None)?;
        let other = whole.forward(&rows(2, 0, 900), None)?;

        let mut streams = Streams::new(rnn().with_tuning(tuning)?, 3)?;
        let first = streams.join()?;
        let mut second = None;
        let mut third = streams.join()?;
        let (mut at_second, mut at_third) = (0, 0);
        let same = |name: &str, found: &Array2<f32>, all: &Array3<f32>, at: usize| {
            let expected = all.slice(s![at..at + found.nrows(), 0, ..]);
            if found == expected {
                Ok(())
            } else {
                Err(format!("{}: {name} differs at {at}", schedule.name()))
            }
        };
        for step in 0..1000 {
            if step == 100 || step == 600 {
                second = Some(streams.join()?);
                at_second = 0;
            }
            if step == 250 {
                // Saved, and another one in between in its place.
                let saved = streams.save(third)?;
                streams.leave(third)?;
                let stranger = streams.join()?;
                streams.call(&[(stranger, Array2::from_elem((5, 7), 0.3).view())])?;
                streams.leave(stranger)?;
                third = streams.join()?;
                streams.load(third, &saved)?;
            }
            let pace = 1 + step * 7 % MAX_STREAM_STEPS;
            let brings = |row: usize, at: usize, steps: usize, all: usize| {
                let end = (at + steps).min(all);
                rows(row, at, end).index_axis_move(Axis(1), 0)
            };
            let mut called = vec![(first, brings(0, step, 1, 1000))];
            if let Some(second) = second
                && at_second < 300
            {
                called.push((second, brings(1, at_second, 1 + step % 2, 300)));
            }
            if step % 5 == 0 && at_third < 900 {
                called.push((third, brings(2, at_third, pace, 900)));
            }
            let outputs = streams.call(&called)?;
            for ((stream, steps), output) in called.iter().zip(&outputs) {
                if *stream == first {
                    same("the first", output, &alone.output, step)?;
                } else if Some(*stream) == second {
                    same("the second", output, &late.output, at_second)?;
                    at_second += steps.nrows();
                } else {
                    same("the third", output, &other.output, at_third)?;
                    at_third += steps.nrows();
                }
            }
            if step == 550 {
                streams.leave(second.take().ok_or("the second has joined")?)?;
            }
            if step == 400 {
                streams.reset(third)?;
                at_third = 0;
            }
        }
        let state = streams.save(first)?;
        if state != alone.state() {
            return Err(format!("{}: the final state differs", schedule.name()).into());
        }
    }
    Ok(())
}

fn wrong_use(engine: &Engine) -> Outcome {
    let rnn = |config: Config| Rnn::new(engine, case(&config, 1, 1, 32).weights);
    let refused = |result: wgpu_rnn::Result<()>, expected: &str| match result {
        Err(error) if error.to_string() == expected => Ok(()),
        Err(error) => Err(format!("expected {expected:?}, found {:?}", error.to_string())),
        Ok(()) => Err(format!("expected {expected:?}, found none")),
    };
    let plain = Config::gru(5).input_size(3);
    for (config, expected) in [
        (
            plain.clone().bidirectional(),
            "directions: expected forward only, for streams whose end is not known, found Both",
        ),
        (plain.clone().layout(Layout::Ntc), "layout: expected TNC, for streams, found NTC"),
    ] {
        refused(Streams::new(rnn(config), 2).map(|_| ()), expected)?;
    }
    let open = Streams::new(Rnn::lazy(engine, &Config::gru(5), Init::pytorch())?, 2);
    if !matches!(open, Err(Error::InputSizeOpen)) {
        return Err(format!("an open input size: {:?}", open.map(|streams| streams.capacity())).into());
    }
    refused(Streams::new(rnn(plain.clone()), 0).map(|_| ()), "capacity: expected at least 1, found 0")?;
    let huge = Streams::new(rnn(plain.clone()), usize::MAX / 16);
    if !matches!(huge, Err(Error::Memory { .. } | Error::TooLarge { .. })) {
        return Err(format!("room for all streams: {:?}", huge.map(|streams| streams.capacity())).into());
    }
    let mut streams = Streams::new(rnn(plain), 1)?;
    let one = streams.join()?;
    refused(streams.join().map(|_| ()), "join: expected at most 1 live streams, found one more")?;
    let steps = Array2::<f32>::zeros((MAX_STREAM_STEPS + 1, 3));
    let call = |streams: &mut Streams, steps: ArrayView2<'_, f32>| streams.call(&[(one, steps)]).map(|_| ());
    let expected = "steps of a stream: expected shape [T, 3] with T from 1 to 16, found ";
    refused(call(&mut streams, steps.view()), &format!("{expected}[17, 3]"))?;
    refused(call(&mut streams, steps.slice(s![..1, ..2])), &format!("{expected}[1, 2]"))?;
    let step = steps.slice(s![..1, ..]);
    let twice = streams.call(&[(one, step), (one, step)]).map(|_| ());
    refused(twice, "stream: expected each stream once per call, found a stream twice")?;
    let stranger = Streams::new(rnn(Config::gru(5).input_size(3)), 1)?.join()?;
    streams.leave(one)?;
    let gone = "stream: expected a stream that has joined, found a stream that has left";
    refused(call(&mut streams, step), gone)?;
    // Another one's, at the same place.
    refused(streams.leave(stranger), gone)?;
    // Its place has been taken by another one.
    let other = streams.join()?;
    refused(call(&mut streams, step), gone)?;
    let wrong = wgpu_rnn::State::new(Array3::zeros((1, 2, 5)));
    refused(streams.load(other, &wrong), "h_0: expected shape [1, 1, 5] = [L*D, N, H], found [1, 2, 5]")?;
    Ok(())
}

fn eight_threads(engine: &Engine) -> Outcome {
    let config = Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    let cases: Vec<_> = (0..4).map(|seed| case(&config, 5 + seed as usize, 3, seed)).collect();
    let run = |index: usize| {
        let case = &cases[index % 4];
        let rnn = Rnn::new(engine, case.weights.clone());
        (0..5).map(|_| rnn.call(&case.call())).collect::<wgpu_rnn::Result<Vec<_>>>()
    };
    let alone: Vec<_> = (0..8).map(run).collect::<Result<_, _>>()?;
    let together = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|index| scope.spawn(move || run(index))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>, _>>()
    })?;
    if alone == together { Ok(()) } else { Err("threads change the results".into()) }
}
