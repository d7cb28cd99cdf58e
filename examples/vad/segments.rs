//! Stretches of speech from probabilities, by the rules of silero-vad's `get_speech_timestamps`: places are
//! samples, and fractions of a sample are cut where that function cuts them.

/// The rules' numbers, in samples but for the two probabilities.
pub struct Rules {
    pub threshold: f64,
    pub neg_threshold: f64,
    pub min_speech: f64,
    pub max_speech: f64,
    pub min_silence: f64,
    pub min_silence_at_max_speech: f64,
    pub pad: f64,
}

/// A stretch of speech, in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    pub start: usize,
    pub end: usize,
}

/// Speech that has begun.
struct Open {
    start: usize,
    /// The sample at which the silence began that may end the segment.
    silence: Option<usize>,
    /// The longest silence that was long enough to be cut in: where it began, and its length.
    longest: Option<(usize, usize)>,
}

impl Open {
    fn at(start: usize) -> Open {
        Open { start, silence: None, longest: None }
    }
}

/// The stretches of speech in a recording of so many samples, of which each chunk has a probability.
pub fn segments(probabilities: &[f32], chunk: usize, samples: usize, rules: &Rules) -> Vec<Segment> {
    let (mut found, mut speech) = (Vec::new(), None);
    for (number, &probability) in probabilities.iter().enumerate() {
        let (probability, now) = (f64::from(probability), number * chunk);
        let Some(mut open) = speech.take() else {
            speech = (probability >= rules.threshold).then(|| Open::at(now));
            continue;
        };
        if probability >= rules.threshold
            && let Some(silence) = open.silence.take()
        {
            let length = now - silence;
            if length as f64 > rules.min_silence_at_max_speech
                && open.longest.is_none_or(|(_, longest)| length > longest)
            {
                open.longest = Some((silence, length));
            }
        }
        if (now - open.start) as f64 > rules.max_speech {
            let Some((silence, length)) = open.longest else {
                found.push(Segment { start: open.start, end: now });
                continue;
            };
            found.push(Segment { start: open.start, end: silence });
            open = Open::at(silence + length);
        }
        if probability < rules.neg_threshold {
            let silence = *open.silence.get_or_insert(now);
            if (now - silence) as f64 >= rules.min_silence {
                found.extend(long_enough(open.start, silence, rules));
                continue;
            }
        }
        speech = Some(open);
    }
    found.extend(speech.and_then(|open| long_enough(open.start, samples, rules)));
    pad(&mut found, samples, rules.pad);
    found
}

fn long_enough(start: usize, end: usize, rules: &Rules) -> Option<Segment> {
    let length = end.saturating_sub(start);
    (length as f64 > rules.min_speech).then_some(Segment { start, end })
}

/// Widens each stretch on both sides; two that are near share the silence between them.
fn pad(segments: &mut [Segment], samples: usize, pad: f64) {
    let before = |place: usize| (place as f64 - pad).max(0.0) as usize;
    let after = |place: usize| (place as f64 + pad).min(samples as f64) as usize;
    if let Some(first) = segments.first_mut() {
        first.start = before(first.start);
    }
    for next in 1..segments.len() {
        let silence = segments[next].start - segments[next - 1].end;
        if (silence as f64) < 2.0 * pad {
            segments[next - 1].end += silence / 2;
            segments[next].start -= silence / 2;
        } else {
            segments[next - 1].end = after(segments[next - 1].end);
            segments[next].start = before(segments[next].start);
        }
    }
    if let Some(last) = segments.last_mut() {
        last.end = after(last.end);
    }
}
