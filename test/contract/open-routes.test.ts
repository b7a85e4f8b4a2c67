import { describe, expect, it } from "vitest";
import { EM_ROUTES } from "./support/routes.ts";
import { named, nobody, target, user } from "./support/session.ts";

describe("without a token", () => {
  it("/healthz tells that it is well", async () => {
    expect((await nobody.get("/healthz")).status).toBe(200);
  });

  it("/metrics are Prometheus text, without names of users, pods, images or commands", async () => {
    await (await user()).uplink({ a: "a" }, { pod_name: named("metrics") });
    const answer = await nobody.get("/metrics");
    expect(answer.status).toBe(200);
    expect(answer.header("content-type")).toMatch(/^text\/plain\b/);
    expect(answer.text).toMatch(/^# TYPE \S+ (?:counter|gauge|histogram)$/m);
    expect(answer.text).not.toContain(target.run);
    expect(answer.text).not.toContain(target.user.name);
    expect(answer.text).not.toMatch(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/);
  });

  it("/openapi.json is OpenAPI 3.1 and knows every route with its methods", async () => {
    const answer = await nobody.get("/openapi.json");
    expect(answer.status).toBe(200);
    const { openapi, paths } = answer.json;
    expect(openapi).toMatch(/^3\.1\./);
    for (const { path, methods } of EM_ROUTES) {
      for (const method of methods) expect(paths[path]).toHaveProperty(method.toLowerCase());
    }
    expect(paths).toHaveProperty(["/auth/", "post"]);
    expect(paths).toHaveProperty(["/auth/refresh", "post"]);
    expect(paths).toHaveProperty(["/commands", "get"]);
    expect(paths).toHaveProperty(["/commands/{id}", "get"]);
    expect(paths).toHaveProperty(["/commands/{id}/cancel", "post"]);
    expect(paths).toHaveProperty(["/edge", "get"]);
  });

  it("/docs is a page of files of this origin, which browsers keep, with no script in itself", async () => {
    const answer = await nobody.get("/docs");
    expect(answer.status).toBe(200);
    expect(answer.header("content-type")).toMatch(/^text\/html\b/);
    expect(answer.header("content-security-policy")).toContain("script-src 'self';");
    const loaded = [...answer.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path]) => path!);
    const [styles, scripts] = [/\.css$/, /\.js$/].map((ending) => loaded.filter((path) => ending.test(path)));
    expect([styles!.length, scripts!.length]).toEqual([1, 2]);
    for (const path of [...styles!, ...scripts!]) {
      const file = await nobody.get(path);
      expect([path, file.status]).toEqual([expect.stringMatching(/^\/docs\/[\w.-]+$/), 200]);
      expect(file.header("cache-control")).toContain("immutable");
    }
    expect(answer.text).not.toMatch(/<script(?![^>]* src=)|<style|style=| on\w+=/);
  });
});
