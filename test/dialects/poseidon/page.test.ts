import { expect, test } from "vitest";
import { startPoseidonGround } from "./support/poseidon-ground.ts";

/** Every route of the contract's page (0.2.2) with every status that it lists. */
const PAGE = {
  "get /health": [204, 503],
  "get /version": [200, 404, 500],
  "get /statistics/execution-environments": [200, 500],
  "post /runners": [200, 400, 401, 404, 500],
  "delete /runners/{}": [204, 401, 410, 500],
  "get /runners/{}/files": [200, 401, 410, 424, 500],
  "patch /runners/{}/files": [204, 400, 401, 410, 500],
  "get /runners/{}/files/raw": [200, 401, 410, 424],
  "post /runners/{}/execute": [200, 400, 401, 410, 500],
  "get /runners/{}/websocket": [101, 401, 404, 410, 500],
  "get /execution-environments": [200, 401],
  "get /execution-environments/{}": [200, 400, 401, 404],
  "put /execution-environments/{}": [201, 204, 400, 401],
  "delete /execution-environments/{}": [204, 400, 401, 404],
} as const;
/** What the page does not list, and is decided beside it. */
const BESIDE = {
  400: ["get /execution-environments", "get /runners/{}/websocket"],
  401: ["get /statistics/execution-environments", "get /runners/{}/files/raw"],
  403: ["get /runners/{}/websocket"],
  413: [
    "post /runners",
    "patch /runners/{}/files",
    "post /runners/{}/execute",
    "put /execution-environments/{}",
  ],
};

test("the description has the page's routes and no others, with the page's statuses and those decided beside", async () => {
  const { base } = await startPoseidonGround();
  const { paths } = (await (await fetch(`${new URL(base).origin}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses?: object; security?: object[] }>>;
  };
  const described = Object.entries(paths).flatMap(([path, methods]) => {
    if (!path.startsWith("/api/v1/")) return [];
    const plain = path.slice("/api/v1".length).replaceAll(/\{\w+\}/g, "{}");
    return Object.entries(methods).flatMap(([method, { responses, security }]) =>
      responses
        ? [{ name: `${method} ${plain}`, statuses: Object.keys(responses).map(Number), security }]
        : [],
    );
  });
  expect(described.map(({ name }) => name).sort()).toEqual(Object.keys(PAGE).sort());
  for (const { name, statuses, security } of described) {
    const beside = Object.entries(BESIDE).flatMap(([status, at]) =>
      at.includes(name) ? [Number(status)] : [],
    );
    // any of them may fail
    const expected = new Set([...PAGE[name as keyof typeof PAGE], ...beside, 500]);
    expect([name, statuses.sort()]).toEqual([name, [...expected].sort()]);
    const open = name === "get /health" || name === "get /version";
    expect([name, security?.length ?? 0]).toEqual([name, open ? 0 : 1]);
  }
});

test("each of its routes is there, with the methods of the page alone", async () => {
  const { base } = await startPoseidonGround();
  const byPath = Map.groupBy(Object.keys(PAGE), (name) => name.split(" ")[1]!);
  for (const [path, names] of byPath) {
    const own = names.map((name) => name.split(" ")[0]!.toUpperCase());
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const { status } = await fetch(base + path.replaceAll("{}", "1"), { method });
      expect([method, path, status === 405]).toEqual([method, path, !own.includes(method)]);
    }
  }
});
