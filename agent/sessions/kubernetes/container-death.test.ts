import { expect, test } from "vitest";
import { hasDied } from "./container-death.ts";

const LIVES = 'exec failed: exec: "/": permission denied';
const DEAD = 'container not found ("payload")';

/** @param said of the API server and of the node, in turns; the last goes on */
function ask(said: [isRunning: boolean, probe: string][]): Promise<boolean> {
  let turn = 0;
  const now = () => said[Math.min(turn, said.length - 1)] as [boolean, string];
  return hasDied(
    async () => now()[0],
    async () => {
      const [, told] = now();
      turn++;
      return told;
    },
    new AbortController().signal,
    600,
  );
}

test.each([
  ["the API server knows it", [[false, LIVES]], true],
  ["its node knows it first", [[true, DEAD]], true],
  ["it runs on", [[true, LIVES]], false],
  ["it runs on, as a shell tells it", [[true, "exit code 126 is a directory"]], false],
  ["it does not, as a shell tells it", [[true, `exit code 255 ${DEAD}`]], true],
  [
    "a node that knows it after a while",
    [
      [true, "no such process"],
      [true, DEAD],
    ],
    true,
  ],
  [
    "an API server that knows it after a while",
    [
      [true, ""],
      [false, ""],
    ],
    true,
  ],
  ["nobody ever says", [[true, ""]], false],
] as [string, [boolean, string][], boolean][])("%s", async (_, said, died) => {
  expect(await ask(said)).toBe(died);
});
