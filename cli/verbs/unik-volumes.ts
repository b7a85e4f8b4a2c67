import { type Command, Option } from "commander";
import { usage } from "../failure.ts";
import { query, wholeNumber } from "../options.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";
import { archiveForm } from "../unik/archive-form.ts";
import { UnikApi } from "../unik/unik-api.ts";

type Options = { provider: string; data?: string; size?: number; type?: string };

const pathOf = (name: string) => `/volumes/${encodeURIComponent(name)}`;

/** `perigee volumes create`, `attach` and `detach`: volumes for instances. */
export function registerUnikVolumes(volumes: Command): void {
  volumes
    .command("create")
    .description("make a volume for instances, empty or with what is in a directory")
    .argument("<name>")
    .option("--data <directory>", "what is in it at first")
    .option("--size <MiB>", "what it may hold (with --data: as much as that needs)", wholeNumber(1))
    .option("--provider <provider>", "what will mount it", "docker")
    .addOption(
      new Option("--type <type>", "kind of file system, where it is a disk").choices(["ext2", "fat"]),
    )
    .action(action<[string], Options>(create));
  volumes
    .command("attach")
    .description("give a volume to a stopped instance, for its next start")
    .argument("<name>")
    .argument("<instance>", "name or id")
    .requiredOption("--mount <path>", "mount point of the instance's image")
    .action(
      action<[string, string], { mount: string }>(async ({ client, output }, [name, instance], { mount }) => {
        const path = `${pathOf(name)}/attach/${encodeURIComponent(instance)}${query({ mount })}`;
        await new UnikApi(client).change({ method: "POST", path });
        output.result({ message: "Volume attached" }, () => `Attached ${safe(name)} to ${safe(instance)}`);
      }),
    );
  volumes
    .command("detach")
    .description("take a volume from its stopped instance")
    .argument("<name>")
    .action(
      action<[string], object>(async ({ client, output }, [name]) => {
        await new UnikApi(client).change({ method: "POST", path: `${pathOf(name)}/detach` });
        output.result({ message: "Volume detached" }, () => `Detached ${safe(name)}`);
      }),
    );
}

async function create({ client, output }: Session, [name]: [string], options: Options): Promise<undefined> {
  const { provider, data, size, type } = options;
  if (data === undefined && size === undefined) throw usage("give --size, or --data with a directory");
  const path = `${pathOf(name)}${query({ provider, size, type })}`;
  const api = new UnikApi(client);
  const { packSources } = await import("../unik/pack-sources.ts");
  await using packed =
    data === undefined ? undefined : await packSources(data, (text) => output.notice(text));
  const stream = packed && archiveForm(output, packed.file);
  const made = await api.change({ method: "POST", path, ...(stream && { stream }) });
  output.result({ data: made }, () => `Made volume ${safe(name)}`);
}
