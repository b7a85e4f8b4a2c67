import { takeAhead, UNKEPT } from "./ahead.ts";
import { chosenEdge, keepSession, session } from "./session.ts";

/** A refusal of the ground, or that it was not reached (`UNREACHABLE`). */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: string;
  readonly status: number;
  readonly logTail: string[];

  constructor(code: string, message: string, status: number, logTail: string[] = []) {
    super(message);
    this.code = code;
    this.status = status;
    this.logTail = logTail;
  }
}

export type Asked = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

/** A request of the ground with the user's token and edge. @throws ApiError */
export async function ask(path: string, init: Asked = {}): Promise<Response> {
  const response = await send(path, init);
  if (response.status !== 401) return checked(response);
  const renewed = await renew();
  if (renewed) return checked(await send(path, init));
  keepSession(undefined);
  return checked(response);
}

/** The `data` of a JSON answer. @throws ApiError */
export async function data<T>(path: string, init?: Asked): Promise<T> {
  const response = await ask(path, init);
  return ((await response.json()) as { data: T }).data;
}

/** A form that becomes a command, which is not waited for. @returns its id */
export async function command(path: string, fields: Record<string, string>): Promise<string> {
  const body = new URLSearchParams(fields);
  const headers = { prefer: "respond-async" };
  return (await data<{ command_id: string }>(path, { method: "POST", body, headers })).command_id;
}

/** @throws ApiError */
export async function logIn(username: string, password: string): Promise<void> {
  const body = new URLSearchParams({ username, password });
  const response = await checked(await reach("/auth/", { method: "POST", body }));
  const tokens = (await response.json()) as { access: string; refresh: string };
  keepSession({ user: username, ...tokens });
}

function send(path: string, { headers, ...init }: Asked): Promise<Response> {
  const edge = chosenEdge.value;
  return reach(path, {
    ...init,
    headers: {
      ...(edge !== undefined && { "perigee-edge": edge }),
      ...headers,
      authorization: `Bearer ${session.value?.access ?? ""}`,
    },
  });
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await (takeAhead(path, init.signal) ?? fetch(path, { ...init, ...UNKEPT }));
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new ApiError("UNREACHABLE", "The ground cannot be reached. It is tried again by itself.", 0);
  }
}

/** A renewal that has no answer after this long (ms) is given up: every request waits for it. */
const RENEWAL_MS = 15_000;
let renewing: Promise<boolean> | undefined;

/** One renewal for all requests that found the token ended. */
function renew(): Promise<boolean> {
  renewing ??= renewOnce().finally(() => {
    renewing = undefined;
  });
  return renewing;
}

async function renewOnce(): Promise<boolean> {
  const before = session.value;
  if (!before) return false;
  const body = new URLSearchParams({ refresh: before.refresh });
  const response = await reach("/auth/refresh", {
    method: "POST",
    body,
    signal: AbortSignal.timeout(RENEWAL_MS),
  });
  if (!response.ok) return false;
  const { access } = (await response.json()) as { access: string };
  keepSession({ ...before, access });
  return true;
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = (name: string, otherwise: string) =>
    typeof body[name] === "string" ? (body[name] as string) : otherwise;
  throw new ApiError(
    text("error", `HTTP_${response.status}`),
    text("message", `The ground answered ${response.status}`),
    response.status,
    Array.isArray(body.log_tail) ? body.log_tail.map(String) : [],
  );
}
