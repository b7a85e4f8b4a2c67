import { expect, test } from "vitest";
import { me, other, scripted, target } from "./support/session.ts";

const pull = (name: string, query = "provider=docker", body: unknown = {}) =>
  other.post(`/images/pull/${name}?${query}`, body);
const inHub = async (name: string) =>
  (await other.get("/hub/images")).json.filter(
    ({ image }: { image: { Name: string } }) => image.Name === name,
  );

test("what one user pushes another finds, pulls and runs; the rest stays his", async () => {
  const [name, kept] = [await scripted(["/data"]), await scripted()];
  const image = (await me.get(`/images/${name}`)).json;
  expect(await me.post(`/images/push/${name}`, {})).toMatchObject({ status: 202, text: "" });
  expect(await inHub(name)).toEqual([{ image, owner: target.user.name }]);
  expect(await inHub(kept)).toEqual([]);
  expect(await pull(name)).toMatchObject({ status: 202, text: "" });
  const pulled = (await other.get(`/images/${name}`)).json;
  expect(pulled).toMatchObject({ Name: name, RunSpec: { DeviceMappings: image.RunSpec.DeviceMappings } });
  expect((await other.delete(`/images/${name}`)).status).toBe(204);
  expect((await me.post(`/images/remote-delete/${name}`, null)).status).toBe(202);
  expect(await inHub(name)).toEqual([]);
});
