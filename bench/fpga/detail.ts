import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
import { serveBareAnswer } from "../bare-answer.ts";
import { scaled } from "../scale.ts";
import { median, type Row } from "../table.ts";
import { FpgaBench, time } from "./fpga-bench.ts";

const IMAGES = scaled(100);
const CALLS = scaled(200);
const ORDERS = [
  ["signed", "bearer", "bare"],
  ["bearer", "signed", "bare"],
] as const;

/** `detail` of many images: signed against a bare route that gives the same bytes after one query, and against a token. */
export async function measureDetail(): Promise<Row[]> {
  const fpga = await FpgaBench.start();
  const { url, headers: bearer, scratch } = fpga.bench;
  let bare: Awaited<ReturnType<typeof serveBareAnswer>> | undefined;
  try {
    const file = join(scratch, "small.bin");
    writeFileSync(file, buildRawStream());
    await fpga.put("small.bin", file);
    const ids: string[] = [];
    for (let n = 0; n < IMAGES; n++) {
      ids.push(await fpga.register(`image-${n}`, "small.bin"));
      await fpga.active(ids.at(-1)!);
    }
    const target = `${fpga.base}/detail`;
    const whole = await (await fetch(url + target, { headers: bearer })).text();
    bare = await serveBareAnswer(scratch, whole);
    const { url: bareUrl } = bare;
    const ask = async (at: string, headers: Record<string, string>) => {
      const answer = await fetch(at, { headers });
      if ((await answer.text()) !== whole) throw new Error(`${at} answered something else`);
    };
    const signed = () => {
      const date = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
      const { access_key: accessKey, secret_key: secret } = fpga.key;
      const given = { host: new URL(url).host, "x-sdk-date": date };
      const authorization = signSdk({ accessKey, secret, method: "GET", target, headers: given });
      return { authorization, "x-sdk-date": date };
    };
    const took = { signed: [] as number[], bearer: [] as number[], bare: [] as number[] };
    for (let n = 0; n < CALLS + 20; n++) {
      const headers = signed();
      const asks = {
        signed: () => ask(url + target, headers),
        bearer: () => ask(url + target, bearer),
        bare: () => ask(bareUrl, {}),
      };
      // each of them comes after each other one equally often
      const names = ORDERS[n % ORDERS.length]!;
      for (const name of names) {
        const ms = await time(asks[name]);
        // the first ones warm all of them
        if (n >= 20) took[name].push(ms);
      }
    }
    const ms = (name: keyof typeof took) => `${median(took[name]).toFixed(2)} ms`;
    return [
      {
        what: `detail of ${IMAGES} FPGA images, signed, p50`,
        ours: ms("signed"),
        peer: `Hono and one query, the same bytes: ${ms("bare")}`,
        ratio: median(took.signed) / median(took.bare),
        goal: { below: 3 },
      },
      {
        what: "the same",
        ours: ms("signed"),
        peer: `with a token: ${ms("bearer")}`,
        ratio: median(took.signed) / median(took.bearer),
        goal: { below: 1.2 },
      },
    ];
  } finally {
    bare?.close();
    await fpga.stop();
  }
}
