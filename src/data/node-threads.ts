/** Node's threads. In a file of its own, which bundles for pages leave out: see `browser` in package.json. */
export { parentPort, Worker } from "node:worker_threads";

/** The module that runs in the threads, beside this one: TypeScript in the source tree, JavaScript in the package. */
export const workerUrl = new URL(`./batch-worker${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url);
