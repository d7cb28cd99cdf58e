// The wait of trials that block: WebAssembly's promise integration suspends them.

let wake = null;
let isWoken = false;

/** Suspends the caller until resume() is called; not at all if it has been, since the last time. */
export const suspend = new WebAssembly.Suspending(() => {
  if (isWoken) {
    isWoken = false;
    return undefined;
  }
  return new Promise((resolve) => {
    wake = resolve;
  });
});

export function resume() {
  if (wake === null) isWoken = true;
  else wake();
  wake = null;
}
