import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PerigeeError } from "#protocol/errors.ts";
import { COMMAND_ID, EmServer } from "#test/support/em-server.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const last = () => em.dispatch.requests.at(-1);

async function json(response: Promise<Response> | Response) {
  const answered = await response;
  return { status: answered.status, body: await answered.json() };
}

const READING = [
  "/em/files/list",
  "/em/pod/image/list",
  "/em/pod/status",
  "/em/nodes/status",
  "/em/pvc/list",
];

describe("answers", () => {
  test("423 as the contract says", async () => {
    const data = { operation: "pod.run", since: "2025-11-20T12:31:12Z", command_id: COMMAND_ID };
    em.dispatch.refusal = new PerigeeError("LOCKED", "CG2 is busy", { data: { data } });
    for (const path of READING) {
      const response = await em.fetch(path);
      expect(response.status).toBe(423);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toEqual({ error: "LOCKED", message: "CG2 is busy", data });
    }
  });

  test.each([
    ["EM_UNREACHABLE", 503],
    ["QUEUE_FULL", 429],
  ] as const)("%s is %i with Retry-After", async (code, status) => {
    em.dispatch.refusal = new PerigeeError(code, "no");
    const response = await em.fetch("/em/nodes/status");
    expect(response.status).toBe(status);
    expect(response.headers.has("retry-after")).toBe(true);
  });

  test("a failure's data is beside its code, log_tail for one", async () => {
    em.dispatch.outcome = {
      failure: { code: "BUILD_FAILED", message: "Docker build failed", data: { log_tail: ["#1\n"] } },
    };
    expect(await json(em.form("/em/pod/image/build", { dockerfile: "d", context: ".", image: "x" }))).toEqual(
      {
        status: 400,
        body: { error: "BUILD_FAILED", message: "Docker build failed", log_tail: ["#1\n"] },
      },
    );
  });

  test("500 names the command", async () => {
    em.dispatch.outcome = { failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
    expect(await json(em.fetch("/em/nodes/status"))).toEqual({
      status: 500,
      body: { error: "INTERNAL_ERROR", message: "Internal error", command_id: COMMAND_ID },
    });
  });

  test("Prefer: passed on, 202 with Location, position and Preference-Applied", async () => {
    em.dispatch.outcome = { accepted: true };
    const response = await em.fetch("/em/nodes/status", { headers: { prefer: "wait=5" } });
    expect(last()).toMatchObject({ admission: "queue", wait: { kind: "most", ms: 5000 } });
    expect(response.status).toBe(202);
    expect(response.headers.get("location")).toBe(`/commands/${COMMAND_ID}`);
    expect(response.headers.get("preference-applied")).toBe("wait=5");
    expect(await response.json()).toMatchObject({
      data: { command_id: COMMAND_ID, state: "queued", position: 3 },
    });
  });

  test("a wait that was long enough is the contract's answer, with Preference-Applied", async () => {
    em.dispatch.outcome = { result: { nodes: [] } };
    const response = await em.fetch("/em/nodes/status", { headers: { prefer: "wait=5" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("preference-applied")).toBe("wait=5");
  });

  test("an edge that is not granted is 404", async () => {
    const headers = { "perigee-edge": "other" };
    expect(await json(em.fetch("/em/nodes/status", { headers }))).toMatchObject({
      status: 404,
      body: { error: "EDGE_NOT_FOUND" },
    });
  });
});
