import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
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
  const db = new DatabaseSync(join(scratch, "bare.sqlite"));
  db.exec("CREATE TABLE answers (text TEXT)");
  const read = db.prepare("SELECT text FROM answers");
  const app = new Hono().get("/detail", (c) => {
    return c.body(String(read.get()?.text), 200, { "content-type": "application/json" });
  });
  const bare = createServer(getRequestListener(app.fetch));
  await new Promise<void>((done) => bare.listen(0, "127.0.0.1", done));
  const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}/detail`;
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
    db.prepare("INSERT INTO answers VALUES (?)").run(whole);
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
    bare.close();
    db.close();
    await fpga.stop();
  }
}
