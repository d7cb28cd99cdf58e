// The options of an LSTM, on its way forward and back.

override PEEPHOLES: bool = false;
override COUPLED: bool = false;
override CLIPS_CELL: bool = false;
override CELL_MIN: f32 = 0.0;
override CELL_MAX: f32 = 0.0;
// A NaN becomes the least value.
override CELL_CLIPS_NAN: bool = false;
