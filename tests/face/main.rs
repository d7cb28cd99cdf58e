//! The face of an `Rnn`: clones and threads, weights that come back, buffers that are freed, types, and what
//! each engine refuses.

mod absurd;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/engines.rs"]
mod engines;
mod refused;

use absurd::{absurd_plans, print_error, too_many_layers};
#[cfg(unix)]
use absurd::{name_that_is_no_text, without_memory};
use common::{Case, F32, case, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials};
use ndarray::{Array3, s};
use refused::{
    lost_streams, no_f16, no_room_for_immediates, only_on_a_gpu, out_of_range, refused_calls_keep_objects,
};
use std::sync::Barrier;
use wgpu_rnn::{
    Call, Config, Dtype, Engine, Error, Init, Rnn, Schedule, Stateful, Streams, Tuning, Weights, inspect,
};

/// Names the test that a child of this process has to do.
const CHILD: &str = "WGPU_RNN_FACE_CHILD";

fn main() {
    match std::env::var(CHILD).as_deref() {
        Ok("memory") => return too_many_layers(),
        Ok("name") => return print_error(Engine::gpu()),
        Ok(other) => panic!("no child named {other}"),
        Err(_) => {}
    }
    let mut trials = Trials::new();
    for offer in [Offer::All, Offer::WebGpuDefaults, Offer::Cpu] {
        trials.add(offer, "clones_on_threads_give_the_same_bits", clones_on_threads);
        trials.add(offer, "weights_come_back", weights_come_back);
        trials.add(offer, "free_buffers_are_made_again", free_buffers);
        trials.add(offer, "a_projection_may_be_wider_than_the_state", wide_projection);
        trials.add(offer, "async_twins_give_the_same", async_twins);
    }
    trials.add(Offer::All, "weights_are_uploaded_once", weights_once);
    trials.add(Offer::All, "f16_refuses_what_it_cannot_hold", out_of_range);
    trials.add(Offer::All, "refused_calls_keep_objects", refused_calls_keep_objects);
    trials.add(Offer::Cpu, "packed_weights_are_freed", packed_weights_are_freed);
    trials.add(Offer::All, "dtypes_share_what_is_drawn", dtypes_share_what_is_drawn);
    trials.add(Offer::All, "immediates_without_room", no_room_for_immediates);
    trials.add(Offer::All, "streams_of_a_lost_device_are_errors", lost_streams);
    trials.add(Offer::WebGpuDefaults, "f16_is_refused_without_the_feature", Box::new(no_f16));
    trials.add(Offer::Cpu, "what_only_a_gpu_has_is_refused", only_on_a_gpu);
    trials.add(Offer::Cpu, "absurd_plans_are_errors", |_| absurd_plans());
    #[cfg(unix)]
    {
        trials.add(Offer::Cpu, "too_many_layers_are_an_error", |_| without_memory());
        trials.add(Offer::All, "an_adapter_name_is_text", |_| name_that_is_no_text());
    }
    trials.run();
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?}, expected {theirs:?}")) }
}

/// Demands a result that is an error and that `is_it` accepts.
fn refused<T: std::fmt::Debug>(
    what: &str,
    result: wgpu_rnn::Result<T>,
    is_it: impl Fn(&Error) -> bool,
) -> Result<(), String> {
    match result {
        Err(error) if is_it(&error) => Ok(()),
        other => Err(format!("{what}: {other:?}")),
    }
}

fn unsupported(wanted: &str) -> impl Fn(&Error) -> bool {
    move |error| matches!(error, Error::Unsupported { name, .. } if *name == wanted)
}

fn stacked() -> Config {
    Config::lstm(13).num_layers(2).bidirectional().input_size(7)
}

/// Both calls of every thread, all of which begin at once.
fn on_threads(rnn: &Rnn, cases: &[Case; 2]) -> Result<(), String> {
    let alone: Vec<_> = cases
        .iter()
        .map(|case| Rnn::new(rnn.engine(), case.weights.clone()).call(&case.call()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (clone, barrier, alone) = (rnn.clone(), &barrier, &alone);
                scope.spawn(move || {
                    barrier.wait();
                    for call in 0..6 {
                        let which = (thread + call) % 2;
                        let answer = clone.call(&cases[which].call()).map_err(|error| error.to_string())?;
                        expect("the bits of a thread", &answer, &alone[which])?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

/// Two calls of one network.
fn two_cases() -> [Case; 2] {
    let one = case(&stacked(), 5, 3, 41);
    let other = Case { lengths: Some(vec![2, 5, 0]), ..one.clone() };
    [one, other]
}

fn clones_on_threads(engine: &Engine) -> Outcome {
    let cases = two_cases();
    on_threads(&Rnn::new(engine, cases[0].weights.clone()), &cases)?;
    // Weights that wait for the input size are drawn by one of the threads.
    let lazy = Rnn::lazy(engine, &Config::gru(5), Init::pytorch().seed(4))?;
    let eager = Rnn::new(engine, Weights::init(&Config::gru(5).input_size(7), &Init::pytorch().seed(4))?);
    let theirs = eager.forward(&cases[0].input, None)?;
    std::thread::scope(|scope| {
        let call = || lazy.clone().forward(&cases[0].input, None);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        threads.into_iter().try_for_each(|thread| {
            let answer = thread.join().expect("no panic").map_err(|error| error.to_string())?;
            expect("the bits of drawn weights", &answer, &theirs)
        })
    })?;
    Ok(())
}

/// The device gets a network's weights once, from however many threads: all other objects belong to calls.
fn weights_once(_: &Engine) -> Outcome {
    // Other tests make objects on the shared engine meanwhile.
    let engine = Engine::builder().build()?;
    let case = case(&stacked(), 5, 3, 42);
    let made = |run: &dyn Fn() -> wgpu_rnn::Result<()>| {
        let before = inspect::objects_made(&engine);
        run().map(|()| inspect::objects_made(&engine) - before)
    };
    let call = |rnn: &Rnn| rnn.call(&case.call()).map(drop);
    let first = Rnn::new(&engine, case.weights.clone());
    call(&first)?;
    let plan = first.plan(5, 3)?;
    let is_weight = |buffer: &&inspect::Buffer| matches!(buffer.content, inspect::Content::Weight(_));
    let weights = plan.buffers.iter().filter(is_weight).count() as u64;
    first.free_buffers();
    let of_call = made(&|| call(&first))?;
    let second = Rnn::new(&engine, case.weights.clone());
    // A buffer for each weight, and whatever packs them.
    let of_weights = made(&|| call(&second))? - of_call;
    expect("a buffer for each weight", of_weights >= weights, true)?;
    expect("weights that look like calls", of_weights % of_call == 0, false)?;
    let third = Rnn::new(&engine, case.weights.clone());
    let together = made(&|| {
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            let each = || {
                let clone = third.clone();
                barrier.wait();
                (0..5).try_for_each(|_| call(&clone))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(each)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })
    })?;
    // From one to four calls ran at once; each of these made its own objects.
    let possible: Vec<u64> = (1..=4).map(|calls| of_weights + calls * of_call).collect();
    if !possible.contains(&together) {
        return Err(format!("{together} objects, expected one of {possible:?}").into());
    }
    Ok(())
}

fn weights_come_back(engine: &Engine) -> Outcome {
    let case = case(&stacked(), 3, 2, 43);
    let rnn = Rnn::new(engine, case.weights.clone());
    rnn.call(&case.call())?;
    let place = |weights: &Weights| weights.tensor("weight_hh_l0").map(|tensor| tensor.as_ptr());
    let own = rnn.weights().and_then(place);
    let clone = rnn.clone();
    let copied = rnn.into_weights().ok_or("no weights")?;
    expect("weights of a clone", &copied, &case.weights)?;
    expect("a copy's place", place(&copied) == own, false)?;
    expect("a clone's answer", clone.call(&case.call())?, Rnn::new(engine, copied).call(&case.call())?)?;
    let moved = clone.into_weights().ok_or("no weights")?;
    expect("weights", &moved, &case.weights)?;
    expect("the place of weights that nobody shares", place(&moved), own)?;
    expect("weights that wait", Rnn::lazy(engine, &Config::gru(3), Init::gluon())?.into_weights(), None)?;
    Ok(())
}

fn free_buffers(_: &Engine) -> Outcome {
    let own = Engine::builder().build();
    let engines = [Engine::cpu(), Engine::reference()].into_iter().chain(own.ok());
    for engine in engines {
        let case = case(&stacked(), 5, 3, 44);
        let rnn = Rnn::new(&engine, case.weights.clone());
        let first = rnn.call(&case.call())?;
        let alive = || {
            let device = engine.device()?;
            device.poll(wgpu::PollType::wait_indefinitely()).ok()?;
            Some(device.get_internal_counters().hal.buffers.read())
        };
        let (made, before) = (inspect::objects_made(&engine), alive());
        rnn.free_buffers();
        if let (Some(before), Some(after)) = (before, alive())
            && after >= before
        {
            return Err(format!("{before} buffers, and {after} after they were freed").into());
        }
        expect("the bits after", rnn.call(&case.call())?, first)?;
        expect("objects are made again", inspect::objects_made(&engine) > made, engine.is_gpu())?;
        expect("buffers", alive(), before)?;
    }
    Ok(())
}

/// The CPU engine packs weights by the first call, and again by the first after they were freed.
fn packed_weights_are_freed(cpu: &Engine) -> Outcome {
    let case = case(&Config::lstm(128).input_size(128), 1, 1, 55);
    let rnn = Rnn::new(cpu, case.weights.clone());
    let bytes = 4 * 4 * 128 * (128 + 128);
    let allocated = || {
        let mut answer = None;
        let all = allocation_counter::measure(|| answer = Some(rnn.call(&case.call()))).bytes_total;
        answer.ok_or("an answer")?.map(|_| all >= bytes).map_err(libtest_mimic::Failed::from)
    };
    for (what, packs) in [("the first call packs", true), ("the second does not", false)] {
        expect(what, allocated()?, packs)?;
    }
    rnn.free_buffers();
    expect("a call after they were freed packs", allocated()?, true)?;
    Ok(())
}

/// A network whose weights wait for its input size has the same ones in every dtype.
fn dtypes_share_what_is_drawn(engine: &Engine) -> Outcome {
    if !engine.limits().is_some_and(|limits| limits.f16) {
        println!("the adapter has no SHADER_F16: nothing is tested");
        return Ok(());
    }
    let single = Rnn::lazy(engine, &Config::gru(5), Init::gluon())?;
    let half = single.clone().with_dtype(Dtype::F16)?;
    let input = Array3::from_elem((3, 2, 7), 0.5);
    half.forward(&input, None)?;
    single.forward(&input, None)?;
    expect("weights", single.weights(), half.weights())?;
    Ok(())
}

fn wide_projection(engine: &Engine) -> Outcome {
    let lstm = || Config::lstm(13).proj_size(17).input_size(7);
    let configs = [
        lstm(),
        lstm().proj_size(13),
        lstm().num_layers(2).bidirectional().peepholes(),
        lstm().bidirectional().layer_norm().merge(wgpu_rnn::Merge::Sum),
    ];
    for (seed, config) in (45..).zip(configs) {
        let mut case = case(&config, 5, 3, seed);
        for lengths in [None, Some(vec![2, 5, 0])] {
            case.lengths = lengths;
            let theirs = reference(&case);
            expect("h_n", theirs.h_n.dim().2, config.proj_size)?;
            let tolerance = if config.layer_norm { common::NORM } else { F32 };
            let schedules = Schedule::ALL.into_iter().map(Some).filter(|_| engine.is_gpu());
            for schedule in schedules.chain([None]) {
                let rnn = Rnn::new(engine, case.weights.clone()).with_tuning(schedule)?;
                match rnn.call(&case.call()) {
                    Ok(ours) => difference_of_outputs(&ours, &theirs, tolerance)?,
                    // Not every network can be paired or a sequence.
                    Err(Error::Unsupported { .. }) if schedule.is_some_and(|s| s != Schedule::Stepwise) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(())
}

fn async_twins(engine: &Engine) -> Outcome {
    use pollster::block_on;
    let case = case(&Config::gru(5).num_layers(2).input_size(7), 4, 1, 46);
    // Calls of another length might be given other tiles, whose sums come in another order.
    let tile = if engine.is_gpu() { Some("1".parse()?) } else { None };
    let tuned = Rnn::new(engine, case.weights.clone()).with_tuning(Tuning {
        gemm: tile,
        step: tile,
        ..Tuning::default()
    })?;
    let rnn = || tuned.clone();
    let whole = rnn().forward(&case.input, None)?;
    expect("forward", block_on(rnn().forward_async(&case.input, None))?, whole.clone())?;
    expect("call", block_on(rnn().call_async(&Call::new(&case.input)))?, whole.clone())?;
    let state = whole.state();
    let further = rnn().forward(&case.input, Some(&state))?;
    expect(
        "forward from a state",
        block_on(rnn().forward_async(&case.input, Some(&state)))?,
        further.clone(),
    )?;
    let call = Call::new(&case.input).state(&state);
    expect("call from a state", block_on(rnn().call_async(&call))?, further)?;
    let (early, late) = case.input.view().split_at(ndarray::Axis(0), 1);
    let mut stateful = Stateful::new(rnn());
    block_on(stateful.forward_async(&early))?;
    expect("stateful", block_on(stateful.call_async(&Call::new(&late)))?.state(), whole.state())?;
    let sequence = case.input.slice(s![.., 0, ..]);
    let mut blocking = Streams::new(rnn(), 2)?;
    let stream = blocking.join()?;
    let theirs = blocking.call(&[(stream, sequence)])?;
    let ours = block_on(async {
        let mut streams = Streams::new_async(rnn(), 2).await?;
        let stream = streams.join_async().await?;
        let first = streams.call_async(&[(stream, sequence.slice(s![..1, ..]))]).await?;
        let saved = streams.save_async(stream).await?;
        streams.reset_async(stream).await?;
        streams.call_async(&[(stream, sequence)]).await?;
        streams.load_async(stream, &saved).await?;
        let rest = streams.call_async(&[(stream, sequence.slice(s![1.., ..]))]).await?;
        Ok::<_, Error>([&first[..], &rest[..]].concat())
    })?;
    let ours = ndarray::concatenate(ndarray::Axis(0), &[ours[0].view(), ours[1].view()])?;
    expect("streams", &ours, &theirs[0])?;
    Ok(())
}
