import fc from "fast-check";
import { expect, test } from "vitest";
import { START_ADDRESS, startBlock } from "./start-block.ts";
import { startDisk } from "./start-disk.ts";

const text = fc.string({ unit: "grapheme" }).filter((one) => !one.includes("\0"));
const envs = fc.dictionary(fc.stringMatching(/^[A-Z]{1,8}$/), text);

test("a start block has all arguments and the environment where its addresses say", () => {
  fc.assert(
    fc.property(fc.array(text), envs, (argv, environment) => {
      const block = startBlock(argv, environment, 64 * 1024 * 1024);
      const word = (at: bigint) => block.readBigUInt64LE(Number(at) - START_ADDRESS);
      const textsAt = (at: bigint): string[] => {
        const address = word(at);
        if (address === 0n) return [];
        const from = Number(address) - START_ADDRESS;
        return [block.toString("utf8", from, block.indexOf(0, from)), ...textsAt(at + 8n)];
      };
      const [end, argc, argvAt, environAt] = [0n, 8n, 16n, 24n].map((at) => word(BigInt(START_ADDRESS) + at));
      expect([end, argc]).toEqual([0x44000000n, BigInt(argv.length)]);
      expect(textsAt(argvAt!)).toEqual(argv);
      expect(textsAt(environAt!)).toEqual(
        Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      );
    }),
  );
});

test("a start disk has its texts in order, in whole sectors", () => {
  const disk = startDisk({
    ...{ workdir: "/app", graceSeconds: 10, argv: ["a", ""], envs: { X: "1" } },
    mounts: [{ serial: "volume0", at: "/data", readOnly: true }],
  });
  expect(disk.length % 512).toBe(0);
  expect(disk.toString().replace(/\0+$/, "").split("\0")).toEqual([
    ...["perigee 1", "/app", "10", "2", "a", "", "1", "X=1", "1", "volume0", "/data", "ro"],
  ]);
});
