import { z } from "@hono/zod-openapi";
import type { ErrorCode } from "#protocol/errors.ts";
import { ofAnswer } from "../docs/link.ts";
import { type ErrorExamples, refusals, WITH_BODY } from "../docs/refusals.ts";
import type { Registry } from "../docs/registry.ts";
import { ACCESS_SECONDS, REFRESH_SECONDS } from "./tokens.ts";

const credentials = z.object({
  username: z.string().min(1).openapi({ example: "client1" }),
  password: z.string().min(1).openapi({ example: "correct horse battery staple" }),
});
const refreshBody = z.object({
  refresh: z.string().min(1).openapi({ example: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln" }),
});
const access = z
  .string()
  .openapi({ description: `JWT for the other routes, valid ${ACCESS_SECONDS / 3600} h` });
const refresh = z.string().openapi({
  description: `JWT for /auth/refresh alone, valid ${REFRESH_SECONDS / 86_400} days`,
});
/** Adds the log-in to an OpenAPI document. */
export function documentAuthRoutes(registry: Registry): void {
  const describe = (
    path: string,
    operationId: string,
    summary: string,
    body: z.ZodObject,
    ok: { answer: z.ZodObject; links?: ReturnType<typeof refreshLink> },
    refused: ErrorCode[],
  ) =>
    registry.registerPath({
      method: "post",
      path,
      operationId,
      summary,
      tags: ["Auth"],
      security: [],
      request: {
        body: {
          required: true,
          content: {
            ...json(body),
            "application/x-www-form-urlencoded": { schema: body },
            "multipart/form-data": { schema: body },
          },
        },
      },
      responses: {
        200: {
          description: "Tokens",
          content: json(ok.answer),
          ...(ok.links && { links: ok.links }),
        },
        ...refusals([...WITH_BODY, ...refused, "INTERNAL_ERROR"], EXAMPLES),
      },
    });
  describe(
    "/auth/",
    "logIn",
    "Log in",
    credentials,
    { answer: z.object({ access, refresh }), links: refreshLink() },
    ["INVALID_CREDENTIALS", "TOO_MANY_ATTEMPTS"],
  );
  describe(
    "/auth/refresh",
    "refreshToken",
    "A new access token",
    refreshBody,
    { answer: z.object({ access }) },
    ["UNAUTHORIZED"],
  );
}

const EXAMPLES: ErrorExamples = {
  BODY_TOO_LARGE: { message: "The body is over 64 KiB" },
  TOO_MANY_ATTEMPTS: { retry_after: 30 },
};

function refreshLink() {
  return { refresh: { operationId: "refreshToken", requestBody: { refresh: ofAnswer("/refresh") } } };
}

const json = (schema: z.ZodType) => ({ "application/json": { schema } });
