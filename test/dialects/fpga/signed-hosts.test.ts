import type { LambdaFunctionURLEvent } from "aws-lambda";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bufferedHandler } from "#lambdas/function-url/handler.ts";
import { TimeLeft } from "#lambdas/http/time-left.ts";
import { signSdk } from "#test/support/fpga/sign-sdk.ts";
import { type FpgaGround, startFpgaGround } from "./support/fpga-ground.ts";

let ground: FpgaGround;
let key: { accessKey: string; secret: string };
beforeAll(async () => {
  ground = await startFpgaGround({ publicHosts: ["ground.example:8443"] });
  key = await ground.parts.keys.create(ground.project(), Date.now());
});
afterAll(() => ground.stop());

const dateOf = (ms: number) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");

it("a request may be signed for the host that it names, and for those that the operator has named", async () => {
  const target = `${ground.base()}/detail`;
  const own = `127.0.0.1:${ground.port}`;
  const status = async (host: string) => {
    const headers = { host, "x-sdk-date": dateOf(Date.now()) };
    const authorization = signSdk({ ...key, method: "GET", target, headers });
    const sent = { ...headers, host: own, authorization };
    return (await ground.send("GET", target, { headers: sent })).status;
  };
  for (const host of [own, "ground.example:8443"]) expect(await status(host), host).toBe(200);
  for (const host of ["127.0.0.1", "ground.example", "other.example"])
    expect(await status(host), host).toBe(401);
});

describe("behind a function URL", () => {
  /** The status of a request that is signed for the URL's own host, as Lambda gives it to the app. */
  const answered = async (
    method: string,
    target: string,
    { body, sent = target }: { body?: string; sent?: string },
  ) => {
    const handler = bufferedHandler({
      app: ground.ground.app,
      timeLeft: new TimeLeft(),
      log: pino({ level: "silent" }),
    });
    const headers = { host: "abc.lambda-url.example", "x-sdk-date": dateOf(Date.now()) };
    const authorization = signSdk({ ...key, method, target, headers, ...(body !== undefined && { body }) });
    const [rawPath = "", rawQueryString = ""] = sent.split("?");
    const event = {
      version: "2.0",
      rawPath,
      rawQueryString,
      headers: { ...headers, authorization },
      isBase64Encoded: false,
      requestContext: { http: { method, path: rawPath, sourceIp: "192.0.2.7" }, domainName: headers.host },
      ...(body !== undefined && { body }),
    } as unknown as LambdaFunctionURLEvent;
    return (await handler(event, { getRemainingTimeInMillis: () => 60_000 })).statusCode;
  };

  it("it is the target as it arrived that is verified, and a body of DELETE too", async () => {
    const list = `${ground.base().replaceAll("/", "//")}/detail/?size=2&page=1`;
    expect(await answered("GET", list, {})).toBe(200);
    expect(await answered("GET", list, { sent: list.replace("size=2", "size=3") })).toBe(401);
    const pair = JSON.stringify({ image: { id: "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11" } });
    const unknown = `${ground.base()}/${"0".repeat(32)}/association`;
    expect(await answered("DELETE", unknown, { body: pair })).toBe(404);
    const body = JSON.stringify({ fpga_image: { location: "abc:f.bin", name: "n", metadata: {} } });
    expect(await answered("POST", ground.base(), { body })).toBe(200);
  });
});
