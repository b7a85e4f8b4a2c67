import { z } from "@hono/zod-openapi";

const bytes = z.string().openapi({ type: "string", format: "binary" });

/** 206: a part of some content. */
export const partAnswer = {
  description: "The part that `Range` asked for",
  headers: z.object({ "Content-Range": z.string().openapi({ example: "bytes 0-1023/65536" }) }),
  content: { "application/octet-stream": { schema: bytes }, "application/x-tar": { schema: bytes } },
};

/** 302: content that is too large to pass through a ground in the cloud. */
export const redirectAnswer = {
  description:
    "Where only so much passes through the ground: the content is at `Location`, which needs no token",
  headers: z.object({ Location: z.string() }),
  content: {
    "application/json": {
      schema: z.object({ message: z.string(), data: z.object({ size: z.number().int() }) }),
    },
  },
};
