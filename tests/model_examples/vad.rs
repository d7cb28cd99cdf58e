//! Speech in a recording.

use crate::segments::{Rules, Segment, segments};
use crate::{data, fails, json, sound, succeeds};
use hound::{SampleFormat, WavSpec, WavWriter};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use wgpu_rnn::file::{Tensors, save_tensors};

/// Single against double precision, through some layers.
const TOLERANCE: f64 = 1e-5;

/// A recording at the rate of the network and of another file, from a tone.
const RATE: usize = sound::RATE;

#[derive(Deserialize)]
struct Found {
    engine: String,
    seconds: f64,
    chunk_seconds: f64,
    segments: Vec<Stretch>,
    probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Stretch {
    start: f64,
    end: f64,
    start_sample: usize,
    end_sample: usize,
}

fn path_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn find(wav: &Path, more: &[&str]) -> Found {
    let model = data("vad.safetensors");
    let arguments = [&[path_of(wav), "--model", path_of(&model), "--json"], more].concat();
    serde_json::from_str(&succeeds("vad", &arguments, "")[0]).unwrap()
}

/// The samples of the recording, as 16 bits hold them.
fn samples() -> Vec<i32> {
    hound::WavReader::open(data("vad.wav")).unwrap().samples::<i32>().map(Result::unwrap).collect()
}

fn write(path: &Path, channels: u16, bits_per_sample: u16, rate: u32, samples: impl Iterator<Item = i32>) {
    let spec = WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

fn write_floats(path: &Path, rate: u32, samples: impl Iterator<Item = f32>) {
    let sample_format = SampleFormat::Float;
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 32, sample_format };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

#[test]
fn probabilities_are_those_of_pytorch() {
    let (found, expected) = (find(&data("vad.wav"), &[]), json::<Vec<f64>>("vad.json"));
    assert_eq!(found.probabilities.len(), expected.len());
    for (place, (ours, theirs)) in found.probabilities.iter().zip(&expected).enumerate() {
        assert!((ours - theirs).abs() <= TOLERANCE, "{ours} and {theirs} of chunk {place}");
    }
    assert!(found.engine.starts_with("CPU"));
    assert_eq!((found.seconds, found.chunk_seconds), (6011.0 / 16e3, 0.004));
}

/// Every kind of file of one sound gives the same bits. Channels are averaged.
#[test]
fn kinds_of_files_hold_the_same_sound() {
    let expected = find(&data("vad.wav"), &[]).probabilities;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    for bits in [8, 16, 24, 32] {
        let scaled = |sample: i32| if bits < 16 { sample >> 8 } else { sample << (bits - 16) };
        write(&path, 1, bits, 16_000, samples().into_iter().map(scaled));
        assert_eq!(find(&path, &[]).probabilities, expected, "{bits} bits");
    }
    write_floats(&path, 16_000, samples().into_iter().map(|sample| sample as f32 / 32768.0));
    assert_eq!(find(&path, &[]).probabilities, expected, "floats");
    let apart = |sample: i32| [sample / 2 + 64, sample / 2 - 64, sample * 2];
    write(&path, 3, 24, 16_000, samples().into_iter().flat_map(apart));
    let quieter = samples().into_iter().map(|sample| sample as f32 / 256.0 / 32768.0);
    let mono = folder.path().join("mono.wav");
    write_floats(&mono, 16_000, quieter);
    for (ours, theirs) in find(&path, &[]).probabilities.iter().zip(find(&mono, &[]).probabilities) {
        assert!((ours - theirs).abs() <= TOLERANCE, "{ours} and {theirs}");
    }
}

/// The stretches are those that silero-vad finds in the same probabilities.
#[test]
fn stretches_are_those_of_the_package() {
    #[derive(Deserialize)]
    struct Case {
        of_256: Vec<u16>,
        samples: usize,
        threshold: f64,
        neg_threshold: Option<f64>,
        min_speech_duration_ms: f64,
        max_speech_duration_s: Option<f64>,
        min_silence_duration_ms: f64,
        speech_pad_ms: f64,
        min_silence_at_max_speech: f64,
        segments: Vec<[usize; 2]>,
    }
    let mut compared = 0;
    for (number, case) in json::<Vec<Case>>("segments.json").into_iter().enumerate() {
        let samples = |ms: f64| RATE as f64 * ms / 1000.0;
        let (pad, longest) =
            (samples(case.speech_pad_ms), case.max_speech_duration_s.unwrap_or(f64::INFINITY));
        let rules = Rules {
            threshold: case.threshold,
            neg_threshold: case.neg_threshold.unwrap_or((case.threshold - 0.15).max(0.01)),
            min_speech: samples(case.min_speech_duration_ms),
            max_speech: RATE as f64 * longest - 512.0 - 2.0 * pad,
            min_silence: samples(case.min_silence_duration_ms),
            min_silence_at_max_speech: samples(case.min_silence_at_max_speech),
            pad,
        };
        let probabilities: Vec<f32> = case.of_256.iter().map(|&p| f32::from(p) / 256.0).collect();
        let expected: Vec<Segment> =
            case.segments.iter().map(|&[start, end]| Segment { start, end }).collect();
        assert_eq!(segments(&probabilities, 512, case.samples, &rules), expected, "case {number}");
        compared += expected.len();
    }
    assert!(compared > 500, "{compared}");
}

/// Each flag tells on the result. The network's chunks are of 4 ms, and so is what it calls speech.
#[test]
fn flags_are_the_rules() {
    const SHORT: [&str; 3] =
        ["--min-speech-duration-ms=0", "--min-silence-duration-ms=0", "--speech-pad-ms=0"];
    let of = |more: &[&str]| {
        let found = find(&data("vad.wav"), &[&SHORT[..], more].concat());
        assert!(found.segments.iter().all(|of| of.start == of.start_sample as f64 / 16e3));
        assert!(found.segments.iter().all(|of| of.end == of.end_sample as f64 / 16e3));
        found.segments.iter().map(|of| [of.start_sample, of.end_sample]).collect::<Vec<_>>()
    };
    let all = of(&[]);
    // By hand, from the probabilities: speech goes on over numbers between 0.35 and 0.5.
    let expected: Vec<f64> = json("vad.json");
    let (mut by_hand, mut is_speech) = (Vec::new(), false);
    for (place, &p) in expected.iter().enumerate() {
        let changes = if is_speech { p < 0.35 } else { p >= 0.5 };
        if changes {
            by_hand.push(place * 64);
            is_speech = !is_speech;
        }
    }
    by_hand.push(6011);
    assert_eq!(all.concat(), by_hand);
    assert_eq!(of(&["--threshold=0", "--neg-threshold=0"]), [[0, 6011]]);
    assert_eq!(of(&["--threshold=1"]).len(), 0);
    assert!(of(&["--neg-threshold=0.9"]).len() > all.len());
    let long = of(&["--min-speech-duration-ms=20"]);
    assert!(long.len() < all.len() && long.iter().all(|of| of[1] - of[0] > 320));
    assert!(of(&["--min-silence-duration-ms=12"]).len() < all.len());
    assert_eq!(of(&["--speech-pad-ms=2"])[0], [all[0][0] - 32, all[0][1] + 32]);
    let cut = |silence| of(&["--min-silence-duration-ms=1000", "--max-speech-duration-s=0.08", silence]);
    assert_ne!(cut("--min-silence-at-max-speech=0"), cut("--min-silence-at-max-speech=1000"));
    let cut = of(&["--max-speech-duration-s=0.04", "--min-silence-at-max-speech=0"]);
    assert!(cut.len() > all.len() && cut.iter().all(|of| of[1] - of[0] <= 640 + 64));
}

#[test]
fn a_table_for_people_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("curve");
    let (wav, model) = (data("vad.wav"), data("vad.safetensors"));
    let arguments = [path_of(&wav), "--model", path_of(&model), "--min-speech-duration-ms", "20"];
    let [out, speed] = succeeds("vad", &[&arguments[..], &["--plot", path_of(&plot)]].concat(), "");
    assert!(out.starts_with("    start       end   seconds\n    0."), "{out}");
    assert!(out.lines().all(|line| line.split_whitespace().count() == 3), "{out}");
    assert!(
        speed.starts_with("CPU") && speed.contains(" times as fast as real time; a chunk of 4 ms takes ")
    );
    assert!(std::fs::read(folder.path().join("curve.png")).unwrap().starts_with(b"\x89PNG"));
    let svg = std::fs::read_to_string(folder.path().join("curve.svg")).unwrap();
    // The stretches are shaded.

    assert!(svg.contains("#CDE8CD") && svg.contains("probability of speech"), "{svg}");
    let [out, _] = succeeds("vad", &[&arguments[..3], &["--threshold", "1"]].concat(), "");
    assert_eq!(out, "no speech\n");
}

/// A tone is the same tone at 16 kHz, but for a sample's delay; one that 16 kHz cannot have is gone, and does
/// not become another.
#[test]
fn other_rates_become_16_khz() {
    const LOUDNESS: f64 = 0.5;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let angle =
        |hertz: f64, rate: usize, place: usize| std::f64::consts::TAU * hertz * place as f64 / rate as f64;
    let resampled = |hertz: f64, rate: usize| {
        let tone = (0..rate).map(|place| (LOUDNESS * angle(hertz, rate, place).sin()) as f32);
        write_floats(&path, rate as u32, tone);
        let found = sound::read(&path).unwrap();
        assert_eq!(found.len(), RATE, "{rate}");
        // Whole periods, without the ends.
        found.into_iter().enumerate().skip(400).take(RATE - 800).collect::<Vec<_>>()
    };
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
        let found = resampled(440.0, rate);
        let part = |of: fn(f64) -> f64| {
            let terms = found.iter().map(|&(place, x)| f64::from(x) * of(angle(440.0, RATE, place)));
            2.0 * terms.sum::<f64>() / found.len() as f64
        };
        let (sine, cosine) = (part(f64::sin), part(f64::cos));
        assert!((sine.hypot(cosine) - LOUDNESS).abs() < 1e-3, "{rate} Hz: {sine}, {cosine}");
        let delay = -cosine.atan2(sine) / angle(440.0, RATE, 1);
        assert!(delay.abs() < 1.1, "{rate} Hz: a delay of {delay} samples");
        for (place, x) in found {
            let (sin, cos) = angle(440.0, RATE, place).sin_cos();
            let difference = (f64::from(x) - sine * sin - cosine * cos).abs();
            assert!(difference < 1e-3, "{rate} Hz: {difference} at {place}");
        }
        if rate > 40_000 {
            assert!(resampled(11_000.0, rate).iter().all(|(_, x)| x.abs() < 1e-3), "{rate} Hz");
        }
    }
}

/// A file with the tensors of the model, but for one of another shape, or without it.
fn changed(folder: &Path, name: &str, shape: Option<&[usize]>) -> PathBuf {
    let tensors = Tensors::load(data("vad.safetensors")).unwrap();
    let all = tensors.names().map(|of| (of.to_owned(), tensors.f32(of).unwrap().unwrap()));
    let mut all: Vec<_> = all.filter(|(of, _)| of != name).collect();
    all.extend(shape.map(|shape| (name.to_owned(), ndarray::ArrayD::zeros(shape))));
    let path = folder.join("changed.safetensors");
    save_tensors(&path, all.iter().map(|(name, array)| (name.clone(), array.view()))).unwrap();
    path
}

#[test]
fn faults_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (wav, model) = (data("vad.wav"), data("vad.safetensors"));
    let (wav, model) = (path_of(&wav), path_of(&model));
    fails("vad", &["none.wav", "--model", model], "none.wav: cannot be read");
    fails("vad", &[model, "--model", model], "vad.safetensors: ");
    fails("vad", &[wav, "--model", "none"], "none: cannot be read");
    fails("vad", &[wav, "--model", wav], "vad.wav: file: kind: expected safetensors, ");
    let other = data("diacritize.pt");
    fails("vad", &[wav, "--model", path_of(&other)], r#"array: expected "stft_conv.weight", found ""#);
    for (name, shape, expected) in [
        ("conv2.bias", None, r#"array: expected "conv2.bias", found "conv1.bias""#),
        ("conv2.weight", Some(&[6, 10, 3][..]), "conv2.weight: expected shape [6, 11, 3], found [6, 10, 3]"),
        ("conv2.weight", Some(&[6, 11]), "conv2.weight: expected shape of 3 axes, found [6, 11]"),
        ("stft_conv.weight", Some(&[30, 1, 32]), "stft_conv.weight: expected shape [34, 1, 32]"),
        ("final_conv.weight", Some(&[1, 12, 1]), "final_conv.weight: expected shape [1, 13, 1]"),
        (
            "lstm_cell.weight_ih",
            Some(&[52, 8]),
            "lstm_cell: expected 7 features of the convolutions, found 8",
        ),
        ("lstm_cell.weight_hh", None, "weight tensor lstm_cell.weight_hh: "),
    ] {
        let changed = changed(folder.path(), name, shape);
        fails("vad", &[wav, "--model", path_of(&changed)], expected);
    }
    let path = folder.path().join("x.wav");
    write(&path, 1, 16, 1_000, 0..100);
    fails("vad", &[path_of(&path), "--model", model], "expected 4000 to 384000 samples a second, found 1000");
    write_floats(&path, 16_000, [0.0, f32::NAN].into_iter());
    fails("vad", &[path_of(&path), "--model", model], "x.wav: expected finite samples, found NaN");
    // No sound has no speech.
    write_floats(&path, 16_000, std::iter::empty());
    assert_eq!(succeeds("vad", &[path_of(&path), "--model", model], "")[0], "no speech\n");
}
