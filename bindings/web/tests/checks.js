// The checks of trials, and the files that they read.

/** The frameworks compute in f32, with sums in another order. */
const TOLERANCE = 2e-5;

export const bytesOf = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.arrayBuffer();
};

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** Numbers that are as near as single precision allows; those over 1 by their size. */
export function near(found, expected, name, tolerance = TOLERANCE) {
  check(found.data.length === expected.data.length, `${name}: ${found.shape} and ${expected.shape}`);
  let worst = 0;
  for (let at = 0; at < found.data.length; at += 1) {
    const difference = Math.abs(found.data[at] - expected.data[at]);
    // A NaN is larger than the tolerance.
    check(difference <= tolerance * Math.max(1, Math.abs(expected.data[at])), `${name}: ${found.data[at]} and ${expected.data[at]} at ${at}`);
    worst = Math.max(worst, difference);
  }
  return worst;
}

/** A promise that is refused, with a code and a text. */
export async function refuses(promise, code, text) {
  let error;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  check(error instanceof Error, `expected an Error, found ${error}`);
  check(error.code === code, `expected code ${code}, found ${error.code}: ${error.message}`);
  check(error.message.includes(text), `expected ${text}, found ${error.message}`);
}
