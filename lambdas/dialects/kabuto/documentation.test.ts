import { expect, test } from "vitest";
import { apiDocument } from "../../docs/document.ts";
import { kabuto } from "./dialect.ts";
import { OPEN, ROUTES } from "./routes.ts";

test("the document has every route, with the cookie, and no status that this API never answers", async () => {
  const document = (await apiDocument([kabuto])) as {
    paths: Record<string, Record<string, { tags?: string[]; responses: object; security: object[] }>>;
    components: { securitySchemes: object };
  };
  const own = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags?.includes("Kabuto"))
      .map(([method, operation]) => ({ at: `${method.toUpperCase()} ${path}`, operation })),
  );
  const routes = ROUTES.filter(([path]) => path !== "/").flatMap(([path, handles]) =>
    Object.keys(handles).map((method) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`),
  );
  expect(own.map(({ at }) => at).sort()).toEqual(routes.sort());
  expect(document.components.securitySchemes).toMatchObject({
    kabutoSession: { type: "apiKey", in: "cookie", name: "session" },
  });
  for (const { at, operation } of own) {
    const open = OPEN.some((path) => at.endsWith(` ${path.replaceAll(/:(\w+)/g, "{$1}")}`));
    expect(operation.security, at).toEqual(open ? [] : [{ kabutoSession: [] }, { bearer: [] }]);
    const statuses = Object.keys(operation.responses);
    for (const never of ["202", "409", "423", "429", "503", "507"]) expect(statuses, at).not.toContain(never);
  }
});
