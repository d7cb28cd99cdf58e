//! Counts of a call by wgpu's own log, against the plan: objects made, submits, passes, dispatches and bytes
//! copied. wgpu's back end that computes nothing runs the calls, so no GPU is needed.

use log::{LevelFilter, Log, Metadata, Record};
use ndarray::Array3;
use std::cell::RefCell;
use std::sync::Once;
use wgpu_rnn::inspect::{Payload, Transfer};
use wgpu_rnn::{Call, Cell, Config, Dtype, Engine, Init, Packed, Plan, Rnn, Schedule, Weights, Workload};

/// Counts of requests to wgpu. All requests come from, and are logged in, the thread of the call.
#[derive(Clone, Debug, Default, PartialEq)]
struct Asked {
    /// Each that a device made, but command encoders, of which a submit needs one.
    objects: Vec<String>,
    submits: u64,
    passes: u64,
    dispatches: u64,
    /// Bytes of each copy.
    copies: Vec<u64>,
    /// Buffers that were cleared, in part or as a whole.
    clears: u64,
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::default();
}

struct Listener;

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            ASKED.with_borrow_mut(|asked| asked.hear(&record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

impl Asked {
    fn hear(&mut self, line: &str) {
        if line.starts_with("Device::create_") && !line.starts_with("Device::create_command_encoder") {
            self.objects.push(line.to_owned());
        } else if line == "Queue::submit" {
            self.submits += 1;
        } else if line.starts_with("Begin encoding compute pass") {
            self.passes += 1;
        } else if line.starts_with("ComputePass::dispatch") {
            self.dispatches += 1;
        } else if line.starts_with("CommandEncoder::clear_buffer") {
            self.clears += 1;
        } else if let Some(copy) = line.strip_prefix("CommandEncoder::copy_buffer_to_buffer") {
            // "... -> Id(3,1) Some(80)bytes"
            let size = copy.rsplit_once("Some(").and_then(|(_, size)| size.strip_suffix(")bytes"));
            self.copies.push(size.and_then(|size| size.parse().ok()).expect("a copy of a known size"));
        }
    }
}

/// The counts while `run` runs.
fn asked(run: impl FnOnce()) -> Asked {
    ASKED.take();
    run();
    ASKED.take()
}

fn engine() -> Engine {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        log::set_logger(&Listener).expect("the only logger");
        log::set_max_level(LevelFilter::Trace);
    });
    let required_features = wgpu::Features::IMMEDIATES | wgpu::Features::SUBGROUP;
    let required_limits = wgpu::Limits { max_immediate_size: 128, ..Default::default() };
    let descriptor = wgpu::DeviceDescriptor { required_features, required_limits, ..Default::default() };
    let (device, queue) = wgpu::Device::noop(&descriptor);
    Engine::from_device(device, queue)
}

/// A network whose weights are packed.
fn rnn(engine: &Engine, config: &Config, schedule: Option<Schedule>) -> Rnn {
    let rnn = new(engine, config).with_tuning(schedule).unwrap();
    rnn.forward(&Array3::<f32>::ones((2, 5, 7)), None).unwrap();
    rnn
}

fn new(engine: &Engine, config: &Config) -> Rnn {
    Rnn::new(engine, Weights::init(config, &Init::pytorch()).unwrap())
}

fn plan(engine: &Engine, config: &Config, steps: usize, batch: usize, schedule: Option<Schedule>) -> Plan {
    let workload = Workload { tuning: schedule.into(), ..Workload::new(steps, batch) };
    Plan::of(config, &workload, &engine.limits().unwrap()).unwrap()
}

/// Networks whose steps take one dispatch, two and three, one direction and two, one layer and two.
fn networks() -> Vec<Config> {
    let mut all: Vec<Config> =
        Cell::ALL.map(|cell| Config::new(cell, 13).num_layers(2).bidirectional().input_size(7)).into();
    all.push(Config::lstm(13).input_size(7));
    all.push(Config::lstm(13).proj_size(5).bidirectional().input_size(7));
    all.push(Config::lstm(13).layer_norm().input_size(7));
    all
}

fn schedules() -> impl Iterator<Item = Option<Schedule>> {
    Schedule::ALL.into_iter().map(Some).chain([None])
}

/// The schedule is one that this network can have.
fn can(engine: &Engine, config: &Config, schedule: Option<Schedule>) -> bool {
    let workload = Workload { tuning: schedule.into(), ..Workload::new(5, 3) };
    Plan::of(config, &workload, &engine.limits().unwrap()).is_ok()
}

fn is_state(transfer: &&Transfer) -> bool {
    matches!(transfer.what, Payload::Hidden { .. } | Payload::Cell { .. })
}

/// A call without a state uploads its input and nothing else; with a state, the state too.
#[test]
fn a_state_of_zeros_is_not_uploaded() {
    let engine = engine();
    let (steps, batch) = (5, 3);
    let config = Config::lstm(12).bidirectional().input_size(8);
    let rnn = new(&engine, &config);
    let input = Array3::<f32>::ones((steps, batch, 8));
    let state = rnn.forward(&input, None).unwrap().state();
    let plan = plan(&engine, &config, steps, batch, None);
    let down: u64 = plan.forward.downloads.iter().map(Transfer::bytes).sum();
    let up = |state| asked(|| drop(rnn.forward(&input, state).unwrap())).copies.iter().sum::<u64>() - down;
    assert_eq!(up(None), (4 * steps * batch * 8) as u64);
    assert_eq!(up(Some(&state)), (4 * (steps * batch * 8 + 4 * batch * 12)) as u64);
}

/// The input goes straight from the caller's array into a staging buffer: a steady call makes no copy.
#[test]
fn a_call_holds_no_copy_of_its_input() {
    let engine = engine();
    let (steps, batch, width) = (5, 3, 4096);
    let rnn = new(&engine, &Config::lstm(12).input_size(width));
    let input = Array3::<f32>::ones((steps, batch, width));
    rnn.forward(&input, None).unwrap();
    let counted = allocation_counter::measure(|| drop(rnn.forward(&input, None).unwrap()));
    let bytes = (4 * steps * batch * width) as u64;
    assert!(counted.bytes_total < bytes / 2, "{counted:?} beside {bytes} bytes of input");
}

#[test]
fn a_call_is_what_the_plan_says() {
    let engine = engine();
    let mut calls = 0;
    for config in networks() {
        for schedule in schedules().filter(|&schedule| can(&engine, &config, schedule)) {
            let rnn = rnn(&engine, &config, schedule);
            for (steps, batch) in [(1, 1), (5, 3), (300, 2)] {
                let plan = plan(&engine, &config, steps, batch, schedule);
                let input = Array3::<f32>::ones((steps, batch, 7));
                let asked = asked(|| drop(rnn.forward(&input, None).unwrap()));
                // A state of zeros is cleared on the device.
                let (states, rest): (Vec<_>, Vec<_>) = plan.forward.uploads.iter().partition(is_state);
                let copied = rest.into_iter().chain(&plan.forward.downloads);
                let copies: Vec<u64> = copied.map(|transfer| 4 * transfer.len).collect();
                assert_eq!(asked.copies, copies, "{}", plan.title);
                assert_eq!(asked.clears, states.len() as u64, "{}", plan.title);
                assert_eq!(asked.dispatches, plan.dispatches(), "{}", plan.title);
                assert_eq!(asked.passes, plan.passes().count() as u64, "{}", plan.title);
                assert_eq!(asked.submits, plan.forward.submits.len() as u64, "{}", plan.title);
                calls += 1;
            }
        }
    }
    assert!(calls >= 3 * 2 * networks().len(), "{calls} calls");
}

/// All weights of a network are packed at its first call, whatever schedule that has, and never again.
#[test]
fn weights_are_packed_once() {
    let engine = engine();
    let input = Array3::<f32>::ones((5, 3, 7));
    for config in networks() {
        let rnn = new(&engine, &config);
        let packing = Plan::packing(&config, Dtype::F32, &engine.limits().unwrap()).unwrap();
        let mut is_first = true;
        for schedule in schedules().filter(|&schedule| can(&engine, &config, schedule)) {
            let plan = plan(&engine, &config, 5, 3, schedule);
            let rnn = rnn.clone().with_tuning(schedule).unwrap();
            rnn.free_buffers();
            let asked = asked(|| drop(rnn.forward(&input, None).unwrap()));
            let (submits, passes, dispatches) = match is_first {
                true => (1, config.num_layers as u64, packing.dispatches()),
                false => (0, 0, 0),
            };
            assert_eq!(asked.submits - plan.forward.submits.len() as u64, submits, "{}", packing.title);
            assert_eq!(asked.passes - plan.passes().count() as u64, passes, "{}", packing.title);
            assert_eq!(asked.dispatches - plan.dispatches(), dispatches, "{}", packing.title);
            for buffer in &packing.buffers {
                let named = format!("\"{}\"", buffer.name);
                let made = asked.objects.iter().filter(|line| line.contains(&named)).count();
                assert_eq!(made, usize::from(is_first), "{named}: {:?}", asked.objects);
            }
            is_first = false;
        }
    }
}

/// A dispatch per step of a layer and direction, or, paired, of a layer; and one submit up to 256 of them.
#[test]
fn a_step_is_a_dispatch() {
    let engine = engine();
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
        for (schedule, a_step, passes_a_layer) in [(Schedule::Stepwise, 2, 3), (Schedule::Paired, 1, 2)] {
            let rnn = rnn(&engine, &config, Some(schedule));
            let one = |steps| asked(|| drop(rnn.forward(&Array3::ones((steps, 3, 7)), None).unwrap()));
            let (few, many) = (one(4), one(64));
            assert_eq!(many.dispatches - few.dispatches, 60 * 2 * a_step, "{cell:?}, {}", schedule.name());
            assert_eq!([few.passes, many.passes], [2 * passes_a_layer; 2], "{cell:?}, {}", schedule.name());
            assert_eq!([few.submits, many.submits], [1; 2], "{cell:?}, {}", schedule.name());
        }
        let one_direction = Config::new(cell, 13).input_size(7);
        let rnn = rnn(&engine, &one_direction, None);
        for (steps, submits) in [(1, 1), (256, 1), (257, 2)] {
            let input = Array3::ones((steps, 3, 7));
            let asked = asked(|| drop(rnn.forward(&input, None).unwrap()));
            assert_eq!(asked.submits, submits, "{cell:?}, T {steps}");
        }
    }
}

/// No object, whatever shape of the last four comes, with lengths or without, padded or packed.
#[test]
fn a_shape_that_came_before_makes_no_object() {
    let engine = engine();
    for config in networks() {
        for schedule in schedules().filter(|&schedule| can(&engine, &config, schedule)) {
            let rnn = rnn(&engine, &config, schedule);
            let (small, large) = (Array3::<f32>::ones((5, 3, 7)), Array3::<f32>::ones((9, 4, 7)));
            let packed = Packed { data: ndarray::Array2::ones((8, 7)), batch_sizes: vec![3, 2, 1, 1, 1] };
            let all = |longest: usize| {
                rnn.forward(&small, None).unwrap();
                rnn.forward(&large, None).unwrap();
                rnn.call(&Call::new(&small).lengths(&[longest, 0, 2])).unwrap();
                rnn.call(&Call::new(&large).lengths(&[1, longest, 3, 2])).unwrap();
                rnn.call(&Call::packed(&packed)).unwrap();
            };
            let first = asked(|| all(5));
            assert!(!first.objects.is_empty(), "the listener hears nothing");
            // Other lengths are not another shape.
            for longest in [5, 3] {
                let again = asked(|| all(longest));
                assert_eq!(again.objects, Vec::<String>::new(), "{config:?}, {schedule:?}");
                assert!(again.dispatches > 0 && again.copies.len() > 5);
            }
        }
    }
}

/// With lengths, what lies past the longest sequence is neither copied nor computed.
#[test]
fn a_short_call_copies_and_computes_less() {
    let engine = engine();
    for schedule in schedules() {
        let config = Config::lstm(13).bidirectional().input_size(7);
        let rnn = rnn(&engine, &config, schedule);
        let input = Array3::<f32>::ones((9, 3, 7));
        let with = |lengths: &[usize]| asked(|| drop(rnn.call(&Call::new(&input).lengths(lengths)).unwrap()));
        let (whole, short) = (with(&[9, 2, 5]), with(&[4, 2, 1]));
        let workload = Workload { has_lengths: true, tuning: schedule.into(), ..Workload::new(9, 3) };
        let plan = Plan::of(&config, &workload, &engine.limits().unwrap()).unwrap();
        let brought = plan.forward.uploads.iter().filter(|transfer| !is_state(transfer));
        let bytes: Vec<u64> =
            brought.chain(&plan.forward.downloads).map(|transfer| 4 * transfer.len_within(4)).collect();
        assert_eq!(short.copies, bytes);
        assert!(short.copies.iter().sum::<u64>() < whole.copies.iter().sum());
        let a_step = match plan.schedule {
            Schedule::Stepwise => 2,
            Schedule::Paired => 1,
            // Its one dispatch goes through fewer.
            Schedule::Sequence => 0,
        };
        assert_eq!(whole.dispatches - short.dispatches, 5 * a_step);
    }
}
