import { expect, test } from "vitest";
import { INFRASTRUCTURE, me, named, run, SERVER, scripted } from "./support/session.ts";

test("an instance runs, is stopped, starts anew under the same Id, and is removed", async () => {
  const name = named("instances", "life");
  const image = await scripted();
  const made = await run(image, SERVER, { InstanceName: name });
  expect([made.status, made.json]).toEqual([
    201,
    {
      Id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
      Name: name,
      State: "running",
      IpAddress: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
      ImageId: image,
      Infrastructure: INFRASTRUCTURE,
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    },
  ]);
  const { Id, Created } = made.json;
  expect((await me.get("/instances")).json).toContainEqual(made.json);
  expect((await me.get(`/instances/${name}`)).json).toEqual(made.json);
  expect(await me.post(`/instances/${name}/start`)).toMatchObject({ status: 200, text: "" });
  expect(await me.delete(`/instances/${name}`)).toMatchObject({
    status: 409,
    text: `instance ${name} is still running. try again with --force or power off instance first`,
  });
  const stopped = await me.post(`/instances/${name}/stop`, "whatever");
  expect([stopped.status, stopped.text, stopped.headers.get("content-length")]).toEqual([200, "", "0"]);
  expect((await me.get(`/instances/${Id}`)).json).toMatchObject({
    ...{ Id, Name: name, Created, State: "stopped", IpAddress: "", ExitCode: 3 },
  });
  expect((await me.send("POST", `/instances/${Id}/stop`)).status).toBe(200);
  expect((await me.send("POST", `/instances/${Id}/start`)).status).toBe(200);
  expect((await me.get(`/instances/${Id}`)).json).toMatchObject({ State: "running", Created, Name: name });
  const before = await me.get(`/instances/${Id}/logs?previous=true`);
  expect(before.text).toBe(`getting logs for ${Id}...\nup\ndown\n`);
  expect(await me.delete(`/instances/${Id}?force=true`)).toMatchObject({ status: 204, text: "" });
  expect((await me.get(`/instances/${Id}`)).status).toBe(404);
  expect((await me.get(`/instances/${Id}/logs`)).status).toBe(404);
});
