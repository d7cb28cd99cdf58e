//! The tuner and the pipeline cache: what is kept is found again, what is broken is made anew, and answers
//! stay right.

mod common;
#[path = "common/engines.rs"]
mod engines;

use common::{Case, F32, NORM, case, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials};
use std::path::Path;
use wgpu_rnn::{Config, Engine, EngineBuilder, Output, Rnn, Schedule, inspect};

type Test = fn() -> Outcome;

/// Names, for a child of this process, a folder with the files of both, and units.
const CHILD: &str = "WGPU_RNN_TUNER_CHILD";

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        let (units, folder) = task.split_once(' ').expect("units and a folder");
        return work(Path::new(folder), units.parse().expect("a number of units")).expect("the child's work");
    }
    let mut trials = Trials::new();
    let tests: [(&str, Test); 11] = [
        ("every_network_is_measured_once_and_right", measured_once),
        ("a_second_engine_measures_nothing", second_engine),
        ("a_tuning_of_ones_own_is_not_measured", own_tuning),
        ("broken_tunings_are_measured_anew", broken_tunings),
        ("impossible_tunings_are_measured_anew", impossible_tunings),
        ("constants_are_calibrated", calibrated),
        ("tunings_without_a_folder", tunings_without_folder),
        ("pipelines_are_restored", pipelines_restored),
        ("broken_pipelines_are_made_anew", broken_pipelines),
        ("threads_share_their_files", threads),
        ("processes_share_their_files", processes),
    ];
    for (name, test) in tests {
        trials.add(Offer::All, name, move |_| test());
    }
    trials.run();
}

fn tuned_with(file: &Path) -> Result<Engine, wgpu_rnn::Error> {
    Engine::builder().tuned_with(file).build()
}

fn small(hidden: usize) -> Config {
    Config::rnn_tanh(hidden).input_size(3)
}

/// The answer to a case, which must be right.
fn answer(engine: &Engine, case: &Case) -> Result<Output, String> {
    let answer = Rnn::new(engine, case.weights.clone()).call(&case.call()).map_err(|e| e.to_string())?;
    let tolerance = if case.weights.config().layer_norm { NORM } else { F32 };
    let theirs = reference(case);
    difference_of_outputs(&answer, &theirs, tolerance.scaled_to(&theirs))?;
    Ok(answer)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?}, expected {theirs:?}")) }
}

/// Networks that differ in which schedules and kernels they can have, with and without lengths.
fn measured_once() -> Outcome {
    let networks = [
        (Config::rnn_tanh(7).num_layers(2).bidirectional(), 3, 5),
        (Config::lstm(6).proj_size(3).bidirectional(), 5, 2),
        (Config::lstm(5).layer_norm(), 3, 9),
        (Config::gru(9).gru_reset(wgpu_rnn::Reset::Before), 2, 1),
        (Config::lstm(3).peepholes().cell_clip(-1.0, 1.0), 40, 1),
    ];
    for builder in [Engine::builder as fn() -> EngineBuilder, || Engine::builder().webgpu_defaults()] {
        let engine = builder().tuned().build()?;
        for (index, (config, steps, batch)) in networks.iter().enumerate() {
            let mut case = case(&config.clone().input_size(4), *steps, *batch, 31);
            let what = format!("{} and size {index}", engine.name());
            answer(&engine, &case).map_err(|error| format!("{what}: {error}"))?;
            expect(&what, inspect::tunings_measured(&engine), index as u64 + 1)?;
            case.lengths = Some((0..*batch).map(|row| row % steps).collect());
            answer(&engine, &case).map_err(|error| format!("{what} with lengths: {error}"))?;
            expect(&format!("{what} again"), inspect::tunings_measured(&engine), index as u64 + 1)?;
        }
    }
    // A layer's second call makes nothing; T counts in powers of two, N as it is.
    let engine = Engine::builder().tuned().build()?;
    let rnn = Rnn::new(&engine, case(&small(5), 1, 1, 0).weights);
    let call = |steps, batch| rnn.forward(&ndarray::Array3::<f32>::ones((steps, batch, 3)), None);
    let first = call(7, 3)?;
    let made = inspect::objects_made(&engine);
    expect("a second call", call(7, 3)?.output == first.output, true)?;
    expect("objects of a second call", inspect::objects_made(&engine), made)?;
    for (steps, batch, measured) in [(8, 3, 1), (5, 3, 1), (4, 3, 2), (7, 2, 3), (300, 2, 4), (900, 2, 4)] {
        call(steps, batch)?;
        expect(&format!("T {steps}, N {batch}"), inspect::tunings_measured(&engine), measured)?;
    }
    Ok(())
}

fn second_engine() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tunings");
    let case = case(&small(6), 1, 1, 32);
    let first = tuned_with(&file)?;
    // An engine that was opened before the file existed.
    let other = tuned_with(&file)?;
    let theirs = answer(&first, &case)?;
    for (what, engine) in [("one opened before", other), ("one opened after", tuned_with(&file)?)] {
        let ours = answer(&engine, &case)?;
        expect(what, inspect::tunings_measured(&engine), 0)?;
        expect("the same bits", ours.output == theirs.output, true)?;
    }
    // The file keeps the tunings of other engines.
    let untuned = Engine::builder().tuned_with(&file).webgpu_defaults().build()?;
    answer(&untuned, &case)?;
    expect("other kernels", inspect::tunings_measured(&untuned), 1)?;
    expect("tunings", tunings_in(&std::fs::read_to_string(&file)?), 2)?;
    Ok(())
}

fn own_tuning() -> Outcome {
    let engine = Engine::builder().tuned().build()?;
    let case = case(&small(4), 1, 1, 33);
    Rnn::new(&engine, case.weights.clone()).with_tuning(Schedule::Stepwise)?.call(&case.call())?;
    expect("with a schedule by name", inspect::tunings_measured(&engine), 0)?;
    answer(&Engine::gpu()?, &case)?;
    expect("an engine as it comes", inspect::tunings_measured(&Engine::gpu()?), 0)?;
    Ok(())
}

/// The lines of a file that are neither the header nor a calibration.
fn tunings_in(text: &str) -> usize {
    text.lines().skip(1).filter(|line| !line.contains("\tcalibration\t")).count()
}

/// A file that a tuned engine has written for a case.
fn written(file: &Path, case: &Case) -> Result<Vec<u8>, libtest_mimic::Failed> {
    answer(&tuned_with(file)?, case)?;
    Ok(std::fs::read(file)?)
}

/// From a file of any bytes, an engine measures `measures` times, and leaves a file with which the next one
/// measures nothing.
fn heals(what: &str, file: &Path, bytes: &[u8], case: &Case, measures: u64) -> Outcome {
    std::fs::write(file, bytes)?;
    let engine = tuned_with(file)?;
    answer(&engine, case).map_err(|error| format!("{what}: {error}"))?;
    expect(what, inspect::tunings_measured(&engine), measures)?;
    let next = tuned_with(file)?;
    answer(&next, case)?;
    expect(&format!("after {what}"), inspect::tunings_measured(&next), 0)?;
    Ok(())
}

fn broken_tunings() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tunings");
    let case = case(&small(5), 1, 1, 34);
    let good = written(&file, &case)?;
    let header = good.iter().position(|&byte| byte == b'\n').ok_or("no header")?;
    for cut in [0, header, header + 9, good.len() - 1] {
        heals(&format!("{cut} bytes of {}", good.len()), &file, &good[..cut], &case, 1)?;
    }
    let text = String::from_utf8(good.clone())?;
    expect("the adapter in a line", text.contains(&format!("\n{}", tuned_with(&file)?.name())), true)?;
    let other_version = text.replacen("tunings 1", "tunings 2", 1);
    let other_driver = text.replace("Vulkan", "Vulcan");
    let garbage: Vec<u8> = (0..9_999_u32).map(|index| (index * index / 7) as u8).collect();
    let cases: [(&str, &[u8], u64); 5] = [
        ("another version", other_version.as_bytes(), 1),
        ("another driver", other_driver.as_bytes(), 1),
        ("garbage", &garbage, 1),
        ("garbage behind a good line", &[good.as_slice(), &garbage].concat(), 0),
        ("the line twice", &[good.as_slice(), &good[header + 1..]].concat(), 0),
    ];
    for (what, bytes, measures) in cases {
        heals(what, &file, bytes, &case, measures)?;
    }
    Ok(())
}

/// Names that no kernel has, tiles that steps cannot have, and ones that need what the adapter is not asked
/// for.
fn impossible_tunings() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tunings");
    let case = case(&small(5), 1, 1, 35);
    let text = String::from_utf8(written(&file, &case)?)?;
    let key = text.trim_end().rsplitn(4, '\t').last().ok_or("no columns")?.to_owned();
    for columns in [
        "sometimes\t1\t1",
        "stepwise\t1\t3",
        "stepwise\t1\t64w",
        "stepwise\t64c\t1",
        "paired\t1\t1",
        "stepwise\t1",
    ] {
        heals(columns, &file, format!("{key}\t{columns}\n").as_bytes(), &case, 1)?;
    }
    heals("possible ones", &file, format!("{key}\tstepwise\t1\t4\n").as_bytes(), &case, 0)?;
    // Without subgroups.
    std::fs::remove_file(&file)?;
    let open = || Engine::builder().webgpu_defaults().tuned_with(&file).build();
    answer(&open()?, &case)?;
    let text = std::fs::read_to_string(&file)?;
    let key = text.trim_end().rsplitn(4, '\t').last().ok_or("no columns")?.to_owned();
    std::fs::write(&file, format!("{key}\tstepwise\t8s\t1\n"))?;
    let engine = open()?;
    answer(&engine, &case)?;
    expect("subgroups that are not there", inspect::tunings_measured(&engine), 1)?;
    Ok(())
}

/// The constants that measurements have corrected are those of the next engine, and change no choice.
fn calibrated() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tunings");
    let machine = |engine: &Engine| engine.limits().map(|limits| limits.machine).ok_or("no limits");
    let case = case(&small(5), 1, 1, 37);
    let text = String::from_utf8(written(&file, &case)?)?;
    let line = text.lines().find(|line| line.contains("\tcalibration\t")).ok_or("no calibration")?;
    let (key, numbers) = line.split_once("\tcalibration\t").ok_or("no key")?;
    let (dispatch, percent) = numbers.split_once('\t').ok_or("no numbers")?;
    let (dispatch, percent): (u32, u32) = (dispatch.parse()?, percent.parse()?);
    let assumed = machine(&Engine::gpu()?)?;
    let found = machine(&tuned_with(&file)?)?;
    expect("the cost of a dispatch", found.dispatch, dispatch)?;
    let speed = f64::from(assumed.multiply_adds) * 100.0 / f64::from(percent);
    expect("multiply-adds", found.multiply_adds, speed.round() as u32)?;
    // Other numbers, by hand.
    let with = |numbers: &str| text.replace(line, &format!("{key}\tcalibration\t{numbers}"));
    let output = answer(&tuned_with(&file)?, &case)?.output;
    let most_corrected = [("1\t250", assumed.dispatch / 16), ("4000000000\t250", assumed.dispatch * 16)];
    let read = [("12345\t250", 12345), ("12345\tx", assumed.dispatch)];
    for (numbers, expected) in read.into_iter().chain(most_corrected) {
        std::fs::write(&file, with(numbers))?;
        let engine = tuned_with(&file)?;
        expect(numbers, machine(&engine)?.dispatch, expected)?;
        expect("the same bits", answer(&engine, &case)?.output == output, true)?;
        expect("no choice is measured anew", inspect::tunings_measured(&engine), 0)?;
    }
    // A machine by name stays as it is.
    std::fs::write(&file, with("12345\t250"))?;
    let named = Engine::builder().machine(assumed).tuned_with(&file).build()?;
    expect("a machine by name", machine(&named)?, assumed)?;
    Ok(())
}

/// Files that cannot be read or written, and yet each answer is right and measured for once.
fn tunings_without_folder() -> Outcome {
    let folder = tempfile::tempdir()?;
    let case = case(&small(5), 1, 1, 36);
    for file in
        [folder.path().join("missing").join("file"), folder.path().to_owned(), "/dev/null".into(), "".into()]
    {
        let engine = Engine::builder().tuned_with(&file).pipeline_cache(&file).build()?;
        for _ in 0..2 {
            answer(&engine, &case).map_err(|error| format!("{}: {error}", file.display()))?;
            expect(&file.display().to_string(), inspect::tunings_measured(&engine), 1)?;
        }
    }
    expect("the folder's files", std::fs::read_dir(folder.path())?.count(), 0)?;
    Ok(())
}

fn with_pipelines(file: &Path) -> Result<Engine, wgpu_rnn::Error> {
    Engine::builder().pipeline_cache(file).build()
}

/// True if the adapter has pipeline caches, as Vulkan's have.
fn keeps_pipelines(engine: &Engine) -> bool {
    engine.device().is_some_and(|device| device.features().contains(wgpu::Features::PIPELINE_CACHE))
}

fn pipelines_restored() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pipelines");
    let case = case(&small(6), 1, 1, 37);
    let first = with_pipelines(&file)?;
    expect("bytes at first", inspect::pipeline_bytes_restored(&first), 0)?;
    answer(&first, &case)?;
    expect("a file after the first call", file.exists(), keeps_pipelines(&first))?;
    let second = with_pipelines(&file)?;
    expect("bytes restored", inspect::pipeline_bytes_restored(&second) > 0, keeps_pipelines(&first))?;
    answer(&second, &case)?;
    // WebGPU's defaults have no such feature.
    let defaults = Engine::builder().webgpu_defaults().pipeline_cache(folder.path().join("none")).build()?;
    answer(&defaults, &case)?;
    expect("a file of WebGPU's defaults", folder.path().join("none").exists(), false)?;
    Ok(())
}

fn broken_pipelines() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pipelines");
    let case = case(&small(6), 1, 1, 38);
    let first = with_pipelines(&file)?;
    if !keeps_pipelines(&first) {
        return Ok(());
    }
    answer(&first, &case)?;
    let good = std::fs::read(&file)?;
    let header = good.iter().position(|&byte| byte == b'\n').ok_or("no header")?;
    let mut broken: Vec<(String, Vec<u8>)> = Vec::new();
    for cut in [0, header, header + 8, good.len() - 1] {
        broken.push((format!("{cut} bytes of {}", good.len()), good[..cut].to_vec()));
    }
    for at in [0, header, header + 8, header + 9, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        broken.push((format!("byte {at} of {} flipped", good.len()), bytes));
    }
    // The adapter and its driver, whose name ends where its back end begins.
    let text = good.iter().map(|&byte| char::from(byte)).collect::<String>();
    expect("the adapter in the header", text[..header].contains(first.name()), true)?;
    let other = text.replacen(" (Vulkan", "2 (Vulkan", 1);
    broken.push(("another adapter's".into(), other.chars().map(|c| c as u8).collect()));
    broken.push(("more behind it".into(), [good.as_slice(), b"more"].concat()));
    broken.push(("garbage".into(), (0..5_000_u32).map(|index| (index * index / 7) as u8).collect()));
    for (what, bytes) in broken {
        std::fs::write(&file, &bytes)?;
        let engine = with_pipelines(&file)?;
        expect(&what, inspect::pipeline_bytes_restored(&engine), 0)?;
        answer(&engine, &case).map_err(|error| format!("{what}: {error}"))?;
        expect(
            &format!("after {what}"),
            inspect::pipeline_bytes_restored(&with_pipelines(&file)?) > 0,
            true,
        )?;
    }
    std::fs::write(&file, &good)?;
    expect("the good one", inspect::pipeline_bytes_restored(&with_pipelines(&file)?) > 0, true)?;
    Ok(())
}

/// A network on an engine of its own, with the files that others use too.
fn work(folder: &Path, units: usize) -> Result<(), String> {
    let builder =
        Engine::builder().tuned_with(folder.join("tunings")).pipeline_cache(folder.join("pipelines"));
    let engine = builder.build().map_err(|error| error.to_string())?;
    answer(&engine, &case(&small(units), 1, 1, 39))?;
    expect("measured", inspect::tunings_measured(&engine), 1)
}

/// After all of them have worked in the folder, at once: both files are good, and most choices are there.
fn is_whole(folder: &Path, units: std::ops::Range<usize>, fewest: usize) -> Outcome {
    let text = std::fs::read_to_string(folder.join("tunings"))?;
    let lines = tunings_in(&text);
    if lines < fewest || lines > units.len() || !text.ends_with('\n') {
        return Err(format!("{lines} lines of {}:\n{text}", units.len()).into());
    }
    let engine = tuned_with(&folder.join("tunings"))?;
    for units in units.clone() {
        answer(&engine, &case(&small(units), 1, 1, 39))?;
    }
    expect("measured again", inspect::tunings_measured(&engine), (units.len() - lines) as u64)?;
    let restored = with_pipelines(&folder.join("pipelines"))?;
    expect("bytes restored", inspect::pipeline_bytes_restored(&restored) > 0, keeps_pipelines(&restored))?;
    // Nothing half-written is left beside them.
    let files = std::fs::read_dir(folder)?.count();
    Ok(expect("files", files, 1 + usize::from(keeps_pipelines(&restored)))?)
}

fn threads() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..9).map(|units| scope.spawn(move || work(path, units))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a panic".to_owned())?)
    })?;
    is_whole(path, 1..9, 8)
}

/// Processes do not wait for each other: that one's choice is lost, and measured again some day, is rare but
/// possible.
fn processes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let start = |units: usize| {
        let mut child = std::process::Command::new(std::env::current_exe()?);
        child.env(CHILD, format!("{units} {}", folder.path().display())).spawn()
    };
    let children = (1..5).map(start).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        expect("a child's end", child.wait()?.success(), true)?;
    }
    is_whole(folder.path(), 1..5, 1)
}
