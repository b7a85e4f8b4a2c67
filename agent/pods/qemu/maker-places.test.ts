import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Places } from "./maker-places.ts";

const never = new AbortController().signal;

test("no more are at work than there are places, whatever becomes of one, and who gives up takes none", async () => {
  const places = new Places(2);
  const said: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const begin = (name: string, signal = never) =>
    places
      .run(signal, () => {
        said.push(name);
        return new Promise<void>((resolve, reject) =>
          ends.set(name, (error) => (error ? reject(error) : resolve())),
        );
      })
      .catch((error: Error) => said.push(error.message));
  const leaving = new AbortController();
  const all = [begin("a"), begin("b"), begin("c", leaving.signal), begin("d"), begin("e")];
  await turn();
  expect(said).toEqual(["a", "b"]);
  leaving.abort(new Error("c left"));
  ends.get("a")!(new Error("a failed"));
  await turn();
  expect(said.slice(2).sort()).toEqual(["a failed", "c left", "d"]);
  ends.get("b")!();
  ends.get("d")!();
  await turn();
  expect(said.at(-1)).toBe("e");
  ends.get("e")!();
  await Promise.all(all);
  await begin("gone", AbortSignal.abort(new Error("never begun")));
  expect(said.at(-1)).toBe("never begun");
});
