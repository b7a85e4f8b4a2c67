import type { Command } from "commander";
import { acceptedId, readJson } from "../client.ts";
import { followToSuccess } from "../follow.ts";
import { query } from "../options.ts";
import { bytes, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { type HubOptions, hubBody } from "../unik/hub-body.ts";
import { UnikApi } from "../unik/unik-api.ts";

type HubImage = {
  image: {
    Name: string;
    SizeMb: number;
    Created: string;
    Infrastructure: string;
    RunSpec: { Compiler: string };
  };
  owner: string;
};
type PullOptions = HubOptions & { provider: string; owner?: string; force?: boolean };

/** `perigee hub …`: images that users have pushed for everybody to pull. */
export function registerHub(program: Command): void {
  const hub = program.command("hub").description("images that users of this ground share: UniK's API");
  elsewhere(hub.command("push"))
    .description("publish an image of yours: every user of this ground can find it and pull it then")
    .argument("<image>")
    .action(
      action<[string], HubOptions>(async (session, [image], options) => {
        await transfer(session, call("push", image, await hubBody(options)));
        session.output.result({ message: "Image pushed" }, () => `Pushed ${safe(image)}`);
      }),
    );
  elsewhere(hub.command("pull"))
    .description("make an image on the edge of one that was pushed")
    .argument("<image>")
    .option("--provider <provider>", "what runs it", "docker")
    .option("--owner <user>", "whose, where several users have pushed one of that name")
    .option("--force", "take the place of an image of this name, whose instances are removed")
    .action(
      action<[string], PullOptions>(async (session, [image], options) => {
        const { provider, owner, force } = options;
        const parameters = query({ provider, owner, force });
        await transfer(session, call("pull", image, await hubBody(options), parameters));
        session.output.result({ message: "Image pulled" }, () => `Pulled ${safe(image)}`);
      }),
    );
  hub
    .command("search")
    .description("list what was pushed")
    .argument("[text]", "part of the name or owner")
    .action(action<[string | undefined], object>(search));
  elsewhere(hub.command("rm"))
    .description("take an image of yours from the hub; images on edges stay")
    .argument("<image>")
    .action(
      action<[string], HubOptions>(async ({ client, output }, [image], options) => {
        await new UnikApi(client).change(call("remote-delete", image, await hubBody(options)));
        output.result({ message: "Image removed from the hub" }, () => `Removed ${safe(image)} from the hub`);
      }),
    );
}

/** Adds the options that name a hub elsewhere. */
function elsewhere(command: Command): Command {
  return command
    .option(
      "--hub <url>",
      "a hub elsewhere, without a log-in: PERIGEE_HUB_USER and PERIGEE_HUB_PASSWORD are its access key and secret",
    )
    .option("--hub-stdin", "read access key and secret from stdin, each on a line of its own");
}

/** What may take long: unless nobody is to wait for contact, the command is followed, whatever becomes of connections. */
async function transfer({ client }: Session, attempt: ReturnType<typeof call>): Promise<void> {
  const headers: Record<string, string> = client.options.waitMs > 0 ? { Prefer: "respond-async" } : {};
  const answer = await new UnikApi(client).ask({ ...attempt, headers });
  // 202 is this API's word for done as well
  if (answer.headers.location === undefined) return void answer.body.resume();
  await followToSuccess(client, acceptedId(answer, await readJson(answer)), client.patience());
}

function call(verb: string, image: string, json: Record<string, string>, parameters = "") {
  const path = `/images/${verb}/${encodeURIComponent(image)}${parameters}`;
  return { method: "POST" as const, path, json };
}

async function search({ client, output }: Session, [text = ""]: [string | undefined]): Promise<undefined> {
  const all = await new UnikApi(client).get<HubImage[]>("/hub/images");
  const wanted = text.toLowerCase();
  const found = all.filter(({ image, owner }) => `${owner}/${image.Name}`.toLowerCase().includes(wanted));
  output.result({ data: found }, () =>
    found.length === 0
      ? "The hub has no such image"
      : output.table(
          ["IMAGE", "OWNER", "COMPILER", "SIZE", "CREATED"],
          found.map(({ image, owner }) => [
            image.Name,
            owner,
            image.RunSpec.Compiler,
            bytes(image.SizeMb * 1024 ** 2),
            time(image.Created),
          ]),
          { cut: [0] },
        ),
  );
}
