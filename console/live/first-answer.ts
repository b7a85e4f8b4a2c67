import { edge } from "./live.ts";

/** A near ground has answered after this long (ms). */
const SOON_MS = 200;

/**
 * Waits until the edge is known, at most 200 ms: what has come by then is part of the first picture, as two pictures
 * take a slow processor twice as long.
 */
export async function firstAnswer(): Promise<void> {
  let end = () => {};
  const told = new Promise<void>((done) => {
    end = edge.subscribe((known) => known && done());
  });
  const soon = new Promise<void>((done) => setTimeout(done, SOON_MS));
  await Promise.race([told, soon]);
  end();
}
