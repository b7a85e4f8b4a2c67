import type { Credentials } from "../../contract/support/target.ts";

/** What a client of the API does, beside the browser. @throws Error when it is refused */
export async function openApi(url: string, { name: username, password }: Credentials) {
  const answered = async (answer: Response) => {
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { access: string; data: never };
  };
  const body = new URLSearchParams({ username, password });
  const { access } = await answered(await fetch(`${url}/auth/`, { method: "POST", body }));
  const headers = { authorization: `Bearer ${access}`, prefer: "wait=300" };
  return {
    /** Asks for a command and leaves it to its lane. @returns its id */
    async queue(path: string, fields: Record<string, string>): Promise<string> {
      const body = new URLSearchParams(fields);
      const queued = { ...headers, prefer: "respond-async" };
      const { data } = await answered(await fetch(url + path, { method: "POST", body, headers: queued }));
      return (data as { command_id: string }).command_id;
    },
    /** @returns the state that the command ended in */
    async ended(id: string): Promise<string> {
      for (;;) {
        const { data } = await answered(await fetch(`${url}/commands/${id}?wait=30`, { headers }));
        const { state } = data as { state: string };
        if (!["staging", "queued", "running"].includes(state)) return state;
      }
    },
    async form(path: string, fields: Record<string, string>): Promise<void> {
      await answered(await fetch(url + path, { method: "POST", body: new URLSearchParams(fields), headers }));
    },
    async send(volume: string, files: Record<string, string>): Promise<void> {
      const form = new FormData();
      form.set("pod_name", volume);
      for (const [name, text] of Object.entries(files)) form.append("files", new Blob([text]), name);
      await answered(await fetch(`${url}/em/files/uplink`, { method: "POST", body: form, headers }));
    },
    /** Without a body. */
    async post(path: string): Promise<void> {
      await answered(await fetch(url + path, { method: "POST", headers }));
    },
    /** The answer as it comes, refusals too. */
    get: (path: string, more: Record<string, string> = {}) =>
      fetch(url + path, { headers: { ...headers, ...more }, redirect: "manual" }),
  };
}
