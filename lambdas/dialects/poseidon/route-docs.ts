/** What a route takes and answers, beside what all of them may answer. */
export type RouteDoc = {
  id: string;
  summary: string;
  query?: readonly string[];
  body?: "Environment" | "RunnerRequest" | "FilePatch" | "ExecutionRequest";
  /** status, what it means, and the shape of its body; none: it is empty */
  answers: Readonly<Record<number, readonly [description: string, shape?: Shape]>>;
};
export type Shape =
  | "Environment"
  | "Environments"
  | "Statistics"
  | "Version"
  | "Runner"
  | "Files"
  | "Bytes"
  | "Execution"
  | "ClientError"
  | "ServerError";

const GONE = { 410: ["The runner is gone, or never was", "ClientError"] } as const;
const BAD = { 400: ["The body or a parameter breaks its rule", "ClientError"] } as const;
const TOO_LARGE = { 413: ["The body is too large", "ClientError"] } as const;
const UNREADABLE = { 424: ["It is not there, or may not be read", "ClientError"] } as const;
const NO_ENVIRONMENT = { 404: ["There is no such environment"] } as const;

/** By method and path, as they are in routes.ts. */
export const ROUTE_DOCS: Readonly<Record<string, RouteDoc>> = {
  "GET /health": {
    id: "Health",
    summary: "Is the API there, and are the pools filled?",
    answers: { 204: ["All is well"], 503: ["A pool has too few idle runners", "ServerError"] },
  },
  "GET /version": {
    id: "Version",
    summary: "What the operator calls this release",
    answers: { 200: ["Its name", "Version"], 404: ["It has none"] },
  },
  "GET /statistics/execution-environments": {
    id: "Statistics",
    summary: "Idle and used runners of each environment, as last reported",
    answers: { 200: ["By the environments' ids", "Statistics"] },
  },
  "GET /execution-environments": {
    id: "ListEnvironments",
    summary: "All environments; with fetch the edge is asked for its pools first",
    query: ["fetch"],
    answers: { 200: ["In the order of their ids", "Environments"], ...BAD },
  },
  "GET /execution-environments/:id": {
    id: "GetEnvironment",
    summary: "One environment",
    query: ["fetch"],
    answers: { 200: ["The environment", "Environment"], ...BAD, ...NO_ENVIRONMENT },
  },
  "PUT /execution-environments/:id": {
    id: "PutEnvironment",
    summary: "Makes or replaces an environment; replacing ends all its runners",
    body: "Environment",
    answers: { 201: ["It is made"], 204: ["It is replaced"], ...BAD, ...TOO_LARGE },
  },
  "DELETE /execution-environments/:id": {
    id: "DeleteEnvironment",
    summary: "Deletes an environment and ends its runners",
    answers: { 204: ["It is deleted"], ...BAD, ...NO_ENVIRONMENT },
  },
  "POST /runners": {
    id: "ProvideRunner",
    summary: "Hands out a runner; with the header Prefer: wait=N it waits up to 60 s for one",
    body: "RunnerRequest",
    answers: {
      200: ["The runner", "Runner"],
      ...BAD,
      404: ["There is no such environment", "ClientError"],
      ...TOO_LARGE,
    },
  },
  "DELETE /runners/:runner": {
    id: "DeleteRunner",
    summary: "Ends a runner",
    answers: { 204: ["It is ended"], ...GONE },
  },
  "GET /runners/:runner/files": {
    id: "ListFiles",
    summary: "Lists files",
    query: ["path", "recursive", "privilegedExecution"],
    answers: { 200: ["The files", "Files"], ...GONE, ...UNREADABLE },
  },
  "PATCH /runners/:runner/files": {
    id: "PatchFiles",
    summary: "Deletes, then copies files, as root",
    body: "FilePatch",
    answers: { 204: ["All files were saved"], ...BAD, ...GONE, ...TOO_LARGE },
  },
  "GET /runners/:runner/files/raw": {
    id: "GetFile",
    summary: "The content of a file",
    query: ["path", "privilegedExecution"],
    answers: { 200: ["The file", "Bytes"], ...GONE, ...UNREADABLE },
  },
  "POST /runners/:runner/execute": {
    id: "Execute",
    summary: "Permits one execution, which begins when its WebSocket is opened",
    body: "ExecutionRequest",
    answers: { 200: ["Where to connect to", "Execution"], ...BAD, ...GONE, ...TOO_LARGE },
  },
  "GET /runners/:runner/websocket": {
    id: "Connect",
    summary:
      "A WebSocket: JSON messages out (start, stdout, stderr, exit, timeout, error), bytes for stdin in",
    query: ["executionID"],
    answers: {
      101: ["The execution begins"],
      400: ["It is no upgrade", "ClientError"],
      403: ["A page of another host asks", "ClientError"],
      404: ["The execution's id is unknown, or was used", "ClientError"],
      ...GONE,
    },
  },
};
