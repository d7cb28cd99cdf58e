// The library's own trials in a page: window.trials and window.runTrial are those of trials.js.

const which = location.search.slice(1);
const module = await import(`/trials/${which}.js`);
// WebAssembly's stack and all that lies on it are kept while a trial waits: one trial at a time.
const run = WebAssembly.promising((await module.default()).run_trial);

window.trials = module.names().map((name) => ({ name }));
window.runTrial = async (at) => {
  const { name } = window.trials[at];
  try {
    await run(at);
    return { name, error: module.error() ?? null, isOver: false };
  } catch (error) {
    // A panic: the module is of no more use.
    return { name, error: module.error() ?? String(error), isOver: true };
  }
};
window.ready = true;
