//! Streams: many sequences that arrive a few steps at a time, with their states on the engine that computes
//! them.

use crate::gpu::{Resident, Wait};
use crate::network::{Directions, Network};
use crate::{Call, Error, Result, Rnn, State, memory};
use ndarray::{Array2, Array3, ArrayView2, s};
use std::sync::atomic::{AtomicU64, Ordering};

/// Live streams through one network: each joins, brings up to 16 steps per call, is saved, reset, and leaves,
/// while the others go on. On a GPU their states stay there.
///
/// ```
/// use ndarray::Array2;
/// use wgpu_rnn::{Config, Engine, Init, Rnn, Streams};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let rnn = Rnn::lazy(&Engine::auto(), &Config::gru(13).input_size(7), Init::pytorch())?;
/// let mut streams = Streams::new(rnn, 4)?; // four at once
/// let (one, other) = (streams.join()?, streams.join()?);
/// let outputs = streams.call(&[(one, Array2::ones((3, 7)).view()), (other, Array2::ones((1, 7)).view())])?;
/// assert_eq!((outputs[0].dim(), outputs[1].dim()), ((3, 13), (1, 13)));
/// let saved = streams.save(one)?; // to go on later, here or elsewhere
/// streams.leave(one)?;
/// let again = streams.join()?;
/// streams.load(again, &saved)?;
/// # Ok(())
/// # }
/// ```
///
/// A stream's results are those of one call over all of its steps, whatever the other streams do. A call that
/// is refused leaves all states as they were. A call that fails while the GPU works, or whose future is
/// dropped then, may have changed states.
#[derive(Debug)]
pub struct Streams {
    /// Unique among all `Streams` of the process.
    id: u64,
    rnn: Rnn,
    states: States,
    /// Which places are taken, and how often each was taken, so that a stream that has left is told from the
    /// next stream in its place.
    places: Vec<Place>,
    /// The inputs of calls of one step and of several, `[T, N, I]`, made once.
    inputs: [Array3<f32>; 2],
    lengths: Vec<usize>,
}

/// A stream that has joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// The id of the `Streams` that the stream has joined.
    owner: u64,
    place: usize,
    turn: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    turn: u64,
    is_taken: bool,
}

/// The states between calls.
#[derive(Debug)]
enum States {
    Host(State),
    Gpu(Resident),
}

/// The id of the next `Streams`.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The most steps of a stream in one call.
pub const MAX_STREAM_STEPS: usize = 16;

impl Streams {
    /// Room for `capacity` streams at once (N). The network is forward only, in layout TNC, with a known
    /// input size.
    ///
    /// # Errors
    /// [`Error::Setting`] for a network that is not forward only or not in layout TNC,
    /// [`Error::InputSizeOpen`] for an open input size, [`Error::Argument`] for a capacity of 0,
    /// [`Error::OutOfRange`] for a learned state that the dtype cannot hold, [`Error::Unsupported`],
    /// [`Error::TooLarge`], [`Error::Memory`] and [`Error::OutOfMemory`] for streams that the engine cannot
    /// hold, [`Error::DeviceLost`] once the device is lost.
    pub async fn new_async(rnn: Rnn, capacity: usize) -> Result<Streams> {
        check(rnn.network(), capacity)?;
        let shape = [1 + MAX_STREAM_STEPS, capacity, rnn.network().input_size.max(4)];
        memory::check::<f32>(|| format!("the steps of {capacity} streams"), &shape)?;
        let states = match rnn.resident(capacity).await? {
            Some(resident) => States::Gpu(resident),
            None => States::Host(rnn.initial_state(capacity)?),
        };
        let places = vec![Place::default(); capacity];
        let features = rnn.network().input_size;
        let inputs = [1, MAX_STREAM_STEPS].map(|steps| Array3::zeros((steps, capacity, features)));
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Streams { id, rnn, states, places, inputs, lengths: vec![0; capacity] })
    }

    /// Begins a stream, in the learned state or in zeros.
    ///
    /// # Errors
    /// [`Error::StreamsFull`] if all places are taken, [`Error::OutOfRange`] for a learned state that the
    /// dtype cannot hold, [`Error::Memory`] and [`Error::OutOfMemory`] where there is no memory for a state,
    /// [`Error::DeviceLost`] once the device is lost.
    pub async fn join_async(&mut self) -> Result<Stream> {
        let free = self.places.iter().position(|place| !place.is_taken);
        let place = free.ok_or(Error::StreamsFull { capacity: self.places.len() })?;
        let initial = self.rnn.initial_state(1)?;
        self.put(place, &initial).await?;
        self.places[place].is_taken = true;
        self.places[place].turn += 1;
        Ok(Stream { owner: self.id, place, turn: self.places[place].turn })
    }

    /// Ends a stream; its place is free.
    ///
    /// # Errors
    /// [`Error::StreamLeft`] if it has left before.
    pub fn leave(&mut self, stream: Stream) -> Result<()> {
        let place = self.place(stream)?;
        self.places[place].is_taken = false;
        Ok(())
    }

    /// Begins a stream anew, in the learned state or in zeros.
    ///
    /// # Errors
    /// [`Error::StreamLeft`] if the stream has left, and the errors of [`join_async`](Streams::join_async)
    /// but [`Error::StreamsFull`].
    pub async fn reset_async(&mut self, stream: Stream) -> Result<()> {
        let place = self.place(stream)?;
        let initial = self.rnn.initial_state(1)?;
        self.put(place, &initial).await
    }

    /// Sets the state of a stream: h `[L, 1, H]` (P with a projection), and c `[L, 1, H]` of an LSTM, as
    /// [`save_async`](Streams::save_async) gives them.
    ///
    /// # Errors
    /// [`Error::StreamLeft`] if the stream has left, [`Error::Shape`] and [`Error::CellState`] for a state
    /// that does not fit the network, [`Error::OutOfRange`] for a state that the dtype cannot hold,
    /// [`Error::OutOfMemory`] where there is no memory for a copy, [`Error::DeviceLost`] once the device is
    /// lost.
    pub async fn load_async(&mut self, stream: Stream, state: &State) -> Result<()> {
        let place = self.place(stream)?;
        self.rnn.network().check_state(state, 1)?;
        self.put(place, state).await
    }

    /// The state of a stream: h `[L, 1, H]` (P with a projection), and c `[L, 1, H]` of an LSTM.
    ///
    /// # Errors
    /// [`Error::StreamLeft`] if the stream has left, [`Error::Memory`] and [`Error::OutOfMemory`] where there
    /// is no memory for a copy, [`Error::DeviceLost`] once the device is lost.
    pub async fn save_async(&mut self, stream: Stream) -> Result<State> {
        let place = self.place(stream)?;
        match &self.states {
            States::Host(state) => {
                let row = s![.., place..place + 1, ..];
                let c = state.c.as_ref().map(|c| c.slice(row).to_owned());
                Ok(State { h: state.h.slice(row).to_owned(), c })
            }
            States::Gpu(resident) => match self.rnn.on_gpu() {
                Some(gpu) => gpu.resident_state(self.rnn.network(), resident, place).await,
                None => self.rnn.network().zero_state(1),
            },
        }
    }

    /// Computes the next steps of some streams, `[T, I]` each with T from 1 to 16. The outputs, `[T, C]`
    /// each, are in the same order. Streams that are not named stand still.
    ///
    /// # Errors
    /// [`Error::StreamLeft`] and [`Error::StreamTwice`] for a stream that has left or is named twice,
    /// [`Error::Shape`] for steps of the wrong size, [`Error::OutOfRange`] for steps or a weight that the
    /// dtype cannot hold, [`Error::Unsupported`] for a tuning that the network cannot have,
    /// [`Error::TooLarge`], [`Error::Memory`] and [`Error::OutOfMemory`] for a call that the engine cannot
    /// hold, [`Error::DeviceLost`] once the device is lost.
    pub async fn call_async(&mut self, steps: &[(Stream, ArrayView2<'_, f32>)]) -> Result<Vec<Array2<f32>>> {
        self.run(steps, Wait::Elsewhere).await
    }

    pub(crate) async fn run(
        &mut self,
        steps: &[(Stream, ArrayView2<'_, f32>)],
        wait: Wait,
    ) -> Result<Vec<Array2<f32>>> {
        let longest = self.check_steps(steps)?;
        if longest == 0 {
            return Ok(Vec::new());
        }
        // Two plans serve all calls: steps past the longest are not computed.
        let input = &mut self.inputs[usize::from(longest > 1)];
        for (stream, steps) in steps {
            // Numbers past a stream's own steps are not read.
            input.slice_mut(s![..steps.nrows(), stream.place, ..]).assign(steps);
        }
        let call = Call::new(&*input).lengths(&self.lengths);
        let output = match &mut self.states {
            States::Gpu(resident) => self.rnn.run(&call, Some(resident), wait).await?.output,
            States::Host(state) => {
                let answer = self.rnn.run(&call.state(&*state), None, wait).await?;
                *state = answer.state();
                answer.output
            }
        };
        let part = |(stream, steps): &(Stream, ArrayView2<'_, f32>)| {
            output.slice(s![..steps.nrows(), stream.place, ..]).to_owned()
        };
        Ok(steps.iter().map(part).collect())
    }

    /// Checks the steps of a call, stores the lengths, and returns the longest.
    fn check_steps(&mut self, steps: &[(Stream, ArrayView2<'_, f32>)]) -> Result<usize> {
        self.lengths.fill(0);
        for (stream, steps) in steps {
            let place = self.place(*stream)?;
            let features = self.rnn.network().input_size;
            if steps.ncols() != features || steps.nrows() == 0 || steps.nrows() > MAX_STREAM_STEPS {
                let expected = format!("[T, {features}] with T from 1 to {MAX_STREAM_STEPS}");
                let found = steps.shape().to_vec();
                return Err(Error::Shape { name: "steps of a stream".into(), expected, found });
            }
            if self.lengths[place] > 0 {
                return Err(Error::StreamTwice);
            }
            self.lengths[place] = steps.nrows();
        }
        Ok(self.lengths.iter().copied().max().unwrap_or(0))
    }

    fn place(&self, stream: Stream) -> Result<usize> {
        match self.places.get(stream.place) {
            Some(place) if stream.owner == self.id && place.is_taken && place.turn == stream.turn => {
                Ok(stream.place)
            }
            _ => Err(Error::StreamLeft),
        }
    }

    async fn put(&mut self, place: usize, state: &State) -> Result<()> {
        match &mut self.states {
            States::Gpu(resident) => {
                let Some(gpu) = self.rnn.on_gpu() else { return Ok(()) };
                gpu.set_resident_state(self.rnn.network(), resident, place, state).await
            }
            States::Host(states) => {
                let row = s![.., place..place + 1, ..];
                states.h.slice_mut(row).assign(&state.h);
                if let (Some(states), Some(c)) = (&mut states.c, &state.c) {
                    states.slice_mut(row).assign(c);
                }
                Ok(())
            }
        }
    }

    /// Streams that have joined and not left.
    pub fn len(&self) -> usize {
        self.places.iter().filter(|place| place.is_taken).count()
    }

    /// True if no stream has joined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Streams that there is room for.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The network.
    pub fn rnn(&self) -> &Rnn {
        &self.rnn
    }
}

/// Checks that a network can stream.
fn check(network: &Network, capacity: usize) -> Result<()> {
    let refuse =
        |name, expected: &str, found: String| Err(Error::Setting { name, expected: expected.into(), found });
    if network.directions != Directions::Forward {
        let found = format!("{:?}", network.directions);
        return refuse("directions", "forward only, for streams whose end is not known", found);
    }
    if network.input_size == 0 {
        return Err(Error::InputSizeOpen);
    }
    if network.layout != crate::Layout::Tnc {
        return refuse("layout", "TNC, for streams", "NTC".into());
    }
    if capacity == 0 {
        return Err(Error::Argument { name: "capacity", expected: "at least 1".into(), found: "0".into() });
    }
    Ok(())
}
